"""Rows of tables as text that can be found: "column: value", row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from multiturn.ingest.elements import Element, Heading, Paragraph, compose
from multiturn.model.segment import Note, Progress, Segment

# A table is read up to so many cells that say something: what stands beyond is for a database.
CELLS_MAX = 2_000_000
HEADER_LOOKED_AT = 10
PROGRESS_EVERY = 2000
COLUMNS_MAX = 1000


class Rows(NamedTuple):
    """The rows of a table or a sheet, as text, and how far (up to 1) they are read."""

    title: str
    rows: Iterable[Sequence[str]]
    measure: Callable[[], float]


def compose_rows(tables: Iterable[Rows]) -> Iterator[Segment | Progress | Note]:
    """Turn tables to segments, each with its table's title as heading."""
    for reading in compose(_list_elements(tables)):
        if isinstance(reading, Segment | Progress | Note):
            yield reading


def _list_elements(tables: Iterable[Rows]) -> Iterator[Element | Progress | Note]:
    left = CELLS_MAX
    for table in tables:
        yield Heading(1, table.title)
        for count, (row, cells) in enumerate(list_lines(table.rows)):
            left -= cells
            if left < 0:
                yield Note(text=f"The table is read up to {CELLS_MAX:,} cells; it has more.")
                return
            yield Paragraph(row, is_row=True)
            if count % PROGRESS_EVERY == 0:
                yield Progress(share=table.measure(), doing="reading rows")


def list_lines(rows: Iterable[Sequence[str]]) -> Iterator[tuple[str, int]]:
    """Each row as a line, and how many of its cells say something."""
    clean = ([" ".join(cell.split()) for cell in row[:COLUMNS_MAX]] for row in rows)
    filled = (row for row in clean if any(row))
    first = list(islice(filled, HEADER_LOOKED_AT))
    above, header, below = _find_header(first)
    for row in above:
        yield " | ".join(cell for cell in row if cell), len(row)
    for row in chain(below, filled):
        values = [(header[place] if place < len(header) else "", cell) for place, cell in enumerate(row) if cell]
        yield "; ".join(f"{name}: {cell}" if name else cell for name, cell in values), len(values)


def _find_header(first: list[list[str]]) -> tuple[list[list[str]], list[str], list[list[str]]]:
    """What stands above the names of the columns, these names, and the first rows below them.

    They are the first row that is filled as far as the fullest is (but for one) and holds no number.
    """
    width = max((_count(row) for row in first), default=0)
    for place, row in enumerate(first):
        if width > 1 and _count(row) >= max(width - 1, 2):
            is_header = not any(_is_number(cell) for cell in row) and len(first) > place + 1
            return (first[:place], row, first[place + 1 :]) if is_header else (first[:place], [], first[place:])
    return [], [], first


def _count(row: Sequence[str]) -> int:
    return sum(map(bool, row))


def _is_number(cell: str) -> bool:
    return cell.strip("+-%$€£ ").replace(",", "").replace(".", "").isdigit()
