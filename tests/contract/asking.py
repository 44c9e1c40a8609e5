"""Asking an ASGI application within the test's own process, without a socket."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp

# An endless stream is left when it has begun and said nothing for so long.
SILENCE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an application answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    app: ASGIApp, method: str, target: str, *, headers: dict[str, str] | None = None, body: bytes = b""
) -> Said:
    """Ask once. A stream without an end is heard until it is silent."""
    path, query = urlsplit(target).path, urlsplit(target).query
    sent = {"host": "test", "content-length": str(len(body)), **(headers or {})}
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    gone = asyncio.Event()
    is_read = False

    async def receive() -> dict[str, Any]:
        nonlocal is_read
        if is_read:
            await gone.wait()
            return {"type": "http.disconnect"}
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        heard.put_nowait(message)

    work: Any = app(scope, receive, send)
    task: asyncio.Task[None] = asyncio.create_task(work)
    try:
        return await listen(heard, task)
    finally:
        gone.set()
        task.cancel()
        await asyncio.wait([task])


async def listen(heard: asyncio.Queue[dict[str, Any]], task: asyncio.Task[None]) -> Said:
    """Hear an answer to its end."""
    async with asyncio.timeout(30):
        start = await heard.get()
    body = b""
    try:
        while True:
            async with asyncio.timeout(SILENCE_S if body.startswith((b":", b"event:", b"data:")) or not body else 30):
                message = await heard.get()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
    except TimeoutError:
        pass
    told = {name.decode(): value.decode("latin-1") for name, value in start.get("headers", ())}
    return Said(status=start["status"], headers=told, body=body)
