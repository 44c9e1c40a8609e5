"""Recall: what a new message makes one remember of what was said before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from math import log1p

import numpy as np
from numpy.typing import NDArray

from multiturn.engine.search.index import Hit, Query, SearchIndex, SearchOptions
from multiturn.engine.search.pieces import PIECE_CHARACTERS, cut_pieces
from multiturn.engine.search.segment import Entry
from multiturn.engine.search.terms import TermReader

# Measured on conversations (tests/bench/recall.py prints what each part adds): an answer stands beside its question, so
# that a neighbour adds half of its score and the next one a quarter; what stands near the best is good, too; and who is
# named in a question said what it asks for.
RECALL = SearchOptions(alpha=0.5, smoothing=(0.5, 0.25), stretch=0.2, mark_bonus=0.1)
HITS_MAX = 200
# What the words of earlier messages weigh beside those of the new one, the newest first; from half to twice of it makes
# no difference to questions about documents (docs/decisions/retrieval.md).
EARLIER_WEIGHTS = (0.3, 0.2, 0.1)
# The least cosine that means anything, by a part of the model's name. The best cosine of 99 of 100 questions that a
# conversation answers is above it, that of nearly all small talk below. Other models have other cosines.
NEAREST_MIN = {"all-minilm-l6-v2": 0.35}
# Words are reason enough to recall where the best entry scores nearly as two words do that no other entry holds;
# without vectors, most of one has to be enough.
WORDS_STRONG, WORDS_MIN = 1.75, 0.75
OWN_WEIGHT = 1.0


def name_day(day: date) -> str:
    """A day as people write it: 8 May 2023."""
    return f"{day.day} {day:%B %Y}"


def describe(speaker: str, said_at: datetime | None) -> str:
    """Who spoke and when, in words that a question may hold: "Ann, 8 May 2023: "."""
    known = [speaker] if speaker else []
    if said_at:
        known.append(name_day(said_at))
    return ", ".join(known) + ": " if known else ""


def list_entries(
    number: int, text: str, *, speaker: str, said_at: datetime | None, characters_max: int = PIECE_CHARACTERS
) -> list[Entry]:
    """The entries of one item: its pieces, each found also by its speaker's name (if one is known) and its day."""
    head = describe(speaker, said_at)
    return [
        Entry(number, start, end, head + text[start:end], speaker)
        for start, end in cut_pieces(text, characters_max=characters_max)
    ]


def ask(
    reader: TermReader,
    message: str,
    *,
    earlier: Sequence[str] = (),
    vectors: Mapping[str, NDArray[np.float32]] | None = None,
) -> Query:
    """A query of the new message and of the user's messages before it (the newest last), whose words weigh less."""
    terms = weigh_terms(reader, message, earlier)
    return Query(terms=terms, vectors=vectors or {}, marks=reader.read_marks(message))


def weigh_terms(reader: TermReader, message: str, earlier: Sequence[str]) -> dict[int, float]:
    """The words of a message, and those of the messages before it (the newest last), which weigh less."""
    weights: dict[int, float] = {}
    for text, weight in zip(reversed(earlier), EARLIER_WEIGHTS, strict=False):
        for term in reader.read(text):
            weights[term] = max(weights.get(term, 0.0), weight)
    weights.update(dict.fromkeys(reader.read(message), OWN_WEIGHT))
    return weights


def recall(
    index: SearchIndex,
    query: Query,
    *,
    before: int | None = None,
    allowed: NDArray[np.bool_] | None = None,
    limit: int = HITS_MAX,
) -> list[Hit]:
    """Rank what was said, in pieces, the best first; of the items before the number ``before``, where it is given.

    Entries that are not ``allowed``, of a branch that was left, count for nothing, where a mask of entries is given.
    Nothing when the message has no words of its own, or nothing to do with any of it: no entry is near enough, and none
    shares rare words.
    """
    if OWN_WEIGHT not in query.terms.values():
        return []
    rows = np.ones(len(index), np.bool_) if allowed is None else allowed
    if before is not None:
        rows = rows & (index.numbers < before)
    hits = index.search(query, replace(RECALL, limit=limit), allowed=rows, counted=allowed)
    entries = len(index) if allowed is None else int(np.count_nonzero(allowed))
    nearest_min = find_nearest_min([model for model in index.models if model in query.vectors])
    return hits if is_worthwhile(hits, entries=entries, nearest_min=nearest_min) else []


def find_nearest_min(models: Sequence[str]) -> float | None:
    """The least cosine that means anything with these models; None where one is unknown, or there are none."""
    known = [least for model in models for name, least in NEAREST_MIN.items() if name in model.lower()]
    return min(known) if known and len(known) == len(models) else None


def is_worthwhile(hits: Sequence[Hit], *, entries: int, nearest_min: float | None) -> bool:
    """Whether a search among so many entries found anything; without a least cosine, words decide."""
    if not hits:
        return False
    rarest = log1p((entries - 0.5) / 1.5)
    words = max(hit.lexical for hit in hits) / rarest
    nearest = max((hit.similarity for hit in hits if hit.similarity is not None), default=None)
    if nearest_min is None or nearest is None:
        return words >= WORDS_MIN
    return nearest >= nearest_min or words >= WORDS_STRONG
