"""Sessions that are exported, and those that are imported: invisible until all of them is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from multiturn.errors import Conflict
from multiturn.model.archive import ArchivedRun
from multiturn.model.content import Summary
from multiturn.model.context import WindowState
from multiturn.model.item import Item
from multiturn.model.session import Session
from multiturn.model.step import Step
from multiturn.store.contexts import read_record, read_retrieved
from multiturn.store.database import Database, Row, Transaction
from multiturn.store.rows import NANO, as_id, as_json, as_ms, read_run, read_step, whole_path, write_item
from multiturn.store.runs import RUN_COLUMNS
from multiturn.store.sessions import add_members, insert_session, remove_session, write_settings

# Whose server ran it is not known here, and no server looks for it.
NOBODY = UUID(int=0)
NO_DIGEST = b""


class SqlTransferStore:
    """Reads sessions out of a SQL database, and takes them in."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def list_runs(self, tenant_id: UUID, session_id: UUID, *, after: int, limit: int) -> Sequence[ArchivedRun]:
        """List runs that have ended, oldest first, those behind ticket ``after``."""
        which = {"tenant_id": tenant_id, "session_id": session_id, "after": after, "limit": limit}
        async with self.database.reading() as tx:
            runs = [read_archived(row) for row in await tx.fetch_all("list_archived_runs", which)]
            if not runs:
                return runs
            rows = await tx.fetch_all("list_archived_steps", {**which, "last": runs[-1].run.ticket})
        steps: defaultdict[UUID, list[Step]] = defaultdict(list)
        for run_id, body in rows:
            steps[as_id(run_id)].append(read_step(body))
        return [replace(one, steps=tuple(steps[one.run.id])) if one.run.id in steps else one for one in runs]

    async def stage(self, session: Session, until: datetime) -> None:
        """Begin to take in a session, which reserves its external id."""
        async with self.database.transaction() as tx:
            await insert_session(tx, session)
            hidden = {"tenant_id": session.tenant_id, "id": session.id, "sweep_at": as_ms(until)}
            await tx.execute("hide_session", hidden)

    async def renew(self, tenant_id: UUID, session_ids: Sequence[UUID], until: datetime) -> None:
        """Hold sessions that are being taken in for longer."""
        held = {"tenant_id": tenant_id, "sweep_at": as_ms(until)}
        async with self.database.transaction() as tx:
            await tx.execute_many("move_sweep", [{**held, "id": session_id} for session_id in session_ids])

    async def add(self, tenant_id: UUID, session_id: UUID, items: Sequence[Item], runs: Sequence[ArchivedRun]) -> None:
        """Store a batch of a session's items and runs. Raises Conflict when the session is gone."""
        async with self.database.transaction() as tx:
            if await tx.fetch_one("hold_session_owner", {"tenant_id": tenant_id, "id": session_id}) is None:
                raise import_lost()
            if items:
                await tx.execute_many("append_item", [write_item(tenant_id, session_id, item) for item in items])
            if runs:
                await tx.execute_many("insert_archived_run", [write_archived(run) for run in runs])
            if steps := [row for run in runs for row in write_steps(run)]:
                await tx.execute_many("save_step", steps)
            if found := [write_found(run) for run in runs if run.retrieved]:
                await tx.execute_many("save_retrieved", found)

    async def publish(self, sessions: Sequence[tuple[Session, int, Summary | None]]) -> None:
        """Make sessions visible as they are to be; Conflict, with none of them visible, when one is gone."""
        async with self.database.transaction() as tx:
            for session, tickets, pending in sessions:
                await publish_session(tx, session, tickets)
                if pending:
                    kept = {"tenant_id": session.tenant_id, "session_id": session.id, "body": as_json(pending)}
                    await tx.execute("save_pending_summary", {**kept, "first": pending.first})

    async def drop(self, tenant_id: UUID, session_ids: Sequence[UUID]) -> None:
        """Take away sessions that were being taken in; what is there of them is erased in batches."""
        async with self.database.transaction() as tx:
            for session_id in session_ids:
                await remove_session(tx, tenant_id, session_id)


async def publish_session(tx: Transaction, session: Session, tickets: int) -> None:
    """Make a session visible. Raises Conflict when it is gone."""
    row = {
        **write_settings(session),
        "created_at": as_ms(session.created_at),
        "head": session.head,
        "path": None if session.path == whole_path(session.head) else as_json(session.path),
        "cut": session.cut,
        "shown": as_json(session.shown) if session.shown != WindowState() else None,
        "cleared": session.cleared,
        "tickets": tickets,
    }
    if not await tx.execute("publish_session", row):
        raise import_lost()
    await add_members(tx, session)


def import_lost() -> Conflict:
    """The error of an import whose session was taken away while it came in: its name was used meanwhile, its user
    erased, or the import was thought dead.
    """
    text = "The session that was being imported is gone: its name was taken meanwhile. Nothing was imported."
    return Conflict(text, code="session_exists", param="external_id")


def read_archived(row: Row) -> ArchivedRun:
    """A row of ``list_archived_runs``."""
    context, retrieved, seq = row[RUN_COLUMNS:]
    return ArchivedRun(
        run=read_run(row[:RUN_COLUMNS]),
        context=read_record(context) if context else None,
        retrieved=read_retrieved(retrieved) if retrieved else None,
        retrieved_at=seq,
    )


def write_archived(archived: ArchivedRun) -> dict[str, Any]:
    """A run as the parameters of ``insert_archived_run``."""
    run, agent = archived.run, archived.run.agent
    taken, given = run.input_items, run.output_items
    return {
        "tenant_id": run.tenant_id,
        "id": run.id,
        "session_id": run.session_id,
        "ticket": run.ticket,
        "status": run.status,
        "server_id": NOBODY,
        "model": run.model,
        "digest": NO_DIGEST,
        "created_at": as_ms(run.created_at),
        "started_at": as_ms(run.started_at) if run.started_at else None,
        "ended_at": as_ms(run.ended_at) if run.ended_at else None,
        "input_first": taken and taken.first,
        "input_last": taken and taken.last,
        "output_first": given and given.first,
        "output_last": given and given.last,
        "input": as_json(run.input) if run.input else None,
        "output": as_json(run.output) if run.output else None,
        "settings": as_json(run.settings),
        "labels": as_json(run.labels) if run.labels else None,
        "usage": as_json(run.usage) if run.usage else None,
        "error": as_json(run.error) if run.error else None,
        "finish_reason": run.finish_reason,
        "first_token_ms": run.first_token_ms,
        "context": as_json(archived.context) if archived.context else None,
        "agent_id": agent and agent.id,
        "agent_version": agent and agent.version,
        "reasoning": as_json(run.reasoning) if run.reasoning else None,
        "cost": None if run.cost_usd is None else round(run.cost_usd * NANO),
    }


def write_steps(archived: ArchivedRun) -> list[dict[str, Any]]:
    """The steps of a run, as the parameters of ``save_step``."""
    run = archived.run
    who = {"tenant_id": run.tenant_id, "run_id": run.id, "session_id": run.session_id}
    return [{**who, "number": step.number, "body": as_json(step)} for step in archived.steps]


def write_found(archived: ArchivedRun) -> dict[str, Any]:
    """What was retrieved for a run, as the parameters of ``save_retrieved``."""
    run = archived.run
    return {
        "tenant_id": run.tenant_id,
        "run_id": run.id,
        "session_id": run.session_id,
        "seq": archived.retrieved_at,
        "body": as_json(archived.retrieved),
    }
