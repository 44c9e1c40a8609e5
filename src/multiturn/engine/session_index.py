"""The search index of what was said: made ahead of need in small segments, kept in memory for sessions in use.

A session that never outgrows its model's window is never indexed: entries are made when a context is half full, behind
the turn, and only what a cut surprised is made on the spot (docs/decisions/recall.md).
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from multiturn.engine.embedders import Embedders
from multiturn.engine.ports import Embedder, ItemStore, SegmentStore
from multiturn.engine.search.index import SearchIndex
from multiturn.engine.search.ranking import list_entries
from multiturn.engine.search.segment import Entry, IndexSegment, build_segment, decode_segment, with_vectors
from multiturn.engine.search.terms import TermReader
from multiturn.engine.window.shown import read_name, read_text
from multiturn.errors import Unavailable, UpstreamError
from multiturn.model.content import Reasoning, Summary
from multiturn.model.item import Item, Range
from multiturn.model.retrieved import StoredSegment
from multiturn.model.session import Session
from multiturn.observe import Metrics

log = logging.getLogger(__name__)

# Small enough that none keeps other turns waiting (some 60 µs an item), large enough that 10,000 items are few rows.
SEGMENT_ITEMS = 64
# Behind a turn nothing is indexed that is less than this; the turn that cuts indexes the rest of what it cuts.
SEGMENT_ITEMS_MIN = 32
# What a turn waits for itself; more than this is indexed behind it, and found from the next turn on.
INLINE_ITEMS = 8 * SEGMENT_ITEMS
# So many get vectors in one step, and so often a server looks for those that another one has made.
DUE_SEGMENTS = 4
LOOK_S = 5.0
CACHE_BYTES = 64 * 1024 * 1024
SESSIONS_MAX = 10_000


class SegmentKey(Struct, frozen=True):
    """A segment: the session that stores its items, and the first of them."""

    session_id: UUID
    first: int


class OpenIndex:
    """The index of one session in memory: its own items and those that it shares with others.

    ``covered`` are the stretches of ``seq`` that are indexed, by the session that stores them; ``plain`` the segments
    that lack vectors of the present model.
    """

    def __init__(self) -> None:
        self.index = SearchIndex()
        self.covered: dict[UUID, list[tuple[int, int]]] = {}
        self.newest: dict[UUID, int] = {}
        self.plain: set[SegmentKey] = set()
        self.looked_at = time.monotonic()
        self.lock = asyncio.Lock()

    def list_missing(self, session_id: UUID, range_: Range) -> Iterator[Range]:
        """The parts of a range that no segment covers."""
        begin = range_.first
        for first, last in self.covered.get(session_id, ()):
            if last < begin:
                continue
            if first > range_.last:
                break
            if first > begin:
                yield Range(begin, first - 1, range_.session_id)
            begin = last + 1
        if begin <= range_.last:
            yield Range(begin, range_.last, range_.session_id)

    def hold(self, session_id: UUID, found: Sequence[tuple[StoredSegment, IndexSegment]], model: str | None) -> None:
        """Take up those segments of a session that are not there yet, in one step: each costs the index a copy of its
        arrays' ends. ``model`` is the present one.
        """
        new: dict[Hashable, IndexSegment] = {}
        for stored, segment in found:
            key = SegmentKey(session_id, stored.first)
            if key in self.index:
                continue
            new[key] = segment
            self._cover(session_id, stored.first, stored.last)
            if model is not None and stored.model != model:
                self.plain.add(key)
        self.index.add_all(new)

    def take_vectors(self, key: SegmentKey, stored: StoredSegment, segment: IndexSegment, model: str) -> None:
        """Take over the vectors that a segment has got since."""
        if key in self.index and stored.model == model:
            self.index.attach(key, segment)
            self.plain.discard(key)

    def looks_again(self) -> bool:
        """Whether it is time to look for vectors that were made since."""
        now = time.monotonic()
        if now - self.looked_at < LOOK_S:
            return False
        self.looked_at = now
        return True

    def _cover(self, session_id: UUID, first: int, last: int) -> None:
        """Note that a stretch is indexed; stretches that touch become one."""
        self.newest[session_id] = max(self.newest.get(session_id, 0), first)
        joined: list[tuple[int, int]] = []
        for begin, end in sorted([*self.covered.get(session_id, ()), (first, last)]):
            if joined and begin <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((begin, end))
        self.covered[session_id] = joined


class SessionIndexes:
    """The indexes of sessions."""

    def __init__(self, items: ItemStore, segments: SegmentStore, embedders: Embedders, metrics: Metrics) -> None:
        self.items = items
        self.store = segments
        self.embedders = embedders
        self.metrics = metrics
        self.reader = TermReader()
        self.opened: OrderedDict[UUID, OpenIndex] = OrderedDict()

    async def open(self, session: Session, path: Sequence[Range], before: int) -> SearchIndex:
        """The index of what stands on a path before an item; what is not indexed yet is, the newest part of it here."""
        opened = self._find(session.id)
        async with opened.lock:
            await self._refresh(opened, session, path)
            for part in take_newest(list(self._list_missing(opened, session, path, before)), INLINE_ITEMS):
                await self._index(opened, session, part)
        self._trim()
        return opened.index

    async def prepare(self, session: Session, path: Sequence[Range], before: int) -> None:
        """Index what stands on a path before an item, once it is worth a segment; vectors follow (``embed_due``)."""
        opened = self._find(session.id)
        async with opened.lock:
            await self._refresh(opened, session, path)
            missing = list(self._list_missing(opened, session, path, before))
        if sum(map(len, missing)) >= SEGMENT_ITEMS_MIN:
            for part in [part for range_ in missing for part in split(range_)]:
                async with opened.lock:
                    await self._index(opened, session, part)
                await asyncio.sleep(0)
        self._trim()

    def forget(self, session_id: UUID) -> None:
        """Forget the index of a session that was deleted or cleared."""
        self.opened.pop(session_id, None)

    def _find(self, session_id: UUID) -> OpenIndex:
        opened = self.opened.get(session_id)
        if opened is None:
            opened = self.opened[session_id] = OpenIndex()
        self.opened.move_to_end(session_id)
        return opened

    def _trim(self) -> None:
        """Let the least recently used go."""
        total = sum(opened.index.size_bytes for opened in self.opened.values())
        while len(self.opened) > 1 and (total > CACHE_BYTES or len(self.opened) > SESSIONS_MAX):
            _, oldest = self.opened.popitem(last=False)
            total -= oldest.index.size_bytes

    async def _refresh(self, opened: OpenIndex, session: Session, path: Sequence[Range]) -> None:
        """Take up what the store has and this server does not know yet: another one may have made it."""
        for owner_id in {range_.session_id or session.id for range_ in path}:
            after = opened.newest.get(owner_id, 0)
            listed = await self.store.list_segments(session.tenant_id, owner_id, after=after)
            opened.hold(owner_id, [(stored, decode_segment(stored.body)) for stored in listed], self.model)
        if opened.plain and self.model and opened.looks_again():
            await self._take_vectors(opened, session.tenant_id, self.model)

    async def _take_vectors(self, opened: OpenIndex, tenant_id: UUID, model: str) -> None:
        """Take up vectors that were made since."""
        for session_id in {key.session_id for key in opened.plain}:
            models = await self.store.list_models(tenant_id, session_id, last=opened.newest[session_id])
            for key in [key for key in opened.plain if key.session_id == session_id and models.get(key.first) == model]:
                if stored := await self.store.find_segment(tenant_id, session_id, key.first):
                    opened.take_vectors(key, stored, decode_segment(stored.body), model)

    @property
    def model(self) -> str | None:
        """The present embedding model."""
        return self.embedders.current.model if self.embedders.current else None

    def _list_missing(self, opened: OpenIndex, session: Session, path: Sequence[Range], before: int) -> Iterator[Range]:
        """What is not indexed of a path before an item, oldest first."""
        for range_ in path:
            if range_.first < before:
                wanted = Range(range_.first, min(range_.last, before - 1), range_.session_id)
                yield from opened.list_missing(range_.session_id or session.id, wanted)

    async def _index(self, opened: OpenIndex, session: Session, range_: Range) -> None:
        """Index the items of a range, a segment a batch; vectors come later."""
        owner_id = range_.session_id or session.id
        for part in split(range_):
            items = await self.items.load(session.tenant_id, session.id, [part])
            segment = build_segment(list_index_entries(items), self.reader)
            stored = StoredSegment(first=part.first, last=part.last, model=None, body=segment.encode())
            await self.store.save_segment(session.tenant_id, owner_id, stored)
            opened.hold(owner_id, [(stored, segment)], self.model)
        self.metrics.indexed.inc(len(range_))

    async def embed_due(self) -> int:
        """Give vectors of the present model to some segments that have none, or those of another model; tells how many.

        0 when there is nothing to do, or the embedder cannot do it now.
        """
        embedder = self.embedders.current
        if embedder is None:
            return 0
        due = await self.store.list_due(embedder.model, limit=DUE_SEGMENTS)
        for tenant_id, session_id, stored in due:
            try:
                segment = await self._embed(tenant_id, session_id, stored, embedder)
            except Unavailable as error:
                log.info("what was said gets its vectors later: %s", error)
                return 0
            stored = replace(stored, model=embedder.model, body=segment.encode())
            await self.store.save_vectors(tenant_id, session_id, stored)
            if opened := self.opened.get(session_id):
                async with opened.lock:
                    opened.take_vectors(SegmentKey(session_id, stored.first), stored, segment, embedder.model)
        return len(due)

    async def _embed(
        self, tenant_id: UUID, session_id: UUID, stored: StoredSegment, embedder: Embedder
    ) -> IndexSegment:
        """A segment with vectors; without, where its items are gone or the model refuses them: words will do then."""
        segment = dataclasses.replace(decode_segment(stored.body), vectors=None)
        numbers = sorted({int(number) for number in segment.numbers})
        entries = list_index_entries(await self.items.load_at(tenant_id, session_id, numbers))
        if not entries or len(entries) != len(segment):
            return segment
        try:
            return with_vectors(segment, embedder.model, await embedder.embed([entry.text for entry in entries]))
        except UpstreamError as error:
            log.warning("items %s to %s have no vectors: %s", stored.first, stored.last, error)
            return segment


def take_newest(ranges: Sequence[Range], count: int) -> list[Range]:
    """The last ``count`` items of ranges, in their order: neighbours in an index are added one after the other."""
    taken: list[Range] = []
    for range_ in reversed(ranges):
        if count <= 0:
            break
        taken.append(Range(max(range_.first, range_.last - count + 1), range_.last, range_.session_id))
        count -= len(taken[-1])
    return taken[::-1]


def split(range_: Range) -> list[Range]:
    """A range in batches that are indexed at once."""
    return [
        Range(first, min(first + SEGMENT_ITEMS - 1, range_.last), range_.session_id)
        for first in range(range_.first, range_.last + 1, SEGMENT_ITEMS)
    ]


def list_index_entries(items: Sequence[Item]) -> list[Entry]:
    """What items are found by: their text in pieces, each with its speaker's name and its day."""
    entries: list[Entry] = []
    for item in items:
        if not isinstance(item.content, Reasoning | Summary) and (text := read_text(item.content)):
            entries += list_entries(item.seq, text, speaker=read_name(item.content), said_at=item.created_at)
    return entries
