"""The databases that every store must keep its promises on: a SQLite file, and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from multiturn.store.database import Database
from multiturn.store.postgres import PostgresDatabase
from multiturn.store.sqlite import SqliteDatabase
from tests.contract.ports.stores import Stores


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database with its tables, of each kind."""
    found: Database = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "multiturn.db")
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture(scope="session")
def shared_postgres(postgres_url: str) -> str:
    """The URL of a database for all these tests: making one for each takes longer than the tests do."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE stores")
    return urlsplit(postgres_url)._replace(path="/stores").geturl()


@pytest.fixture
async def postgres(shared_postgres: str) -> AsyncIterator[PostgresDatabase]:
    database = PostgresDatabase(shared_postgres, connections_max=8)
    await database.migrate()
    yield database
    async with database.pool.connection() as connection:
        tables = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = await tables.fetchall()
        for name in [row[0] for row in rows if row[0] != "schema_version"]:
            await connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
    await database.close()


@pytest.fixture
async def second_postgres(postgres: PostgresDatabase) -> AsyncIterator[PostgresDatabase]:
    """The same database as ``postgres``, as another server has it."""
    database = PostgresDatabase(postgres.url, connections_max=8)
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture
async def stores(database: Database) -> Stores:
    """A server that lives."""
    stores = Stores(database)
    await stores.live()
    return stores
