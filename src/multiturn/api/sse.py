"""Server-sent events, and whether the client is still there to hear them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import suppress
from inspect import isawaitable
from typing import Any, TypeVar

from starlette.types import Receive, Scope, Send

from multiturn.errors import MultiturnError

T = TypeVar("T")


class EventStream:
    """A response of frames, each written as it comes. Ends its frames and its watch with itself."""

    def __init__(
        self, frames: AsyncGenerator[bytes], *, headers: Mapping[str, str], watch: asyncio.Task[None] | None = None
    ) -> None:
        self.frames = frames
        self.headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **headers}
        self.watch = watch
        self.task: asyncio.Task[object] | None = None
        self.is_hung_up = False

    async def hang_up(self) -> None:
        """Nobody listens any more: end the frames, and whatever they come from."""
        self.is_hung_up = True
        if self.task:
            self.task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write the response."""
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        self.task = asyncio.current_task()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async for frame in self.frames:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except asyncio.CancelledError:
            if not self.is_hung_up:
                raise
        finally:
            await self.frames.aclose()
            if self.watch:
                self.watch.cancel()


async def watch_client(receive: Receive, when_gone: Callable[[], object]) -> None:
    """Wait until the client goes away, and tell it."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if isawaitable(telling := when_gone()):
        await telling


async def while_listening(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """Do something for a client as long as it is there; None when it went away first, and the work is cancelled."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(watch_client(receive, working.cancel))
    try:
        await asyncio.wait((working,))
    finally:
        watching.cancel()
        working.cancel()
    return None if working.cancelled() else working.result()


async def with_silences(
    events: AsyncGenerator[T], silence_s: float, *, first_s: float | None = None
) -> AsyncGenerator[T | None]:
    """The events, and None whenever nothing came for so long; at the beginning for ``first_s``."""
    waiting: asyncio.Task[T] | None = None
    patience_s = silence_s if first_s is None else first_s
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(events))
            await asyncio.wait((waiting,), timeout=patience_s)
            patience_s = silence_s
            if not waiting.done():
                yield None
                continue
            try:
                event = waiting.result()
            except StopAsyncIteration:
                return
            finally:
                waiting = None
            yield event
    finally:
        if waiting:
            waiting.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration, MultiturnError):
                await waiting
        await events.aclose()


def write_frame(data: bytes) -> bytes:
    """One frame."""
    return b"data: " + (data if b"\n" not in data else data.replace(b"\n", b" ")) + b"\n\n"
