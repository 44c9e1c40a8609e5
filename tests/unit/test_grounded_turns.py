"""What a turn over knowledge stores is made of before a model is asked: stores, instructions, room, and numbers."""

from __future__ import annotations

import json
from typing import Any, cast
from uuid import UUID

import pytest
from msgspec.structs import replace

from multiturn.engine.grounding.block import INSTRUCTIONS, describe_place, write_sources, write_time
from multiturn.engine.grounding.sources import Room, Sources, describe_item, list_highlights
from multiturn.engine.grounding.tools import KnowledgeTools, Searchable
from multiturn.engine.speakers import add_instructions, choose_stores
from multiturn.engine.window.assemble import count_sources
from multiturn.engine.window.budget import SOURCES_TOKENS_MAX, Budgets
from multiturn.engine.window.question import StoreChoice
from multiturn.engine.window.tokens import TokenRatios
from multiturn.model.citation import Grounding, Selection
from multiturn.model.content import FunctionCall
from multiturn.model.policy import ContextPolicy
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.segment import Place
from multiturn.model.session import Session, SessionSettings
from multiturn.model.turn import TurnOrder
from tests.unit.conversations import NOW, Conversation, user
from tests.unit.shelves import STORE, TENANT, Shelf, ask

OTHER = UUID(int=77)
ITEM = Selection(kind="item", id=UUID(int=101))
SESSION = Session(
    id=UUID(int=3), tenant_id=TENANT, user_id=UUID(int=4), external_id=None, created_at=NOW, active_at=NOW
)
ORDER = TurnOrder(input=(), model="m", digest=b"")


def bound(*stores: UUID, selections: tuple[Selection, ...] = ()) -> Session:
    """A session over these stores."""
    return replace(SESSION, settings=SessionSettings(store_ids=stores, selections=selections))


@pytest.mark.parametrize(
    ("session", "grounding", "stores", "selections"),
    [
        (SESSION, None, None, ()),
        (SESSION, Grounding(store_ids=(STORE,)), (STORE,), ()),
        (bound(STORE), None, (STORE,), ()),
        (bound(STORE), Grounding(store_ids=(STORE,)), (STORE,), ()),
        (bound(STORE), Grounding(store_ids=(OTHER,)), (OTHER, STORE), ()),
        (bound(STORE, selections=(ITEM,)), Grounding(store_ids=(STORE,), selections=(ITEM,)), (STORE,), (ITEM,)),
    ],
)
def test_stores_of_the_turn_stand_before_those_of_the_session(
    session: Session, grounding: Grounding | None, stores: tuple[UUID, ...] | None, selections: tuple[Selection, ...]
) -> None:
    choice = choose_stores(session, replace(ORDER, grounding=grounding))
    assert (choice.store_ids if choice else None) == stores
    assert (choice.selections if choice else ()) == selections


@pytest.mark.parametrize(
    ("instructions", "said"),
    [
        (None, ["a\n\nb"]),
        ('[{"role":"system","content":"Be brief."}]', ["Be brief.\n\na\n\nb"]),
        ('[{"role":"system","content":"One."},{"role":"developer","content":"Two."}]', ["One.", "Two.\n\na\n\nb"]),
        (
            '[{"role":"system","content":[{"type":"text","text":"Parts."}]}]',
            [[{"type": "text", "text": "Parts."}], "a\n\nb"],
        ),
    ],
)
def test_instructions_of_a_turn_stand_behind_the_others(instructions: str | None, said: list[Any]) -> None:
    messages = json.loads(add_instructions(instructions, ["a", "b"]))
    assert [message["content"] for message in messages] == said
    assert all(message["role"] in ("system", "developer") for message in messages)


def test_instructions_name_no_number() -> None:
    assert not any(character.isdigit() for character in INSTRUCTIONS)


@pytest.mark.parametrize(
    ("policy", "stores", "tokens", "past", "owners"),
    [
        (ContextPolicy(), None, 1024, True, 1),
        (ContextPolicy(), StoreChoice(store_ids=(STORE,)), SOURCES_TOKENS_MAX, True, 1),
        (ContextPolicy(recall=False), None, 0, False, 0),
        (ContextPolicy(recall=False), StoreChoice(store_ids=(STORE,)), SOURCES_TOKENS_MAX, False, 0),
        (ContextPolicy(recall_tokens=77), StoreChoice(store_ids=(STORE,)), 77, True, 1),
        (ContextPolicy(overflow="truncate"), StoreChoice(store_ids=(STORE,)), SOURCES_TOKENS_MAX, False, 1),
    ],
)
def test_sources_have_room_of_their_own(
    policy: ContextPolicy, stores: StoreChoice | None, tokens: int, past: bool, owners: int
) -> None:
    budgets = Budgets(ratios=TokenRatios(), context_tokens=None, default_tokens=32_000)
    owner = (cast(Any, object()),)
    recall = budgets.plan("m", policy, window=None, output_max=None, owners=owner, stores=stores).recall
    assert (recall.tokens_max, recall.finds_past, len(recall.owners), recall.stores) == (tokens, past, owners, stores)


@pytest.mark.parametrize(
    ("place", "written"),
    [
        (Place(), ""),
        (Place(page=4), "page 4"),
        (Place(page=4, start_s=61), "1:01"),
        (Place(start_s=0, end_s=59.9), "0:00–0:59"),
        (Place(start_s=3599, end_s=3600), "59:59–1:00:00"),
    ],
)
def test_places_are_written_as_people_do(place: Place, written: str) -> None:
    assert describe_place(place) == written


def test_times_have_hours_where_they_need_them() -> None:
    assert [write_time(seconds) for seconds in (0, 9.9, 60, 3661, 360_000)] == [
        "0:00",
        "0:09",
        "1:00",
        "1:01:01",
        "100:00:00",
    ]


def snippet(number: int | None, text: str = "It is so.", start: int = 0) -> Snippet:
    """A source of one item."""
    return Snippet(source="document", text=text, item_id=UUID(int=9), start=start, title="T", number=number)


def test_what_is_left_out_is_not_written() -> None:
    lines = write_sources([snippet(1), replace(snippet(None, "Hidden."), omitted="budget")], earlier=[3, 5])
    assert lines == "[Sources]\n[1] T: It is so.\nSee also [3], [5] above.\n"
    assert write_sources([]) == "[Sources]\nNothing in the knowledge store matches this question.\n"


def test_room_takes_no_more_than_its_share() -> None:
    room = Room((), 200)
    sources = [snippet(None, "word " * 20, start) for start in range(40)]
    room.take(sources, share=0.5)
    half = len(room.taken)
    room.take(sources)
    assert 0 < half < len(room.taken)
    assert [one.number for one in room.taken] == list(range(1, len(room.taken) + 1))
    assert room.left >= 0
    assert len(room.close().snippets) == len(room.taken) + 10


def test_highlights_come_one_of_each_item_in_turn() -> None:
    items = list(Shelf().items.values())
    titles = [one.title for one in list_highlights(items)]
    assert titles == ["On bridges", "Birds"] * 3


def test_summaries_keep_the_times_of_their_sentences() -> None:
    item = next(iter(Shelf().items.values()))
    marks = describe_item(item).place.marks
    assert [(mark.start_s, mark.end_s) for mark in marks] == [(0.0, 9.0), (10.0, 19.0), (20.0, 29.0)]
    assert item.digest
    assert [item.digest.summary[mark.start :].split(".")[0] for mark in marks] == [
        one.text.rstrip(".") for one in item.digest.highlights
    ]


@pytest.mark.parametrize(
    ("numbered", "found", "expected"),
    [(0, None, 0), (4, None, 4), (4, (), 4), (4, (None, 2), 4), (4, (5, None, 7), 7)],
)
def test_highest_number_never_falls(numbered: int, found: tuple[int | None, ...] | None, expected: int) -> None:
    retrieved = None if found is None else RetrievedContext(query="", snippets=tuple(map(snippet, found)))
    assert count_sources(numbered, retrieved) == expected


async def test_numbers_are_kept_with_the_window_over_a_cut() -> None:
    conversation = Conversation(1000, None, "truncate")
    conversation.session = replace(conversation.session, shown=replace(conversation.session.shown, sources=12))
    context = await conversation.show(user("hi"))
    assert context.shown.sources == 12
    for _ in range(30):
        context = await conversation.turn([user("word " * 60)], [user("word " * 60)])
    assert context.cut > 1
    assert context.shown.sources == 12


def tools(shelf: Shelf, *shown: Snippet) -> KnowledgeTools:
    """The tools of a turn."""
    searchable = Searchable(knowledge=shelf, registry=cast(Any, shelf), parts=cast(Any, shelf))
    return KnowledgeTools(searchable, TENANT, StoreChoice(store_ids=(STORE,)), shown)


async def test_items_are_listed_by_pages() -> None:
    output, found = await tools(Shelf()).run(FunctionCall("c", "list_items", ""), tokens_max=500)
    assert [one.title for one in found] == ["On bridges", "Birds"]
    output, found = await tools(Shelf()).run(FunctionCall("c", "list_items", '{"page": 2}'), tokens_max=500)
    assert (output.output, list(found)) == ("Nothing was found.", [])


async def test_outline_is_of_the_item_of_a_source() -> None:
    shelf = Shelf()
    shown = replace(snippet(4), item_id=UUID(int=102))
    output, found = await tools(shelf, shown).run(FunctionCall("c", "read_outline", '{"source": 4}'), tokens_max=500)
    assert {one.title for one in found} == {"Birds"}
    assert [one.number for one in found] == [5, 6, 7]
    assert "[5] Birds (video, 0:00–0:09): Penguins live in the south." in str(output.output)


async def test_a_result_stays_within_its_tokens() -> None:
    output, found = await tools(Shelf()).run(FunctionCall("c", "list_items", "{}"), tokens_max=40)
    assert len(found) < 2
    assert len(str(output.output)) < 40 * 5


@pytest.mark.parametrize(
    ("question", "kinds"),
    [("What is said?", frozenset()), ("Which videos say it?", frozenset({"video"})), ("Which papers?", frozenset())],
)
async def test_kinds_that_the_store_has_are_searched_first(question: str, kinds: frozenset[str]) -> None:
    shelf = Shelf()
    asked = ask(question)
    assert asked.plan.stores
    await Sources(shelf, cast(Any, shelf)).find(asked, asked.plan.stores, question, tokens_max=500)
    assert shelf.orders[-1].kinds == kinds
