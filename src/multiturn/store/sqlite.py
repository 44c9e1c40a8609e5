"""SQLite: one file, one writer with group commit, readers apart.

Statements run on the event loop: each touches a few rows by key and takes microseconds. What takes long, the commit
with its fsync, runs in a thread; transactions that arrive meanwhile wait for the writer and leave together in the
next commit (docs/decisions/sqlite-writer.md has the measurements).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import apsw
import msgspec

from multiturn.errors import SettingsError, Unavailable
from multiturn.model.metadata import contains
from multiturn.model.notice import Topic
from multiturn.store.checkpoint import checkpoint
from multiturn.store.database import Listener, Parameters, Row, pending_migrations
from multiturn.store.queries import load_migrations, load_queries

log = logging.getLogger(__name__)

T = TypeVar("T")

# secure_delete: erased text is overwritten, so that a byte search of the file finds nothing. What it leaves out is done
# at each checkpoint (checkpoint.py), so SQLite makes none by itself.
WRITER = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 0
"""
READER = "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192"
BUSY_TIMEOUT_MS = 5000
LOG_PAGES = 1000
# What the disk, the memory or the file is to blame for; any other error is a bug.
FAILURES = (
    apsw.FullError,
    apsw.IOError,
    apsw.NoMemError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.BusyError,
    apsw.LockedError,
)


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

    def settle(self, error: BaseException | None) -> None:
        """Tell those that still wait: stored, or why not."""
        for waiter in self.waiters:
            if waiter.done():
                continue
            if error:
                waiter.set_exception(refusal(error))
            else:
                waiter.set_result(None)


class SqliteDatabase:
    """The tables in one SQLite file, owned by this process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.queries = load_queries("sqlite")
        self.writer = connect(path, WRITER)
        self.reader = connect(path, READER)
        self.writer.set_wal_hook(self._note_log)
        self.log_pages = 0
        self.log_pages_checked = 0
        self.lock = asyncio.Lock()
        self.batch: Batch | None = None
        self.committer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self.tasks: set[asyncio.Task[None]] = set()
        self.listeners: list[Listener] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[SqliteTransaction]:
        async with self.lock:
            batch = self._join()
            transaction = SqliteTransaction(self.writer, self.queries)
            try:
                yield transaction
                self.writer.execute("RELEASE turn")
            except FAILURES as error:
                self._undo(batch, error)
                raise refusal(error) from error
            except BaseException as error:
                self._undo(batch, error)
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
                self._begin_task(self._commit(self.batch))
            self.writer.execute("SAVEPOINT turn")
        except FAILURES as error:
            raise refusal(error) from error
        return self.batch

    def _undo(self, batch: Batch, error: BaseException) -> None:
        """Undo one transaction of the batch; where SQLite has undone all of them itself (disk full), or cannot undo
        this one alone, all of them fail.
        """
        with suppress(*FAILURES):
            if self.writer.in_transaction:
                self.writer.execute("ROLLBACK TO turn; RELEASE turn")
                return
        roll_back(self.writer)
        self.batch = None
        batch.settle(error)

    async def _commit(self, batch: Batch) -> None:
        """Commit a batch.

        The lock is fair: transactions that wait already go first and leave with this commit.
        """
        async with self.lock:
            if self.batch is not batch:
                return
            await self._store()
            if self.log_pages - self.log_pages_checked >= LOG_PAGES:
                try:
                    await self._checkpoint(empties_log=False)
                except Unavailable as error:
                    log.warning("the log grows on: %s", error)

    async def _store(self) -> None:
        """Make what was done durable; the lock is held."""
        batch, self.batch = self.batch, None
        if batch is None:
            return
        error = await self._in_thread(partial(commit, self.writer))
        batch.settle(error)
        for topic, subject in batch.notices if error is None else ():
            self._tell(topic, subject)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Do with the writer what waits for the disk; the lock is held."""
        return await asyncio.get_running_loop().run_in_executor(self.committer, work)

    def _begin_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin what uses the writer in a thread: it holds the lock to its end, though who asked for it goes away."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def _tell(self, topic: Topic, subject: UUID) -> None:
        for listener in self.listeners:
            listener(topic, subject)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[SqliteTransaction]:
        try:
            yield SqliteTransaction(self.reader, self.queries)
        except FAILURES as error:
            raise refusal(error) from error

    def listen(self, listener: Listener) -> None:
        self.listeners.append(listener)

    async def migrate(self) -> list[int]:
        async with self.lock:
            pending = pending_migrations(int(str(self.writer.pragma("user_version"))), load_migrations("sqlite"))
            try:
                for version, script in pending:
                    with self.writer:
                        self.writer.execute(f"{script}; PRAGMA user_version = {version}")
                self.writer.execute(self.queries["forget_servers"])
            except apsw.Error as error:
                text = f"The tables in {self.path} cannot be brought to this version: {error}."
                raise SettingsError(text, code="database_unusable") from error
        return [version for version, _ in pending]

    async def vacuum(self) -> None:
        await asyncio.shield(self._begin_task(self._empty_log()))

    async def _empty_log(self) -> None:
        """Bring the log into the file and cut it to nothing, between two batches."""
        async with self.lock:
            await self._store()
            await self._checkpoint(empties_log=True)

    async def _checkpoint(self, *, empties_log: bool) -> None:
        self.log_pages_checked = self.log_pages
        try:
            await self._in_thread(partial(checkpoint, self.writer, self.path, empties_log=empties_log))
        except FAILURES as error:
            raise refusal(error) from error

    def _note_log(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        """Hear from SQLite how long the log has become; behind a checkpoint it begins anew."""
        self.log_pages, self.log_pages_checked = pages, min(pages, self.log_pages_checked)
        return apsw.SQLITE_OK

    async def close(self) -> None:
        await asyncio.gather(*self.tasks, return_exceptions=True)
        with suppress(Unavailable):
            await self.vacuum()
        self.committer.shutdown()
        self.reader.close()
        self.writer.close()


def connect(path: Path, pragmas: str) -> apsw.Connection:
    """Open a connection; the file is made when there is none."""
    try:
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        # A PRAGMA answers with a row, and what stands behind it runs when that row has been taken.
        connection.execute(pragmas).fetchall()
    except apsw.Error as error:
        raise SettingsError(f"The database file {path} cannot be opened: {error}.", code="database_unusable") from error
    connection.convert_binding = bind
    connection.create_scalar_function("metadata_contains", metadata_contains, 2, deterministic=True)
    return connection


def metadata_contains(*values: apsw.SQLiteValue) -> bool:
    """What PostgreSQL's ``@>`` says of two JSON objects: the metadata, and what is wanted."""
    metadata, wanted = (msgspec.json.decode(str(value)) for value in values)
    return contains(metadata, wanted)


def bind(_cursor: apsw.Cursor, _number: int, value: object) -> bytes:
    """Bind a UUID as its 16 bytes."""
    if isinstance(value, UUID):
        return value.bytes
    raise TypeError(f"cannot store a {type(value).__name__}")


def commit(connection: apsw.Connection) -> apsw.Error | None:
    """Commit; the error when the disk did not take it, and then nothing of the batch is stored."""
    try:
        connection.execute("COMMIT")
    except apsw.Error as error:
        roll_back(connection)
        return error
    return None


def roll_back(connection: apsw.Connection) -> None:
    """Undo everything since the last commit, unless SQLite has done so itself."""
    with suppress(*FAILURES):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def refusal(error: BaseException) -> Unavailable:
    """What a caller is told when SQLite fails: the reason, and that nothing is half-stored."""
    refused = Unavailable(f"The database cannot be used: {error}. Nothing was stored.", code="storage_failed")
    refused.__cause__ = error
    return refused
