"""Fusion: scores of several kinds made comparable, smoothed, added up, and the best of them chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]

# So far on either side an entry is near another. From 5 to 20 turns it makes no difference to recall in conversations.
NEAR_ENTRIES = 5


def smooth(scores: Scores, shares: Sequence[float]) -> Scores:
    """Add to each score a share of its neighbours': ``shares`` are those of the first, second … on either side."""
    smoothed = scores.copy()
    for distance, share in enumerate(shares, start=1):
        smoothed[distance:] += share * scores[:-distance]
        smoothed[:-distance] += share * scores[distance:]
    return smoothed


def spread(scores: Scores) -> Scores:
    """The best score near each entry."""
    best = scores.copy()
    for distance in range(1, min(NEAR_ENTRIES, len(scores) - 1) + 1):
        np.maximum(best[distance:], scores[:-distance], out=best[distance:])
        np.maximum(best[:-distance], scores[distance:], out=best[:-distance])
    return best


def normalize(scores: Scores, rows: NDArray[np.bool_]) -> Scores:
    """Bring the scores of these rows between 0, the worst, and 1, the best; all 0 where they do not differ.

    Measured on conversations, this is as good as the distance from the mean in standard deviations, and better than
    ranks, which forget by how much the best is better.
    """
    lowest = scores.min(where=rows, initial=np.inf)
    span = scores.max(where=rows, initial=-np.inf) - lowest
    return (scores - lowest) / span if span > 0 else np.zeros_like(scores)


def fuse(lexical: Scores, closeness: Scores, *, alpha: float, known: NDArray[np.bool_]) -> Scores:
    """Weigh normalised scores: ``alpha`` for closeness. An entry whose closeness is not ``known`` is judged by its
    words alone.
    """
    return np.where(known, (1 - alpha) * lexical + alpha * closeness, lexical)


def find_best(scores: Scores, rows: NDArray[np.bool_], limit: int) -> NDArray[np.intp]:
    """The best of these rows, the best first; of equals the first in the index."""
    candidates = np.flatnonzero(rows)
    if len(candidates) > limit:
        # One pass finds the score of the last that is wanted; only what reaches it is sorted.
        least = np.partition(scores[candidates], len(candidates) - limit)[len(candidates) - limit]
        candidates = candidates[scores[candidates] >= least]
    order = np.argsort(-scores[candidates], kind="stable")[:limit]
    return candidates[order]


def select_diverse(scores: Scores, likeness: NDArray[np.float32], *, limit: int, strength: float) -> list[int]:
    """Choose by maximal marginal relevance (Carbonell and Goldstein 1998): each next one is good and unlike those
    before it. ``likeness`` compares the candidates with each other.
    """
    chosen: list[int] = []
    left = np.ones(len(scores), np.bool_)
    nearest = np.zeros(len(scores), np.float32)
    while len(chosen) < min(limit, len(scores)):
        worth = np.where(left, (1 - strength) * scores - strength * nearest, -np.inf)
        best = int(worth.argmax())
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, likeness[best])
    return chosen
