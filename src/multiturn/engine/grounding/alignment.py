"""Alignment: which piece of the sources a sentence of an answer rests on, by the words that they share.

Words are weighed by how rare they are among the sources that were shown. A sentence rests on a piece when the piece
holds most of the weight of its words: that is seldom wrong, and where it is silent nothing is claimed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from math import log
from typing import NamedTuple

from msgspec import Struct

from multiturn.engine.search.pieces import Span, find_parts
from multiturn.engine.search.terms import TermReader
from multiturn.model.retrieved import Snippet

# A piece is a sentence of a source, a phrase of what is spoken, or two sentences that stand behind one another.
PIECE_CHARACTERS = 400
# About 10 kB each.
SOURCES_KEPT = 1024
# The share of the weight of a sentence's words that a piece must hold, and how many words at least.
COVERAGE_MIN = 0.5
WORDS_MIN = 2
# The narrowest place is the best one: a sentence is taken before one of its phrases, and two sentences before one of
# them, only when they hold so much more.
PHRASE_LOSS, SENTENCE_LOSS, PAIR_LOSS = 0.0, 0.12, 0.3
# What an item is about says the same as the place where it says so: the place is cited, unless it holds much less.
ITEM_LOSS = 0.1
# What stands in front of the words: the number of a line, and times, which sources are shown with.
NUMBERING = re.compile(r"^\s*(?:[-*•#]+|\d{1,3}[.)])\s+|\b\d{1,2}(?::\d{2}){1,2}\b", re.MULTILINE)
NUMBER = re.compile(r"\d[\d.,:]*")
NUMBER_WEIGHT = 2.0


class Piece(Struct, frozen=True):
    """A piece of a source: its place among the sources, its characters in the source's text, its words, and those of
    the title above it. ``is_item``: the source says what an item is about. ``loss`` is held against its width.
    """

    source: int
    start: int
    end: int
    terms: frozenset[int]
    title: frozenset[int]
    is_item: bool
    loss: float = 0.0


class Support(Struct, frozen=True, kw_only=True):
    """What a sentence rests on: a source by its place, the characters of its text, and how much of the sentence it
    holds, from 0 to 1.
    """

    source: int
    start: int
    end: int
    coverage: float


class Cut(NamedTuple):
    """A text in sentences: the words of each, and those of all that have a figure in them."""

    spans: tuple[Span, ...]
    terms: tuple[frozenset[int], ...]
    numbers: frozenset[int]


class SourceReader:
    """Reads sources; those that were read last are remembered, for a conversation shows the same ones again and again.

    For one thread.
    """

    def __init__(self, reader: TermReader) -> None:
        self.reader = reader
        self.cut = lru_cache(maxsize=SOURCES_KEPT)(self._cut)

    def read(self, text: str) -> list[int]:
        """The words of a text."""
        return self.reader.read(text)

    def _cut(self, text: str) -> Cut:
        spans = tuple(find_parts(text, PIECE_CHARACTERS))
        terms = tuple(frozenset(self.read(text[span.start : span.end])) for span in spans)
        numbers = frozenset(term for number in NUMBER.findall(text) for term in self.read(number))
        return Cut(spans, terms, numbers)


class Aligner:
    """Finds what sentences rest on among sources that were shown; more may be added."""

    def __init__(self, reader: SourceReader) -> None:
        self.reader = reader
        self.pieces: list[Piece] = []
        self.places: dict[int, list[int]] = {}
        self.holders: Counter[int] = Counter()
        self.numbers: set[int] = set()
        self.count = 0

    def add(self, sources: Sequence[Snippet]) -> None:
        """Add sources behind those that it has."""
        for snippet in sources:
            title, is_item = frozenset(self.reader.read(snippet.title or "")), snippet.source == "item"
            cut = self.reader.cut(snippet.text)
            for span, terms, loss in self._list_pieces(cut, snippet):
                self._add_piece(Piece(self.count, span.start, span.end, terms, title, is_item, loss))
            for terms in cut.terms:
                self.holders.update(terms)
            self.numbers |= cut.numbers
            self.count += 1

    def _list_pieces(self, cut: Cut, snippet: Snippet) -> Iterator[tuple[Span, frozenset[int], float]]:
        """The pieces of a source: phrases of what is spoken, which have their own times, sentences, pairs of them."""
        starts = [mark.start for mark in snippet.place.marks]
        sentences = list(zip(cut.spans, cut.terms, strict=True))
        for span, terms in sentences:
            phrases = split(span, starts)
            for phrase in phrases if len(phrases) > 1 else ():
                yield phrase, frozenset(self.reader.read(snippet.text[phrase.start : phrase.end])), PHRASE_LOSS
            yield span, terms, SENTENCE_LOSS if len(phrases) > 1 else PHRASE_LOSS
        for (first, one), (second, other) in pairwise(sentences):
            yield Span(first.start, second.end), one | other, PAIR_LOSS

    def _add_piece(self, piece: Piece) -> None:
        for term in piece.terms | piece.title:
            self.places.setdefault(term, []).append(len(self.pieces))
        self.pieces.append(piece)

    def weigh(self, term: int) -> float:
        """What a word says: the rarer among the sources, the more. One that no source holds counts as a rare one."""
        weight = log(1 + (len(self.pieces) + 1) / (1 + self.holders[term]))
        return weight * NUMBER_WEIGHT if term in self.numbers else weight

    def align(self, sentence: str, *, among: Sequence[int] | None = None) -> Support | None:
        """The piece that a sentence rests on, ``among`` some sources only where they are given; None where none holds
        enough of it.
        """
        best = self.find_best(sentence, among=among)
        return best if best and best.coverage >= COVERAGE_MIN else self.find_named(sentence)

    def find_named(self, sentence: str) -> Support | None:
        """The item that a sentence names by its whole title, where what it is about is among the sources."""
        terms = set(self.reader.read(sentence))
        named = [
            piece for piece in self.pieces if piece.is_item and len(piece.title) >= WORDS_MIN and piece.title <= terms
        ]
        if not named:
            return None
        longest = max(named, key=lambda piece: len(piece.title))
        return Support(source=longest.source, start=0, end=0, coverage=0.0)

    def find_best(self, sentence: str, *, among: Sequence[int] | None = None) -> Support | None:
        """The piece that holds most of a sentence, however little; None where it shares too few words."""
        terms = set(self.reader.read(NUMBERING.sub(" ", sentence)))
        whole = sum(map(self.weigh, terms))
        if len(terms) < WORDS_MIN or not whole:
            return None
        best: Support | None = None
        most = float("-inf")
        for piece, weight in self.score(terms, among):
            coverage = weight / whole
            if coverage - piece.loss > most:
                most = coverage - piece.loss
                best = Support(source=piece.source, start=piece.start, end=piece.end, coverage=coverage)
        return best

    def score(self, terms: set[int], among: Sequence[int] | None) -> Iterator[tuple[Piece, float]]:
        """The pieces that share enough words with a sentence, and the weight of those; a title alone stands for its
        item.
        """
        whole = sum(map(self.weigh, terms))
        shared = Counter(place for term in terms for place in self.places.get(term, ()))
        for place in sorted(place for place, count in shared.items() if count >= WORDS_MIN):
            piece = self.pieces[place]
            if among is not None and piece.source not in among:
                continue
            own, named = terms & piece.terms, terms & piece.title
            if len(own) >= WORDS_MIN or (piece.is_item and len(own | named) >= WORDS_MIN):
                yield piece, sum(map(self.weigh, own | named)) - (ITEM_LOSS * whole if piece.is_item else 0)


def split(span: Span, starts: Sequence[int]) -> list[Span]:
    """A span in the stretches that begin at these places."""
    bounds = [span.start, *(start for start in starts if span.start < start < span.end), span.end]
    return [Span(first, last) for first, last in pairwise(bounds)]
