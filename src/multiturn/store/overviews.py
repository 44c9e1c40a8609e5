"""How much agents and sessions are used, and many runs read at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from multiturn.model.content import Content, Message
from multiturn.model.overview import AgentSessionFilter, AgentUse, Overview, SessionOverview
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.run import Run
from multiturn.model.session import Session
from multiturn.store.contexts import read_retrieved
from multiturn.store.database import Database, Transaction
from multiturn.store.listings import SESSIONS_PER_LOOK, TIME_MAX, holds_words, read_text
from multiturn.store.rows import as_id, as_json, as_ms, as_time, read_content, read_run, read_session

RUNS_MAX = 2**62
# The first thing that a user says stands among so many items at the beginning.
BEGINNING = 4


class SqlOverviewStore:
    """Looks at agents, sessions and runs in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def count_agents(self, tenant_id: UUID) -> int:
        """Count the agents of a tenant."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("count_agents", {"tenant_id": tenant_id})
        return int(row[0]) if row else 0

    async def tell_use(
        self, tenant_id: UUID, agent_ids: Sequence[UUID], *, owner_id: UUID | None, now: datetime
    ) -> Mapping[UUID, AgentUse]:
        """Tell how much agents are used, in the sessions of one user where it is named."""
        told: dict[UUID, AgentUse] = {}
        where = {"tenant_id": tenant_id, "owner_id": owner_id, "now": as_ms(now)}
        async with self.database.reading() as tx:
            for agent_id in agent_ids:
                row = await tx.fetch_one("tell_agent_use", {**where, "agent_id": agent_id})
                sessions, runs, last = row or (0, 0, None)
                last_run_at = None if last is None else as_time(last)
                told[agent_id] = AgentUse(sessions=sessions, runs=int(runs), last_run_at=last_run_at)
        return told

    async def list_agent_sessions(self, tenant_id: UUID, wanted: AgentSessionFilter, *, now: datetime) -> Overview:
        """List the sessions that an agent takes part in."""
        which = write_filter(tenant_id, wanted, now)
        async with self.database.reading() as tx:
            if words := (wanted.text or "").split():
                found = await find_with_words(tx, which, words)
                total, page = len(found), found[wanted.offset : wanted.offset + wanted.limit]
            else:
                paged = {**which, "limit": wanted.limit, "offset": wanted.offset}
                page = [read_session(row) for row in await tx.fetch_all("list_agent_sessions", paged)]
                row = await tx.fetch_one("count_agent_sessions", which)
                total = int(row[0]) if row else 0
            return Overview(await describe(tx, tenant_id, page), total)

    async def list_runs(self, tenant_id: UUID, session_id: UUID, *, offset: int, limit: int) -> Sequence[Run]:
        """List a session's runs, oldest first."""
        which = {"tenant_id": tenant_id, "session_id": session_id, "limit": limit, "offset": offset}
        async with self.database.reading() as tx:
            return [read_run(row) for row in await tx.fetch_all("list_runs_oldest_first", which)]

    async def load_runs(self, tenant_id: UUID, run_ids: Sequence[UUID]) -> Mapping[UUID, Run]:
        """Load those of these runs that are there."""
        async with self.database.reading() as tx:
            runs = [read_run(row) for row in await tx.fetch_all("load_runs", write_ids(tenant_id, run_ids))]
        return {run.id: run for run in runs}

    async def load_retrieved(self, tenant_id: UUID, run_ids: Sequence[UUID]) -> Mapping[UUID, RetrievedContext]:
        """Load what was retrieved for these runs."""
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("load_retrieved", write_ids(tenant_id, run_ids))
        return {as_id(run_id): read_retrieved(body) for run_id, body in rows}


async def find_with_words(tx: Transaction, which: Mapping[str, Any], words: Sequence[str]) -> list[Session]:
    """All sessions of a query that hold the words."""
    found: list[Session] = []
    offset = 0
    while True:
        rows = await tx.fetch_all("list_agent_sessions", {**which, "limit": SESSIONS_PER_LOOK, "offset": offset})
        found += [session for session in map(read_session, rows) if await holds_words(tx, session, words)]
        if len(rows) < SESSIONS_PER_LOOK:
            return found
        offset += SESSIONS_PER_LOOK


async def describe(tx: Transaction, tenant_id: UUID, sessions: Sequence[Session]) -> list[SessionOverview]:
    """Sessions with how many runs they had, and how they began."""
    rows = await tx.fetch_all("count_session_runs", write_ids(tenant_id, [session.id for session in sessions]))
    counts = {as_id(session_id): (runs, as_time(last)) for session_id, runs, last in rows}
    told = []
    for session in sessions:
        runs, last_run_at = counts.get(session.id, (0, None))
        first = await find_first(tx, session)
        told.append(SessionOverview(session=session, runs=runs, last_run_at=last_run_at, first_message=first))
    return told


async def find_first(tx: Transaction, session: Session) -> str | None:
    """What a user said first in a session: in its history, else in its first run."""
    who: dict[str, Any] = {"tenant_id": session.tenant_id}
    said: Sequence[Content]
    if session.path:
        first = session.path[0]
        where = {**who, "session_id": first.session_id or session.id, "first": first.first, "last": first.last}
        rows = await tx.fetch_all("load_items", {**where, "limit": BEGINNING})
        said = [read_content(row[-1]) for row in rows]
    else:
        rows = await tx.fetch_all("list_runs_oldest_first", {**who, "session_id": session.id, "limit": 1, "offset": 0})
        said = [content for row in rows for content in read_run(row).input]
    return next((read_text(one) for one in said if isinstance(one, Message) and one.role == "user"), None)


def write_filter(tenant_id: UUID, wanted: AgentSessionFilter, now: datetime) -> dict[str, Any]:
    """A filter as parameters."""
    return {
        "tenant_id": tenant_id,
        "agent_id": wanted.agent_id,
        "owner_id": wanted.owner_id,
        "now": as_ms(now),
        "created_after": -TIME_MAX if wanted.created_after is None else as_ms(wanted.created_after),
        "created_before": TIME_MAX if wanted.created_before is None else as_ms(wanted.created_before),
        "counts_runs": int(wanted.runs_min is not None or wanted.runs_max is not None),
        "runs_min": wanted.runs_min or 0,
        "runs_max": RUNS_MAX if wanted.runs_max is None else wanted.runs_max,
    }


def write_ids(tenant_id: UUID, ids: Sequence[UUID]) -> dict[str, Any]:
    """Ids as parameters."""
    return {"tenant_id": tenant_id, "values": as_json([id_.hex for id_ in ids])}
