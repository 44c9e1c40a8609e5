"""The promises of Database: transactions that are whole or absent, migrations that are applied once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from multiturn.errors import SettingsError
from multiturn.model.ids import new_id
from multiturn.store.database import Database
from multiturn.store.postgres import PostgresDatabase
from multiturn.store.rows import as_ms, as_time
from multiturn.store.sqlite import SqliteDatabase
from tests.contract.ports.stores import Stores


def user(name: str) -> dict[str, Any]:
    """A row to store: any will do."""
    return {"tenant_id": new_id(), "id": new_id(), "external_id": name, "now": 0}


async def add_user(database: Database, row: dict[str, Any], error: BaseException | None = None) -> None:
    """Store a row and tell of it, or fail behind it."""
    async with database.transaction() as tx:
        await tx.execute("make_user", row)
        await tx.notify("revoked", row["id"])
        if error:
            raise error


async def is_stored(database: Database, row: dict[str, Any]) -> bool:
    async with database.reading() as tx:
        return await tx.fetch_one("find_user", row_name(row)) is not None


def row_name(row: dict[str, Any]) -> dict[str, Any]:
    return {"tenant_id": row["tenant_id"], "external_id": row["external_id"]}


async def test_block_that_was_left_is_stored(database: Database) -> None:
    row = user("ann")
    async with database.transaction() as tx:
        assert await tx.execute("make_user", row) == 1
        assert await tx.execute("make_user", row) == 0
        assert await tx.fetch_one("find_user", row_name(row))
        assert not await is_stored(database, row)
    assert await is_stored(database, row)


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, KeyboardInterrupt])
async def test_error_in_a_block_undoes_it(database: Database, error: type[BaseException]) -> None:
    row, next_row = user("ann"), user("ben")
    with pytest.raises(error):
        await add_user(database, row, error())
    await add_user(database, next_row)
    assert not await is_stored(database, row)
    assert await is_stored(database, next_row)


async def test_many_rows_are_stored_together(database: Database) -> None:
    rows = [user(str(n)) for n in range(5)]
    async with database.transaction() as tx:
        await tx.execute_many("make_user", rows)
        await tx.execute_many("make_user", [])
    assert [await is_stored(database, row) for row in rows] == [True] * 5


async def test_undone_block_tells_nothing(stores: Stores) -> None:
    heard: list[UUID] = []
    stores.database.listen(lambda topic, subject: heard.append(subject))
    undone, done = user("ann"), user("ben")
    async with asyncio.timeout(10):
        while not heard:
            with pytest.raises(ValueError, match="no"):
                await add_user(stores.database, undone, ValueError("no"))
            await add_user(stores.database, done)
            await asyncio.sleep(0.01)
    assert set(heard) == {done["id"]}


async def test_migrating_again_does_nothing(stores: Stores) -> None:
    await stores.take()
    assert await stores.database.migrate() == []
    assert (await stores.session()).head == 2


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def future(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database that a later version has made."""
    database: Database
    if request.param == "sqlite":
        database = SqliteDatabase(tmp_path / "future.db")
        database.writer.execute("PRAGMA user_version = 9999")
    else:
        database = PostgresDatabase(request.getfixturevalue("postgres_database"), connections_max=1)
        await database.migrate()
        async with database.pool.connection() as connection:
            await connection.execute("INSERT INTO schema_version (version) VALUES (9999)")
    yield database
    await database.close()


async def test_database_from_the_future_is_refused(future: Database) -> None:
    with pytest.raises(SettingsError, match=r"version 9999.*MULTITURN_DATABASE_URL") as refused:
        await future.migrate()
    assert refused.value.code == "database_too_new"


NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "read"),
    [
        (NOON, NOON),
        (NOON + timedelta(microseconds=999_999), NOON + timedelta(milliseconds=999)),
        (NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), NOON),
        (
            datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
        ),
        (datetime(9999, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_are_kept_to_the_millisecond(time: datetime, read: datetime) -> None:
    assert as_time(as_ms(time)) == read


def test_time_without_a_zone_is_a_bug() -> None:
    with pytest.raises(TypeError):
        as_ms(datetime(2026, 11, 21))
