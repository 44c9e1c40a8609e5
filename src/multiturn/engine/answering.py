"""How a model is heard whose answer rests on a knowledge store: its citations are checked before they are told, and it
may look into the store by itself, in as many steps as it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from multiturn.engine.answer import fold, write_call
from multiturn.engine.grounding.citer import Citer
from multiturn.engine.grounding.tools import LOOK_UP, TOOLS, KnowledgeTools, describe_tools
from multiturn.engine.ports import AnswerWire, Upstream
from multiturn.engine.window.messages import write_messages
from multiturn.engine.window.tokens import count_tokens
from multiturn.errors import UpstreamError
from multiturn.model.completion import Completion, Delta, ModelRequest, ToolCallDelta
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message
from multiturn.model.ids import new_id
from multiturn.model.retrieved import Snippet
from multiturn.model.usage import Usage

# So often may a model look something up before it has to answer.
STEPS_MAX = 8
# Less than this is no room for another result: the model has to answer.
RESULT_TOKENS_MIN = 300


class Voice(Struct, frozen=True, kw_only=True):
    """Who is asked and who is told: ``speak`` takes pieces that arrived together, ``reply`` a whole answer."""

    upstream: Upstream
    wire: AnswerWire
    speak: Callable[[Sequence[Delta]], None]
    reply: Callable[[Completion], None]


class GroundedAnswer:
    """An answer over a knowledge store, while it is made.

    ``items`` are the calls and results of the steps so far, ``found`` the sources that they brought, ``spent`` what the
    steps before the last one used. The results of all steps together take at most ``tokens_max`` of the context.
    """

    def __init__(self, voice: Voice, citer: Citer, tools: KnowledgeTools | None, *, tokens_max: int) -> None:
        self.voice = voice
        self.citer = citer
        self.tools = tools
        self.tokens_left = tokens_max
        self.offered: frozenset[str] = frozenset()
        self.items: list[Content] = []
        self.found: list[Snippet] = []
        self.spent: list[Usage] = []
        self.before = ""

    async def ask(self, request: ModelRequest, *, is_streamed: bool) -> None:
        """Ask until the model answers, or calls a tool that is not ours. Raises what the upstream raises."""
        listen = self._listen if is_streamed else self._receive
        if self.tools:
            self.offered = frozenset(TOOLS) - {name_of(tool) for tool in read_tools(request)}
        for _ in range(STEPS_MAX):
            if not self.offered or self.tokens_left < RESULT_TOKENS_MIN:
                break
            calls = await listen(with_tools(request, self.offered))
            if not calls:
                return
            request = append(request, await self._look_up(calls))
        if await listen(request) and not self.citer.length:
            raise UpstreamError("The model looked things up and gave no answer.", code="upstream_invalid")

    async def _listen(self, request: ModelRequest) -> Sequence[FunctionCall]:
        """Hear an answer in pieces and tell what is checked; the calls of our tools, when there are no others."""
        held: list[Delta] = []
        last: Delta | None = None
        async with aclosing(self.voice.upstream.stream(request)) as stream:
            async for deltas in stream:
                told: list[Delta] = []
                for delta in deltas:
                    last = delta if delta.has_choices else last
                    if delta.tool_calls or held:
                        # From the first call on all is held, until it is known whose calls they are.
                        held.append(delta)
                    else:
                        told += self._check(delta)
                if told:
                    self.voice.speak(told)
        step = fold(held)
        ours = [write_call(pieces) for pieces in step.calls if self._is_ours(pieces)]
        if ours and len(ours) == len(step.calls):
            self._speak(last, self.citer.pause())
            self.spent += [step.usage] if step.usage else []
            return ours
        if ours:
            await self._look_up(ours)
            held = self._keep_theirs(held, [pieces for pieces in step.calls if not self._is_ours(pieces)])
        for delta in held:
            if told := [delta] if delta.tool_calls else self._check(delta):
                self.voice.speak(told)
        self._speak(last, self.citer.finish())
        return ()

    def _is_ours(self, pieces: Sequence[ToolCallDelta]) -> bool:
        """Whether a call is of a tool that we offered."""
        return any(piece.name in self.offered for piece in pieces)

    def _check(self, delta: Delta) -> list[Delta]:
        """What of a piece can be told now: the sentences that are whole, and everything that is no text, as it came."""
        if not delta.text and not delta.finish_reason:
            return [delta]
        text = self.citer.feed(delta.text) + (self.citer.finish() if delta.finish_reason else "")
        rest = self.voice.wire.drop_said(delta) if delta.text else delta
        return [*([self.voice.wire.write_text(delta, text)] if text else []), *([rest] if rest else [])]

    def _speak(self, like: Delta | None, text: str) -> None:
        if text and like:
            self.voice.speak([self.voice.wire.write_text(like, text)])

    def _keep_theirs(self, held: Sequence[Delta], theirs: Sequence[Sequence[ToolCallDelta]]) -> list[Delta]:
        """What was held, with the calls of the client's tools in one piece and without those of ours."""
        calls = [write_call(pieces) for pieces in theirs]
        pieces = [
            ToolCallDelta(place, call.call_id, call.name, call.arguments, call.kind) for place, call in enumerate(calls)
        ]
        rest = [self.voice.wire.drop_said(delta) if delta.tool_calls else delta for delta in held]
        return [self.voice.wire.write_calls(held[0], pieces), *(delta for delta in rest if delta)]

    async def _receive(self, request: ModelRequest) -> Sequence[FunctionCall]:
        """Hear a whole answer, check it and tell it; the calls of our tools, when there are no others."""
        completion = await self.voice.upstream.complete(request)
        said = self.citer.feed(completion.text or "")
        ours = [write_call([piece]) for piece in completion.tool_calls if self._is_ours([piece])]
        theirs = [piece for piece in completion.tool_calls if not self._is_ours([piece])]
        if ours and not theirs:
            self.before += said + self.citer.pause()
            self.spent += [completion.usage] if completion.usage else []
            return ours
        if ours:
            await self._look_up(ours)
        text = self.before + said + self.citer.finish()
        if ours or text != (completion.text or ""):
            completion = self.voice.wire.rewrite_completion(
                completion, text or completion.text, theirs if ours else None
            )
        self.voice.reply(completion)
        return ()

    async def _look_up(self, calls: Sequence[FunctionCall]) -> Sequence[Content]:
        """Run the calls, in their order; they and what they say."""
        assert self.tools is not None
        asked = [replace(call, call_id=f"{LOOK_UP}{new_id().hex}") for call in calls]
        results: list[FunctionCallOutput] = []
        for call in asked:
            output, sources = await self.tools.run(call, tokens_max=self.tokens_left // len(asked))
            results.append(output)
            self.found += sources
            self.citer.add(sources)
        step: list[Content] = [*asked, *results]
        self.tokens_left -= sum(map(count_tokens, step))
        self.items += step
        return step

    def contents(self, said: Sequence[Content]) -> tuple[Content, ...]:
        """What the turn leaves behind: its steps, and the answer with its citations."""
        citations = tuple(self.citer.citations)
        cited = [replace(one, citations=citations) if isinstance(one, Message) and citations else one for one in said]
        return (*self.items, *cited)


def read_tools(request: ModelRequest) -> list[Any]:
    """The tools of a request; what is none of them is for the provider to refuse."""
    tools = msgspec.json.decode(request.fields["tools"]) if "tools" in request.fields else []
    return tools if isinstance(tools, list) else []


def name_of(tool: Any) -> str:
    """The name of a tool."""
    said = tool.get(tool.get("type")) if isinstance(tool, dict) else None
    return str(said.get("name")) if isinstance(said, dict) else ""


def with_tools(request: ModelRequest, offered: Container[str]) -> ModelRequest:
    """The request with our tools beside those that it has."""
    ours = [tool for tool in describe_tools() if tool["function"]["name"] in offered]
    tools = Raw(msgspec.json.encode([*read_tools(request), *ours]))
    return replace(request, fields={**request.fields, "tools": tools})


def append(request: ModelRequest, contents: Sequence[Content]) -> ModelRequest:
    """The request with more messages behind its own."""
    return replace(request, messages=Raw(bytes(request.messages)[:-1] + b"," + write_messages(contents) + b"]"))


def join_usage(spent: Sequence[Usage], last: Usage | None) -> Usage | None:
    """What several calls of a model used together."""
    if not spent:
        return last
    every = [*spent, last or Usage()]
    return Usage(**{name: sum(getattr(one, name) for one in every) for name in Usage.__struct_fields__})
