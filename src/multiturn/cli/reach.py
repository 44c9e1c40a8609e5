"""How a command reaches a server: the one it is told, the one that runs on the data directory, or one of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module

import aiohttp

from multiturn.cli.announcement import Announcement, find_announcement
from multiturn.cli.client import CONNECT_S, Client
from multiturn.cli.place import Place
from multiturn.config import Settings
from multiturn.errors import MultiturnError, SettingsError

# How long a command waits for a directory that another one holds for the moment, or a server that is starting.
WAIT_S = 5.0
LOOK_S = 0.1
# Loaded where no server runs: it is all of the server, and most commands reach one.
OWN = "multiturn.cli.own_server"


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
            own: tuple[str, str] = await import_module(OWN).start_here(settings, stack, takes_turns=takes_turns)
            return own
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
