"""Candidates: the entries of a large index that may be the best for a query, with what speaks for each.

Nothing here changes anything, so that it may run in a thread beside what does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from multiturn.engine.search.postings import K1, B, Held, PostingsView
from multiturn.engine.search.similarity import VectorView, find_greatest

# So many postings are looked at, those of the rarest words first; of commoner words only what the best entries by those
# hold. Words alone that are in so many entries say little, and take 15 ns for each of them.
POSTINGS_MAX = 120_000
# Of how many entries by their rare words the common ones are looked up, for each that is wanted.
LOOKED_UP_FACTOR = 10

Rows = NDArray[np.intp]
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class IndexView:
    """The entries of an index at one moment, which nothing changes."""

    numbers: NDArray[np.int32]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    lengths: NDArray[np.int32]
    owners: NDArray[np.int32]
    postings: PostingsView
    tables: Mapping[str, VectorView]
    length_mean: float

    def __len__(self) -> int:
        return len(self.numbers)


class Sought(NamedTuple):
    """What is looked for in one index: the entries that hold each term with what a term is worth, and vectors.

    ``allowed`` is a mask of entries (None: all of them); ``limit`` are wanted by words, and as many by vectors.
    """

    held: Sequence[Held]
    worths: NDArray[np.float32]
    vectors: Mapping[str, NDArray[np.float32]]
    allowed: NDArray[np.bool_] | None
    limit: int


class Candidates(NamedTuple):
    """Entries, ascending, with their BM25 scores and the cosines of their vectors (NaN without one)."""

    rows: Rows
    lexical: Scores
    similarity: Scores


def find_candidates(view: IndexView, sought: Sought) -> Candidates:
    """Find the best entries by words and the best by vectors, each with both scores."""
    parts = [find_by_words(view, sought)]
    for model, vector in sought.vectors.items():
        if model in view.tables:
            nearest, _ = view.tables[model].find_nearest(vector, sought.limit, sought.allowed)
            parts.append(nearest.astype(np.intp))
    rows = np.unique(np.concatenate(parts))
    similarity = np.full(len(rows), np.nan, np.float32)
    for model, vector in sought.vectors.items():
        if model in view.tables:
            cosines = view.tables[model].compare_rows(rows, vector)
            similarity = np.where(np.isnan(cosines), similarity, cosines)
    return Candidates(rows, score_words(view, sought, rows), similarity)


def find_by_words(view: IndexView, sought: Sought) -> Rows:
    """The best entries by their words, in no order; none that holds no word."""
    scores = np.zeros(len(view), np.float32)
    order = sorted(range(len(sought.held)), key=lambda place: len(sought.held[place].rows))
    looked_at = 0
    left: list[int] = []
    for place in order:
        held = sought.held[place]
        looked_at += len(held.rows)
        if looked_at > POSTINGS_MAX and looked_at > len(held.rows):
            left.append(place)
        else:
            scores[held.rows] += sought.worths[place] * weigh_counts(view, held.rows, held.counts)
    if sought.allowed is not None:
        scores *= sought.allowed
    found = np.flatnonzero(scores)
    if not left:
        return found[find_greatest(scores[found], sought.limit)]
    found = np.sort(found[find_greatest(scores[found], LOOKED_UP_FACTOR * sought.limit)])
    whole = scores[found]
    for place in left:
        whole += sought.worths[place] * look_up(view, sought.held[place], found)
    return found[find_greatest(whole, sought.limit)]


def score_words(view: IndexView, sought: Sought, rows: Rows) -> Scores:
    """The BM25 scores of some entries, ascending."""
    scores = np.zeros(len(rows), np.float32)
    for held, worth in zip(sought.held, sought.worths.tolist(), strict=True):
        scores += worth * look_up(view, held, rows)
    return scores


def look_up(view: IndexView, held: Held, rows: Rows) -> Scores:
    """What one term adds to some entries: 0 to those that do not hold it."""
    added = np.zeros(len(rows), np.float32)
    if not len(held.rows) or not len(rows):
        return added
    places = np.minimum(np.searchsorted(held.rows, rows.astype(np.int32)), len(held.rows) - 1)
    hits = held.rows[places] == rows
    added[hits] = weigh_counts(view, rows[hits], held.counts[places[hits]])
    return added


def weigh_counts(view: IndexView, rows: NDArray[np.integer], counts: NDArray[np.uint8]) -> Scores:
    """What BM25 makes of how often entries hold a term, and how long they are."""
    times = counts.astype(np.float32)
    norms = np.float32(K1 * (1 - B)) + np.float32(K1 * B / view.length_mean) * view.lengths[rows]
    weighed: Scores = times * np.float32(K1 + 1) / (times + norms)
    return weighed
