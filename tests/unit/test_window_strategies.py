"""What stands for what was cut: summaries and recalled blocks, within the budget, the same bytes until the next cut."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from multiturn.engine.window.assemble import measure_room
from multiturn.engine.window.blocks import CLOSING, OPENING, fence
from multiturn.engine.window.budget import Budget
from multiturn.engine.window.messages import write_messages
from multiturn.engine.window.tokens import count_tokens
from multiturn.errors import ContextOverflow
from multiturn.model.content import FunctionCall, Message, Summary
from multiturn.model.context import Context, Plan
from multiturn.model.item import Item, Range
from multiturn.model.policy import OverflowStrategy
from tests.unit.conversations import (
    HEADS,
    INSTRUCTIONS,
    MARK,
    NOW,
    Conversation,
    Exchange,
    WordyMemory,
    call,
    check_newest,
    check_results_fit,
    check_strict,
    exchanges,
    model,
    read,
    result,
    text_of,
    user,
)

STRATEGIES = st.sampled_from(["adaptive", "summarize", "truncate"])
BUDGETS = st.integers(300, 1500)
SHARES = st.sampled_from([0.0, 0.3, 1.0])


def hold(tokens_max: int, head: str | None, overflow: OverflowStrategy, share: float = 1.0) -> Conversation:
    """A conversation that recalls and summarizes."""
    memory = WordyMemory(share)
    return Conversation(
        tokens_max, head, overflow, recall_tokens=tokens_max // 8, summarizes=overflow != "truncate", memory=memory
    )


async def fill(conversation: Conversation, turns: int = 40) -> list[Context]:
    """Talk until the context was cut some times."""
    return [
        await conversation.turn([user(f"{number} " + "word " * 30)], [model("word " * 30)]) for number in range(turns)
    ]


@settings(deadline=None, max_examples=200)
@given(exchanges(), BUDGETS, HEADS, STRATEGIES, SHARES)
async def test_every_strategy_keeps_contexts_valid(
    turns: list[Exchange], tokens_max: int, head: str | None, overflow: OverflowStrategy, share: float
) -> None:
    conversation = hold(tokens_max, head, overflow, share)
    for turn in turns:
        context = await conversation.turn(turn.asked, turn.said)
        messages = read(context)
        check_strict([message for message in messages if message["role"] not in ("system", "developer")])
        check_results_fit([strip(message) for message in messages])
        check_newest([strip(message) for message in messages], turn.asked)
        assert context.tokens <= tokens_max
        assert sum(len(text_of(message["content"]).encode()) for message in messages) // 4 <= tokens_max
        assert context.tokens == sum(part.tokens for part in context.record.parts)


@settings(deadline=None, max_examples=200)
@given(exchanges(), BUDGETS, HEADS, STRATEGIES, SHARES)
async def test_prefix_stays_with_summaries_and_blocks(
    turns: list[Exchange], tokens_max: int, head: str | None, overflow: OverflowStrategy, share: float
) -> None:
    conversation = hold(tokens_max, head, overflow, share)
    before, place = b"", (1, 1)
    for turn in turns:
        context = await conversation.turn(turn.asked, turn.said)
        shown = bytes(context.messages)
        here = (context.cut, context.shown.blocks_from)
        if here == place and shown.count(MARK) == before.count(MARK):
            assert shown.startswith(before)
        answer = write_messages(turn.said)
        before, place = shown[:-1] + (b"," + answer if answer else b""), here


def strip(message: dict[str, object]) -> dict[str, object]:
    """A message without the block that was recalled for it."""
    said = message["content"]
    if isinstance(said, list):
        parts = [part for part in said if not part["text"].startswith(OPENING)]
        return {**message, "content": parts}
    if isinstance(said, str) and said.startswith(OPENING):
        return {**message, "content": said.partition(CLOSING + "\n\n")[2]}
    return message


async def test_summary_stands_for_what_was_cut() -> None:
    conversation = hold(1000, INSTRUCTIONS, "summarize")
    contexts = await fill(conversation)
    cut = next(context for context in contexts if context.is_new_summary)
    assert cut.summary
    assert cut.summary.last + 1 == cut.cut
    assert cut.summary.text in read(cut)[1]["content"]
    stored = [item for item in conversation.items.items if isinstance(item.content, Summary)]
    assert len(stored) == sum(context.is_new_summary for context in contexts) >= 2
    assert [item.content for item in stored][-1] == contexts[-1].summary


async def test_summary_ends_the_system_message() -> None:
    for head, count in ((INSTRUCTIONS, 2), (None, 1)):
        conversation = hold(1000, head, "summarize")
        contexts = await fill(conversation, 20)
        shown = read(contexts[-1])
        assert contexts[-1].summary
        assert [message["role"] for message in shown[:count]] == ["system", "developer"][:count]
        assert shown[count]["role"] == "user"
        assert contexts[-1].summary.text in shown[count - 1]["content"]


async def test_block_stays_until_the_next_cut() -> None:
    conversation = hold(1000, None, "adaptive")
    contexts = await fill(conversation)
    blocks = [bytes(context.messages).count(OPENING.encode()) for context in contexts]
    cuts = [place for place in range(1, len(contexts)) if contexts[place].cut > contexts[place - 1].cut]
    assert len(cuts) >= 2
    assert not any(blocks[: cuts[0]])
    assert blocks[cuts[0] : cuts[1]] == list(range(1, cuts[1] - cuts[0] + 1))
    assert blocks[cuts[1]] == 1


async def test_block_stands_before_the_words_of_its_turn() -> None:
    conversation = hold(1000, None, "adaptive")
    last = read((await fill(conversation))[-1])[-1]["content"]
    assert last.startswith(f"{OPENING}\nrecall ")
    assert last.endswith(f"{CLOSING}\n\n39 " + "word " * 30)


async def test_turn_of_results_recalls_nothing() -> None:
    conversation = hold(1000, None, "adaptive")
    await fill(conversation, 20)
    await conversation.turn([user("look")], [call("look")])
    asked = len(conversation.memory.questions)
    context = await conversation.turn([result("look")], [model("so")])
    assert context.retrieved is None
    assert len(conversation.memory.questions) == asked


async def test_recall_is_not_asked_before_a_cut() -> None:
    conversation = hold(1000, None, "adaptive")
    await fill(conversation, 8)
    assert not conversation.memory.questions


async def test_recall_fits_what_is_left() -> None:
    conversation = hold(1000, None, "adaptive")
    for context in await fill(conversation, 60):
        assert context.tokens <= 1000
        assert (context.retrieved.tokens if context.retrieved else 0) <= 125
    assert max(question.tokens_max for question in conversation.memory.questions) <= 125


@pytest.mark.parametrize("overflow", ["adaptive", "summarize"])
async def test_without_a_summary_cuts_go_on(overflow: OverflowStrategy) -> None:
    conversation = Conversation(1000, INSTRUCTIONS, overflow)
    contexts = await fill(conversation, 60)
    assert contexts[-1].cut > 60
    assert contexts[-1].summary is None


async def test_far_cut_keeps_a_quarter() -> None:
    conversation = Conversation(2000, None, "adaptive")
    contexts = await fill(conversation, 80)
    cuts = [context for before, context in pairwise(contexts) if context.cut > before.cut]
    assert len(cuts) >= 2
    assert all(context.tokens <= 2000 * 0.25 + 100 for context in cuts)


async def test_summary_that_would_fill_the_room_is_left_out() -> None:
    conversation = Conversation(1000, None, "summarize")
    await fill(conversation, 10)
    conversation.contexts.pending = Summary(text="long " * 1000, first=1, last=conversation.session.head)
    contexts = await fill(conversation, 20)
    assert contexts[-1].summary is None
    assert contexts[-1].tokens <= 1000


async def test_old_summary_goes_on_until_a_new_one() -> None:
    conversation = hold(1000, None, "summarize")
    await fill(conversation, 20)
    conversation.summarizes, conversation.contexts.pending = False, None
    known = (await conversation.show(user("?"))).summary
    contexts = await fill(conversation, 20)
    assert contexts[-1].cut > contexts[0].cut
    assert contexts[-1].summary == known


def test_recalled_text_cannot_end_its_block() -> None:
    assert fence(f"a {CLOSING} b").count(CLOSING) == 1


async def test_blocks_go_before_parts() -> None:
    conversation = hold(1000, None, "adaptive")
    await fill(conversation, 20)
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "and?"},
        {"type": "image_url", "image_url": {"url": "data:,"}},
    ]
    shown = json.loads(bytes((await conversation.show(Message("user", parts))).messages))[-1]["content"]
    assert shown[0]["text"].startswith(OPENING)
    assert shown[1:] == parts


async def test_tokens_of_items_are_without_blocks() -> None:
    conversation = hold(1000, None, "adaptive")
    asked = user("What did we say of the harbour? " * 4)
    contexts = [*await fill(conversation, 30), await conversation.show(asked)]
    assert any(context.retrieved and context.retrieved.block for context in contexts)
    assert contexts[-1].input_tokens == (count_tokens(asked),)


@pytest.mark.parametrize("size", [2300, 2900, 3000, 3100, 3200])
async def test_regeneration_still_shows_what_was_asked(size: int) -> None:
    conversation = hold(1000, None, "adaptive")
    await fill(conversation, 12)
    await conversation.turn([user("Q " + "x" * size)], [model("ok")])
    asked = conversation.session.head - 1
    plan = Plan(path=(Range(1, asked),), input=(), asked=Range(asked, asked), is_branch=True)
    context = await conversation.make_assembler().assemble(conversation.session, plan, conversation.budget, ())
    assert "Q xx" in read(context)[-1]["content"]
    assert context.tokens <= 1000


async def test_huge_arguments_are_shortened_with_their_result() -> None:
    conversation = hold(1000, None, "adaptive")
    look = FunctionCall("c", "look", json.dumps({"text": 'say "no" ' * 900}))
    await conversation.turn([user("look")], [look])
    shown = read(await conversation.turn([result("c")], [model("so")]))
    assert [message["role"] for message in shown][-2:] == ["assistant", "tool"]
    assert json.loads(shown[-2]["tool_calls"][0]["function"]["arguments"]).keys() == {"shortened"}


async def test_long_history_is_read_from_its_end() -> None:
    conversation = Conversation(2000, None, "adaptive")
    for number in range(1500):
        for content in (user(f"{number}"), model("ok")):
            seq = len(conversation.items.items) + 1
            conversation.items.items.append(
                Item(seq=seq, run_id=UUID(int=4), content=content, tokens=count_tokens(content), created_at=NOW)
            )
    conversation.session = replace(conversation.session, head=3000, path=(Range(1, 3000),))
    context = await conversation.show(user("and?"))
    assert 2800 < context.cut < 3000
    assert conversation.items.read < 2500


def test_chinese_instructions_are_counted_by_their_bytes() -> None:
    session = Conversation(1000, '[{"role":"system","content":"' + "说明" * 400 + '"}]').session
    with pytest.raises(ContextOverflow):
        measure_room(session, Budget(tokens_max=500))
