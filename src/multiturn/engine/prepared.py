"""Prepared contexts: knowledge that is retrieved ahead of turns, kept, and given to turns instead of a search."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec.structs import replace

from multiturn.engine.document_search import describe_hit
from multiturn.engine.grounding.sources import Sources
from multiturn.engine.knowledge import Knowledge
from multiturn.engine.ports import Clock
from multiturn.engine.ports_prepared import PreparedStore
from multiturn.engine.window.tokens import count_text
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.citation import StoreQuery
from multiturn.model.ids import CHUNK_MAX, new_id
from multiturn.model.knowledge import Owner
from multiturn.model.prepared import PreparedContext
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.store import StoreItem
from multiturn.model.tenant import Caller

TEXT_CHARS_MAX = 10_000
# An item that is given whole gives so many chunks at most: more fit into no context.
CHUNKS_MAX = 500
CHUNK_ID_VERSION = 8


class PreparedContexts:
    """The prepared contexts of tenants: a key that acts for a user sees that user's only."""

    def __init__(self, store: PreparedStore, sources: Sources, knowledge: Knowledge, clock: Clock) -> None:
        self.store = store
        self.sources = sources
        self.knowledge = knowledge
        self.clock = clock

    async def prepare(
        self, caller: Caller, text: str, queries: Sequence[StoreQuery], *, tokens_max: int
    ) -> PreparedContext:
        """Search these stores now and keep what they hold on a text. Raises InvalidRequest, Unavailable."""
        if not text.strip() or len(text) > TEXT_CHARS_MAX:
            raise InvalidRequest(f"'query' must have 1 to {TEXT_CHARS_MAX} characters.", param="query")
        if "\0" in text:
            raise InvalidRequest("'query' must not hold NUL characters.", param="query")
        began = time.perf_counter()
        found = await self.sources.retrieve(caller.tenant_id, queries, text, tokens_max=tokens_max)
        took_ms = round(1000 * (time.perf_counter() - began), 2)
        retrieved = RetrievedContext(
            query=text, snippets=found.snippets, block=found.lines, tokens=count_text(found.lines), took_ms=took_ms
        )
        prepared = PreparedContext(
            id=new_id(),
            tenant_id=caller.tenant_id,
            user_id=caller.user_id,
            created_at=self.clock(),
            queries=tuple(queries),
            tokens_max=tokens_max,
            retrieved=retrieved,
        )
        await self.store.add(prepared)
        return prepared

    async def get(self, caller: Caller, prepared_id: UUID | None) -> PreparedContext:
        """Get one. Raises NotFound."""
        user_id = caller.user_id if caller.is_bound else None
        found = await self.store.find(caller.tenant_id, prepared_id, user_id=user_id) if prepared_id else None
        if found is None:
            raise prepared_not_found()
        return found

    async def list_prepared(self, caller: Caller, *, limit: int, offset: int) -> tuple[Sequence[PreparedContext], int]:
        """A page of them, newest first, and how many there are in all."""
        user_id = caller.user_id if caller.is_bound else None
        return await self.store.list_prepared(caller.tenant_id, user_id=user_id, limit=limit, offset=offset)

    async def delete(self, caller: Caller, prepared_id: UUID | None) -> None:
        """Delete one for good. Raises NotFound."""
        user_id = caller.user_id if caller.is_bound else None
        if prepared_id is None or not await self.store.delete(caller.tenant_id, prepared_id, user_id=user_id):
            raise prepared_not_found()

    async def read_pieces(self, tenant_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Snippet]]:
        """What these ids name, each a chunk, or an item with all its chunks; those that are there."""
        items = await self.sources.registry.get_items(tenant_id, ids)
        read: dict[UUID, Sequence[Snippet]] = {}
        for id_ in dict.fromkeys(ids):
            item, chunk = items.get(id_), None
            if item is None and id_.version == CHUNK_ID_VERSION:
                item = await self.sources.registry.find_item_of_chunk(tenant_id, id_)
                chunk = id_.int & CHUNK_MAX
            if item is not None and (pieces := await self._read(item, chunk)):
                read[id_] = pieces
        return read

    async def _read(self, item: StoreItem, chunk: int | None) -> list[Snippet]:
        """The chunks of an item, or one of them."""
        owner = Owner("store", item.store_id)
        hits = await self.knowledge.read_chunks(item.tenant_id, owner, item.id, chunk=chunk, limit=CHUNKS_MAX)
        return [describe_hit(hit) for hit in hits]


def list_given(prepared: PreparedContext) -> tuple[Snippet, ...]:
    """The sources of a prepared context, as a turn is given them."""
    return tuple(replace(one, number=None) for one in prepared.retrieved.snippets if one.omitted is None)


def prepared_not_found() -> NotFound:
    """The error of a prepared context that is not there, or another's."""
    return NotFound("There is no such context handler.", code="context_handler_not_found", param="context_handler_id")
