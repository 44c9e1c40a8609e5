"""Reads spreadsheets: a sheet is a section, a row a line of "column: value"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zipfile import is_zipfile

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, SheetTypeEnum

from multiturn.ingest.archive import Archive
from multiturn.ingest.options import Options
from multiturn.ingest.readers import EXCEL
from multiturn.ingest.refusal import Refusal
from multiturn.ingest.rows import Rows, compose_rows
from multiturn.model.asset import Probe
from multiturn.model.segment import Progress, Reading

Cell = int | float | str | bool | time | date | datetime | timedelta
BROKEN = "The spreadsheet is cut off or damaged"
# What is unpacked of a sheet, empty cells too: some 32 bytes a cell.
EXTENT_CELLS_MAX = 32_000_000
SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
CELL = re.compile(rb"\sr=[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")
PIECE_BYTES, CELL_BYTES_MAX = 1 << 20, 15


def probe(path: Path, filename: str) -> Probe:
    """See that it opens, and list its sheets. Raises Refusal."""
    return Probe(kind="document", mime=EXCEL, technical={"sheets": _list_sheets(_open(path))[:100]})


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read the rows of all sheets. Raises Refusal."""
    yield Progress(share=0.0, doing="reading rows")
    if is_zipfile(path):
        with Archive.open(path) as archive:
            check_extents(archive)
    yield from compose_rows(_list_tables(_open(path)))


def check_extents(archive: Archive) -> None:
    """Refuse a workbook of which a sheet reaches too far: it is unpacked from its first to its last cell, and one
    stray cell at the end of the sheet would take hundreds of gigabytes. Raises Refusal.
    """
    for name in sorted(archive.names):
        if SHEET.fullmatch(name):
            rows, columns = _measure(archive, name)
            if rows * columns > EXTENT_CELLS_MAX:
                raise Refusal(
                    f"A sheet of the spreadsheet is too large: its cells reach over {rows:,} rows and {columns:,} "
                    f"columns; {EXTENT_CELLS_MAX:,} cells are the most. Delete what stands far from the rest."
                )


def _measure(archive: Archive, name: str) -> tuple[int, int]:
    """How many rows and columns lie between the first cell of a sheet and its last."""
    rows: set[bytes] = set()
    columns: set[bytes] = set()
    with archive.stream(name) as part:
        rest = b""
        while piece := part.read(PIECE_BYTES):
            seen = rest + piece
            found = CELL.findall(seen)
            columns.update(column for column, _ in found)
            rows.update(row for _, row in found)
            rest = seen[-CELL_BYTES_MAX:]
    numbers, places = [int(row) for row in rows], [_number_column(column) for column in columns]
    return (max(numbers) - min(numbers) + 1, max(places) - min(places) + 1) if rows else (0, 0)


def _number_column(letters: bytes) -> int:
    """The number of a column: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


def _open(path: Path) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_path(str(path))
    except PasswordError as error:
        raise Refusal("The spreadsheet has a password: save it without one.") from error
    except CalamineError as error:
        raise Refusal(f"{BROKEN}: {str(error)[:200]}.") from error


def _list_sheets(book: CalamineWorkbook) -> list[str]:
    return [sheet.name for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]


def _list_tables(book: CalamineWorkbook) -> Iterator[Rows]:
    names = _list_sheets(book)
    for number, name in enumerate(names):
        try:
            sheet = book.get_sheet_by_name(name)
        except CalamineError as error:
            raise Refusal(f"{BROKEN}: its sheet {name[:100]} cannot be read ({str(error)[:200]}).") from error
        yield _read_sheet(sheet, (number, len(names)))


def _read_sheet(sheet: CalamineSheet, place: tuple[int, int]) -> Rows:
    """The rows of a sheet, which is one of many: (its place, how many there are)."""
    number, sheets = place
    done = 0

    def list_rows() -> Iterator[list[str]]:
        nonlocal done
        for row in sheet.iter_rows():
            done += 1
            yield [write_cell(cell) for cell in row]

    return Rows(sheet.name, list_rows(), lambda: (number + done / max(sheet.height, 1)) / sheets)


def write_cell(cell: Cell) -> str:
    """A cell as a person reads it."""
    match cell:
        case bool():
            return "yes" if cell else "no"
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case float():
            return f"{cell:.12g}"
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case datetime():
            return cell.isoformat(" ", "seconds")
        case _:
            return str(cell)
