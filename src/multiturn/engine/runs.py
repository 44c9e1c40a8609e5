"""Runs as they happen and afterwards: who listens hears every event, from any number, while the run goes on and for
an hour after.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from uuid import UUID

import msgspec

from multiturn.engine.answer import Answer, fold
from multiturn.engine.ports import AnswerWire, Clock, ItemStore, RunStore
from multiturn.errors import MultiturnError, NotFound, RunCancelled, Unavailable, UpstreamError
from multiturn.model.completion import Completion, Delta
from multiturn.model.content import Content
from multiturn.model.event import Answered, Ended, Event, EventBatch, Spoke, Stepped
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.run import ENDED, Run
from multiturn.model.session import OnDisconnect
from multiturn.model.step import ApprovalAsked, Happening, Step

# How long one looks for news of a run that another server holds.
POLL_S = 0.25
# A person takes longer than a model.
POLL_WAITING_S = 0.5
CANCEL_AGAIN_S = 0.5
# A run goes on while the database is away; who follows it is as patient as a lease is long.
AWAY_S = 10.0


# What the stored line of a happening begins with.
HAPPENED = b"~"
Told = Delta | Happening
read_happening = msgspec.json.Decoder(Happening).decode


class LiveRun:
    """A run that this server executes.

    It keeps the events that are not yet surely stored; older ones are read from the store. ``retrieved`` is what was
    found for it, known when the model is asked; ``items`` are the calls of our own tools so far, with their results,
    ``steps`` the steps so far. ``is_waiting``: it waits for a person's word, and goes on as another LiveRun.
    Of one that is not ``is_stored`` no event is ever written down.
    """

    def __init__(self, run: Run, on_disconnect: OnDisconnect, *, told: int = 0, is_stored: bool = True) -> None:
        self.run = run
        self.is_stored = is_stored
        self.on_disconnect = on_disconnect
        self.answer = Answer()
        self.retrieved: RetrievedContext | None = None
        self.items: Sequence[Content] = ()
        self.steps: Sequence[Step] = ()
        self.told: list[Told] = []
        self.dropped = self.saved = told
        self.held: list[Told] = []
        self.is_waiting = False
        self.completion: Completion | None = None
        self.ended: Ended | None = None
        self.task: asyncio.Task[None] | None = None
        self.is_ending = False
        self.was_cancelled = False
        self.first_token_s: float | None = None
        self.waiters: list[asyncio.Future[None]] = []

    @property
    def count(self) -> int:
        """The number of the last event that was told, but for an answer in one piece and the end."""
        return self.dropped + len(self.told)

    def speak(self, deltas: Sequence[Delta], *, holds_end: bool) -> None:
        """Tell deltas that arrived together. Those from the finish reason on are held until the turn is stored:
        who has read the end may rely on it.
        """
        for delta in deltas:
            self.answer.add(delta)
        if holds_end and self.answer.finish_reason:
            ready = 0 if self.held else next(n for n, delta in enumerate(deltas) if delta.finish_reason)
            self.held += deltas[ready:]
            deltas = deltas[:ready]
        self.told += deltas
        if deltas:
            self._wake()

    def tell(self, what: Happening) -> None:
        """Tell what happened beside the words, in its place between them.

        A question to a person is held until it is stored: who has read it may answer it.
        """
        if self.held or isinstance(what, ApprovalAsked):
            self.held.append(what)
            return
        self.told.append(what)
        self._wake()

    def reply(self, completion: Completion) -> None:
        """Take an answer in one piece; it is told when the turn is stored."""
        self.completion = completion
        self.answer.take(completion)

    def finish(self, run: Run, output: tuple[Content, ...], error: MultiturnError | None) -> None:
        """Tell that the run has ended and is stored."""
        self.run = run
        if error is None:
            self.told += self.held
        number = self.count + (2 if self.completion else 1)
        self.ended = Ended(number, run, output, error)
        self._wake()

    def go_on(self, *, said: str, thought: str) -> None:
        """Take up what was told before the run waited."""
        self.answer.texts = [said] if said else []
        self.answer.thoughts = [thought] if thought else []

    def wait(self, run: Run) -> None:
        """The run waits for a person's word, and that is stored: who follows it looks there from now on."""
        self.run = run
        self.told += self.held
        self.is_waiting = True
        self._wake()

    def unsaved(self, *, with_end: bool) -> tuple[EventBatch, ...]:
        """The events that are not stored yet; those that are held only when the turn ends well."""
        pending = self.told[self.saved - self.dropped :] + (self.held if with_end else [])
        batches = (write_batch(self.saved + 1, pending),) if pending else ()
        if not self.completion:
            return batches
        answer = EventBatch(first=self.saved + len(pending) + 1, body=write_line(self.completion.raw), is_whole=True)
        return (*batches, answer)

    def mark_saved(self, number: int) -> None:
        """The events up to ``number`` are stored; those stored the time before are dropped here."""
        del self.told[: self.saved - self.dropped]
        self.dropped, self.saved = self.saved, number

    def cancel(self) -> bool:
        """Cancel the run, unless it is ending already."""
        if self.task is None or self.is_ending or self.was_cancelled:
            return False
        self.was_cancelled = True
        # Behind the task's first step: a task that is cancelled before it never runs, and would not end its run.
        asyncio.get_running_loop().call_soon(self._interrupt)
        return True

    def _interrupt(self) -> None:
        if self.task and not self.is_ending and not self.task.done():
            self.task.cancel()
            # Again if need be: Python 3.11 can lose a cancellation that meets the end of what the task waits for.
            asyncio.get_running_loop().call_later(CANCEL_AGAIN_S, self._interrupt)

    async def wait_news(self) -> None:
        """Wait until something is told."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self.waiters:
                self.waiters.remove(waiter)

    def _wake(self) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Runs:
    """The runs of this server while they live, and every run of the store."""

    def __init__(self, store: RunStore, items: ItemStore, reader: AnswerWire, clock: Clock) -> None:
        self.store = store
        self.items = items
        self.reader = reader
        self.clock = clock
        self.live: dict[UUID, LiveRun] = {}
        self.expected: set[UUID] = set()
        self.awaited: dict[UUID, list[asyncio.Future[None]]] = {}
        self.closes_at = math.inf

    def __contains__(self, run_id: object) -> bool:
        """Whether this server executes the run, or is about to."""
        return run_id in self.live or run_id in self.expected

    @contextmanager
    def expecting(self, run: Run) -> Iterator[None]:
        """This server takes up a run that waited: meanwhile it is nobody's loss."""
        self.expected.add(run.id)
        try:
            yield
        finally:
            self.expected.discard(run.id)

    def close(self, *, limit_s: float) -> None:
        """This server stops: for so long yet it follows runs of other servers."""
        self.closes_at = time.monotonic() + limit_s

    async def follow(self, run: Run, *, after: int = 0) -> AsyncGenerator[Event]:
        """Hear the events of a run behind number ``after``, until it has ended.

        Raises Unavailable when what is next stands in the database, and that was away for ``AWAY_S`` seconds, or this
        server stops.
        """
        event: Event | None = None
        looked_at = time.monotonic()
        while not isinstance(event, Ended):
            try:
                async with aclosing(self._hear(run, after)) as news:
                    async for event in news:
                        yield event
                        after = last_number(event)
                looked_at = time.monotonic()
            except Unavailable:
                if time.monotonic() > min(looked_at + AWAY_S, self.closes_at):
                    raise
                await asyncio.sleep(POLL_S)

    def _hear(self, run: Run, after: int) -> AsyncGenerator[Event]:
        """The next events from where they are now: here, or in the store."""
        live = self.live.get(run.id)
        if live is None:
            return self._follow_stored(run, after)
        return self._catch_up(run, live, after) if live.dropped > after else self._follow_live(live, after)

    async def _catch_up(self, run: Run, live: LiveRun, after: int) -> AsyncGenerator[Event]:
        """What of a run of this server is only in the store; where nothing is kept of that, what is there now."""
        before = after
        async for event in self._read(run, after):
            after = last_number(event)
            yield event
        if after == before:
            async for event in self._follow_live(live, live.dropped):
                yield event

    async def happened(self, run: Run, *, after: int = 0) -> AsyncGenerator[Event]:
        """The events of a run behind number ``after`` that are there already."""
        live = self.live.get(run.id)
        if live is None or live.dropped > after:
            async for event in self._read(run, after):
                after = last_number(event)
                yield event
        live = self.live.get(run.id)
        if live and live.count > after >= live.dropped:
            for event in split(live.told[after - live.dropped :], after + 1):
                yield event
        elif run.status in ENDED:
            yield Ended(after + 1, run, await self.load_output(run), error_of(run))

    async def _follow_live(self, live: LiveRun, after: int) -> AsyncGenerator[Event]:
        """Hear a run of this server; returns when what is next is only in the store."""
        while live.dropped <= after:
            if live.count > after:
                told = live.told[after - live.dropped :]
                for event in split(told, after + 1):
                    yield event
                # More may have been told meanwhile.
                after += len(told)
            elif live.ended:
                if live.completion and after < live.ended.number - 1:
                    yield Answered(live.ended.number - 1, live.completion)
                yield live.ended
                return
            elif live.is_waiting:
                return
            else:
                await live.wait_news()

    async def _follow_stored(self, run: Run, after: int) -> AsyncGenerator[Event]:
        """Hear a run that has ended, or that another server executes."""
        stored = await self.store.find(run.tenant_id, run.id)
        if stored is None:
            raise NotFound("The run was deleted.", code="run_not_found")
        async for event in self._read(run, after):
            after = last_number(event)
            yield event
        if stored.status in ENDED:
            output = await self.load_output(stored)
            yield Ended(after + 1, stored, output, error_of(stored))
        elif time.monotonic() > self.closes_at:
            raise Unavailable("The server stopped. The run goes on: send the request again.", code="interrupted")
        else:
            await (self._wait_taken_up(run.id) if stored.status == "waiting" else asyncio.sleep(POLL_S))

    async def _wait_taken_up(self, run_id: UUID) -> None:
        """Wait until this server takes up a run that waits; for a moment only, since another may."""
        if run_id in self.live:
            return
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        listening = self.awaited.setdefault(run_id, [])
        listening.append(heard)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_WAITING_S):
                    await heard
        finally:
            listening.remove(heard)
            if not listening and self.awaited.get(run_id) is listening:
                del self.awaited[run_id]

    def enter(self, live: LiveRun) -> None:
        """This server executes a run from now on; who followed it while it waited hears it from its first word on."""
        self.live[live.run.id] = live
        for heard in self.awaited.pop(live.run.id, ()):
            if not heard.done():
                heard.set_result(None)

    async def _read(self, run: Run, after: int) -> AsyncGenerator[Event]:
        """Read stored events behind ``after``."""
        while batches := await self.store.list_events(run.tenant_id, run.id, after=after):
            before = after
            for batch in batches:
                for event in self._decode(batch, after):
                    after = last_number(event)
                    yield event
            if after == before:
                return

    def _decode(self, batch: EventBatch, after: int) -> Iterator[Event]:
        """Read a stored batch; the part up to ``after`` was heard already."""
        lines = batch.body.encode().split(b"\n")
        if batch.is_whole:
            if after < batch.first:
                yield Answered(batch.first, self.reader.read_completion(lines[0]))
            return
        new = lines[max(0, after + 1 - batch.first) :]
        yield from split([self._decode_line(line) for line in new], max(batch.first, after + 1))

    def _decode_line(self, line: bytes) -> Told:
        return read_happening(line[1:]) if line.startswith(HAPPENED) else self.reader.read_delta(line)

    async def load_output(self, run: Run) -> tuple[Content, ...]:
        """What a run said: from the history, or from the run itself when it did not enter it."""
        if run.output_items is None:
            return run.output
        items = await self.items.load(run.tenant_id, run.session_id, [run.output_items])
        return tuple(item.content for item in items)

    async def load_steps(self, runs: Sequence[Run]) -> Mapping[UUID, Sequence[Step]]:
        """The steps of runs, also of those that are at work here; a run of one step without tools has none."""
        here = {run.id: self.live[run.id].steps for run in runs if run.id in self.live}
        stored: dict[UUID, list[UUID]] = {}
        for run in runs:
            if not here.get(run.id):
                stored.setdefault(run.tenant_id, []).append(run.id)
        found = dict(here)
        for tenant_id, ids in stored.items():
            found |= await self.store.list_steps(tenant_id, ids)
        return found

    async def load_partial(self, run: Run) -> tuple[Content, ...]:
        """What a run that was interrupted had said, up to a second before."""
        deltas: list[Delta] = []
        async for event in self._read(run, 0):
            if isinstance(event, Spoke):
                deltas += event.deltas
        answer = fold(deltas)
        return () if answer.is_empty else answer.contents(is_whole=False)

    async def cancel(self, run: Run) -> Run:
        """Cancel a run wherever it is executed; one that has ended stays as it is.

        The text said so far enters the history, its item marked incomplete. Returns the run as it stands afterwards.
        """
        if run.status in ENDED:
            return run
        await self.request_cancel(run.tenant_id, run.id)
        async with aclosing(self.follow(run)) as events:
            async for event in events:
                if isinstance(event, Ended):
                    return event.run
        return run

    async def request_cancel(self, tenant_id: UUID, run_id: UUID) -> None:
        """Ask whoever executes a run to cancel it."""
        live = self.live.get(run_id)
        if live is None or not live.cancel():
            await self.store.request_cancel(tenant_id, run_id)

    def cancel_here(self, run_id: UUID) -> None:
        """Cancel a run if this server executes it: somebody asked another server to."""
        if live := self.live.get(run_id):
            live.cancel()

    async def abandon(self, live: LiveRun) -> None:
        """The client of a run went away: the run goes on, or is cancelled where that was asked for."""
        # One that waited for a person's word goes on as another.
        live = self.live.get(live.run.id, live)
        if live.ended:
            return
        if live.on_disconnect == "cancel":
            live.cancel()
        else:
            await self.store.mark_vanished(live.run, self.clock())

    async def checkpoint(self) -> None:
        """Store what was streamed since the last time, of all runs together."""
        batches, saved = [], []
        for live in self.live.values():
            if live.ended or live.is_ending or live.count <= live.saved or not live.is_stored:
                continue
            batch = write_batch(live.saved + 1, live.told[live.saved - live.dropped :])
            batches.append((live.run.tenant_id, live.run.id, batch))
            saved.append((live, live.count))
        if batches:
            await self.store.save_events(batches, self.clock())
        for live, number in saved:
            live.mark_saved(number)


def last_number(event: Event) -> int:
    """The number of the last thing that an event tells."""
    return event.first + len(event.deltas) - 1 if isinstance(event, Spoke) else event.number


def split(told: Sequence[Told], first: int) -> Iterator[Event]:
    """What was told from number ``first`` on, as events: words that stand together stay together."""
    begin = 0
    for place, what in enumerate(told):
        if isinstance(what, Delta):
            continue
        if begin < place:
            yield Spoke(first + begin, read_deltas(told[begin:place]))
        yield Stepped(first + place, what)
        begin = place + 1
    if begin < len(told):
        yield Spoke(first + begin, read_deltas(told[begin:]))


def read_deltas(told: Sequence[Told]) -> list[Delta]:
    """The deltas of what was told."""
    return [one for one in told if isinstance(one, Delta)]


def write_batch(first: int, told: Sequence[Told]) -> EventBatch:
    """What was told, as it is stored."""
    return EventBatch(first=first, body="\n".join(map(write_told, told)))


def write_told(what: Told) -> str:
    """One line: the provider's JSON, or behind a mark, which no JSON begins with, what happened beside the words."""
    if isinstance(what, Delta):
        return write_line(what.raw)
    return HAPPENED.decode() + msgspec.json.encode(what).decode()


def write_line(raw: bytes) -> str:
    """A provider's JSON on one line: outside its strings a line break means nothing."""
    return raw.decode("utf-8", "replace").replace("\n", " ")


def error_of(run: Run) -> MultiturnError | None:
    """The error that a stored run is told to have failed with."""
    if run.status == "failed" and run.error:
        return UpstreamError(run.error.message, code=run.error.code)
    if run.status == "cancelled":
        return RunCancelled("The run was cancelled.")
    return None
