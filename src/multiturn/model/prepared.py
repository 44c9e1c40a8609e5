"""What was retrieved ahead of a turn, to be given to turns by its id."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from multiturn.model.citation import StoreQuery
from multiturn.model.retrieved import RetrievedContext


class PreparedContext(Struct, frozen=True, kw_only=True):
    """What stores held on a text when they were searched: it stays as it is, whatever becomes of them.

    ``tokens_max`` is what its sources may take.
    """

    id: UUID
    tenant_id: UUID
    user_id: UUID
    created_at: datetime
    queries: tuple[StoreQuery, ...]
    tokens_max: int
    retrieved: RetrievedContext
