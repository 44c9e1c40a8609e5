"""SQLite: one file, one writer with group commit, readers apart.

Statements run on the event loop: each touches a few rows by key and takes microseconds. What takes long, the commit
with its fsync, runs in a thread; transactions that arrive meanwhile wait for the writer and leave together in the
next commit (docs/decisions/sqlite-writer.md has the measurements).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

import apsw

from multiturn.errors import SettingsError, Unavailable
from multiturn.model.notice import Topic
from multiturn.store.database import Listener, Parameters, Row, pending_migrations
from multiturn.store.queries import load_migrations, load_queries

# secure_delete: erased text is overwritten, so that a byte search of the file finds nothing.
WRITER = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 1000
"""
READER = "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192"
BUSY_TIMEOUT_MS = 5000


class SqliteTransaction:
    """Runs named queries on one connection; its methods never wait, so nothing comes between the statements of a
    block.
    """

    def __init__(self, connection: apsw.Connection, queries: Mapping[str, str]) -> None:
        self.connection = connection
        self.queries = queries
        self.notices: list[tuple[Topic, UUID]] = []

    async def execute(self, name: str, parameters: Parameters) -> int:
        self.connection.execute(self.queries[name], parameters)
        return self.connection.changes()

    async def execute_many(self, name: str, rows: Sequence[Parameters]) -> None:
        self.connection.executemany(self.queries[name], rows)

    async def fetch_one(self, name: str, parameters: Parameters) -> Row | None:
        # All rows are taken: a statement left half-read would hold the savepoint open.
        rows = self.connection.execute(self.queries[name], parameters).fetchall()
        return rows[0] if rows else None

    async def fetch_all(self, name: str, parameters: Parameters) -> Sequence[Row]:
        return self.connection.execute(self.queries[name], parameters).fetchall()

    async def notify(self, topic: Topic, subject: UUID) -> None:
        self.notices.append((topic, subject))


class Batch:
    """The transactions that leave in one commit, each waiting to hear that it is durable."""

    def __init__(self) -> None:
        self.waiters: list[asyncio.Future[None]] = []
        self.notices: list[tuple[Topic, UUID]] = []

    def settle(self, error: Exception | None) -> None:
        for waiter in self.waiters:
            if waiter.done():
                continue
            if error:
                waiter.set_exception(error)
            else:
                waiter.set_result(None)


class SqliteDatabase:
    """The tables in one SQLite file, owned by this process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.queries = load_queries("sqlite")
        self.writer = connect(path, WRITER)
        self.reader = connect(path, READER)
        self.lock = asyncio.Lock()
        self.batch: Batch | None = None
        self.committing: asyncio.Task[None] | None = None
        self.listeners: list[Listener] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[SqliteTransaction]:
        async with self.lock:
            batch = self._join()
            transaction = SqliteTransaction(self.writer, self.queries)
            try:
                yield transaction
                self.writer.execute("RELEASE turn")
            except apsw.Error as error:
                self._undo(batch)
                raise refusal(error) from error
            except BaseException:
                self._undo(batch)
                raise
            batch.notices += transaction.notices
            durable = asyncio.get_running_loop().create_future()
            batch.waiters.append(durable)
        await durable

    def _join(self) -> Batch:
        """Join the batch that leaves next, or begin it; from here on what is done can be undone alone."""
        try:
            if self.batch is None:
                self.writer.execute("BEGIN IMMEDIATE")
                self.batch = Batch()
                self.committing = asyncio.get_running_loop().create_task(self._commit(self.batch))
            self.writer.execute("SAVEPOINT turn")
        except apsw.Error as error:
            raise refusal(error) from error
        return self.batch

    def _undo(self, batch: Batch) -> None:
        """Undo one transaction of the batch; where SQLite has undone all of them itself (disk full), all fail."""
        if self.writer.in_transaction:
            self.writer.execute("ROLLBACK TO turn; RELEASE turn")
            return
        self.batch = None
        batch.settle(refusal(apsw.FullError("the transaction was undone")))

    async def _commit(self, batch: Batch) -> None:
        """Commit a batch in a thread.

        The lock is fair: transactions that wait already go first and leave with this commit.
        """
        async with self.lock:
            if self.batch is not batch:
                return
            self.batch = None
            error = await asyncio.get_running_loop().run_in_executor(None, commit, self.writer)
        batch.settle(error)
        for topic, subject in batch.notices if error is None else ():
            self._tell(topic, subject)

    def _tell(self, topic: Topic, subject: UUID) -> None:
        for listener in self.listeners:
            listener(topic, subject)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[SqliteTransaction]:
        yield SqliteTransaction(self.reader, self.queries)

    def listen(self, listener: Listener) -> None:
        self.listeners.append(listener)

    async def migrate(self) -> list[int]:
        async with self.lock:
            (current,) = self.writer.execute("PRAGMA user_version").fetchall()[0]
            pending = pending_migrations(current, load_migrations("sqlite"))
            for version, script in pending:
                with self.writer:
                    self.writer.execute(f"{script}; PRAGMA user_version = {version}")
        return [version for version, _ in pending]

    async def vacuum(self) -> None:
        checkpoint = partial(self.writer.wal_checkpoint, mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        while self.batch and self.committing:
            await self.committing
        async with self.lock:
            await asyncio.get_running_loop().run_in_executor(None, checkpoint)

    async def close(self) -> None:
        if self.committing:
            await self.committing
        self.reader.close()
        self.writer.close()


def connect(path: Path, pragmas: str) -> apsw.Connection:
    """Open a connection; the file is made when there is none."""
    try:
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.execute(pragmas)
    except apsw.Error as error:
        raise SettingsError(f"The database file {path} cannot be opened: {error}.", code="database_unusable") from error
    connection.convert_binding = bind
    return connection


def bind(_cursor: apsw.Cursor, _number: int, value: object) -> bytes:
    """Bind a UUID as its 16 bytes."""
    if isinstance(value, UUID):
        return value.bytes
    raise TypeError(f"cannot store a {type(value).__name__}")


def commit(connection: apsw.Connection) -> Exception | None:
    """Commit; the error to tell when the disk did not take it, and then nothing of the batch is stored."""
    try:
        connection.execute("COMMIT")
    except apsw.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        return refusal(error)
    return None


def refusal(error: apsw.Error) -> Unavailable:
    """What a caller is told when SQLite refuses: the reason, and that nothing is half-stored."""
    return Unavailable(f"The database could not store it: {error}. Nothing was stored.", code="storage_failed")
