"""A client that resends the conversation adds only what is new, whatever form it resends it in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.engine.alignment import align, may_repeat, normal
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning, Summary
from multiturn.model.context import Plan
from multiturn.model.item import Item, Range

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def user(said: str | list[dict[str, Any]] | None) -> Message:
    return Message("user", said)


def model(said: str | list[dict[str, Any]] | None, **extra: Any) -> Message:
    return Message("assistant", said, extra or None)


def talk(*texts: str) -> list[Content]:
    """What a user and a model said in turn."""
    return [model(text) if place % 2 else user(text) for place, text in enumerate(texts)]


def store(contents: Sequence[Content], *, gaps: Sequence[int] = ()) -> list[Item]:
    """Contents as stored items; before each place in ``gaps`` there is an item of another branch."""
    items: list[Item] = []
    seq = 0
    for place, content in enumerate(contents):
        seq += 2 if place in gaps else 1
        items.append(Item(seq=seq, run_id=UUID(int=1), content=content, tokens=1, created_at=NOW))
    return items


def path_of(items: Sequence[Item]) -> tuple[Range, ...]:
    ranges: list[Range] = []
    for item in items:
        if ranges and ranges[-1].last == item.seq - 1:
            ranges[-1] = Range(ranges[-1].first, item.seq)
        else:
            ranges.append(Range(item.seq, item.seq))
    return tuple(ranges)


def plan_for(sent: Sequence[Content], items: Sequence[Item]) -> Plan:
    return align(tuple(sent), items, path_of(items))


def kept(plan: Plan, items: Sequence[Item]) -> list[Content]:
    return [item.content for item in items if any(r.first <= item.seq <= r.last for r in plan.path)]


HELLO = talk("hi", "hello", "how are you?", "fine")
CALL = FunctionCall("call_a", "look", '{"city": "Paris"}')
OTHER_CALL = FunctionCall("call_b", "look", '{"city": "Rome"}')
RESULT = FunctionCallOutput("call_a", "sunny")
TOOLS: list[Content] = [user("weather?"), CALL, OTHER_CALL, RESULT, FunctionCallOutput("call_b", "rain"), model("nice")]
YES = talk("yes", "one", "yes", "two", "yes", "three")
OK = talk("yes", "ok", "yes", "ok", "yes", "ok")
NEW = user("new")

# What is stored, what is sent, how many stored items are kept, what is new.
CASES: dict[str, tuple[list[Content], list[Content], int, list[Content]]] = {
    "append": (HELLO, [*HELLO, NEW], 4, [NEW]),
    "several at once": (
        HELLO,
        [*HELLO, NEW, Message("system", "be brief"), NEW],
        4,
        [NEW, Message("system", "be brief"), NEW],
    ),
    "front trimmed": (HELLO, [*HELLO[2:], NEW], 4, [NEW]),
    "trimmed inside a turn": (HELLO, [HELLO[3], NEW], 4, [NEW]),
    "trimmed and edited": (HELLO + talk("more", "much"), [*HELLO[2:], user("less")], 4, [user("less")]),
    "edited in the middle": (HELLO, [*HELLO[:2], user("who are you?")], 2, [user("who are you?")]),
    "answer edited": (HELLO, [HELLO[0], model("HELLO"), NEW], 1, [model("HELLO"), NEW]),
    "later edit with what followed": (HELLO, [*HELLO[:2], NEW, HELLO[3], NEW], 2, [NEW, HELLO[3], NEW]),
    "last answer again": (HELLO, HELLO[:3], 3, []),
    "whole conversation and nothing new": (HELLO, HELLO, 3, []),
    "earlier answer again": (HELLO + talk("more", "much"), HELLO[:3], 3, []),
    "no overlap": (HELLO, talk("who", "I", "what"), 4, talk("who", "I", "what")),
    "same question, other answers": (YES, [*YES, user("yes")], 6, [user("yes")]),
    "same question, trimmed": (YES, [*YES[2:], user("yes")], 6, [user("yes")]),
    "same question, edited": (YES, [*YES[:4], user("no")], 4, [user("no")]),
    "same turns": (OK, [*OK, user("yes")], 6, [user("yes")]),
    "same turns, trimmed": (OK, [*OK[2:], user("yes")], 6, [user("yes")]),
    "same turns, trimmed to one": (OK, [*OK[4:], user("yes")], 6, [user("yes")]),
    "tool results answer the calls": (TOOLS[:3], [*TOOLS[:3], *TOOLS[3:5]], 3, TOOLS[3:5]),
    "after tools": (TOOLS, [*TOOLS, NEW], 6, [NEW]),
    "after tools, trimmed to a result": (TOOLS, [*TOOLS[3:], NEW], 6, [NEW]),
    "tool result edited": (
        TOOLS,
        [*TOOLS[:4], FunctionCallOutput("call_b", "snow")],
        4,
        [FunctionCallOutput("call_b", "snow")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_only_what_is_new_is_added(case: str) -> None:
    stored, sent, kept_count, new = CASES[case]
    items = store(stored)
    plan = plan_for(sent, items)
    assert kept(plan, items) == stored[:kept_count]
    assert list(plan.input) == new
    assert plan.is_branch == (kept_count < len(stored))


# The same message in two forms: as it was stored, and as a client may resend it.
FORMS: dict[str, tuple[list[Content], list[Content]]] = {
    "parts for text": ([user("hi there")], [user([{"type": "text", "text": "hi there"}])]),
    "several text parts": (
        [user("hi there")],
        [user([{"type": "text", "text": "hi "}, {"type": "text", "text": "there"}])],
    ),
    "text for parts": ([user([{"type": "text", "text": "hi"}])], [user("hi")]),
    "whitespace trimmed": ([user("hi\n")], [user(" hi")]),
    "the same image": ([user([PICTURE])], [user([{"image_url": PICTURE["image_url"], "type": "image_url"}])]),
    "unknown fields": ([user("hi")], [Message("user", "hi", {"name": "Alice", "id": 7})]),
    "developer for system": (
        [user("hi"), Message("system", "now"), user("ho")],
        [user("hi"), Message("developer", "now"), user("ho")],
    ),
    "null for nothing": ([user("hi"), model("")], [user("hi"), model(None)]),
    "refusal": ([user("hi"), model(None, refusal="no")], [user("hi"), model(None, refusal="no")]),
    "arguments with other spaces": (
        [user("hi"), CALL],
        [user("hi"), FunctionCall("call_a", "look", '{"city":"Paris"}')],
    ),
    "arguments in another order": (
        [user("hi"), FunctionCall("c", "f", '{"a":1,"b":2}')],
        [user("hi"), FunctionCall("c", "f", '{ "b": 2, "a": 1 }')],
    ),
    "arguments that are no JSON": (
        [user("hi"), FunctionCall("c", "f", "ls -l", "custom")],
        [user("hi"), FunctionCall("c", "f", "ls -l", "custom")],
    ),
    "arguments of endless brackets": (
        [user("hi"), FunctionCall("c", "f", "[" * 100_000)],
        [user("hi"), FunctionCall("c", "f", "[" * 100_000)],
    ),
    "thoughts not resent": ([user("hi"), Reasoning("hm"), model("ho")], [user("hi"), model("ho")]),
    "thoughts resent with the words": (
        [user("hi"), Reasoning("hm"), model("ho")],
        [user("hi"), model("ho", reasoning_content="hm")],
    ),
    "thoughts resent with the calls": (
        [user("hi"), Reasoning("hm"), CALL],
        [user("hi"), model(None, reasoning_content="hm"), CALL],
    ),
    "no words before the calls": ([user("hi"), CALL], [user("hi"), model(""), CALL]),
}


@pytest.mark.parametrize("form", FORMS)
def test_another_form_is_the_same(form: str) -> None:
    stored, sent = FORMS[form]
    ends = (
        []
        if any(not isinstance(content, Message) or content.role == "assistant" for content in stored)
        else [model("ok")]
    )
    items = store([*stored, *ends])
    plan = plan_for([*sent, *ends, NEW], items)
    assert plan == Plan(path=path_of(items), input=(NEW,))


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        (user("hi"), user("ho")),
        (user("hi"), model("hi")),
        (user([PICTURE]), user([{"type": "image_url", "image_url": {"url": "data:image/png;base64,BBBB"}}])),
        (CALL, FunctionCall("call_b", "look", CALL.arguments)),
        (CALL, FunctionCall("call_a", "look", '{"city": "Rome"}')),
        (RESULT, FunctionCallOutput("call_b", "sunny")),
        (RESULT, FunctionCallOutput("call_a", "rain")),
    ],
)
def test_another_thing_is_another(stored: Content, sent: Content) -> None:
    assert normal(stored) != normal(sent)


@pytest.mark.parametrize(
    ("sent", "repeats"),
    [
        ([NEW], False),
        ([NEW, NEW], False),
        ([RESULT], False),
        ([Message("system", "now"), NEW], False),
        ([model("hi"), NEW], True),
        ([CALL, RESULT], True),
    ],
)
def test_without_an_answer_all_is_new(sent: list[Content], repeats: bool) -> None:
    assert may_repeat(sent) is repeats


def test_asked_again_names_what_was_asked() -> None:
    plan = plan_for(TOOLS[:5], items := store(TOOLS))
    assert plan == Plan(path=(Range(1, 5),), input=(), asked=Range(4, 5), is_branch=True)
    assert kept(plan, items) == TOOLS[:5]


def test_edit_takes_the_thought_along() -> None:
    items = store([user("hi"), Reasoning("hm"), model("ho"), NEW, model("yes")])
    plan = plan_for([user("hi"), model("HO"), NEW], items)
    assert kept(plan, items) == [user("hi")]


def test_new_calls_keep_their_fields() -> None:
    sent = [*HELLO, NEW, model(None, reasoning_content="hm"), CALL, RESULT]
    assert list(plan_for(sent, store(HELLO)).input) == sent[4:]


# Words that repeat, as people's do, and every kind of turn.
WORDS = st.sampled_from(["yes", "no", "ok", " ok", "go on", ""])
CALL_IDS = st.sampled_from(["call_1", "call_2"])
ASKED = st.one_of(
    WORDS.map(user),
    WORDS.map(lambda word: user([{"type": "text", "text": word}, PICTURE])),
    st.builds(FunctionCallOutput, CALL_IDS, WORDS),
)
CALLS = st.lists(
    st.builds(FunctionCall, CALL_IDS, st.just("f"), st.sampled_from(["{}", '{"a":1}', "x"])), min_size=1, max_size=2
)
ANSWERS: st.SearchStrategy[list[Content]] = st.one_of(
    WORDS.map(lambda word: [model(word)]),
    WORDS.map(lambda word: [Reasoning("hm"), model(word)]),
    CALLS.map(lambda calls: [*calls]),
    st.tuples(WORDS, CALLS).map(lambda said: [model("so: " + said[0]), *said[1]]),
)
TURNS = st.lists(st.tuples(st.lists(ASKED, min_size=1, max_size=2), ANSWERS), min_size=1, max_size=6)
HISTORIES = TURNS.map(lambda turns: [content for asked, answer in turns for content in (*asked, *answer)])
SHOWN = HISTORIES.map(lambda history: [content for content in history if not isinstance(content, Reasoning)])
INPUTS = st.lists(ASKED, min_size=1, max_size=3)


def disguise(content: Content, as_parts: bool) -> Content:
    """The same as another client would send it."""
    if isinstance(content, FunctionCall):
        return FunctionCall(content.call_id, content.name, content.arguments.replace(":", ": " if as_parts else ":"))
    if isinstance(content, Message) and isinstance(content.content, str) and as_parts:
        return Message(content.role, [{"type": "text", "text": content.content + "\n"}], {"name": None})
    return content


@settings(deadline=None)
@given(HISTORIES, INPUTS, st.data())
def test_any_suffix_adds_exactly_the_new(history: list[Content], new: list[Content], data: st.DataObject) -> None:
    gaps = data.draw(st.sets(st.integers(0, len(history))))
    items = store(history, gaps=sorted(gaps))
    told = [content for content in history if not isinstance(content, Reasoning)]
    suffix = told[data.draw(st.integers(0, len(told) - 1)) :]
    sent = [disguise(content, data.draw(st.booleans())) for content in suffix]
    assert plan_for([*sent, *new], items) == Plan(path=path_of(items), input=tuple(new))


@settings(deadline=None)
@given(st.integers(1, 12), st.data())
def test_edit_branches_exactly_there(length: int, data: st.DataObject) -> None:
    history = talk(*map(str, range(length)))
    place = data.draw(st.integers(1, length - 1)) if length > 1 else 0
    start = data.draw(st.integers(0, max(0, place - 1)))
    edited = [Message(getattr(history[place], "role", "user"), "edited"), *data.draw(INPUTS)]
    items = store(history)
    plan = plan_for([*history[start:place], *edited], items)
    if place:
        assert kept(plan, items) == history[:place]
    assert list(plan.input) == edited
    assert plan.is_branch == (place > 0)


@settings(deadline=None)
@given(HISTORIES, SHOWN, st.data())
def test_nothing_is_lost_and_nothing_doubled(history: list[Content], other: list[Content], data: st.DataObject) -> None:
    """The model is shown a beginning of the history and then just what was sent, unless that ends in an answer that
    is there already: then up to it.
    """
    told = [content for content in history if not isinstance(content, Reasoning)]
    first, last = sorted((data.draw(st.integers(0, len(told))), data.draw(st.integers(0, len(told)))))
    sent = [*told[first:last], *other] or [NEW]
    items = store(history)
    plan = plan_for(sent, items)
    shown = [normal(content) for content in (*kept(plan, items), *plan.input) if not isinstance(content, Reasoning)]
    expected = [normal(content) for content in sent]
    if not plan.input:
        while expected and expected[-1][0] in ("assistant", "call"):
            expected.pop()
    before = len(shown) - len(expected)
    assert before >= 0
    assert shown[before:] == expected
    assert shown[:before] == [normal(content) for content in told[:before]]


def test_summaries_are_ours_alone() -> None:
    said = talk("hi", "ho", "how?", "so")
    stored = store([*said[:2], Summary("They met.", 1, 2), *said[2:]])
    plan = align((*said, user("and?")), stored, path_of(stored))
    assert plan == Plan(path=path_of(stored), input=(user("and?"),))


LOOKED_UP: tuple[Content, ...] = (
    FunctionCall("lookup_1", "search_knowledge", '{"query":"krill"}'),
    FunctionCallOutput("lookup_1", "[1] Birds: They eat krill."),
)


@pytest.mark.parametrize("looks", [1, 3])
def test_what_a_model_looked_up_is_not_the_clients_to_resend(looks: int) -> None:
    history = store([user("Who?"), *LOOKED_UP * looks, model("Penguins [1].")])
    sent = (user("Who?"), model("Penguins [1]."), user("Where?"))
    plan = align(sent, history, path_of(history))
    assert (plan.input, plan.is_branch) == ((user("Where?"),), False)
    again = align((*sent[:1], user("Why?")), history, path_of(history))
    assert again.input[-1] == user("Why?")


def test_a_clients_own_call_of_that_name_is_aligned() -> None:
    call = FunctionCall("call_1", "search_knowledge", "{}")
    history = store([user("Who?"), call])
    plan = align((user("Who?"), call, FunctionCallOutput("call_1", "They")), history, path_of(history))
    assert plan.input == (FunctionCallOutput("call_1", "They"),)
