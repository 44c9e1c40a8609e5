"""The index: what it finds, in which order, and that it stays the same however it came about."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from multiturn.engine.search import postings
from multiturn.engine.search.index import Hit, Query, SearchIndex, SearchOptions
from multiturn.engine.search.segment import Entry, IndexSegment, build_segment, with_vectors
from multiturn.engine.search.terms import TermReader

READER = TermReader(stop_words=frozenset())
WORDS = ["tea", "cat", "sun", "rain", "moon", "salt"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), min_size=1, max_size=12)
WORDS_ALONE = SearchOptions(alpha=0.0, limit=1000)
VECTORS_ALONE = SearchOptions(alpha=1.0, limit=1000)


def segment_of(texts: Sequence[str], *, first: int = 0, vectors: Any = None, model: str = "m") -> IndexSegment:
    entries = [Entry(number, 0, len(text), text) for number, text in enumerate(texts, start=first)]
    segment = build_segment(entries, READER)
    return segment if vectors is None else with_vectors(segment, model, np.array(vectors, np.float32))


def index_of(texts: Sequence[str], **facts: Any) -> SearchIndex:
    index = SearchIndex()
    index.add("all", segment_of(texts, **facts))
    return index


def words(text: str) -> Query:
    return Query(terms=dict.fromkeys(READER.read(text), 1.0))


def near(*vector: float, model: str = "m") -> Query:
    return Query(vectors={model: np.array(vector, np.float32)})


def numbers(hits: Sequence[Hit]) -> list[int]:
    return [hit.number for hit in hits]


def bm25(texts: Sequence[str], query: str) -> list[float]:
    """The formula, word by word."""
    counts = [Counter(text.split()) for text in texts]
    mean = max(sum(map(len, map(str.split, texts))) / len(texts), 1.0)
    scores = [0.0] * len(texts)
    for word in set(query.split()):
        held_by = sum(word in count for count in counts)
        idf = math.log1p((len(texts) - held_by + 0.5) / (held_by + 0.5))
        for place, count in enumerate(counts):
            norm = postings.K1 * (1 - postings.B + postings.B * count.total() / mean)
            scores[place] += idf * count[word] * (postings.K1 + 1) / (count[word] + norm)
    return scores


@given(TEXTS, st.sampled_from(["tea", "tea cat", "moon salt rain"]))
def test_words_are_scored_by_bm25(texts: list[str], query: str) -> None:
    hits = index_of(texts).search(words(query), WORDS_ALONE)
    expected = bm25(texts, query)
    assert {hit.number for hit in hits} == {place for place, score in enumerate(expected) if score}
    for hit in hits:
        assert hit.lexical == pytest.approx(expected[hit.number], rel=1e-4)
    assert [hit.lexical for hit in hits] == sorted((hit.lexical for hit in hits), reverse=True)


@given(TEXTS, st.integers(1, 5))
def test_segments_give_what_one_would(texts: list[str], size: int) -> None:
    parts = SearchIndex()
    for first in range(0, len(texts), size):
        parts.add(first, segment_of(texts[first : first + size], first=first))
    query = words("tea moon")
    found = [(hit.number, hit.score) for hit in index_of(texts).search(query, WORDS_ALONE)]
    assert [(hit.number, hit.score) for hit in parts.search(query, WORDS_ALONE)] == found


@given(TEXTS, TEXTS, TEXTS)
def test_removed_segment_leaves_nothing(one: list[str], gone: list[str], other: list[str]) -> None:
    def vectors(texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.0] if "tea" in text else [0.0, 1.0] for text in texts]

    index, expected = SearchIndex(), SearchIndex()
    index.add("one", segment_of(one, vectors=vectors(one)))
    index.add("gone", segment_of(gone, first=100, vectors=vectors(gone), model="other"))
    index.add("other", segment_of(other, first=200, vectors=vectors(other)))
    index.remove("gone")
    expected.add("one", segment_of(one, vectors=vectors(one)))
    expected.add("other", segment_of(other, first=200, vectors=vectors(other)))
    query = Query(terms=words("tea cat").terms, vectors={"m": np.array([1, 0], np.float32)})
    options = SearchOptions(limit=1000, smoothing=(0.5,))
    assert index.search(query, options) == expected.search(query, options)
    assert index.models == ["m"]
    assert "gone" not in index


def test_sorted_postings_find_the_same() -> None:
    texts = [f"{word} {other}" for word in WORDS for other in WORDS]
    scanned = index_of(texts).search(words("tea moon"), WORDS_ALONE)
    index = index_of(texts)
    index.postings.sort()
    assert index.search(words("tea moon"), WORDS_ALONE) == scanned
    index.add("more", segment_of(texts, first=100))
    index.remove("all")
    assert numbers(index.search(words("tea moon"), WORDS_ALONE)) == [number + 100 for number in numbers(scanned)]


def test_many_postings_are_sorted() -> None:
    terms = np.arange(postings.SCANNED_MAX + 1, dtype=np.uint32)[::-1]
    kept = postings.Postings()
    kept.add(terms, np.arange(len(terms), dtype=np.int32), np.ones(len(terms), np.uint8))
    matches = kept.match({7: 1.0, postings.SCANNED_MAX + 5: 1.0})
    assert [len(part.rows) for part in kept.sorted] == [len(terms)]
    assert matches.rows.tolist() == [len(terms) - 1 - 7]


@pytest.mark.parametrize("query", [Query(), words("tea"), near(1.0, 0.0)])
def test_empty_index_finds_nothing(query: Query) -> None:
    index = SearchIndex()
    index.add_all({})
    index.add("empty", segment_of([]))
    assert index.search(query, SearchOptions()) == []


def test_unknown_words_find_nothing() -> None:
    assert index_of(["tea", "cat"]).search(words("dragon"), SearchOptions()) == []


def test_weights_of_terms_count() -> None:
    (tea,), (cat,) = READER.read("tea"), READER.read("cat")
    index = index_of(["tea", "cat"])
    assert numbers(index.search(Query(terms={tea: 0.3, cat: 1.0}), WORDS_ALONE)) == [1, 0]


def test_vectors_are_compared_by_cosine() -> None:
    index = index_of(["a", "b", "c"], vectors=[[0, 1], [1, 0], [0.6, 0.8]])
    hits = index.search(near(1.0, 0.0), VECTORS_ALONE)
    assert numbers(hits) == [1, 2, 0]
    assert [hit.similarity for hit in hits] == pytest.approx([1, 0.6, 0], abs=0.01)


def test_more_entries_than_a_block_are_compared() -> None:
    vectors = np.random.default_rng(1).normal(size=(2500, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    hits = index_of([""] * 2500, vectors=vectors).search(near(*vectors[2100]), SearchOptions(alpha=1.0, limit=2500))
    assert hits[0].number == 2100
    for hit in hits:
        assert hit.similarity == pytest.approx(vectors[hit.number] @ vectors[2100], abs=0.02)


def test_alpha_weighs_words_against_vectors() -> None:
    index = index_of(["tea", "cat", "sun"], vectors=[[0, 1], [1, 0], [0, 1]])
    query = Query(terms=words("tea").terms, vectors=near(1.0, 0.0).vectors)
    assert numbers(index.search(query, SearchOptions(alpha=0.4))) == [0, 1, 2]
    assert numbers(index.search(query, SearchOptions(alpha=0.6))) == [1, 0, 2]
    assert numbers(index.search(query, SearchOptions(alpha=0.0))) == [0]
    assert numbers(index.search(query, SearchOptions(alpha=1.0))) == [1, 0, 2]


def test_vectors_of_two_models_are_searched_together() -> None:
    index = index_of(["tea", "cat"], vectors=[[1, 0], [0, 1]], model="old")
    index.add("new", segment_of(["sun", "rain"], first=2, vectors=[[0, 1, 0], [0, 0, 1]], model="new"))
    both = Query(vectors={"old": np.array([1, 0], np.float32), "new": np.array([0, 1, 0], np.float32)})
    assert sorted(index.models) == ["new", "old"]
    assert sorted(numbers(index.search(both, SearchOptions(limit=2)))) == [0, 2]
    assert numbers(index.search(near(1.0, 0.0, model="old"), VECTORS_ALONE)) == [0, 1]


def test_entry_without_a_vector_is_found_by_words() -> None:
    index = index_of(["tea", "cat"], vectors=[[1, 0], [0, 1]])
    index.add("new", segment_of(["moon"], first=2))
    query = Query(terms=words("moon").terms, vectors=near(1.0, 0.0).vectors)
    hits = index.search(query, SearchOptions())
    assert numbers(hits)[0] == 2
    assert hits[0].similarity is None


def test_attached_vectors_replace_the_old_ones() -> None:
    index = index_of(["tea", "cat"], vectors=[[1, 0], [0, 1]], model="old")
    index.add("more", segment_of(["sun"], first=2, vectors=[[1, 0]], model="old"))
    index.attach("all", segment_of(["tea", "cat"], vectors=[[0, 1], [1, 0]], model="new"))
    assert numbers(index.search(near(1.0, 0.0, model="new"), VECTORS_ALONE)) == [1, 0]
    assert numbers(index.search(near(1.0, 0.0, model="old"), VECTORS_ALONE)) == [2]
    index.attach("more", segment_of(["sun"], first=2, vectors=[[1, 0]], model="new"))
    assert index.models == ["new"]
    with pytest.raises(KeyError):
        index.attach("nowhere", segment_of(["sun"]))


def test_mask_restricts_what_is_found() -> None:
    index = index_of(["tea", "cat", "tea", "tea sun"], vectors=[[1, 0], [0, 1], [1, 0], [0, 1]])
    query = Query(terms=words("tea").terms, vectors=near(1.0, 0.0).vectors)
    assert set(numbers(index.search(query, SearchOptions(), allowed=index.numbers > 1))) == {2, 3}
    assert index.search(query, SearchOptions(), allowed=np.zeros(4, np.bool_)) == []


def test_limit_keeps_the_best_and_the_earlier_of_equals() -> None:
    hits = index_of(["tea"] * 5 + ["tea tea"]).search(words("tea"), SearchOptions(limit=3))
    assert numbers(hits) == [5, 0, 1]


def test_neighbours_of_a_find_are_found() -> None:
    index = index_of(["sun", "rain", "tea", "cat", "moon", "salt"])
    hits = index.search(words("tea"), SearchOptions(smoothing=(0.5, 0.25)))
    assert numbers(hits) == [2, 1, 3, 0, 4]
    assert [hit.score for hit in hits] == pytest.approx([1, 0.5, 0.5, 0.25, 0.25])
    assert [hit.lexical > 0 for hit in hits] == [True, False, False, False, False]


def test_what_stands_near_the_best_is_lifted() -> None:
    texts = ["tea cat sun"] + ["moon"] * 2 + ["tea"] + ["moon"] * 20 + ["tea"]
    hits = index_of(texts).search(words("tea cat sun"), SearchOptions(stretch=0.2))
    assert numbers(hits) == [0, 3, 24]
    assert hits[1].score > hits[2].score


def test_marked_entry_is_preferred() -> None:
    index = SearchIndex()
    index.add("", build_segment([Entry(0, 0, 3, "tea", "Ben"), Entry(1, 0, 3, "tea", "Ann")], READER))
    query = Query(terms=words("tea").terms, marks=READER.read_marks("What did Ann drink?"))
    assert numbers(index.search(query, SearchOptions())) == [0, 1]
    assert numbers(index.search(query, SearchOptions(mark_bonus=0.1))) == [1, 0]


def test_confidence_leaves_out_what_is_far() -> None:
    index = index_of(["tea", "cat", "sun"], vectors=[[1, 0], [0.6, 0.8], [0, 1]])
    query = near(1.0, 0.0)
    assert numbers(index.search(query, SearchOptions(alpha=1.0, similarity_min=0.5))) == [0, 1]
    assert numbers(index.search(query, SearchOptions(alpha=1.0, score_min=0.9))) == [0]


def test_diverse_results_do_not_repeat_each_other() -> None:
    vectors = [[0.9, 0.44, 0], [0.89, 0.456, 0], [0.85, -0.527, 0], [0, 0, 1]]
    index = index_of(["a", "b", "c", "d"], vectors=vectors)
    query = near(1.0, 0.0, 0.0)
    assert numbers(index.search(query, SearchOptions(alpha=1.0, limit=2))) == [0, 1]
    assert numbers(index.search(query, SearchOptions(alpha=1.0, limit=2, mmr_strength=0.5))) == [0, 2]


def test_diversity_without_vectors_keeps_the_order() -> None:
    index = index_of(["tea tea", "tea", "tea cat sun"])
    plain = index.search(words("tea"), SearchOptions(alpha=0.0))
    assert index.search(words("tea"), SearchOptions(alpha=0.0, mmr_strength=0.5)) == plain


def test_hit_says_which_segment_it_is_of() -> None:
    index = index_of(["tea"])
    index.add(("doc", 7), segment_of(["tea"], first=3))
    assert [(hit.key, hit.number, hit.start, hit.end) for hit in index.search(words("tea"), WORDS_ALONE)] == [
        ("all", 0, 0, 3),
        (("doc", 7), 3, 0, 3),
    ]
    assert index.rows_of(("doc", 7)).tolist() == [1]


def test_segment_added_again_takes_the_old_ones_place() -> None:
    index = index_of(["tea"])
    index.add("all", segment_of(["cat"], first=9))
    assert len(index) == 1
    assert numbers(index.search(words("tea cat"), WORDS_ALONE)) == [9]


def test_index_knows_its_size() -> None:
    vectors: NDArray[np.float64] = np.eye(384)[:100]
    small, large = index_of(["tea"] * 100), index_of(["tea"] * 100, vectors=vectors)
    assert 100 * 384 <= large.size_bytes - small.size_bytes < 100 * 400
    assert SearchIndex().size_bytes == 0
