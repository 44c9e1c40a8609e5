"""Imports sessions: all that was sent becomes visible at once, or nothing of it is left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from msgspec.structs import replace

from multiturn.engine.agents import CheckTemplate
from multiturn.engine.chunks import Outline
from multiturn.engine.erasure import erase_pending
from multiturn.engine.indexing import build_segments, list_parts, store_segment
from multiturn.engine.knowledge import STORE_CHUNKS_MAX, Knowledge, check_document, digest_of
from multiturn.engine.metadata import check_object, check_text
from multiturn.engine.ports import AgentStore, Clock, RetentionStore, UserStore
from multiturn.engine.ports_ingestion import StoreRegistry
from multiturn.engine.ports_transfer import TransferStore
from multiturn.engine.sessions import MEMBERS_MAX, TEXT_CHARS_MAX
from multiturn.engine.times import as_stored
from multiturn.engine.transfer_staging import StagedSession
from multiturn.engine.upkeep import Upkeep
from multiturn.errors import Conflict, InvalidRequest, MultiturnError, TooLarge, Unavailable
from multiturn.model.archive import ArchivedRun, ArchivedSession, ArchiveEnd, Imported, LeftOut, Sourced
from multiturn.model.content import Summary
from multiturn.model.ids import new_id
from multiturn.model.item import Item
from multiturn.model.knowledge import KnowledgeItem, Owner
from multiturn.model.session import Session
from multiturn.model.tenant import Caller

log = logging.getLogger(__name__)

RECORDS_MAX = 250_000
SESSIONS_MAX = 10_000
# Each batch is a commit, and other turns pass between two: they wait half as long as with batches of a hundred.
BATCH_RECORDS = 25
BATCH_BYTES = 1024 * 1024
# An import whose server died is erased after this time; one that goes on holds its sessions this often.
HOLD = timedelta(seconds=60)
RENEW_S = 15.0
# A session that never comes near its model's window needs no index.
INDEX_TOKENS = 1000


class ImportStores(Protocol):
    """Where what an import needs is kept."""

    @property
    def transfer(self) -> TransferStore: ...

    @property
    def retention(self) -> RetentionStore: ...

    @property
    def agents(self) -> AgentStore: ...

    @property
    def users(self) -> UserStore: ...

    @property
    def registry(self) -> StoreRegistry: ...


class Imports:
    """Takes sessions in."""

    def __init__(
        self,
        stores: ImportStores,
        knowledge: Knowledge,
        upkeep: Upkeep,
        clock: Clock,
        check_template: CheckTemplate,
    ) -> None:
        self.stores = stores
        self.knowledge = knowledge
        self.upkeep = upkeep
        self.clock = clock
        self.check_template = check_template

    async def take(self, caller: Caller, source: AsyncIterator[Sourced]) -> Imported:
        """Take in the sessions of a source; nobody sees any of them before all are there, and an import that fails
        leaves nothing.

        Raises InvalidRequest (``import_broken``) saying where the source is wrong, Conflict (``session_exists``) when
        an external id is taken, TooLarge, and what the source raises.
        """
        taking = Import(self, caller)
        try:
            async with taking.held():
                async for sourced in source:
                    await taking.take(sourced)
                sessions = await taking.publish()
        except BaseException:
            await self._drop(caller, [staged.id for staged in taking.staged])
            raise
        for session, staged in zip(sessions, taking.staged, strict=True):
            if staged.tokens > INDEX_TOKENS:
                self.upkeep.spawn(self._index(session))
        return Imported(sessions=tuple(sessions), left_out=tuple(taking.left_out))

    async def _drop(self, caller: Caller, session_ids: Sequence[UUID]) -> None:
        """Erase what came of an import that failed; where that fails too, the sweeper does it."""
        if not session_ids:
            return
        try:
            await self.stores.transfer.drop(caller.tenant_id, session_ids)
            await erase_pending(self.stores.retention)
        except Unavailable as error:
            log.warning("what is left of a failed import is erased later: %s", error)

    async def _index(self, session: Session) -> None:
        """Make the session's search index, so that its first turn finds what that turn cuts away."""
        try:
            async with self.upkeep.slots:
                await self.upkeep.indexes.prepare(session, session.path, session.head + 1)
        except MultiturnError as error:
            log.info("an imported session is indexed later: %s", error)


class Import:
    """One import at work: the sessions that came so far, the last of which is still open."""

    def __init__(self, parts: Imports, caller: Caller) -> None:
        self.parts = parts
        self.caller = caller
        self.staged: list[StagedSession] = []
        self.left_out: list[LeftOut] = []
        self.names: set[str] = set()
        self.records = 0
        self.waiting_bytes = 0
        self.is_ended = False
        self.finished: list[tuple[Session, int, Summary | None]] = []

    @property
    def now(self) -> datetime:
        """The time, as it is stored."""
        return as_stored(self.parts.clock())

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Hold what has come while the block runs, however slowly the rest comes."""
        holding = asyncio.create_task(self._hold())
        try:
            yield
        finally:
            holding.cancel()
            await asyncio.wait([holding])

    async def _hold(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            ids = [staged.id for staged in self.staged]
            try:
                if ids:
                    await self.parts.stores.transfer.renew(self.caller.tenant_id, ids, self.now + HOLD)
            except Unavailable as error:
                log.warning("an import cannot be held: %s", error)

    async def take(self, sourced: Sourced) -> None:
        """Take one record. Raises InvalidRequest saying where it stands and what is wrong with it."""
        self.records += 1
        if self.records > RECORDS_MAX:
            raise TooLarge(f"An import has at most {RECORDS_MAX} lines. Import it in parts.")
        try:
            await self._take(sourced.record, sourced.where)
        except (InvalidRequest, TooLarge) as error:
            raise broken(sourced.where, error.message) from error
        except Conflict as error:
            if error.code != "document_exists":
                raise
            raise broken(sourced.where, error.message) from error
        self.waiting_bytes += sourced.size
        open_ = self.staged[-1]
        if len(open_.items) + len(open_.runs) >= BATCH_RECORDS or self.waiting_bytes >= BATCH_BYTES:
            await self._store()

    async def _take(self, record: object, where: str) -> None:
        if isinstance(record, ArchivedSession):
            await self._begin(record, where)
            return
        if not self.staged or self.is_ended:
            raise InvalidRequest("a session must stand before what belongs to it")
        match record:
            case Item():
                self.staged[-1].take_item(record)
            case ArchivedRun():
                self.staged[-1].take_run(record)
            case KnowledgeItem():
                await self._add_document(record)
            case ArchiveEnd():
                self._end(record)

    async def _begin(self, draft: ArchivedSession, where: str) -> None:
        """Begin a session. Raises InvalidRequest, Conflict."""
        await self._close()
        if len(self.staged) >= SESSIONS_MAX:
            raise InvalidRequest(f"an import has at most {SESSIONS_MAX} sessions")
        if draft.external_id is not None and draft.external_id in self.names:
            raise InvalidRequest(f"the name '{draft.external_id}' is that of another session before it")
        self._check(draft)
        staged = StagedSession(self.caller, await self._keep_members(draft, where), new_id())
        now = self.now
        session = Session(
            id=staged.id,
            tenant_id=self.caller.tenant_id,
            user_id=self.caller.user_id,
            external_id=draft.external_id,
            created_at=now,
            active_at=now,
        )
        await self.parts.stores.transfer.stage(session, now + HOLD)
        self.staged.append(staged)
        self.names |= {draft.external_id} if draft.external_id is not None else set()
        self.is_ended = False

    def _check(self, draft: ArchivedSession) -> None:
        """Raise InvalidRequest for what is over a limit, and for a template that cannot be read."""
        settings = draft.settings
        check_object(draft.metadata, "metadata")
        check_object(settings.wire, "settings.wire")
        for param, text in (("system_template", settings.system_template), ("situation", settings.situation)):
            check_text(text, param, chars_max=TEXT_CHARS_MAX)
            if text is not None:
                self.parts.check_template(text, param)
        if len(settings.agents) + len(settings.users) > MEMBERS_MAX:
            raise InvalidRequest(f"at most {MEMBERS_MAX} agents and users take part in a session")

    async def _keep_members(self, draft: ArchivedSession, where: str) -> ArchivedSession:
        """The session with those of its agents, users and knowledge stores that are here, and that the caller may
        name.
        """
        tenant_id, stores, settings = self.caller.tenant_id, self.parts.stores, draft.settings
        agents = [id_ for id_ in settings.agents if await stores.agents.find(tenant_id, id_)]
        seen = [id_ for id_ in settings.users if not self.caller.is_bound or id_ == self.caller.user_id]
        users = [id_ for id_ in seen if await stores.users.find(tenant_id, id_)]
        kept = [id_ for id_ in settings.store_ids if await stores.registry.find(tenant_id, id_)]
        for kind, here, named in (
            ("agent", agents, settings.agents),
            ("user", users, settings.users),
            ("store", kept, settings.store_ids),
        ):
            gone = [id_ for id_ in named if id_ not in here]
            self.left_out += [
                LeftOut(where=where, what=f"{kind} {id_}", why="It is not on this server.") for id_ in gone
            ]
        present = replace(settings, agents=tuple(agents), users=tuple(users), store_ids=tuple(kept))
        return replace(draft, settings=present)

    async def _add_document(self, item: KnowledgeItem) -> None:
        """Store a document with its index: it is found by its words at once, by its meaning a little later."""
        check_document(item.title, item.content, item.metadata)
        staged, outline = self.staged[-1], Outline(item.title, list_parts(item.content))
        segments = await build_segments(outline, self.parts.knowledge.reader)
        owned = replace(
            item,
            id=staged.rename(item.id),
            tenant_id=self.caller.tenant_id,
            store_id=staged.rename(item.id),
            owner=Owner("session", staged.id),
            created_at=as_stored(item.created_at),
            chunks=sum(map(len, segments)),
        )
        stored = [store_segment(owned, number, segment) for number, segment in enumerate(segments)]
        store = self.parts.knowledge.store
        await store.add(self.caller.tenant_id, owned, digest_of(owned), stored, chunks_max=STORE_CHUNKS_MAX)
        staged.documents += 1

    def _end(self, end: ArchiveEnd) -> None:
        """Raise InvalidRequest when something is missing."""
        staged = self.staged[-1]
        for kind, wanted, came in (
            ("items", end.items, staged.items_count),
            ("runs", end.runs, staged.runs_count),
            ("documents", end.documents, staged.documents),
        ):
            if wanted != came:
                raise InvalidRequest(f"there should be {wanted} {kind} before it, and there are {came}")
        self.is_ended = True

    async def _store(self) -> None:
        """Store what waits."""
        staged = self.staged[-1]
        if staged.items or staged.runs:
            await self.parts.stores.transfer.add(self.caller.tenant_id, staged.id, staged.items, staged.runs)
            staged.items, staged.runs = [], []
        self.waiting_bytes = 0

    async def _close(self) -> None:
        """The open session has come to its end. Raises InvalidRequest when it breaks off."""
        if not self.staged:
            return
        staged = self.staged[-1]
        if staged.draft.head is not None and not self.is_ended:
            raise InvalidRequest("the session before it has no end: the file breaks off")
        await self._store()
        self.finished.append((staged.finish(self.now), staged.ticket, staged.pending))

    async def publish(self) -> list[Session]:
        """Make all of it visible. Raises InvalidRequest when the last session breaks off, or there is none."""
        if not self.staged:
            raise broken("The body", "there is no session in it")
        try:
            await self._close()
        except InvalidRequest as error:
            raise broken("The end", error.message) from error
        await self.parts.stores.transfer.publish(self.finished)
        return [session for session, _, _ in self.finished]


def broken(where: str, text: str) -> InvalidRequest:
    """The error of a source that cannot be imported: where it is wrong, and how."""
    said = f"{where}: {text.rstrip('.')}. Nothing was imported."
    return InvalidRequest(said, code="import_broken", param="body")
