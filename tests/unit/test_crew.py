"""Tasks that outlive their request: each has an owner, and none is left behind."""

from __future__ import annotations

import asyncio
import logging

import pytest

from multiturn.worker.crew import Crew, repeat
from multiturn.worker.rounds import until_nothing


async def test_crew_waits_for_its_tasks() -> None:
    crew, done = Crew(), []

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append(1)

    crew.spawn(work())
    assert await crew.finish(limit_s=5) == 0
    assert done == [1]


async def test_what_takes_too_long_is_cancelled() -> None:
    crew, cancelled = Crew(), []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    crew.spawn(work())
    await asyncio.sleep(0)
    assert await crew.finish(limit_s=0.01) == 1
    assert cancelled == [1]
    assert not crew.tasks


async def test_failed_task_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    crew = Crew()

    async def work() -> None:
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR):
        crew.spawn(work())
        await crew.finish(limit_s=1)
    assert "a task failed" in caplog.text
    assert "broken" in caplog.text


async def test_round_goes_on_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    crew, times = Crew(), []

    async def work() -> None:
        times.append(1)
        raise ValueError("this time")

    with caplog.at_level(logging.ERROR):
        crew.spawn(repeat(work, every_s=0.001))
        while len(times) < 3:
            await asyncio.sleep(0.001)
        await crew.finish(limit_s=0)
    assert "background work failed" in caplog.text


async def test_batches_are_taken_until_none_is_left() -> None:
    batches = [5, 3, 0, 9]

    async def work() -> int:
        return batches.pop(0)

    assert await until_nothing(work) == 8
    assert batches == [9]
