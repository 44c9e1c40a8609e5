"""What commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 200
# All but tab and line feed.
CONTROLS = dict.fromkeys([*(code for code in range(32) if code not in (9, 10)), *range(127, 160)])
SIZES = ("B", "kB", "MB", "GB", "TB")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, as the API gives it.")]


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under their columns, or that there are none; rich's markup in a text is shown, not obeyed."""
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(without_controls(show(value))) for value in row))
    if table.row_count:
        console.print(table)
    else:
        print(empty)


def without_controls(text: str) -> str:
    """A text that somebody else wrote, without the characters by which it could command this terminal."""
    return text.translate(CONTROLS)


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def show(value: object) -> str:
    """A value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(show(part) for part in value) or "-"
    return str(value)


def show_time(text: str | None) -> str:
    """A time of the API in this machine's zone, to the second."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S") if text else "-"


def show_size(size_bytes: float) -> str:
    """A number of bytes, in units of a thousand."""
    power = min(len(SIZES) - 1, int(math.log10(max(1, size_bytes))) // 3)
    return f"{size_bytes / 1000**power:.{1 if power > 2 else 0}f} {SIZES[power]}"
