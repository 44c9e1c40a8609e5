"""The seam between the stores and a database: transactions over named queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from uuid import UUID

from multiturn.errors import SettingsError
from multiturn.model.notice import Topic

Row = Sequence[Any]
Parameters = Mapping[str, Any]
Listener = Callable[[Topic, UUID], None]


class Transaction(Protocol):
    """Runs named queries; all of them take effect, or none."""

    async def execute(self, name: str, parameters: Parameters) -> int:
        """Run a query; the number of rows that it changed."""
        ...

    async def execute_many(self, name: str, rows: Sequence[Parameters]) -> None:
        """Run a query once per row of parameters."""
        ...

    async def fetch_one(self, name: str, parameters: Parameters) -> Row | None:
        """Run a query and take its first row."""
        ...

    async def fetch_all(self, name: str, parameters: Parameters) -> Sequence[Row]:
        """Run a query and take its rows."""
        ...

    async def notify(self, topic: Topic, subject: UUID) -> None:
        """Tell every server, once the transaction is stored."""
        ...


class Database(Protocol):
    """A database that holds the tables."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Write. What was done is durable when the block has been left; an error inside undoes it.

        Raises Unavailable when the database cannot store it.
        """
        ...

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        """Read what is stored, beside the writer."""
        ...

    def listen(self, listener: Listener) -> None:
        """Hear what any server tells with ``notify``."""
        ...

    async def migrate(self) -> list[int]:
        """Bring the tables to this version of the code; the versions that were applied.

        Raises SettingsError when the database is newer than the code.
        """
        ...

    async def vacuum(self) -> None:
        """Leave no erased bytes behind in files of our own."""
        ...

    async def close(self) -> None:
        """Finish what was begun and close."""
        ...


def pending_migrations(current: int, migrations: Sequence[tuple[int, str]]) -> Sequence[tuple[int, str]]:
    """The migrations that a database at version ``current`` still needs.

    Raises SettingsError when the database is newer than the code: an older server would damage what it does not know.
    """
    newest = migrations[-1][0]
    if current > newest:
        raise SettingsError(
            f"The database is at version {current} and this server knows versions up to {newest}. "
            "Start the newer server that made it, or point MULTITURN_DATABASE_URL at another database.",
            code="database_too_new",
        )
    return [(version, script) for version, script in migrations if version > current]
