"""`multiturn serve`: the server in the foreground, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer
import uvicorn
import uvloop
from rich.console import Console
from uvicorn.supervisors import ChangeReload

from multiturn.app import Models, open_server
from multiturn.cli.announcement import FILE
from multiturn.cli.example import show_example
from multiturn.cli.listening import Listening, listen, take_address
from multiturn.cli.place import place_of
from multiturn.cli.progress import ModelState, follow_model
from multiturn.cli.welcome import write_welcome
from multiturn.config import Settings
from multiturn.engine.keys import Keys, NewKey
from multiturn.model.tenant import OPERATOR
from multiturn.observe import start_logging

SOURCES = Path(__file__).parents[1]
EXIT_INTERRUPTED = 130

HostOption = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Address to listen on; MULTITURN_HOST, 127.0.0.1 by default.")
]
PortOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        metavar="NUMBER",
        help="Port to listen on, 0 for any free one; MULTITURN_PORT, 8000 by default.",
    ),
]
ExampleOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        exists=True,
        file_okay=False,
        help="Put the files of a folder into the store 'example' beside the server, once, and ask three questions.",
    ),
]
ReloadOption = Annotated[bool, typer.Option("--reload", help="Start anew when a source file changes (development).")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    context: typer.Context,
    host: HostOption = None,
    port: PortOption = None,
    reload: ReloadOption = False,
    example: ExampleOption = None,
) -> None:
    """Run the server until SIGTERM or Ctrl-C.

    With no setting at all it keeps its data in ~/.local/share/multiturn, runs a model of its own, which it fetches
    once (491 MB), listens on http://127.0.0.1:8000, and at its first start makes an API key, shown once. It stops when
    what runs has been answered, after MULTITURN_STOP_S seconds (20) at most; a second Ctrl-C stops it at once. Logs
    are JSON lines on standard error.

    Exit codes: 0 it was stopped; 1 the address is in use; 2 a setting is wrong, or another server owns the data
    directory; 130 it was stopped at once.
    """
    settings = place_of(context).read_settings(host=host, port=port)
    with take_address(settings.host, settings.port) as taken:
        if reload:
            supervise(settings, taken)
        else:
            run(settings, [taken], example=example)


def supervise(settings: Settings, taken: socket.socket) -> None:
    """Run the server in a process of its own, and another one whenever a source file changes."""
    start_logging(settings.log_level)
    config = uvicorn.Config("multiturn", log_config=None, reload=True, reload_dirs=[str(SOURCES)])
    ChangeReload(config, target=partial(run, settings), sockets=[taken]).run()


def run(settings: Settings, sockets: list[socket.socket], *, example: Path | None = None) -> None:
    """Run the server on an address that was taken before."""
    start_logging(settings.log_level)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    uvloop.run(run_server(settings, sockets[0], example))


async def run_server(settings: Settings, taken: socket.socket, example: Path | None) -> None:
    """Open the server, let requests in, say so, and close it when a signal asks for that."""
    async with open_server(settings) as server:
        key = await prepare_key(settings, server.keys)
        async with listen(server, settings, taken) as listening:
            heed_signals(settings, listening)
            with listening.announce(settings):
                print(await write_welcome(settings, server.models, listening.url, key), flush=True)
                beside = [watch_model(server.models)]
                beside += [show_example(listening.url, listening.key, example)] if example else []
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(work) for work in beside]
                    await listening.wait_stopped()
                    cancel(tasks)


def cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Give up what went on beside the server."""
    for task in tasks:
        task.cancel()


async def prepare_key(settings: Settings, keys: Keys) -> str | None:
    """Make the first key, that of MULTITURN_API_KEY or a new one; the secret of a new one."""
    if settings.api_key:
        await keys.ensure(settings.api_key)
    elif settings.auth == "keys" and not await keys.has_keys():
        _, secret = await keys.make(NewKey(label="first key", scopes=OPERATOR))
        return secret
    return None


def heed_signals(settings: Settings, listening: Listening) -> None:
    """Stop gently at the first signal, and at once when a second Ctrl-C comes."""

    def stop(is_interrupt: bool) -> None:
        if listening.web.should_exit and is_interrupt:
            leave_at_once(settings)
        if sys.stdout.isatty():
            print(f"Stopping: what runs is answered first, for {settings.stop_s:g} s at most.", flush=True)
        listening.stop()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop, True)
    loop.add_signal_handler(signal.SIGTERM, stop, False)


def leave_at_once(settings: Settings) -> NoReturn:
    """End this process now; the next start takes up what was left, as after a crash."""
    (settings.data_dir / FILE).unlink(missing_ok=True)
    os._exit(EXIT_INTERRUPTED)


async def watch_model(models: Models) -> None:
    """Show how the embedded model comes up, beside the server."""
    embedded = models.embedded
    if embedded is None:
        return

    async def read_state() -> ModelState:
        return msgspec.convert(embedded.state(), ModelState, from_attributes=True)

    await follow_model(read_state, Console(), is_patient=True)
