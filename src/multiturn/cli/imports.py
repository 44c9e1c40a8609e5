"""`multiturn import`: sessions from files, of this server's own or of other programs."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
from msgspec import Struct
from rich.console import Console

from multiturn.cli.client import Client, path_of, read_json
from multiturn.cli.imports_files import ThreadReader, find_reader
from multiturn.cli.imports_threads import Thread
from multiturn.cli.place import Place, UserOption, place_of
from multiturn.cli.progress import Meter
from multiturn.cli.reach import reach
from multiturn.cli.tables import without_controls
from multiturn.errors import MultiturnError

CHUNK_BYTES = 256 * 1024
Format = Literal["multiturn", "messages", "openai_chat", "langgraph", "openai_agents"]
DATABASES = ("langgraph", "openai_agents")

PathsArgument = Annotated[
    list[Path], typer.Argument(metavar="PATH…", help="Files to read.", exists=True, dir_okay=False, readable=True)
]
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        help="What the files are; found out by what is in them by default. messages: JSON Lines of chat messages. "
        "openai_chat: conversations.json of an OpenAI chat export. langgraph: SQLite checkpoints of LangGraph. "
        "openai_agents: an SQLiteSession file of the OpenAI Agents SDK.",
    ),
]
ExternalIdOption = Annotated[
    str | None,
    typer.Option("--external-id", metavar="ID", help="Name of the session, where the files hold no more than one."),
]


class Order(Struct, frozen=True, kw_only=True):
    """How files are to be imported."""

    format: Format | None
    external_id: str | None


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_files)


def import_files(
    context: typer.Context,
    paths: PathsArgument,
    format_: FormatOption = None,
    external_id: ExternalIdOption = None,
    user: UserOption = None,
) -> None:
    """Make sessions of files: what `multiturn export` wrote, chat messages, or what other programs kept.

    Each session of a JSON file is imported, or none of them; of a SQLite file each thread is imported by itself, under
    its own id. A session whose name is taken is not imported.

    Exit codes: 0 all was imported; 1 something was not, the reason stands on standard error.
    """
    order = Order(format=format_, external_id=external_id)
    if not asyncio.run(import_all(place_of(context, user=user), paths, order)):
        raise typer.Exit(1)


async def import_all(place: Place, paths: Sequence[Path], order: Order) -> bool:
    """Import files, one after the other; whether all went well."""
    async with reach(place) as client:
        work = Work(client, order)
        for path in paths:
            await work.take(path)
    return not work.failures


class Work:
    """Files on their way to a server."""

    def __init__(self, client: Client, order: Order) -> None:
        self.client = client
        self.order = order
        self.failures = 0
        self.console = Console(stderr=True, highlight=False)

    async def take(self, path: Path) -> None:
        """Import a file, and tell what came of it."""
        try:
            reader = find_reader(path, self.order.format if self.order.format in DATABASES else None)
            if reader is None:
                await self._send_file(path)
                return
            await self._send_threads(path, reader)
        except MultiturnError as error:
            self._fail(str(path), error)
        except sqlite3.Error as error:
            self._fail(str(path), MultiturnError(f"It cannot be read: {error}."))

    async def _send_threads(self, path: Path, reader: ThreadReader) -> None:
        """Import the conversations of a database. Raises MultiturnError when one name is to be that of several."""
        threads = reader.list_threads()
        if self.order.external_id is not None and len(threads) > 1:
            raise MultiturnError(f"--external-id names one session, and there are {len(threads)}.")
        with Meter(self.console, path.name) as meter:
            for number, name in enumerate(threads):
                self._show(meter, number, len(threads), name)
                await self._send_thread(path, reader.read_thread(name))
        if not threads:
            print(f"{path}: there is no conversation in it")

    async def _send_file(self, path: Path) -> None:
        query = {"format": self.order.format, "external_id": self.order.external_id}
        with Meter(self.console, path.name) as meter:
            told = await self._post(self._read(path, meter), query)
        self._tell(str(path), told, [])

    async def _read(self, path: Path, meter: Meter) -> AsyncGenerator[bytes]:
        with path.open("rb") as file:
            total = file.seek(0, os.SEEK_END)
            file.seek(0)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
                self._show(meter, file.tell(), total, "")

    def _show(self, meter: Meter, done: int, total: int, what: str) -> None:
        """Show on a terminal how far it is."""
        if self.console.is_terminal:
            meter.show(done, total, without_controls(what))

    async def _send_thread(self, path: Path, thread: Thread) -> None:
        """Import one thread; one that cannot be imported does not keep the others."""
        where = f"{path}, {thread.name}"
        if not thread.messages:
            self._tell(where, {"imported": []}, thread.left_out)
            return
        lines = b"".join(msgspec.json.encode(message) + b"\n" for message in thread.messages)
        query = {"format": "messages", "external_id": self.order.external_id or thread.name}
        try:
            told = await self._post(lines, query)
        except MultiturnError as error:
            self._fail(where, error)
        else:
            self._tell(where, told, thread.left_out)

    async def _post(self, body: Any, query: Mapping[str, str | None]) -> dict[str, Any]:
        given = {name: value for name, value in query.items() if value is not None}
        async with self.client.open("POST", path_of("sessions", "import"), data=body, params=given) as answer:
            told: dict[str, Any] = read_json(await answer.read())
        return told

    def _tell(self, where: str, told: dict[str, Any], left_out: Sequence[str]) -> None:
        """Say what was imported, what was left out, and why."""
        print(without_controls(f"{where}: {count(len(told['imported']), 'session')} imported"))
        for one in told["imported"]:
            name = f"{one['external_id']} ({one['id']})" if one["external_id"] else one["id"]
            print(without_controls(f"  {name}: {count(one['items'], 'item')}"))
        reasons = [f"{one['where']}: {one['what']}. {one['why']}" for one in told.get("left_out", ())]
        for reason in (*left_out, *reasons):
            print(without_controls(f"  left out: {reason}"))

    def _fail(self, where: str, error: MultiturnError) -> None:
        self.failures += 1
        with suppress(BrokenPipeError):
            self.console.out(without_controls(f"{where}: {error.message}"))


def count(number: int, noun: str) -> str:
    """So many of them, in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
