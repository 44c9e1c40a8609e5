"""Runs and their events in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from multiturn.model.event import EventBatch
from multiturn.model.page import Page
from multiturn.model.run import Run
from multiturn.model.session import Session
from multiturn.model.step import Step
from multiturn.model.turn import Lease
from multiturn.store.database import Database, Transaction
from multiturn.store.rows import as_id, as_json, as_ms, read_run, read_session, read_step

TICKET_MAX = 2**62
EVENT_BATCHES_MAX = 200
RUN_COLUMNS = 25


class StoredTurn(Struct, frozen=True, kw_only=True):
    """A run as it stands, its session where that was not deleted, and the lease where the run holds it."""

    run: Run
    session: Session | None = None
    lease: Lease | None = None


class SqlRunStore:
    """Keeps runs in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def find(self, tenant_id: UUID, run_id: UUID) -> Run | None:
        """Find a run."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_run", {"tenant_id": tenant_id, "id": run_id})
        return read_run(row) if row else None

    async def list_runs(self, tenant_id: UUID, session_id: UUID, *, before: int | None, limit: int) -> Page[Run]:
        """List a session's runs, newest first, those before ticket ``before``."""
        which = {"tenant_id": tenant_id, "session_id": session_id, "limit": limit + 1}
        which["before"] = TICKET_MAX if before is None else before
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_runs", which)
        return Page([read_run(row) for row in rows[:limit]], has_more=len(rows) > limit)

    async def list_steps(self, tenant_id: UUID, run_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Step]]:
        """List the steps of runs, in order; a run that took a single step without tools has none."""
        which = {"tenant_id": tenant_id, "values": as_json([id_.hex for id_ in run_ids])}
        steps: dict[UUID, list[Step]] = {id_: [] for id_ in run_ids}
        async with self.database.reading() as tx:
            for run_id, body in await tx.fetch_all("list_steps", which):
                steps[as_id(run_id)].append(read_step(body))
        return steps

    async def list_events(self, tenant_id: UUID, run_id: UUID, *, after: int) -> Sequence[EventBatch]:
        """List the next stored events of a run behind number ``after``; the first batch may begin before it."""
        which = {"tenant_id": tenant_id, "run_id": run_id, "after": after, "limit": EVENT_BATCHES_MAX}
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_events", which)
        return [EventBatch(first=first, is_whole=bool(is_whole), body=body) for first, is_whole, body in rows]

    async def save_events(self, batches: Sequence[tuple[UUID, UUID, EventBatch]], now: datetime) -> None:
        """Store events of running turns: (tenant id, run id, events) each."""
        async with self.database.transaction() as tx:
            await insert_events(tx, batches, now)

    async def request_cancel(self, tenant_id: UUID, run_id: UUID) -> None:
        """Ask the server that holds the run to cancel it; every server hears of it."""
        async with self.database.transaction() as tx:
            if await tx.execute("request_cancel", {"tenant_id": tenant_id, "id": run_id}):
                await tx.notify("cancel", run_id)

    async def mark_vanished(self, run: Run, now: datetime) -> None:
        """Note that the client of a run went away, so that the same request again joins it."""
        async with self.database.transaction() as tx:
            await tx.execute(
                "mark_session_vanished", {"tenant_id": run.tenant_id, "id": run.session_id, "run_id": run.id}
            )
            await tx.execute("mark_run_vanished", {"tenant_id": run.tenant_id, "id": run.id, "now": as_ms(now)})


async def find_stored_turn(tx: Transaction, tenant_id: UUID, run_id: UUID) -> StoredTurn | None:
    """Find a run with its session and its lease, all of one moment."""
    row = await tx.fetch_one("find_turn", {"tenant_id": tenant_id, "id": run_id})
    if row is None:
        return None
    run, (*session_row, fencing) = read_run(row[:RUN_COLUMNS]), row[RUN_COLUMNS:]
    if fencing is None:
        return StoredTurn(run=run)
    session = read_session(session_row)
    lease = Lease(tenant_id=tenant_id, session_id=session.id, run_id=run_id, fencing=fencing)
    return StoredTurn(run=run, session=session, lease=lease if session.run_id == run_id else None)


async def insert_events(tx: Transaction, batches: Sequence[tuple[UUID, UUID, EventBatch]], now: datetime) -> None:
    """Store batches of events."""
    created_at = as_ms(now)
    rows = [
        {
            "tenant_id": tenant_id,
            "run_id": run_id,
            "first": batch.first,
            "is_whole": int(batch.is_whole),
            "created_at": created_at,
            "body": batch.body,
        }
        for tenant_id, run_id, batch in batches
    ]
    await tx.execute_many("save_events", rows)


async def insert_steps(tx: Transaction, lease: Lease, steps: Sequence[Step]) -> None:
    """Store the steps of a run."""
    who = {"tenant_id": lease.tenant_id, "run_id": lease.run_id, "session_id": lease.session_id}
    await tx.execute_many("save_step", [{**who, "number": step.number, "body": as_json(step)} for step in steps])
