"""The search index of what was said: made ahead of need in small segments, kept in memory for sessions in use.

A session that never outgrows its model's window is never indexed: entries are made when a context is half full, behind
the turn, and only what a cut surprised is made on the spot (docs/decisions/recall.md).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

from msgspec.structs import replace

from multiturn.engine.embedders import Embedders
from multiturn.engine.open_index import OpenIndex, SegmentKey, list_owners, read_segment
from multiturn.engine.ports import Embedder, ItemStore, SegmentStore
from multiturn.engine.search.index import SearchIndex
from multiturn.engine.search.ranking import list_entries
from multiturn.engine.search.segment import Entry, IndexSegment, build_segment, with_vectors
from multiturn.engine.search.terms import TermReader
from multiturn.engine.window.shown import read_name, read_text
from multiturn.errors import ContextTooLong, Unavailable, UpstreamError, UpstreamRefused
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
# So many are read at once (1 to 4 ms) before other turns pass.
SLICE_SEGMENTS = 8
# So many get vectors in one step.
DUE_SEGMENTS = 4
# While the embedder fails it is asked more and more rarely; what it failed at waits longer, so that others get theirs.
REST_MIN_S, REST_MAX_S = 2.0, 60.0
ASIDE_S = 60.0
# A provider that answers so will answer the same texts so again.
FINAL_STATUSES = (400, 413, 422)
CACHE_BYTES = 64 * 1024 * 1024
SESSIONS_MAX = 10_000


class SessionIndexes:
    """The indexes of sessions. ``now`` is a clock in seconds that never goes back."""

    def __init__(
        self,
        items: ItemStore,
        segments: SegmentStore,
        embedders: Embedders,
        metrics: Metrics,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.items = items
        self.store = segments
        self.embedders = embedders
        self.metrics = metrics
        self.now = now
        self.reader = TermReader()
        self.opened: OrderedDict[UUID, OpenIndex] = OrderedDict()
        self.opened_bytes = 0
        self.failures = 0
        self.rests_until = float("-inf")
        self.aside: dict[SegmentKey, float] = {}

    async def open(self, session: Session, path: Sequence[Range], before: int) -> SearchIndex:
        """The index of what stands on a path before an item; what is not indexed yet is, the newest part of it here."""
        opened = self._find(session.id)
        async with opened.lock:
            await self._refresh(opened, session, path)
            for part in take_newest(list(self._list_missing(opened, session, path, before)), INLINE_ITEMS):
                await self._index(opened, session, part)
        self._count(session.id, opened)
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
        self._count(session.id, opened)

    def forget(self, session_id: UUID) -> None:
        """Forget the index of a session that was deleted or cleared."""
        if opened := self.opened.pop(session_id, None):
            self.opened_bytes -= opened.counted_bytes

    def _find(self, session_id: UUID) -> OpenIndex:
        opened = self.opened.get(session_id)
        if opened is None:
            opened = self.opened[session_id] = OpenIndex()
        self.opened.move_to_end(session_id)
        return opened

    def _count(self, session_id: UUID, opened: OpenIndex) -> None:
        """Note what an index takes now, and let the least recently used go."""
        if self.opened.get(session_id) is not opened:
            return
        size_bytes = opened.index.size_bytes
        self.opened_bytes += size_bytes - opened.counted_bytes
        opened.counted_bytes = size_bytes
        while len(self.opened) > 1 and (self.opened_bytes > CACHE_BYTES or len(self.opened) > SESSIONS_MAX):
            self.forget(next(iter(self.opened)))

    async def _refresh(self, opened: OpenIndex, session: Session, path: Sequence[Range]) -> None:
        """Take up what the store has and this server does not know yet: another one may have made it."""
        for owner_id in list_owners(path, session.id):
            after = opened.newest.get(owner_id, 0)
            listed = await self.store.list_segments(session.tenant_id, owner_id, after=after)
            for first in range(0, len(listed), SLICE_SEGMENTS):
                if first:
                    await asyncio.sleep(0)
                read = [(stored, read_segment(stored)) for stored in listed[first : first + SLICE_SEGMENTS]]
                opened.hold(owner_id, [(stored, segment) for stored, segment in read if segment], self.model)
        if opened.plain and self.model and opened.looks_again():
            await self._take_vectors(opened, session.tenant_id, self.model)

    async def _take_vectors(self, opened: OpenIndex, tenant_id: UUID, model: str) -> None:
        """Take up vectors that were made since."""
        for session_id in {key.session_id for key in opened.plain}:
            models = await self.store.list_models(tenant_id, session_id, last=opened.newest[session_id])
            for key in [key for key in opened.plain if key.session_id == session_id and models.get(key.first) == model]:
                stored = await self.store.find_segment(tenant_id, session_id, key.first)
                if stored and (segment := read_segment(stored)) is not None:
                    opened.take_vectors(key, stored, segment, model)

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
        """Index what a range lacks now, a segment a batch; vectors come later."""
        owner_id = range_.session_id or session.id
        while missing := next(opened.list_missing(owner_id, range_), None):
            part = split(missing)[0]
            items = await self.items.load(session.tenant_id, session.id, [part])
            segment = build_segment(list_index_entries(items), self.reader)
            stored = StoredSegment(first=part.first, last=part.last, model=None, body=segment.encode())
            await self.store.save_segment(session.tenant_id, owner_id, stored)
            held = await self._read_back(session.tenant_id, owner_id, stored)
            opened.hold(owner_id, [held or (stored, segment)], self.model)
            self.metrics.indexed.inc(len(part))

    async def _read_back(
        self, tenant_id: UUID, session_id: UUID, saved: StoredSegment
    ) -> tuple[StoredSegment, IndexSegment] | None:
        """The segment that counts where another server stored one from the same item on; None where it is this one."""
        stored = await self.store.find_segment(tenant_id, session_id, saved.first)
        if stored is None or (stored.last, stored.body) == (saved.last, saved.body):
            return None
        if (segment := read_segment(stored)) is not None:
            return stored, segment
        segment = await self._build_again(tenant_id, session_id, stored)
        stored = replace(stored, model=None, body=segment.encode())
        await self.store.save_vectors(tenant_id, session_id, stored)
        return stored, segment

    async def _build_again(self, tenant_id: UUID, session_id: UUID, stored: StoredSegment) -> IndexSegment:
        """A segment of the items of one that is broken."""
        items = await self.items.load_at(tenant_id, session_id, range(stored.first, stored.last + 1))
        return build_segment(list_index_entries(items), self.reader)

    async def embed_due(self) -> int:
        """Give vectors of the present model to some segments that have none, or those of another model; tells how many.

        0 when there is nothing to do, or the embedder cannot do it now.
        """
        embedder = self.embedders.current
        if embedder is None or self.now() < self.rests_until:
            return 0
        due = await self._list_due(embedder.model)
        for tenant_id, session_id, stored in due:
            key = SegmentKey(session_id, stored.first)
            try:
                segment = await self._embed(tenant_id, session_id, stored, embedder)
            except (Unavailable, UpstreamError) as error:
                self._rest(key, error)
                return 0
            self.failures = 0
            stored = replace(stored, model=embedder.model, body=segment.encode())
            await self.store.save_vectors(tenant_id, session_id, stored)
            if opened := self.opened.get(session_id):
                async with opened.lock:
                    opened.take_vectors(key, stored, segment, embedder.model)
                self._count(session_id, opened)
        return len(due)

    async def _list_due(self, model: str) -> list[tuple[UUID, UUID, StoredSegment]]:
        """Some segments without vectors of this model, but for those that are set aside."""
        now = self.now()
        self.aside = {key: until for key, until in self.aside.items() if until > now}
        listed = await self.store.list_due(model, limit=DUE_SEGMENTS + len(self.aside))
        return [due for due in listed if SegmentKey(due[1], due[2].first) not in self.aside][:DUE_SEGMENTS]

    def _rest(self, key: SegmentKey, error: Unavailable | UpstreamError) -> None:
        """Leave the embedder alone for a while. One that is not ready says so at once, and may be asked again soon."""
        pause_s = error.retry_after_s or 0.0
        if isinstance(error, UpstreamError):
            pause_s = min(max(pause_s, REST_MIN_S * 2**self.failures), REST_MAX_S)
            self.failures = min(self.failures + 1, 16)
            self.aside[key] = self.now() + ASIDE_S
        self.rests_until = self.now() + pause_s
        log.info("what was said gets its vectors later: %s", error)

    async def _embed(
        self, tenant_id: UUID, session_id: UUID, stored: StoredSegment, embedder: Embedder
    ) -> IndexSegment:
        """A segment with vectors of this embedder; as it is where its items are gone or the model refuses them for
        good: words, or the vectors that it has, will do then. Raises Unavailable or UpstreamError.
        """
        segment = read_segment(stored)
        if segment is None:
            segment = await self._build_again(tenant_id, session_id, stored)
        numbers = sorted({int(number) for number in segment.numbers})
        entries = list_index_entries(await self.items.load_at(tenant_id, session_id, numbers))
        if not entries or len(entries) != len(segment):
            return segment
        try:
            return with_vectors(segment, embedder.model, await embedder.embed([entry.text for entry in entries]))
        except UpstreamError as error:
            if not is_final(error):
                raise
            log.warning("items %s to %s have no vectors: %s", stored.first, stored.last, error)
            return segment


def is_final(error: UpstreamError) -> bool:
    """Whether the model refuses these texts, and would the next time; a missing model may be put right."""
    if isinstance(error, UpstreamRefused):
        return error.status in FINAL_STATUSES and error.code == UpstreamRefused.default_code
    return isinstance(error, ContextTooLong)


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
