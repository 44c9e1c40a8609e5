"""What providers give of their reasoning: read from their answers, folded, carried to the next step, forgotten.

The payloads have the shapes of the providers' documentation, which docs/reasoning.md links to.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from multiturn.engine.answer import Answer, fold
from multiturn.engine.thoughts import extend, find_dropped, forget, join_fields, rename_calls
from multiturn.model.completion import Maker, ModelRequest
from multiturn.model.content import Artefacts, Content, FunctionCall, FunctionCallOutput, Message, Reasoning
from multiturn.model.step import ReasoningDropped
from multiturn.upstream.openai_wire import cut_completion, read_completion, read_delta
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.unit.test_tool_loop import SAY, Desk

MAKER = Maker(name="a")
THINKER = Maker(name="a", wants_thoughts=True)
LOOK: dict[str, Any] = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
CALLED = FunctionCall("c", "look", "{}")


def piece(finish_reason: str | None = None, **delta: Any) -> bytes:
    """A streamed piece."""
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}).encode()


def whole(**message: Any) -> bytes:
    """A whole answer."""
    message = {"role": "assistant", "content": None, **message}
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}).encode()


def details(**detail: Any) -> dict[str, Any]:
    """OpenRouter's field with one detail."""
    return {"reasoning_details": [detail]}


def signature(name: str, value: str) -> dict[str, Any]:
    """Google's field."""
    return {"extra_content": {name: {"thought_signature": value}}}


TEXT = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
ENCRYPTED = {"type": "reasoning.encrypted", "data": "e==", "format": "openai-responses-v1", "id": "rs_1", "index": 1}
SUMMARY = {"type": "reasoning.summary", "index": 0}

OPENROUTER = [
    piece(reasoning="I ", **details(**TEXT, text="I ")),
    piece(reasoning="look.", **details(**TEXT, text="look.")),
    piece(**details(**TEXT, signature="s==")),
    piece(**details(**ENCRYPTED)),
    piece(tool_calls=[{"index": 0, **LOOK}]),
    piece("tool_calls"),
]
GEMINI = [
    piece(tool_calls=[{"index": 0, **LOOK, **signature("google", "s==")}]),
    piece("stop", **signature("google", "t==")),
]
DEEPSEEK = [
    piece(role="assistant", content=None, reasoning_content=""),
    piece(reasoning_content="I "),
    piece(reasoning_content="look."),
    piece(tool_calls=[{"index": 0, **LOOK}]),
    piece("tool_calls"),
]
VLLM = [piece(reasoning="I look."), piece(tool_calls=[{"index": 0, **LOOK}]), piece("tool_calls")]
TOLD = [{**TEXT, "text": "I look.", "signature": "s=="}, ENCRYPTED]


@pytest.mark.parametrize(
    ("pieces", "maker", "said"),
    [
        (OPENROUTER, MAKER, [Reasoning("I look.", artefacts=Artefacts("a", {"reasoning_details": TOLD})), CALLED]),
        (
            GEMINI,
            MAKER,
            [
                Reasoning("", artefacts=Artefacts("a", signature("google", "t=="))),
                FunctionCall("c", "look", "{}", artefacts=Artefacts("a", signature("google", "s=="))),
            ],
        ),
        (DEEPSEEK, THINKER, [Reasoning("I look.", artefacts=Artefacts("a", {}, "reasoning_content")), CALLED]),
        (VLLM, THINKER, [Reasoning("I look.", artefacts=Artefacts("a", {}, "reasoning")), CALLED]),
        (VLLM, MAKER, [Reasoning("I look."), CALLED]),
        (OPENROUTER, None, [Reasoning("I look."), CALLED]),
        (GEMINI, None, [CALLED]),
    ],
)
def test_streamed_thoughts_are_folded(pieces: list[bytes], maker: Maker | None, said: list[Content]) -> None:
    answer = fold([read_delta(one, maker) for one in pieces])
    assert answer.contents() == tuple(said)
    assert answer.maker == maker


@pytest.mark.parametrize(
    ("message", "maker", "said"),
    [
        (
            {"reasoning": "I look.", "reasoning_details": TOLD, "tool_calls": [LOOK]},
            MAKER,
            [Reasoning("I look.", artefacts=Artefacts("a", {"reasoning_details": TOLD})), CALLED],
        ),
        (
            {"tool_calls": [{**LOOK, **signature("vertex", "s==")}]},
            MAKER,
            [FunctionCall("c", "look", "{}", artefacts=Artefacts("a", signature("vertex", "s==")))],
        ),
        (
            {"reasoning_content": "I look.", "tool_calls": [LOOK]},
            THINKER,
            [Reasoning("I look.", artefacts=Artefacts("a", {}, "reasoning_content")), CALLED],
        ),
        (
            {"reasoning": None, "reasoning_details": None, "extra_content": None, "tool_calls": [LOOK]},
            THINKER,
            [CALLED],
        ),
    ],
)
def test_whole_thoughts_are_read(message: dict[str, Any], maker: Maker, said: list[Content]) -> None:
    answer = Answer()
    answer.take(read_completion(whole(**message), maker))
    assert answer.contents() == tuple(said)
    pieces = [read_delta(one, maker) for one in cut_completion(whole(**message))]
    assert fold(pieces).contents() == tuple(said)


def test_thoughts_are_carried_only_where_tools_are() -> None:
    pieces = [read_delta(one, THINKER) for one in (piece(reasoning_content="hm", **details(data="e")), piece("stop"))]
    plain, behind = fold(pieces), fold(pieces)
    behind.follows_result = True
    assert plain.contents()[0] == Reasoning("hm")
    fields = {"reasoning_details": [{"data": "e"}]}
    assert behind.contents()[0] == Reasoning("hm", artefacts=Artefacts("a", fields, "reasoning_content"))
    assert behind.contents(is_whole=False)[0] == Reasoning("hm")


@pytest.mark.parametrize(
    ("pieces", "joined"),
    [
        ([[{**TEXT, "text": "a"}], [{**TEXT, "text": "b"}], [{**TEXT, "signature": "s"}]], [("ab", "s")]),
        (
            [[{**TEXT, "text": "a", "signature": "s"}], [{**TEXT, "text": "b", "signature": "t"}]],
            [("a", "s"), ("b", "t")],
        ),
        (
            [[{**TEXT, "text": "a"}, {**TEXT, "signature": "s"}, {**TEXT, "index": 1, "text": "b", "signature": "t"}]],
            [("a", "s"), ("b", "t")],
        ),
        ([[{**SUMMARY, "summary": "a"}], [{**SUMMARY, "summary": "b"}]], [("ab", None)]),
        ([[{**SUMMARY, "summary": "a"}], [{**SUMMARY, "index": 2, "summary": "b"}]], [("a", None), ("b", None)]),
        ([[{**TEXT, "text": "not signed"}]], []),
        ([[{**TEXT, "text": "a", "format": "google-gemini-v1"}], [ENCRYPTED]], [("", None)]),
        ([[{**TEXT, "text": "a", "format": "unknown"}]], [("a", None)]),
    ],
)
def test_pieces_of_details_are_joined(pieces: list[Any], joined: list[tuple[str, str | None]]) -> None:
    fields = join_fields([{"reasoning_details": Raw(json.dumps(one).encode())} for one in pieces])
    found = [
        (one.get("text", one.get("summary", "")), one.get("signature")) for one in fields.get("reasoning_details", [])
    ]
    assert found == joined


@pytest.mark.parametrize(
    "nonsense", [b"3", b'"text"', b'{"a":1}', b"[3, null, [], {}]", b"[", b"\xff", b"[" * 5000, b"[" * 40 + b"]" * 40]
)
def test_nonsense_is_no_reason_to_fail(nonsense: bytes) -> None:
    fields = join_fields([{"reasoning_details": Raw(nonsense)}, {"reasoning_details": Raw(b'[{"text":3}]')}])
    assert fields["reasoning_details"][-1] == {"text": 3}


@pytest.mark.parametrize("value", [3, "text", [[]], {"google": 3}])
def test_odd_artefacts_of_providers_are_carried_as_they_came(value: Any) -> None:
    answer = fold([read_delta(piece(tool_calls=[{"index": 0, **LOOK, "extra_content": value}]), MAKER)])
    (call,) = answer.contents()
    assert isinstance(call, FunctionCall)
    assert call.artefacts == Artefacts("a", {"extra_content": value})


def ask(**own: bytes) -> ModelRequest:
    """A request with messages of its own for some."""
    raw = {name: Raw(value) for name, value in own.items()}
    return ModelRequest(model="m", messages=Raw(b'[{"role":"user","content":"hi"}]'), own=raw)


STEP: list[Content] = [
    Reasoning("hm", artefacts=Artefacts("a", {}, "reasoning_content")),
    CALLED,
    FunctionCallOutput("c", "seen"),
]


def test_a_step_is_carried_to_the_next() -> None:
    request = extend(ask(), STEP)
    assert list(request.own) == ["a"]
    assert b"reasoning_content" not in bytes(request.messages)
    mine = msgspec.json.decode(request.own["a"])
    assert mine[1]["reasoning_content"] == "hm"
    assert [message["role"] for message in mine] == ["user", "assistant", "tool"]
    again = extend(request, STEP)
    assert bytes(again.own["a"]).startswith(bytes(request.own["a"])[:-1])
    assert bytes(again.messages).startswith(bytes(request.messages)[:-1])
    assert len(msgspec.json.decode(again.own["a"])) == 5


def test_a_step_of_another_begins_with_what_everybody_gets() -> None:
    request = extend(ask(b=b'[{"role":"user","content":"hi, b"}]'), STEP)
    assert list(request.own) == ["b", "a"]
    assert msgspec.json.decode(request.own["a"])[0]["content"] == "hi"
    assert msgspec.json.decode(request.own["b"])[0]["content"] == "hi, b"
    assert b"reasoning_content" not in bytes(request.own["b"])


def test_a_step_without_thoughts_costs_nothing() -> None:
    assert extend(ask(), [Message("assistant", "ho")]).own == {}
    assert extend(request := ask(), []) is request
    empty = ModelRequest(model="m", messages=Raw(b"[]"))
    assert bytes(extend(empty, [Message("user", "hi")]).messages) == b'[{"role":"user","content":"hi"}]'


@pytest.mark.parametrize(
    ("request_", "maker", "told"),
    [
        (ask(), MAKER, None),
        (ask(a=b"[]"), MAKER, None),
        (ask(a=b"[]", b=b"[]"), MAKER, ReasoningDropped(from_provider="b", to_provider="a")),
        (ask(b=b"[]"), MAKER, ReasoningDropped(from_provider="b", to_provider="a")),
        (ask(b=b"[]"), None, ReasoningDropped(from_provider="b", to_provider="m")),
    ],
)
def test_what_is_dropped_is_told(request_: ModelRequest, maker: Maker | None, told: ReasoningDropped | None) -> None:
    assert find_dropped(request_, maker) == told


def test_details_follow_the_ids_of_calls() -> None:
    thought = Reasoning("", artefacts=Artefacts("a", {"reasoning_details": [{**ENCRYPTED, "id": "c"}, ENCRYPTED, 3]}))
    plain: list[Content] = [Reasoning("hm"), CALLED]
    renamed, *rest = rename_calls([thought, *plain], {"c": "new"})
    assert isinstance(renamed, Reasoning)
    assert renamed.artefacts
    assert renamed.artefacts.fields["reasoning_details"] == [{**ENCRYPTED, "id": "new"}, ENCRYPTED, 3]
    assert rest == plain


def test_what_was_thought_can_be_forgotten() -> None:
    signed = FunctionCall("c", "look", "{}", artefacts=Artefacts("a", {"x": 1}))
    said = Message("assistant", "ho")
    assert forget([*STEP[:1], signed, said]) == (CALLED, said)


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_loop_carries_what_each_step_thought(is_streamed: bool) -> None:
    details_ = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "e==", "id": "call_1"}]}
    first = Script("Wait.", thoughts="I look.", extra=details_, tool_calls=[SAY])
    desk = Desk(first, Script("Done.", thoughts="I see.", extra=signature("google", "t==")))
    desk.told.upstream.maker = THINKER
    made = await desk.ask(is_streamed=is_streamed)
    step, result = desk.told.upstream.requests[1]["messages"][1:]
    assert step["reasoning_content"] == "I look."
    assert step["reasoning_details"][0]["id"] == step["tool_calls"][0]["id"] == result["tool_call_id"] != "call_1"
    thought, _, _, last, _ = made.contents([Reasoning("I look.I see."), Message("assistant", "Wait.\n\nDone.")])
    assert isinstance(thought, Reasoning)
    assert thought.artefacts
    assert last == Reasoning("I see.", artefacts=Artefacts("a", signature("google", "t=="), "reasoning_content"))


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_another_makers_step_is_told_once(is_streamed: bool) -> None:
    desk = Desk(Script(tool_calls=[SAY]), Script("Done."))
    desk.told.upstream.maker = MAKER
    made = await desk.make()
    await made.ask(replace(desk.request, own={"b": desk.request.messages}), is_streamed=is_streamed)
    assert [what for what in desk.told.happened if isinstance(what, ReasoningDropped)] == [
        ReasoningDropped(from_provider="b", to_provider="a")
    ]


async def test_the_clients_calls_keep_their_signatures() -> None:
    theirs = ScriptedCall("get_weather", extra=signature("google", "s=="), id="call_2")
    desk = Desk(Script("Both.", tool_calls=[SAY, theirs]))
    desk.told.upstream.maker = MAKER
    await desk.ask()
    (call,) = [one for one in fold(desk.told.deltas).contents() if isinstance(one, FunctionCall)]
    assert call == FunctionCall("call_2", "get_weather", "{}", artefacts=Artefacts("a", signature("google", "s==")))
