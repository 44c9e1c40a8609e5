"""Search in several knowledge stores as if they were one: an agent's documents beside those of a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from multiturn.engine.search.candidates import Candidates, IndexView, Sought, find_candidates
from multiturn.engine.search.fusion import normalize, select_diverse
from multiturn.engine.search.index import DIVERSE_FACTOR, Query, SearchOptions
from multiturn.engine.search.postings import K1, weigh_rarity
from multiturn.engine.store_view import Document, Limits, StoreView

# So many of the best by words, and by vectors, are looked at in any case.
CANDIDATES_MIN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSearch:
    """A search in stores."""

    stores: Sequence[StoreView]
    query: Query
    options: SearchOptions
    limits: Limits = field(default_factory=Limits)


class Found(NamedTuple):
    """A chunk that was found, and where: ``row`` is its entry in the index of the store."""

    store: StoreView
    row: int
    score: float
    lexical: float
    similarity: float | None

    @property
    def document(self) -> Document:
        """Its document."""
        return self.store.find_document(self.row)

    @property
    def chunk(self) -> int:
        """Its number in its document."""
        return int(self.store.index.numbers[self.row])

    @property
    def start(self) -> int:
        """Its first character."""
        return int(self.store.index.starts[self.row])

    @property
    def end(self) -> int:
        """The character behind its last."""
        return int(self.store.index.ends[self.row])


class Pool(NamedTuple):
    """The candidates of all stores beside each other: ``stores`` and ``rows`` say where each stands."""

    stores: NDArray[np.intp]
    rows: NDArray[np.intp]
    lexical: NDArray[np.float32]
    similarity: NDArray[np.float32]


def search_stores(search: StoreSearch) -> list[Found]:
    """Find the best chunks of these stores, the best first."""
    pool, words_max = gather(search)
    if not len(pool.rows):
        return []
    scores = score(pool, search.options, words_max)
    order = choose(pool, scores, search)
    return [describe(search, pool, place, float(scores[place])) for place in order]


def gather(search: StoreSearch) -> tuple[Pool, float]:
    """The candidates of all stores, and the most that the words of the query could score."""
    terms = sorted(search.query.terms) if search.options.alpha < 1 else []
    weights = np.array([search.query.terms[term] for term in terms], np.float32)
    held = [store.index.postings.gather(terms) for store in search.stores]
    # A word that is in each of a session's two chunks may be the rarest of an agent's ten thousand: how rare it is, is
    # counted in all of them.
    holders = np.array([sum(len(lists[place].rows) for lists in held) for place in range(len(terms))], np.int64)
    entries = sum(len(store.index) for store in search.stores)
    worths = (weights * weigh_rarity(holders, entries)).astype(np.float32)
    vectors = search.query.vectors if search.options.alpha > 0 else {}
    limit = max(CANDIDATES_MIN, DIVERSE_FACTOR * search.options.limit)
    found = [
        find_candidates(store.index, Sought(lists, worths, vectors, store.allow(search.limits), limit))
        for store, lists in zip(search.stores, held, strict=True)
    ]
    return join(found), float(worths[holders > 0].sum()) * (K1 + 1)


def join(found: Sequence[Candidates]) -> Pool:
    """Candidates of several stores beside each other."""
    stores = np.repeat(np.arange(len(found)), [len(one.rows) for one in found])
    rows, lexical, similarity = (np.concatenate(column) for column in zip(*found, strict=True))
    return Pool(stores, rows, lexical, similarity)


def score(pool: Pool, options: SearchOptions, words_max: float) -> NDArray[np.float32]:
    """One score from 0 to 1 for each candidate: both begin at 0, which is about the worst of all chunks, found or not.

    Where even the best holds little of what is looked for, words say little: they weigh as much less as its score is
    below the most that it could be. A chunk without a vector is judged by its words.
    """
    known = ~np.isnan(pool.similarity)
    best = float(pool.lexical.max())
    words = pool.lexical / max(best, 1e-9)
    near = np.maximum(np.where(known, pool.similarity, 0), 0)
    near /= max(float(near.max()), 1e-9)
    trust = (1 - options.alpha) * best / words_max if words_max and best else 0.0
    alpha = options.alpha / (options.alpha + trust) if known.any() and options.alpha + trust else 0.0
    scores: NDArray[np.float32] = np.where(known, (1 - alpha) * words + alpha * near, words).astype(np.float32)
    return scores


def choose(pool: Pool, scores: NDArray[np.float32], search: StoreSearch) -> list[int]:
    """The places of the best candidates, the best first; none that has nothing to do with the query."""
    options = search.options
    found = (pool.lexical > 0) | ~np.isnan(pool.similarity)
    if options.similarity_min is not None:
        found &= ~(pool.similarity < options.similarity_min)
    order = np.flatnonzero(found)
    order = order[np.argsort(-scores[order], kind="stable")]
    if options.mmr_strength:
        order = order[: DIVERSE_FACTOR * options.limit]
        likeness = liken(search.stores, pool, order)
        scores_best = normalize(scores[order], np.ones(len(order), np.bool_))
        order = order[select_diverse(scores_best, likeness, limit=options.limit, strength=options.mmr_strength)]
    best: list[int] = order[: options.limit].tolist()
    return best


def describe(search: StoreSearch, pool: Pool, place: int, score: float) -> Found:
    """A candidate as it was found."""
    store, similarity = search.stores[int(pool.stores[place])], float(pool.similarity[place])
    lexical = float(pool.lexical[place])
    return Found(store, int(pool.rows[place]), score, lexical, None if isnan(similarity) else similarity)


def liken(stores: Sequence[StoreView], pool: Pool, order: NDArray[np.intp]) -> NDArray[np.float32]:
    """The cosines of candidates with each other; 0 between those of different models, or without vectors."""
    likeness = np.zeros((len(order), len(order)), np.float32)
    by_model: dict[str, list[tuple[int, NDArray[np.float32]]]] = {}
    for number, store in enumerate(stores):
        places = np.flatnonzero(pool.stores[order] == number)
        for model, place, vector in list_vectors(store.index, pool.rows[order[places]]):
            by_model.setdefault(model, []).append((int(places[place]), vector))
    for held in by_model.values():
        matrix, where = np.array([vector for _, vector in held]), [place for place, _ in held]
        likeness[np.ix_(where, where)] = matrix @ matrix.T
    return likeness


def list_vectors(index: IndexView, rows: NDArray[np.intp]) -> list[tuple[str, int, NDArray[np.float32]]]:
    """The vectors of entries: the model of each, its place among these entries, and its numbers."""
    listed: list[tuple[str, int, NDArray[np.float32]]] = []
    for model, table in index.tables.items():
        held, vectors = table.read(rows)
        listed += [(model, place, vector) for place, vector in zip(held.tolist(), vectors, strict=True)]
    return listed


def read_vectors(found: Sequence[Found]) -> list[NDArray[np.float32] | None]:
    """The vector of each chunk; None for one that has none."""
    vectors: list[NDArray[np.float32] | None] = []
    for one in found:
        listed = list_vectors(one.store.index, np.array([one.row]))
        vectors.append(listed[0][2] if listed else None)
    return vectors


def find_models(stores: Sequence[StoreView]) -> Mapping[str, int]:
    """The embedding models of these stores, and how many numbers the vectors of each have."""
    return {model: table.dimensions for store in stores for model, table in store.index.tables.items()}
