"""What has had its time: found and erased in small batches, so that turns never wait."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime
from uuid import UUID

from multiturn.model.run import Run
from multiturn.model.session import RetiredSession
from multiturn.model.turn import Lease
from multiturn.store.database import Database, Row, Transaction
from multiturn.store.erasure import begin_erasure, erase_next
from multiturn.store.rows import as_id, as_ms
from multiturn.store.runs import find_stored_turn
from multiturn.store.sessions import lock_by_id, remove_session

UnfinishedRun = tuple[Run, Lease | None]


class SqlRetentionStore:
    """Erases in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def retire_expired(self, now: datetime, *, limit: int) -> int:
        """Take away sessions whose idle time is over; tells how many were looked at."""
        at = as_ms(now)
        async with self.database.transaction() as tx:
            due = await tx.fetch_all("list_due_sessions", {"now": at, "limit": limit})
            for tenant, id_, active_at, expiry_s, run_id in due:
                tenant_id, session_id = as_id(tenant), as_id(id_)
                expires_at = None if expiry_s is None else active_at + expiry_s * 1000
                if expires_at is not None and expires_at <= at and run_id is None:
                    await remove_session(tx, tenant_id, session_id)
                    continue
                later = None if expires_at is None else max(expires_at, at + 1000)
                await tx.execute("move_sweep", {"tenant_id": tenant_id, "id": session_id, "sweep_at": later})
        return len(due)

    async def erase_batch(self, *, limit: int) -> int:
        """Erase about ``limit`` rows of what was taken away; 0 when nothing is left."""
        async with self.database.transaction() as tx:
            return await erase_next(tx, limit=limit)

    async def erase_owned(self, tenant_id: UUID, owner_id: UUID) -> int:
        """Have what belongs to an agent or a user erased by ``erase_batch``; tells how many documents that are."""
        which = {"tenant_id": tenant_id, "session_id": owner_id}
        async with self.database.transaction() as tx:
            row = await tx.fetch_one("count_content", which)
            await begin_erasure(tx, tenant_id, owner_id)
            for query in ("forget_user_usage", "remove_prepared_of_user"):
                await tx.execute(query, {"tenant_id": tenant_id, "user_id": owner_id})
        return int((row or (0, 0, 0))[2])

    async def retire_user(self, tenant_id: UUID, user_id: UUID, *, limit: int) -> Sequence[RetiredSession]:
        """Take away sessions that a user owns or takes part in, and those forked from them; none when none is left."""
        retired: list[RetiredSession] = []
        async with self.database.transaction() as tx:
            rows = await tx.fetch_all(
                "list_sessions_with_user", {"tenant_id": tenant_id, "user_id": user_id, "limit": limit}
            )
            # In one order, so that of two who take sessions away none waits for the other for ever.
            for session_id in sorted(as_id(row[0]) for row in rows):
                locked = await lock_by_id(tx, tenant_id, session_id)
                if locked is None:
                    continue
                counted = await tx.fetch_one("count_content", {"tenant_id": tenant_id, "session_id": locked.session.id})
                await remove_session(tx, tenant_id, locked.session.id)
                items, runs, documents = counted or (0, 0, 0)
                retired.append(RetiredSession(session=locked.session, items=items, runs=runs, documents=documents))
        return retired

    async def expire_events(self, before: datetime, *, limit: int) -> int:
        """Erase stored events from before this time; tells how many batches."""
        async with self.database.transaction() as tx:
            return await tx.execute("expire_events", {"before": as_ms(before), "limit": limit})

    async def expire_idempotency(self, before: datetime, *, limit: int) -> int:
        """Forget idempotency keys from before this time; tells how many."""
        async with self.database.transaction() as tx:
            return await tx.execute("expire_idempotency_keys", {"before": as_ms(before), "limit": limit})

    async def vacuum(self) -> None:
        """Leave no erased bytes behind in files of our own."""
        await self.database.vacuum()


class SqlServerStore:
    """Keeps in a SQL database which servers live."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def beat(self, server_id: UUID, *, lease_s: float) -> None:
        """Say that this server lives for another ``lease_s`` seconds."""
        async with self.database.transaction() as tx:
            await tx.execute("beat", {"id": server_id, "lease_ms": int(lease_s * 1000)})

    async def list_orphans(self, server_id: UUID, *, limit: int) -> Sequence[UnfinishedRun]:
        """List unfinished runs of servers that no longer live, with the lease of those that hold one."""
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_orphaned_runs", {"server_id": server_id, "limit": limit})
            return await find_unfinished(tx, rows)

    async def list_lost(self, server_id: UUID, live: Container[UUID], *, before: datetime) -> Sequence[UnfinishedRun]:
        """List this server's unfinished runs from ``before`` that are not among the ``live`` ones: their end could
        not be stored.
        """
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_own_runs", {"server_id": server_id, "before": as_ms(before)})
            return await find_unfinished(tx, [row for row in rows if as_id(row[1]) not in live])

    async def list_cancelled(self, server_id: UUID) -> Sequence[UUID]:
        """List this server's unfinished runs that somebody asked to cancel."""
        async with self.database.reading() as tx:
            return [as_id(row[0]) for row in await tx.fetch_all("list_cancelled_runs", {"server_id": server_id})]

    async def leave(self, server_id: UUID) -> None:
        """Say that this server is gone."""
        async with self.database.transaction() as tx:
            await tx.execute("forget_server", {"id": server_id})
            await tx.execute("forget_dead_servers", {})


async def find_unfinished(tx: Transaction, rows: Sequence[Row]) -> list[UnfinishedRun]:
    """The runs of rows of (tenant id, run id), each with the lease that it holds; one may be gone by now."""
    stored = [await find_stored_turn(tx, as_id(tenant), as_id(id_)) for tenant, id_ in rows]
    return [(turn.run, turn.lease) for turn in stored if turn]
