"""How a model is heard whose answer rests on a knowledge store: its citations are checked before they are told, and it
may look into the store by itself, in as many steps as it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from multiturn.engine.answer import Answer, write_call
from multiturn.engine.grounding.citer import Citer
from multiturn.engine.grounding.tools import KnowledgeTools, describe_tools, is_ours
from multiturn.engine.ports import AnswerWire, Upstream
from multiturn.engine.window.messages import write_messages
from multiturn.model.completion import Completion, Delta, ModelRequest
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message
from multiturn.model.retrieved import Snippet
from multiturn.model.usage import Usage

# So often may a model look something up before it has to answer.
STEPS_MAX = 8
# What the results of one step may take of what the turn's sources take, for all its calls together.
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
    steps before the last one used.
    """

    def __init__(self, voice: Voice, citer: Citer, tools: KnowledgeTools | None, *, tokens_max: int) -> None:
        self.voice = voice
        self.citer = citer
        self.tools = tools
        self.tokens_max = max(tokens_max, RESULT_TOKENS_MIN)
        self.items: list[Content] = []
        self.found: list[Snippet] = []
        self.spent: list[Usage] = []
        self.before = ""
        self.held: list[Delta] = []
        self.last: Delta | None = None

    async def ask(self, request: ModelRequest, *, is_streamed: bool) -> None:
        """Ask until the model answers, or calls a tool that is not ours. Raises what the upstream raises."""
        listen = self._listen if is_streamed else self._receive
        for _ in range(STEPS_MAX if self.tools else 0):
            calls = await listen(with_tools(request))
            if not calls:
                return
            request = await self._look_up(request, calls)
        await listen(request)

    async def _listen(self, request: ModelRequest) -> Sequence[FunctionCall]:
        """Hear an answer in pieces and tell what is checked; the calls of our tools, which are told to nobody."""
        self.held = []
        async with aclosing(self.voice.upstream.stream(request)) as stream:
            async for deltas in stream:
                if told := [new for delta in deltas for new in self._check(delta)]:
                    self.voice.speak(told)
        if is_ours([piece for delta in self.held for piece in delta.tool_calls]):
            if (text := self.citer.pause()) and self.last:
                self.voice.speak([self.voice.wire.rewrite_delta(self.last, text, ends=False)])
            return self._take_calls(self.held)
        if rest := self._finish():
            self.voice.speak(rest)
        if self.held:
            self.voice.speak(self.held)
        return ()

    def _check(self, delta: Delta) -> list[Delta]:
        """What of a piece can be told now. From the first call of a tool on all is held, until it is known whose it
        is.
        """
        if delta.tool_calls or self.held:
            self.held.append(delta)
            return []
        told: list[Delta] = []
        if delta.text:
            self.last = delta
            if text := self.citer.feed(delta.text):
                told.append(self.voice.wire.rewrite_delta(delta, text, ends=False))
        if delta.finish_reason:
            told += self._finish()
        if delta.finish_reason or delta.usage or not delta.text:
            told.append(self.voice.wire.rewrite_delta(delta, "") if delta.text else delta)
        return told

    def _finish(self) -> list[Delta]:
        """The rest of the text, when nothing more comes."""
        text = self.citer.finish()
        return [self.voice.wire.rewrite_delta(self.last, text, ends=False)] if text and self.last else []

    def _take_calls(self, deltas: Sequence[Delta]) -> Sequence[FunctionCall]:
        """The calls in pieces that were held, and what they cost."""
        step = Answer()
        for delta in deltas:
            step.add(delta)
        self.spent += [step.usage] if step.usage else []
        return [write_call(pieces) for pieces in step.calls]

    async def _receive(self, request: ModelRequest) -> Sequence[FunctionCall]:
        """Hear a whole answer, check it and tell it; the calls of our tools."""
        completion = await self.voice.upstream.complete(request)
        said = self.citer.feed(completion.text or "")
        if is_ours(completion.tool_calls):
            self.before += said + self.citer.pause()
            self.spent += [completion.usage] if completion.usage else []
            return [write_call([piece]) for piece in completion.tool_calls]
        text = self.before + said + self.citer.finish()
        changed = text != (completion.text or "")
        self.voice.reply(self.voice.wire.rewrite_completion(completion, text) if changed else completion)
        return ()

    async def _look_up(self, request: ModelRequest, calls: Sequence[FunctionCall]) -> ModelRequest:
        """Run the calls, in their order, and ask again with what they say."""
        assert self.tools is not None
        results: list[FunctionCallOutput] = []
        for call in calls:
            output, sources = await self.tools.run(call, tokens_max=self.tokens_max // len(calls))
            results.append(output)
            self.found += sources
            self.citer.add(sources)
        self.items += [*calls, *results]
        return replace(request, messages=append(request.messages, [*calls, *results]))

    def contents(self, said: Sequence[Content]) -> tuple[Content, ...]:
        """What the turn leaves behind: its steps, and the answer with its citations."""
        citations = tuple(self.citer.citations)
        cited = [replace(one, citations=citations) if isinstance(one, Message) and citations else one for one in said]
        return (*self.items, *cited)


def with_tools(request: ModelRequest) -> ModelRequest:
    """The request with our tools beside those that it has."""
    theirs = msgspec.json.decode(request.fields["tools"]) if "tools" in request.fields else []
    tools = Raw(msgspec.json.encode([*theirs, *describe_tools()]))
    return replace(request, fields={**request.fields, "tools": tools})


def append(messages: Raw, contents: Sequence[Content]) -> Raw:
    """The messages of a request with more behind them."""
    return Raw(bytes(messages)[:-1] + b"," + write_messages(contents) + b"]")


def join_usage(spent: Sequence[Usage], last: Usage | None) -> Usage | None:
    """What several calls of a model used together."""
    if not spent:
        return last
    every = [*spent, last or Usage()]
    return Usage(**{name: sum(getattr(one, name) for one in every) for name in Usage.__struct_fields__})
