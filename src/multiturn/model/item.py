"""The smallest ordered unit of a session."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from multiturn.model.content import Content

ItemStatus = Literal["completed", "incomplete"]


class Item(Struct, frozen=True, kw_only=True):
    """One stored item: its place ``seq`` (from 1 without gaps), what it holds, and its tokens, counted once.

    ``incomplete`` marks an answer that was cancelled while the model spoke.
    """

    seq: int
    run_id: UUID
    content: Content
    tokens: int
    created_at: datetime
    status: ItemStatus = "completed"


class Range(Struct, frozen=True, array_like=True):
    """The items ``first`` to ``last`` of a session, both included: of another one when ``session_id`` names it."""

    first: int
    last: int
    session_id: UUID | None = None

    def __len__(self) -> int:
        return max(0, self.last - self.first + 1)
