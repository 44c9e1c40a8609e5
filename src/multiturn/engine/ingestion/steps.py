"""The steps of indexing an item, and what share of the whole each takes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from multiturn.model.asset import AssetKind
from multiturn.model.store import Step

STEPS: tuple[Step, ...] = ("probe", "read", "chunk", "embed", "index", "summarise")

# Shares of the time that it takes: a document's text is read in a moment and embedded for a while, a recording is
# listened to for minutes and leaves little text.
READ_MOSTLY = (1, 88, 1, 7, 1, 2)
EMBEDDED_MOSTLY = (1, 35, 4, 54, 2, 4)
WEIGHTS: Mapping[AssetKind, tuple[int, ...]] = {
    "document": EMBEDDED_MOSTLY,
    "audio": READ_MOSTLY,
    "video": READ_MOSTLY,
    "image": READ_MOSTLY,
}


def measure(kind: AssetKind, step: Step, share: float) -> int:
    """How far an item is of which so much of this step is done, from 0 to 99: what is done is ready, not at 100."""
    place = STEPS.index(step)
    weights = WEIGHTS[kind]
    before = list(accumulate(weights, initial=0))[place]
    return min(99, int(before + weights[place] * min(max(share, 0.0), 1.0)))
