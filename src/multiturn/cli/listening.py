"""A server that is open, listening: its socket, its web server, and the key that commands on this machine use."""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from msgspec.structs import replace

from multiturn.app import Server, open_caller
from multiturn.cli.announcement import Announcement, announced
from multiturn.config import Settings
from multiturn.engine.keys import PREFIX
from multiturn.errors import SettingsError, Unavailable
from multiturn.model.tenant import OPERATOR

BACKLOG = 2048
# Longer than clients and load balancers keep an idle connection (60 s as a rule): they close it, not we under them.
KEEP_ALIVE_S = 75
LOCAL_KEY_BYTES = 24
# Turns are cut off when the time to stop is over; then their clients are told.
LAST_WORDS_S = 5
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class WebServer(uvicorn.Server):
    """uvicorn without signal handlers of its own: who starts it says when it ends."""

    def __init__(self, config: uvicorn.Config, server: Server) -> None:
        super().__init__(config)
        self.server = server
        self.is_listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and tell it."""
        await super().startup(sockets)
        self.is_listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in any more, and let the turns end: those that take too long are cut off, and clients told."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.server.finish_turns())
            await super().shutdown(sockets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A server that can be asked: its URL from this machine, and the key for local commands."""

    url: str
    key: str
    web: WebServer
    task: asyncio.Task[None]

    def stop(self) -> None:
        """Take no more connections, and end when what runs has been answered."""
        self.web.should_exit = True

    async def wait_stopped(self) -> None:
        """Wait until it takes no more connections and those that were open are closed."""
        await asyncio.shield(self.task)

    def announce(self, settings: Settings) -> AbstractContextManager[None]:
        """Let the commands of this machine find it while the block runs."""
        return announced(settings.data_dir, Announcement(url=self.url, pid=os.getpid(), key=self.key))


@asynccontextmanager
async def listen(server: Server, settings: Settings, taken: socket.socket) -> AsyncGenerator[Listening]:
    """Let requests in by an address that was taken before.

    Raises Unavailable when somebody else began to listen there meanwhile.
    """
    key = PREFIX + secrets.token_urlsafe(LOCAL_KEY_BYTES)
    server.keys.trust(key, replace(await open_caller(server.keys), scopes=OPERATOR))
    url = write_url(taken)
    web = WebServer(write_config(server, settings), server)
    task = asyncio.create_task(web.serve(sockets=[taken]), name="web server")
    try:
        await wait_listening(web, task, url)
        yield Listening(url=url, key=key, web=web, task=task)
    finally:
        web.should_exit = True
        await asyncio.wait([task])


async def wait_listening(web: WebServer, task: asyncio.Task[None], url: str) -> None:
    """Wait until the web server listens. Raises Unavailable when it cannot."""
    waiting = asyncio.create_task(web.is_listening.wait())
    try:
        await asyncio.wait([waiting, task], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
    except OSError as error:
        raise refuse_address(url, error) from error
    finally:
        waiting.cancel()


def write_config(server: Server, settings: Settings) -> uvicorn.Config:
    """uvicorn's settings. It logs and supervises nothing: the application does its own."""
    return uvicorn.Config(
        server.app,
        http="httptools",
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(settings.stop_s + LAST_WORDS_S),
    )


def take_address(host: str, port: int) -> socket.socket:
    """Take an address, port 0 any free one, without listening yet: nobody is let in before the server is open.

    Raises SettingsError for a host that this machine has not, Unavailable when the port is in use.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise SettingsError(f"MULTITURN_HOST '{host}' is no address of this machine.") from error
    # asyncio sends small pieces at once (TCP_NODELAY) only on sockets that name TCP; else an answer waits 40 ms.
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(address)
    except OSError as error:
        taken.close()
        raise refuse_address(f"{host}:{port}", error) from error
    return taken


def refuse_address(address: str, error: OSError) -> Unavailable:
    """The error of an address that cannot be had."""
    return Unavailable(
        f"The server cannot listen on {address}: {error.strerror}. Stop what listens there, or take another port with "
        "--port (0 is any free one).",
        code="address_unusable",
    )


def write_url(taken: socket.socket) -> str:
    """The URL by which this machine reaches a socket."""
    host, port = taken.getsockname()[:2]
    host = EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
