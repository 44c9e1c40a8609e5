"""What documents are made of: pages, headings, paragraphs. They become segments, each within a page and a section."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from multiturn.model.segment import Modality, Note, Picture, Place, Progress, Segment

SEGMENT_CHARACTERS_MAX = 4000
# A heading is known by those above it: "Installation › On Linux".
HEADING_JOINT, HEADINGS_MAX = " › ", 3
HEADING_CHARACTERS_MAX = 120
# Where a long paragraph is cut, the best first, but not before the middle of a segment.
BREAKS = ("\n\n", "\n", ". ", "! ", "? ", "。", "; ", ", ", " ")


class Page(NamedTuple):
    """A page begins, or a slide; with a heading of its own, those before it are over."""

    number: int
    heading: str | None = None


class Heading(NamedTuple):
    """A heading, from level 1."""

    level: int
    text: str


class Paragraph(NamedTuple):
    """A paragraph, or a row of a table or a list, which stands closer to the next."""

    text: str
    is_row: bool = False
    modality: Modality = "text"


Element = Page | Heading | Paragraph
Passing = Progress | Picture | Note


def compose(elements: Iterable[Element | Passing]) -> Iterator[Segment | Passing]:
    """Join paragraphs of one page, section and modality to segments. What is no element is handed through."""
    sections = _Sections()
    for element in elements:
        match element:
            case Progress() | Picture() | Note():
                yield element
            case Page(number, heading):
                yield from sections.turn(number, heading)
            case Heading(level, text):
                yield from sections.head(level, text)
            case Paragraph():
                yield from sections.add(element)
    yield from sections.end()


class _Sections:
    """The headings above the present place, and the paragraphs that are held there."""

    def __init__(self) -> None:
        self._page: int | None = None
        self._trail: list[Heading] = []
        # The last heading that nothing stands below so far: if that stays so, it is a text of its own.
        self._bare: str | None = None
        self._modality: Modality = "text"
        self._held: list[str] = []
        self._characters = 0

    def turn(self, number: int, heading: str | None) -> Iterator[Segment]:
        """Begin a page."""
        if heading is None:
            yield from self._flush()
        else:
            yield from self.end()
            yield from self.head(1, heading)
        self._page = number

    def head(self, level: int, text: str) -> Iterator[Segment]:
        """Begin a section."""
        text = " ".join(text.split())[:HEADING_CHARACTERS_MAX]
        if not text:
            return
        yield from self._flush()
        if self._bare and self._trail and self._trail[-1].level >= level:
            yield self._make(self._bare)
        while self._trail and self._trail[-1].level >= level:
            self._trail.pop()
        self._trail.append(Heading(level, text))
        self._bare = text

    def add(self, paragraph: Paragraph) -> Iterator[Segment]:
        """Add a paragraph."""
        text = paragraph.text.strip()
        if not text:
            return
        joint = "\n" if paragraph.is_row else "\n\n"
        if paragraph.modality != self._modality:
            yield from self._flush()
            self._modality = paragraph.modality
        if self._held and self._characters + len(text) > SEGMENT_CHARACTERS_MAX:
            yield from self._flush()
        for piece in cut_text(text):
            if self._held and self._characters + len(piece) > SEGMENT_CHARACTERS_MAX:
                yield from self._flush()
            self._held.append(joint + piece)
            self._characters += len(self._held[-1])

    def end(self) -> Iterator[Segment]:
        """End all sections."""
        yield from self._flush()
        if self._bare:
            yield self._make(self._bare)
        self._bare, self._trail = None, []

    def _flush(self) -> Iterator[Segment]:
        if self._held:
            self._bare = None
            yield self._make("".join(self._held).strip())
            self._held, self._characters = [], 0

    def _make(self, text: str) -> Segment:
        heading = HEADING_JOINT.join(heading.text for heading in self._trail[-HEADINGS_MAX:]) or None
        return Segment(text=text, modality=self._modality, place=Place(page=self._page, heading=heading))


def cut_text(text: str, characters_max: int = SEGMENT_CHARACTERS_MAX) -> Iterator[str]:
    """Cut a text into pieces of at most so many characters, where it breaks best."""
    start = 0
    while len(text) - start > characters_max:
        end = find_break(text, start, start + characters_max)
        if piece := text[start:end].strip():
            yield piece
        start = end
    if piece := text[start:].strip():
        yield piece


def find_break(text: str, start: int, end: int) -> int:
    """Where a text breaks best before ``end``, and not before the middle."""
    middle = (start + end) // 2
    for mark in BREAKS:
        found = text.rfind(mark, middle, end)
        if found >= 0:
            return found + len(mark)
    return end
