"""A model's process, seen from the server: how it is started, how it is ended, and what its end was."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn, Self

import msgspec
from msgspec import Struct

from multiturn.errors import UpstreamError

STOP_WAIT_S = 2.0
SAID_BYTES_MAX = 2000


class ModelProcess:
    """A process that leaves when its input ends; what it says on its standard error is kept for its end."""

    def __init__(self, title: str, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.input, self.output = process.stdin, process.stdout
        self._title = title
        self._process = process
        self._said = b""
        self._end = asyncio.create_task(self._listen(), name=f"{title}'s end")

    @classmethod
    @asynccontextmanager
    async def run(
        cls, title: str, program: Path, order: Struct, *, environ: Mapping[str, str] | None = None
    ) -> AsyncIterator[Self]:
        """Start a program with an order (JSON) as its argument, and end it; ``title`` names it in errors, and
        ``environ`` goes over the environment.
        """
        # By its path and with -P: nothing of the server, nor of the working directory, is imported there.
        words = (sys.executable, "-P", str(program), msgspec.json.encode(order).decode())
        environ = os.environ | (environ or {})
        started = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environ)
        process = cls(title, started)
        try:
            yield process
        finally:
            await process._stop()

    async def _listen(self) -> None:
        """Keep the last words of the process until it has ended."""
        assert self._process.stderr is not None
        while piece := await self._process.stderr.read(SAID_BYTES_MAX):
            self._said = (self._said + piece)[-SAID_BYTES_MAX:]
        await self._process.wait()

    async def _stop(self) -> None:
        """Ask the process to leave by closing its input, and make it after a while."""
        self.input.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._end), STOP_WAIT_S)
        except TimeoutError:
            self.kill()
            await self._end

    def kill(self) -> None:
        """End the process at once."""
        if self._process.returncode is None:
            self._process.kill()

    async def wait_end(self) -> NoReturn:
        """Wait until the process ends. Raises UpstreamError (``model_crashed``) with the reason, always."""
        await asyncio.shield(self._end)
        raise UpstreamError(f"{self._title}'s process {self._describe_end()}.", code="model_crashed")

    def _describe_end(self) -> str:
        status = self._process.returncode or 0
        if -status in (signal.SIGKILL, signal.SIGTERM):  # Its last words have nothing to do with it.
            return f"was killed by {signal.Signals(-status).name}"
        how = f"crashed with {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        said = self._said.decode(errors="replace").strip().rpartition("\n")[2]
        return f"{how}: {said}" if said else how
