"""An event loop beside the terminal: while a person types, the server and its connections go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Generator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Runs coroutines on a loop in a thread of its own, for a main thread that reads lines and hears Ctrl-C."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin work; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work and wait for it; a Ctrl-C cancels it."""
        future = self.submit(work)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    @contextmanager
    def entered(self, context: AbstractAsyncContextManager[T]) -> Generator[T]:
        """Hold an asynchronous context while the block runs; one task enters and leaves it."""
        leave = asyncio.Event()
        inside: Future[T] = Future()

        async def hold() -> None:
            async with context as value:
                inside.set_result(value)
                await leave.wait()

        holding = self.submit(hold())
        try:
            opened: list[Future[Any]] = [inside, holding]
            wait(opened, return_when=FIRST_COMPLETED)
            if not inside.done():
                holding.result()
            yield inside.result()
        finally:
            self.loop.call_soon_threadsafe(leave.set)
            if not inside.done():
                holding.cancel()
            wait([holding])
        holding.result()


@contextmanager
def background() -> Generator[Background]:
    """Run a loop in a thread while the block runs; what is still at work at its end is cancelled."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        thread = threading.Thread(target=loop.run_forever, name="background")
        thread.start()
        try:
            yield Background(loop)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
