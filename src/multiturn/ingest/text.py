"""Reads plain text, and what is read as such: JSON, source code, logs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from multiturn.ingest.decoding import Piece, read_pieces
from multiturn.ingest.elements import Paragraph, compose, find_break
from multiturn.ingest.options import Options
from multiturn.model.segment import Progress, Reading

# A text without a blank line is cut in between.
PARAGRAPH_CHARACTERS_MAX = 1 << 16


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read the paragraphs of a text."""
    yield from compose(list_paragraphs(read_pieces(path)))


def list_paragraphs(pieces: Iterable[Piece]) -> Iterator[Paragraph | Progress]:
    """Cut a text at its blank lines, however long it is."""
    held = ""
    for piece in pieces:
        *whole, held = (held + piece.text).split("\n\n")
        yield from (Paragraph(text.strip("\n").rstrip()) for text in whole)
        while len(held) > PARAGRAPH_CHARACTERS_MAX:
            end = find_break(held, 0, PARAGRAPH_CHARACTERS_MAX)
            yield Paragraph(held[:end])
            held = held[end:]
        yield Progress(share=piece.share, doing="reading")
    yield Paragraph(held)
