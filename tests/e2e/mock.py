"""The upstream of the load tests, ``tools/mock_upstream.py``, in a process of its own."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.house.tree import ROOT

PROGRAM = ROOT / "tools" / "mock_upstream.py"
START_S = 10.0
LOOK_S = 0.02


@asynccontextmanager
async def mock_upstream(
    *, tokens: int = 8, tpot_ms: float = 0, ttft_ms: float = 0, fail_every: int = 0
) -> AsyncGenerator[str]:
    """Run an upstream that answers ``tokens`` words, ``tpot_ms`` apart, the first after ``ttft_ms``; its base URL.

    Every ``fail_every``-th completion is a 503; 0 for none. Its one model is called ``mock``.
    """
    port = find_port()
    options = {"port": port, "tokens": tokens, "tpot-ms": tpot_ms, "ttft-ms": ttft_ms, "fail-every": fail_every}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    process = await asyncio.create_subprocess_exec(sys.executable, str(PROGRAM), *words)
    try:
        await wait_listening(port)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        await process.wait()


def find_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def wait_listening(port: int) -> None:
    """Wait until somebody listens on a port of this machine."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            assert time.monotonic() < deadline, f"nobody listens on {port}"
            await asyncio.sleep(LOOK_S)
            continue
        writer.close()
        await writer.wait_closed()
        return
