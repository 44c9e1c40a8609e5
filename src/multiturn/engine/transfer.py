"""Exports sessions: everything that is stored of one, in pages, in the order in which it is imported again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from msgspec.structs import replace

from multiturn.engine.knowledge import Knowledge
from multiturn.engine.ports import Clock, ContextStore, ItemStore, SessionStore
from multiturn.engine.ports_transfer import TransferStore
from multiturn.engine.window.shown import clip
from multiturn.model.archive import Archived, ArchivedRun, ArchivedSession, ArchiveEnd
from multiturn.model.content import Summary
from multiturn.model.item import Item, Range
from multiturn.model.knowledge import DocumentFilter, KnowledgeItem, Owner
from multiturn.model.run import Run
from multiturn.model.session import Session, SessionKey

# An item may hold pictures, a run all that was retrieved for it: few enough that a page is small.
PAGE = 50
DOCUMENTS_PAGE = 20


class ExportStores(Protocol):
    """Where what is exported is kept."""

    @property
    def transfer(self) -> TransferStore: ...

    @property
    def sessions(self) -> SessionStore: ...

    @property
    def items(self) -> ItemStore: ...

    @property
    def contexts(self) -> ContextStore: ...


class Exports:
    """Reads sessions out."""

    def __init__(self, stores: ExportStores, knowledge: Knowledge, clock: Clock) -> None:
        self.stores = stores
        self.knowledge = knowledge
        self.clock = clock

    async def read(self, session: Session, *, with_documents: bool) -> AsyncGenerator[Sequence[Archived]]:
        """Read a session as it stands now, page by page: itself, its items (those of branches that were left too, and
        those that it shares), its runs, its documents if wanted, and the end.

        A session that is cleared or deleted meanwhile has no end.
        """
        counts = {"items": 0, "runs": 0, "documents": 0}
        pending = await self.stores.contexts.find_pending(session.tenant_id, session.id)
        yield [archive(session, pending=pending)]
        async for items in self._read_items(session):
            counts["items"] += len(items)
            yield items
        async for runs in self._read_runs(session):
            counts["runs"] += len(runs)
            yield runs
        if with_documents:
            async for documents in self._read_documents(session):
                counts["documents"] += len(documents)
                yield documents
        if await self._is_whole(session):
            yield [ArchiveEnd(**counts)]

    async def _read_items(self, session: Session) -> AsyncGenerator[Sequence[Item]]:
        after = 0
        while items := await self.stores.items.list_items(
            session.tenant_id, session.id, clip(session.branches, after + 1), limit=PAGE, newest_first=False
        ):
            yield items
            after = items[-1].seq

    async def _read_runs(self, session: Session) -> AsyncGenerator[Sequence[ArchivedRun]]:
        """The runs that had ended when the session was read."""
        after = 0
        while runs := await self.stores.transfer.list_runs(session.tenant_id, session.id, after=after, limit=PAGE):
            yield [run for run in runs if last_of(run.run) <= session.head]
            after = runs[-1].run.ticket

    async def _read_documents(self, session: Session) -> AsyncGenerator[Sequence[KnowledgeItem]]:
        owner, cursor = Owner("session", session.id), None
        while True:
            which = DocumentFilter(cursor=cursor, limit=DOCUMENTS_PAGE, newest_first=False)
            page = await self.knowledge.list_items(session.tenant_id, owner, which)
            yield page.data
            if not (page.has_more and page.data):
                return
            cursor = page.data[-1].id

    async def _is_whole(self, session: Session) -> bool:
        """Whether nothing of what was read has been taken away meanwhile."""
        key = SessionKey(tenant_id=session.tenant_id, user_id=session.user_id, id=session.id)
        now = await self.stores.sessions.find(key, self.clock())
        return now is not None and now.cleared == session.cleared


def archive(session: Session, *, pending: Summary | None) -> ArchivedSession:
    """A session as it stands by itself: what it shares with others is its own."""
    return ArchivedSession(
        id=session.id,
        external_id=session.external_id,
        created_at=session.created_at,
        active_at=session.active_at,
        idle_expiry_s=session.idle_expiry_s,
        instructions=session.instructions,
        metadata=session.metadata,
        settings=replace(session.settings, origin=None),
        head=session.head,
        path=join_ranges([(range_.first, range_.last) for range_ in session.path]),
        cut=session.cut,
        cleared=session.cleared,
        shown=session.shown,
        pending=pending if pending and pending.last <= session.head else None,
    )


def join_ranges(ranges: Sequence[tuple[int, int]]) -> tuple[Range, ...]:
    """Ranges of ``seq``, those that follow on one another as one."""
    joined: list[tuple[int, int]] = []
    for first, last in ranges:
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return tuple(Range(first, last) for first, last in joined)


def last_of(run: Run) -> int:
    """The last ``seq`` of a run that entered the history; 0 of one that did not."""
    return max((range_.last for range_ in (run.input_items, run.output_items) if range_), default=0)
