"""How a model is heard that answers in steps: it speaks, our tools run, it speaks again. Where the answer rests on
knowledge stores, its citations are checked before they are told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any, NamedTuple

from msgspec import Raw, Struct
from msgspec.structs import replace

from multiturn.engine.answer import Answer, write_call
from multiturn.engine.grounding.citer import Citer
from multiturn.engine.grounding.tools import LOOK_UP
from multiturn.engine.ports import AnswerWire, Clock, Upstream
from multiturn.engine.thoughts import extend, find_dropped, rename_calls
from multiturn.engine.toolbelt import CALLS_MAX, TOO_MANY, Ran, Toolbelt, decide, measure
from multiturn.engine.window.tokens import count_tokens
from multiturn.errors import TooLarge, UpstreamError
from multiturn.model.citation import Citation
from multiturn.model.completion import Completion, Delta, Maker, ModelRequest, ToolCallDelta
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning
from multiturn.model.ids import new_id
from multiturn.model.retrieved import Snippet
from multiturn.model.step import (
    ApprovalAsked,
    ApprovalGiven,
    Happening,
    Step,
    StepEnded,
    StepStarted,
    ToolCall,
    ToolCalled,
    ToolReturned,
)
from multiturn.model.turn import Decision
from multiturn.model.usage import Usage

# So many calls of the model a run may take where its agent does not say; at the last it has to answer.
STEPS_MAX = 9
# Less than this is no room for another result: the model has to answer.
RESULT_TOKENS_MIN = 300
# How much of a result is told while the run goes on.
PREVIEW_CHARS = 200


class Voice(Struct, frozen=True, kw_only=True):
    """Who is asked and who is told: ``speak`` takes pieces that arrived together, ``reply`` a whole answer, ``tell``
    what happens beside the words.
    """

    upstream: Upstream
    wire: AnswerWire
    speak: Callable[[Sequence[Delta]], None]
    reply: Callable[[Completion], None]
    tell: Callable[[Happening], None]
    clock: Clock


class Bounds(Struct, frozen=True, kw_only=True):
    """How far a run may go: calls of the model, tokens of all of them together, seconds, US dollars; and how many
    tokens the results of its tools may take of the context. ``price`` tells what a call cost.
    """

    result_tokens: int
    steps: int = STEPS_MAX
    tokens: int | None = None
    seconds: float | None = None
    cost_usd: float | None = None
    price: Callable[[Usage], float | None] = lambda usage: None


class Progress(Struct, frozen=True, kw_only=True):
    """How far an answer has come, for a run that waits: what it needs to go on behind the calls ``pending``."""

    steps: tuple[Step, ...]
    pending: tuple[ToolCall, ...]
    items: tuple[Content, ...]
    found: tuple[Snippet, ...]
    spent: tuple[Usage, ...]
    citations: tuple[Citation, ...] = ()
    length: int = 0
    before: str = ""
    tokens_left: int = 0
    spent_s: float = 0.0
    has_dropped: bool = False


class Heard(NamedTuple):
    """What the model said in one step: its calls of our tools, where there are no others."""

    answer: Answer
    calls: Sequence[FunctionCall] = ()


class SteppedAnswer:
    """An answer in steps, while it is made.

    ``items`` are the calls and results of the steps so far, ``found`` the sources that they brought, ``spent`` what the
    steps before the last one used. ``pending`` are calls that a person has to approve: the run waits for that.
    ``was_begun``: it was told that the first step begins, and it begins again with a shorter context.
    """

    def __init__(self, voice: Voice, citer: Citer | None, belt: Toolbelt | None, bounds: Bounds) -> None:
        self.voice = voice
        self.citer = citer
        self.belt = belt
        self.bounds = bounds
        self.tokens_left = bounds.result_tokens
        self.items: list[Content] = []
        self.found: list[Snippet] = []
        self.spent: list[Usage] = []
        self.steps: list[Step] = []
        self.pending: tuple[ToolCall, ...] = ()
        self.before = ""
        self.spent_s = 0.0
        self.step_began = 0.0
        self.last: Answer | None = None
        self.has_dropped = False
        self.was_begun = False

    async def ask(self, request: ModelRequest, *, is_streamed: bool) -> None:
        """Ask until the model answers, calls a tool that is not ours, or has to wait for a person's word.

        Raises what the upstream raises, and TooLarge (``run_limit_reached``).
        """
        began = time.perf_counter()
        left_s = None if self.bounds.seconds is None else self.bounds.seconds - self.spent_s
        try:
            async with asyncio.timeout(left_s) as limit:
                await self._go(extend(request, self.items), is_streamed=is_streamed)
        except TimeoutError:
            if not limit.expired():
                raise
            raise limit_reached(f"{self.bounds.seconds:g} seconds") from None
        finally:
            self.spent_s += time.perf_counter() - began

    async def resume(self, request: ModelRequest, decisions: Mapping[str, Decision], *, is_streamed: bool) -> None:
        """Go on behind a person's word. Raises what ``ask`` raises."""
        calls, self.pending = decide(self.pending, decisions), ()
        for call in calls:
            if word := decisions.get(call.call_id):
                said = ApprovalGiven(
                    step=len(self.steps),
                    call_id=call.call_id,
                    name=call.name,
                    approved=word.approved,
                    reason=word.reason,
                )
                self.voice.tell(said)
        self._keep_calls(calls)
        await self._finish_calls(calls)
        self._end(has_calls=True)
        self._check_bounds()
        await self.ask(free_choice(request), is_streamed=is_streamed)

    async def _go(self, request: ModelRequest, *, is_streamed: bool) -> None:
        listen = self._listen if is_streamed else self._receive
        while True:
            is_last = self._is_last()
            self._begin(is_last=is_last)
            heard = await listen(close_tools(request) if is_last and self.belt else request)
            if not heard.calls:
                self._end(has_calls=bool(heard.answer.calls))
                return
            if is_last:
                raise UpstreamError(
                    "The model called its tools to the end and gave no answer.", code="upstream_invalid"
                )
            size = len(self.items)
            await self._call(heard)
            if self.pending:
                return
            self._end(has_calls=True)
            self._check_bounds()
            request = extend(free_choice(request), self.items[size:])

    def _is_last(self) -> bool:
        """Whether the model has to answer now."""
        return self.belt is None or len(self.steps) + 1 >= self.bounds.steps or self.tokens_left < RESULT_TOKENS_MIN

    def _begin(self, *, is_last: bool) -> None:
        self.step_began = time.perf_counter()
        if self.belt and not self.was_begun:
            self.voice.tell(StepStarted(step=len(self.steps) + 1, is_last=is_last))
        self.was_begun = False

    def _note_maker(self, request: ModelRequest, maker: Maker | None) -> None:
        """Tell once a run that somebody else answers than who thought before."""
        dropped = None if self.has_dropped else find_dropped(request, maker)
        if dropped:
            self.has_dropped = True
            self.voice.tell(dropped)

    def _note(self, answer: Answer) -> None:
        """Keep what the model said in this step."""
        self.last = answer
        took_ms = measure(self.step_began)
        step = Step(
            number=len(self.steps) + 1,
            started_at=self.voice.clock() - timedelta(milliseconds=took_ms),
            duration_ms=took_ms,
            text="".join(answer.texts),
            reasoning="".join(answer.thoughts),
            finish_reason=answer.finish_reason,
            usage=answer.usage,
        )
        self.steps.append(step)

    def _end(self, *, has_calls: bool) -> None:
        if self.belt:
            step = self.steps[-1]
            self.voice.tell(StepEnded(step=step.number, finish_reason=step.finish_reason, has_calls=has_calls))

    def _check_bounds(self) -> None:
        """Raise TooLarge when what was used so far is over a limit."""
        bounds = self.bounds
        tokens = sum(usage.input_tokens + usage.output_tokens for usage in self.spent)
        if bounds.tokens is not None and tokens >= bounds.tokens:
            raise limit_reached(f"{bounds.tokens} tokens")
        if bounds.cost_usd is not None and sum(bounds.price(usage) or 0.0 for usage in self.spent) >= bounds.cost_usd:
            raise limit_reached(f"{bounds.cost_usd:g} US dollars")

    async def _listen(self, request: ModelRequest) -> Heard:
        """Hear a step in pieces and tell what may be told; calls of our tools are held back, and run."""
        answer = Answer(follows_result=bool(self.items))
        held: list[Delta] = []
        last: Delta | None = None
        async with aclosing(self.voice.upstream.stream(request)) as stream:
            async for deltas in stream:
                if request.own and deltas:
                    self._note_maker(request, deltas[0].maker)
                told: list[Delta] = []
                for delta in deltas:
                    answer.add(delta)
                    last = delta if delta.has_choices else last
                    if (delta.tool_calls or held) and self.belt:
                        # From the first call on all is held, until it is known whose calls they are.
                        held.append(delta)
                    else:
                        told += self._check(delta)
                if told:
                    self.voice.speak(told)
        self._note(answer)
        ours = [write_call(pieces, answer.maker) for pieces in answer.calls if self._is_ours(pieces)]
        if ours and len(ours) == len(answer.calls):
            self._speak(last, self._pause(answer))
            return Heard(answer, ours)
        if ours:
            await self._call(Heard(answer, ours), others=True)
            held = self._keep_theirs(held, [pieces for pieces in answer.calls if not self._is_ours(pieces)])
        for delta in held:
            if told := [delta] if delta.tool_calls else self._check(delta):
                self.voice.speak(told)
        self._speak(last, self.citer.finish() if self.citer else "")
        return Heard(answer)

    def _is_ours(self, pieces: Sequence[ToolCallDelta]) -> bool:
        """Whether a call is of a tool of ours."""
        return self.belt is not None and any(piece.name in self.belt.names for piece in pieces)

    def _check(self, delta: Delta) -> list[Delta]:
        """What of a piece can be told now: the sentences that are whole, and everything that is no text, as it came."""
        if self.citer is None or (not delta.text and not delta.finish_reason):
            return [delta]
        text = self.citer.feed(delta.text) + (self.citer.finish() if delta.finish_reason else "")
        rest = self.voice.wire.drop_said(delta) if delta.text else delta
        return [*([self.voice.wire.write_text(delta, text)] if text else []), *([rest] if rest else [])]

    def _pause(self, answer: Answer) -> str:
        """What ends the words of a step: what is said next stands in a paragraph of its own."""
        if self.citer:
            return self.citer.pause()
        return "\n\n" if answer.texts else ""

    def _speak(self, like: Delta | None, text: str) -> None:
        if text and like:
            self.voice.speak([self.voice.wire.write_text(like, text)])

    def _keep_theirs(self, held: Sequence[Delta], theirs: Sequence[Sequence[ToolCallDelta]]) -> list[Delta]:
        """What was held, with the calls of the client's tools in one piece and without those of ours."""
        pieces = [join_pieces(place, call) for place, call in enumerate(theirs)]
        rest = [self.voice.wire.drop_said(delta) if delta.tool_calls else delta for delta in held]
        return [self.voice.wire.write_calls(held[0], pieces), *(delta for delta in rest if delta)]

    async def _receive(self, request: ModelRequest) -> Heard:
        """Hear a whole step, check it and tell it; calls of our tools are run instead."""
        completion = await self.voice.upstream.complete(request)
        self._note_maker(request, completion.maker)
        answer = Answer(follows_result=bool(self.items))
        answer.take(completion)
        self._note(answer)
        said = self.citer.feed(completion.text or "") if self.citer else completion.text or ""
        ours = [write_call([piece], answer.maker) for piece in completion.tool_calls if self._is_ours([piece])]
        theirs = [piece for piece in completion.tool_calls if not self._is_ours([piece])]
        if ours and not theirs:
            self.before += said + self._pause(answer)
            return Heard(answer, ours)
        if ours:
            await self._call(Heard(answer, ours), others=True)
        text = self.before + said + (self.citer.finish() if self.citer else "")
        if ours or text != (completion.text or ""):
            completion = self.voice.wire.rewrite_completion(
                completion, text or completion.text, theirs if ours else None
            )
        self.voice.reply(completion)
        return Heard(answer)

    async def _call(self, heard: Heard, *, others: bool = False) -> None:
        """Run the calls of a step, but for those that wait for a person's word.

        Beside calls for the client nothing waits, since those end the run: it is as if the person had said no.
        """
        assert self.belt is not None
        named = [replace(call, call_id=f"{LOOK_UP}{new_id().hex}") for call in heard.calls]
        names = {call.call_id: new.call_id for call, new in zip(heard.calls, named, strict=True)}
        thoughts = rename_calls(heard.answer.write_thoughts(), names)
        self.tokens_left -= sum(map(count_tokens, [*thoughts, *named]))
        self.items += [*thoughts, *named]
        self.last = None
        if not others and heard.answer.usage:
            self.spent.append(heard.answer.usage)
        calls = [self.belt.describe(call) for call in named]
        waiting = [call for call in calls[:CALLS_MAX] if self.belt.waits(call)]
        if others:
            calls = [replace(call, approved=False) if call in waiting else call for call in calls]
        self._keep_calls(calls)
        if waiting and not others:
            await self._run_now([call for call in calls if call not in waiting])
            self.pending = self.steps[-1].calls
            for call in waiting:
                self.voice.tell(ask_for(call, step=len(self.steps)))
            return
        await self._finish_calls(calls)

    async def _finish_calls(self, calls: Sequence[ToolCall]) -> None:
        """Run those calls of the step that have not run yet, and take in what all of them say."""
        await self._run_now([call for call in calls if call.result is None])
        outputs = self._list_outputs()
        self.tokens_left -= sum(map(count_tokens, outputs))
        self.items += outputs

    def _keep_calls(self, calls: Sequence[ToolCall]) -> None:
        """Keep the calls of this step as they are now: of a run that is ended meanwhile, too, it is known which ran."""
        now = {call.call_id: call for call in calls}
        known = self.steps[-1].calls or calls
        self.steps[-1] = replace(self.steps[-1], calls=tuple(now.get(call.call_id, call) for call in known))

    def _list_outputs(self) -> list[FunctionCallOutput]:
        """What the calls of this step have said so far."""
        return [Ran(call).output for call in self.steps[-1].calls if call.result is not None]

    async def _run_now(self, calls: Sequence[ToolCall]) -> None:
        """Run calls of this step; those that ran before have had their part of the room."""
        assert self.belt is not None
        step, room = len(self.steps), self.tokens_left - sum(map(count_tokens, self._list_outputs()))
        for call in calls[:CALLS_MAX]:
            told = ToolCalled(step=step, call_id=call.call_id, name=call.name, arguments=call.arguments)
            self.voice.tell(told)
        ran = await self.belt.run(calls[:CALLS_MAX], tokens_max=max(0, room), on_ran=self._tell_ran)
        for _, sources in ran:
            self.found += sources
            if self.citer:
                self.citer.add(sources)
        self._keep_calls([replace(call, result=TOO_MANY, is_error=True, duration_ms=0.0) for call in calls[CALLS_MAX:]])

    def _tell_ran(self, call: ToolCall) -> None:
        self._keep_calls([call])
        self.voice.tell(
            ToolReturned(
                step=len(self.steps),
                call_id=call.call_id,
                name=call.name,
                preview=(call.result or "")[:PREVIEW_CHARS],
                duration_ms=call.duration_ms or 0.0,
                is_error=call.is_error,
                meta=call.meta,
            )
        )

    def contents(self, said: Sequence[Content]) -> tuple[Content, ...]:
        """What the turn leaves behind: its steps, and the answer with its citations."""
        citations = tuple(self.citer.citations) if self.citer else ()
        cited = [replace(one, citations=citations) if isinstance(one, Message) and citations else one for one in said]
        if not self.items:
            return tuple(cited)
        # What was thought in the steps before stands with them.
        thoughts = self.last.write_thoughts() if self.last else ()
        rest = [one for one in cited if not isinstance(one, Reasoning)]
        return (*self._list_complete(), *thoughts, *rest)

    def _list_complete(self) -> list[Content]:
        """The calls that have a result, with it: others were waiting, or running when the run was ended."""
        answered = {one.call_id for one in self.items if isinstance(one, FunctionCallOutput)}
        items = [*self.items, *(one for one in self._list_outputs() if one.call_id not in answered)]
        answered |= {one.call_id for one in items if isinstance(one, FunctionCallOutput)}
        return [one for one in items if not isinstance(one, FunctionCall) or one.call_id in answered]

    def progress(self) -> Progress:
        """How far it has come, for a run that waits."""
        return Progress(
            steps=tuple(self.steps),
            pending=self.pending,
            items=tuple(self.items),
            found=tuple(self.found),
            spent=tuple(self.spent),
            citations=tuple(self.citer.citations) if self.citer else (),
            length=self.citer.length if self.citer else 0,
            before=self.before,
            tokens_left=self.tokens_left,
            spent_s=self.spent_s,
            has_dropped=self.has_dropped,
        )

    def restore(self, progress: Progress) -> None:
        """Take up an answer where it was."""
        self.steps, self.items = list(progress.steps), list(progress.items)
        self.found, self.spent = list(progress.found), list(progress.spent)
        self.pending, self.before = progress.pending, progress.before
        self.tokens_left, self.spent_s = progress.tokens_left, progress.spent_s
        self.has_dropped = progress.has_dropped
        if self.citer:
            self.citer.add(self.found)
            self.citer.go_on(progress.citations, progress.length)


def join_pieces(place: int, pieces: Sequence[ToolCallDelta]) -> ToolCallDelta:
    """A call in one piece."""
    call = write_call(pieces)
    artefacts = {name: value for piece in pieces for name, value in piece.artefacts.items()}
    return ToolCallDelta(place, call.call_id, call.name, call.arguments, call.kind, artefacts)


def ask_for(call: ToolCall, *, step: int) -> ApprovalAsked:
    """The question whether a call may run."""
    return ApprovalAsked(step=step, call_id=call.call_id, name=call.name, arguments=call.arguments, source=call.source)


async def hear_within(seconds: float | None, hearing: Coroutine[Any, Any, None]) -> None:
    """Hear a model for so long at most. Raises TooLarge (``run_limit_reached``) behind that."""
    if seconds is None:
        await hearing
        return
    try:
        async with asyncio.timeout(seconds) as limit:
            await hearing
    except TimeoutError:
        if not limit.expired():
            raise
        raise limit_reached(f"{seconds:g} seconds") from None


def limit_reached(limit: str) -> TooLarge:
    """The error of a run that is over a limit."""
    return TooLarge(f"The run reached its limit of {limit} before it had an answer.", code="run_limit_reached")


def close_tools(request: ModelRequest) -> ModelRequest:
    """The request with its tools, and the word not to call any: without them the prompt would be another."""
    return replace(request, fields={**request.fields, "tool_choice": Raw(b'"none"')})


def free_choice(request: ModelRequest) -> ModelRequest:
    """The request behind a step: whoever forced a call has got it."""
    if "tool_choice" not in request.fields or bytes(request.fields["tool_choice"]) == b'"none"':
        return request
    return replace(request, fields={**request.fields, "tool_choice": Raw(b'"auto"')})


def join_usage(spent: Sequence[Usage], last: Usage | None) -> Usage | None:
    """What several calls of a model used together."""
    if not spent:
        return last
    every = [*spent, last or Usage()]
    return Usage(**{name: sum(getattr(one, name) for one in every) for name in Usage.__struct_fields__})
