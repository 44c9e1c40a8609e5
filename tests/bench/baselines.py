"""The named simple methods that recall is compared with, each a score for every turn of a conversation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
K1, B = 1.2, 0.75
RRF_K = 60
WORD = re.compile(r"[^\W_]+")


def read_words(text: str) -> list[str]:
    """Words in lower case, as they are."""
    return WORD.findall(text.lower())


class Bm25:
    """BM25 (k1 1.2, b 0.75) over the words of texts as they are."""

    def __init__(self, texts: Sequence[str]) -> None:
        counted = [Counter(read_words(text)) for text in texts]
        self.entries = len(texts)
        lengths = np.array([one.total() for one in counted], np.float64)
        held: dict[str, list[tuple[int, int]]] = {}
        for row, one in enumerate(counted):
            for word, count in one.items():
                held.setdefault(word, []).append((row, count))
        norms = K1 * (1 - B + B * lengths / lengths.mean())
        self.gains = {word: self.weigh(np.array(places), norms) for word, places in held.items()}

    def weigh(self, places: NDArray[np.int64], norms: Scores) -> tuple[NDArray[np.int64], Scores]:
        """The texts that hold a word, and what it adds to the score of each."""
        rows, counts = places.T
        idf = np.log1p((self.entries - len(rows) + 0.5) / (len(rows) + 0.5))
        return rows, idf * counts * (K1 + 1) / (counts + norms[rows])

    def score(self, query: str) -> Scores:
        """The score of each text."""
        return self.score_words(Counter(read_words(query)))

    def score_words(self, weights: Mapping[str, float]) -> Scores:
        """The score of each text for words with weights."""
        scores = np.zeros(self.entries)
        for word, weight in weights.items():
            if word in self.gains:
                rows, gains = self.gains[word]
                scores[rows] += weight * gains
        return scores


def add_neighbours(scores: Scores) -> Scores:
    """Each score with half of its two neighbours'."""
    padded = np.pad(scores, 1)
    return scores + (padded[:-2] + padded[2:]) / 2


def fuse_ranks(*lists: Scores) -> Scores:
    """Reciprocal rank fusion (k 60)."""
    fused = np.zeros(len(lists[0]))
    for scores in lists:
        order = np.argsort(-scores, kind="stable")
        fused[order] += 1 / (RRF_K + 1 + np.arange(len(order)))
    return fused
