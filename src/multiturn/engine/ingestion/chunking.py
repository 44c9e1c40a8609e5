"""Chunks of what a reader found: cut within each part, and found by what stands over them too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from multiturn.engine.chunks import Outline
from multiturn.engine.search.pieces import Span
from multiturn.engine.search.segment import Entry
from multiturn.model.segment import Segment


class Placed(NamedTuple):
    """A part and its first character in the item's text."""

    starts: int
    part: Segment


def cut_part(title: str, placed: Placed, first: int) -> Iterator[Entry]:
    """The chunks of a part, numbered from ``first``, with their characters in the item's text."""
    outline = Outline(title, [placed.part.text])
    for number, (start, end) in enumerate(outline.list_chunks(), start=first):
        text = describe(outline, placed.part, Span(start, end))
        yield Entry(number, placed.starts + start, placed.starts + end, text)


def describe_chunk(title: str, placed: Placed, span: Span) -> str:
    """A chunk of a part as it is found, behind the title and the heading above it; ``span`` are characters of the
    item's text.
    """
    outline = Outline(title, [placed.part.text])
    return describe(outline, placed.part, Span(span.start - placed.starts, span.end - placed.starts))


def describe(outline: Outline, part: Segment, span: Span) -> str:
    """A chunk as it is found: a heading that its reader told stands for those in the text."""
    if part.place.heading:
        return f"{outline.title}\n{part.place.heading}\n{outline.text[span.start : span.end]}"
    return outline.describe(span)
