"""Search in several knowledge stores as if they were one: an agent's documents beside those of a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from multiturn.engine.search.fusion import fuse, normalize, select_diverse
from multiturn.engine.search.index import DIVERSE_FACTOR, Hit, Query, SearchOptions
from multiturn.engine.store_index import StoreIndex

Metadata = dict[str, object]


class Found(NamedTuple):
    """A chunk that was found, and where."""

    store: StoreIndex
    hit: Hit


def search_stores(
    stores: Sequence[StoreIndex], query: Query, options: SearchOptions, metadata: Metadata
) -> list[Found]:
    """Find the best chunks of these stores, the best first, among documents whose metadata contain ``metadata``."""
    wide = replace(options, limit=DIVERSE_FACTOR * options.limit, mmr_strength=0.0)
    found = [
        Found(store, hit)
        for store, terms in zip(stores, share_statistics(stores, query.terms), strict=True)
        for hit in store.index.search(replace(query, terms=terms), wide, allowed=store.allow(metadata))
    ]
    return choose(found, options) if found else []


def share_statistics(stores: Sequence[StoreIndex], terms: Mapping[int, float]) -> list[dict[int, float]]:
    """The weights of the terms in each store that make its BM25 scores comparable with those of the others.

    An index weighs a term by how rare it is among its own chunks. The weights turn that into how rare the term is in
    all stores: a word that is in each of a session's two chunks may be the rarest of an agent's ten thousand.
    """
    if len(stores) == 1:
        return [dict(terms)]
    ordered = sorted(terms)
    holders = [count_holders(store, terms) for store in stores]
    sizes = [len(store.index) for store in stores]
    whole = rarity(np.sum(holders, axis=0), sum(sizes))
    shared = [whole / rarity(held, size) for held, size in zip(holders, sizes, strict=True)]
    return [
        {term: terms[term] * factor for term, factor in zip(ordered, factors.tolist(), strict=True)}
        for factors in shared
    ]


def count_holders(store: StoreIndex, terms: Mapping[int, float]) -> NDArray[np.int64]:
    """How many chunks of a store hold each of the terms, in the order of the terms."""
    if not terms or not len(store.index):
        return np.zeros(len(terms), np.int64)
    return np.bincount(store.index.postings.match(terms).ranks, minlength=len(terms))


def rarity(holders: NDArray[np.int64], entries: int) -> NDArray[np.float64]:
    """The weight that BM25 gives to terms (Robertson and Zaragoza 2009), as the postings of an index do."""
    weights: NDArray[np.float64] = np.log1p((entries - holders + 0.5) / (holders + 0.5))
    return weights


def choose(found: Sequence[Found], options: SearchOptions) -> list[Found]:
    """Score what the stores found beside each other, and take the best."""
    lexical = np.array([hit.lexical for _, hit in found], np.float32)
    similarity = np.array([np.nan if hit.similarity is None else hit.similarity for _, hit in found], np.float32)
    known = ~np.isnan(similarity)
    # Both begin at 0, which is about the worst of all chunks, found or not.
    words = lexical / max(float(lexical.max()), 1e-9)
    near = np.maximum(np.where(known, similarity, 0), 0)
    near /= max(float(near.max()), 1e-9)
    scores = fuse(words, near, alpha=options.alpha if lexical.any() else 1.0, known=known)
    order = np.argsort(-scores, kind="stable")
    if options.mmr_strength:
        order = order[: DIVERSE_FACTOR * options.limit]
        likeness = liken([found[place] for place in order.tolist()])
        scores_best = normalize(scores[order], np.ones(len(order), np.bool_))
        order = order[select_diverse(scores_best, likeness, limit=options.limit, strength=options.mmr_strength)]
    best = order[: options.limit].tolist()
    return [Found(found[place].store, replace_score(found[place].hit, float(scores[place]))) for place in best]


def replace_score(hit: Hit, score: float) -> Hit:
    """The hit with another score."""
    return Hit(hit.key, hit.number, hit.start, hit.end, score, hit.lexical, hit.similarity)


def liken(found: Sequence[Found]) -> NDArray[np.float32]:
    """The cosines of chunks with each other; 0 between those of different models, or without vectors."""
    likeness = np.zeros((len(found), len(found)), np.float32)
    by_model: dict[str, list[int]] = {}
    vectors = read_vectors(found)
    for place, vector in enumerate(vectors):
        if vector:
            by_model.setdefault(vector[0], []).append(place)
    for places in by_model.values():
        matrix = np.array([vector[1] for place in places if (vector := vectors[place])], np.float32)
        likeness[np.ix_(places, places)] = matrix @ matrix.T
    return likeness


def read_vectors(found: Sequence[Found]) -> list[tuple[str, NDArray[np.float32]] | None]:
    """The vector of each chunk, and the model that made it; None for one that has none."""
    vectors: list[tuple[str, NDArray[np.float32]] | None] = [None] * len(found)
    for store in {id(one.store): one.store for one in found}.values():
        places = [place for place, one in enumerate(found) if one.store is store]
        rows = np.array([find_row(found[place]) for place in places])
        for model, table in store.index.tables.items():
            held, read = table.read(rows)
            for place, vector in zip(held.tolist(), read, strict=True):
                vectors[places[place]] = (model, vector)
    return vectors


def find_row(found: Found) -> int:
    """The place of a chunk in its index: the entries of a segment stand one behind the other."""
    index = found.store.index
    rows = index.rows_of(found.hit.key)
    return int(rows[found.hit.number - int(index.numbers[rows[0]])])
