"""What is told of agents and sessions besides what they are: how much they are used, and how they began."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from multiturn.model.session import Session


class AgentUse(Struct, frozen=True, kw_only=True):
    """How much an agent is used: the sessions that it takes part in, and the runs in them."""

    sessions: int = 0
    runs: int = 0
    last_run_at: datetime | None = None


class AgentSessionFilter(Struct, frozen=True, kw_only=True):
    """Which sessions of an agent are listed, those used last first.

    ``owner_id`` is the user whose they are; ``text`` are words that an item, the external id or the metadata hold, case
    aside; ``created_before`` is excluded.
    """

    agent_id: UUID
    owner_id: UUID | None = None
    text: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    runs_min: int | None = None
    runs_max: int | None = None
    offset: int = 0
    limit: int = 50


class SessionOverview(Struct, frozen=True, kw_only=True):
    """A session, how many runs it had, and what was asked in it first."""

    session: Session
    runs: int = 0
    last_run_at: datetime | None = None
    first_message: str | None = None


class Overview(Struct, frozen=True):
    """A page of sessions, and how many there are on all pages."""

    sessions: Sequence[SessionOverview]
    total: int
