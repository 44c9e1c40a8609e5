"""Turns in the store: one at a time per session, each whole in the history or absent from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw

from multiturn.errors import Conflict, InvalidRequest, NotFound, RateLimited, SessionBusy, TurnConflict
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.run import ENDED, INTERRUPTED, Run, RunStatus
from multiturn.model.session import Session
from multiturn.model.turn import Begun, Ending, Lease, RunOrder
from multiturn.store.database import Database, Row, Transaction
from multiturn.store.rows import NANO, as_id, as_json, as_ms, as_time, read_metadata, whole_path, write_item
from multiturn.store.runs import find_stored_turn, insert_events, insert_steps
from multiturn.store.sessions import LockedSession, has_expired, lock_session, remove_session
from multiturn.store.usage import count_turn, write_ending

IDEMPOTENCY_LIFE = timedelta(hours=24)
# DESIGN 8.8: how long after a client went away the same request joins its run, and how far back a client's retry may
# reach.
VANISHED_LIFE = timedelta(seconds=60)
RETRY_LIFE = timedelta(minutes=10)
RETRY_TICKETS = 50


class SqlTurnStore:
    """Keeps turns in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def begin(self, tenant_id: UUID, order: RunOrder) -> Begun:
        """Find or make the session, store the run, and take the session's lease or a place in its queue."""
        async with self.database.transaction() as tx:
            if joined := await self._join_by_key(tx, order):
                return joined
            locked = await lock_session(tx, order.session)
            if locked and has_expired(locked.session, order.now):
                await remove_session(tx, tenant_id, locked.session.id)
                locked = None
            begun = await (self._enter(tx, locked, order) if locked else self._make(tx, order))
            if order.turn.idempotency:
                stands_for = {"run_id": begun.run.id, "session_id": begun.session.id, "now": as_ms(order.now)}
                await tx.execute("name_idempotent_run", {**self._key(order), **stands_for})
            return begun

    async def _join_by_key(self, tx: Transaction, order: RunOrder) -> Begun | None:
        """Take the request's idempotency key, or join the run that it stands for already."""
        if not (named := order.turn.idempotency):
            return None
        key, digest = self._key(order), order.turn.digest
        taken = {**key, "digest": digest, "run_id": order.run_id, "session_id": order.new_session_id}
        times = {"now": as_ms(order.now), "before": as_ms(order.now - IDEMPOTENCY_LIFE)}
        if await tx.execute("take_idempotency_key", {**taken, **times}):
            return None
        row = await tx.fetch_one("find_idempotent_run", key)
        if row is None:
            return None
        if bytes(row[1]) != digest:
            raise Conflict(
                f"The Idempotency-Key '{named.key}' was used with another body. Use a new key for a new request.",
                code="idempotency_key_reused",
                param="Idempotency-Key",
            )
        return await self._joined(tx, order, as_id(row[0]))

    def _key(self, order: RunOrder) -> dict[str, object]:
        assert order.turn.idempotency
        named = order.turn.idempotency
        who = {"tenant_id": order.session.tenant_id, "user_id": order.session.user_id}
        return {**who, "route": named.route, "key": named.key}

    async def _joined(self, tx: Transaction, order: RunOrder, run_id: UUID) -> Begun | None:
        """Join an earlier run; None when its session was deleted meanwhile."""
        stored = await find_stored_turn(tx, order.session.tenant_id, run_id)
        if stored is None or stored.session is None:
            return None
        return Begun(state="joined", session=stored.session, run=stored.run)

    async def _make(self, tx: Transaction, order: RunOrder) -> Begun:
        """Make the session with its first turn, unless another request has just done so."""
        key, expiry_s, now = order.session, order.idle_expiry_s, as_ms(order.now)
        if key.id and key.external_id is None:
            raise NotFound("There is no such session.", code="session_not_found", param="session_id")
        made = await tx.execute(
            "make_session",
            {
                "tenant_id": key.tenant_id,
                "user_id": key.user_id,
                "id": order.new_session_id,
                "external_id": key.external_id,
                "now": now,
                "idle_expiry_s": expiry_s,
                "sweep_at": None if expiry_s is None else now + expiry_s * 1000,
                "run_id": order.run_id,
                "server_id": order.server_id,
            },
        )
        if not made:
            locked = await lock_session(tx, key)
            if locked is None:
                raise Conflict("The session was deleted while the turn began. Send it again.", code="session_deleted")
            return await self._enter(tx, locked, order)
        session = Session(
            id=order.new_session_id,
            tenant_id=key.tenant_id,
            user_id=key.user_id,
            external_id=key.external_id,
            created_at=order.now,
            active_at=order.now,
            idle_expiry_s=expiry_s,
        )
        return await self._started(tx, session, order, ticket=1, fencing=1)

    async def _enter(self, tx: Transaction, locked: LockedSession, order: RunOrder) -> Begun:
        """Begin a turn in a session that is there: join an earlier run, take the session, or wait for it."""
        session, ticket = locked.session, locked.tickets + 1
        if joined := await self._join_same(tx, locked, order):
            return joined
        expiry_s, now = order.turn.idle_expiry_s, as_ms(order.now)
        used: dict[str, Any] = {"tenant_id": session.tenant_id, "id": session.id, "now": now, "idle_expiry_s": expiry_s}
        used["sweep_at"] = None if expiry_s is None else now + expiry_s * 1000
        if session.waiting_run_id:
            raise Conflict(
                f"The run {session.waiting_run_id} of this session waits for a person to approve a call. Approve, deny "
                "or cancel it first.",
                code="run_waiting",
                param="session_id",
            )
        if session.run_id is None:
            await tx.execute("take_session", {**used, "run_id": order.run_id, "server_id": order.server_id})
            return await self._started(tx, session, order, ticket=ticket, fencing=locked.fencing + 1)
        if order.concurrency == "reject":
            raise SessionBusy(
                f"A turn of the session '{session.external_id or session.id}' is running. "
                "Wait for it, or ask with concurrency=queue.",
                retry_after_s=1,
            )
        if locked.waiting >= order.queue_max:
            raise RateLimited(
                f"{locked.waiting} turns wait for this session already.", code="queue_full", retry_after_s=5
            )
        await tx.execute("join_queue", used)
        run = await self._insert(tx, session, order, ticket=ticket, status="queued")
        return Begun(state="queued", session=session, run=run, blocking_run_id=session.run_id)

    async def _join_same(self, tx: Transaction, locked: LockedSession, order: RunOrder) -> Begun | None:
        """Join the run that this request repeats: after a client's retry, or because that run's client went away."""
        what = {"tenant_id": locked.session.tenant_id, "digest": order.turn.digest}
        row: Row | None = None
        if locked.vanished_run_id:
            since = as_ms(order.now - VANISHED_LIFE)
            row = await tx.fetch_one("find_vanished_run", {**what, "id": locked.vanished_run_id, "since": since})
        if row is None and order.turn.is_retry:
            reach = {"since": as_ms(order.now - RETRY_LIFE), "after_ticket": locked.tickets - RETRY_TICKETS}
            row = await tx.fetch_one("find_retried_run", {**what, **reach, "session_id": locked.session.id})
        return await self._joined(tx, order, as_id(row[0])) if row else None

    async def _started(self, tx: Transaction, session: Session, order: RunOrder, *, ticket: int, fencing: int) -> Begun:
        run = await self._insert(tx, session, order, ticket=ticket, status="in_progress")
        lease = Lease(tenant_id=session.tenant_id, session_id=session.id, run_id=run.id, fencing=fencing)
        return Begun(state="running", session=session, run=run, lease=lease)

    async def _insert(
        self, tx: Transaction, session: Session, order: RunOrder, *, ticket: int, status: RunStatus
    ) -> Run:
        turn, now = order.turn, as_ms(order.now)
        settings, shown = read_settings(turn.fields)
        labels = as_json(turn.labels) if turn.labels else None
        parameters = {
            "tenant_id": session.tenant_id,
            "id": order.run_id,
            "session_id": session.id,
            "ticket": ticket,
            "status": status,
            "server_id": order.server_id,
            "model": turn.model,
            "digest": turn.digest,
            "created_at": now,
            "started_at": now if status == "in_progress" else None,
            "input": as_json(turn.input) if turn.is_stored else None,
            "settings": settings if turn.is_stored else None,
            "labels": labels,
        }
        await tx.execute("insert_run", parameters)
        return Run(
            id=order.run_id,
            tenant_id=session.tenant_id,
            session_id=session.id,
            ticket=ticket,
            status=status,
            model=turn.model,
            created_at=order.now,
            started_at=order.now if status == "in_progress" else None,
            input=turn.input,
            settings=shown,
            labels=dict(turn.labels),
        )

    async def find_turn(self, tenant_id: UUID, run_id: UUID) -> Begun | None:
        """Tell how a queued run stands now: still queued, or running with its lease; None when it has ended."""
        async with self.database.reading() as tx:
            stored = await find_stored_turn(tx, tenant_id, run_id)
        if stored is None or stored.session is None or stored.run.status in ENDED:
            return None
        session, lease = stored.session, stored.lease
        if lease is None:
            return Begun(state="queued", session=session, run=stored.run, blocking_run_id=session.run_id)
        return Begun(state="running", session=session, run=stored.run, lease=lease)

    async def end(self, tenant_id: UUID, lease: Lease, ending: Ending) -> None:
        """Store what the turn leaves behind, release the lease, and hand it to the next in the queue."""
        who = {"tenant_id": tenant_id, "id": lease.session_id}
        async with self.database.transaction() as tx:
            held = {**who, "run_id": lease.run_id, "fencing": lease.fencing, "now": as_ms(ending.ended_at)}
            used = write_ending(ending)
            held |= used
            if ending.items or ending.path is not None:
                row = await tx.fetch_one("advance_session", {**held, **moved(ending)})
            else:
                row = await tx.fetch_one("release_session", held)
            if row is None:
                if await self._was_stored(tx, lease, ending):
                    return
                raise TurnConflict("The turn lost its session: it was deleted, or another server took it over.")
            if ending.items:
                items = [write_item(tenant_id, lease.session_id, item) for item in ending.items]
                await tx.execute_many("append_item", items)
            if ending.summary:
                taken = {"tenant_id": tenant_id, "session_id": lease.session_id, "body": as_json(ending.summary)}
                await tx.execute("take_pending_summary", taken)
            await self._close(tx, tenant_id, lease.run_id, ending)
            await count_turn(tx, lease, ending, used)
            await insert_steps(tx, lease, ending.steps)
            if ending.retrieved:
                await tx.execute("save_retrieved", found(lease, ending, ending.retrieved))
            if row[0]:
                await self._hand_over(tx, tenant_id, lease.session_id, ending.ended_at)

    async def _was_stored(self, tx: Transaction, lease: Lease, ending: Ending) -> bool:
        """Whether this very ending was stored before: the connection broke behind the commit, and it is tried again."""
        stored = await find_stored_turn(tx, lease.tenant_id, lease.run_id)
        outcome = (ending.status, as_time(as_ms(ending.ended_at)))
        return stored is not None and (stored.run.status, stored.run.ended_at) == outcome

    async def leave(self, tenant_id: UUID, run_id: UUID, ending: Ending) -> bool:
        """End a run that is still queued; False when it is not queued any more."""
        async with self.database.transaction() as tx:
            stored = await find_stored_turn(tx, tenant_id, run_id)
            if stored is None:
                return False
            session_id = stored.run.session_id
            # The session first, as every turn does: two transactions that lock in one order cannot block each other.
            await tx.execute("leave_queue", {"tenant_id": tenant_id, "id": session_id})
            if not await tx.execute("take_from_queue", {"tenant_id": tenant_id, "id": run_id}):
                await tx.execute("rejoin_queue", {"tenant_id": tenant_id, "id": session_id})
                return False
            await self._close(tx, tenant_id, run_id, ending)
            return True

    async def _close(self, tx: Transaction, tenant_id: UUID, run_id: UUID, ending: Ending) -> None:
        """Write the run's outcome and its last events."""
        taken, given = ending.input_items, ending.output_items
        await tx.execute(
            "end_run",
            {
                "tenant_id": tenant_id,
                "id": run_id,
                "status": ending.status,
                "ended_at": as_ms(ending.ended_at),
                "input_first": taken and taken.first,
                "input_last": taken and taken.last,
                "output_first": given and given.first,
                "output_last": given and given.last,
                "keeps_input": int(ending.input is None),
                "input": as_json(ending.input) if ending.input else None,
                "output": as_json(ending.output) if ending.output else None,
                "usage": as_json(ending.usage) if ending.usage else None,
                "error": as_json(ending.error) if ending.error else None,
                "finish_reason": ending.finish_reason,
                "first_token_ms": ending.first_token_ms,
                "context": as_json(ending.context) if ending.context else None,
                "agent_id": ending.agent and ending.agent.id,
                "agent_version": ending.agent and ending.agent.version,
                "reasoning": as_json(ending.reasoning) if ending.reasoning else None,
                "cost": None if ending.cost_usd is None else round(ending.cost_usd * NANO),
            },
        )
        if ending.events:
            batches = [(tenant_id, run_id, batch) for batch in ending.events]
            await insert_events(tx, batches, ending.ended_at)

    async def _hand_over(self, tx: Transaction, tenant_id: UUID, session_id: UUID, now: datetime) -> None:
        """Give the session to the first of its queue whose server lives; runs of dead servers fail on the way."""
        who = {"tenant_id": tenant_id, "id": session_id}
        while row := await tx.fetch_one("next_in_queue", {"tenant_id": tenant_id, "session_id": session_id}):
            run_id, server_id = as_id(row[0]), as_id(row[1])
            if await tx.fetch_one("find_live_server", {"id": server_id}):
                await tx.fetch_one("hand_over_session", {**who, "run_id": run_id, "server_id": server_id})
                await tx.execute("start_run", {"tenant_id": tenant_id, "id": run_id, "now": as_ms(now)})
                await tx.notify("started", run_id)
                return
            await tx.execute("leave_queue", who)
            await self._close(tx, tenant_id, run_id, Ending(status="failed", ended_at=now, after=0, error=INTERRUPTED))


def moved(ending: Ending) -> dict[str, object]:
    """Where the session stands after the turn, as the parameters of ``advance_session``."""
    head = ending.after + len(ending.items)
    path = ending.path
    is_whole = path is None or path == whole_path(head)
    return {
        "head": head,
        "after": ending.after,
        "cut": ending.cut,
        "instructions": ending.instructions,
        "shown": as_json(ending.shown) if ending.shown else None,
        "has_path": int(path is not None),
        "path": None if is_whole else as_json(path),
    }


def found(lease: Lease, ending: Ending, retrieved: RetrievedContext) -> dict[str, object]:
    """What was retrieved for the run, as the parameters of ``save_retrieved``."""
    return {
        "tenant_id": lease.tenant_id,
        "run_id": lease.run_id,
        "session_id": lease.session_id,
        "seq": ending.retrieved_at,
        "body": as_json(retrieved),
    }


def read_settings(fields: Mapping[str, Raw]) -> tuple[str, dict[str, Any]]:
    """A request's other fields as the run keeps them and as they will be read; tools are not kept with each run.

    Raises InvalidRequest: they came as they are, and not everything that may be passed on can be read again.
    """
    kept = {name: value for name, value in fields.items() if name not in ("tools", "functions")}
    if not kept:
        return "{}", {}
    try:
        settings = as_json(kept)
        return settings, read_metadata(settings)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The request's fields cannot be read: {error}.", code="invalid_json") from error
