"""Sessions as resources: made, found, changed, forked, cleared, deleted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from multiturn.engine.agents import CheckTemplate, agent_not_found
from multiturn.engine.erasure import erase_pending, retire_sessions, write_receipt
from multiturn.engine.metadata import check_object, check_text, merge
from multiturn.engine.ports import (
    AgentStore,
    Clock,
    ItemStore,
    RetentionStore,
    RunStore,
    SessionStore,
    UserStore,
)
from multiturn.engine.users import user_not_found
from multiturn.engine.window.shown import clip, until
from multiturn.engine.window.tokens import count_tokens
from multiturn.errors import InvalidRequest, NotFound, SessionBusy
from multiturn.model.agent import ErasureReceipt, User
from multiturn.model.ids import new_id
from multiturn.model.item import Item, Range
from multiturn.model.listing import EVERYTHING, SessionFilter, Span
from multiturn.model.page import Page
from multiturn.model.run import Run
from multiturn.model.session import (
    NO_SETTINGS,
    ForkOrder,
    Session,
    SessionChange,
    SessionKey,
    SessionOrder,
    SessionSettings,
)
from multiturn.model.tenant import Caller

ITEMS_MAX = 1000
MEMBERS_MAX = 100
TEXT_CHARS_MAX = 200_000
# A turn that is cancelled so that its session can be cleared has this long to end; one looks as often as that.
CLEAR_WAIT_S = 10.0
LOOK_S = 0.05


class SessionStores(Struct, frozen=True, kw_only=True):
    """Where sessions, and what belongs to them, are kept."""

    sessions: SessionStore
    items: ItemStore
    runs: RunStore
    retention: RetentionStore
    agents: AgentStore
    users: UserStore


class SessionMemory(Protocol):
    """What keeps something of sessions in the memory of this process."""

    def forget(self, session_id: UUID) -> None:
        """Forget what was kept of a session."""
        ...


class Sessions:
    """The sessions that a caller may see: those of its user, or of its whole tenant when its key belongs to no user."""

    def __init__(
        self, stores: SessionStores, memories: Sequence[SessionMemory], clock: Clock, check_template: CheckTemplate
    ) -> None:
        self.stores = stores
        self.memories = memories
        self.clock = clock
        self.check_template = check_template

    def _now(self) -> datetime:
        """The time, in milliseconds as it is stored."""
        now = self.clock()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    async def get(self, key: SessionKey) -> Session:
        """Get a session. Raises NotFound, also for one that the caller may not see."""
        session = await self.stores.sessions.find(key, self.clock())
        if session is None:
            raise session_not_found()
        return session

    async def get_run(self, caller: Caller, run_id: UUID | None) -> Run:
        """Get a run of a session that the caller may see. Raises NotFound."""
        run = await self.stores.runs.find(caller.tenant_id, run_id) if run_id else None
        if run:
            key = SessionKey(
                tenant_id=caller.tenant_id, user_id=caller.user_id, id=run.session_id, is_bound=caller.is_bound
            )
            run = run if await self.stores.sessions.find(key, self.clock()) else None
        if run is None:
            raise NotFound("There is no such run.", code="run_not_found", param="run_id")
        return run

    async def list_sessions(self, caller: Caller, wanted: SessionFilter, *, limit: int) -> Page[Session]:
        """List the sessions that the caller may see and a filter keeps. One with words reads what was said: a scan."""
        if caller.is_bound:
            wanted = replace(wanted, owner_id=caller.user_id)
        return await self.stores.sessions.list_sessions(caller.tenant_id, wanted, now=self.clock(), limit=limit)

    async def create(self, caller: Caller, order: SessionOrder) -> Session:
        """Make a session without a turn; its first turn finds it.

        Raises Conflict (``session_exists``), NotFound for an agent or a user that is not there, InvalidRequest.
        """
        if len(order.items) > ITEMS_MAX:
            raise InvalidRequest(f"'items' must be at most {ITEMS_MAX}; there are {len(order.items)}.", param="items")
        now, id_ = self._now(), order.id or new_id()
        session = Session(
            id=id_,
            tenant_id=caller.tenant_id,
            user_id=caller.user_id,
            external_id=order.external_id,
            created_at=now,
            active_at=now,
            idle_expiry_s=order.idle_expiry_s,
            instructions=order.instructions,
            metadata=merge({}, order.metadata),
            head=len(order.items),
            path=(Range(1, len(order.items)),) if order.items else (),
            settings=order.settings,
        )
        self._check(session)
        if caller.is_bound and set(order.settings.users) - {caller.user_id}:
            raise user_not_found()
        await self._check_members(session, known=NO_SETTINGS)
        # What was there from the beginning came with no run: its items name the session instead.
        items = [
            Item(seq=seq, run_id=id_, content=content, tokens=count_tokens(content), created_at=now)
            for seq, content in enumerate(order.items, start=1)
        ]
        await self.stores.sessions.create(caller.tenant_id, session, items)
        return session

    async def update(self, session: Session, change: SessionChange) -> Session:
        """Change what is set of a session, also while a turn of it runs: the next turn acts on it.

        A caller that acts for a user must not bring others: what their documents say is not for it. ``Users.get`` sees
        to that. Raises NotFound, also for an agent or a user that is not there, and InvalidRequest.
        """
        wanted = change.apply(session)
        self._check(wanted)
        await self._check_members(wanted, known=session.settings)
        changed = await self.stores.sessions.update(session.tenant_id, session.id, change, self._now())
        if changed is None:
            raise session_not_found()
        return changed

    def _check(self, session: Session) -> None:
        """Raise InvalidRequest for what is over a limit, and for a template that cannot be read."""
        settings = session.settings
        check_object(session.metadata, "metadata")
        for param, text in (("system_template", settings.system_template), ("situation", settings.situation)):
            check_text(text, param, chars_max=TEXT_CHARS_MAX)
            if text is not None:
                self.check_template(text, param)

    async def _check_members(self, session: Session, *, known: SessionSettings) -> None:
        """Raise NotFound for an agent or a user that is new in the session and not there."""
        agents, users = session.settings.agents, session.settings.users
        if len(agents) + len(users) > MEMBERS_MAX:
            raise InvalidRequest(f"At most {MEMBERS_MAX} agents and users take part in a session.", param="agents")
        for agent_id in set(agents) - set(known.agents):
            if await self.stores.agents.find(session.tenant_id, agent_id) is None:
                raise agent_not_found()
        for user_id in set(users) - set(known.users):
            if await self.stores.users.find(session.tenant_id, user_id) is None:
                raise user_not_found()

    async def list_items(
        self,
        session: Session,
        span: Span = EVERYTHING,
        *,
        cursor: int | None = None,
        limit: int,
        newest_first: bool,
        all_branches: bool = False,
    ) -> Page[Item]:
        """List a session's items from one end, those within a span and behind the ``seq`` ``cursor``: of its active
        branch, or of all of them.
        """
        path: Sequence[Range] = session.branches if all_branches else session.path
        for after in (span.after, None if newest_first else cursor):
            path = path if after is None else clip(path, after + 1)
        for before in (span.before, cursor if newest_first else None):
            path = path if before is None else until(path, before - 1)
        items = await self.stores.items.list_items(
            session.tenant_id, session.id, path, limit=limit + 1, newest_first=newest_first, span=span
        )
        return Page(items[:limit], has_more=len(items) > limit)

    async def list_runs(self, session: Session, *, before: int | None, limit: int) -> Page[Run]:
        """List a session's runs, newest first."""
        return await self.stores.runs.list_runs(session.tenant_id, session.id, before=before, limit=limit)

    async def fork(
        self,
        session: Session,
        *,
        at: int | None = None,
        external_id: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Session:
        """Make a session of the same user that shares this one's items up to ``at``, the last one if it is None.

        Raises InvalidRequest (``unknown_seq``) where the active branch has no such item, Conflict
        (``session_exists``), NotFound.
        """
        if metadata is not None:
            check_object(metadata, "metadata")
        order = ForkOrder(id=new_id(), at=at, external_id=external_id, metadata=metadata)
        fork = await self.stores.sessions.fork(session.tenant_id, session.id, order, self._now())
        if fork is None:
            raise session_not_found()
        return fork

    async def clear(self, session: Session) -> Session:
        """Empty a session's history: items, runs and all that was made of them; settings, metadata and documents stay.

        ``seq`` goes on. A turn that runs is cancelled first, and so is each that waits behind it. Raises SessionBusy
        when one does not end in time, NotFound.
        """
        ends_at = time.monotonic() + CLEAR_WAIT_S
        asked: set[UUID] = set()
        while (cleared := await self._try_clear(session)).run_id:
            if time.monotonic() > ends_at:
                raise SessionBusy("A turn of the session runs and does not end. Try again.", retry_after_s=1)
            if cleared.run_id not in asked:
                asked.add(cleared.run_id)
                await self.stores.runs.request_cancel(session.tenant_id, cleared.run_id)
            await asyncio.sleep(LOOK_S)
        self._forget(session)
        await erase_pending(self.stores.retention)
        return cleared

    async def _try_clear(self, session: Session) -> Session:
        """The session, cleared; with the run that holds it when it was not."""
        cleared = await self.stores.sessions.clear(session.tenant_id, session.id, self._now())
        if cleared is None:
            raise session_not_found()
        return cleared

    async def delete(self, session: Session) -> None:
        """Delete a session with everything in it; afterwards no byte of it is left in files of our own, but what a
        fork of it still shares.

        A turn that runs is cancelled: nobody will read its answer.
        """
        await self.stores.sessions.delete(session.tenant_id, session.id)
        await self._stop(session)
        await erase_pending(self.stores.retention)

    async def erase_user(self, caller: Caller, user: User) -> ErasureReceipt:
        """Erase a user with all sessions that it owns or takes part in, those forked from them, and its documents.

        Turns that run in them are cancelled. The tenant's default user itself stays.
        """
        retention = self.stores.retention
        retired = await retire_sessions(retention, user)
        for one in retired:
            await self._stop(one.session)
        documents = await retention.erase_owned(caller.tenant_id, user.id)
        if user.external_id:
            await self.stores.users.delete(caller.tenant_id, user.id, self.clock())
        is_complete = await erase_pending(retention)
        return write_receipt(user, retired, documents=documents, is_complete=is_complete, now=self.clock())

    async def _stop(self, session: Session) -> None:
        """The session is gone: end its turn, and forget what its model was shown."""
        if session.run_id:
            await self.stores.runs.request_cancel(session.tenant_id, session.run_id)
        self._forget(session)

    def _forget(self, session: Session) -> None:
        for memory in self.memories:
            memory.forget(session.id)


def session_not_found() -> NotFound:
    """The error of a session that is not there."""
    return NotFound("There is no such session.", code="session_not_found", param="session_id")
