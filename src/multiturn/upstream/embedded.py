"""The model that comes with the server: llama.cpp in a process of its own, one request at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from multiturn.errors import RateLimited, Unavailable, UpstreamError
from multiturn.model.completion import Completion, Delta, ModelInfo, ModelRequest
from multiturn.upstream.catalogue import get_model
from multiturn.upstream.embedded_child import Child, ChildOrder
from multiturn.upstream.embedded_tools import CallReader, show_tools, turn_into_calls
from multiturn.upstream.model_files import ModelFiles, is_own_file
from multiturn.upstream.openai_wire import read_completion, read_delta, write_request

RESTART_MIN_S, RESTART_MAX_S = 0.25, 30.0
RETRY_AFTER_MAX_S = 60.0
PRIVATE_FIELDS = frozenset({"timings", "__verbose", "prompt_progress"})
"""What llama.cpp adds to OpenAI's answers."""
_PRIVATE_MARKS = tuple(f'"{name}":'.encode() for name in PRIVATE_FIELDS)

State = Literal["missing", "pulling", "loading", "ready", "failed"]


class EmbeddedOrder(Struct, frozen=True, kw_only=True):
    """Which model to run and how: ``model`` is a name of the catalogue or the path of a .gguf file.

    ``queue_max`` requests wait beside the one that is answered; ``load_wait_s`` is how long they wait for a
    model that loads; an answer whose request sets no limit ends after ``answer_tokens_max``; ``cache_mib``
    holds the prompts of other sessions.
    """

    model: str
    context_tokens: int = 4096
    threads: int | None = None
    queue_max: int = 8
    load_wait_s: float = 60.0
    answer_tokens_max: int = 1024
    cache_mib: int = 256


class EmbeddedState(Struct, frozen=True, kw_only=True):
    """What the embedded model is doing; ``queue_length`` counts the requests that wait for their turn."""

    name: str
    state: State
    detail: str
    queue_length: int


class EmbeddedUpstream:
    """Answers with one local model, whatever model is asked for.

    Between ``start`` and ``close`` it keeps the model's process running: it pulls a missing file, loads it,
    and starts the process anew when it dies.
    """

    def __init__(self, order: EmbeddedOrder, files: ModelFiles) -> None:
        self._order = order
        self._files = files
        self._is_own = is_own_file(order.model)
        self._name = Path(order.model).stem if self._is_own else get_model(order.model).name
        self._state: State = "loading"
        self._detail = ""
        self._changed = asyncio.Event()
        self._child: Child | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._behind: asyncio.Task[Completion] | None = None
        self._waiting = 0
        self._answer_s = 1.0

    async def start(self) -> None:
        """Begin to bring the model up, in the background."""
        self._keeper = asyncio.create_task(self._keep(), name="embedded model")

    async def close(self) -> None:
        """End the model's process; a request that runs fails."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        self._become("failed", "The server is stopping.")

    def state(self) -> EmbeddedState:
        """Tell what the model is doing."""
        return EmbeddedState(name=self._name, state=self._state, detail=self._detail, queue_length=self._waiting)

    async def list_models(self) -> Sequence[ModelInfo]:
        """List the one model that answers."""
        return [ModelInfo(id=self._name, owned_by="embedded", context_tokens=self._order.context_tokens)]

    async def find_context_tokens(self, model: str) -> int | None:
        """Tell the context window, which is the same for every name."""
        return self._order.context_tokens

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """Count the tokens of texts as the model reads them; None while it is not loaded, or has no time."""
        return await self._child.count_tokens(texts) if self._child else None

    async def complete(self, request: ModelRequest) -> Completion:
        """Ask for a whole answer; cancelling the call stops the model.

        Raises RateLimited (``model_busy``), Unavailable (``model_not_ready``), ContextTooLong,
        UpstreamRefused or UpstreamError. A request in the background is only taken when nobody else asks,
        and given up for the first that does.
        """
        return await (self._complete_behind(request) if request.is_background else self._complete(request))

    async def _complete_behind(self, request: ModelRequest) -> Completion:
        """Ask as long as nobody else does. Raises RateLimited (``model_busy``) when somebody does."""
        if self._turn.locked() or self._waiting:
            raise RateLimited(f"The model {self._name} is busy.", code="model_busy", retry_after_s=self._answer_s)
        self._behind = asyncio.create_task(self._complete(request), name="behind the turns")
        try:
            await asyncio.wait({self._behind})
        finally:
            behind, self._behind = self._behind, None
            behind.cancel()
        if behind.cancelled():
            raise RateLimited(f"The model {self._name} has a turn to answer.", code="model_busy", retry_after_s=1)
        return behind.result()

    async def _complete(self, request: ModelRequest) -> Completion:
        body, tools = self._write(request, stream=False)
        async with self._hold_child() as child, child.ask(body) as answer:
            raw = _strip(await answer.read())
        return read_completion(turn_into_calls(raw, tools) if tools else raw)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta]]:
        """Ask for an answer in pieces; closing the generator stops the model. Raises as ``complete`` does."""
        body, tools = self._write(request, stream=True)
        calls = CallReader(tools)
        async with self._hold_child() as child, aclosing(child.stream(body)) as events:
            async for arrived in events:
                deltas = [read_delta(piece) for raw in arrived for piece in calls.feed(_strip(raw))]
                if deltas:
                    yield deltas

    def _write(self, request: ModelRequest, *, stream: bool) -> tuple[bytes, frozenset[str]]:
        """Write the body for llama.cpp, and name the tools whose calls the answer may hold as text.

        The models of the catalogue need help with tools; a model of one's own is left to llama.cpp, which
        knows many formats.
        """
        tools: frozenset[str] = frozenset()
        if not self._is_own:
            request, tools = show_tools(request)
        fields = dict(request.fields)
        if all(bytes(fields.get(name, b"null")) == b"null" for name in ("max_tokens", "max_completion_tokens")):
            fields["max_tokens"] = Raw(str(self._order.answer_tokens_max).encode())
        request = msgspec.structs.replace(request, model=self._name, fields=fields)
        return write_request(request, stream=stream), tools

    @asynccontextmanager
    async def _hold_child(self) -> AsyncIterator[Child]:
        """Wait for this request's turn, and for the model when it loads."""
        self._refuse_unless_coming()
        if self._behind and self._behind is not asyncio.current_task():
            self._behind.cancel()
        if self._turn.locked() and self._waiting >= self._order.queue_max:
            raise RateLimited(
                f"The model {self._name} is busy and {self._waiting} requests wait for it already.",
                code="model_busy",
                retry_after_s=min(RETRY_AFTER_MAX_S, max(1.0, self._answer_s * (self._waiting + 1))),
            )
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            child = await self._wait_loaded()
            begun = asyncio.get_running_loop().time()
            yield child
            self._answer_s = (self._answer_s + asyncio.get_running_loop().time() - begun) / 2
        finally:
            self._turn.release()

    async def _wait_loaded(self) -> Child:
        try:
            async with asyncio.timeout(self._order.load_wait_s):
                while self._child is None:
                    self._refuse_unless_coming()
                    await self._changed.wait()
        except TimeoutError as error:
            text = f"The model {self._name} is still loading."
            raise Unavailable(text, code="model_not_ready", retry_after_s=5) from error
        return self._child

    def _refuse_unless_coming(self) -> None:
        if self._state in ("ready", "loading"):
            return
        said = {
            "missing": f"The model {self._name} is not on this machine. {self._detail}",
            "pulling": f"The model {self._name} is being downloaded: {self._detail}. Try again shortly.",
            "failed": f"The model {self._name} does not start. {self._detail}",
        }[self._state]
        raise Unavailable(said, code="model_not_ready", retry_after_s=5)

    def _become(self, state: State, detail: str = "") -> None:
        self._state, self._detail = state, detail
        self._changed.set()
        self._changed = asyncio.Event()

    async def _keep(self) -> None:
        """Keep a process running, with longer pauses between tries that fail sooner."""
        loop, pause_s = asyncio.get_running_loop(), RESTART_MIN_S
        while True:
            begun = loop.time()
            try:
                await self._run(await self._find_file())
            except (UpstreamError, Unavailable, OSError) as error:
                # A process that died at work is back in a moment: requests wait for it. One that never worked
                # may not be.
                after: dict[State, State] = {"ready": "loading", "loading": "failed", "pulling": "missing"}
                self._become(after.get(self._state, self._state), str(error))
            if loop.time() - begun > RESTART_MAX_S:
                pause_s = RESTART_MIN_S
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RESTART_MAX_S)

    async def _find_file(self) -> Path:
        model = self._order.model
        path = self._files.find(model)
        if path is None:
            self._become("pulling", "it begins")
            path = await self._files.pull(model, self._report)
        self._become("loading", self._detail if self._state == "loading" else "")
        await self._files.check(model, path)
        return path

    def _report(self, done_bytes: int, total_bytes: int, what: str) -> None:
        self._detail = f"{done_bytes >> 20} of {total_bytes >> 20} MB ({what})"

    async def _run(self, path: Path) -> None:
        """Run one process until it ends. Raises UpstreamError with the reason of its end."""
        order = ChildOrder(
            name=self._name,
            path=str(path),
            context_tokens=self._order.context_tokens,
            threads=self._order.threads or max(1, (os.cpu_count() or 1) // 2),
            cache_mib=self._order.cache_mib,
        )
        async with Child.run(order) as child:
            self._child = child
            self._become("ready")
            try:
                await child.wait_end()
            finally:
                self._child = None


def _strip(raw: bytes) -> bytes:
    """Leave out what llama.cpp adds to OpenAI's answers; inside a text the marks would be escaped."""
    if not any(mark in raw for mark in _PRIVATE_MARKS):
        return raw
    fields = msgspec.json.decode(raw, type=dict[str, Raw])
    return msgspec.json.encode({name: value for name, value in fields.items() if name not in PRIVATE_FIELDS})
