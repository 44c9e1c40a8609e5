"""Finds what parts the columns of a table in text."""

from __future__ import annotations

import csv
from collections import Counter

DELIMITERS = ("\t", ";", ",", "|")
ROWS_LOOKED_AT = 50
# Without a name that says so, a text is a table only when its rows leave no doubt.
ROWS_MIN, SHARE_MIN = 4, 0.95
PROSE_SHARE_MIN = 0.3


def find_delimiter(text: str, *, is_expected: bool) -> str | None:
    """The delimiter by which the rows of a text have the same number of columns; None when it is no table."""
    lines = text.split("\n")[: ROWS_LOOKED_AT + 1]
    # The last line may be cut.
    sample = "\n".join(lines[:-1] if len(lines) > 1 else lines)
    best: tuple[float, int, str] | None = None
    for delimiter in DELIMITERS:
        if delimiter in sample:
            share, columns = _measure(sample, delimiter)
            if columns > 1 and (best is None or (share, columns) > best[:2]):
                best = (share, columns, delimiter)
    if best is None:
        return None
    is_certain = best[0] >= SHARE_MIN and len(lines) > ROWS_MIN and not _is_prose(sample, best)
    return best[2] if is_expected or is_certain else None


def _is_prose(sample: str, found: tuple[float, int, str]) -> bool:
    """Sentences have commas too, and a space behind them."""
    _, columns, delimiter = found
    return delimiter == "," and (columns < 3 or sample.count(", ") > PROSE_SHARE_MIN * sample.count(","))


def _measure(sample: str, delimiter: str) -> tuple[float, int]:
    """How many rows have the usual number of columns, and that number."""
    try:
        counts = Counter(len(row) for row in csv.reader(sample.splitlines(), delimiter=delimiter) if row)
    except csv.Error:
        return 0.0, 0
    columns, rows = counts.most_common(1)[0] if counts else (0, 0)
    return rows / max(sum(counts.values()), 1), columns
