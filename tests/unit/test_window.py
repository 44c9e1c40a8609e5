"""What the model is shown: valid for the strictest provider, in the budget, the same bytes until the next cut."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from multiturn.engine.window.assemble import Assembler, Budget, Budgets
from multiturn.engine.window.cache import CachedWindow, WindowCache
from multiturn.engine.window.messages import list_messages, write_messages
from multiturn.engine.window.pairs import NO_RESULT, check_results, pair_calls
from multiturn.engine.window.tokens import TokenRatios, count_tokens
from multiturn.engine.window.truncate import LOW_WATER, cut_middle
from multiturn.errors import ContextOverflow, InvalidRequest
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning
from multiturn.model.context import Context, Plan
from multiturn.model.item import Item, Range
from multiturn.model.policy import OverflowStrategy
from multiturn.model.session import Session

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MARKED = "left out here"
MARK = MARKED.encode()
INSTRUCTIONS = '[{"role":"system","content":"Be brief."},{"role":"developer","content":"In English."}]'
ROOMY = 10**6


class MemoryItems:
    """Items in memory."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    async def load(self, tenant_id: UUID, session_id: UUID, ranges: Sequence[Range]) -> Sequence[Item]:
        return [item for range_ in ranges for item in self.items[range_.first - 1 : range_.last]]

    async def list_items(
        self, tenant_id: UUID, session_id: UUID, ranges: Sequence[Range], *, limit: int, newest_first: bool
    ) -> Sequence[Item]:
        items = await self.load(tenant_id, session_id, ranges)
        return (items[::-1] if newest_first else items)[:limit]


@dataclass
class Conversation:
    """A session whose turns are assembled twice: continued from the cache, and rebuilt from the store."""

    tokens_max: int = ROOMY
    instructions: str | None = None
    overflow: OverflowStrategy = "truncate"
    items: MemoryItems = field(default_factory=MemoryItems)

    def __post_init__(self) -> None:
        self.warm = Assembler(self.items, WindowCache(bytes_max=ROOMY))
        self.session = Session(
            id=UUID(int=1),
            tenant_id=UUID(int=2),
            user_id=UUID(int=3),
            external_id=None,
            created_at=NOW,
            active_at=NOW,
            instructions=self.instructions,
        )

    async def show(self, *contents: Content) -> Context:
        """Show the model what a turn with this input shows it."""
        plan = Plan(path=self.session.path, input=contents)
        budget = Budget(tokens_max=self.tokens_max, overflow=self.overflow)
        context = await self.warm.assemble(self.session, plan, budget)
        cold = await Assembler(self.items, WindowCache(bytes_max=ROOMY)).assemble(self.session, plan, budget)
        assert bytes(cold.messages) == bytes(context.messages)
        assert (cold.cut, cold.tokens, cold.is_closed) == (context.cut, context.tokens, context.is_closed)
        return context

    def answer(self, context: Context, asked: Sequence[Content], said: Sequence[Content]) -> None:
        """Store the turn as it ends."""
        for content in (*asked, *said):
            self.items.items.append(
                Item(
                    seq=len(self.items.items) + 1,
                    run_id=UUID(int=4),
                    content=content,
                    tokens=count_tokens(content),
                    created_at=NOW,
                )
            )
        head = len(self.items.items)
        path = (Range(1, head),)
        self.session = replace(self.session, head=head, path=path, cut=context.cut)
        self.warm.keep(context, path, said, sum(map(count_tokens, said)))

    async def turn(self, asked: Sequence[Content], said: Sequence[Content]) -> Context:
        """Take a turn."""
        context = await self.show(*asked)
        self.answer(context, asked, said)
        return context


def read(context: Context) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = json.loads(bytes(context.messages))
    return messages


def user(text: str) -> Message:
    return Message("user", text)


def model(text: str) -> Message:
    return Message("assistant", text)


def call(name: str, call_id: str | None = None) -> FunctionCall:
    return FunctionCall(call_id or name, name, "{}")


def result(name: str, output: str = "done") -> FunctionCallOutput:
    return FunctionCallOutput(name, output)


@dataclass(frozen=True)
class Exchange:
    """The input of a turn, and what the model said to it."""

    asked: list[Content]
    said: list[Content]


TEXTS = st.builds(lambda word, times: word * times, st.sampled_from(["word ", "日本語 ", "x"]), st.integers(0, 120))
LONG_TEXTS = st.builds(lambda times: "long words " * times, st.integers(100, 2000))


@st.composite
def exchanges(draw: st.DrawFn) -> list[Exchange]:
    """Turns with tool calls, parallel ones too; their results come with the next turn, in any order, some never.

    A provider may use its call ids once, or again and again; a client may bring calls of its own.
    """
    reuses_ids = draw(st.booleans())
    turns: list[Exchange] = []
    open_ids: list[str] = []
    for turn in range(draw(st.integers(1, 8))):
        given_ids = [id_ for id_ in draw(st.permutations(open_ids)) if draw(st.integers(0, 5))]
        asked: list[Content] = [result(id_, f"result of turn {turn} for {id_}") for id_ in given_ids]
        if draw(st.integers(0, 5)) == 0:
            own = FunctionCall(f"own_{turn}", "look", json.dumps({"turn": turn - 1}))
            asked += [user("look"), own, result(own.call_id, f"result of turn {turn} for own")]
        if not asked or draw(st.integers(0, 3)) == 0:
            text = draw(st.one_of(TEXTS, TEXTS, TEXTS, LONG_TEXTS))
            parts = [{"type": "text", "text": text}]
            asked.append(Message("user", parts if draw(st.booleans()) else text))
        said: list[Content] = [Reasoning("hm")] if draw(st.booleans()) else []
        count = draw(st.sampled_from([0, 0, 1, 1, 2, 3]))
        if not count or draw(st.booleans()):
            said.append(model(draw(TEXTS)))
        open_ids = [f"call_{place}" if reuses_ids else f"call_{turn}_{place}" for place in range(count)]
        said += [FunctionCall(id_, "look", json.dumps({"turn": turn})) for id_ in open_ids]
        turns.append(Exchange(asked, said))
    return turns


BUDGETS = st.one_of(st.integers(300, 1500), st.just(ROOMY))
HEADS = st.sampled_from([None, INSTRUCTIONS])


def check_strict(messages: Sequence[dict[str, Any]]) -> None:
    """Refuse what the strictest provider refuses: a result without its call directly before it, an open call."""
    open_ids: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] in open_ids, messages
            open_ids.remove(message["tool_call_id"])
            continue
        assert not open_ids, messages
        open_ids = [made["id"] for made in message.get("tool_calls", ())]
        assert len(set(open_ids)) == len(open_ids), messages
    assert not open_ids, messages


def check_results_fit(messages: Sequence[dict[str, Any]]) -> None:
    """Each result stands with the call of the turn before it, though other calls may have the same id."""
    turns: dict[str, int] = {}
    for message in messages:
        turns |= {
            call["id"]: json.loads(call["function"]["arguments"])["turn"] for call in message.get("tool_calls", ())
        }
        if message["role"] == "tool" and message["content"] != NO_RESULT:
            assert message["content"].startswith(f"result of turn {turns[message['tool_call_id']] + 1} "), messages


def check_newest(messages: Sequence[dict[str, Any]], asked: Sequence[Content]) -> None:
    """What was asked is there, the user's words last; of one that is too long the beginning and the end."""
    shown = [message.get("content") for message in messages]
    for message in list_messages(asked):
        said = text_of(message["content"])
        assert any(is_shortened(said, text_of(other)) for other in shown), (message, messages)
    if isinstance(asked[-1], Message):
        assert messages[-1]["role"] == "user"


def text_of(said: Any) -> str:
    return said[0]["text"] if isinstance(said, list) else said or ""


def is_shortened(whole: str, shown: str) -> bool:
    if MARKED not in shown:
        return whole == shown
    before, _, after = shown.partition("\n[…")
    return whole.startswith(before) and whole.endswith(after.partition("…]\n")[2])


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
            assert context.tokens <= 1000 * LOW_WATER + 30
            cuts.append(context.cut)
    assert 3 <= len(cuts) <= 60 // 5


async def test_error_refuses_to_cut() -> None:
    conversation = Conversation(100, overflow="error")
    await conversation.turn([user("hi")], [model("word " * 100)])
    with pytest.raises(ContextOverflow, match="context_overflow=truncate") as refused:
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


async def test_room_below_zero_still_shows_the_newest() -> None:
    conversation = Conversation(5, INSTRUCTIONS)
    assert read(await conversation.turn([user("hi")], [model("ho")]))[-1] == {"role": "user", "content": "hi"}


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
        cache.keep(UUID(int=number), CachedWindow(path=(), cut=1, body=b"x" * 30, tokens=1))
        cache.find(UUID(int=0), (), 1)
    assert cache.find(UUID(int=0), (), 1)
    assert list(cache.windows) == [UUID(int=8), UUID(int=9), UUID(int=0)]
    assert cache.bytes == 90


@pytest.mark.parametrize(("path", "cut"), [((Range(1, 4),), 1), ((Range(1, 2),), 3), ((), 1)])
def test_cache_forgets_another_place(path: tuple[Range, ...], cut: int) -> None:
    cache = WindowCache(bytes_max=100)
    cache.keep(UUID(int=1), CachedWindow(path=(Range(1, 2),), cut=1, body=b"x", tokens=1))
    assert cache.find(UUID(int=1), path, cut) is None
    assert cache.find(UUID(int=1), (Range(1, 2),), 1)


@pytest.mark.parametrize(("named", "learned"), [(4096, 3072), (None, 4608), (9000, 4608)])
def test_refused_length_is_learned(named: int | None, learned: int) -> None:
    budgets = Budgets(ratios=TokenRatios(), context_tokens=None, default_tokens=8192)
    assert budgets.measure("m", window=None, output_max=None) == 7168
    budgets.learn_limit("m", tokens_max=named, tokens_sent=7168)
    assert budgets.measure("m", window=None, output_max=None) == pytest.approx(learned, abs=300)
    assert budgets.measure("other", window=None, output_max=None) == 7168
