"""Terms: what a text is compared by, words without their endings, each as a number of 32 bits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from zlib import crc32

from Stemmer import Stemmer

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
# Scripts that are written without spaces: their words are the pairs of neighbouring characters.
UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+"
)
WORDS_KEPT_MAX = 50_000
# Text without spaces in a script with them (base64, a hash) is no word that anybody asks for again.
WORD_CHARACTERS_MAX = 64
# English words without a meaning of their own: few, since BM25 weighs frequent words down; but question words are
# frequent in what is asked and rare in what was said, and "thanks" asks for nothing.
ENGLISH = """
a an the and or of to in on at for with by from as is are was were be been am do does did has have had
i you he she it we they me him her us them my your his its our their this that these those there
what which who whom when where why how thanks thank please ok okay yes yeah sure hello hi hey bye haha lol
"""
STOP_WORDS = frozenset(ENGLISH.split())
# In front of a stem it makes a mark: a term that no text holds.
MARK = "\0"


class TermReader:
    """Reads terms in one language. Remembers the words that it has seen; for one thread."""

    def __init__(self, language: str = "english", *, stop_words: frozenset[str] = STOP_WORDS) -> None:
        """Raises KeyError when there is no stemmer for the language."""
        self.stem = Stemmer(language, 0).stemWord
        self.stop_words = stop_words
        self.known: dict[str, tuple[int, ...]] = {}

    def read(self, text: str) -> list[int]:
        """The terms of a text, in its order, without stop words."""
        known = self.known
        terms: list[int] = []
        for word in WORD.findall(text.lower()):
            found = known.get(word)
            terms += self.learn(word) if found is None else found
        return terms

    def read_marks(self, text: str) -> set[int]:
        """The marks of the words of a text, such as a speaker's name."""
        stems = (stem for word in WORD.findall(text.lower()) for stem in self.split(word.replace("’", "'")))
        return {hash_term(MARK + stem) for stem in stems}

    def learn(self, word: str) -> tuple[int, ...]:
        """The terms of one word, remembered."""
        if len(self.known) >= WORDS_KEPT_MAX:
            self.known.clear()
        terms = tuple(map(hash_term, self.split(word.replace("’", "'"))))
        self.known[word] = terms
        return terms

    def split(self, word: str) -> Iterator[str]:
        """The stems in one run of letters and digits."""
        if word in self.stop_words:
            return
        if word.isascii():
            yield self.stem(word[:WORD_CHARACTERS_MAX])
            return
        place = 0
        for run in UNSPACED.finditer(word):
            if run.start() > place:
                yield self.stem(word[place : run.start()][:WORD_CHARACTERS_MAX])
            yield from pair_characters(run.group())
            place = run.end()
        if place < len(word):
            yield self.stem(word[place:][:WORD_CHARACTERS_MAX])


def pair_characters(run: str) -> list[str]:
    """The pairs of neighbouring characters; a single character is its own."""
    return [run[place : place + 2] for place in range(len(run) - 1)] or [run]


def hash_term(stem: str) -> int:
    """The number of a term, the same in every process and on every machine."""
    return crc32(stem.encode("utf-8", "surrogatepass"))
