"""Background work with a lease and a retry count."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

# asset: probe a file that was put in, and make its thumbnail and HLS; item: index an asset in a store.
JobKind = Literal["asset", "item"]


class Job(Struct, frozen=True, kw_only=True):
    """A piece of work on one subject. ``tries`` counts those before this one."""

    id: UUID
    tenant_id: UUID
    kind: JobKind
    subject_id: UUID
    created_at: datetime
    tries: int = 0
