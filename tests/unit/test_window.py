"""What the model is shown: valid for the strictest provider, in the budget, the same bytes until the next cut."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from multiturn.engine.window.budget import LOW_WATER, Budgets
from multiturn.engine.window.cache import CachedWindow, WindowCache, WindowKey
from multiturn.engine.window.messages import list_messages, write_messages
from multiturn.engine.window.pairs import NO_RESULT, check_results, pair_calls
from multiturn.engine.window.tokens import TokenRatios
from multiturn.engine.window.truncate import cut_middle
from multiturn.errors import ContextOverflow, InvalidRequest
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning
from multiturn.model.item import Range
from multiturn.model.policy import OverflowStrategy
from tests.unit.conversations import (
    BUDGETS,
    HEADS,
    INSTRUCTIONS,
    MARK,
    MARKED,
    Conversation,
    Exchange,
    call,
    check_newest,
    check_results_fit,
    check_strict,
    exchanges,
    is_shortened,
    model,
    read,
    result,
    text_of,
    user,
)


@settings(deadline=None)
@given(exchanges(), BUDGETS, HEADS)
async def test_every_context_is_valid(turns: list[Exchange], tokens_max: int, instructions: str | None) -> None:
    conversation = Conversation(tokens_max, instructions)
    head = json.loads(instructions or "[]")
    for turn in turns:
        messages = read(await conversation.turn(turn.asked, turn.said))
        assert messages[: len(head)] == head
        check_strict(messages[len(head) :])
        check_results_fit(messages)
        check_newest(messages, turn.asked)


@settings(deadline=None)
@given(exchanges(), BUDGETS, HEADS)
async def test_every_context_fits(turns: list[Exchange], tokens_max: int, instructions: str | None) -> None:
    conversation = Conversation(tokens_max, instructions)
    for turn in turns:
        context = await conversation.turn(turn.asked, turn.said)
        assert context.tokens <= tokens_max
        said = sum(len(text_of(message["content"]).encode()) for message in read(context))
        assert said // 4 <= tokens_max


@settings(deadline=None)
@given(exchanges(), BUDGETS, HEADS)
async def test_prefix_stays_between_cuts(turns: list[Exchange], tokens_max: int, instructions: str | None) -> None:
    conversation = Conversation(tokens_max, instructions)
    before, cut = b"", 1
    for turn in turns:
        context = await conversation.turn(turn.asked, turn.said)
        shown = bytes(context.messages)
        if context.cut == cut and shown.count(MARK) == before.count(MARK):
            assert shown.startswith(before)
        answer = write_messages(turn.said)
        before, cut = shown[:-1] + (b"," + answer if answer else b""), context.cut


async def test_full_context_is_cut_to_low_water() -> None:
    conversation = Conversation(1000, INSTRUCTIONS)
    cuts = [1]
    for number in range(60):
        context = await conversation.turn([user(f"{number} " + "word " * 30)], [model("word " * 30)])
        if context.cut > cuts[-1]:
            assert context.tokens <= 1000 * LOW_WATER["truncate"] + 30
            cuts.append(context.cut)
    assert 3 <= len(cuts) <= 60 // 5


async def test_error_refuses_to_cut() -> None:
    conversation = Conversation(100, overflow="error")
    await conversation.turn([user("hi")], [model("word " * 100)])
    with pytest.raises(ContextOverflow, match="context_overflow=adaptive") as refused:
        await conversation.show(user("and?"))
    assert refused.value.code == "context_length_exceeded"


async def test_result_without_call_is_refused() -> None:
    conversation = Conversation()
    await conversation.turn([user("hi")], [call("look")])
    with pytest.raises(InvalidRequest, match="'other'") as refused:
        await conversation.show(result("other"))
    assert refused.value.code == "unknown_tool_call"


def test_result_may_come_with_its_call() -> None:
    check_results([user("hi"), call("look"), result("look")], [user("hi"), call("look"), result("look")])


@pytest.mark.parametrize(
    ("contents", "shown"),
    [
        ([call("a")], [call("a"), result("a", NO_RESULT)]),
        ([call("a"), call("b"), result("b"), result("a")], [call("a"), call("b"), result("a"), result("b")]),
        ([call("a"), user("hi"), result("a")], [call("a"), result("a"), user("hi")]),
        ([call("a"), result("a", "first"), result("a", "again")], [call("a"), result("a", "again")]),
        ([result("a"), user("hi")], [user("hi")]),
        (
            [call("a"), result("a", "1"), model("so"), call("a"), result("a", "2")],
            [call("a"), result("a", "1"), model("so"), call("a"), result("a", "2")],
        ),
        (
            [call("a"), result("a", "1"), model("so"), call("a"), user("hi")],
            [call("a"), result("a", "1"), model("so"), call("a"), result("a", NO_RESULT), user("hi")],
        ),
        ([Reasoning("hm"), model("hi")], [model("hi")]),
    ],
)
def test_results_stand_behind_their_calls(contents: list[Content], shown: list[Content]) -> None:
    assert pair_calls(contents) == shown


async def test_late_result_takes_its_place() -> None:
    conversation = Conversation()
    await conversation.turn([user("hi")], [call("look"), call("hear")])
    early = read(await conversation.turn([result("look")], [model("and?")]))
    late = read(await conversation.turn([result("hear", "loud")], [model("ah")]))
    assert [message["content"] for message in early[2:]] == ["done", NO_RESULT]
    assert [message["content"] for message in late[2:]] == ["done", "loud", "and?"]


async def test_calls_of_the_newest_results_stay() -> None:
    conversation = Conversation(300)
    await conversation.turn([user("look " * 200)], [model("I look."), call("a"), call("b")])
    messages = read(await conversation.turn([result("b", "word " * 250), result("a", "word " * 250)], [model("so")]))
    assert [message["role"] for message in messages] == ["assistant", "tool", "tool"]
    assert messages[0]["content"] == "I look."
    assert all(MARKED in message["content"] for message in messages[1:])


@pytest.mark.parametrize("as_parts", [False, True])
async def test_message_over_the_budget_loses_its_middle(as_parts: bool) -> None:
    conversation = Conversation(300, INSTRUCTIONS)
    text = "begin " + "middle " * 5000 + "end"
    asked = Message("user", [{"type": "text", "text": text}] if as_parts else text)
    context = await conversation.turn([asked], [model("so")])
    shown = text_of(read(context)[-1]["content"])
    assert shown.startswith("begin middle")
    assert shown.endswith("middle end")
    assert MARKED in shown
    assert 150 < context.tokens <= 300


async def test_shortened_message_is_still_shown_later() -> None:
    conversation = Conversation(400)
    first = await conversation.turn([user("begin " + "middle " * 5000 + "end")], [model("so")])
    second = await conversation.turn([user("and?")], [model("well")])
    assert bytes(second.messages).startswith(bytes(first.messages)[:-1])


@settings(deadline=None)
@given(st.text(min_size=200), st.integers(30, 50))
def test_middle_is_cut_between_characters(text: str, tokens_max: int) -> None:
    text *= 10
    shown = cut_middle(text, tokens_max=tokens_max)
    assert is_shortened(text, shown)
    assert len(shown.encode()) <= 4 * tokens_max


@pytest.mark.parametrize("overflow", ["adaptive", "truncate", "summarize", "error"])
async def test_budget_below_instructions_is_refused(overflow: OverflowStrategy) -> None:
    with pytest.raises(ContextOverflow, match="token_budget") as refused:
        await Conversation(5, INSTRUCTIONS, overflow).show(user("hi"))
    assert refused.value.param == "token_budget"


async def test_instructions_may_change() -> None:
    conversation = Conversation(instructions=INSTRUCTIONS)
    await conversation.turn([user("hi")], [model("ho")])
    conversation.session = replace(conversation.session, instructions='[{"role":"system","content":"Now long."}]')
    messages = read(await conversation.show(user("and?")))
    assert [message["content"] for message in messages] == ["Now long.", "hi", "ho", "and?"]


def test_unknown_fields_are_shown_again() -> None:
    contents: list[Content] = [
        Message("user", "hi", {"name": "Alice"}),
        Message("assistant", None, {"refusal": "no"}),
        FunctionCall("c", "sql", "SELECT 1", "custom", {"index": 0}),
        FunctionCallOutput("c", [{"type": "text", "text": "1"}], {"cache": True}),
    ]
    assert list_messages(contents) == [
        {"role": "user", "content": "hi", "name": "Alice"},
        {
            "role": "assistant",
            "content": None,
            "refusal": "no",
            "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}, "index": 0}],
        },
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "1"}], "cache": True},
    ]


def test_cache_keeps_within_its_bytes() -> None:
    cache = WindowCache(bytes_max=100)
    for number in range(10):
        cache.keep(UUID(int=number), CachedWindow(key=WindowKey((), 1, None, 1), body=b"x" * 30, tokens=1))
        cache.find(UUID(int=0), WindowKey((), 1, None, 1))
    assert cache.find(UUID(int=0), WindowKey((), 1, None, 1))
    assert list(cache.windows) == [UUID(int=8), UUID(int=9), UUID(int=0)]
    assert cache.bytes == 90


@pytest.mark.parametrize(
    "key",
    [
        WindowKey((Range(1, 4),), 1, None, 1),
        WindowKey((Range(1, 2),), 3, None, 1),
        WindowKey((), 1, None, 1),
        WindowKey((Range(1, 2),), 1, 2, 1),
        WindowKey((Range(1, 2),), 1, None, 2),
    ],
)
def test_cache_forgets_another_place(key: WindowKey) -> None:
    cache = WindowCache(bytes_max=100)
    kept = WindowKey((Range(1, 2),), 1, None, 1)
    cache.keep(UUID(int=1), CachedWindow(key=kept, body=b"x", tokens=1))
    assert cache.find(UUID(int=1), key) is None
    assert cache.find(UUID(int=1), kept)


@pytest.mark.parametrize(("named", "learned"), [(4096, 3072), (None, 4608), (9000, 4608)])
def test_refused_length_is_learned(named: int | None, learned: int) -> None:
    budgets = Budgets(ratios=TokenRatios(), context_tokens=None, default_tokens=8192)
    assert budgets.measure("m", window=None, output_max=None) == 7168
    budgets.learn_limit("m", tokens_max=named, tokens_sent=7168)
    assert budgets.measure("m", window=None, output_max=None) == pytest.approx(learned, abs=300)
    assert budgets.measure("other", window=None, output_max=None) == 7168


async def test_stand_ins_are_within_the_budget() -> None:
    conversation = Conversation(200)
    await conversation.turn([user("look")], [call("a"), call("b"), call("c")])
    context = await conversation.show(user("x" * 4 * 150))
    assert context.cut > 1
    conversation = Conversation(240)
    await conversation.turn([user("look")], [call("a"), call("b"), call("c")])
    context = await conversation.show(user("x" * 4 * 150))
    assert [message["content"] for message in read(context)].count(NO_RESULT) == 3
    assert context.tokens <= 240


@pytest.mark.parametrize("instructions", [None, INSTRUCTIONS])
async def test_whole_conversation_as_input_is_cut(instructions: str | None) -> None:
    conversation = Conversation(300, instructions)
    asked: list[Content] = []
    for number in range(40):
        asked += [user(f"{number}: " + "word " * 8), model("word " * 8)]
    asked.append(user("and now?"))
    context = await conversation.turn(asked, [model("well")])
    assert context.tokens <= 300
    assert read(context)[-1]["content"] == "and now?"
    before = [message["content"] for message in read(context)]
    after = [message["content"] for message in read(await conversation.show(user("go on")))]
    assert after == [*before, "well", "go on"]
