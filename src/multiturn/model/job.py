"""Background work with a lease and a retry count."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from multiturn.model.knowledge import DocumentSegment

# asset: probe a file that was put in, and make its thumbnail and HLS; item: index an asset in a store.
JobKind = Literal["asset", "item"]


class Job(Struct, frozen=True, kw_only=True):
    """A piece of work on one subject, as a worker has it: ``claim_id`` is this claim's own, and good for writing until
    somebody else claims the job. ``tries`` failed before this one, and ``deaths`` are of workers who had it; both since
    it came further the last time.
    """

    id: UUID
    tenant_id: UUID
    kind: JobKind
    subject_id: UUID
    created_at: datetime
    claim_id: UUID
    tries: int = 0
    deaths: int = 0


class DueIndex(Struct, frozen=True, kw_only=True):
    """An item of a store that can be found and of which some segments have no vectors of the present embedding model,
    with the first of those.
    """

    tenant_id: UUID
    store_id: UUID
    item_id: UUID
    title: str
    segments: tuple[DocumentSegment, ...]
