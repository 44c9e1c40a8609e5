"""What is looked for in a listing."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

SessionSort = Literal["newest", "oldest", "active_last", "active_first"]


class SessionFilter(Struct, frozen=True, kw_only=True):
    """Which sessions are listed, and how.

    ``owner_id`` is the user whose they are; ``user_id`` one who owns them or takes part in them; ``metadata`` is what
    theirs contain; ``text`` are words that an item, the external id or the metadata hold, case aside.

    ``before`` is a session: those behind it, newest first. ``offset`` leaves out so many of any order.
    """

    owner_id: UUID | None = None
    agent_id: UUID | None = None
    user_id: UUID | None = None
    metadata: dict[str, Any] = {}
    active_after: datetime | None = None
    active_before: datetime | None = None
    text: str | None = None
    sort: SessionSort = "newest"
    before: UUID | None = None
    offset: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether nothing but an owner and a cursor is asked for."""
        return self == SessionFilter(owner_id=self.owner_id, before=self.before)


class Span(Struct, frozen=True, kw_only=True):
    """A stretch of a history, both ends excluded: places (``seq``) and times."""

    after: int | None = None
    before: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def has_times(self) -> bool:
        """Whether it is bounded in time."""
        return self.since is not None or self.until is not None


EVERYTHING = Span()
