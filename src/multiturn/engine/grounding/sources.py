"""Sources of a turn: what a knowledge store holds on a question, numbered, within a number of tokens.

A question for a detail is answered by the best chunks; one about the whole by what the items are about; one for moments
by the sentences that stand for each stretch of the items that the conversation is at.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from multiturn.engine.document_search import describe_hit, is_related
from multiturn.engine.grounding.aims import Aim, find_aim
from multiturn.engine.grounding.block import AWAY, SOURCES, write_source, write_sources
from multiturn.engine.grounding.queries import QUERY_CHARS_MAX, Gathered, Search, run_queries
from multiturn.engine.ports_ingestion import StoreRegistry
from multiturn.engine.window.question import Question, StoreChoice
from multiturn.engine.window.tokens import count_text
from multiturn.errors import MultiturnError
from multiturn.model.citation import StoreQuery
from multiturn.model.knowledge import DocumentHit, Owner, SearchOrder
from multiturn.model.metadata import contains
from multiturn.model.retrieved import Snippet
from multiturn.model.segment import Mark, Place
from multiturn.model.store import Highlight, Sorting, StoreItem, StoreItemFilter

log = logging.getLogger(__name__)

# So many chunks are looked at, and so many items are known by their summaries.
CHUNKS_MAX = 24
# The first search of a store of a million chunks reads its index, which takes most of a minute.
SEARCH_S = 60.0
ITEMS_MAX = 40
HIGHLIGHTS_MAX = 24
# What summaries may take of the tokens: of a question about the whole, and of another where the store is small.
CORPUS_SHARE = 0.65
SMALL_SHARE = 0.3
SMALL_ITEMS = 6
OMITTED_MAX = 10
# Of what a request names itself, all that does not fit is told.
NAMED_OMITTED_MAX = 500
# A given text is cut where it does not fit; less than this of it says nothing.
GIVEN_CHARS_MIN = 200
EARLIER_MAX = 8
EARLIER_CHARS_MAX = 1000
SEARCH = SearchOrder()
NUMBERS = re.compile(r"\[(\d{1,5})\]")


class Chosen(Struct, frozen=True):
    """The sources that were found, those that are not shown included, and the lines that the model reads."""

    snippets: tuple[Snippet, ...]
    lines: str


class Room:
    """Takes sources while they fit, and numbers them; those that the model is shown already keep their number."""

    def __init__(self, shown: Sequence[Snippet], tokens_max: int, *, numbered: int = 0) -> None:
        self.left = tokens_max - count_text(SOURCES)
        self.shown = shown
        self.known = {place_of(one): one.number for one in shown if one.number is not None}
        self.next = max(numbered, *self.known.values(), 0) + 1
        self.taken: list[Snippet] = []
        self.omitted: list[Snippet] = []
        self.earlier: dict[int, Snippet] = {}

    def take(self, sources: Iterable[Snippet], *, share: float = 1.0) -> None:
        """Take what fits into a share of what is left."""
        until = self.left - int(self.left * share)
        for source in sources:
            place = place_of(source)
            number = self.known.get(place)
            if number is not None:
                self.earlier.setdefault(number, source)
                continue
            numbered = replace(source, number=self.next)
            cost = count_text(write_source(numbered))
            if self.left - cost < until:
                self.omitted.append(replace(source, omitted="budget"))
                continue
            self.left -= cost
            self.known[place] = self.next
            self.next += 1
            self.taken.append(numbered)

    def take_given(self, sources: Sequence[Snippet]) -> None:
        """Take what somebody gave instead of a search: a text that does not fit is cut, its rest is left out."""
        for source in sources:
            fitting = self._measure(source) if place_of(source) not in self.known else len(source.text)
            if fitting in (0, len(source.text)):
                self.take([source])
                continue
            self.take([replace(source, text=source.text[:fitting], end=source.start + fitting)])
            rest = replace(source, text=source.text[fitting:], start=source.start + fitting)
            self.omitted.append(replace(rest, omitted="budget"))

    def _measure(self, source: Snippet) -> int:
        """How many characters of a source fit, up to the end of a word; 0 when it is too few."""
        text, low, high = source.text, 0, len(source.text)
        while low < high:
            middle = (low + high + 1) // 2
            cut = replace(source, number=self.next, text=text[:middle])
            low, high = (middle, high) if count_text(write_source(cut)) <= self.left else (low, middle - 1)
        if low < len(text):
            low = text.rfind(" ", 0, low) + 1 or low
        return low if low >= min(GIVEN_CHARS_MIN, len(text)) else 0

    def close(self, beside: Sequence[Snippet] = (), *, omitted_max: int = OMITTED_MAX) -> Chosen:
        """What was taken, what was shown before and matters again, and the best of what was not taken."""
        new = {one.number for one in self.taken}
        earlier = {number: one for number, one in self.earlier.items() if number not in new}
        again = [replace(one, number=number, omitted="shown_already") for number, one in earlier.items()]
        omitted = [*self.omitted, *beside][:omitted_max]
        lines = write_sources(self.taken, earlier=list(earlier)[:EARLIER_MAX])
        return Chosen((*self.taken, *again[:EARLIER_MAX], *omitted), lines)


class Sources:
    """Finds the sources of turns over knowledge stores."""

    def __init__(self, knowledge: Search, registry: StoreRegistry) -> None:
        self.knowledge = knowledge
        self.registry = registry

    async def find(self, question: Question, choice: StoreChoice, query: str, *, tokens_max: int) -> Chosen:
        """Find what the stores hold on the question. Never fails a turn: the model is told what is wrong."""
        try:
            async with asyncio.timeout(SEARCH_S):
                return await self._find(question, choice, query, tokens_max)
        except (MultiturnError, TimeoutError) as error:
            log.warning("a turn goes on without its knowledge store: %s", error or "the search takes too long")
            return Chosen((), AWAY)

    async def retrieve(self, tenant_id: UUID, queries: Sequence[StoreQuery], text: str, *, tokens_max: int) -> Chosen:
        """Find what stores hold on a text, outside of any turn. Raises InvalidRequest, Unavailable."""
        found = await run_queries(self.knowledge, tenant_id, queries, text)
        return close_named(Room((), tokens_max), found)

    async def _find(self, question: Question, choice: StoreChoice, query: str, tokens_max: int) -> Chosen:
        room = Room(question.shown, tokens_max, numbered=question.numbered)
        if choice.given is not None:
            room.take_given(choice.given)
            return room.close(omitted_max=NAMED_OMITTED_MAX)
        if not choice.queries:
            return room.close(await self._search_by_aim(question, choice, query, room))
        said = list_said(question)
        found = await run_queries(self.knowledge, question.session.tenant_id, choice.queries, query, earlier=said)
        named = {one.store_id for one in choice.queries}
        others = tuple(id_ for id_ in choice.store_ids if id_ not in named)
        if not others:
            return close_named(room, found)
        room.take(found.sources)
        beside = await self._search_by_aim(question, replace(choice, store_ids=others), query, room)
        return room.close([*found.omitted, *beside], omitted_max=NAMED_OMITTED_MAX)

    async def _search_by_aim(self, question: Question, choice: StoreChoice, query: str, room: Room) -> list[Snippet]:
        """Take what the question aims at; what was found and has nothing to do with it."""
        tenant_id, aim = question.session.tenant_id, find_aim(query)
        selected = await self._list_selected(tenant_id, choice)
        wanted = question.plan.options.metadata
        items = [item for item in await self._list_items(tenant_id, choice) if contains(item.metadata, wanted)]
        kinds = aim.kinds if any(item.kind in aim.kinds for item in items) else frozenset()
        focus = [*list_cited(question), *selected] if aim.is_back or aim.is_moments else selected
        is_there = aim.is_moments and aim.is_back and bool(focus)
        near = replace(SEARCH, kinds=kinds, item_ids=frozenset(focus if selected or is_there else ()))
        hits = await self._search(question, choice, query, near)
        related = [hit for hit in hits if is_related(hit) and (hit.item.id in focus or not is_there)]
        if kinds and (aim.is_corpus or aim.is_moments):
            related = [hit for hit in related if hit.item.kind in kinds] or related
        known = {item.id: item for item in items}
        missing = [id_ for id_ in dict.fromkeys([*focus, *(hit.item.id for hit in related)]) if id_ not in known]
        found = await self.registry.get_items(tenant_id, missing[:ITEMS_MAX])
        known |= {id_: item for id_, item in found.items() if contains(item.metadata, wanted)}
        order = rank_items(known, [*focus, *(hit.item.id for hit in related)])
        order.sort(key=lambda item: bool(kinds) and item.kind not in kinds)
        if kinds and (aim.is_corpus or aim.is_moments):
            order = [item for item in order if item.kind in kinds]
        chunks = [describe_hit(hit) for hit in prefer(related, focus if aim.is_back else selected)]
        self._fill(room, aim, order, chunks, focus)
        return [replace(describe_hit(hit), omitted="below_threshold") for hit in hits if not is_related(hit)]

    def _fill(
        self, room: Room, aim: Aim, items: Sequence[StoreItem], chunks: Sequence[Snippet], focus: Sequence[UUID]
    ) -> None:
        """Take sources in the order in which they matter for what the question aims at."""
        told = [describe_item(item) for item in items if item.digest]
        near = [item for item in items if item.id in focus] or list(items)
        if aim.is_corpus and not aim.is_moments:
            room.take(told, share=CORPUS_SHARE)
            room.take(chunks)
        elif aim.is_moments and (aim.is_back or not chunks):
            room.take(interleave(chunks, list_highlights(near)))
        else:
            room.take(chunks, share=1 - SMALL_SHARE if len(items) <= SMALL_ITEMS else 1.0)
            if len(items) <= SMALL_ITEMS:
                # What is shown whole needs no summary.
                shown = Counter(one.item_id for one in (*room.shown, *room.taken) if one.chunk is not None)
                room.take(describe_item(item) for item in items if item.digest and shown[item.id] < item.chunks)

    async def _list_selected(self, tenant_id: UUID, choice: StoreChoice) -> list[UUID]:
        """The items that the conversation is about."""
        collections = [one.id for one in choice.selections if one.kind == "collection"]
        members = await self.registry.list_members(tenant_id, collections) if collections else ()
        return list(dict.fromkeys([*(one.id for one in choice.selections if one.kind == "item"), *members]))

    async def _list_items(self, tenant_id: UUID, choice: StoreChoice) -> list[StoreItem]:
        """The newest items of the stores."""
        which = StoreItemFilter(statuses=("ready",), sorting=Sorting(limit=ITEMS_MAX))
        pages = [await self.registry.list_items(tenant_id, store_id, which) for store_id in choice.store_ids]
        return [item for page in pages for item in page.data]

    async def _search(
        self, question: Question, choice: StoreChoice, query: str, near: SearchOrder
    ) -> Sequence[DocumentHit]:
        """The chunks that the question is about: of the items and kinds that are ``near`` first, then of everything."""
        owners = [Owner("store", store_id) for store_id in choice.store_ids]
        options = question.plan.options
        order = SearchOrder(
            mode=options.mode,
            text=query[-QUERY_CHARS_MAX:],
            earlier=list_said(question),
            limit=CHUNKS_MAX,
            alpha=options.alpha,
            metadata=options.metadata,
        )
        tenant_id = question.session.tenant_id
        found = list((await self.knowledge.search(tenant_id, owners, order)).hits)
        if near.item_ids or near.kinds:
            nearer = replace(order, item_ids=near.item_ids, kinds=near.kinds)
            first = (await self.knowledge.search(tenant_id, owners, nearer)).hits
            places = {(hit.item.id, hit.chunk) for hit in first}
            found = [*first, *(hit for hit in found if (hit.item.id, hit.chunk) not in places)]
        return found


def close_named(room: Room, found: Gathered) -> Chosen:
    """What queries found, as far as there is room."""
    room.take(found.sources)
    return room.close(found.omitted, omitted_max=NAMED_OMITTED_MAX)


def list_said(question: Question) -> tuple[str, ...]:
    """What users said before the question."""
    return tuple(one.text[-EARLIER_CHARS_MAX:] for one in question.recent if one.speaker != "assistant")


def place_of(source: Snippet) -> tuple[UUID | str, int, int, str]:
    """What tells whether two sources are the same; of a text that was given, it is the text itself."""
    return source.item_id or source.text, source.start, source.end, source.source


def list_cited(question: Question) -> list[UUID]:
    """The items that the last answers cited, those of the newest answer first."""
    by_number = {one.number: one.item_id for one in question.shown if one.number is not None and one.item_id}
    said = [found for one in reversed(question.recent) for found in NUMBERS.findall(one.text)]
    return list(dict.fromkeys(by_number[int(number)] for number in said if int(number) in by_number))


def prefer(hits: Sequence[DocumentHit], items: Sequence[UUID]) -> list[DocumentHit]:
    """Hits with those of some items in front."""
    near = set(items)
    return sorted(hits, key=lambda hit: hit.item.id not in near)


def rank_items(items: Mapping[UUID, StoreItem], wanted: Sequence[UUID]) -> list[StoreItem]:
    """Items with those that are wanted in front, in their order."""
    ids = dict.fromkeys([*(id_ for id_ in wanted if id_ in items), *items])
    return [items[id_] for id_ in ids if items[id_].status == "ready"]


def describe_item(item: StoreItem) -> Snippet:
    """What an item is about; sentences of its own keep their times."""
    summary = item.digest.summary if item.digest else ""
    marks = [
        Mark(place + mark.start, mark.start_s, mark.end_s)
        for one in (item.digest.highlights if item.digest else ())
        if (place := summary.find(one.text)) >= 0
        for mark in one.place.marks or list_whole(one.place)
    ]
    return Snippet(
        source="item",
        text=summary,
        item_id=item.id,
        asset_id=item.asset_id,
        kind=item.kind,
        title=item.title,
        owner_kind="store",
        owner_id=item.store_id,
        place=Place(marks=tuple(sorted(marks, key=lambda mark: mark.start))),
        metadata=item.metadata,
    )


def list_whole(place: Place) -> tuple[Mark, ...]:
    """A place as one mark, where it has a time."""
    return () if place.start_s is None or place.end_s is None else (Mark(0, place.start_s, place.end_s),)


def list_highlights(items: Sequence[StoreItem]) -> Iterator[Snippet]:
    """The sentences that stand for items, one of each in turn."""
    told = [[describe_highlight(item, one) for one in item.digest.highlights] for item in items if item.digest]
    rounds = chain.from_iterable(zip_longest(*told))
    return (one for one, _ in zip((one for one in rounds if one is not None), range(HIGHLIGHTS_MAX), strict=False))


def describe_highlight(item: StoreItem, highlight: Highlight) -> Snippet:
    """A sentence of an item, with its place."""
    return replace(
        describe_item(item),
        source="document",
        text=highlight.text,
        start=highlight.start,
        end=highlight.end,
        place=highlight.place,
    )


def interleave(first: Iterable[Snippet], second: Iterable[Snippet]) -> Iterator[Snippet]:
    """One of each in turn."""
    pairs = chain.from_iterable(zip_longest(first, second))
    return (one for one in pairs if one is not None)
