"""A run while it is told: every event is heard once, in order, whatever is told meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from multiturn.engine.runs import LiveRun, Runs, Told, split, write_batch
from multiturn.model.completion import Delta
from multiturn.model.event import Answered, Ended, Event, EventBatch, Spoke, Stepped
from multiturn.model.ids import new_id
from multiturn.model.run import Run
from multiturn.model.step import StepEnded, StepStarted, ToolCalled
from multiturn.upstream import openai_wire

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Run(
    id=new_id(), tenant_id=new_id(), session_id=new_id(), ticket=1, status="in_progress", model="m", created_at=NOW
)
STEP, CALLED = StepStarted(step=1), ToolCalled(step=1, call_id="c", name="n", arguments="{}")


def word(text: str, finish: str = "null") -> Delta:
    """A piece of an answer."""
    said = f'{{"choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":{finish}}}]}}'
    return openai_wire.read_delta(said.encode())


@pytest.fixture
def runs() -> Runs:
    """Runs of a server without a database."""
    return Runs(cast(Any, None), cast(Any, None), cast(Any, openai_wire), lambda: NOW)


def tell(event: Event) -> list[str]:
    """What an event says, a word each."""
    match event:
        case Spoke(_, deltas):
            return [delta.text for delta in deltas]
        case Stepped(_, what):
            return [type(what).__name__]
        case Answered():
            return ["answer"]
        case Ended():
            return ["end"]


async def test_what_is_told_while_events_are_heard_is_heard(runs: Runs) -> None:
    live = LiveRun(RUN, "finish")
    runs.live[RUN.id] = live
    live.tell(STEP)
    live.speak([word("a")], holds_end=True)
    heard: list[str] = []
    numbers: list[int] = []
    more: Iterator[Callable[[], None]] = iter(
        [lambda: live.tell(CALLED), lambda: live.speak([word("b")], holds_end=True), lambda: end(live)]
    )
    async with asyncio.timeout(5), aclosing(runs.follow(RUN)) as events:
        async for event in events:
            heard += tell(event)
            numbers.append(event.first if isinstance(event, Spoke) else event.number)
            if act := next(more, None):
                act()
    assert heard == ["StepStarted", "a", "ToolCalled", "b", ".", "StepEnded", "end"]
    assert numbers == list(range(1, 8))


def end(live: LiveRun) -> None:
    """The last word, what happens behind it, and the end."""
    live.speak([word(".", '"stop"')], holds_end=True)
    live.tell(StepEnded(step=1))
    live.finish(RUN, (), None)


async def test_what_stands_behind_the_last_word_waits_with_it(runs: Runs) -> None:
    live = LiveRun(RUN, "finish")
    live.speak([word("a"), word(".", '"stop"')], holds_end=True)
    live.tell(StepEnded(step=1))
    assert live.count == 1
    assert len(live.held) == 2


def test_events_are_read_as_they_were_told(runs: Runs) -> None:
    told: list[Told] = [STEP, word("a"), word("b"), CALLED, word("c")]
    batch = write_batch(4, told)
    read = list(runs._decode(batch, 3))
    assert [tell(event) for event in read] == [["StepStarted"], ["a", "b"], ["ToolCalled"], ["c"]]
    assert list(split(told, 4)) == read
    assert [tell(event) for event in runs._decode(batch, 5)] == [["b"], ["ToolCalled"], ["c"]]


async def test_answer_in_one_piece_stands_behind_what_happened(runs: Runs) -> None:
    live = LiveRun(RUN, "finish", told=7)
    runs.live[RUN.id] = live
    live.tell(STEP)
    raw = b'{"choices":[{"index":0,"message":{"content":"Hi."},"finish_reason":"stop"}]}'
    live.reply(openai_wire.read_completion(raw))
    first, whole = live.unsaved(with_end=True)
    assert (first.first, whole.first, whole.is_whole) == (8, 9, True)
    live.finish(RUN, (), None)
    async with aclosing(runs.follow(RUN, after=7)) as events:
        heard = [event async for event in events]
    assert [tell(event) for event in heard] == [["StepStarted"], ["answer"], ["end"]]
    assert [event.number for event in heard if not isinstance(event, Spoke)] == [8, 9, 10]


async def test_a_run_that_went_on_is_cancelled_when_its_client_goes_away(runs: Runs) -> None:
    before, now = LiveRun(RUN, "cancel"), LiveRun(RUN, "cancel", told=3)
    before.wait(RUN)
    now.task = asyncio.create_task(asyncio.sleep(5))
    runs.enter(now)
    await runs.abandon(before)
    assert now.was_cancelled
    with pytest.raises(asyncio.CancelledError):
        await now.task


async def test_who_follows_a_run_that_waits_hears_it_go_on_at_once(runs: Runs) -> None:
    waiting = asyncio.create_task(runs._wait_taken_up(RUN.id))
    await asyncio.sleep(0)
    assert runs.awaited
    runs.enter(LiveRun(RUN, "finish", told=3))
    async with asyncio.timeout(0.4):
        await waiting
    assert not runs.awaited


class Forgetful:
    """A store that keeps no events."""

    async def list_events(self, tenant_id: UUID, run_id: UUID, *, after: int) -> Sequence[EventBatch]:
        return ()


async def test_what_is_kept_nowhere_is_passed_over() -> None:
    runs = Runs(cast(Any, Forgetful()), cast(Any, None), cast(Any, openai_wire), lambda: NOW)
    live = LiveRun(RUN, "finish", told=3, is_stored=False)
    runs.enter(live)
    live.tell(STEP)
    live.finish(RUN, (), None)
    async with asyncio.timeout(5), aclosing(runs.follow(RUN)) as events:
        assert [tell(event) async for event in events] == [["StepStarted"], ["end"]]
