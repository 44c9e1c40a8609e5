"""A server as its users start it: ``python -m multiturn serve`` in a process of its own, on a port of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

START_S = 60.0
STOP_S = 20.0
LOOK_S = 0.01
KEY = "mt-key-of-the-tests-0123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A server that is ready: where it is, a key with every scope, and its process."""

    url: str
    key: str
    process: Process
    data_dir: Path

    @property
    def headers(self) -> dict[str, str]:
        """The header that carries the key."""
        return {"Authorization": f"Bearer {self.key}"}

    def read_output(self) -> str:
        """What it has written for people."""
        return (self.data_dir / "stdout.txt").read_text("utf-8")

    def read_log(self) -> str:
        """What it has logged."""
        return (self.data_dir / "stderr.txt").read_text("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended: its exit code, and what it wrote for programs and for people."""

    status: int
    out: str
    err: str


async def command(data_dir: Path, *words: str, typed: str = "", **settings: Any) -> Outcome:
    """Run a command to its end, ``typed`` on its standard input, with these settings and no others."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "multiturn", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=write_environ({"data_dir": data_dir, **settings}),
    )
    out, err = await process.communicate(typed.encode())
    assert process.returncode is not None
    return Outcome(status=process.returncode, out=out.decode(), err=err.decode())


@asynccontextmanager
async def serving(data_dir: Path, **settings: Any) -> AsyncGenerator[Serving]:
    """Start a server on a data directory, wait until it takes turns, and stop it as an operator does.

    ``settings`` are those of the server (``upstream_url="http://…"``); its key is ``KEY`` unless they name another.
    It may be killed meanwhile, and started again on the same directory.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / "server.json").unlink(missing_ok=True)
    settings = {"data_dir": data_dir, "api_key": KEY, "port": 0, **settings}
    process = await start(data_dir, "serve", environ=write_environ(settings))
    try:
        url = await wait_ready(data_dir, process)
        yield Serving(url=url, key=settings["api_key"], process=process, data_dir=data_dir)
    finally:
        await stop(process)


async def start(data_dir: Path, *words: str, environ: Mapping[str, str]) -> Process:
    """Start a command in the data directory; what it writes goes to ``stdout.txt`` and ``stderr.txt`` there."""
    with (data_dir / "stdout.txt").open("ab") as out, (data_dir / "stderr.txt").open("ab") as err:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "multiturn", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=data_dir,
            env=environ,
        )


def write_environ(settings: Mapping[str, Any]) -> dict[str, str]:
    """This process's environment with these settings and no others."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MULTITURN_")}
    return own | {f"MULTITURN_{name.upper()}": str(value) for name, value in settings.items()}


async def wait_ready(data_dir: Path, process: Process) -> str:
    """Wait until the server takes turns; its URL."""
    deadline = time.monotonic() + START_S
    async with aiohttp.ClientSession() as http:
        while time.monotonic() < deadline:
            assert process.returncode is None, f"it ended at once: {(data_dir / 'stderr.txt').read_text('utf-8')}"
            with suppress(OSError, ValueError, aiohttp.ClientError):
                url = str(json.loads((data_dir / "server.json").read_text("utf-8"))["url"])
                async with http.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return url
            await asyncio.sleep(LOOK_S)
    raise AssertionError(f"not ready within {START_S} s: {(data_dir / 'stderr.txt').read_text('utf-8')}")


async def stop(process: Process) -> None:
    """Stop a server gently, and one that does not stop by force."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"it did not stop within {STOP_S} s") from None
