"""Sessions and their items in the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from multiturn.model.item import Item, Range
from multiturn.model.page import Page
from multiturn.model.session import Session, SessionKey
from multiturn.store.database import Database, Row, Transaction
from multiturn.store.rows import as_id, as_ms, read_item, read_session

LAST_ID = UUID(int=2**128 - 1)
COLUMNS = 16
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
        self, tenant_id: UUID, user_id: UUID | None, *, now: datetime, before: UUID | None, limit: int
    ) -> Page[Session]:
        """List sessions of a tenant, or of one of its users, newest first, those before the session ``before``."""
        which = {"tenant_id": tenant_id, "before": before or LAST_ID, "now": as_ms(now), "limit": limit + 1}
        async with self.database.reading() as tx:
            if user_id is None:
                rows = await tx.fetch_all("list_sessions", which)
            else:
                rows = await tx.fetch_all("list_user_sessions", {**which, "user_id": user_id})
        return Page([read_session(row) for row in rows[:limit]], has_more=len(rows) > limit)

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
        self, tenant_id: UUID, session_id: UUID, ranges: Sequence[Range], *, limit: int, newest_first: bool
    ) -> Sequence[Item]:
        """List at most ``limit`` items of these ranges from one end."""
        query = "load_items_newest_first" if newest_first else "load_items"
        items: list[Item] = []
        async with self.database.reading() as tx:
            for range_ in reversed(ranges) if newest_first else ranges:
                if len(items) >= limit:
                    break
                owner_id = range_.session_id or session_id
                where = {"tenant_id": tenant_id, "session_id": owner_id, "first": range_.first, "last": range_.last}
                rows = await tx.fetch_all(query, {**where, "limit": limit - len(items)})
                items += [read_item(row) for row in rows]
        return items


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
    if row is None:
        return None
    fencing, tickets, waiting, vanished = row[COLUMNS:]
    return LockedSession(
        session=read_session(row[:COLUMNS]),
        fencing=fencing,
        tickets=tickets,
        waiting=waiting,
        vanished_run_id=as_id(vanished) if vanished else None,
    )


def has_expired(session: Session, now: datetime) -> bool:
    """Whether its idle time is over; a session with a turn at work has not expired."""
    expires_at = session.expires_at
    return expires_at is not None and expires_at <= now and session.run_id is None


async def remove_session(tx: Transaction, tenant_id: UUID, session_id: UUID) -> bool:
    """Take a session away; its content is erased later, in batches."""
    if not await tx.execute("remove_session", {"tenant_id": tenant_id, "id": session_id}):
        return False
    await tx.execute("begin_erasure", {"tenant_id": tenant_id, "session_id": session_id})
    return True
