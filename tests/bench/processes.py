"""The processes of a measurement: the mock model and the server, each on a free port, and what they cost."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[2]
KEY = "bench-key"
TICKS = os.sysconf("SC_CLK_TCK")
START_S = 20.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process that answers on a port of this machine."""

    pid: int
    port: int
    ready_s: float

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_s(self) -> float:
        """CPU time that it has taken, in user and system mode."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_bytes(self) -> int:
        """Memory that it holds."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmRSS in /proc")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running(command: list[str], *, port: int, probe: str, environ: Mapping[str, str]) -> AsyncGenerator[Process]:
    """Run a process until the block ends; it has answered ``probe`` when the block begins."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env={**os.environ, **environ}, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await wait_for(f"http://127.0.0.1:{port}{probe}")
        yield Process(process.pid, port, time.perf_counter() - began)
    finally:
        process.terminate()
        await process.wait()


async def wait_for(url: str) -> None:
    """Wait until an address answers 200."""
    deadline = time.perf_counter() + START_S
    async with aiohttp.ClientSession() as session:
        while time.perf_counter() < deadline:
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.01)
    raise RuntimeError(f"{url} did not answer within {START_S} s")


@asynccontextmanager
async def mock_model(**options: float) -> AsyncGenerator[Process]:
    """Run tools/mock_upstream.py with these options."""
    port = free_port()
    flags = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", f"{value:g}")]
    command = [sys.executable, "tools/mock_upstream.py", "--port", str(port), *flags]
    async with running(command, port=port, probe="/v1/models", environ={}) as process:
        yield process


@asynccontextmanager
async def server(data_dir: Path, model: Process | None, **settings: object) -> AsyncGenerator[Process]:
    """Run the server on a data directory, over a model."""
    port = free_port()
    environ = {
        "MULTITURN_DATA_DIR": str(data_dir),
        "MULTITURN_API_KEY": KEY,
        "MULTITURN_LOG_LEVEL": "warning",
        **({"MULTITURN_UPSTREAM_URL": f"{model.url}/v1"} if model else {}),
        **{f"MULTITURN_{name.upper()}": str(value) for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "multiturn", "serve", "--port", str(port)]
    async with running(command, port=port, probe="/readyz", environ=environ) as process:
        yield process
