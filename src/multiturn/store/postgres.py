"""PostgreSQL: a pool of connections, for any number of servers on one database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, get_args
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from multiturn.errors import InvalidRequest, SettingsError, Unavailable
from multiturn.model.notice import Topic
from multiturn.store.database import Listener, Parameters, Row, pending_migrations
from multiturn.store.queries import load_migrations, load_queries

log = logging.getLogger(__name__)

CHANNEL = "multiturn"
CONNECT_TIMEOUT_S = 10
RECONNECT_S = 1.0
CLOSE_S = 0.5
# Any number, the same for every server: only one of them migrates at a time.
MIGRATION_LOCK = 0x6D756C7469

TOPICS: Mapping[str, Topic] = {topic: topic for topic in get_args(Topic)}

Connection = psycopg.AsyncConnection[Row]


class PostgresTransaction:
    """Runs named queries on one connection."""

    def __init__(self, connection: Connection, queries: Mapping[str, bytes]) -> None:
        self.connection = connection
        self.queries = queries

    async def execute(self, name: str, parameters: Parameters) -> int:
        return (await self._run(name, parameters)).rowcount

    async def execute_many(self, name: str, rows: Sequence[Parameters]) -> None:
        async with self.connection.cursor() as cursor:
            await cursor.executemany(self.queries[name], rows)

    async def fetch_one(self, name: str, parameters: Parameters) -> Row | None:
        return await (await self._run(name, parameters)).fetchone()

    async def fetch_all(self, name: str, parameters: Parameters) -> Sequence[Row]:
        return await (await self._run(name, parameters)).fetchall()

    async def notify(self, topic: Topic, subject: UUID) -> None:
        await self.connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{topic}:{subject.hex}"))

    async def _run(self, name: str, parameters: Parameters) -> psycopg.AsyncCursor[Row]:
        return await self.connection.execute(self.queries[name], parameters)


class PostgresDatabase:
    """The tables in a PostgreSQL database, shared by any number of servers."""

    def __init__(self, url: str, *, connections_max: int) -> None:
        self.url = url
        self.queries = {name: query.encode() for name, query in load_queries("postgres").items()}
        self.pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            url, open=False, min_size=1, max_size=connections_max, timeout=CONNECT_TIMEOUT_S, name="multiturn"
        )
        self.listeners: list[Listener] = []
        self.listening: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[PostgresTransaction]:
        try:
            async with self.pool.connection() as connection:
                yield PostgresTransaction(connection, self.queries)
        except psycopg.DataError as error:
            raise InvalidRequest(f"The database cannot hold this: {error}.", code="not_storable") from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            # Where one connection broke the others have most likely broken too: they are made anew.
            await self.pool.check()
            raise Unavailable(f"The database did not answer: {error}.", code="storage_failed") from error

    reading = transaction

    def listen(self, listener: Listener) -> None:
        self.listeners.append(listener)

    async def migrate(self) -> list[int]:
        await self._open()
        try:
            applied = await self._migrate()
        except psycopg.Error as error:
            text = f"The tables cannot be brought to this version: {first_line(error)}."
            raise SettingsError(text, code="database_unusable") from error
        self.listening = self.listening or asyncio.create_task(self._listen())
        return applied

    async def _migrate(self) -> list[int]:
        """Apply what is missing, in one transaction; of two servers one waits for the other and finds nothing to do."""
        async with self.pool.connection() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            await connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)")
            rows = await (await connection.execute("SELECT max(version) FROM schema_version")).fetchone()
            pending = pending_migrations((rows and rows[0]) or 0, load_migrations("postgres"))
            for version, script in pending:
                # A script holds no parameters: its %% is a doubled sign that the driver would have halved.
                await connection.execute(script.replace("%%", "%").encode())
                await connection.execute("INSERT INTO schema_version (version) VALUES (%s)", (version,))
        return [version for version, _ in pending]

    async def _open(self) -> None:
        """Open the pool, and say at once what is wrong with the URL or the server behind it."""
        if not self.pool.closed:
            return
        try:
            connection = await psycopg.AsyncConnection.connect(self.url, connect_timeout=CONNECT_TIMEOUT_S)
            await connection.close()
            await self.pool.open(wait=True, timeout=CONNECT_TIMEOUT_S)
        except psycopg.Error as error:
            text = f"PostgreSQL cannot be reached: {first_line(error)}."
            raise SettingsError(text, code="database_unusable") from error

    async def _listen(self) -> None:
        """Hear the other servers.

        While the connection is down nothing is heard; who waits for a notice also looks by itself.
        """
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    # When this one broke, others did too: a turn that is handed one of them would fail.
                    await self.pool.check()
                    async for notice in connection.notifies():
                        self._tell(notice.payload)
            except psycopg.Error as error:
                log.warning("lost the connection that listens to the other servers: %s", error)
                await asyncio.sleep(RECONNECT_S)

    def _tell(self, payload: str) -> None:
        """Tell who listens; a topic that only a newer server knows is none of ours."""
        word, _, subject = payload.partition(":")
        if topic := TOPICS.get(word):
            for listener in self.listeners:
                listener(topic, UUID(subject))

    async def vacuum(self) -> None:
        """Nothing.

        PostgreSQL's own VACUUM frees what was erased (docs/operations.md says what it and backups still hold).
        """

    async def close(self) -> None:
        while self.listening and not self.listening.done():
            # Again, should it be lost: Python 3.11 forgets a cancellation that comes together with an answer.
            self.listening.cancel()
            await asyncio.wait([self.listening], timeout=CLOSE_S)
        await self.pool.close()


def first_line(error: psycopg.Error) -> str:
    """What PostgreSQL says, without the lines of detail."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
