"""Postings: which entries hold a term, and how often, for the scores of BM25."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from multiturn.engine.search.columns import Column

# Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework". Talk is short and its length says little.
K1 = 0.9
B = 0.4
# Up to here a look at every posting (0.2 ms) is cheaper than to keep them sorted (50 ns for each, once).
SCANNED_MAX = 400_000
BUCKETS = 1 << 16


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
        idf = np.log1p((len(lengths) - held_by + 0.5) / (held_by + 0.5)).astype(np.float32)
        norms = K1 * (1 - B + B * lengths[self.rows] / max(float(lengths.mean()), 1.0))
        gains = (self.weights * idf)[self.ranks] * counts * (K1 + 1) / (counts + norms)
        return np.bincount(self.rows, weights=gains, minlength=len(lengths)).astype(np.float32)

    def find_holders(self, entries: int) -> NDArray[np.bool_]:
        """Which of so many entries hold a term without a weight."""
        held = np.zeros(entries, np.bool_)
        held[self.rows[(self.weights == 0)[self.ranks]]] = True
        return held


class Postings:
    """The postings of an index: a sorted part, and those added since, which are looked through."""

    def __init__(self) -> None:
        self.terms = Column(np.uint32)
        self.rows = Column(np.int32)
        self.counts = Column(np.uint8)
        self.sorted = 0

    @property
    def size_bytes(self) -> int:
        """The memory it takes."""
        return self.terms.size_bytes + self.rows.size_bytes + self.counts.size_bytes

    def add(self, terms: NDArray[np.uint32], rows: NDArray[np.int32], counts: NDArray[np.uint8]) -> None:
        """Add postings of new entries."""
        self.terms.append(terms)
        self.rows.append(rows)
        self.counts.append(counts)

    def keep(self, rows_kept: NDArray[np.bool_], places: NDArray[np.int32]) -> None:
        """Keep the postings of some rows only, which move to new places. Their order stays."""
        kept = rows_kept[self.rows.view]
        self.sorted = int(np.count_nonzero(kept[: self.sorted]))
        self.terms.replace(self.terms.view[kept])
        self.counts.replace(self.counts.view[kept])
        self.rows.replace(places[self.rows.view[kept]])

    def match(self, wanted: Mapping[int, float]) -> Matches:
        """Find the postings of the terms that are wanted, with their weights."""
        terms = np.array(sorted(wanted), np.uint32)
        weights = np.array([wanted[term] for term in terms.tolist()], np.float32)
        places, ranks = self.find(terms)
        return Matches(weights, ranks, self.rows.view[places], self.counts.view[places])

    def find(self, terms: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The places of the postings of these terms (sorted), and which of the terms each is of."""
        if len(self.terms.view) - self.sorted > SCANNED_MAX:
            self.sort()
        found = [self.find_sorted(terms), self.scan(terms)]
        return np.concatenate([places for places, _ in found]), np.concatenate([ranks for _, ranks in found])

    def find_sorted(self, terms: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Find in the sorted part, by bisection."""
        part = self.terms.view[: self.sorted]
        starts = np.searchsorted(part, terms, "left")
        widths = np.searchsorted(part, terms, "right") - starts
        ranks = np.repeat(np.arange(len(terms)), widths)
        within = np.arange(len(ranks)) - np.repeat(np.cumsum(widths) - widths, widths)
        return starts[ranks] + within, ranks

    def scan(self, terms: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Find in the part behind it: one look at each, by the last bits of the term, then exactly."""
        part = self.terms.view[self.sorted :]
        buckets = np.zeros(BUCKETS, np.bool_)
        buckets[terms & (BUCKETS - 1)] = True
        likely = np.flatnonzero(buckets[part.astype(np.uint16)])
        ranks = np.minimum(np.searchsorted(terms, part[likely]), len(terms) - 1)
        exact = terms[ranks] == part[likely]
        return likely[exact] + self.sorted, ranks[exact]

    def sort(self) -> None:
        """Sort all postings by their terms."""
        order = np.argsort(self.terms.view, kind="stable")
        for column in (self.terms, self.rows, self.counts):
            column.replace(column.view[order])
        self.sorted = len(order)
