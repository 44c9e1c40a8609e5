"""Runs that wait for a person's word, in the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from multiturn.errors import Conflict, NotFound, RunCancelled, TurnConflict
from multiturn.model.step import ToolCall
from multiturn.model.turn import Begun, Decision, Lease, TakenUp, Waiting
from multiturn.store.database import Database, Transaction
from multiturn.store.rows import as_id, as_json, as_ms
from multiturn.store.runs import find_stored_turn, insert_events, insert_steps
from multiturn.store.sessions import LockedSession, lock_by_id

read_calls = msgspec.json.Decoder(tuple[ToolCall, ...]).decode
read_decisions = msgspec.json.Decoder(tuple[Decision, ...]).decode


class SqlApprovalStore:
    """Keeps runs that wait in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def wait(self, tenant_id: UUID, lease: Lease, waiting: Waiting) -> None:
        """Store what a run needs to go on, and give its lease back."""
        which = {"tenant_id": tenant_id, "run_id": lease.run_id}
        held = {**which, "id": lease.session_id, "fencing": lease.fencing, "now": as_ms(waiting.asked_at)}
        async with self.database.transaction() as tx:
            if await tx.fetch_one("put_aside_session", held) is None:
                raise TurnConflict("The turn lost its session: it was deleted, or another server took it over.")
            agent = {
                "agent_id": waiting.agent and waiting.agent.id,
                "agent_version": waiting.agent and waiting.agent.version,
            }
            if not await tx.execute("put_aside_run", {**which, **agent}):
                raise RunCancelled("The run was cancelled before it began to wait.")
            row = {
                **which,
                "session_id": lease.session_id,
                "asked_at": as_ms(waiting.asked_at),
                "expires_at": as_ms(waiting.expires_at),
                "calls": as_json(waiting.calls),
                "state": waiting.state,
            }
            await tx.execute("save_wait", row)
            await insert_steps(tx, lease, waiting.steps)
            batches = [(tenant_id, lease.run_id, batch) for batch in waiting.events]
            await insert_events(tx, batches, waiting.asked_at)

    async def find(self, tenant_id: UUID, run_id: UUID) -> TakenUp | None:
        """Tell which calls of a run still wait, and what was said of the others; None where it does not wait."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_wait", {"tenant_id": tenant_id, "run_id": run_id})
        if row is None:
            return None
        decisions = read_decisions(row[1])
        return TakenUp(calls=list_left(read_calls(row[0]), decisions), decisions=decisions)

    async def take_up(
        self, tenant_id: UUID, run_id: UUID, decisions: Sequence[Decision], *, server_id: UUID
    ) -> TakenUp | None:
        """Note what a person said; when nothing waits any more, take the session and all that the run needs."""
        which = {"tenant_id": tenant_id, "run_id": run_id}
        async with self.database.transaction() as tx:
            locked = await lock_waiting(tx, tenant_id, run_id)
            row = await tx.fetch_one("load_wait", which) if locked else None
            if locked is None or row is None:
                return None
            calls, state = read_calls(row[0]), bytes(row[2])
            said = merge(calls, read_decisions(row[1]), decisions)
            if left := list_left(calls, said):
                await tx.execute("note_decisions", {**which, "decisions": as_json(said)})
                return TakenUp(calls=left, decisions=said)
            return await self._go_on(tx, locked, run_id, server_id, TakenUp(state=state, decisions=said))

    async def give_up(self, tenant_id: UUID, run_id: UUID, *, server_id: UUID) -> TakenUp | None:
        """Take up a run to end it, whatever was said; None where it does not wait."""
        async with self.database.transaction() as tx:
            locked = await lock_waiting(tx, tenant_id, run_id)
            row = await tx.fetch_one("load_wait", {"tenant_id": tenant_id, "run_id": run_id}) if locked else None
            if locked is None or row is None:
                return None
            taken = TakenUp(calls=read_calls(row[0]), state=bytes(row[2]), decisions=read_decisions(row[1]))
            return await self._go_on(tx, locked, run_id, server_id, taken)

    async def _go_on(
        self, tx: Transaction, locked: LockedSession, run_id: UUID, server_id: UUID, taken: TakenUp
    ) -> TakenUp | None:
        session = locked.session
        which = {"tenant_id": session.tenant_id, "run_id": run_id, "server_id": server_id}
        await tx.execute("take_up_session", {**which, "id": session.id})
        await tx.execute("take_up_run", which)
        await tx.execute("end_wait", {"tenant_id": session.tenant_id, "run_id": run_id})
        stored = await find_stored_turn(tx, session.tenant_id, run_id)
        if stored is None or stored.session is None or stored.lease is None:
            return None
        begun = Begun(state="running", session=stored.session, run=stored.run, lease=stored.lease)
        return replace(taken, begun=begun)

    async def list_expired(self, now: datetime, *, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """List some runs that have waited too long: (tenant id, run id) each."""
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_expired_waits", {"now": as_ms(now), "limit": limit})
        return [(as_id(tenant), as_id(run)) for tenant, run in rows]


async def lock_waiting(tx: Transaction, tenant_id: UUID, run_id: UUID) -> LockedSession | None:
    """Hold the session in which a run waits; None where it does not."""
    row = await tx.fetch_one("find_wait_session", {"tenant_id": tenant_id, "run_id": run_id})
    locked = await lock_by_id(tx, tenant_id, as_id(row[0])) if row else None
    return locked if locked and locked.session.waiting_run_id == run_id else None


def list_left(calls: Sequence[ToolCall], decisions: Sequence[Decision]) -> tuple[ToolCall, ...]:
    """The calls of which nothing was said yet."""
    said = {decision.call_id for decision in decisions}
    return tuple(call for call in calls if call.call_id not in said)


def merge(calls: Sequence[ToolCall], said: Sequence[Decision], new: Sequence[Decision]) -> tuple[Decision, ...]:
    """What was said so far with what is said now; the same word again changes nothing.

    Raises NotFound (``call_not_found``), Conflict (``approval_given``).
    """
    known = {call.call_id for call in calls}
    merged = {decision.call_id: decision for decision in said}
    for decision in new:
        if decision.call_id not in known:
            raise NotFound(
                f"No call '{decision.call_id}' of this run waits for approval.", code="call_not_found", param="call_id"
            )
        before = merged.setdefault(decision.call_id, decision)
        if before.approved != decision.approved:
            word = "approved" if before.approved else "denied"
            raise Conflict(f"The call '{decision.call_id}' was {word} before.", code="approval_given", param="call_id")
    return tuple(merged.values())
