"""Pieces: a text cut at the bounds of its paragraphs and sentences into parts that are small enough to be recalled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# A turn of talk is one piece; of a long answer only the part that matters is recalled.
PIECE_CHARACTERS = 400
PARAGRAPH = re.compile(r"[^\n]+")
SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*(?=\s)|[。！？]")


class Span(NamedTuple):
    """The characters ``start`` to ``end`` of a text, without the last."""

    start: int
    end: int


def cut_pieces(text: str, *, characters_max: int = PIECE_CHARACTERS) -> list[Span]:
    """Cut a text into pieces in its order: only white space stands outside of them. A blank text has none."""
    if not text.strip():
        return []
    if len(text) <= characters_max:
        return [Span(0, len(text))]
    # Pieces of about the same length: a last one of three words would be found by nothing, or by chance.
    fair = len(text) / -(-len(text) // characters_max)
    pieces: list[Span] = []
    for part in find_parts(text, characters_max):
        last = pieces[-1] if pieces else Span(part.start, part.start)
        # Half of a sentence more is as far from a fair length as half of it less.
        is_short = last.end - last.start + (part.end - part.start) / 2 < fair
        if is_short and part.end - last.start <= characters_max:
            pieces[-1:] = [Span(last.start, part.end)]
        else:
            pieces.append(part)
    return pieces


def find_parts(text: str, characters_max: int) -> Iterator[Span]:
    """The sentences of a text; one that is longer than a piece comes in several parts."""
    for paragraph in PARAGRAPH.finditer(text):
        start = paragraph.start()
        ends = [match.end() for match in SENTENCE_END.finditer(text, start, paragraph.end())]
        for end in (*ends, paragraph.end()):
            span = trim(text, Span(start, end))
            start = end
            if span.end > span.start:
                yield from cut_long(text, span, characters_max)


def cut_long(text: str, span: Span, characters_max: int) -> Iterator[Span]:
    """Cut at the last space before the limit; where there is none, at the limit."""
    start, end = span
    while end - start > characters_max:
        space = text.rfind(" ", start + characters_max // 2, start + characters_max + 1)
        cut = space if space > 0 else start + characters_max
        yield trim(text, Span(start, cut))
        start = trim(text, Span(cut, end)).start
    yield Span(start, end)


def trim(text: str, span: Span) -> Span:
    """The span without the white space at its ends."""
    part = text[span.start : span.end]
    start = span.start + len(part) - len(part.lstrip())
    return Span(start, max(start, span.start + len(part.rstrip())))
