"""How a command reaches a server: the one it is told, the one that runs on the data directory, or one of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp

from multiturn.app import open_server
from multiturn.cli.announcement import Announcement, find_announcement
from multiturn.cli.client import CONNECT_S, Client
from multiturn.cli.listening import listen, take_address
from multiturn.cli.place import Place
from multiturn.config import Settings
from multiturn.errors import MultiturnError, SettingsError, Unavailable
from multiturn.model.completion import Completion, Delta, ModelInfo, ModelRequest
from multiturn.observe import start_logging

# How long a command waits for a directory that another one holds for the moment, or a server that is starting.
WAIT_S = 5.0
LOOK_S = 0.1


class NoModels:
    """Stands in for the models of a server that a command starts to look at keys or sessions: it takes no turns."""

    async def complete(self, request: ModelRequest) -> Completion:
        """Refuse."""
        raise refuse_turn()

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta]]:
        """Refuse."""
        raise refuse_turn()

    async def list_models(self) -> Sequence[ModelInfo]:
        """List none."""
        return ()

    async def find_context_tokens(self, model: str) -> int | None:
        """Know none."""
        return None


def refuse_turn() -> Unavailable:
    """The error of a turn on a server that takes none."""
    return Unavailable("This server was started by a command for itself, and takes no turns.")


@asynccontextmanager
async def reach(place: Place, *, takes_turns: bool = False) -> AsyncGenerator[Client]:
    """Reach the server of ``--url``, else the running one of the data directory; where none runs, one is started here.

    Raises SettingsError, or Unavailable when the server cannot be reached.
    """
    settings = place.read_settings()
    async with AsyncExitStack() as stack:
        if place.url:
            url, key = place.url.rstrip("/"), place.key or settings.api_key
        else:
            url, key = await find_or_start(settings, stack, takes_turns=takes_turns)
        headers = {"Authorization": f"Bearer {place.key or key}"} if place.key or key else {}
        if place.user:
            headers["X-User-Id"] = place.user
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
        yield Client(await stack.enter_async_context(aiohttp.ClientSession(headers=headers, timeout=timeout)), url)


async def find_or_start(settings: Settings, stack: AsyncExitStack, *, takes_turns: bool) -> tuple[str, str]:
    """Find the running server of the data directory, else start one until the stack is left; its URL and a key.

    Raises SettingsError when somebody who is no such server holds the directory.
    """
    deadline = time.monotonic() + WAIT_S
    while True:
        if running := await find_running(settings):
            return running.url, running.key
        try:
            return await start_here(settings, stack, takes_turns=takes_turns)
        except SettingsError as error:
            if error.code != "directory_in_use" or time.monotonic() > deadline:
                raise
        await asyncio.sleep(LOOK_S)


async def find_running(settings: Settings) -> Announcement | None:
    """Find the server that announced itself in the data directory, if it still lives and knows its key."""
    announcement = find_announcement(settings.data_dir)
    if announcement is None:
        return None
    headers = {"Authorization": f"Bearer {announcement.key}"}
    timeout = aiohttp.ClientTimeout(total=CONNECT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:
        try:
            await Client(http, announcement.url).get("/v1/sessions", limit=1)
        except MultiturnError:
            return None
    return announcement


async def ask_ready(url: str) -> bool:
    """Ask a server whether it takes turns."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CONNECT_S)) as http:
        try:
            await Client(http, url).get("/readyz")
        except MultiturnError:
            return False
    return True


async def start_here(settings: Settings, stack: AsyncExitStack, *, takes_turns: bool) -> tuple[str, str]:
    """Start a server in this process, as `serve` does, on a free port of this machine's own; its URL and a key."""
    start_logging("error")
    server = await stack.enter_async_context(open_server(settings, upstream=None if takes_turns else NoModels()))
    taken = stack.enter_context(take_address("127.0.0.1", 0))
    listening = await stack.enter_async_context(listen(server, settings, taken))
    if takes_turns:
        stack.enter_context(listening.announce(settings))
    return listening.url, listening.key
