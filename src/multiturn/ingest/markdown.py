"""Reads Markdown: its headings, and what stands below them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from multiturn.ingest.decoding import Piece, decode, read_pieces, read_sample
from multiturn.ingest.elements import Element, Heading, Paragraph, compose
from multiturn.ingest.options import Options
from multiturn.model.asset import Probe
from multiturn.model.segment import Progress, Reading

# CommonMark 4.2, 4.3, 4.5.
MARKED = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
FRONT_TITLE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)
LINE_CHARACTERS_MAX = 1 << 16


def probe(path: Path, filename: str) -> Probe:
    """Find the title: of the front matter, or the first heading of level 1."""
    lines = decode(read_sample(path)).split("\n")
    front = _measure_front_matter(lines)
    title = FRONT_TITLE.search("\n".join(lines[:front]))
    found = title[1] if title else _find_first_heading(lines[front:])
    return Probe(kind="document", mime="text/markdown", technical={"title": found} if found else {})


def _find_first_heading(lines: Iterable[str]) -> str | None:
    elements = list_elements(lines)
    return next((element.text for element in elements if isinstance(element, Heading) and element.level == 1), None)


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read the sections of a text in Markdown."""
    yield from compose(_list_with_progress(read_pieces(path)))


def _list_with_progress(pieces: Iterable[Piece]) -> Iterator[Element | Progress]:
    shares: list[float] = []

    def note(pieces: Iterable[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            shares.append(piece.share)
            yield piece

    for element in list_elements(_leave_out_front_matter(list_lines(note(pieces)))):
        yield element
        while shares:
            yield Progress(share=shares.pop(0), doing="reading")


def list_lines(pieces: Iterable[Piece]) -> Iterator[str]:
    """The lines of a text; those without end are cut."""
    held = ""
    for piece in pieces:
        *whole, held = (held + piece.text).split("\n")
        yield from whole
        while len(held) > LINE_CHARACTERS_MAX:
            yield held[:LINE_CHARACTERS_MAX]
            held = held[LINE_CHARACTERS_MAX:]
    yield held


def _leave_out_front_matter(lines: Iterator[str]) -> Iterator[str]:
    first = [line for line, _ in zip(lines, range(200), strict=False)]
    yield from first[_measure_front_matter(first) :]
    yield from lines


def _measure_front_matter(lines: list[str]) -> int:
    """How many lines the front matter takes, which stands between --- and --- at the beginning."""
    if not lines or lines[0].rstrip() != "---" or "---" not in (rest := [line.rstrip() for line in lines[1:200]]):
        return 0
    return rest.index("---") + 2


def list_elements(lines: Iterable[str]) -> Iterator[Element]:
    """The headings and paragraphs of lines in Markdown. What is fenced in is a paragraph of its own."""
    paragraph: list[str] = []
    fence = ""
    for line in lines:
        if fence:
            paragraph.append(line)
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                yield from _end(paragraph)
                fence, paragraph = "", []
            continue
        if opened := FENCE.match(line):
            yield from _end(paragraph)
            fence, paragraph = opened[1], []
        heading = _find_heading(line, paragraph)
        if heading or not line.strip():
            yield from _end(paragraph)
            paragraph = []
        if heading:
            yield heading
        elif line.strip():
            paragraph.append(line)
        if sum(map(len, paragraph[-1:])) >= LINE_CHARACTERS_MAX or len(paragraph) > 1000:
            yield from _end(paragraph)
            paragraph = []
    yield from _end(paragraph)


def _find_heading(line: str, paragraph: list[str]) -> Heading | None:
    """A line that is a heading, or makes one of the line above it, which it takes away."""
    if marked := MARKED.match(line):
        return Heading(len(marked[1]), marked[2] or "")
    if len(paragraph) == 1 and (underline := UNDERLINE.match(line)) and not paragraph[0].lstrip().startswith("|"):
        return Heading(1 if underline[1][0] == "=" else 2, paragraph.pop())
    return None


def _end(paragraph: list[str]) -> Iterator[Paragraph]:
    if paragraph:
        yield Paragraph("\n".join(paragraph))
