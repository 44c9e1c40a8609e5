"""How far files are on their way into a store: a bar for each that is at work, and a line for each that is done."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from multiturn.cli.tables import without_controls

NAME_CHARS_MAX = 40


class Board:
    """Shows bars on a terminal, where ``has_bars``; a pipe gets the lines alone."""

    def __init__(self, *, has_bars: bool = True) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self.bars: Progress | None = None
        self.rows: dict[str, TaskID] = {}
        if has_bars and self.console.is_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f} %"),
                TextColumn("{task.fields[doing]}", markup=False),
                TimeElapsedColumn(),
            )
            self.bars = Progress(*columns, console=self.console, transient=True)

    def __enter__(self) -> Self:
        if self.bars:
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bars:
            self.bars.stop()

    def show(self, name: str, share: float, doing: str) -> None:
        """Show how far a file is with what is done to it."""
        if self.bars is None:
            return
        doing = without_controls(doing)
        if name not in self.rows:
            self.rows[name] = self.bars.add_task(shorten(without_controls(name)), total=1.0, doing=doing)
        self.bars.update(self.rows[name], completed=share, doing=doing)

    def end(self, name: str, text: str, *, failed: bool = False) -> None:
        """Take the bar of a file away, and say what became of it."""
        if self.bars and name in self.rows:
            self.bars.remove_task(self.rows.pop(name))
        line = without_controls(f"{name}: {text}")
        if self.bars:
            self.console.print(Text(line, style="red" if failed else ""))
        else:
            print(line, file=sys.stderr if failed else sys.stdout, flush=True)

    def say(self, text: str) -> None:
        """Say something about the whole."""
        self.console.print(Text(without_controls(text)))


def shorten(name: str) -> str:
    """The end of a long name, which is what tells files apart."""
    return name if len(name) <= NAME_CHARS_MAX else f"…{name[1 - NAME_CHARS_MAX :]}"
