"""`multiturn export`: a session as a file."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from multiturn.cli.client import path_of
from multiturn.cli.place import Place, UserOption, place_of
from multiturn.cli.reach import reach
from multiturn.cli.sessions import SessionArgument
from multiturn.errors import MultiturnError, Unavailable

END = b'{"type":"end"'

DocumentsOption = Annotated[bool, typer.Option("--documents", help="The session's documents too.")]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Where to write it; standard output by default."),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    context: typer.Context,
    session: SessionArgument,
    documents: DocumentsOption = False,
    output: OutputOption = None,
    user: UserOption = None,
) -> None:
    """Write a session with everything in it as JSON Lines, which `multiturn import` reads.

    A file is there when all of it is: an export that fails leaves none.

    Exit codes: 0 done; 1 there is no such session, or it was cleared meanwhile, or the file cannot be written.
    """
    place = place_of(context, user=user)
    if output is None:
        asyncio.run(write_session(place, session, sys.stdout.buffer, documents=documents))
        return
    scratch = output.with_name(f"{output.name}.part")
    try:
        with scratch.open("wb") as file:
            asyncio.run(write_session(place, session, file, documents=documents))
        scratch.replace(output)
    except OSError as error:
        raise MultiturnError(f"{output} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


async def write_session(place: Place, session: str, file: BinaryIO, *, documents: bool) -> None:
    """Write a session's lines as they come. Raises Unavailable when they break off."""
    last = b""
    async with reach(place) as client:
        query = {"documents": "true" if documents else "false"}
        async with client.open("GET", path_of("sessions", session, "export"), params=query) as answer:
            async for chunk in answer.content.iter_any():
                file.write(chunk)
                last = (last + chunk).rstrip(b"\n").rpartition(b"\n")[2] + b"\n" * chunk.endswith(b"\n")
    file.flush()
    if not last.startswith(END):
        raise Unavailable(f"The export of {session} breaks off: the session was cleared or deleted meanwhile.")
