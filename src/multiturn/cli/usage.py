"""`multiturn usage`: tokens and money, by day, user, model and session."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

import typer

from multiturn.cli.client import path_of
from multiturn.cli.place import Place, place_of
from multiturn.cli.reach import reach
from multiturn.cli.tables import JsonOption, print_json, print_table

BAR_CHARS = 24
# An eighth of a character is the smallest piece of a bar.
EIGHTHS = " ▏▎▍▌▋▊▉"
ROWS_MAX = 10_000
HEADS = ("turns", "in", "cached", "out", "thought", "$")


class Group(StrEnum):
    """What rows may be told apart by."""

    user = "user"
    model = "model"
    session = "session"


class Per(StrEnum):
    """What a row is of."""

    day = "day"
    month = "month"
    all = "all"


FromOption = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="The first day; left out, a month back.")
]
ToOption = Annotated[
    str | None, typer.Option("--to", metavar="DATE", help="The last day; left out, today. Days are UTC's.")
]
PerOption = Annotated[Per, typer.Option("--per", help="A row for each day, each month, or one for all.")]
ByOption = Annotated[
    list[Group] | None, typer.Option("--by", help="Tell these apart, too; may be given several times.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of the server."""

    period: str
    by: Sequence[str] = ()
    limits: Mapping[str, str | None] = field(default_factory=dict)

    def parameters(self) -> dict[str, Any]:
        """It as parameters of a URL."""
        given = {name: value for name, value in self.limits.items() if value is not None}
        return {**given, "period": self.period, "group_by": ",".join(self.by), "limit": ROWS_MAX}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("usage")(show_usage)


def show_usage(
    context: typer.Context,
    since: FromOption = None,
    until: ToOption = None,
    per: PerOption = Per.day,
    by: ByOption = None,
    json: JsonOption = False,
) -> None:
    """Show what was used: turns, tokens and US dollars, with a bar for each row.

    Exit codes: 0 done; 1 the server refused.
    """
    period = "none" if per is Per.all else per.value
    question = Question(period=period, by=[one.value for one in by or ()], limits={"from": since, "to": until})
    asyncio.run(print_usage(place_of(context), question, as_json=json))


async def print_usage(place: Place, question: Question, *, as_json: bool) -> None:
    """Print what was used."""
    async with reach(place) as client:
        found = await client.get(path_of("usage"), **question.parameters())
    if as_json:
        print_json(found)
        return
    rows, columns = found["data"], choose_columns(question)
    if not rows:
        print(f"Nothing was used from {found['from']} to {found['to']}.")
        return
    measure = "cost_usd" if found["total"]["cost_usd"] else "input_tokens"
    most = max(row[measure] for row in rows)
    counts = align([HEADS, *map(count, rows), count(found["total"])])
    cells = [
        (*(name_of(row, column) for column in columns), *counted, draw(row[measure], most))
        for row, counted in zip(rows, counts[1:-1], strict=True)
    ]
    if columns:
        cells.append(("all", *[""] * (len(columns) - 1), *counts[-1], ""))
    print_table((*columns, *counts[0], "cost" if measure == "cost_usd" else "tokens in"), cells, empty="")
    print_notes(found)


def print_notes(found: Mapping[str, Any]) -> None:
    """Say what the table does not."""
    if unpriced := found["total"]["unpriced_turns"]:
        print(f"{unpriced} of {found['total']['turns']} turns have no known price: MULTITURN_PRICES can give them one.")
    if found["has_more"]:
        print(f"Only the first {ROWS_MAX} rows are shown.", file=sys.stderr)


def choose_columns(question: Question) -> list[str]:
    """What each row is of."""
    return [*([] if question.period == "none" else [question.period]), *question.by]


def name_of(row: Mapping[str, Any], column: str) -> str:
    """What a row is of, in one column."""
    if column == "user":
        return str(row["user"] or "(default)")
    return str(row["session_id" if column == "session" else "model" if column == "model" else "period"])


def count(used: Mapping[str, Any]) -> tuple[str, ...]:
    """Turns, tokens and money, as people read them."""
    names = ("turns", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    return (*(f"{used[name]:,}" for name in names), show_dollars(used))


def align(rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Columns of numbers, flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [tuple(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows]


def show_dollars(used: Mapping[str, Any]) -> str:
    """Dollars; a question mark where no turn has a known price."""
    dollars = used["cost_usd"]
    if not dollars and used["unpriced_turns"]:
        return "?"
    return "<0.0001" if 0 < dollars < 0.0001 else f"{dollars:,.4f}"


def draw(value: float, most: float) -> str:
    """A bar as long as the value is of the most."""
    eighths = round(value / most * BAR_CHARS * 8) if most else 0
    bar = "█" * (eighths // 8) + EIGHTHS[eighths % 8]
    return bar.rstrip() or ("▏" if value else "")
