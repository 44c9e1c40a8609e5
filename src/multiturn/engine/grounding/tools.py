"""Tools with which a model looks into a knowledge store by itself: search, list, read an outline, read at a place.

What they find are sources as well: numbered behind those that the turn began with, and cited like them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from multiturn.engine.document_search import describe_hit
from multiturn.engine.grounding.block import write_source
from multiturn.engine.grounding.queries import Search, run_queries
from multiturn.engine.grounding.sources import Room, describe_item, list_highlights
from multiturn.engine.item_parts import list_page_parts
from multiturn.engine.ports_ingestion import PartStore, StoreRegistry
from multiturn.engine.window.question import StoreChoice
from multiturn.errors import InvalidRequest, MultiturnError
from multiturn.model.content import FunctionCall, FunctionCallOutput
from multiturn.model.knowledge import Owner, SearchOrder
from multiturn.model.metadata import contains
from multiturn.model.retrieved import Snippet
from multiturn.model.segment import Segment
from multiturn.model.store import Sorting, StoreItem, StoreItemFilter

# What the ids of calls begin with that a model made of our own tools: they are not the client's.
LOOK_UP = "lookup_"
SEARCH, LIST, OUTLINE, READ = "search_knowledge", "list_items", "read_outline", "read_around"
LISTED_MAX = 50
PARTS_MAX = 30
SECONDS_AROUND = 30.0
NOTHING = "Nothing was found."
PAGE = re.compile(r"page\s*([0-9]{1,6})", re.IGNORECASE)
PLACE_PART = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?")


class SearchKnowledge(Struct, frozen=True):
    """Search the knowledge store for passages about something."""

    query: Annotated[str, Meta(description="What to look for, in a few words.", min_length=1, max_length=2000)]
    limit: Annotated[int, Meta(description="How many passages at most.", ge=1, le=20)] = 8


class ListItems(Struct, frozen=True):
    """List the documents, recordings and videos of the knowledge store with what each is about."""

    page: Annotated[int, Meta(description="Which 50 of them, from 1.", ge=1, le=1000)] = 1


class ReadOutline(Struct, frozen=True):
    """Read what an item says, stretch by stretch, with times or pages."""

    source: Annotated[int, Meta(description="The number of any source of that item.")]


class ReadAround(Struct, frozen=True):
    """Read an item at a place: everything that is said and shown around a time, or stands on a page."""

    source: Annotated[int, Meta(description="The number of any source of that item.")]
    at: Annotated[str, Meta(description="A time as m:ss or seconds, or 'page 4'.")]


TOOLS: Mapping[str, type[Struct]] = {SEARCH: SearchKnowledge, LIST: ListItems, OUTLINE: ReadOutline, READ: ReadAround}


def describe_tools() -> list[dict[str, Any]]:
    """The tools as a model is told of them."""
    return [
        {
            "type": "function",
            "function": {"name": name, "description": shape.__doc__, "parameters": describe(shape)},
        }
        for name, shape in TOOLS.items()
    ]


def describe(shape: type[Struct]) -> dict[str, Any]:
    """The JSON schema of a tool's arguments."""
    _, parts = msgspec.json.schema_components([shape])
    schema = parts[shape.__name__]
    return {name: schema[name] for name in ("type", "properties", "required") if name in schema}


class Searchable(Struct, frozen=True, kw_only=True):
    """Where tools look."""

    knowledge: Search
    registry: StoreRegistry
    parts: PartStore


class KnowledgeTools:
    """Runs the tools of one turn over its stores, over what has this ``metadata`` there."""

    def __init__(
        self,
        searched: Searchable,
        tenant_id: UUID,
        choice: StoreChoice,
        shown: Sequence[Snippet],
        *,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.searched = searched
        self.tenant_id = tenant_id
        self.choice = choice
        self.queries = {query.store_id: query for query in choice.queries}
        self.metadata = metadata or {}
        self.sources = {one.number: one for one in shown if one.number is not None}

    async def run(self, call: FunctionCall, *, tokens_max: int) -> tuple[FunctionCallOutput, Sequence[Snippet]]:
        """Run a call: what it says to the model, also of what goes wrong, and the sources that it found."""
        room = Room(tuple(self.sources.values()), tokens_max)
        try:
            arguments = msgspec.json.decode(call.arguments or "{}", type=TOOLS[call.name])
            text = await self._run(arguments, room)
        except (msgspec.MsgspecError, MultiturnError) as error:
            return FunctionCallOutput(call.call_id, f"The tool failed: {error}"), ()
        self.sources |= {one.number: one for one in room.taken if one.number is not None}
        earlier = "".join(f"See also [{number}] above.\n" for number in room.earlier)
        return FunctionCallOutput(call.call_id, (text + earlier) or NOTHING), room.taken

    async def _run(self, order: Struct, room: Room) -> str:
        """What a tool says to the model."""
        if isinstance(order, SearchKnowledge):
            await self._search(order, room)
        elif isinstance(order, ListItems):
            await self._list(order, room)
        elif isinstance(order, ReadOutline):
            item = await self._find_item(order.source)
            room.take(list_highlights([item]) if item else ())
        elif isinstance(order, ReadAround):
            await self._read(order, room)
        return "".join(map(write_source, room.taken))

    async def _search(self, order: SearchKnowledge, room: Room) -> None:
        knowledge, queries = self.searched.knowledge, [replace(one, limit=order.limit) for one in self.queries.values()]
        if queries:
            room.take((await run_queries(knowledge, self.tenant_id, queries, order.query)).sources)
        owners = [Owner("store", store_id) for store_id in self.choice.store_ids if store_id not in self.queries]
        if owners or not queries:
            wanted = SearchOrder(text=order.query, limit=order.limit, metadata=self.metadata)
            found = await knowledge.search(self.tenant_id, owners, wanted)
            room.take(map(describe_hit, found.hits))

    async def _list(self, order: ListItems, room: Room) -> None:
        which = StoreItemFilter(
            statuses=("ready",), sorting=Sorting(offset=(order.page - 1) * LISTED_MAX, limit=LISTED_MAX)
        )
        for store_id in self.choice.store_ids:
            page = await self.searched.registry.list_items(self.tenant_id, store_id, which)
            room.take(describe_item(item) for item in page.data if self._is_listed(item))

    def _is_listed(self, item: StoreItem) -> bool:
        """Whether the turn may see an item of a store: as its query of that store says, where it has one."""
        query = self.queries.get(item.store_id)
        if query is None:
            return contains(item.metadata, self.metadata)
        return contains(item.metadata, query.metadata) and (not query.asset_ids or item.asset_id in query.asset_ids)

    async def _find_item(self, number: int) -> StoreItem | None:
        """The item of a source."""
        source = self.sources.get(number)
        if source is None or source.item_id is None:
            return None
        return (await self.searched.registry.get_items(self.tenant_id, [source.item_id])).get(source.item_id)

    async def _read(self, order: ReadAround, room: Room) -> None:
        item = await self._find_item(order.source)
        if item is None:
            return
        page, at_s = read_place(order.at)
        if page is not None:
            parts: Sequence[tuple[int, Segment]] = await list_page_parts(
                self.searched.parts, self.tenant_id, item.id, page, page, limit=PARTS_MAX
            )
        else:
            parts = await self.searched.parts.list_parts_between(
                self.tenant_id, item.id, max(0.0, at_s - SECONDS_AROUND), at_s + SECONDS_AROUND, limit=PARTS_MAX
            )
        room.take(describe_part(item, start, segment) for start, segment in parts)


def read_place(text: str) -> tuple[int | None, float]:
    """A place as a model writes it: a page, or seconds."""
    if page := PAGE.fullmatch(text.strip()):
        return int(page[1]), 0.0
    seconds = 0.0
    for part in text.strip().split(":"):
        if not PLACE_PART.fullmatch(part.strip()):
            raise InvalidRequest("'at' must be a time as m:ss or seconds, or 'page 4'.", param="at")
        seconds = seconds * 60 + float(part)
    return None, seconds


def describe_part(item: StoreItem, start: int, segment: Segment) -> Snippet:
    """A part of an item's text as a source."""
    return replace(
        describe_item(item),
        source="document",
        text=segment.text,
        start=start,
        end=start + len(segment.text),
        modality=segment.modality,
        place=segment.place,
    )
