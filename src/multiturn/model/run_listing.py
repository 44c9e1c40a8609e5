"""Runs beyond one session: which are listed, and those that wait for a person."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from multiturn.model.run import Run, RunStatus
from multiturn.model.step import ToolCall


class RunFilter(Struct, frozen=True, kw_only=True):
    """Which runs are listed: of the sessions of the user ``owner_id``, answered by an agent, of a status."""

    owner_id: UUID | None = None
    agent_id: UUID | None = None
    status: RunStatus | None = None


EVERY_RUN = RunFilter()


class WaitingRun(Struct, frozen=True, kw_only=True):
    """A run that waits for a person's word about ``calls``; nobody's word by ``expires_at`` is a no."""

    run: Run
    asked_at: datetime
    expires_at: datetime
    calls: tuple[ToolCall, ...]
