"""An upstream for tests that says what it was told to: whole, in pieces, slowly, or not to the end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from multiturn.errors import MultiturnError
from multiturn.model.completion import Completion, Delta, Maker, ModelInfo, ModelRequest
from multiturn.upstream.openai_wire import read_completion, read_delta, write_request


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """A call of a tool, as the model would ask for it; ``extra`` are more fields of it, such as a signature."""

    name: str
    arguments: str = "{}"
    id: str = "call_1"
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Script:
    """One answer; what was thought is streamed first, with ``extra`` fields of the message, a text word by word, a call
    in two halves.

    ``pause_s`` stands before every piece. When ``pieces_first`` pieces were said, the answer waits for
    ``hold`` and then fails with ``error``, each where it is given.
    """

    text: str = ""
    tool_calls: Sequence[ScriptedCall] = ()
    pause_s: float = 0
    pieces_first: int = 0
    hold: asyncio.Event | None = None
    error: MultiturnError | None = None
    thoughts: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


class ScriptedUpstream:
    """Answers from scripts, one a call, or by a function of the request, ``choose``, which may be exchanged.

    ``requests`` are those it saw, as JSON; ``running`` counts the answers that are neither finished nor given
    up. ``maker`` is who it says that answers, and who is shown again what is for that one alone.
    """

    def __init__(
        self,
        scripts: Iterable[Script] | Callable[[dict[str, Any]], Script],
        *,
        models: Sequence[ModelInfo] = (ModelInfo(id="scripted", owned_by="multiturn"),),
        maker: Maker | None = None,
    ) -> None:
        self.choose = scripts if callable(scripts) else _read_in_order(scripts)
        self._models = models
        self.maker = maker
        self.requests: list[dict[str, Any]] = []
        self.running = 0

    async def complete(self, request: ModelRequest) -> Completion:
        """Answer whole."""
        answer = self._begin(request, stream=False)
        self.running += 1
        try:
            async for _ in answer.say():
                pass
        finally:
            self.running -= 1
        return read_completion(answer.write_whole(), self.maker)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta]]:
        """Answer in pieces, each on its own; the last one brings the usage."""
        answer = self._begin(request, stream=True)
        self.running += 1
        try:
            async for said in answer.say():
                yield [read_delta(answer.write_piece(said), self.maker)]
            yield [read_delta(answer.write_end(), self.maker)]
            yield [read_delta(answer.write_usage(), self.maker)]
        finally:
            self.running -= 1

    async def list_models(self) -> Sequence[ModelInfo]:
        """List the models that it was given."""
        return self._models

    async def find_context_tokens(self, model: str) -> int | None:
        """Tell the window of a model that it was given."""
        return next((known.context_tokens for known in self._models if known.id == model), None)

    def _begin(self, request: ModelRequest, *, stream: bool) -> _Answer:
        if self.maker and self.maker.name in request.own:
            request = replace(request, messages=request.own[self.maker.name])
        seen = msgspec.json.decode(write_request(request, stream=stream))
        self.requests.append(seen)
        return _Answer(self.choose(seen), seen, f"chatcmpl-{len(self.requests)}")


def _read_in_order(scripts: Iterable[Script]) -> Callable[[dict[str, Any]], Script]:
    left = iter(scripts)

    def choose(seen: dict[str, Any]) -> Script:
        script = next(left, None)
        assert script is not None, f"The scripts are at their end; nothing answers {seen['messages']}."
        return script

    return choose


@dataclass(frozen=True, slots=True)
class _Answer:
    """A script that is being said in answer to one request, in the provider's JSON."""

    script: Script
    seen: dict[str, Any]
    id: str

    async def say(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield the pieces in their time, and wait or fail where the script does."""
        pieces = list(self._cut())
        for place, piece in enumerate(pieces):
            if place == self.script.pieces_first:
                await self._interrupt()
            await asyncio.sleep(self.script.pause_s)
            yield piece
        if self.script.pieces_first >= len(pieces):
            await self._interrupt()

    async def _interrupt(self) -> None:
        if self.script.hold is not None:
            await self.script.hold.wait()
        if self.script.error is not None:
            raise self.script.error

    def _cut(self) -> Iterator[dict[str, Any]]:
        if self.script.thoughts or self.script.extra:
            yield self._write_thoughts()
        for place, word in enumerate(re.findall(r"\S+\s*|\s+", self.script.text)):
            yield {"role": "assistant", "content": word} if place == 0 else {"content": word}
        for place, call in enumerate(self.script.tool_calls):
            half = len(call.arguments) // 2
            yield {"tool_calls": [{"index": place, **_write_call(call, call.arguments[:half]), **call.extra}]}
            yield {"tool_calls": [{"index": place, "function": {"arguments": call.arguments[half:]}}]}

    def _write_thoughts(self) -> dict[str, Any]:
        """What was thought, and what belongs to it."""
        thoughts = {"reasoning_content": self.script.thoughts} if self.script.thoughts else {}
        return {**thoughts, **self.script.extra}

    def write_piece(self, said: dict[str, Any]) -> bytes:
        return self._write("chat.completion.chunk", [{"index": 0, "delta": said, "finish_reason": None}])

    def write_end(self) -> bytes:
        end = {"index": 0, "delta": {}, "finish_reason": self._find_finish()}
        return self._write("chat.completion.chunk", [end])

    def write_usage(self) -> bytes:
        return self._write("chat.completion.chunk", [], self._count())

    def write_whole(self) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": self.script.text or None, **self._write_thoughts()}
        if self.script.tool_calls:
            calls = self.script.tool_calls
            message["tool_calls"] = [{**_write_call(call, call.arguments), **call.extra} for call in calls]
        choice = {"index": 0, "message": message, "finish_reason": self._find_finish(), "logprobs": None}
        return self._write("chat.completion", [choice], self._count())

    def _write(self, kind: str, choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
        head = {"id": self.id, "object": kind, "created": 0, "model": self.seen["model"]}
        return msgspec.json.encode({**head, "choices": choices, "usage": usage})

    def _find_finish(self) -> str:
        return "tool_calls" if self.script.tool_calls else "stop"

    def _count(self) -> dict[str, int]:
        """Count tokens roughly: four bytes of the messages, a piece of the answer."""
        given, made = len(msgspec.json.encode(self.seen["messages"])) // 4, len(list(self._cut()))
        return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}


def _write_call(call: ScriptedCall, arguments: str) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
