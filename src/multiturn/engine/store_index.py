"""The search indexes of knowledge stores in memory: read when a search needs them, kept while there is room."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from itertools import accumulate
from uuid import UUID

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from multiturn.engine.ports_knowledge import KnowledgeStore
from multiturn.engine.search.index import SearchIndex
from multiturn.engine.search.segment import IndexSegment, decode_segment
from multiturn.model.knowledge import KnowledgeItem, SegmentChange, StoreState
from multiturn.model.metadata import contains

SEGMENTS_PER_PAGE = 64
# Turns with the same filter ask again and again: so many masks are kept until the store changes.
MASKS_MAX = 8
# What a store takes whatever is in it, about.
STORE_BYTES = 6000
# What a document takes besides its title and its metadata, about.
DOCUMENT_BYTES = 1000
LAST_ID, LAST_NUMBER = UUID(int=2**128 - 1), 2**31 - 1

SegmentKey = tuple[UUID, int]


class Document(Struct, frozen=True):
    """A document of an index, without its content, and where its parts begin in that."""

    item: KnowledgeItem
    starts: tuple[int, ...] = ()

    def locate(self, place: int) -> tuple[int, int]:
        """The part of a character of the content, and where that part begins."""
        if not self.starts:
            return 0, 0
        part = bisect_right(self.starts, place) - 1
        return part, self.starts[part]


class StoreIndex:
    """What the documents of a store are searched by, as of ``version``.

    ``segments`` are those that it has, by document and number, and whether they have vectors. ``place`` is the last
    that was read of the store, by version, document and number: what is written later stands behind it.
    """

    def __init__(self) -> None:
        self.version = 0
        self.place = (0, LAST_ID, LAST_NUMBER)
        self.masks: dict[bytes, NDArray[np.bool_]] = {}
        self.index = SearchIndex()
        self.documents: dict[UUID, Document] = {}
        self.segments: dict[SegmentKey, bool] = {}
        self.documents_bytes = 0
        self.counted_bytes = 0
        self.lock = asyncio.Lock()

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        return STORE_BYTES + self.index.size_bytes + self.documents_bytes

    def apply(self, changes: Sequence[SegmentChange]) -> None:
        """Take over segments that were written: new ones, and new vectors of those that it has."""
        new: dict[Hashable, IndexSegment] = {}
        for change in changes:
            key = (change.segment.item_id, change.segment.number)
            segment = decode_segment(change.segment.body)
            if key in self.segments:
                self._renew(key, segment)
            else:
                new[key] = segment
            self.segments[key] = segment.vectors is not None
            if change.item.id not in self.documents:
                self._add_document(change)
        if new:
            self.index.add_all(new)
        if changes:
            last = changes[-1].segment
            self.place = (last.version, last.item_id, last.number)
            self.masks.clear()

    def _renew(self, key: SegmentKey, segment: IndexSegment) -> None:
        if self.segments[key]:
            self.index.attach(key, segment)
        else:
            self.index.add_vectors(segment, int(self.index.rows_of(key)[0]))

    def _add_document(self, change: SegmentChange) -> None:
        item = change.item
        starts = tuple(accumulate(change.parts[:-1], initial=0)) if change.parts else ()
        self.documents[item.id] = Document(item, starts)
        self.documents_bytes += DOCUMENT_BYTES + len(item.title) + len(msgspec.json.encode(item.metadata))

    def allow(self, metadata: dict[str, object]) -> NDArray[np.bool_] | None:
        """Which entries are of documents whose metadata contain ``metadata``; None when all are."""
        if not metadata:
            return None
        wanted = msgspec.json.encode(metadata)
        mask = self.masks.get(wanted)
        if mask is None:
            kept = {id_ for id_, document in self.documents.items() if contains(document.item.metadata, metadata)}
            allowed = np.zeros(self.index.next_owner, np.bool_)
            allowed[[self.index.keys[key] for key in self.segments if key[0] in kept]] = True
            if len(self.masks) >= MASKS_MAX:
                self.masks.clear()
            mask = self.masks[wanted] = allowed[self.index.columns["owners"].view]
        return mask


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
        if held is None or held.version < state.erased:
            self._drop(held)
            held = self.held[state.id] = StoreIndex()
        self.held.move_to_end(state.id)
        if held.version < state.version:
            async with held.lock:
                await self._refresh(tenant_id, state, held)
            self._count(state.id, held)
        return held

    async def _refresh(self, tenant_id: UUID, state: StoreState, held: StoreIndex) -> None:
        while held.version < state.version:
            changes = await self.store.list_changes(tenant_id, state, after=held.place, limit=SEGMENTS_PER_PAGE)
            held.apply(changes)
            if len(changes) < SEGMENTS_PER_PAGE:
                held.version = state.version
            # Turns pass between two pages of a long store. Who does not wait to the end leaves what was read.
            await asyncio.sleep(0)

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
