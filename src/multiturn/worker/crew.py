"""Owns every task that outlives the request that began it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)


class Crew:
    """A set of tasks with one owner: a task that fails is logged, and none is left when the crew has gone home."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task of the crew."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._dismiss)
        return task

    def _dismiss(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a task failed", exc_info=error)

    async def finish(self, *, limit_s: float) -> int:
        """Wait for the tasks at most so long, then cancel the rest and wait for their end.

        Tells how many had to be cancelled.
        """
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=limit_s)
        left = list(self.tasks)
        for task in left:
            # Behind its first step: a task that is cancelled before it never runs.
            asyncio.get_running_loop().call_soon(task.cancel)
        await asyncio.gather(*left, return_exceptions=True)
        return len(left)


async def repeat(work: Callable[[], Awaitable[object]], *, every_s: float) -> None:
    """Do something again and again; a failure is logged, and the next time comes all the same."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await work()
        except Exception:
            log.exception("background work failed")
