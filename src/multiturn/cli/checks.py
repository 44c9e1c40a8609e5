"""What `doctor` tries, each outside part once."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from multiturn.app import model_files, open_models
from multiturn.cli.announcement import Announcement, find_announcement
from multiturn.cli.listening import take_address
from multiturn.cli.migrate import survey_database
from multiturn.cli.reach import ask_ready, find_running
from multiturn.cli.tables import show_size
from multiturn.config import Settings
from multiturn.errors import MultiturnError
from multiturn.upstream.catalogue import get_model
from multiturn.upstream.model_files import is_own_file

FREE_BYTES_MIN = 200_000_000
SYNC_TIMES = 10
SYNC_BYTES = 4096
SYNC_S_MAX = 0.05
ASK_S = 15.0
IMPORT_S = 60.0
CLOCK_OFF = timedelta(seconds=5)
NAMES_SHOWN = 5


class Finding(Struct, frozen=True, kw_only=True):
    """How a part is: ``detail`` is what was seen, ``advice`` what to do when it is not good."""

    name: str
    is_good: bool
    detail: str
    advice: str = ""


class Complaint(Exception):
    """A part is not good."""

    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.advice = advice


async def examine(settings: Settings) -> AsyncGenerator[Finding]:
    """Try each part, and tell how it is."""
    running = await find_running(settings)
    checks = [
        ("data directory", check_directory(settings)),
        *([("disk", check_disk(settings))] if settings.is_sqlite else []),
        ("database", check_database(settings)),
        *([("upstream", check_upstream(settings))] if settings.upstream_url else []),
        *(
            (
                f"fallback {number}",
                check_upstream(replace(settings, upstream_url=f.url, upstream_key=f.key, model=f.model)),
            )
            for number, f in enumerate(settings.fallbacks if settings.upstream_url else (), start=1)
        ),
        *([] if settings.upstream_url else [("model file", check_model(settings)), ("model runtime", check_runtime())]),
        ("server", check_server(settings, running)),
        ("port", check_port(settings, running)),
        ("clock", check_clock(settings)),
    ]
    for name, check in checks:
        try:
            yield Finding(name=name, is_good=True, detail=await check)
        except Complaint as complaint:
            yield Finding(name=name, is_good=False, detail=complaint.detail, advice=complaint.advice)
        except MultiturnError as error:
            yield Finding(name=name, is_good=False, detail=error.message)


def find_folder(path: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return path if path.is_dir() else find_folder(path.parent)


async def check_directory(settings: Settings) -> str:
    """The data directory can be written, and has room."""
    path = settings.data_dir
    folder = find_folder(path)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Complaint(
            f"{folder} cannot be written", f"Give this user the right to, or set MULTITURN_DATA_DIR; now {path}."
        )
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES_MIN:
        raise Complaint(f"{path}: only {show_size(free)} are free", "Make room, or set MULTITURN_DATA_DIR.")
    made = "" if folder == path else ", made at the first start"
    return f"{path}{made}; {show_size(free)} are free"


async def check_disk(settings: Settings) -> str:
    """The disk of SQLite's file makes a write durable in time: a turn waits for two."""
    folder = settings.sqlite_path.parent
    try:
        took_s = await asyncio.to_thread(time_sync, find_folder(folder))
    except OSError as error:
        raise Complaint(f"{folder} cannot be written: {error.strerror}", "See the data directory.") from error
    text = f"a durable write takes {1000 * took_s:.2f} ms (median of {SYNC_TIMES} of {SYNC_BYTES} bytes)"
    if took_s > SYNC_S_MAX:
        raise Complaint(text, "Each turn waits for two of them: put the data directory on a faster disk.")
    return text


def time_sync(folder: Path) -> float:
    """The median time of a small write with its fsync, in seconds."""
    times: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNC_TIMES):
            began = time.perf_counter()
            file.write(bytes(SYNC_BYTES))
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times)


async def check_database(settings: Settings) -> str:
    """The database opens, and is no newer than this program."""
    survey = await survey_database(settings)
    place = str(settings.sqlite_path) if settings.is_sqlite else "PostgreSQL"
    if survey.version > survey.newest:
        raise Complaint(
            f"{place} is at version {survey.version}, this program knows {survey.newest}",
            "Run the newer program, or set MULTITURN_DATABASE_URL to another database.",
        )
    if survey.version == survey.newest:
        return f"{place} is at version {survey.version}"
    state = f"is at version {survey.version}" if survey.version else "has no tables yet"
    return f"{place} {state}; the next start brings it to {survey.newest}"


async def check_upstream(settings: Settings) -> str:
    """The upstream answers, and has the model that is asked for by default."""
    alone = replace(settings, fallbacks=(), upstream_retries=0)
    async with AsyncExitStack() as stack:
        models = await open_models(alone, stack)
        try:
            async with asyncio.timeout(ASK_S):
                names = [model.id for model in await models.upstream.list_models()]
        except (MultiturnError, TimeoutError) as error:
            text = str(error) or f"it did not answer within {ASK_S:g} s"
            raise Complaint(
                f"{alone.upstream_url}: {text}", "Look at its URL (with /v1), its key, and whether it runs."
            ) from error
    shown = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
    if settings.model and names and settings.model not in names:
        raise Complaint(
            f"{alone.upstream_url} has no model '{settings.model}'", f"Set MULTITURN_MODEL to one that it has: {shown}."
        )
    return f"{alone.upstream_url} answers; models: {shown or 'it lists none'}"


async def check_model(settings: Settings) -> str:
    """The embedded model's file is here, and whole."""
    files = model_files(settings.data_dir)
    name = settings.model or files.read_default()
    path = files.find(name)
    if path is None and is_own_file(name):
        raise Complaint(
            f"there is no file {name}", "Set MULTITURN_MODEL, or `multiturn model use`, to one that is there."
        )
    if path is None:
        size = show_size(get_model(name).size_bytes)
        return f"{name} is not here yet: the first start fetches {size}, or `multiturn model pull` does"
    await files.check(name, path)
    return f"{name}: {path}"


async def check_runtime() -> str:
    """llama.cpp can be loaded, in a process of its own as the server does it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", "import xllamacpp"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await asyncio.wait_for(process.communicate(), IMPORT_S)
    except TimeoutError as error:
        process.kill()
        raise Complaint("importing xllamacpp took too long", "Try again on an idle machine.") from error
    if process.returncode:
        last = said.decode(errors="replace").strip().rpartition("\n")[2] or f"status {process.returncode}"
        raise Complaint(f"xllamacpp cannot be imported: {last}", "Install it anew, or set MULTITURN_UPSTREAM_URL.")
    return "xllamacpp (llama.cpp) can be loaded"


async def check_server(settings: Settings, running: Announcement | None) -> str:
    """A server that runs here takes turns."""
    if running is None:
        return "none runs on this data directory" + (
            "; one that was killed left server.json behind" if find_announcement(settings.data_dir) else ""
        )
    if not await ask_ready(running.url):
        raise Complaint(f"{running.url} (process {running.pid}) takes no turns now", "Is it stopping? Read its log.")
    return f"{running.url} (process {running.pid}) takes turns"


async def check_port(settings: Settings, running: Announcement | None) -> str:
    """The address of the settings is free, or the running server's."""
    if running and running.url.endswith(f":{settings.port}"):
        return f"{settings.port} is the running server's"
    try:
        take_address(settings.host, settings.port).close()
    except MultiturnError as error:
        raise Complaint(error.message, "Stop what listens there, or set MULTITURN_PORT.") from error
    return f"{settings.host}:{settings.port} is free"


async def check_clock(settings: Settings) -> str:
    """The clock does not run behind the data, nor beside the database's: leases and ids are made of it."""
    now = datetime.now(UTC)
    advice = "Set the clock, and let the system keep it (NTP)."
    if not settings.is_sqlite:
        off = abs((await survey_database(settings)).clock - now)
        if off > CLOCK_OFF:
            raise Complaint(f"it is {off.total_seconds():.0f} s off the database's", advice)
        return f"{now:%Y-%m-%d %H:%M:%S} UTC, as the database's"
    path = settings.sqlite_path
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else now
    if written - now > CLOCK_OFF:
        raise Complaint(f"it says {now:%Y-%m-%d %H:%M:%S} UTC, and the database was written later", advice)
    return f"{now:%Y-%m-%d %H:%M:%S} UTC"
