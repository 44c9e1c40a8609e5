"""Which program made a file: whether it is one of another program's databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from multiturn.cli.imports_agents import AgentsReader
from multiturn.cli.imports_langgraph import LangGraphReader
from multiturn.cli.imports_threads import Thread
from multiturn.errors import MultiturnError

SQLITE = b"SQLite format 3\0"
READERS: dict[str, type[AgentsReader] | type[LangGraphReader]] = {
    "langgraph": LangGraphReader,
    "openai_agents": AgentsReader,
}


class ThreadReader(Protocol):
    """Reads the conversations that a program kept."""

    def list_threads(self) -> Sequence[str]:
        """The names of the conversations."""
        ...

    def read_thread(self, name: str) -> Thread:
        """One conversation."""
        ...


def find_reader(path: Path, format_: str | None) -> ThreadReader | None:
    """What reads this file, as the format says or by its tables; None for one that the server reads.

    Raises MultiturnError for a database of an unknown program.
    """
    try:
        with path.open("rb") as file:
            is_database = file.read(len(SQLITE)) == SQLITE
    except OSError as error:
        raise MultiturnError(f"It cannot be read: {error.strerror}.") from error
    if not is_database:
        if format_:
            raise MultiturnError("It is not a SQLite file.")
        return None
    try:
        # Where no log lies beside it, the file is all there is, and reading it leaves nothing beside it either.
        how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
        database = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)
        tables = {str(row[0]) for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        raise MultiturnError(f"It cannot be read: {error}.") from error
    for name, reader in READERS.items():
        if reader.tables <= tables and format_ in (None, name):
            return reader(database)
    wanted = format_ or " or ".join(READERS)
    raise MultiturnError(f"It is a SQLite file without the tables of {wanted}.")
