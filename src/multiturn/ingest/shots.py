"""Cuts a film into shots while its frames pass by, each with the frame that shows best what is in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

# Frames are compared in this size; a pixel has changed when a colour of it differs by more than noise.
WIDTH, HEIGHT = 96, 54
PIXEL_CHANGE = 24
# A cut: so much of the picture changes at once, and far more than it did in the second before.
CUT_SHARE, CUT_FACTOR, CUT_OFFSET = 0.30, 2.5, 0.10
# Another slide: what stood still is different, and stands still again. A title and a line are some 1.2 % of it, and
# where more moves, more has to change. What stands still has no more than the noise of its coding (of 255 levels).
SLIDE_SHARE, SLIDE_MOTION, STILL_SHARE, QUIET = 0.008, 0.2, 0.004, 0.8
# Blocks of pixels of which one moved so often in the last 4 s, as a speaker in a corner does, are no part of a slide;
# those of a slide that dissolves into another one within a second are.
MOVING, KEPT, BLOCK = 0.3, 0.95, 6
SHOT_S_MIN, SHOT_S_MAX = 1.0, 30.0
BLACK, FLAT = 16.0, 6.0
# A frame that is black or of one colour has a lower score than this.
EMPTY_SCORE = 1.0
GOOD_AS, STILL_TIME, STILL_PART = 0.98, 0.7, 0.5

Small = NDArray[np.int16]


class Sample(NamedTuple):
    """A frame that is looked at, when it is seen, and a small copy."""

    at_s: float
    frame: av.VideoFrame
    small: Small


class Shot(NamedTuple):
    """A stretch of a film without a cut, from 0 on, and its key frame. ``is_still``: it shows a slide, or a screen."""

    number: int
    start_s: float
    end_s: float
    key: Sample
    is_still: bool


def make_small(frame: av.VideoFrame) -> Small:
    """Make the small copy in which frames are compared."""
    return frame.reformat(WIDTH, HEIGHT, "rgb24", interpolation="AREA").to_ndarray().astype(np.int16)


def find_changes(one: Small, other: Small) -> NDArray[np.bool_]:
    """The pixels that differ."""
    changed: NDArray[np.bool_] = np.abs(one - other).max(axis=2) > PIXEL_CHANGE
    return changed


class _Watch:
    """Tells, sample by sample, whether a new shot has begun, and when."""

    def __init__(self) -> None:
        self._last: Sample | None = None
        self._settled: Small | None = None
        self._stirred_s: float | None = None
        self._motion = np.zeros((HEIGHT, WIDTH), np.float32)
        self._shares = [0.0] * 5

    def look(self, sample: Sample) -> tuple[float | None, bool]:
        """Where a new shot began, if one did, and whether the picture stands still."""
        if self._last is None:
            self._last, self._settled = sample, sample.small
            return None, True
        changed, still = find_changes(sample.small, self._last.small), _find_still(self._motion)
        share, usual = float(changed.mean()), sum(self._shares) / len(self._shares)
        if share > max(CUT_SHARE, CUT_FACTOR * usual + CUT_OFFSET):
            begun_s: float | None = sample.at_s
            self._settled, self._stirred_s = sample.small, None
            self._motion[:] = 0
        else:
            begun_s = self._look_at_slide(sample, self._last, still)
            self._motion = self._motion * KEPT + changed * (1 - KEPT)
        self._shares = [*self._shares[1:], share]
        self._last = sample
        is_calm = float((changed & still).mean()) <= STILL_SHARE and float(still.mean()) >= STILL_PART
        return begun_s, is_calm and self._stirred_s is None

    def _look_at_slide(self, sample: Sample, last: Sample, still: NDArray[np.bool_]) -> float | None:
        """Where another slide began, if what stood still is different from before and stands still again."""
        other = find_changes(sample.small, self._settled) & still if self._settled is not None else still
        if float(other.mean()) <= SLIDE_SHARE + SLIDE_MOTION * float((self._motion * still).mean()):
            self._stirred_s = None
            return None
        self._stirred_s = sample.at_s if self._stirred_s is None else self._stirred_s
        if float((np.abs(sample.small - last.small).mean(axis=2) * still).mean()) > QUIET:
            return None
        begun_s, self._stirred_s = self._stirred_s, None
        self._settled = sample.small
        return begun_s


def _find_still(motion: NDArray[np.float32]) -> NDArray[np.bool_]:
    blocks = motion.reshape(HEIGHT // BLOCK, BLOCK, WIDTH // BLOCK, BLOCK).max(axis=(1, 3)) < MOVING
    still: NDArray[np.bool_] = blocks.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
    return still


class _Draft:
    """The shot that is seen, and its best frames so far: of those without motion, and of all."""

    def __init__(self, start_s: float) -> None:
        self.start_s = start_s
        self.end_s = start_s
        self._calm: Sample | None = None
        self._any: Sample | None = None
        self._calm_score = self._any_score = -math.inf
        self._still = self._seen = 0

    def add(self, sample: Sample, *, is_calm: bool) -> None:
        """Look at a frame of the shot. Of frames that are as good the last is kept: slides fill up while they stand."""
        self.end_s = sample.at_s
        self._seen += 1
        score = rate(sample.small)
        if score >= self._any_score * GOOD_AS:
            self._any, self._any_score = sample, max(score, self._any_score)
        if is_calm:
            self._still += 1
            if score >= self._calm_score * GOOD_AS:
                self._calm, self._calm_score = sample, max(score, self._calm_score)

    def finish(self, number: int, end_s: float) -> Shot:
        """The shot. A frame without motion is no transition, and its text is whole: unless black it goes first."""
        key = self._any
        if self._calm is not None and (self._calm_score >= EMPTY_SCORE or key is None or key.at_s >= end_s):
            key = self._calm
        assert key is not None
        is_still = self._still >= STILL_TIME * self._seen
        return Shot(number, round(self.start_s, 3), round(end_s, 3), key, is_still)


def rate(small: Small) -> float:
    """How much there is to see in a frame: its sharpness, and next to nothing where it is black or of one colour."""
    grey = small.mean(axis=2)
    sharp = float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())
    is_empty = float(grey.mean()) < BLACK or float(grey.std()) < FLAT
    return min(sharp, EMPTY_SCORE) / 2 if is_empty else sharp + EMPTY_SCORE


def find_shots(samples: Iterable[Sample], *, end_s: float | None = None) -> Iterator[Shot]:
    """Cut a film into shots of 1 to 30 s; the last one ends at ``end_s`` if that is known."""
    watch, number = _Watch(), 0
    draft: _Draft | None = None
    for sample in samples:
        begun_s, is_calm = watch.look(sample)
        draft = draft or _Draft(0.0)
        if begun_s is not None and begun_s - draft.start_s < SHOT_S_MIN:
            # A flash, or the first frames of a transition: the next shot has this one's beginning.
            draft = _Draft(draft.start_s)
        elif begun_s is not None or sample.at_s - draft.start_s >= SHOT_S_MAX:
            cut_s = sample.at_s if begun_s is None else begun_s
            yield draft.finish(number, cut_s)
            number, draft = number + 1, _Draft(cut_s)
        draft.add(sample, is_calm=is_calm)
    if draft is not None:
        yield draft.finish(number, max(draft.end_s, end_s or 0.0))
