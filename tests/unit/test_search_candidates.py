"""Search in large indexes: the short ways find what looking at everything finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from multiturn.engine.search import candidates, postings, similarity
from multiturn.engine.search.candidates import Candidates, Sought, find_candidates
from multiturn.engine.search.index import SearchIndex
from multiturn.engine.search.postings import Postings, weigh_rarity
from multiturn.engine.search.segment import IndexSegment, quantize
from multiturn.engine.search.similarity import VectorTable

CHANCE = np.random.default_rng(3)
COMMON, RARE = 1, 7


def draw_vectors(count: int, dimensions: int = 96) -> NDArray[np.float32]:
    vectors = CHANCE.standard_normal((count, dimensions), dtype=np.float32)
    normal: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normal


def table_of(vectors: NDArray[np.float32]) -> VectorTable:
    table = VectorTable(vectors.shape[1])
    for first in range(0, len(vectors), 20_000):
        part = vectors[first : first + 20_000]
        table.add(np.arange(first, first + len(part), dtype=np.int32), quantize("m", part))
    return table


def index_of(terms: Sequence[NDArray[np.integer[Any]]]) -> SearchIndex:
    """An index of entries that hold these terms, once each."""
    index = SearchIndex()
    widths = np.array([len(one) for one in terms], np.int32)
    index.add(
        "all",
        IndexSegment(
            numbers=np.arange(len(terms), dtype=np.int32),
            starts=np.zeros(len(terms), np.int32),
            ends=np.ones(len(terms), np.int32),
            lengths=CHANCE.integers(5, 50, len(terms)).astype(np.int32),
            widths=widths,
            terms=np.concatenate(terms).astype(np.uint32),
            counts=CHANCE.integers(1, 5, int(widths.sum())).astype(np.uint8),
        ),
    )
    return index


def seek(index: SearchIndex, *terms: int, limit: int = 10, allowed: NDArray[np.bool_] | None = None) -> Candidates:
    view = index.view
    held = view.postings.gather(sorted(terms))
    worths = weigh_rarity(np.array([len(one.rows) for one in held]), len(view)).astype(np.float32)
    return find_candidates(view, Sought(held, worths, {}, allowed, limit))


def test_sorted_postings_hold_what_was_added() -> None:
    kept, rows = Postings(), np.arange(3000, dtype=np.int32)
    terms = CHANCE.integers(0, 40, 3000).astype(np.uint32)
    counts = CHANCE.integers(1, 200, 3000).astype(np.uint8)
    for first in range(0, 3000, 100):
        kept.add(terms[first : first + 100], rows[first : first + 100], counts[first : first + 100])
        if first % 300 == 0:
            kept.sort()
    assert 1 < len(kept.sorted) < 5
    for term, held in enumerate(kept.view.gather(range(40))):
        assert held.rows.tolist() == rows[terms == term].tolist()
        assert held.counts.tolist() == counts[terms == term].tolist()


def test_many_postings_are_merged_some_at_a_time() -> None:
    size = postings.MERGED_AT_ONCE + 1000
    kept = Postings()
    for first in (0, size):
        rows = np.arange(first, first + size, dtype=np.int32)
        kept.add((rows % 3).astype(np.uint32), rows, np.ones(size, np.uint8))
    (part,) = kept.sorted
    assert len(part.rows) == 2 * size
    (held,) = kept.view.gather([2])
    assert held.rows.tolist() == [row for row in range(2 * size) if row % 3 == 2]


def test_view_stays_as_it_was() -> None:
    index = index_of([np.array([RARE]), np.array([COMMON])])
    view = index.view
    index.add("more", index_segment(5))
    index.postings.sort()
    index.remove("all")
    assert len(view) == 2
    assert view.postings.gather([RARE])[0].rows.tolist() == [0]


def index_segment(count: int) -> IndexSegment:
    """A segment of entries with one rare term."""
    ones = np.ones(count, np.int32)
    return IndexSegment(
        numbers=ones,
        starts=ones,
        ends=ones,
        lengths=ones,
        widths=ones,
        terms=np.full(count, RARE, np.uint32),
        counts=ones.astype(np.uint8),
    )


def test_common_words_are_looked_up_for_the_best_by_rare_ones() -> None:
    entries = candidates.POSTINGS_MAX + 5000
    terms = [np.array([COMMON, 2] if row % 2 else [COMMON]) for row in range(entries)]
    for row in (11, 5000, 77_000):
        terms[row] = np.array([COMMON, 2, RARE] if row % 2 else [COMMON, RARE])
    index = index_of(terms)
    found = seek(index, COMMON, 2, RARE)
    assert {11, 5000, 77_000} <= set(found.rows.tolist())
    view = index.view
    every = seek(index, COMMON, 2, RARE, limit=entries)
    whole = np.zeros(len(view), np.float32)
    whole[every.rows] = every.lexical
    assert found.lexical == pytest.approx(whole[found.rows])


def test_words_that_all_are_common_find_something() -> None:
    entries = candidates.POSTINGS_MAX + 5000
    index = index_of([np.array([COMMON])] * entries)
    assert len(seek(index, COMMON).rows) == 10


def test_mask_limits_candidates() -> None:
    index = index_of([np.array([RARE])] * 20)
    allowed = np.zeros(20, np.bool_)
    allowed[[3, 4]] = True
    assert seek(index, RARE, allowed=allowed).rows.tolist() == [3, 4]


def test_signs_find_the_nearest() -> None:
    vectors = draw_vectors(similarity.COMPARED_MAX + 10_000)
    table = table_of(vectors)
    assert len(table.view.signs) == 2
    found = []
    for place in range(10):
        query = vectors[place] + 0.1 * draw_vectors(1)[0]
        query /= np.linalg.norm(query)
        nearest = np.argsort(-(vectors @ query))[:5].tolist()
        rows, cosines = table.view.find_nearest(query, 100, None)
        found.append(len(set(nearest).intersection(rows.tolist())) / 5)
        assert cosines == pytest.approx(vectors[rows] @ query, abs=0.01)
    assert np.mean(found) >= 0.9


def test_few_that_are_allowed_are_all_compared() -> None:
    vectors = draw_vectors(similarity.COMPARED_MAX + 1000)
    table = table_of(vectors)
    allowed = np.zeros(len(vectors), np.bool_)
    allowed[::1000] = True
    rows, _ = table.view.find_nearest(vectors[1], 3, allowed)
    places = np.flatnonzero(allowed)
    assert set(rows.tolist()) == set(places[np.argsort(-(vectors[places] @ vectors[1]))[:3]].tolist())


def test_vectors_that_came_in_any_order_are_read() -> None:
    vectors, table = draw_vectors(4), VectorTable(96)
    for rows in ([2, 3], [0]):
        table.add(np.array(rows, np.int32), quantize("m", vectors[rows]))
    held, read = table.view.read(np.array([0, 1, 3]))
    assert held.tolist() == [0, 2]
    assert read == pytest.approx(vectors[[0, 3]], abs=0.01)
    assert np.isnan(table.view.compare_rows(np.array([1]), vectors[0])).all()
