"""One run of the embedded model's process, seen from the server: its start, its answers and its end."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import aiohttp
import msgspec
from msgspec import Struct

from multiturn.errors import UpstreamError, UpstreamTimeout
from multiturn.upstream.model_process import STOP_WAIT_S, ModelProcess
from multiturn.upstream.openai_wire import read_error

PROGRAM = Path(__file__).with_name("embedded_process.py")
TITLE = "The embedded model"
URL = "http://model/v1/chat/completions"
TOKENS_URL = "http://model/tokenize"
JSON = {"Content-Type": "application/json"}
LOAD_MAX_S = 300.0
ANSWER_MAX_S = 900.0
"""An answer that took so long will not come: the process is ended, and started anew by its keeper."""
COUNT_MAX_S = 2.0
BETWEEN = -1
"""Stands between two texts whose tokens are asked for at once: llama.cpp hands back any number among them."""
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


class _Tokens(Struct):
    tokens: list[int]


_tokens = msgspec.json.Decoder(_Tokens)


class Child:
    """A process with a loaded model, reached by HTTP over a Unix socket in a folder closed to other users."""

    def __init__(self, process: ModelProcess, http: aiohttp.ClientSession) -> None:
        self._process = process
        self._http = http
        self.wait_end = process.wait_end

    @classmethod
    @asynccontextmanager
    async def run(cls, order: ChildOrder) -> AsyncIterator[Self]:
        """Start a process, load and warm up its model, and end it. Raises UpstreamError if it cannot load."""
        folder = tempfile.mkdtemp(prefix="multiturn-")
        socket = f"{folder}/model.sock"
        start = _StartOrder(**msgspec.structs.asdict(order), socket=socket, parent=os.getpid())
        timeout = aiohttp.ClientTimeout(total=ANSWER_MAX_S)
        connector = aiohttp.UnixConnector(socket, force_close=True)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as http,
                ModelProcess.run(TITLE, PROGRAM, start) as process,
            ):
                child = cls(process, http)
                await child._load()
                yield child
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _load(self) -> None:
        try:
            report = await asyncio.wait_for(self._process.output.readline(), LOAD_MAX_S)
        except TimeoutError as error:
            raise UpstreamTimeout(f"The embedded model did not load within {LOAD_MAX_S:.0f} s.") from error
        if report != b"ready\n":
            await self.wait_end()
        async with self.ask(WARM_UP) as answer:
            await answer.read()

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
            self._process.kill()
            text = f"The embedded model did not answer within {ANSWER_MAX_S:.0f} s."
            raise UpstreamTimeout(text) from error
        except aiohttp.ClientError as error:
            await self._explain(error)

    async def _explain(self, error: aiohttp.ClientError) -> None:
        """Raise the reason of a lost connection: as a rule the process has ended, and it shows soon."""
        try:
            await asyncio.wait_for(self.wait_end(), STOP_WAIT_S)
        except TimeoutError:
            self._process.kill()
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

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """Count the tokens of texts, also while an answer is made; None where that does not work now."""
        content = [part for text in texts for part in (text.encode("utf-8", "replace").decode(), BETWEEN)]
        body, limit = msgspec.json.encode({"content": content}), aiohttp.ClientTimeout(total=COUNT_MAX_S)
        try:
            async with self._http.post(TOKENS_URL, data=body, headers=JSON, timeout=limit) as answer:
                tokens = _tokens.decode(await answer.read()).tokens if answer.status == 200 else []
        except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError):
            return None
        ends = [place for place, token in enumerate(tokens) if token == BETWEEN]
        counts = [end - begin - 1 for begin, end in zip([-1, *ends], ends, strict=False)]
        return counts if len(counts) == len(texts) else None


def _read_refusal(status: int, body: bytes) -> UpstreamError:
    is_fault_of_request = status == 500 and any(fault in body for fault in _FAULTS_OF_REQUEST)
    return read_error(400 if is_fault_of_request else status, body)
