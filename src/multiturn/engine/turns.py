"""Takes turns: the one path on which every dialect asks a model something and remembers the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from multiturn.engine.contexts import Assembled
from multiturn.engine.execution import Execution
from multiturn.engine.parts import Parts
from multiturn.engine.quotas import Allowed, Quotas
from multiturn.engine.runs import LiveRun
from multiturn.engine.suspension import Resumption, read_suspended
from multiturn.engine.usage import Payer
from multiturn.errors import MultiturnError, RateLimited, RunCancelled, Unavailable
from multiturn.model.completion import Completion, Delta, ModelRequest
from multiturn.model.ids import new_id
from multiturn.model.run import Run
from multiturn.model.session import Concurrency, OnDisconnect, Session, SessionKey
from multiturn.model.turn import Begun, RunOrder, TakenUp, TurnOrder

# What brings an execution to its end.
Work = Callable[[Execution], Awaitable[None]]
# A waiting turn is told when the session is free; it looks by itself as well, should the notice be lost.
LOOK_S = 1.0


class TurnLimits(Struct, frozen=True, kw_only=True):
    """Defaults and limits: what a session does with concurrent turns, how long one waits, how many may wait."""

    concurrency: Concurrency = "queue"
    on_disconnect: OnDisconnect = "finish"
    queue_wait_s: float = 120.0
    queue_max: int = 100
    live_max: int = 10_000
    turn_s: float = 1800.0


class Turn(Struct, frozen=True):
    """A turn that was taken: its session, and its run, which ``Runs.follow`` tells of.

    ``live`` is the run as this server executes it; None for an earlier run that the request joined. ``allowed`` is what
    was left of the quotas before it.
    """

    session: Session
    run: Run
    live: LiveRun | None = None
    allowed: Allowed = ()


class Turns:
    """Takes turns on this server, one at a time per session across all servers."""

    def __init__(self, server_id: UUID, parts: Parts, quotas: Quotas, limits: TurnLimits) -> None:
        self.server_id = server_id
        self.parts = parts
        self.quotas = quotas
        self.limits = limits
        self.started: dict[UUID, asyncio.Event] = {}

    async def take(self, key: SessionKey, order: TurnOrder, *, idle_expiry_s: int | None) -> Turn:
        """Begin a turn in the session; it goes on by itself, whoever listens.

        The run and its input are durable when this returns. Input and answer enter the history together, when the run
        ends: a run that failed leaves the history as it was and can be read under the session's runs.

        Raises SessionBusy, RateLimited (a quota is used up, the session's queue or this server is full), Conflict (an
        idempotency key was used with another body).
        """
        if len(self.parts.runs.live) >= self.limits.live_max:
            raise RateLimited("This server has as many turns as it takes.", code="server_busy", retry_after_s=2)
        allowed = await self.quotas.check(key.tenant_id, key.user_id, key)
        order = await self._choose_model(key, order)
        began = time.perf_counter()
        begun = await self.parts.store.begin(key.tenant_id, self._order(key, order, idle_expiry_s))
        if begun.state == "joined":
            return Turn(begun.session, begun.run, allowed=allowed)
        self.parts.metrics.commit.observe(time.perf_counter() - began)
        if begun.state == "queued":
            self.started[begun.run.id] = asyncio.Event()
        live = LiveRun(begun.run, order.on_disconnect or self.limits.on_disconnect, is_stored=order.is_stored)
        self._spawn(live, order, partial(self._begin, live, begun, order))
        return Turn(begun.session, begun.run, live, allowed)

    def take_up(self, taken: TakenUp, *, is_cancelled: bool = False) -> LiveRun:
        """Let a run go on that waited and whose session this server holds now; or end it as cancelled."""
        assert taken.begun
        suspended = read_suspended(taken.state)
        order, begun = suspended.order, taken.begun
        leaving = order.on_disconnect or self.limits.on_disconnect
        live = LiveRun(begun.run, leaving, told=suspended.told, is_stored=order.is_stored)
        live.was_cancelled = is_cancelled
        words = {decision.call_id: decision for decision in taken.decisions}
        self._spawn(live, order, partial(self._go_on, begun, Resumption(suspended=suspended, decisions=words)))
        return live

    def _spawn(self, live: LiveRun, order: TurnOrder, work: Work) -> None:
        """Have a turn executed by a task of its own."""
        self.parts.runs.enter(live)
        self.parts.metrics.live.inc()
        live.task = self.parts.spawn(self._execute(live, order, work))

    async def _choose_model(self, key: SessionKey, order: TurnOrder) -> TurnOrder:
        """The order with a model: that of the session, its agent or the server, where the request names none."""
        if order.model:
            return order
        return replace(order, model=await self.parts.contexts.speakers.choose_model(key, order))

    async def preview(self, session: Session, order: TurnOrder) -> Assembled:
        """What a turn with this order would show the model now. Nothing is stored, and no model is asked."""
        key = SessionKey(tenant_id=session.tenant_id, user_id=session.user_id, id=session.id)
        return await self.parts.contexts.preview(session, await self._choose_model(key, order))

    def _order(self, key: SessionKey, order: TurnOrder, idle_expiry_s: int | None) -> RunOrder:
        return RunOrder(
            run_id=new_id(),
            server_id=self.server_id,
            session=key,
            new_session_id=new_id(),
            turn=order,
            concurrency=order.concurrency or self.limits.concurrency,
            idle_expiry_s=order.idle_expiry_s or idle_expiry_s,
            queue_max=self.limits.queue_max,
            now=self.parts.clock(),
        )

    def hear_started(self, run_id: UUID) -> None:
        """A waiting run got its session."""
        if started := self.started.get(run_id):
            started.set()

    async def _begin(self, live: LiveRun, begun: Begun, order: TurnOrder, turn: Execution) -> None:
        held = begun if begun.lease else await self._wait(live, begun, order)
        live.run = held.run
        await turn.run(held)

    async def _go_on(self, begun: Begun, resumption: Resumption, turn: Execution) -> None:
        if turn.live.was_cancelled:
            turn.restore(begun, resumption.suspended)
            await turn.stop()
            return
        await turn.resume(begun, resumption)

    async def _execute(self, live: LiveRun, order: TurnOrder, work: Work) -> None:
        """Bring a turn to its end, whatever happens on the way: exactly one ending is stored, unless it waits."""
        turn = Execution(self.parts, live, order)
        try:
            async with asyncio.timeout(self.limits.turn_s):
                await work(turn)
        except TimeoutError:
            await turn.fail(Unavailable(f"The turn took longer than {self.limits.turn_s:g} s.", code="turn_timeout"))
        except asyncio.CancelledError:
            # Not the end of this task: it was asked to end its turn, and does.
            await turn.stop()
        except MultiturnError as error:
            await turn.fail(error)
        except BaseException:
            await turn.fail(Unavailable("The server failed at this turn.", code="internal_error"))
            raise
        finally:
            turn.give_up()
            self.started.pop(live.run.id, None)
            self.parts.runs.live.pop(live.run.id, None)
            self.parts.metrics.live.dec()

    async def _wait(self, live: LiveRun, begun: Begun, order: TurnOrder) -> Begun:
        """Wait for the session, first come first served; with ``interrupt`` the turn that holds it is cancelled."""
        began = time.perf_counter()
        if (order.concurrency or self.limits.concurrency) == "interrupt" and begun.blocking_run_id:
            await self.parts.runs.request_cancel(begun.run.tenant_id, begun.blocking_run_id)
        started = self.started[live.run.id]
        while time.perf_counter() - began < self.limits.queue_wait_s:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await started.wait()
            held = await self.parts.store.find_turn(begun.run.tenant_id, begun.run.id)
            if held is None:
                raise RunCancelled("The run was ended while it waited for its session.")
            if held.lease:
                self.parts.metrics.queue_wait.observe(time.perf_counter() - began)
                return held
            started.clear()
        raise Unavailable(
            f"Other turns of this session took longer than {self.limits.queue_wait_s:g} s.",
            code="queue_timeout",
            retry_after_s=5,
        )

    async def relay(self, payer: Payer, request: ModelRequest) -> Completion:
        """Ask a model without a session; nothing is stored but what it used."""
        completion = await self.parts.upstream.complete(request)
        self.parts.meter.count(payer, request.model, completion.usage)
        return completion

    async def relay_stream(self, payer: Payer, request: ModelRequest) -> AsyncGenerator[Sequence[Delta]]:
        """Ask a model without a session, as a stream; nothing is stored but what it used."""
        usage, has_begun = None, False
        try:
            async with aclosing(self.parts.upstream.stream(request)) as stream:
                async for deltas in stream:
                    has_begun = True
                    usage = next((delta.usage for delta in reversed(deltas) if delta.usage), usage)
                    yield deltas
        finally:
            if has_begun:
                self.parts.meter.count(payer, request.model, usage)
