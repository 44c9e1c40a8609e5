"""How far a model is: its file while it is fetched, then whether it has been loaded."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

LOOK_S = 0.2
MIB = 1 << 20
PULLED = re.compile(r"(\d+) of (\d+) MB(?: \((.*)\))?")


class ModelState(Struct, frozen=True, kw_only=True):
    """What an embedded model is doing, as ``/healthz`` tells it."""

    name: str
    state: str
    detail: str = ""

    @property
    def is_coming(self) -> bool:
        """Whether it is about to be ready."""
        return self.state in ("pulling", "loading")


class Meter:
    """Shows how many bytes of a file are there: a bar on a terminal, else a line every tenth."""

    def __init__(self, console: Console, name: str) -> None:
        self.console = console
        self.name = name
        self.tenths = -1
        self.bar: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def show(self, done_bytes: int, total_bytes: int, what: str) -> None:
        """Show how far it is, and what is happening."""
        if self.console.is_terminal:
            self._draw(done_bytes, total_bytes, what)
            return
        tenths = done_bytes * 10 // max(1, total_bytes)
        if tenths != self.tenths:
            self.tenths = tenths
            self.console.out(f"{self.name}: {tenths * 10} % of {total_bytes // MIB} MB {what}".rstrip())

    def _draw(self, done_bytes: int, total_bytes: int, what: str) -> None:
        if self.bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=self.console, transient=True)
            self.bar.add_task(self.name)
            self.bar.start()
        description = f"{self.name}, {what}" if what else self.name
        self.bar.update(self.bar.task_ids[0], completed=done_bytes, total=total_bytes, description=description)

    def close(self) -> None:
        """Take the bar away."""
        if self.bar:
            self.bar.stop()
            self.bar = None


async def follow_model(
    read_state: Callable[[], Awaitable[ModelState | None]], console: Console, *, is_patient: bool
) -> ModelState | None:
    """Show what a model is doing until it is ready; who is not patient also leaves when it failed.

    None where there is no such model, as with an upstream of one's own.
    """
    state = await read_state()
    told = "" if state is None or state.state == "ready" else "loading"
    with Meter(console, state.name if state else "") as meter:
        while state and state.state != "ready" and (is_patient or state.is_coming):
            if pulled := PULLED.search(state.detail if state.state == "pulling" else ""):
                meter.show(int(pulled[1]) * MIB, int(pulled[2]) * MIB, pulled[3] or "")
            else:
                meter.close()
            if not state.is_coming and told != state.state:
                console.out(f"The model {state.name} is not ready: {state.detail}")
            told = state.state
            await asyncio.sleep(LOOK_S)
            state = await read_state()
    if state and state.state == "ready" and told:
        console.out(f"The model {state.name} is ready.")
    return state
