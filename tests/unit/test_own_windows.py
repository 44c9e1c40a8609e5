"""What a provider is shown again of what it thought: for itself alone, and with the same bytes in every turn."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from multiturn.engine.window.assemble import continue_own
from multiturn.engine.window.messages import MAKERS_MAX, list_makers, list_messages, write_messages, write_own
from multiturn.engine.window.tokens import correct, count_tokens
from multiturn.model.content import Artefacts, Content, FunctionCall, Message, Reasoning
from multiturn.model.context import Context
from tests.unit.conversations import (
    BUDGETS,
    HEADS,
    MARK,
    Conversation,
    Exchange,
    call,
    check_strict,
    exchanges,
    model,
    result,
    user,
)

MAKERS = st.lists(st.sampled_from(["a", "b", None]), min_size=8, max_size=8)
SIGNED = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "of a"}]}


def think(maker: str, text: str = "hm", **fields: object) -> Reasoning:
    """What a maker thought."""
    return Reasoning(text, artefacts=Artefacts(maker, dict(fields), "reasoning_content"))


def sign(contents: Sequence[Content], maker: str | None, turn: int) -> list[Content]:
    """An answer of a maker, with what it gave of its reasoning for itself alone."""
    if maker is None:
        return list(contents)
    secret = Artefacts(maker, {"extra_content": f"of {maker}"})
    signed: list[Content] = [
        replace(one, artefacts=secret) if isinstance(one, FunctionCall) else one
        for one in contents
        if not isinstance(one, Reasoning)
    ]
    return [think(maker, f"thought of {maker} in turn {turn}", extra_content=f"of {maker}"), *signed]


def shown_to(context: Context, maker: str) -> bytes:
    """The messages that a maker gets."""
    return bytes(context.own.get(maker, context.messages))


@settings(deadline=None)
@given(exchanges(), MAKERS, BUDGETS, HEADS)
async def test_each_maker_has_its_own_prefix(
    turns: list[Exchange], makers: list[str | None], tokens_max: int, instructions: str | None
) -> None:
    conversation = Conversation(tokens_max, instructions)
    before, cut, marks = dict.fromkeys("ab", b""), 1, 0
    for turn, (exchange, maker) in enumerate(zip(turns, makers, strict=False)):
        said = sign(exchange.said, maker, turn)
        context = await conversation.turn(exchange.asked, said)
        is_same = context.cut == cut and bytes(context.messages).count(MARK) == marks
        for name in "ab":
            shown = shown_to(context, name)
            assert not is_same or shown.startswith(before[name])
            answer = write_messages(said, provider=name)
            before[name] = shown[:-1] + (b"," + answer if answer else b"")
        cut, marks = context.cut, bytes(context.messages).count(MARK)


@settings(deadline=None)
@given(exchanges(), MAKERS, BUDGETS)
async def test_nothing_of_one_reaches_another(turns: list[Exchange], makers: list[str | None], tokens_max: int) -> None:
    conversation = Conversation(tokens_max)
    for turn, (exchange, maker) in enumerate(zip(turns, makers, strict=False)):
        context = await conversation.turn(exchange.asked, sign(exchange.said, maker, turn))
        assert b"of a" not in bytes(context.messages)
        assert b"of b" not in bytes(context.messages)
        assert b"of b" not in shown_to(context, "a")
        assert b"of a" not in shown_to(context, "b")
        for messages in (context.messages, *context.own.values()):
            check_strict(json.loads(bytes(messages)))


@settings(deadline=None)
@given(exchanges(), MAKERS, BUDGETS)
async def test_cached_windows_are_those_of_the_store(
    turns: list[Exchange], makers: list[str | None], tokens_max: int
) -> None:
    warm, cold = Conversation(tokens_max), Conversation(tokens_max)
    for turn, (exchange, maker) in enumerate(zip(turns, makers, strict=False)):
        said = sign(exchange.said, maker, turn)
        cold.warm = cold.make_assembler()
        own = [dict((await one.turn(exchange.asked, said)).own) for one in (warm, cold)]
        assert [list(one) for one in own] == [list(own[1])] * 2
        assert {name: bytes(value) for name, value in own[0].items()} == {
            name: bytes(value) for name, value in own[1].items()
        }


async def test_thoughts_stand_in_the_message_that_they_led_to() -> None:
    conversation = Conversation()
    await conversation.turn([user("look")], [think("a", "I look."), call("look")])
    await conversation.turn([result("look")], [think("a", "I see.", **SIGNED), model("It is there.")])
    context = await conversation.show(user("and now?"))
    assert json.loads(shown_to(context, "a"))[1:4] == [
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "I look.",
            "tool_calls": [{"id": "look", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "look", "content": "done"},
        {"role": "assistant", "content": "It is there.", **SIGNED, "reasoning_content": "I see."},
    ]
    assert context.own.keys() == {"a"}
    assert all("reasoning_content" not in message for message in json.loads(bytes(context.messages)))


async def test_a_session_without_artefacts_has_one_context() -> None:
    conversation = Conversation()
    for _ in range(3):
        context = await conversation.turn([user("hi")], [Reasoning("hm"), model("ho")])
        assert context.own is context.own  # The same empty one for every context.
        assert not context.own_bodies
    (window,) = conversation.warm.cache.windows.values()
    assert not window.own
    assert conversation.warm.cache.bytes == len(window.body)


async def test_windows_of_makers_count_as_bytes() -> None:
    conversation = Conversation()
    await conversation.turn([user("hi")], [think("a"), model("ho")])
    (window,) = conversation.warm.cache.windows.values()
    assert conversation.warm.cache.bytes == len(window.body) + len(window.own["a"])


async def test_only_the_last_makers_are_written_for() -> None:
    conversation = Conversation()
    names = [f"maker {number}" for number in range(MAKERS_MAX + 2)]
    for name in names:
        await conversation.turn([user("hi")], [think(name), model("ho")])
    context = await conversation.show(user("hi"))
    assert list(context.own) == names[-MAKERS_MAX:]
    assert not conversation.warm.cache.windows
    again = await conversation.turn([user("hi")], [think(names[0]), model("ho")])
    assert list(again.own) == names[-MAKERS_MAX:]
    assert list((await conversation.show(user("hi"))).own)[-1] == names[0]


def test_makers_are_told_by_their_last_answer() -> None:
    contents: list[Content] = [think("a"), model("1"), think("b"), model("2"), think("a"), model("3")]
    assert list_makers(contents) == ["b", "a"]
    assert list(write_own(contents)) == ["b", "a"]
    assert write_own([Reasoning("hm"), model("ho")]) == {}


def test_thoughts_without_an_answer_are_not_shown() -> None:
    assert list_messages([think("a"), user("hi"), model("ho")], provider="a") == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "ho"},
    ]


def test_unknown_fields_of_calls_go_to_everybody() -> None:
    made = replace(call("look"), extra={"caller": "me"}, artefacts=Artefacts("a", {"extra_content": {"x": 1}}))
    assert [list(list_messages([made], provider=name)[0]["tool_calls"][0]) for name in ("a", "b")] == [
        ["id", "type", "function", "caller", "extra_content"],
        ["id", "type", "function", "caller"],
    ]


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        (Reasoning("sixteen letters."), 0),
        (Reasoning("sixteen letters.", artefacts=Artefacts("a", {}, "reasoning")), 4),
        (Reasoning("sixteen letters.", artefacts=Artefacts("a", {"b": "c"})), 3),
        (replace(call("look"), artefacts=Artefacts("a", {"b": "c"})), 9),
    ],
)
def test_what_is_shown_again_counts(content: Content, tokens: int) -> None:
    assert count_tokens(content) == tokens


def test_what_is_not_shown_again_counts_nothing() -> None:
    assert correct(Reasoning("a thought"), "a thought", 50) == 0
    assert correct(think("a", "a thought"), "a thought", 50) == 50


async def test_an_answer_continues_every_window() -> None:
    conversation = Conversation()
    await conversation.turn([user("hi")], [think("a"), model("ho")])
    context = await conversation.show(user("hi"))
    own = continue_own(context, [think("b"), model("yes")])
    assert list(own) == ["a", "b"]
    assert own["b"].startswith(context.body)
    assert own["a"].startswith(context.own_bodies["a"])
    assert own["a"].endswith(write_messages([Message("assistant", "yes")]))


def test_an_imported_session_rewrites_no_messages() -> None:
    odd = {"role": "system", "content": "Obey.", "tool_calls": 3, "id": "x", "reasoning": "hm"}
    thought = Reasoning("", artefacts=Artefacts("a", odd, "content"))
    made = replace(call("look"), artefacts=Artefacts("a", odd))
    (message,) = list_messages([thought, made], provider="a")
    assert (message["role"], message["content"], message["reasoning"]) == ("assistant", None, "hm")
    assert message["tool_calls"][0]["id"] == "look"


@pytest.mark.parametrize("size", [400, 4000])
async def test_thoughts_never_fill_the_room(size: int) -> None:
    conversation = Conversation(500)
    thought = think("a", "hm", reasoning_details=[{"data": "e" * size * 4}])
    empty = Reasoning("", artefacts=Artefacts("a"))
    await conversation.turn([user("look")], [empty, thought, replace(call("look"), artefacts=thought.artefacts)])
    context = await conversation.show(result("look", "word " * 200))
    assert context.tokens <= 500
    check_strict(json.loads(shown_to(context, "a")))
    assert len(shown_to(context, "a")) <= 500 * 4 + 400
