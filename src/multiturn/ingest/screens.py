"""What is written on the screen of a film, shot by shot: read where the picture is another one, and said once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np

from multiturn.ingest.ocr import Line, PageReader, join_lines
from multiturn.ingest.pictures import read_frame
from multiturn.ingest.shots import SLIDE_SHARE, Shot, Small, find_changes
from multiturn.model.segment import Place, Segment

# The long side of the picture that is read: of a slide that stands, and of what passes by. Looking for text takes as
# much longer as there are more pixels: 0.5 s and 0.15 s on one core.
SLIDE_SIDE, PASSING_SIDE = 1280, 800
STAND_S_MIN = 5.0
# In moving pictures text is looked for at most this often.
MOVING_S_MIN = 10.0
# A line that was on so many screens before, one behind the other, belongs to none of them: a logo, a footer.
REPEATED_MAX = 3
# Texts that are so much alike are one, read twice.
LIKENESS = 0.85
TITLE_CHARACTERS = (3, 100)
TITLE_CONFIDENCE, TITLE_PLACE = 0.8, 0.4
WORD = re.compile(r"\w+")


class Screens:
    """The text on the screens of one film. A segment lasts as long as its text stands."""

    def __init__(self, reader: PageReader) -> None:
        self._reader = reader
        self._seen: Small | None = None
        self._seen_s = -MOVING_S_MIN
        self._pending: Segment | None = None
        self._whole = ""
        self._repeats: dict[str, int] = {}
        self.titles: dict[int, str] = {}
        """The titles of slides, by their shots."""

    def read(self, shot: Shot) -> Segment | None:
        """Read the screen of a shot; the segment that has ended with it, if one has."""
        since_s = shot.key.at_s - self._seen_s
        if self._is_known(shot):
            self._go_on(shot)
            return None
        if not shot.is_still and since_s < MOVING_S_MIN:
            return self.finish()
        self._seen, self._seen_s = shot.key.small, shot.key.at_s
        side = SLIDE_SIDE if shot.is_still and since_s >= STAND_S_MIN else PASSING_SIDE
        picture = np.asarray(read_frame(shot.key.frame, side_max=side))
        lines = self._reader.read(picture)
        whole = join_lines(lines)
        if self._pending is not None and whole and is_alike(whole, self._whole):
            self._go_on(shot)
            return None
        ended, self._whole = self.finish(), whole
        if shot.is_still and (title := find_title(lines, picture.shape[0])):
            self.titles[shot.number] = title
        text = join_lines(self._drop_repeated(lines))
        if WORD.search(text):
            place = Place(start_s=shot.start_s, end_s=shot.end_s, shot=shot.number)
            self._pending = Segment(text=text, modality="screen", place=place)
        return ended

    def finish(self) -> Segment | None:
        """The segment that has not ended yet."""
        ended, self._pending = self._pending, None
        return ended

    def _is_known(self, shot: Shot) -> bool:
        return self._seen is not None and float(find_changes(self._seen, shot.key.small).mean()) < SLIDE_SHARE / 2

    def _go_on(self, shot: Shot) -> None:
        """Have the text of the shot before stand on."""
        if shot.number - 1 in self.titles:
            self.titles.setdefault(shot.number, self.titles[shot.number - 1])
        if self._pending is not None:
            old = self._pending.place
            place = Place(start_s=old.start_s, end_s=shot.end_s, shot=old.shot)
            self._pending = Segment(text=self._pending.text, modality="screen", place=place)

    def _drop_repeated(self, lines: Sequence[Line]) -> Sequence[Line]:
        """Leave out lines that stand on every screen, unless there are no others."""
        self._repeats = {line.text: self._repeats.get(line.text, 0) + 1 for line in lines}
        own = [line for line in lines if self._repeats[line.text] <= REPEATED_MAX]
        return own or lines


def is_alike(one: str, other: str) -> bool:
    """Whether two texts are the same but for what was misread, or the first is a part of the other."""
    words = frozenset(WORD.findall(one.lower()))
    if words <= frozenset(WORD.findall(other.lower())):
        return True
    matcher = SequenceMatcher(None, one.lower(), other.lower(), autojunk=False)
    return matcher.quick_ratio() >= LIKENESS and matcher.ratio() >= LIKENESS


def find_title(lines: Sequence[Line], height: int) -> str | None:
    """The title of a slide: the tallest line of its upper part, if no line below is taller."""
    clear = [line for line in lines if line.confidence >= TITLE_CONFIDENCE]
    if not clear:
        return None
    tallest = max(clear, key=lambda line: line.box.height)
    shortest, longest = TITLE_CHARACTERS
    is_above = tallest.box.top <= TITLE_PLACE * height
    return tallest.text if is_above and shortest <= len(tallest.text) <= longest else None
