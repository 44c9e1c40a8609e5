"""The search indexes of knowledge stores in memory: read when a search needs them, kept while there is room."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from itertools import accumulate
from typing import TypeVar
from uuid import UUID

import msgspec
import numpy as np

from multiturn.engine.ports_knowledge import KnowledgeStore
from multiturn.engine.search.columns import Column
from multiturn.engine.search.index import SearchIndex
from multiturn.engine.search.segment import IndexSegment, decode_segment
from multiturn.engine.store_view import MODALITIES, Document, StoreView
from multiturn.model.knowledge import KnowledgeItem, SegmentChange, StoreState, StoreSurvey

SEGMENTS_PER_PAGE = 64
# What a store takes whatever is in it, about.
STORE_BYTES = 6000
# What a document takes besides its title and its metadata, about.
DOCUMENT_BYTES = 1000
# An index of more chunks is searched and changed in threads, so that turns are not kept waiting.
INLINE_CHUNKS_MAX = 20_000
INLINE_SEGMENTS_MAX = 16
LAST_ID, LAST_NUMBER = UUID(int=2**128 - 1), 2**31 - 1

SegmentKey = tuple[UUID, int]
What = TypeVar("What")
Found = TypeVar("Found")


class StoreIndex:
    """What the documents of a store are searched by, as of ``version``.

    ``segments`` are those that it has, by document and number, with the version that each came with. ``place`` is the
    last that was read of the store, by version, document and number: what is written later stands behind it. ``view``
    is what is searched; it is made anew by ``publish``.
    """

    def __init__(self) -> None:
        self.version = 0
        self.place = (0, LAST_ID, LAST_NUMBER)
        self.index = SearchIndex()
        self.documents: list[Document] = []
        self.places: dict[UUID, int] = {}
        self.segments: dict[SegmentKey, int] = {}
        self.segment_documents = Column(np.int32)
        self.segment_modalities = Column(np.int8)
        self.documents_bytes = 0
        self.counted_bytes = 0
        self.lock = asyncio.Lock()
        self.view = self.look()

    def __len__(self) -> int:
        return len(self.index)

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        return STORE_BYTES + self.index.size_bytes + self.documents_bytes

    def look(self) -> StoreView:
        """The index as it is now."""
        return StoreView(self.index.view, self.documents, self.segment_documents.view, self.segment_modalities.view)

    def publish(self) -> None:
        """Have what was taken over searched."""
        self.view = self.look()

    def apply(self, changes: Sequence[SegmentChange]) -> None:
        """Take over segments that were written: new ones, and new vectors of those that it has."""
        new: dict[Hashable, IndexSegment] = {}
        renewed: dict[Hashable, IndexSegment] = {}
        documents: list[int] = []
        modalities: list[int] = []
        for change in changes:
            written = change.segment
            key = (written.item_id, written.number)
            segment = decode_segment(written.body)
            if key in self.segments:
                renewed[key] = segment
            else:
                new[key] = segment
                documents.append(self._place(change.item, change.parts))
                modalities.append(MODALITIES.index(written.modality))
            self.segments[key] = written.version
        self.index.add_all(new)
        self.segment_documents.append(np.array(documents, np.int32))
        self.segment_modalities.append(np.array(modalities, np.int8))
        self.index.attach_all(renewed)
        if changes:
            last = changes[-1].segment
            self.place = (last.version, last.item_id, last.number)

    def _place(self, item: KnowledgeItem, parts: Sequence[int]) -> int:
        """The place of a document, as it is now; a new one is put behind the others."""
        place = self.places.get(item.id)
        if place is None:
            place = self.places[item.id] = len(self.documents)
            self.documents.append(describe(item, parts))
            self.documents_bytes += DOCUMENT_BYTES + len(item.title) + len(msgspec.json.encode(item.metadata))
        elif self.documents[place].item != item:
            self.documents[place] = describe(item, parts)
        return place

    def reconcile(self, survey: StoreSurvey) -> None:
        """Let go of what is gone or was written anew, and take over what documents are called now."""
        gone = [key for key, version in self.segments.items() if survey.segments.get(key) != version]
        if gone:
            self.index.remove_all(gone)
        for key in gone:
            del self.segments[key]
        # Who searches at this moment goes on with the list as it was.
        self.documents = list(self.documents)
        for item, parts in survey.items:
            place = self.places.get(item.id)
            if place is not None:
                self.documents[place] = describe(item, parts)
        present = {item.id for item, _ in survey.items}
        self.places = {id_: place for id_, place in self.places.items() if id_ in present}


class StoreIndexes:
    """The indexes that were used last, of at most ``bytes_max`` and at least one."""

    def __init__(self, store: KnowledgeStore, *, bytes_max: int) -> None:
        self.store = store
        self.bytes_max = bytes_max
        self.held: OrderedDict[UUID, StoreIndex] = OrderedDict()
        self.held_bytes = 0

    async def open(self, tenant_id: UUID, state: StoreState) -> StoreIndex:
        """The index of a store as it stands: what changed since it was last used, by whatever server, is read."""
        held = self.held.get(state.id)
        if held is None:
            held = self.held[state.id] = StoreIndex()
        self.held.move_to_end(state.id)
        if held.version < state.version:
            async with held.lock:
                await self._refresh(tenant_id, state, held)
            self._count(state.id, held)
        return held

    async def _refresh(self, tenant_id: UUID, state: StoreState, held: StoreIndex) -> None:
        if held.version < state.erased and held.segments:
            survey = await self.store.survey(tenant_id, state)
            await carry_out(held.reconcile, survey, is_long=len(held) > INLINE_CHUNKS_MAX)
        while held.version < state.version:
            changes = await self.store.list_changes(tenant_id, state, after=held.place, limit=SEGMENTS_PER_PAGE)
            is_long = len(held) > INLINE_CHUNKS_MAX or len(changes) > INLINE_SEGMENTS_MAX
            await carry_out(held.apply, changes, is_long=is_long)
            if len(changes) < SEGMENTS_PER_PAGE:
                held.version = state.version
            # Turns pass between two pages of a long store. Who does not wait to the end leaves what was read.
            await asyncio.sleep(0)
        held.publish()

    def _count(self, store_id: UUID, held: StoreIndex) -> None:
        """Note what an index takes now, and let go of those that were not used for longest."""
        if self.held.get(store_id) is not held:
            return
        self.held_bytes += held.size_bytes - held.counted_bytes
        held.counted_bytes = held.size_bytes
        while self.held_bytes > self.bytes_max and len(self.held) > 1:
            _, dropped = self.held.popitem(last=False)
            self._drop(dropped)

    def _drop(self, held: StoreIndex | None) -> None:
        if held is not None:
            self.held_bytes -= held.counted_bytes
            held.counted_bytes = 0


def describe(item: KnowledgeItem, parts: Sequence[int]) -> Document:
    """A document of an index; ``parts`` are the characters of each of its parts."""
    return Document(item, tuple(accumulate(parts[:-1], initial=0)) if parts else ())


async def carry_out(do: Callable[[What], Found], what: What, *, is_long: bool) -> Found:
    """Do something here, or in a thread when it takes long. It is done when this ends, also by a cancellation: nobody
    else may be at work on the same index.
    """
    if not is_long:
        return do(what)
    task = asyncio.create_task(asyncio.to_thread(do, what))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
