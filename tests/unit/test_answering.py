"""An answer over a knowledge store while it is made: steps, tools, and what is told of it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from msgspec import Raw, structs
from msgspec.structs import replace

from multiturn.engine.answer import fold
from multiturn.engine.answer_choice import is_json
from multiturn.engine.answering import Bounds, SteppedAnswer, Voice, join_usage
from multiturn.engine.grounding.alignment import SourceReader
from multiturn.engine.grounding.citer import Citer
from multiturn.engine.grounding.sources import Sources
from multiturn.engine.grounding.tools import KnowledgeTools, Searchable
from multiturn.engine.schema_answers import SchemaAnswer
from multiturn.engine.search.terms import TermReader
from multiturn.engine.toolbelt import Toolbelt
from multiturn.engine.toolsets import Toolsets
from multiturn.engine.window.question import StoreChoice
from multiturn.errors import UpstreamError, UpstreamRefused
from multiturn.model.completion import Completion, Delta, ModelRequest
from multiturn.model.content import FunctionCall, FunctionCallOutput, Message
from multiturn.model.step import Happening
from multiturn.model.usage import Usage
from multiturn.upstream import openai_wire
from multiturn.upstream.scripted import Script, ScriptedCall, ScriptedUpstream
from tests.unit.shelves import STORE, TENANT, Shelf, ask

REQUEST = ModelRequest(model="m", messages=Raw(b'[{"role":"user","content":"Who eats krill?"}]'))
LOOK = ScriptedCall("search_knowledge", '{"query": "iron bridge"}')
WHERE = ScriptedCall("get_weather", '{"city": "Oslo"}', id="call_2")
SCHEMA = {
    "type": "object",
    "properties": {"eats": {"type": "string"}},
    "required": ["eats"],
    "additionalProperties": False,
}


class Told:
    """What was told of an answer."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self.upstream = ScriptedUpstream(list(scripts))
        self.deltas: list[Delta] = []
        self.completion: Completion | None = None
        self.happened: list[Happening] = []
        self.voice = Voice(
            upstream=self.upstream,
            wire=cast(Any, openai_wire),
            speak=self.deltas.extend,
            reply=self.take,
            tell=self.happened.append,
            clock=lambda: datetime.now(UTC),
        )

    def take(self, completion: Completion) -> None:
        self.completion = completion

    @property
    def text(self) -> str:
        """The text that a client has."""
        return (self.completion.text or "") if self.completion else "".join(delta.text for delta in self.deltas)

    @property
    def calls(self) -> list[str]:
        """The tools that a client is told to run."""
        if self.completion:
            return [call.name or "" for call in self.completion.tool_calls]
        return ["".join(piece.name or "" for piece in call) for call in fold(self.deltas).calls]


async def answer(
    *scripts: Script,
    is_streamed: bool,
    with_tools: bool = True,
    request: ModelRequest = REQUEST,
    tokens_max: int = 4000,
) -> tuple[Told, SteppedAnswer]:
    """Ask over the store."""
    shelf, told = Shelf(), Told(scripts)
    question = ask("Who eats krill?")
    sources = Sources(shelf, cast(Any, shelf))
    assert question.plan.stores
    shown = (await sources.find(question, question.plan.stores, "krill", tokens_max=40)).snippets
    searchable = Searchable(knowledge=shelf, registry=cast(Any, shelf), parts=cast(Any, shelf))
    belt = None
    if with_tools:
        toolset, fields = await Toolsets(None, always_looks=True).find(TENANT, (), request.fields, has_stores=True)
        request = replace(request, fields=fields)
        knowledge = KnowledgeTools(searchable, TENANT, StoreChoice(store_ids=(STORE,)), shown)
        belt = Toolbelt(toolset, knowledge, None, TENANT)
    made = SteppedAnswer(told.voice, Citer(shown, SourceReader(TermReader())), belt, Bounds(result_tokens=tokens_max))
    await made.ask(request, is_streamed=is_streamed)
    return told, made


both = pytest.mark.parametrize("is_streamed", [True, False])


@both
async def test_told_text_is_the_checked_text(is_streamed: bool) -> None:
    told, made = await answer(Script("They eat krill and fish. Nobody says [9] this."), is_streamed=is_streamed)
    assert told.text == "They eat krill and fish [1]. Nobody says this."
    (message,) = made.contents([Message("assistant", told.text)])
    assert isinstance(message, Message)
    assert [told.text[one.start : one.end] for one in message.citations] == ["[1]"]


@both
async def test_our_tools_are_run_and_told_to_nobody(is_streamed: bool) -> None:
    told, made = await answer(
        Script("Let me see.", tool_calls=[LOOK]),
        Script("The first iron bridge opened in 1781."),
        is_streamed=is_streamed,
    )
    assert told.calls == []
    assert told.text.startswith("Let me see.\n\nThe first iron bridge opened in 1781 [")
    call, output = made.items
    assert isinstance(call, FunctionCall)
    assert isinstance(output, FunctionCallOutput)
    assert call.name == "search_knowledge"
    again = told.upstream.requests[1]["messages"]
    assert [message["role"] for message in again] == ["user", "assistant", "tool"]
    assert again[-1]["content"] == output.output
    assert len(made.spent) == 1
    assert (join_usage(made.spent, None) or made.spent[0]).input_tokens == made.spent[0].input_tokens


@both
async def test_calls_for_the_client_end_the_answer(is_streamed: bool) -> None:
    told, made = await answer(Script("One moment.", tool_calls=[WHERE]), is_streamed=is_streamed)
    assert told.calls == ["get_weather"]
    assert told.text == "One moment."
    assert not made.items


@both
async def test_a_model_that_only_looks_up_has_to_answer_at_last(is_streamed: bool) -> None:
    scripts = [Script(tool_calls=[LOOK]) for _ in range(8)]
    told, made = await answer(*scripts, Script("They eat krill and fish."), is_streamed=is_streamed)
    assert told.text.endswith("They eat krill and fish [1].")
    # The tools stay where they are, so that the prompt begins with the same bytes.
    assert told.upstream.requests[-1]["tool_choice"] == "none"
    assert told.upstream.requests[-1]["tools"] == told.upstream.requests[0]["tools"]
    assert len(made.items) == 16


@both
async def test_a_model_that_never_answers_fails(is_streamed: bool) -> None:
    with pytest.raises(UpstreamError):
        await answer(*[Script(tool_calls=[LOOK]) for _ in range(9)], is_streamed=is_streamed)


@both
async def test_without_room_for_a_result_it_has_to_answer(is_streamed: bool) -> None:
    scripts = Script(tool_calls=[LOOK]), Script("They eat krill and fish.")
    told, made = await answer(*scripts, is_streamed=is_streamed, tokens_max=310)
    assert told.upstream.requests[-1]["tool_choice"] == "none"
    assert made.tokens_left < 310


@both
async def test_a_clients_own_tool_of_the_same_name_is_the_clients(is_streamed: bool) -> None:
    own = [{"type": "function", "function": {"name": "search_knowledge", "parameters": {}}}]
    request = replace(REQUEST, fields={"tools": Raw(json.dumps(own).encode())})
    told, made = await answer(Script(tool_calls=[LOOK]), is_streamed=is_streamed, request=request)
    assert told.calls == ["search_knowledge"]
    assert not made.items
    names = [tool["function"]["name"] for tool in told.upstream.requests[0]["tools"]]
    assert sorted(names) == ["list_items", "read_around", "read_outline", "search_knowledge"]


@both
async def test_of_calls_together_ours_are_run_and_the_others_passed_on(is_streamed: bool) -> None:
    told, made = await answer(Script("Penguins [77].", tool_calls=[LOOK, WHERE]), is_streamed=is_streamed)
    assert told.calls == ["get_weather"]
    assert told.text == "Penguins."
    assert [type(item).__name__ for item in made.items] == ["FunctionCall", "FunctionCallOutput"]


class Pieces(ScriptedUpstream):
    """An upstream that says the pieces that it was given, as they are."""

    def __init__(self, pieces: Sequence[dict[str, Any]]) -> None:
        super().__init__([])
        self.pieces = pieces

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta]]:
        for piece in self.pieces:
            yield [openai_wire.read_delta(json.dumps({"id": "c", "model": "m", **piece}).encode())]


def choice(index: int = 0, end: str | None = None, **delta: Any) -> dict[str, Any]:
    """A choice of a piece."""
    return {"index": index, "delta": delta, "finish_reason": end}


PIECES: Sequence[Sequence[dict[str, Any]]] = (
    [{"choices": [choice(role="assistant", content="They eat krill.", reasoning_content="Hm.", end="stop")]}],
    [
        {"choices": [choice(role="assistant", content="")]},
        {"choices": [choice(content="They eat ", reasoning_content="Hm.")]},
        {"choices": [choice(content="krill."), choice(1, content="Fish.")]},
        {"choices": [choice(end="stop")], "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
    ],
    [
        {"choices": [choice(role="assistant", content="They eat krill.", reasoning_content="Hm.")]},
        {"choices": [choice(1, content="Fish.")]},
    ],
)


@pytest.mark.parametrize("pieces", PIECES)
async def test_what_is_no_text_is_passed_on_once(pieces: Sequence[dict[str, Any]]) -> None:
    told = Told(())
    voice = structs.replace(told.voice, upstream=Pieces(pieces))
    citer = Citer((), SourceReader(TermReader()))
    await SteppedAnswer(voice, citer, None, Bounds(result_tokens=0)).ask(REQUEST, is_streamed=True)
    said = fold(told.deltas)
    assert ("".join(said.texts), "".join(said.thoughts)) == ("They eat krill.", "Hm.")
    raw = [one for delta in told.deltas for one in json.loads(delta.raw)["choices"]]
    sent = [one for piece in pieces for one in piece["choices"]]
    others = ["".join(one["delta"].get("content") or "" for one in side if one["index"] == 1) for side in (raw, sent)]
    assert others[0] == others[1]
    assert sum(bool(one["delta"].get("role")) for one in raw) == 1
    ends = [[one["finish_reason"] for one in side if one["finish_reason"]] for side in (raw, sent)]
    assert ends[0] == ends[1]


@both
async def test_without_tools_none_are_offered(is_streamed: bool) -> None:
    told, _ = await answer(Script("Krill."), is_streamed=is_streamed, with_tools=False)
    assert "tools" not in told.upstream.requests[0]


async def by_schema(*scripts: Script, is_streamed: bool = False) -> tuple[Told, SchemaAnswer]:
    """Ask for an answer that fits the schema."""
    told = Told(scripts)
    made = SchemaAnswer(told.voice, SCHEMA)
    await made.ask(REQUEST, is_streamed=is_streamed)
    return told, made


@both
async def test_answer_by_a_schema_is_told_when_it_fits(is_streamed: bool) -> None:
    told, made = await by_schema(
        Script("I do not know."), Script('```json\n{"eats": "krill", "more": 1}\n```'), is_streamed=is_streamed
    )
    assert json.loads(told.text) == {"eats": "krill"}
    assert len(made.spent) == 1
    assert told.upstream.requests[0]["response_format"]["json_schema"]["schema"] == SCHEMA
    assert told.upstream.requests[1]["messages"][-2]["content"] == "I do not know."


@pytest.mark.parametrize("has_tools", [True, False])
async def test_an_answer_by_a_schema_calls_no_tools_of_ours(has_tools: bool) -> None:
    told = Told([Script('{"eats": "krill"}')])
    await SchemaAnswer(told.voice, SCHEMA, has_tools=has_tools).ask(REQUEST, is_streamed=False)
    assert told.upstream.requests[0].get("tool_choice") == ("none" if has_tools else None)


async def test_answer_that_never_fits_fails() -> None:
    with pytest.raises(UpstreamError) as caught:
        await by_schema(*[Script("No.")] * 3)
    assert caught.value.code == "schema_not_met"


async def test_provider_without_schemas_is_told_in_words() -> None:
    refused = UpstreamRefused("response_format is not supported", status=400, body=b"{}")
    told, _ = await by_schema(Script(error=refused), Script('{"eats": "krill"}'))
    assert "response_format" not in told.upstream.requests[1]
    assert '"eats"' in told.upstream.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, False),
        ({"type": "text"}, False),
        ({"type": "json_object"}, True),
        ({"type": "json_schema", "json_schema": {"name": "a"}}, True),
        ("json_object", False),
        ([], False),
    ],
)
def test_answers_that_are_json_are_known_by_their_format(wanted: Any, expected: bool) -> None:
    fields = {} if wanted is None else {"response_format": Raw(json.dumps(wanted).encode())}
    assert is_json(fields) is expected


@pytest.mark.parametrize(
    ("spent", "last", "expected"),
    [
        ([], None, None),
        ([], Usage(input_tokens=1), Usage(input_tokens=1)),
        ([Usage(input_tokens=1, output_tokens=2)], None, Usage(input_tokens=1, output_tokens=2)),
        (
            [Usage(input_tokens=1), Usage(input_tokens=2, cached_tokens=1)],
            Usage(input_tokens=4, output_tokens=3, reasoning_tokens=2),
            Usage(input_tokens=7, cached_tokens=1, output_tokens=3, reasoning_tokens=2),
        ),
    ],
)
def test_all_calls_of_a_turn_are_counted(spent: list[Usage], last: Usage | None, expected: Usage | None) -> None:
    assert join_usage(spent, last) == expected


@both
async def test_an_answer_that_broke_off_is_told_as_it_is(is_streamed: bool) -> None:
    class Short(ScriptedUpstream):
        async def complete(self, request: ModelRequest) -> Completion:
            whole = await super().complete(request)
            return structs.replace(whole, finish_reason="length")

    told = Told(())
    voice = structs.replace(told.voice, upstream=Short([Script('{"eats": "kri')]))
    made = SchemaAnswer(voice, SCHEMA)
    await made.ask(REQUEST, is_streamed=is_streamed)
    assert told.text == '{"eats": "kri'
    assert made.spent == []
