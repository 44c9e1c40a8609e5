"""The index of one session in memory: which of its items are in it, and which of them still lack vectors."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Hashable, Iterator, Sequence
from uuid import UUID

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from multiturn.engine.search.index import SearchIndex
from multiturn.engine.search.segment import IndexSegment, decode_segment
from multiturn.model.item import Range
from multiturn.model.retrieved import StoredSegment

log = logging.getLogger(__name__)

# So often a server looks for vectors that another one has made.
LOOK_S = 5.0


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
        self.counted_bytes = 0
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
        """Take up those segments of a session whose items are not there yet, in one step: each costs the index a copy
        of its arrays' ends. ``model`` is the present one.
        """
        new: dict[Hashable, IndexSegment] = {}
        for stored, segment in found:
            key = SegmentKey(session_id, stored.first)
            self.newest[session_id] = max(self.newest.get(session_id, 0), stored.first)
            # Two servers may have cut the same items into batches differently; what is there counts once.
            if key in self.index or not any(self.list_missing(session_id, Range(stored.first, stored.last))):
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
        joined: list[tuple[int, int]] = []
        for begin, end in sorted([*self.covered.get(session_id, ()), (first, last)]):
            if joined and begin <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((begin, end))
        self.covered[session_id] = joined


def read_segment(stored: StoredSegment) -> IndexSegment | None:
    """Read what is stored; None where it is broken, or of another version: its items count as not indexed."""
    try:
        segment = decode_segment(stored.body)
    except ValueError as error:
        log.warning("the index of items %s to %s is made anew: %s", stored.first, stored.last, error)
        return None
    if is_whole(segment):
        return segment
    log.warning("the index of items %s to %s is made anew: its parts do not fit", stored.first, stored.last)
    return None


def is_whole(segment: IndexSegment) -> bool:
    """Whether the arrays of a segment fit each other."""
    arrays = (segment.starts, segment.ends, segment.lengths, segment.widths)
    words = int(segment.widths.sum())
    vectors = segment.vectors
    return (
        all(len(array) == len(segment) for array in arrays)
        and len(segment.terms) == len(segment.counts) == words
        and (vectors is None or len(vectors.rows) == len(vectors.scales) == len(segment))
    )


def mark_path(index: SearchIndex, path: Sequence[Range], session_id: UUID) -> NDArray[np.bool_] | None:
    """Which entries stand on the path of a session, and not on a branch that was left; None when all do."""
    numbers, owners = index.numbers, index.columns["owners"].view
    marked = np.zeros(len(index), np.bool_)
    stored_by = {owner_id: np.zeros(index.next_owner, np.bool_) for owner_id in list_owners(path, session_id)}
    for key, owner in index.keys.items():
        if isinstance(key, SegmentKey) and key.session_id in stored_by:
            stored_by[key.session_id][owner] = True
    for range_ in path:
        within = (numbers >= range_.first) & (numbers <= range_.last)
        marked |= within & stored_by[range_.session_id or session_id][owners]
    return None if marked.all() else marked


def list_owners(path: Sequence[Range], session_id: UUID) -> set[UUID]:
    """The sessions that store the items of a path."""
    return {range_.session_id or session_id for range_ in path}
