"""`multiturn work`: a worker in the foreground, which indexes files for the servers of a PostgreSQL database."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvloop

from multiturn.app import open_worker
from multiturn.cli.place import place_of
from multiturn.config import Settings
from multiturn.errors import SettingsError
from multiturn.observe import start_logging

log = logging.getLogger(__name__)

WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="NUMBER",
        help="Files that are read and indexed at the same time; MULTITURN_INDEX_WORKERS, 1 by default.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("work")(work)


def work(context: typer.Context, workers: WorkersOption = None) -> None:
    """Read and index files until SIGTERM or Ctrl-C, for the servers on the same PostgreSQL database.

    Any number of these may run, on any machines that reach the database and the files: MULTITURN_FILES_URL, or a
    MULTITURN_DATA_DIR that they share. With MULTITURN_INDEX_WORKERS=0 the servers leave this work to them. A worker
    that stops gives its files back at once; what one was at that died is taken up within 30 seconds, at the step where
    it was. On SQLite `multiturn serve` does this work itself. Logs are JSON lines on standard error.

    Exit codes: 0 it was stopped; 2 a setting is wrong, or the database is SQLite.
    """
    settings = place_of(context).read_settings(index_workers=workers)
    check_settings(settings)
    start_logging(settings.log_level)
    uvloop.run(run_worker(settings))


def check_settings(settings: Settings) -> None:
    """Raises SettingsError where a worker has nothing to do."""
    if settings.is_sqlite:
        raise SettingsError(
            "The database is a SQLite file, which one process owns: `multiturn serve` reads and indexes files itself. "
            "Workers are for PostgreSQL (MULTITURN_DATABASE_URL)."
        )
    if settings.index_workers == 0:
        raise SettingsError("MULTITURN_INDEX_WORKERS is 0, which is for servers; say how many with --workers.")


async def run_worker(settings: Settings) -> None:
    """Work until a signal asks to stop."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with open_worker(settings) as indexers:
        print(write_beginning(settings, indexers.limits.workers), flush=True)
        await stopped.wait()
        print("Stopping: what is at work goes on at its step elsewhere.", flush=True)


def write_beginning(settings: Settings, workers: int) -> str:
    """What it says when it begins; the database without its password."""
    where = urlsplit(settings.database_url or "")
    files = "1 file" if workers == 1 else f"{workers} files"
    return f"Indexing {files} at a time for {where.hostname or 'localhost'}{where.path}. Ctrl-C stops it."
