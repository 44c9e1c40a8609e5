"""What an item is about, told without a model: its own sentences that say most, spread over its length, with their
places, and its most telling words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log, log1p, sqrt
from typing import NamedTuple

from multiturn.engine.ingestion.chunking import Placed
from multiturn.engine.ingestion.sentences import find_sentences
from multiturn.engine.places import narrow
from multiturn.engine.search.pieces import Span
from multiturn.engine.search.terms import WORD, TermReader
from multiturn.model.filename import UNSEEN
from multiturn.model.store import Digest, Highlight

# A sentence of this many characters at most stands for a stretch; a longer one is cut at a word.
SENTENCE_CHARACTERS = 300
WORDS_MIN, WORDS_MAX = 5, 45
# One stretch for so many characters; so many sentences are weighed of the longest item, evenly taken from it.
STRETCH_CHARACTERS, STRETCHES_MAX = 1500, 12
SENTENCES_MAX = 6000
SUMMARY_SENTENCES, SUMMARY_CHARACTERS = 3, 700
KEYWORDS_MAX = 12
TITLE_CHARACTERS = 120
# A sentence that says what another one says already stands back.
ALIKE_MAX = 0.5
LETTERS = re.compile(r"[^\W\d_]")


class Sentence(NamedTuple):
    """A sentence of an item, with its characters in the item's text and its terms."""

    placed: Placed
    span: Span
    terms: frozenset[int]

    @property
    def text(self) -> str:
        """What it says, on one line."""
        begin = self.placed.starts
        return self.placed.part.text[self.span.start - begin : self.span.end - begin].replace("\n", " ")


class Words(NamedTuple):
    """How often the terms of an item occur, how each is mostly written, and what it says of its item: more the more
    often it is said, less the more sentences say it anyway.
    """

    counts: Mapping[int, int]
    written: Mapping[int, str]
    weights: Mapping[int, float]
    sentences: int


class DigestBuilder:
    """Reads an item part by part, and tells what it is about. Of a long item every so many parts are left out, so that
    the memory it takes is bounded.
    """

    def __init__(self, characters: int) -> None:
        self.characters = characters
        self.reader = TermReader()
        self.sentences: list[Sentence] = []
        self.on_screen: list[Sentence] = []
        # About a sentence in 100 characters.
        self.step = max(1, -(-characters // (SENTENCES_MAX * 100)))
        self.parts = 0

    def add(self, placed: Placed) -> None:
        """Read the next part."""
        self.parts += 1
        if self.parts % self.step:
            return
        # What a picture shows is no sentence, and counts where nothing else is there.
        kept = self.on_screen if placed.part.modality == "screen" else self.sentences
        for start, end in find_sentences(placed.part.text, characters_max=SENTENCE_CHARACTERS):
            terms = frozenset(self.reader.read(placed.part.text[start:end]))
            if terms:
                kept.append(Sentence(placed, Span(placed.starts + start, placed.starts + end), terms))

    def build(self, title: str) -> Digest:
        """What the item is about."""
        sentences = self.sentences or self.on_screen
        if not sentences:
            return Digest(title=title, summary="")
        words = count_words(sentences, self.reader)
        scores = {place: score(sentence, words) for place, sentence in enumerate(sentences)}
        chosen = choose_stretches(sentences, scores, self.characters)
        told = choose_apart(sorted(chosen, key=lambda place: -scores[place]), sentences)
        return Digest(
            title=title,
            summary=join_sentences([sentences[place].text for place in sorted(told)]),
            highlights=tuple(highlight(sentences[place]) for place in chosen),
            keywords=tuple(list_keywords(words)),
        )


def count_words(sentences: Sequence[Sentence], reader: TermReader) -> Words:
    """Count the words of an item."""
    said: Counter[str] = Counter()
    spread: Counter[int] = Counter()
    for sentence in sentences:
        said.update(WORD.findall(sentence.text))
        spread.update(sentence.terms)
    counts: Counter[int] = Counter()
    written: dict[int, str] = {}
    for word, times in said.most_common():
        for term in reader.read(word):
            counts[term] += times
            written.setdefault(term, word)
    total = len(sentences)
    weights = {term: log1p(count) * log(1 + total / (1 + spread[term])) for term, count in counts.items()}
    return Words(counts, written, weights, total)


def score(sentence: Sentence, words: Words) -> float:
    """How much a sentence says of its item: the weight of its words, for its length; a fragment or an endless one says
    little.
    """
    length = len(WORD.findall(sentence.text))
    least = 1 if words.sentences < WORDS_MIN else 2
    weight = sum(words.weights.get(term, 0.0) for term in sentence.terms if words.counts.get(term, 0) >= least)
    fit = min(1.0, length / WORDS_MIN) * min(1.0, WORDS_MAX / max(length, 1))
    return fit * weight / sqrt(max(length, WORDS_MIN))


def choose_stretches(sentences: Sequence[Sentence], scores: Mapping[int, float], characters: int) -> list[int]:
    """The sentence of each stretch that says most, in their order."""
    stretches = min(max(characters // STRETCH_CHARACTERS, SUMMARY_SENTENCES), STRETCHES_MAX)
    best: dict[int, int] = {}
    for place, sentence in enumerate(sentences):
        stretch = min(sentence.span.start * stretches // max(characters, 1), stretches - 1)
        if stretch not in best or scores[place] > scores[best[stretch]]:
            best[stretch] = place
    return sorted(best.values())


def choose_apart(places: Iterable[int], sentences: Sequence[Sentence]) -> list[int]:
    """The first sentences that do not repeat each other."""
    told: list[int] = []
    for place in places:
        terms = sentences[place].terms
        if all(measure_overlap(terms, sentences[other].terms) <= ALIKE_MAX for other in told):
            told.append(place)
        if len(told) == SUMMARY_SENTENCES:
            break
    return told


def measure_overlap(one: frozenset[int], other: frozenset[int]) -> float:
    """How much two sentences say the same."""
    return len(one & other) / max(min(len(one), len(other)), 1)


def join_sentences(texts: Sequence[str]) -> str:
    """Sentences as a text of limited length; those that do not fit are left out."""
    summary = ""
    for text in texts:
        sentence = " ".join(text.split())
        if len(summary) + len(sentence) < SUMMARY_CHARACTERS:
            summary = f"{summary} {sentence}".strip()
    return summary


def highlight(sentence: Sentence) -> Highlight:
    """A sentence as it is kept, with the moment or the page that it is from."""
    part, begin = sentence.placed.part, sentence.placed.starts
    start, end = sentence.span
    return Highlight(text=sentence.text, start=start, end=end, place=narrow(part.place, start - begin, end - start))


def list_keywords(words: Words) -> Iterator[str]:
    """The most telling words as they are mostly written: no numbers, nothing that was said once where much is."""
    ranked = sorted(words.counts, key=lambda term: (-words.weights[term], term))
    least = 2 if words.sentences > WORDS_MIN else 1
    found = 0
    for term in ranked:
        word = words.written[term]
        if words.counts[term] >= least and len(word) > 2 and LETTERS.search(word):
            yield word
            found += 1
        if found == KEYWORDS_MAX:
            return


def find_title(filename: str, told: str | None, first: Sequence[Placed]) -> str:
    """What an item is called whose owner does not say: as its file says itself, as it begins, else as the file is
    called. ``first`` are the parts that it begins with.
    """
    for text in (told, *(find_heading(placed) for placed in first)):
        title = " ".join(UNSEEN.sub(" ", text or "").split())[:TITLE_CHARACTERS]
        if len(LETTERS.findall(title)) >= 3:
            return title
    return filename


def find_heading(placed: Placed) -> str | None:
    """The heading over a part; of a slide on a screen its first line, if that may be one."""
    part = placed.part
    if part.modality == "text":
        return part.place.heading if placed.starts == 0 else None
    line = part.text.split("\n", 1)[0]
    is_title = part.modality == "screen" and len(line.split()) >= 2 and len(line) <= TITLE_CHARACTERS
    return line if is_title and (part.place.start_s or 0) == 0 else None
