"""Reads tables in text (CSV): each row as lines of "column: value"."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from multiturn.ingest.decoding import SAMPLE_BYTES, Piece, decode, read_pieces, read_sample
from multiturn.ingest.delimiters import find_delimiter
from multiturn.ingest.markdown import list_lines
from multiturn.ingest.options import Options
from multiturn.ingest.refusal import Refusal
from multiturn.ingest.rows import Rows, compose_rows
from multiturn.model.segment import Progress, Reading

CELL_CHARACTERS_MAX = 1 << 20


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read the rows of a table. Raises Refusal for a cell without end."""
    csv.field_size_limit(CELL_CHARACTERS_MAX)
    delimiter = find_delimiter(decode(read_sample(path)[:SAMPLE_BYTES]), is_expected=True) or ","
    shares = [0.0]
    lines = (line + "\n" for line in list_lines(_note(read_pieces(path), shares)))
    try:
        rows = Rows("", csv.reader(lines, delimiter=delimiter), lambda: shares[0])
        yield Progress(share=0.0, doing="reading rows")
        yield from compose_rows([rows])
    except csv.Error as error:
        raise Refusal(f"The table cannot be read: {error}.") from error


def _note(pieces: Iterable[Piece], shares: list[float]) -> Iterator[Piece]:
    for piece in pieces:
        shares[0] = piece.share
        yield piece
