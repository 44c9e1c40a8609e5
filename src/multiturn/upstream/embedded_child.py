"""One run of the embedded model's process, seen from the server: its start, its answers and its end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import aiohttp
import msgspec
from msgspec import Struct

from multiturn.errors import UpstreamError, UpstreamTimeout
from multiturn.upstream.openai_wire import read_error

PROGRAM = Path(__file__).with_name("embedded_process.py")
URL = "http://model/v1/chat/completions"
JSON = {"Content-Type": "application/json"}
LOAD_MAX_S = 300.0
ANSWER_MAX_S = 900.0
"""An answer that took so long will not come: the process is ended, and started anew by its keeper."""
STOP_WAIT_S = 2.0
SAID_BYTES_MAX = 2000
WARM_UP = b'{"messages":[{"role":"user","content":"Hello"}],"max_tokens":1}'
# llama.cpp answers these faults of a request as if they were its own.
_FAULTS_OF_REQUEST = (b'"Failed to parse ', b'"image input is not', b'"audio input is not')


class ChildOrder(Struct, frozen=True, kw_only=True):
    """What a process is told at its start."""

    name: str
    path: str
    context_tokens: int
    threads: int
    cache_mib: int


class _StartOrder(ChildOrder, frozen=True, kw_only=True):
    socket: str
    parent: int


class Child:
    """A process with a loaded model, reached by HTTP over a Unix socket in a folder closed to other users."""

    def __init__(self, process: asyncio.subprocess.Process, http: aiohttp.ClientSession) -> None:
        self._process = process
        self._http = http
        self._said = b""
        self._end = asyncio.create_task(self._listen(), name="embedded model's end")

    @classmethod
    @asynccontextmanager
    async def run(cls, order: ChildOrder) -> AsyncIterator[Self]:
        """Start a process, load and warm up its model, and end it. Raises UpstreamError if it cannot load."""
        folder = tempfile.mkdtemp(prefix="multiturn-")
        socket = f"{folder}/model.sock"
        start = _StartOrder(**msgspec.structs.asdict(order), socket=socket, parent=os.getpid())
        try:
            # By its path and with -P: nothing of the server, nor of the working directory, is imported there.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", str(PROGRAM), msgspec.json.encode(start).decode()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            timeout = aiohttp.ClientTimeout(total=ANSWER_MAX_S)
            connector = aiohttp.UnixConnector(socket, force_close=True)
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
                child = cls(process, http)
                try:
                    await child._load()
                    yield child
                finally:
                    await child._stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _load(self) -> None:
        assert self._process.stdout is not None
        try:
            report = await asyncio.wait_for(self._process.stdout.readline(), LOAD_MAX_S)
        except TimeoutError as error:
            raise UpstreamTimeout(f"The embedded model did not load within {LOAD_MAX_S:.0f} s.") from error
        if report != b"ready\n":
            await self.wait_end()
        async with self.ask(WARM_UP) as answer:
            await answer.read()

    async def _listen(self) -> None:
        """Keep the last words of the process until it has ended."""
        assert self._process.stderr is not None
        while piece := await self._process.stderr.read(SAID_BYTES_MAX):
            self._said = (self._said + piece)[-SAID_BYTES_MAX:]
        await self._process.wait()

    async def _stop(self) -> None:
        """Ask the process to leave by closing its input, and make it after a while."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._end), STOP_WAIT_S)
        except TimeoutError:
            self._kill()
            await self._end

    def _kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()

    async def wait_end(self) -> None:
        """Wait until the process ends. Raises UpstreamError with the reason, always."""
        await asyncio.shield(self._end)
        raise UpstreamError(f"The embedded model's process {self._describe_end()}.", code="model_crashed")

    def _describe_end(self) -> str:
        status = self._process.returncode or 0
        if -status in (signal.SIGKILL, signal.SIGTERM):  # Its last words have nothing to do with it.
            return f"was killed by {signal.Signals(-status).name}"
        how = f"crashed with {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        said = self._said.decode(errors="replace").strip().rpartition("\n")[2]
        return f"{how}: {said}" if said else how

    @asynccontextmanager
    async def ask(self, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and give its answer when it begins; leaving before its end makes llama.cpp stop.

        Raises ContextTooLong, UpstreamRefused or UpstreamError.
        """
        try:
            async with self._http.post(URL, data=body, headers=JSON) as answer:
                if answer.status != 200:
                    raise _read_refusal(answer.status, await answer.read())
                yield answer
        except TimeoutError as error:
            self._kill()
            text = f"The embedded model did not answer within {ANSWER_MAX_S:.0f} s."
            raise UpstreamTimeout(text) from error
        except aiohttp.ClientError as error:
            await self._explain(error)

    async def _explain(self, error: aiohttp.ClientError) -> None:
        """Raise the reason of a lost connection: as a rule the process has ended, and it shows soon."""
        try:
            await asyncio.wait_for(self.wait_end(), STOP_WAIT_S)
        except TimeoutError:
            self._kill()
            raise UpstreamError(f"The embedded model's process cut the answer off: {error}") from error

    async def stream(self, body: bytes) -> AsyncGenerator[list[bytes]]:
        """Send a request and give the events of its answer, those that arrived together in one list."""
        async with self.ask(body) as answer:
            rest = b""
            async for piece in answer.content.iter_any():
                *lines, rest = (rest + piece).split(b"\n")
                events = [line[6:] for line in lines if line.startswith(b"data: {")]
                if events:
                    yield events


def _read_refusal(status: int, body: bytes) -> UpstreamError:
    is_fault_of_request = status == 500 and any(fault in body for fault in _FAULTS_OF_REQUEST)
    return read_error(400 if is_fault_of_request else status, body)
