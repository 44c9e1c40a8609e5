"""Sessions as they can be seen: listed, read, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from multiturn.engine.ports import Clock, ItemStore, RetentionStore, RunStore, SessionStore
from multiturn.engine.window.assemble import Assembler, clip
from multiturn.errors import NotFound
from multiturn.model.item import Item, Range
from multiturn.model.page import Page
from multiturn.model.run import Run
from multiturn.model.session import Session, SessionKey
from multiturn.model.tenant import Caller

ERASE_ROWS = 200
# So many batches a request erases itself; of a longer session the sweeper erases the rest.
ERASE_BATCHES = 50


class Sessions:
    """The sessions that a caller may see: those of its user, or of its whole tenant when its key belongs to no user."""

    def __init__(
        self,
        sessions: SessionStore,
        items: ItemStore,
        runs: RunStore,
        retention: RetentionStore,
        assembler: Assembler,
        clock: Clock,
    ) -> None:
        self.sessions = sessions
        self.items = items
        self.runs = runs
        self.retention = retention
        self.assembler = assembler
        self.clock = clock

    async def get(self, key: SessionKey) -> Session:
        """Get a session. Raises NotFound, also for one that the caller may not see."""
        session = await self.sessions.find(key, self.clock())
        if session is None:
            raise NotFound("There is no such session.", code="session_not_found", param="session_id")
        return session

    async def get_run(self, caller: Caller, run_id: UUID | None) -> Run:
        """Get a run of a session that the caller may see. Raises NotFound."""
        run = await self.runs.find(caller.tenant_id, run_id) if run_id else None
        if run:
            key = SessionKey(
                tenant_id=caller.tenant_id, user_id=caller.user_id, id=run.session_id, is_bound=caller.is_bound
            )
            run = run if await self.sessions.find(key, self.clock()) else None
        if run is None:
            raise NotFound("There is no such run.", code="run_not_found", param="run_id")
        return run

    async def list_sessions(self, caller: Caller, *, before: UUID | None, limit: int) -> Page[Session]:
        """List the sessions that the caller may see, newest first."""
        user_id = caller.user_id if caller.is_bound else None
        return await self.sessions.list_sessions(
            caller.tenant_id, user_id, now=self.clock(), before=before, limit=limit
        )

    async def list_items(
        self, session: Session, *, cursor: int | None, limit: int, newest_first: bool, all_branches: bool
    ) -> Page[Item]:
        """List a session's items from one end, those behind the ``seq`` ``cursor``: of its active branch, or of all
        of them.
        """
        path: Sequence[Range] = (Range(1, session.head),) if all_branches and session.head else session.path
        if cursor is not None:
            path = until(path, cursor - 1) if newest_first else clip(path, cursor + 1)
        items = await self.items.list_items(
            session.tenant_id, session.id, path, limit=limit + 1, newest_first=newest_first
        )
        return Page(items[:limit], has_more=len(items) > limit)

    async def list_runs(self, session: Session, *, before: int | None, limit: int) -> Page[Run]:
        """List a session's runs, newest first."""
        return await self.runs.list_runs(session.tenant_id, session.id, before=before, limit=limit)

    async def delete(self, session: Session) -> None:
        """Delete a session with everything in it; afterwards no byte of it is left in files of our own.

        A turn that runs is cancelled: nobody will read its answer.
        """
        await self.sessions.delete(session.tenant_id, session.id)
        if session.run_id:
            await self.runs.request_cancel(session.tenant_id, session.run_id)
        self.assembler.forget(session.id)
        for _ in range(ERASE_BATCHES):
            if not await self.retention.erase_batch(limit=ERASE_ROWS):
                break
        await self.retention.vacuum()


def until(path: Sequence[Range], last: int) -> list[Range]:
    """The part of a path up to ``last``."""
    return [Range(range_.first, min(range_.last, last), range_.session_id) for range_ in path if range_.first <= last]
