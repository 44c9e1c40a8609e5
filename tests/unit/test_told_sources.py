"""Sources that a turn tells of itself: stores searched as it says, and texts that it gives instead of a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import pytest
from msgspec.structs import replace

from multiturn.engine.grounding.queries import run_queries
from multiturn.engine.grounding.sources import Chosen, Sources
from multiturn.engine.grounding.tools import KnowledgeTools, Searchable
from multiturn.engine.speakers import choose_stores
from multiturn.engine.window.budget import SOURCES_TOKENS_MAX, Budgets
from multiturn.engine.window.question import Question, StoreChoice
from multiturn.engine.window.tokens import TokenRatios
from multiturn.model.citation import Grounding, StoreQuery
from multiturn.model.content import FunctionCall
from multiturn.model.context import Said
from multiturn.model.ids import CHUNK_MAX, chunk_id, list_items_of, new_id
from multiturn.model.knowledge import DocumentHits, Owner, SearchOrder
from multiturn.model.policy import ContextPolicy
from multiturn.model.retrieved import Snippet
from multiturn.model.session import Session, SessionSettings
from multiturn.model.turn import TurnOrder
from tests.unit.shelves import NOW, STORE, TENANT, Shelf, ask

OTHER = UUID(int=77)
ALL = "krill fish birds bridge arches million"


class Graded(Shelf):
    """A shelf whose finds have similarities: 0.9 the first, 0.1 less each. ``owners`` are those that were searched."""

    def __init__(self) -> None:
        super().__init__()
        self.owners: list[tuple[UUID, ...]] = []

    async def search(self, tenant_id: UUID, owners: Sequence[Owner], order: SearchOrder) -> DocumentHits:
        self.owners.append(tuple(owner.id for owner in owners))
        found = await super().search(tenant_id, owners, order)
        grades = [0.9 - 0.1 * place for place in range(len(found.hits))]
        hits = [replace(hit, similarity=grade, score=grade) for hit, grade in zip(found.hits, grades, strict=True)]
        return replace(found, hits=tuple(hits))


async def find(shelf: Shelf, question: Question, *, tokens_max: int = 1000, **choice: Any) -> Chosen:
    """The sources of a question with such a choice."""
    stores = StoreChoice(**{"store_ids": (STORE,), **choice})
    text = cast(Any, question.input[0]).content
    return await Sources(shelf, cast(Any, shelf)).find(question, stores, text, tokens_max=tokens_max)


def shown(chosen: Chosen) -> list[str]:
    """What the model is shown."""
    return [one.text for one in chosen.snippets if one.omitted is None]


def left_out(chosen: Chosen) -> list[str | None]:
    """Why others are not shown."""
    return [one.omitted for one in chosen.snippets if one.omitted]


def give(*texts: str) -> tuple[Snippet, ...]:
    """Texts that a request brings."""
    return tuple(Snippet(source="given", text=text, end=len(text), title="Given") for text in texts)


async def test_query_limits_what_is_taken() -> None:
    shelf = Graded()
    chosen = await find(shelf, ask(ALL), queries=(StoreQuery(store_id=STORE, limit=2, mode="text"),))
    assert (len(shown(chosen)), shelf.orders[0].mode) == (2, "text")
    assert all(one.source == "document" for one in chosen.snippets)


async def test_less_similar_is_told_with_its_reason() -> None:
    chosen = await find(Graded(), ask(ALL), queries=(StoreQuery(store_id=STORE, limit=9, similarity_min=0.75),))
    assert [one.similarity for one in chosen.snippets if one.omitted is None] == [0.9, 0.8]
    assert set(left_out(chosen)) == {"below_threshold"}


async def test_query_says_what_is_searched() -> None:
    shelf, assets = Graded(), (UUID(int=202),)
    query = StoreQuery(store_id=STORE, metadata={"team": "zoo"}, asset_ids=assets, reranks=False)
    await find(shelf, ask("krill", recent=[Said("user", "What do birds eat?")]), queries=(query,))
    order = shelf.orders[0]
    assert (order.metadata, order.asset_ids, order.reranks) == ({"team": "zoo"}, frozenset(assets), False)
    assert order.earlier == ("What do birds eat?",)


async def test_each_store_has_its_own_limits() -> None:
    shelf = Graded()
    queries = (StoreQuery(store_id=STORE, limit=1), StoreQuery(store_id=OTHER, limit=3, tokens_max=25))
    found = await run_queries(shelf, TENANT, queries, ALL)
    assert shelf.owners == [(STORE,), (OTHER,)]
    assert len(found.sources) < 4
    assert "budget" in {one.omitted for one in found.omitted}
    assert [one.score for one in found.sources] == sorted((one.score for one in found.sources), reverse=True)


async def test_stores_without_a_query_are_searched_as_ever() -> None:
    shelf = Graded()
    chosen = await find(shelf, ask("krill"), store_ids=(STORE, OTHER), queries=(StoreQuery(store_id=STORE, limit=1),))
    assert shelf.owners == [(STORE,), (OTHER,)]
    assert {one.source for one in chosen.snippets} >= {"document", "item"}


async def test_reranked_scores_rank() -> None:
    class Reranked(Graded):
        async def search(self, *asked: Any) -> DocumentHits:
            found = await super().search(*asked)
            hits = [replace(hit, reranked=float(place)) for place, hit in enumerate(found.hits)]
            return replace(found, hits=tuple(hits))

    found = await run_queries(Reranked(), TENANT, [StoreQuery(store_id=STORE)], ALL)
    assert [one.reranked for one in found.sources] == [3.0, 2.0, 1.0, 0.0]


async def test_given_texts_are_numbered_and_nothing_is_searched() -> None:
    shelf = Graded()
    chosen = await find(shelf, ask("krill"), store_ids=(), given=give("Seals bark.", "Seals dive."))
    assert [(one.number, one.text) for one in chosen.snippets] == [(1, "Seals bark."), (2, "Seals dive.")]
    assert "[2] Given: Seals dive." in chosen.lines
    assert not shelf.orders


async def test_given_text_that_does_not_fit_is_cut_at_a_word() -> None:
    text = "Seals bark at noon. " * 200
    chosen = await find(Graded(), ask("krill"), tokens_max=300, given=give(text, "Seals dive. " * 200))
    head, *rest = chosen.snippets
    assert head.omitted is None
    assert head.text.endswith(" ")
    assert [one.omitted for one in rest] == ["budget", "budget"]
    assert head.text + rest[0].text == text
    assert (head.end, rest[0].start) == (len(head.text), len(head.text))


async def test_given_text_is_shown_once() -> None:
    shelf, given = Graded(), give("Seals bark.", "Seals dive.")
    before = await find(shelf, ask("krill"), given=given)
    again = await find(shelf, ask("krill", shown=before.snippets), given=(given[1], *give("Seals sleep.")))
    assert shown(again) == ["Seals sleep."]
    assert [(one.number, one.omitted) for one in again.snippets] == [(3, None), (2, "shown_already")]
    assert "See also [2] above." in again.lines


async def test_nothing_given_is_nothing_found() -> None:
    assert "Nothing in the knowledge store" in (await find(Graded(), ask("krill"), given=())).lines


async def test_tools_keep_to_the_queries() -> None:
    shelf = Graded()
    query = StoreQuery(store_id=STORE, asset_ids=(UUID(int=202),), mode="text")
    searchable = Searchable(knowledge=shelf, registry=cast(Any, shelf), parts=cast(Any, shelf))
    tools = KnowledgeTools(searchable, TENANT, StoreChoice(store_ids=(STORE,), queries=(query,)), ())
    _, found = await tools.run(FunctionCall("c", "search_knowledge", '{"query": "krill", "limit": 3}'), tokens_max=500)
    assert found
    assert (shelf.orders[0].asset_ids, shelf.orders[0].limit) == (frozenset(query.asset_ids), 13)
    _, listed = await tools.run(FunctionCall("c", "list_items", "{}"), tokens_max=500)
    assert [one.title for one in listed] == ["Birds"]


def make_session(*stores: UUID) -> Session:
    """A session over these stores."""
    return Session(
        id=UUID(int=3),
        tenant_id=TENANT,
        user_id=UUID(int=4),
        external_id=None,
        created_at=NOW,
        active_at=NOW,
        settings=SessionSettings(store_ids=stores),
    )


@pytest.mark.parametrize(
    ("grounding", "stores"),
    [
        (Grounding(store_ids=(OTHER,)), (OTHER, STORE)),
        (Grounding(store_ids=(OTHER,), replaces=True), (OTHER,)),
        (Grounding(given=give("Seals bark.")), ()),
        (Grounding(replaces=True), None),
    ],
)
def test_turn_decides_what_its_answer_rests_on(grounding: Grounding, stores: tuple[UUID, ...] | None) -> None:
    order = TurnOrder(input=(), model="m", digest=b"", grounding=grounding)
    choice = choose_stores(make_session(STORE), order)
    assert (choice.store_ids if choice else None) == stores
    assert (choice.given if choice else None) == grounding.given


@pytest.mark.parametrize(
    ("asked", "tokens"), [(None, SOURCES_TOKENS_MAX), (500, 500), (30_000, 12_390), (10**9, 12_390)]
)
def test_turn_says_what_sources_may_take(asked: int | None, tokens: int) -> None:
    budgets = Budgets(ratios=TokenRatios(), context_tokens=32_000, default_tokens=8192)
    choice = StoreChoice(store_ids=(STORE,), tokens_max=asked)
    budget = budgets.plan("m", ContextPolicy(), window=None, output_max=None, owners=(), stores=choice)
    assert budget.recall.tokens_max == tokens


def test_id_of_a_chunk_tells_its_item() -> None:
    item_id = new_id()
    ids = {chunk_id(item_id, chunk) for chunk in range(1000)}
    assert len(ids) == 1000
    assert item_id not in ids
    for one in ids:
        first, last = list_items_of(one)
        assert first <= item_id <= last
        assert (one.version, last.int - first.int) == (8, CHUNK_MAX)
    assert chunk_id(item_id, None) == item_id
