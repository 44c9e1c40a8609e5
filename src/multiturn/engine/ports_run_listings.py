"""The interface of where runs of many sessions are looked for."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from multiturn.model.page import Page
from multiturn.model.run import Run
from multiturn.model.run_listing import RunFilter, WaitingRun


class RunListingStore(Protocol):
    """Lists runs of sessions that are there: not of those that were deleted or have expired."""

    async def list_runs(
        self, tenant_id: UUID, wanted: RunFilter, *, before: UUID | None, now: datetime, limit: int
    ) -> Page[Run]:
        """List the runs of a tenant that a filter keeps, newest first, those before the run ``before``."""
        ...

    async def list_session_runs(
        self, tenant_id: UUID, session_id: UUID, wanted: RunFilter, *, before: int | None, limit: int
    ) -> Page[Run]:
        """List the runs of a session that a filter keeps, newest first, those before ticket ``before``."""
        ...

    async def list_waiting(
        self, tenant_id: UUID, wanted: RunFilter, *, after: UUID | None, limit: int
    ) -> Page[WaitingRun]:
        """List the runs that wait for a person's word, oldest first, those behind the run ``after``, with the calls of
        which nothing was said yet.
        """
        ...

    async def find_waiting(self, tenant_id: UUID, run_id: UUID) -> WaitingRun | None:
        """Find what waits of a run; None where it does not wait."""
        ...
