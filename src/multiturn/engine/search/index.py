"""The index: segments put together, searched by words, by vectors, or by both."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isnan

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from multiturn.engine.search.candidates import IndexView
from multiturn.engine.search.columns import Column
from multiturn.engine.search.fusion import Scores, find_best, fuse, normalize, select_diverse, smooth, spread
from multiturn.engine.search.postings import Matches, Postings
from multiturn.engine.search.segment import IndexSegment
from multiturn.engine.search.similarity import VectorTable

# So many times the wanted number of entries are looked at for the most diverse.
DIVERSE_FACTOR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for: terms with their weights, a vector of unit length for each embedding model in use, and the
    marks of entries that are preferred.
    """

    terms: Mapping[int, float] = field(default_factory=dict)
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    marks: Collection[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How an index is searched.

    ``alpha`` weighs the vectors: 0 is words alone, 1 vectors alone. An entry with a cosine below ``similarity_min`` is
    not found; nor is one with a score below ``score_min``. ``mmr_strength`` from 0 to 1 prefers entries that differ
    from each other (maximal marginal relevance with lambda = 1 - strength).

    Where neighbours belong together, as in a conversation: ``smoothing`` are the shares that an entry's first, second …
    neighbours on either side add to its score, ``stretch`` is the share that the best one near it adds. An entry with
    a mark of the query is preferred by ``mark_bonus``.
    """

    limit: int = 10
    alpha: float = 0.5
    similarity_min: float | None = None
    score_min: float = 0.0
    mmr_strength: float = 0.0
    smoothing: tuple[float, ...] = ()
    stretch: float = 0.0
    mark_bonus: float = 0.0


class Hit(Struct, frozen=True):
    """An entry that was found: the segment's key, its place, and why.

    ``score`` is the fused score: from 0, the worst of this search, to 1, the best in every respect (and the shares that
    stretch and marks add). ``lexical`` is the BM25 score and ``similarity`` the cosine (None without a vector) of the
    entry alone, which can be compared between searches.
    """

    key: Hashable
    number: int
    start: int
    end: int
    score: float
    lexical: float
    similarity: float | None


class SearchIndex:
    """Segments in the order in which they were added. Neighbours are entries that stand beside each other."""

    def __init__(self) -> None:
        self.columns = {name: Column(np.int32) for name in ("numbers", "starts", "ends", "lengths", "owners")}
        self.postings = Postings()
        self.tables: dict[str, VectorTable] = {}
        self.keys: dict[Hashable, int] = {}
        self.owners: dict[int, Hashable] = {}
        self.next_owner = 0

    def __len__(self) -> int:
        return len(self.columns["numbers"].view)

    def __contains__(self, key: Hashable) -> bool:
        return key in self.keys

    @property
    def size_bytes(self) -> int:
        """The memory that its arrays take."""
        tables = sum(table.size_bytes for table in self.tables.values())
        return sum(column.size_bytes for column in self.columns.values()) + self.postings.size_bytes + tables

    @property
    def models(self) -> list[str]:
        """The embedding models whose vectors are in the index: a query should bring a vector of each."""
        return list(self.tables)

    @property
    def numbers(self) -> NDArray[np.int32]:
        """The number of each entry: what a mask of allowed entries is made from."""
        return self.columns["numbers"].view

    def rows_of(self, key: Hashable) -> NDArray[np.intp]:
        """The places of a segment's entries in the index."""
        # Owners are numbered in the order in which their entries stand.
        owners, owner = self.columns["owners"].view, np.int32(self.keys[key])
        return np.arange(np.searchsorted(owners, owner, "left"), np.searchsorted(owners, owner, "right"))

    @property
    def view(self) -> IndexView:
        """The entries as they are now."""
        columns = {name: column.view for name, column in self.columns.items()}
        length_mean = max(float(columns["lengths"].mean()), 1.0) if len(self) else 1.0
        tables = {model: table.view for model, table in self.tables.items()}
        return IndexView(**columns, postings=self.postings.view, tables=tables, length_mean=length_mean)

    def add(self, key: Hashable, segment: IndexSegment) -> None:
        """Add a segment behind the others. One that is already there under this key is removed."""
        self.add_all({key: segment})

    def add_all(self, segments: Mapping[Hashable, IndexSegment]) -> None:
        """Add segments behind the others, in one step."""
        if not segments:
            return
        if known := segments.keys() & self.keys.keys():
            self.remove_all(known)
        first = len(self)
        owners = np.arange(self.next_owner, self.next_owner + len(segments), dtype=np.int32)
        self.next_owner += len(segments)
        self.keys.update(zip(segments, owners.tolist(), strict=True))
        self.owners.update(zip(owners.tolist(), segments, strict=True))
        parts = list(segments.values())
        for name in ("numbers", "starts", "ends", "lengths"):
            self.columns[name].append(np.concatenate([getattr(part, name) for part in parts]))
        self.columns["owners"].append(np.repeat(owners, [len(part) for part in parts]))
        rows = np.repeat(np.arange(first, len(self), dtype=np.int32), np.concatenate([part.widths for part in parts]))
        terms, counts = (np.concatenate([getattr(part, name) for part in parts]) for name in ("terms", "counts"))
        self.postings.add(terms, rows, counts)
        for part in parts:
            self.add_vectors(part, first)
            first += len(part)

    def attach(self, key: Hashable, segment: IndexSegment) -> None:
        """Take over the vectors of a segment whose entries are in the index already, instead of those it had.

        Nothing happens when it has another number of entries. Raises KeyError when it is not there.
        """
        self.attach_all({key: segment})

    def attach_all(self, segments: Mapping[Hashable, IndexSegment]) -> None:
        """Take over the vectors of segments, in one step."""
        found = [(self.rows_of(key), segment) for key, segment in segments.items()]
        fitting = [(rows, segment) for rows, segment in found if len(rows) == len(segment) and len(rows)]
        if not fitting:
            return
        others = np.ones(len(self), np.bool_)
        for rows, _ in fitting:
            others[rows] = False
        if any(not others[table.places].all() for table in self.tables.values()):
            self.keep_vectors(others, np.arange(len(self), dtype=np.int32))
        for rows, segment in fitting:
            self.add_vectors(segment, int(rows[0]))

    def add_vectors(self, segment: IndexSegment, first: int) -> None:
        """Put a segment's vectors into the table of their model; those of another size than the others are left out."""
        if segment.vectors is None or not len(segment):
            return
        model, dimensions = segment.vectors.model, segment.vectors.rows.shape[1]
        table = self.tables.get(model)
        if table is None:
            table = self.tables[model] = VectorTable(dimensions)
        if table.vectors.view.shape[1] == dimensions:
            table.add(np.arange(first, first + len(segment), dtype=np.int32), segment.vectors)

    def remove(self, key: Hashable) -> None:
        """Remove a segment. Raises KeyError when it is not there."""
        self.remove_all([key])

    def remove_all(self, keys: Iterable[Hashable]) -> None:
        """Remove segments, in one step. Raises KeyError when one is not there."""
        kept = np.ones(len(self), np.bool_)
        for key in keys:
            kept[self.rows_of(key)] = False
            del self.owners[self.keys.pop(key)]
        places = (np.cumsum(kept) - 1).astype(np.int32)
        for column in self.columns.values():
            column.replace(column.view[kept])
        self.postings.keep(kept, places)
        self.keep_vectors(kept, places)

    def keep_vectors(self, kept: NDArray[np.bool_], places: NDArray[np.int32]) -> None:
        """Keep the vectors of some entries only, which move to new places."""
        for table in self.tables.values():
            table.keep(kept, places)
        self.tables = {model: table for model, table in self.tables.items() if len(table)}

    def search(
        self,
        query: Query,
        options: SearchOptions,
        *,
        allowed: NDArray[np.bool_] | None = None,
        counted: NDArray[np.bool_] | None = None,
    ) -> list[Hit]:
        """Find the best entries, the best first; of the ``allowed`` ones, where a mask of entries is given.

        Those that are not ``counted`` (a mask, too, which holds the allowed ones) are as if they were not there: they
        neither make a word common nor add to their neighbours. Without vectors in the query or in the index words
        alone decide, and the other way round.
        """
        rows = np.ones(len(self), np.bool_) if allowed is None else allowed
        if not rows.any():
            return []
        words = dict.fromkeys(query.marks, 0.0) | (dict(query.terms) if options.alpha < 1 else {})
        matches = self.postings.match(words)
        lexical = self.weigh(matches, counted)
        similarity, closeness = self.compare(query.vectors if options.alpha > 0 else {})
        if counted is not None:
            closeness[~counted] = np.nan
        scores, found = self.fuse(lexical, closeness, options, rows)
        if options.mark_bonus:
            scores += options.mark_bonus * matches.find_holders(len(self))
        if options.stretch:
            scores += options.stretch * spread(scores)
        if options.similarity_min is not None:
            found &= ~(similarity < options.similarity_min)
        found &= scores >= options.score_min
        best = self.choose(scores, found, options)
        return self.describe(best, scores[best], lexical[best], similarity[best])

    def weigh(self, matches: Matches, counted: NDArray[np.bool_] | None) -> Scores:
        """The BM25 score of each entry, among those that are counted; 0 for the others."""
        lengths = self.columns["lengths"].view
        if counted is None:
            return matches.score(lengths)
        kept, places = counted[matches.rows], np.cumsum(counted) - 1
        rows = places[matches.rows[kept]].astype(np.int32)
        among = Matches(matches.weights, matches.ranks[kept], rows, matches.counts[kept])
        lexical = np.zeros(len(self), np.float32)
        lexical[counted] = among.score(lengths[counted])
        return lexical

    def compare(self, vectors: Mapping[str, NDArray[np.float32]]) -> tuple[Scores, Scores]:
        """The cosine of each entry with the query's vector of its model, and the same from 0 to 1 within the model,
        since cosines of different models cannot be compared. NaN for an entry without a vector, and for all of a
        model whose vectors the query's does not fit.
        """
        cosines, closeness = (np.full(len(self), np.nan, np.float32) for _ in range(2))
        for model, table in self.tables.items():
            if model in vectors and len(vectors[model]) == table.vectors.view.shape[1]:
                found = table.compare(vectors[model])
                cosines[table.places] = found
                closeness[table.places] = normalize(found, np.ones(len(found), np.bool_))
        return cosines, closeness

    def fuse(
        self, lexical: Scores, closeness: Scores, options: SearchOptions, rows: NDArray[np.bool_]
    ) -> tuple[Scores, NDArray[np.bool_]]:
        """One score from 0 to 1 for each entry, and which of the rows have any reason to be found."""
        known = ~np.isnan(closeness)
        words = smooth(lexical, options.smoothing)
        found = words > 0
        words = normalize(words, rows)
        if not known.any():
            return words, found & rows
        # An entry without a vector counts as an average one in the scores of its neighbours.
        near = normalize(smooth(np.where(known, closeness, np.nanmean(closeness)), options.smoothing), rows)
        alpha = options.alpha if found.any() else 1.0
        return fuse(words, near, alpha=alpha, known=known), (found | known) & rows

    def choose(self, scores: Scores, found: NDArray[np.bool_], options: SearchOptions) -> NDArray[np.intp]:
        """The entries to answer with, in their order."""
        if not options.mmr_strength:
            return find_best(scores, found, options.limit)
        best = find_best(scores, found, DIVERSE_FACTOR * options.limit)
        likeness = self.liken(best)
        return best[select_diverse(scores[best], likeness, limit=options.limit, strength=options.mmr_strength)]

    def liken(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """The cosines of some entries with each other; 0 between entries of different models, or without vectors."""
        likeness = np.zeros((len(rows), len(rows)), np.float32)
        for table in self.tables.values():
            held, vectors = table.read(rows)
            likeness[np.ix_(held, held)] = vectors @ vectors.T
        return likeness

    def describe(self, rows: NDArray[np.intp], scores: Scores, lexical: Scores, similarity: Scores) -> list[Hit]:
        """The hits at these places, with their scores."""
        names = ("numbers", "starts", "ends", "owners")
        columns = [self.columns[name].view[rows].tolist() for name in names]
        facts = zip(*columns, scores.tolist(), lexical.tolist(), similarity.tolist(), strict=True)
        return [
            Hit(self.owners[owner], number, start, end, score, words, None if isnan(cosine) else cosine)
            for number, start, end, owner, score, words, cosine in facts
        ]
