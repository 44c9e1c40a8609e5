"""Runs as a person looks for them: those that failed, those of an agent, those that wait for a word."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from multiturn.engine.ports import Clock
from multiturn.engine.ports_run_listings import RunListingStore
from multiturn.model.page import Page
from multiturn.model.run import Run
from multiturn.model.run_listing import RunFilter, WaitingRun
from multiturn.model.session import Session
from multiturn.model.tenant import Caller


class RunListings:
    """The runs that a caller may see: in the sessions of its user, or of its whole tenant when its key is nobody's."""

    def __init__(self, store: RunListingStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    async def list_runs(self, caller: Caller, wanted: RunFilter, *, before: UUID | None, limit: int) -> Page[Run]:
        """List runs, newest first, those before the run ``before``."""
        wanted = narrow(caller, wanted)
        return await self.store.list_runs(caller.tenant_id, wanted, before=before, now=self.clock(), limit=limit)

    async def list_session_runs(
        self, session: Session, wanted: RunFilter, *, before: int | None, limit: int
    ) -> Page[Run]:
        """List a session's runs, newest first, those before ticket ``before``."""
        return await self.store.list_session_runs(session.tenant_id, session.id, wanted, before=before, limit=limit)

    async def list_waiting(
        self, caller: Caller, wanted: RunFilter, *, after: UUID | None, limit: int
    ) -> Page[WaitingRun]:
        """List the runs that wait for a person's word, oldest first, those behind the run ``after``."""
        return await self.store.list_waiting(caller.tenant_id, narrow(caller, wanted), after=after, limit=limit)

    async def find_waiting(self, run: Run) -> WaitingRun | None:
        """Find what waits of a run; None where it does not wait."""
        return await self.store.find_waiting(run.tenant_id, run.id)


def narrow(caller: Caller, wanted: RunFilter) -> RunFilter:
    """A filter that keeps only what the caller may see."""
    return replace(wanted, owner_id=caller.user_id) if caller.is_bound else wanted
