"""Sentences of a text as people wrote it: in a paragraph they go on over the ends of lines, in a list they do not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from multiturn.engine.search.pieces import SENTENCE_END, Span, cut_long, trim

LINE = re.compile(r"[^\n]+")
# A line that goes on in the next is full and ends in a word; the next is no entry of a list, no heading, no
# "name: value".
FULL_CHARACTERS = 50
GOES_ON = re.compile(r"[\w,\-–)\]\"'’]\Z")
ENTRY = re.compile(r"\s*(?:[-*•–#|>]|\d+[.)]|[^\s:]{1,40}:\s)")


def find_sentences(text: str, *, characters_max: int) -> Iterator[Span]:
    """The sentences of a text; one that is longer than it may be comes in several parts."""
    for start, end in find_paragraphs(text):
        ends = [found.end() for found in SENTENCE_END.finditer(text, start, end)]
        for until in (*ends, end):
            span = trim(text, Span(start, until))
            start = until
            if span.end > span.start:
                yield from cut_long(text, span, characters_max)


def find_paragraphs(text: str) -> Iterator[Span]:
    """Lines that belong together."""
    start = end = 0
    for line in LINE.finditer(text):
        if end > start and not joins(text[start:end], text[end : line.start()], line.group()):
            yield Span(start, end)
            start = line.start()
        elif end == start:
            start = line.start()
        end = line.end()
    if end > start:
        yield Span(start, end)


def joins(before: str, between: str, line: str) -> bool:
    """Whether a line goes on with the sentence of the one before it."""
    last = before.rpartition("\n")[2].rstrip()
    if between.count("\n") > 1 or not line.strip() or ENTRY.match(line) or not GOES_ON.search(last):
        return False
    return line.lstrip()[0].islower() or len(last) >= FULL_CHARACTERS
