"""The databases that every store must keep its promises on: a SQLite file, and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

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


@pytest.fixture
async def postgres(postgres_database: str) -> AsyncIterator[PostgresDatabase]:
    database = PostgresDatabase(postgres_database, connections_max=8)
    await database.migrate()
    yield database
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
