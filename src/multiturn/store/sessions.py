"""Sessions and their items in the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from multiturn.errors import Conflict
from multiturn.model.context import WindowState
from multiturn.model.item import Item, Range
from multiturn.model.listing import EVERYTHING, SessionFilter, Span
from multiturn.model.page import Page
from multiturn.model.session import NO_SETTINGS, ForkOrder, Session, SessionChange, SessionKey
from multiturn.store.database import Database, Row, Transaction
from multiturn.store.erasure import begin_erasure
from multiturn.store.forks import branch_off, share
from multiturn.store.listings import LAST_ID, TIME_MAX, find_sessions
from multiturn.store.rows import as_id, as_json, as_ms, read_item, read_session, whole_path, write_item

COLUMNS = 17
USER_COLUMN = 2


class LockedSession(Struct, frozen=True, kw_only=True):
    """A session that this transaction holds, with its lease and its queue."""

    session: Session
    fencing: int
    tickets: int
    waiting: int
    vanished_run_id: UUID | None


class SqlSessionStore:
    """Keeps sessions in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def find(self, key: SessionKey, now: datetime) -> Session | None:
        """Find a session by our id, else by the external id within the user."""
        async with self.database.reading() as tx:
            row = await find_row(tx, key, "find_session")
        session = read_session(row) if row else None
        return None if session is None or has_expired(session, now) else session

    async def list_sessions(
        self, tenant_id: UUID, wanted: SessionFilter, *, now: datetime, limit: int
    ) -> Page[Session]:
        """List the sessions of a tenant that a filter keeps."""
        async with self.database.reading() as tx:
            if wanted.is_plain:
                which = {"tenant_id": tenant_id, "before": wanted.before or LAST_ID, "now": as_ms(now)}
                of_user = {} if wanted.owner_id is None else {"user_id": wanted.owner_id}
                query = "list_user_sessions" if of_user else "list_sessions"
                rows = await tx.fetch_all(query, {**which, **of_user, "limit": limit + 1})
                found: Sequence[Session] = [read_session(row) for row in rows]
            else:
                found = await find_sessions(tx, tenant_id, wanted, now=now, limit=limit + 1)
        return Page(found[:limit], has_more=len(found) > limit)

    async def create(self, tenant_id: UUID, session: Session, items: Sequence[Item]) -> None:
        """Store a new session with the items of its history; Conflict when its external id is taken."""
        async with self.database.transaction() as tx:
            await insert_session(tx, session)
            await tx.execute_many("append_item", [write_item(tenant_id, session.id, item) for item in items])

    async def update(self, tenant_id: UUID, session_id: UUID, change: SessionChange, now: datetime) -> Session | None:
        """Change what a caller sets of a session; None when there is none."""
        async with self.database.transaction() as tx:
            locked = await lock_by_id(tx, tenant_id, session_id)
            if locked is None or has_expired(locked.session, now):
                return None
            session = replace(change.apply(locked.session), active_at=now)
            await tx.execute("change_session", write_settings(session))
            if {"agents", "users"} & change.settings.keys():
                await tx.execute("drop_members", {"tenant_id": tenant_id, "session_id": session_id})
                await add_members(tx, session)
        return session

    async def clear(self, tenant_id: UUID, session_id: UUID, now: datetime) -> Session | None:
        """Empty a session's history at once; one whose turn runs stays as it is. None when there is none."""
        async with self.database.transaction() as tx:
            locked = await lock_by_id(tx, tenant_id, session_id)
            if locked is None or has_expired(locked.session, now):
                return None
            before = locked.session
            if before.run_id:
                return before
            session = replace(
                before,
                path=(),
                cut=before.head + 1,
                shown=WindowState(),
                cleared=before.head,
                settings=replace(before.settings, origin=None),
                active_at=now,
            )
            await tx.execute("clear_session", write_settings(session))
            who = {"tenant_id": tenant_id, "session_id": session_id}
            await tx.execute("drop_pending_summary", who)
            await tx.execute("begin_erasure", {**who, "last_seq": before.head, "last_ticket": locked.tickets})
        return session

    async def fork(self, tenant_id: UUID, origin_id: UUID, order: ForkOrder, now: datetime) -> Session | None:
        """Make a session that shares another one's items; None when that is not there."""
        async with self.database.transaction() as tx:
            locked = await lock_by_id(tx, tenant_id, origin_id)
            if locked is None or has_expired(locked.session, now):
                return None
            fork = branch_off(locked.session, order, now)
            await insert_session(tx, fork)
            await share(tx, fork)
        return fork

    async def delete(self, tenant_id: UUID, session_id: UUID) -> bool:
        """Take a session away at once; what was in it is erased in batches."""
        async with self.database.transaction() as tx:
            return await remove_session(tx, tenant_id, session_id)


class SqlItemStore:
    """Keeps items in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def load(self, tenant_id: UUID, session_id: UUID, ranges: Sequence[Range]) -> Sequence[Item]:
        """Load the items of these ranges, oldest first."""
        limit = sum(len(range_) for range_ in ranges)
        return await self.list_items(tenant_id, session_id, ranges, limit=limit, newest_first=False)

    async def list_items(
        self,
        tenant_id: UUID,
        session_id: UUID,
        ranges: Sequence[Range],
        *,
        limit: int,
        newest_first: bool,
        span: Span = EVERYTHING,
    ) -> Sequence[Item]:
        """List at most ``limit`` items of these ranges from one end, those within the times of a span."""
        query = "list_items_between" if span.has_times else "load_items"
        times = write_times(span) if span.has_times else {}
        items: list[Item] = []
        async with self.database.reading() as tx:
            for range_ in reversed(ranges) if newest_first else ranges:
                if len(items) >= limit:
                    break
                owner_id = range_.session_id or session_id
                where = {"tenant_id": tenant_id, "session_id": owner_id, "first": range_.first, "last": range_.last}
                where |= {"limit": limit - len(items), **times}
                rows = await tx.fetch_all(f"{query}_newest_first" if newest_first else query, where)
                items += [read_item(row) for row in rows]
        return items

    async def load_at(self, tenant_id: UUID, session_id: UUID, seqs: Sequence[int]) -> Sequence[Item]:
        """Load single items that this session stores itself, oldest first."""
        where = {"tenant_id": tenant_id, "session_id": session_id, "values": as_json(seqs)}
        async with self.database.reading() as tx:
            return [read_item(row) for row in await tx.fetch_all("load_items_at", where)]


async def find_row(tx: Transaction, key: SessionKey, query: str) -> Row | None:
    """Find a session's row: our id first, then the external id (DESIGN 8.7)."""
    who = {"tenant_id": key.tenant_id}
    row = None
    if key.id:
        row = await tx.fetch_one(f"{query}_by_id", {**who, "id": key.id})
        if row and key.is_bound and as_id(row[USER_COLUMN]) != key.user_id:
            row = None
    if row is None and key.external_id is not None:
        where = {**who, "user_id": key.user_id, "external_id": key.external_id}
        row = await tx.fetch_one(f"{query}_by_external_id", where)
    return row


async def lock_session(tx: Transaction, key: SessionKey) -> LockedSession | None:
    """Find a session and hold it until the transaction ends."""
    row = await find_row(tx, key, "lock_session")
    return read_locked(row) if row else None


async def lock_by_id(tx: Transaction, tenant_id: UUID, session_id: UUID) -> LockedSession | None:
    """Hold a session that was found before, if it is still there."""
    row = await tx.fetch_one("lock_session_by_id", {"tenant_id": tenant_id, "id": session_id})
    return read_locked(row) if row else None


def read_locked(row: Row) -> LockedSession:
    """A row as the queries that lock select it."""
    fencing, tickets, waiting, vanished = row[COLUMNS:]
    return LockedSession(
        session=read_session(row[:COLUMNS]),
        fencing=fencing,
        tickets=tickets,
        waiting=waiting,
        vanished_run_id=as_id(vanished) if vanished else None,
    )


async def insert_session(tx: Transaction, session: Session) -> None:
    """Store a session that no turn has used yet. Raises Conflict when its external id is taken."""
    whole = session.path == whole_path(session.head)
    row = {
        **write_settings(session),
        "user_id": session.user_id,
        "external_id": session.external_id,
        "head": session.head,
        "path": None if whole else as_json(session.path),
        "cut": session.cut,
        "shown": as_json(session.shown) if session.shown != WindowState() else None,
    }
    made = await tx.execute("create_session", row)
    if not made and session.external_id is not None:
        key = SessionKey(tenant_id=session.tenant_id, user_id=session.user_id, external_id=session.external_id)
        if (taken := await lock_session(tx, key)) and has_expired(taken.session, session.active_at):
            await remove_session(tx, session.tenant_id, taken.session.id)
            made = await tx.execute("create_session", row)
    if not made or await tx.fetch_one("find_remains", row):
        name = session.id if session.external_id is None else session.external_id
        raise Conflict(
            f"There is a session '{name}' already. Take another name, or use that one.",
            code="session_exists",
            param="external_id",
        )
    await add_members(tx, session)


async def add_members(tx: Transaction, session: Session) -> None:
    """Note who takes part in a session, for listings."""
    who = {"tenant_id": session.tenant_id, "session_id": session.id}
    members = (*session.settings.agents, *session.settings.users)
    await tx.execute_many("add_member", [{**who, "member_id": member_id} for member_id in members])


def write_settings(session: Session) -> dict[str, Any]:
    """What a caller sets of a session, as parameters."""
    used_at, expiry_s = as_ms(session.active_at), session.idle_expiry_s
    return {
        "tenant_id": session.tenant_id,
        "id": session.id,
        "now": used_at,
        "idle_expiry_s": expiry_s,
        "sweep_at": None if expiry_s is None else used_at + expiry_s * 1000,
        "instructions": session.instructions,
        "metadata": as_json(session.metadata),
        "settings": None if session.settings == NO_SETTINGS else as_json(session.settings),
    }


def write_times(span: Span) -> dict[str, int]:
    """The times of a span, as parameters."""
    return {
        "since": -TIME_MAX if span.since is None else as_ms(span.since),
        "until": TIME_MAX if span.until is None else as_ms(span.until),
    }


def has_expired(session: Session, now: datetime) -> bool:
    """Whether its idle time is over; one with a turn at work, or that waits, has not expired."""
    expires_at = session.expires_at
    return expires_at is not None and expires_at <= now and session.is_free


async def remove_session(tx: Transaction, tenant_id: UUID, session_id: UUID) -> bool:
    """Take a session away; its content is erased later, in batches."""
    if not await tx.execute("remove_session", {"tenant_id": tenant_id, "id": session_id}):
        return False
    await begin_erasure(tx, tenant_id, session_id)
    return True
