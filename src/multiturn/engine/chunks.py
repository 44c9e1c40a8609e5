"""Chunks: a document cut at its headings, paragraphs and sentences into parts that are found and cited alone."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from multiturn.engine.search.pieces import Span, cut_pieces, trim

# Some 250 word pieces, which is what small embedding models read of a text.
CHUNK_CHARACTERS = 1000
# Sections shorter than this are put together with the next: a line alone says too little to be found.
SECTION_CHARACTERS_MIN = 250
HEADING_CHARACTERS_MAX = 200
# A paragraph without end is cut into windows of this length first, so that none takes long at once.
WINDOW_CHARACTERS = 16_000
# A fenced block, in which a # is no heading; a heading behind #; one underlined by = or - (CommonMark 4.2, 4.3, 4.5).
HEADING = re.compile(
    r"^(?:(?P<fence>```|~~~)[^\n]*\n(?:.*?^(?P=fence)[ \t]*$|.*\Z)"
    r"|\#{1,6}[ \t]+(?P<marked>[^\n]*?)[ \t\#]*$"
    r"|(?P<underlined>[^\s\-=|>\#][^\n]*)\n(?:={3,}|-{3,})[ \t]*$)",
    re.MULTILINE | re.DOTALL,
)
PARAGRAPH = re.compile(r"(?:[^\n]+\n?)+")


class Heading(NamedTuple):
    """A heading and where it begins."""

    start: int
    text: str


class Outline:
    """The parts of a document behind one another, and the headings in them.

    All places are characters of that whole; ``locate`` tells the part.
    """

    def __init__(self, title: str, parts: Sequence[str]) -> None:
        self.title = title
        self.text = parts[0] if len(parts) == 1 else "".join(parts)
        self.starts = list(accumulate((len(part) for part in parts), initial=0))
        bounds = zip(self.starts, parts, strict=False)
        self.headings = [
            Heading(start + found.start, found.text) for start, part in bounds for found in find_headings(part)
        ]
        self.places = [heading.start for heading in self.headings]

    def list_chunks(self) -> Iterator[Span]:
        """The chunks, one after the other. Only white space stands outside of them."""
        for start, end in zip(self.starts, self.starts[1:], strict=False):
            for section in self.list_sections(start, end):
                yield from cut_section(self.text, section)

    def list_sections(self, start: int, end: int) -> Iterator[Span]:
        """What stands between headings in a part; short ones are joined while they fit into a chunk."""
        first, last = bisect_left(self.places, start), bisect_left(self.places, end)
        begin = start
        for place in self.places[first:last]:
            if place - begin >= SECTION_CHARACTERS_MIN:
                yield Span(begin, place)
                begin = place
        yield Span(begin, end)

    def describe(self, span: Span) -> str:
        """A chunk as it is found: behind the title and the heading above it."""
        above = bisect_left(self.places, span.start) - 1
        heading = f"{self.headings[above].text}\n" if above >= 0 else ""
        return f"{self.title}\n{heading}{self.text[span.start : span.end]}"


def find_headings(text: str) -> Iterator[Heading]:
    """The headings of a text in Markdown; of another, what looks like them."""
    for found in HEADING.finditer(text):
        said = found["marked"] or found["underlined"]
        if said and said.strip():
            yield Heading(found.start(), said.strip()[:HEADING_CHARACTERS_MAX])


def cut_section(text: str, section: Span) -> Iterator[Span]:
    """Put the paragraphs of a section together into chunks; one that is longer than a chunk is cut at its sentences."""
    chunk: Span | None = None
    for found in PARAGRAPH.finditer(text, section.start, section.end):
        paragraph = trim(text, Span(found.start(), found.end()))
        if paragraph.start == paragraph.end:
            continue
        if chunk and paragraph.end - chunk.start <= CHUNK_CHARACTERS:
            chunk = Span(chunk.start, paragraph.end)
            continue
        if chunk:
            yield chunk
        chunk = None
        if paragraph.end - paragraph.start <= CHUNK_CHARACTERS:
            chunk = paragraph
        else:
            yield from cut_paragraph(text, paragraph)
    if chunk:
        yield chunk


def cut_paragraph(text: str, paragraph: Span) -> Iterator[Span]:
    """Cut at sentences, into chunks of about the same length."""
    start, end = paragraph
    while start < end:
        until = find_window(text, start, end)
        for piece in cut_pieces(text[start:until], characters_max=CHUNK_CHARACTERS):
            yield Span(start + piece.start, start + piece.end)
        start = until


def find_window(text: str, start: int, end: int) -> int:
    """Where a window that begins at ``start`` ends: behind a line or a word, where there is one in its last part."""
    limit = start + WINDOW_CHARACTERS
    if limit >= end:
        return end
    earliest = limit - CHUNK_CHARACTERS
    return max(text.rfind("\n", earliest, limit), text.rfind(" ", earliest, limit)) + 1 or limit
