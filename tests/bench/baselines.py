"""The named simple methods that recall is compared with, each a score for every turn of a conversation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

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
        self.places = {word: place for place, word in enumerate(dict.fromkeys(word for one in counted for word in one))}
        counts = np.zeros((len(self.places), len(texts)))
        for row, one in enumerate(counted):
            for word, count in one.items():
                counts[self.places[word], row] = count
        held_by = (counts > 0).sum(axis=1, keepdims=True)
        lengths = counts.sum(axis=0)
        idf = np.log1p((len(texts) - held_by + 0.5) / (held_by + 0.5))
        self.gains = idf * counts * (K1 + 1) / (counts + K1 * (1 - B + B * lengths / lengths.mean()))

    def score(self, query: str) -> Scores:
        """The score of each text."""
        rows = [self.places[word] for word in read_words(query) if word in self.places]
        scores: Scores = self.gains[rows].sum(axis=0)
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
