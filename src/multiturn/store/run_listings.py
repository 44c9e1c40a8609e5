"""Runs beyond one session, in the store: lists of them, and of those that wait for a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from multiturn.model.page import Page
from multiturn.model.run import Run, RunStatus
from multiturn.model.run_listing import RunFilter, WaitingRun
from multiturn.store.approvals import list_left, read_calls, read_decisions
from multiturn.store.database import Database, Row
from multiturn.store.rows import as_ms, as_time, read_run
from multiturn.store.runs import RUN_COLUMNS, TICKET_MAX

FIRST_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
# Of what has one of these statuses there is an index.
NOTABLE: frozenset[RunStatus] = frozenset({"waiting", "incomplete", "failed", "cancelled"})


class SqlRunListingStore:
    """Looks for runs in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def list_runs(
        self, tenant_id: UUID, wanted: RunFilter, *, before: UUID | None, now: datetime, limit: int
    ) -> Page[Run]:
        """List the runs of a tenant that a filter keeps, newest first, those before the run ``before``."""
        query, which = choose_query(wanted)
        which |= {"tenant_id": tenant_id, "before": before or LAST_ID, "now": as_ms(now), "limit": limit + 1}
        async with self.database.reading() as tx:
            rows = await tx.fetch_all(query, which)
        return Page([read_run(row) for row in rows[:limit]], has_more=len(rows) > limit)

    async def list_session_runs(
        self, tenant_id: UUID, session_id: UUID, wanted: RunFilter, *, before: int | None, limit: int
    ) -> Page[Run]:
        """List the runs of a session that a filter keeps, newest first, those before ticket ``before``."""
        which: dict[str, Any] = {"tenant_id": tenant_id, "session_id": session_id, "limit": limit + 1}
        which |= {"agent_id": wanted.agent_id, "status": wanted.status}
        which["before"] = TICKET_MAX if before is None else before
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_session_runs", which)
        return Page([read_run(row) for row in rows[:limit]], has_more=len(rows) > limit)

    async def list_waiting(
        self, tenant_id: UUID, wanted: RunFilter, *, after: UUID | None, limit: int
    ) -> Page[WaitingRun]:
        """List the runs that wait for a person's word, oldest first, those behind the run ``after``."""
        which: dict[str, Any] = {"tenant_id": tenant_id, "owner_id": wanted.owner_id, "agent_id": wanted.agent_id}
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_waiting_runs", {**which, "after": after or FIRST_ID, "limit": limit + 1})
        return Page([read_waiting(row) for row in rows[:limit]], has_more=len(rows) > limit)

    async def find_waiting(self, tenant_id: UUID, run_id: UUID) -> WaitingRun | None:
        """Find what waits of a run; None where it does not wait."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_waiting_run", {"tenant_id": tenant_id, "run_id": run_id})
        return read_waiting(row) if row else None


def choose_query(wanted: RunFilter) -> tuple[str, dict[str, Any]]:
    """The query that finds few runs beside those that are wanted, and what it takes of the filter."""
    if wanted.owner_id:
        owned = {"owner_id": wanted.owner_id, "agent_id": wanted.agent_id, "status": wanted.status}
        return "list_runs_of_owner", owned
    if wanted.agent_id:
        return "list_runs_of_agent", {"agent_id": wanted.agent_id, "status": wanted.status}
    query = "list_runs_notable" if wanted.status in NOTABLE else "list_runs_newest"
    return query, {"status": wanted.status}


def read_waiting(row: Row) -> WaitingRun:
    """A row of a run with what it waits for."""
    asked_at, expires_at, calls, decisions = row[RUN_COLUMNS:]
    return WaitingRun(
        run=read_run(row[:RUN_COLUMNS]),
        asked_at=as_time(asked_at),
        expires_at=as_time(expires_at),
        calls=list_left(read_calls(calls), read_decisions(decisions)),
    )
