"""The loop of an agent: the model speaks, tools of other servers run, it speaks again; some wait for a person."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from multiturn.engine.answering import Bounds, Progress, SteppedAnswer
from multiturn.engine.toolbelt import CALLS_MAX, DENIED, TOO_MANY, Toolbelt
from multiturn.engine.toolsets import NAME_CHARS_MAX, Toolset, Toolsets, name_remote, tell_missing
from multiturn.errors import TooLarge, UpstreamError, UpstreamTimeout
from multiturn.model.completion import ModelRequest
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning
from multiturn.model.step import ApprovalAsked, ApprovalGiven, StepEnded, StepStarted, ToolReturned
from multiturn.model.tool import FunctionTool, McpTools, Tool, ToolAnswer, ToolSpec
from multiturn.model.turn import Decision
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.unit.shelves import TENANT
from tests.unit.test_answering import REQUEST, WHERE, Told
from tests.unit.tool_hosts import DESK, Act, ScriptedHost, echo

SAY = ScriptedCall("desk__echo", '{"text": "one"}', id="call_1")
SAY_TWO = ScriptedCall("desk__echo", '{"text": "two"}', id="call_2")
ASKED = replace(DESK, approval="always")
both = pytest.mark.parametrize("is_streamed", [True, False])


class Desk:
    """An agent with tools of one server."""

    def __init__(
        self, *scripts: Script, tools: dict[str, Act] | None = None, source: Tool = DESK, bounds: Bounds | None = None
    ) -> None:
        self.host = ScriptedHost(tools or {"echo": echo})
        self.told = Told(scripts)
        self.source = source
        self.bounds = bounds or Bounds(result_tokens=4000)
        self.toolset = Toolset()
        self.request: ModelRequest = REQUEST

    async def make(self) -> SteppedAnswer:
        """An answer, not begun yet."""
        sets = Toolsets(self.host, always_looks=False)
        self.toolset, fields = await sets.find(TENANT, (self.source,), REQUEST.fields, has_stores=False)
        self.request = replace(REQUEST, fields={**fields, **self.request.fields})
        belt = Toolbelt(self.toolset, None, self.host, TENANT)
        return SteppedAnswer(self.told.voice, None, belt, self.bounds)

    async def ask(self, *, is_streamed: bool = True) -> SteppedAnswer:
        """Ask once."""
        made = await self.make()
        await made.ask(self.request, is_streamed=is_streamed)
        return made

    @property
    def happened(self) -> list[str]:
        """What was told beside the words."""
        return [type(what).__name__ for what in self.told.happened]


@both
async def test_tools_run_until_the_model_answers(is_streamed: bool) -> None:
    desk = Desk(Script("Let me ask.", tool_calls=[SAY]), Script("It said one."))
    made = await desk.ask(is_streamed=is_streamed)
    assert desk.told.text == "Let me ask.\n\nIt said one."
    call, output = made.items
    assert isinstance(call, FunctionCall)
    assert isinstance(output, FunctionCallOutput)
    assert (call.name, output.output) == ("desk__echo", "You said one.")
    assert [message["role"] for message in desk.told.upstream.requests[1]["messages"]] == ["user", "assistant", "tool"]
    assert desk.happened == ["StepStarted", "ToolCalled", "ToolReturned", "StepEnded", "StepStarted", "StepEnded"]
    first, last = made.steps
    assert [(one.name, one.source, one.result) for one in first.calls] == [("desk__echo", "desk", "You said one.")]
    assert (first.text, last.text, last.calls) == ("Let me ask.", "It said one.", ())


@both
async def test_each_step_that_says_something_is_a_paragraph(is_streamed: bool) -> None:
    steps = Script("One.", tool_calls=[SAY]), Script(tool_calls=[SAY]), Script("Two.", tool_calls=[SAY]), Script("End.")
    desk = Desk(*steps)
    await desk.ask(is_streamed=is_streamed)
    assert desk.told.text == "One.\n\nTwo.\n\nEnd."


@both
async def test_calls_run_at_once_and_their_results_keep_their_order(is_streamed: bool) -> None:
    first = asyncio.Event()

    async def slow(arguments: dict[str, Any]) -> ToolAnswer:
        if arguments["text"] == "one":
            await first.wait()
        else:
            first.set()
        return echo(arguments)

    desk = Desk(Script(tool_calls=[SAY, SAY_TWO]), Script("Both."), tools={"echo": slow})
    made = await desk.ask(is_streamed=is_streamed)
    outputs = [one.output for one in made.items if isinstance(one, FunctionCallOutput)]
    assert outputs == ["You said one.", "You said two."]
    assert desk.host.running_most == 2
    returned = [what.preview for what in desk.told.happened if isinstance(what, ToolReturned)]
    assert returned == ["You said two.", "You said one."]


async def test_words_reach_a_client_as_they_came() -> None:
    desk = Desk(Script("Just an answer."))
    await desk.ask()
    assert [delta.text for delta in desk.told.deltas if delta.text] == ["Just ", "an ", "answer."]
    assert desk.told.happened[0] == StepStarted(step=1)
    assert desk.told.happened[-1] == StepEnded(step=1, finish_reason="stop")


def fail(arguments: dict[str, Any]) -> ToolAnswer:
    raise UpstreamTimeout("It hung.", code="tool_timeout")


@pytest.mark.parametrize(
    ("call", "tools", "said"),
    [
        (SAY, {"echo": fail}, "The tool failed: It hung."),
        (ScriptedCall("desk__echo", "[1]"), {"echo": echo}, "The arguments are no JSON object"),
        (ScriptedCall("desk__echo", '{"text":'), {"echo": echo}, "The arguments are no JSON object"),
        (SAY, {"echo": lambda arguments: ToolAnswer(text="No such desk.", is_error=True)}, "No such desk."),
    ],
)
async def test_the_model_is_told_what_goes_wrong(call: ScriptedCall, tools: dict[str, Act], said: str) -> None:
    desk = Desk(Script(tool_calls=[call]), Script("Sorry."), tools=tools)
    made = await desk.ask()
    (step, _) = made.steps
    assert step.calls[0].is_error
    assert (step.calls[0].result or "").startswith(said)
    assert desk.told.text.endswith("Sorry.")


async def test_long_results_are_shortened_for_the_model_and_kept_whole() -> None:
    text = "word " * 20_000
    tools: dict[str, Act] = {"echo": lambda arguments: ToolAnswer(text=text)}
    desk = Desk(Script(tool_calls=[SAY]), Script("Long."), tools=tools, bounds=Bounds(result_tokens=1000))
    made = await desk.ask()
    kept = made.steps[0].calls[0]
    assert kept.result == text
    assert kept.shown is not None
    assert len(kept.shown) < 4200
    assert made.items[1] == FunctionCallOutput(kept.call_id, kept.shown)


async def test_of_too_many_calls_the_first_are_run() -> None:
    many = [ScriptedCall("desk__echo", '{"text": "n"}', id=f"call_{n}") for n in range(CALLS_MAX + 2)]
    desk = Desk(Script(tool_calls=many), Script("Many."), bounds=Bounds(result_tokens=100_000))
    made = await desk.ask()
    assert len(desk.host.calls) == CALLS_MAX
    assert [call.result for call in made.steps[0].calls][-3:] == ["You said n.", TOO_MANY, TOO_MANY]


@pytest.mark.parametrize(
    ("bounds", "named"),
    [
        (Bounds(result_tokens=4000, tokens=10), "10 tokens"),
        (Bounds(result_tokens=4000, cost_usd=0.5, price=lambda usage: 0.5), "0.5 US dollars"),
    ],
)
async def test_a_run_over_its_limit_fails_and_names_it(bounds: Bounds, named: str) -> None:
    with pytest.raises(TooLarge, match=named) as caught:
        await Desk(Script(tool_calls=[SAY]), Script("Never said."), bounds=bounds).ask()
    assert caught.value.code == "run_limit_reached"


async def test_a_tool_that_hangs_meets_the_limit_of_the_run() -> None:
    tools: dict[str, Act] = {"echo": lambda arguments: asyncio.Event().wait()}  # type: ignore[dict-item, return-value]
    bounds = Bounds(result_tokens=4000, seconds=0.02)
    with pytest.raises(TooLarge, match=r"0\.02 seconds"):
        await Desk(Script(tool_calls=[SAY]), tools=tools, bounds=bounds).ask()


async def test_a_model_that_calls_for_ever_is_stopped() -> None:
    desk = Desk(*[Script(tool_calls=[SAY]) for _ in range(3)], bounds=Bounds(result_tokens=4000, steps=3))
    with pytest.raises(UpstreamError, match="gave no answer"):
        await desk.ask()
    assert desk.told.upstream.requests[-1]["tool_choice"] == "none"


async def test_a_forced_call_is_forced_once() -> None:
    desk = Desk(Script(tool_calls=[SAY]), Script("Done."))
    desk.request = replace(REQUEST, fields={"tool_choice": Raw(b'"required"')})
    await desk.ask()
    assert [seen["tool_choice"] for seen in desk.told.upstream.requests] == ["required", "auto"]


@both
async def test_a_call_waits_for_a_persons_word(is_streamed: bool) -> None:
    desk = Desk(Script("May I?", tool_calls=[SAY]), Script("Thanks."), source=ASKED)
    made = await desk.ask(is_streamed=is_streamed)
    assert not desk.host.calls
    (call,) = made.pending
    asked = desk.told.happened[-1]
    assert asked == ApprovalAsked(
        step=1, call_id=call.call_id, name="desk__echo", arguments=SAY.arguments, source="desk"
    )
    await made.resume(
        desk.request, {call.call_id: Decision(call_id=call.call_id, approved=True)}, is_streamed=is_streamed
    )
    assert desk.host.calls == [("echo", {"text": "one"})]
    assert desk.told.text == "May I?\n\nThanks."
    assert any(isinstance(what, ApprovalGiven) for what in desk.told.happened)


@both
async def test_a_run_goes_on_from_what_was_stored(is_streamed: bool) -> None:
    """Another server, with nothing but the bytes."""
    here = Desk(Script("May I?", tool_calls=[SAY]), source=ASKED)
    made = await here.ask(is_streamed=is_streamed)
    state = msgspec.json.decode(msgspec.json.encode(made.progress()), type=Progress)
    there = Desk(Script("Thanks."), source=ASKED)
    again = await there.make()
    again.restore(state)
    (call,) = again.pending
    words = {call.call_id: Decision(call_id=call.call_id, approved=True)}
    await again.resume(there.request, words, is_streamed=is_streamed)
    assert there.host.calls == [("echo", {"text": "one"})]
    assert [message["role"] for message in there.told.upstream.requests[0]["messages"]] == ["user", "assistant", "tool"]
    assert [step.number for step in again.steps] == [1, 2]
    assert len(again.spent) == 1


async def test_a_call_that_is_denied_is_not_run_and_the_model_is_told_why() -> None:
    desk = Desk(Script(tool_calls=[SAY]), Script("As you like."), source=ASKED)
    made = await desk.ask()
    (call,) = made.pending
    words = {call.call_id: Decision(call_id=call.call_id, approved=False, reason="Not today.")}
    await made.resume(desk.request, words, is_streamed=True)
    assert not desk.host.calls
    assert desk.told.upstream.requests[1]["messages"][-1]["content"] == f"{DENIED} The reason: Not today."
    assert made.steps[0].calls[0].approved is False


async def test_calls_that_need_no_word_do_not_wait_for_one() -> None:
    source = replace(DESK, approval=("echo",))
    look = ScriptedCall("desk__look", '{"text": "free"}', id="call_0")
    desk = Desk(Script(tool_calls=[SAY, look]), Script("Both."), source=source, tools={"echo": echo, "look": echo})
    made = await desk.ask()
    assert desk.host.calls == [("look", {"text": "free"})]
    waiting = [call for call in made.pending if call.result is None]
    assert [call.name for call in waiting] == ["desk__echo"]
    words = {waiting[0].call_id: Decision(call_id=waiting[0].call_id, approved=True)}
    await made.resume(desk.request, words, is_streamed=True)
    assert [name for name, _ in desk.host.calls] == ["look", "echo"]
    outputs = [one.output for one in made.items if isinstance(one, FunctionCallOutput)]
    assert outputs == ["You said one.", "You said free."]


async def test_beside_calls_for_the_client_nothing_waits() -> None:
    desk = Desk(Script(tool_calls=[SAY, WHERE]), source=ASKED)
    made = await desk.ask()
    assert desk.told.calls == ["get_weather"]
    assert not made.pending
    assert not desk.host.calls
    assert made.steps[0].calls[0].approved is False


async def test_what_a_run_leaves_behind_has_no_call_without_its_result() -> None:
    desk = Desk(Script("May I?", tool_calls=[SAY]), source=ASKED)
    made = await desk.ask()
    said: list[Content] = [Reasoning("All of it."), Message("assistant", "May I?")]
    assert made.contents(said) == (Message("assistant", "May I?"),)


def names(found: Sequence[tuple[str, str]], taken: frozenset[str] = frozenset()) -> list[str]:
    """The names of tools by label and name."""
    return [
        tool.name
        for tool in name_remote([(McpTools(label=label), ToolSpec(name=name)) for label, name in found], taken)
    ]


def test_tools_are_named_once_and_as_providers_take_them() -> None:
    assert names([("b", "two words"), ("a", "x")]) == ["a__x", "b__two_words"]
    assert names([("a", "x y"), ("a", "x.y")]) == ["a__x_y", "a__x_y_2"]
    assert names([("a", "x")], frozenset({"a__x"})) == ["a__x_2"]
    long = names([("a", "y" * 90), ("a", "y" * 91)])
    assert max(map(len, long)) == NAME_CHARS_MAX
    assert len(set(long)) == 2


async def test_tools_stand_behind_the_clients_in_the_same_order() -> None:
    own = [{"type": "function", "function": {"name": "mine", "parameters": {}}}]
    fields = {"tools": Raw(json.dumps(own).encode())}
    tools = (DESK, FunctionTool(name="mine"), FunctionTool(name="theirs"))
    sets = Toolsets(ScriptedHost({"b": echo, "a": echo}), always_looks=False)
    toolset, merged = await sets.find(TENANT, tools, fields, has_stores=False)
    told = [tool["function"]["name"] for tool in json.loads(bytes(merged["tools"]))]
    assert told == ["mine", "theirs", "desk__a", "desk__b"]
    assert toolset.names == {"desk__a", "desk__b"}


async def test_tools_that_cannot_be_reached_are_told_as_missing() -> None:
    sets = Toolsets(ScriptedHost({"a": echo}, missing=["far"]), always_looks=False)
    toolset, _ = await sets.find(TENANT, (DESK, McpTools(label="far")), {}, has_stores=False)
    assert [(one.label, one.reason) for one in toolset.missing] == [("far", "'far' is away.")]
    assert toolset.names == {"desk__a"}
    assert "'far'" in tell_missing(toolset.missing)


async def test_a_server_without_a_host_says_that_it_calls_no_tools() -> None:
    toolset, fields = await Toolsets(None, always_looks=False).find(TENANT, (DESK,), {}, has_stores=False)
    assert toolset.missing[0].label == "desk"
    assert not fields
