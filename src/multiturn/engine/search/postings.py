"""Postings: which entries hold a term, and how often, for the scores of BM25."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from multiturn.engine.search.columns import Column

# Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework". Talk is short and its length says little.
K1 = 0.9
B = 0.4
# Up to here a look at every posting (0.2 ms) is cheaper than to keep them sorted (50 ns for each, once).
SCANNED_MAX = 400_000
BUCKETS = 1 << 16
# Runs are put together while the last is not smaller than this share of the one before it: few are looked through, and
# no posting is moved more than some ten times.
MERGE_SHARE = 0.25
# So many postings are moved at once: what that takes besides stays small.
MERGED_AT_ONCE = 1 << 20


class Matches(NamedTuple):
    """Postings that were found: which of the terms each is of (terms have ``weights``), its entry, and its count."""

    weights: NDArray[np.float32]
    ranks: NDArray[np.intp]
    rows: NDArray[np.int32]
    counts: NDArray[np.uint8]

    def score(self, lengths: NDArray[np.int32]) -> NDArray[np.float32]:
        """The BM25 score of each entry; ``lengths`` are those of all entries."""
        counts = self.counts.astype(np.float32)
        held_by = np.bincount(self.ranks, minlength=len(self.weights))
        idf = weigh_rarity(held_by, len(lengths)).astype(np.float32)
        norms = K1 * (1 - B + B * lengths[self.rows] / max(float(lengths.mean()), 1.0))
        gains = (self.weights * idf)[self.ranks] * counts * (K1 + 1) / (counts + norms)
        return np.bincount(self.rows, weights=gains, minlength=len(lengths)).astype(np.float32)

    def find_holders(self, entries: int) -> NDArray[np.bool_]:
        """Which of so many entries hold a term without a weight."""
        held = np.zeros(entries, np.bool_)
        held[self.rows[(self.weights == 0)[self.ranks]]] = True
        return held


class SortedPostings(NamedTuple):
    """Postings by their terms: those of the term number n stand from ``bounds[n]`` to ``bounds[n + 1]``, by entry."""

    terms: NDArray[np.uint32]
    bounds: NDArray[np.int64]
    rows: NDArray[np.int32]
    counts: NDArray[np.uint8]

    @property
    def size_bytes(self) -> int:
        """The memory it takes."""
        return sum(array.nbytes for array in self)

    def find(self, term: int) -> slice:
        """Where the postings of a term stand."""
        place = int(np.searchsorted(self.terms, np.uint32(term)))
        if place == len(self.terms) or self.terms[place] != term:
            return slice(0, 0)
        return slice(int(self.bounds[place]), int(self.bounds[place + 1]))


class Held(NamedTuple):
    """The entries that hold one term, ascending, and how often."""

    rows: NDArray[np.int32]
    counts: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PostingsView:
    """The postings of an index at one moment, which nothing changes: sorted parts, and those added since."""

    sorted: tuple[SortedPostings, ...]
    terms: NDArray[np.uint32]
    rows: NDArray[np.int32]
    counts: NDArray[np.uint8]

    def gather(self, wanted: Sequence[int]) -> list[Held]:
        """The entries that hold each of these terms, which have to be in their order."""
        slices = [[(part, part.find(term)) for part in self.sorted] for term in wanted]
        places, ranks = self.scan(np.array(wanted, np.uint32))
        gathered: list[Held] = []
        for rank, found in enumerate(slices):
            last = places[ranks == rank]
            rows = [*(part.rows[place] for part, place in found if place.stop), self.rows[last]]
            counts = [*(part.counts[place] for part, place in found if place.stop), self.counts[last]]
            gathered.append(Held(join(rows, np.int32), join(counts, np.uint8)))
        return gathered

    def scan(self, wanted: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Find in the part that is not sorted: one look at each, by the last bits of the term, then exactly. The places
        of the postings, and which of the wanted terms each is of.
        """
        if not len(wanted) or not len(self.terms):
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        buckets = np.zeros(BUCKETS, np.bool_)
        buckets[wanted & (BUCKETS - 1)] = True
        likely = np.flatnonzero(buckets[self.terms.astype(np.uint16)])
        ranks = np.minimum(np.searchsorted(wanted, self.terms[likely]), len(wanted) - 1)
        exact = wanted[ranks] == self.terms[likely]
        return likely[exact], ranks[exact]


class Postings:
    """The postings of an index: sorted parts, and those added since, which are looked through."""

    def __init__(self) -> None:
        self.terms = Column(np.uint32)
        self.rows = Column(np.int32)
        self.counts = Column(np.uint8)
        self.sorted: tuple[SortedPostings, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The memory it takes."""
        columns = self.terms.size_bytes + self.rows.size_bytes + self.counts.size_bytes
        return columns + sum(part.size_bytes for part in self.sorted)

    @property
    def view(self) -> PostingsView:
        """The postings as they are now."""
        return PostingsView(self.sorted, self.terms.view, self.rows.view, self.counts.view)

    def add(self, terms: NDArray[np.uint32], rows: NDArray[np.int32], counts: NDArray[np.uint8]) -> None:
        """Add postings of new entries."""
        self.terms.append(terms)
        self.rows.append(rows)
        self.counts.append(counts)
        if len(self.terms.view) > SCANNED_MAX:
            self.sort()

    def keep(self, rows_kept: NDArray[np.bool_], places: NDArray[np.int32]) -> None:
        """Keep the postings of some rows only, which move to new places. Their order stays."""
        kept_parts = (keep_rows(part, rows_kept, places) for part in self.sorted)
        self.sorted = tuple(part for part in kept_parts if len(part.rows))
        kept = rows_kept[self.rows.view]
        self.terms.replace(self.terms.view[kept])
        self.counts.replace(self.counts.view[kept])
        self.rows.replace(places[self.rows.view[kept]])

    def match(self, wanted: Mapping[int, float]) -> Matches:
        """Find the postings of the terms that are wanted, with their weights."""
        terms = sorted(wanted)
        held = self.view.gather(terms)
        ranks = np.repeat(np.arange(len(terms)), [len(one.rows) for one in held])
        weights = np.array([wanted[term] for term in terms], np.float32)
        return Matches(
            weights, ranks, join([one.rows for one in held], np.int32), join([one.counts for one in held], np.uint8)
        )

    def sort(self) -> None:
        """Sort the postings that were added since the last time, and put small parts together."""
        if not len(self.terms.view):
            return
        order = np.argsort(self.terms.view, kind="stable")
        terms = self.terms.view[order]
        starts = find_changes(terms)
        bounds = np.append(starts, len(order)).astype(np.int64)
        parts = [*self.sorted, SortedPostings(terms[starts], bounds, self.rows.view[order], self.counts.view[order])]
        while len(parts) > 1 and len(parts[-1].rows) > MERGE_SHARE * len(parts[-2].rows):
            last = parts.pop()
            parts[-1] = merge(parts[-1], last)
        self.sorted = tuple(parts)
        for column in (self.terms, self.rows, self.counts):
            column.clear()


def weigh_rarity(holders: NDArray[np.int64], entries: int) -> NDArray[np.float64]:
    """The weight that BM25 gives to terms by how many of so many entries hold them."""
    weights: NDArray[np.float64] = np.log1p((entries - holders + 0.5) / (holders + 0.5))
    return weights


def find_changes(ordered: NDArray[np.uint32]) -> NDArray[np.intp]:
    """The places at which another number begins."""
    is_other = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_other[1:])
    return np.flatnonzero(is_other)


def keep_rows(part: SortedPostings, rows_kept: NDArray[np.bool_], places: NDArray[np.int32]) -> SortedPostings:
    """A part without the postings of some rows; the others move to new places."""
    kept = rows_kept[part.rows]
    widths = np.add.reduceat(kept, part.bounds[:-1], dtype=np.int64)
    held = widths > 0
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(widths[held])])
    return SortedPostings(part.terms[held], bounds, places[part.rows[kept]], part.counts[kept])


def merge(first: SortedPostings, second: SortedPostings) -> SortedPostings:
    """Two parts as one; the rows of the second are behind those of the first."""
    both = np.sort(np.concatenate([first.terms, second.terms]), kind="stable")
    terms = both[find_changes(both)]
    widths = np.zeros(len(terms), np.int64)
    where = [np.searchsorted(terms, part.terms) for part in (first, second)]
    for part, places in zip((first, second), where, strict=True):
        widths[places] += np.diff(part.bounds)
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(widths)])
    rows, counts = np.empty(int(bounds[-1]), np.int32), np.empty(int(bounds[-1]), np.uint8)
    # Behind the postings that the first has of a term stand those of the second.
    begins = bounds[:-1].copy()
    for part, places in zip((first, second), where, strict=True):
        for source, target in list_moves(part, begins[places]):
            rows[target] = part.rows[source]
            counts[target] = part.counts[source]
        begins[places] += np.diff(part.bounds)
    return SortedPostings(terms, bounds, rows, counts)


def list_moves(part: SortedPostings, begins: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """Where the postings of a part go when those of each term begin there, some at a time."""
    first = 0
    while first < len(part.terms):
        until = int(np.searchsorted(part.bounds, part.bounds[first] + MERGED_AT_ONCE, "right")) - 1
        last = max(until, first + 1)
        start, end = int(part.bounds[first]), int(part.bounds[last])
        shifts = begins[first:last] - part.bounds[first:last]
        yield slice(start, end), np.arange(start, end) + np.repeat(shifts, np.diff(part.bounds[first : last + 1]))
        first = last


def join(parts: Sequence[NDArray[np.int32]] | Sequence[NDArray[np.uint8]], dtype: type) -> NDArray[Any]:
    """Arrays one behind the other; one alone as it is."""
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.zeros(0, dtype)
