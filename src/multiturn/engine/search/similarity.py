"""Similarity: cosines of a query with the vectors of entries, in 8 bits a number; of many, first by their signs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multiturn.engine.search.columns import Column
from multiturn.engine.search.segment import Vectors

# So many rows are widened at once: they stay in the processor's cache, 6 times faster than all at once.
BLOCK_ROWS = 1024
# More vectors than this are compared by their signs first (1 bit a number, some 10 ns a vector), and only the best of
# them in full (80 ns). docs/decisions/retrieval.md has what that finds.
COMPARED_MAX = 50_000
# So many of the best by signs are compared in full: for each that is wanted, and at the least.
RESCORED_FACTOR, RESCORED_MIN = 10, 4000
SIGN_BLOCK_ROWS = 1 << 15
# One in so many is counted to tell how far the wanted ones are; of those that are as near, no more than so many times.
SAMPLED, TAKEN_FACTOR = 8, 4
WORD_BITS = 64


@dataclass(frozen=True, slots=True)
class VectorView:
    """The vectors of one embedding model at one moment, which nothing changes.

    ``rows`` are the entries that they belong to, ``order`` sorts those (None where they are sorted). ``signs`` are the
    signs of the numbers, 64 of each vector in each array; none where there are few vectors.
    """

    rows: NDArray[np.int32]
    vectors: NDArray[np.int8]
    scales: NDArray[np.float32]
    order: NDArray[np.intp] | None
    signs: tuple[NDArray[np.uint64], ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return int(self.vectors.shape[1])

    def compare(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cosine of each vector with the query's, which is of unit length."""
        return compare(self.vectors, self.scales, query)

    def find_nearest(
        self, query: NDArray[np.float32], limit: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The entries that are nearest, and their cosines, in no order; of the ``allowed`` ones (a mask of entries)."""
        kept = np.flatnonzero(allowed[self.rows]) if allowed is not None else None
        if kept is not None and len(kept) <= COMPARED_MAX:
            cosines = compare(self.vectors[kept], self.scales[kept], query)
        elif self.signs:
            kept = self.find_likely(query, max(RESCORED_FACTOR * limit, RESCORED_MIN), kept)
            cosines = compare(self.vectors[kept], self.scales[kept], query)
        else:
            cosines = self.compare(query)
        best = find_greatest(cosines, limit)
        return self.rows[best if kept is None else kept[best]], cosines[best]

    def find_likely(self, query: NDArray[np.float32], limit: int, kept: NDArray[np.intp] | None) -> NDArray[np.intp]:
        """About so many vectors whose signs differ least from the query's."""
        words = [np.uint64(word) for word in sign(query[None, :])[0]]
        distances = np.empty(len(self), np.uint16)
        for first in range(0, len(self), SIGN_BLOCK_ROWS):
            part = slice(first, first + SIGN_BLOCK_ROWS)
            total = np.zeros(len(distances[part]), np.uint16)
            for plane, word in zip(self.signs, words, strict=True):
                total += np.bitwise_count(plane[part] ^ word)
            distances[part] = total
        if kept is not None:
            distances = distances[kept]
        # How far the last that is wanted may be is told by a part of them.
        held = np.cumsum(np.bincount(distances[::SAMPLED], minlength=1)) * SAMPLED
        farthest = np.uint16(np.searchsorted(held, limit))
        near = np.flatnonzero(distances <= farthest)[: TAKEN_FACTOR * limit]
        return near if kept is None else kept[near]

    def find_places(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which of these entries have a vector, by their place in ``rows``, and the places of the vectors."""
        places = np.searchsorted(self.rows, rows, sorter=self.order)
        held = np.flatnonzero(places < len(self))
        found = places[held] if self.order is None else self.order[places[held]]
        exact = self.rows[found] == rows[held]
        return held[exact], found[exact]

    def read(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Which of these entries have a vector, by their place in ``rows``, and the vectors."""
        held, found = self.find_places(rows)
        return held, self.vectors[found] * self.scales[found, None]

    def compare_rows(self, rows: NDArray[np.intp], query: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cosine of each of these entries; NaN for one without a vector."""
        cosines = np.full(len(rows), np.nan, np.float32)
        held, found = self.find_places(rows)
        cosines[held] = compare(self.vectors[found], self.scales[found], query)
        return cosines


class VectorTable:
    """The vectors of one embedding model in an index, and the entries that they belong to."""

    def __init__(self, dimensions: int) -> None:
        self.rows = Column(np.int32)
        self.vectors = Column(np.int8, width=dimensions)
        self.scales = Column(np.float32)
        self.signs: tuple[Column, ...] = ()
        self.seen: VectorView | None = None

    def __len__(self) -> int:
        return len(self.rows.view)

    @property
    def places(self) -> NDArray[np.int32]:
        """The entry of each vector."""
        return self.rows.view

    @property
    def size_bytes(self) -> int:
        """The memory it takes."""
        columns = (self.rows, self.vectors, self.scales, *self.signs)
        return sum(column.size_bytes for column in columns)

    @property
    def view(self) -> VectorView:
        """The vectors as they are now."""
        if self.seen is None:
            rows = self.rows.view
            is_sorted = bool((rows[1:] > rows[:-1]).all())
            order = None if is_sorted else np.argsort(rows, kind="stable")
            signs = tuple(column.view for column in self.signs)
            self.seen = VectorView(rows, self.vectors.view, self.scales.view, order, signs)
        return self.seen

    def add(self, rows: NDArray[np.int32], vectors: Vectors) -> None:
        """Add vectors for these entries."""
        self.rows.append(rows)
        self.vectors.append(vectors.rows)
        self.scales.append(vectors.scales)
        self._sign(len(self) - len(rows))
        self.seen = None

    def keep(self, rows_kept: NDArray[np.bool_], places: NDArray[np.int32]) -> None:
        """Keep the vectors of some entries only, which move to new places."""
        kept = rows_kept[self.rows.view]
        for column in (self.vectors, self.scales, *self.signs):
            column.replace(column.view[kept])
        self.rows.replace(places[self.rows.view[kept]])
        self.seen = None

    def compare(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cosine of each vector with the query's, which is of unit length."""
        return self.view.compare(query)

    def read(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Which of these entries have a vector, by their place in ``rows``, and the vectors."""
        return self.view.read(rows)

    def _sign(self, first: int) -> None:
        """Keep the signs of the vectors from ``first`` on, once there are many."""
        if not self.signs:
            if len(self) <= COMPARED_MAX:
                return
            words = -(-self.vectors.view.shape[1] // WORD_BITS)
            self.signs, first = tuple(Column(np.uint64) for _ in range(words)), 0
        for begin in range(first, len(self), SIGN_BLOCK_ROWS):
            signed = sign(self.vectors.view[begin : begin + SIGN_BLOCK_ROWS])
            for column, plane in zip(self.signs, signed.T, strict=True):
                column.append(plane)


def sign(vectors: NDArray[Any]) -> NDArray[np.uint64]:
    """Which numbers of each vector are above 0, in words of 64 bits."""
    bits = np.packbits(vectors > 0, axis=1)
    padded = np.zeros((len(bits), -(-bits.shape[1] // 8) * 8), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return padded.view(np.uint64)


def compare(vectors: NDArray[np.int8], scales: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cosine of each vector with the query's, which is of unit length."""
    cosines = np.empty(len(vectors), np.float32)
    block = np.empty((min(BLOCK_ROWS, len(vectors)), vectors.shape[1]), np.float32)
    for first in range(0, len(vectors), BLOCK_ROWS):
        part = vectors[first : first + BLOCK_ROWS]
        wide = block[: len(part)]
        np.copyto(wide, part)
        np.dot(wide, query, out=cosines[first : first + len(part)])
    cosines *= scales
    return cosines


def find_greatest(scores: NDArray[np.float32], limit: int) -> NDArray[np.intp]:
    """The places of the greatest, in no order."""
    if len(scores) <= limit:
        return np.arange(len(scores))
    return np.argpartition(scores, len(scores) - limit)[len(scores) - limit :]
