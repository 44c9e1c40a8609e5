"""PostgreSQL alone: several servers on one database, and a database that goes away for a moment."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import psycopg
import pytest

from multiturn.errors import InvalidRequest, SettingsError, Unavailable
from multiturn.model.notice import Topic
from multiturn.store.postgres import PostgresDatabase
from multiturn.store.queries import load_migrations
from tests.contract.ports.stores import Stores
from tests.contract.ports.test_database import is_stored, user

pytestmark = pytest.mark.postgres


async def test_two_servers_migrate_at_once(postgres_database: str) -> None:
    servers = [PostgresDatabase(postgres_database, connections_max=2) for _ in range(3)]
    applied = await asyncio.gather(*(server.migrate() for server in servers))
    versions = [version for version, _ in load_migrations("postgres")]
    assert sorted(applied) == [[], [], versions]
    await asyncio.gather(*(server.close() for server in servers))


async def test_turns_of_two_servers_are_one_line(postgres: PostgresDatabase, second_postgres: PostgresDatabase) -> None:
    first = Stores(postgres)
    servers = [first, first.beside(second_postgres)]
    for server in servers:
        await server.live()
    running: set[UUID] = set()

    async def take_turn(server: Stores, text: str) -> int:
        begun = await server.turns.begin(server.tenant_id, server.order(text=text))
        while begun.lease is None:
            await asyncio.sleep(0.005)
            begun = await server.turns.find_turn(server.tenant_id, begun.run.id) or begun
        running.add(begun.run.id)
        assert len(running) == 1
        await asyncio.sleep(0)
        running.remove(begun.run.id)
        await server.end(begun)
        return begun.run.ticket

    tickets = await asyncio.gather(*(take_turn(servers[n % 2], str(n)) for n in range(40)))
    session = await first.session()
    items = await first.history(session)
    assert sorted(tickets) == list(range(1, 41))
    assert [item.seq for item in items] == list(range(1, 81))
    assert (session.head, session.run_id) == (80, None)
    asked = [item.run_id for item in items][::2]
    runs = await first.runs.list_runs(first.tenant_id, session.id, before=None, limit=100)
    assert asked == [run.id for run in reversed(runs.data)]


async def test_notice_reaches_the_other_server(postgres: PostgresDatabase, second_postgres: PostgresDatabase) -> None:
    first = Stores(postgres)
    second = first.beside(second_postgres)
    heard: asyncio.Queue[tuple[Topic, UUID]] = asyncio.Queue()
    second_postgres.listen(lambda topic, subject: heard.put_nowait((topic, subject)))
    running, waiting = await first.begin(), await second.begin()
    await first.runs.request_cancel(first.tenant_id, running.run.id)
    await until_heard(first, heard)
    await first.end(running)
    while (notice := await asyncio.wait_for(heard.get(), 10)) != ("started", waiting.run.id):
        assert notice == ("cancel", running.run.id)


async def until_heard(stores: Stores, heard: asyncio.Queue[tuple[Topic, UUID]]) -> None:
    """Wait until the other server listens: until then notices are lost."""
    probe = (await stores.begin("probe")).run.id
    async with asyncio.timeout(10):
        while heard.empty():
            await stores.runs.request_cancel(stores.tenant_id, probe)
            await asyncio.sleep(0.01)
    while not heard.empty():
        heard.get_nowait()
    async with asyncio.timeout(10):
        await stores.runs.request_cancel(stores.tenant_id, probe)
        while await heard.get() != ("cancel", probe):
            continue


async def test_unknown_notice_is_let_pass(postgres: PostgresDatabase) -> None:
    stores, heard = Stores(postgres), asyncio.Queue[tuple[Topic, UUID]]()
    postgres.listen(lambda topic, subject: heard.put_nowait((topic, subject)))
    await until_heard(stores, heard)
    async with postgres.pool.connection() as connection:
        await connection.execute("SELECT pg_notify('multiturn', 'what a newer server says')")
    await until_heard(stores, heard)


async def drop_connections(postgres: PostgresDatabase) -> None:
    """What a restart of the server does to those who are connected."""
    async with await psycopg.AsyncConnection.connect(postgres.url, autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def add_user_while_connections_drop(postgres: PostgresDatabase, row: dict[str, Any]) -> None:
    async with postgres.transaction() as tx:
        await tx.execute("make_user", row)
        await drop_connections(postgres)
        await tx.execute("make_user", user("ben"))


async def test_lost_connection_undoes_and_comes_back(postgres: PostgresDatabase) -> None:
    row, stores = user("ann"), Stores(postgres)
    begun = await stores.begin()
    with pytest.raises(Unavailable):
        await add_user_while_connections_drop(postgres, row)
    assert not await is_stored(postgres, row)
    await asyncio.gather(*(stores.take(str(n)) for n in range(8)))
    await stores.end(begun)
    assert (await stores.session()).head == 2


async def test_notices_come_again_after_a_break(postgres: PostgresDatabase) -> None:
    stores, heard = Stores(postgres), asyncio.Queue[tuple[Topic, UUID]]()
    postgres.listen(lambda topic, subject: heard.put_nowait((topic, subject)))
    await until_heard(stores, heard)
    await drop_connections(postgres)
    with pytest.raises(Unavailable):
        await stores.live()
    await until_heard(stores, heard)


async def test_nul_in_a_plain_field_is_refused(postgres: PostgresDatabase) -> None:
    stores = Stores(postgres)
    with pytest.raises(InvalidRequest):
        await stores.begin("a\x00b")
    with pytest.raises(InvalidRequest):
        await stores.begin(model="a\x00b")
    assert (await stores.begin()).run.ticket == 1


async def test_database_that_is_not_there_is_refused(postgres_url: str) -> None:
    for url in (postgres_url.replace("/postgres?", "/nobody?"), "postgresql://127.0.0.1:1/none"):
        with pytest.raises(SettingsError) as refused:
            await PostgresDatabase(url, connections_max=1).migrate()
        assert refused.value.code == "database_unusable"


async def test_tables_that_cannot_be_made_are_refused(postgres_database: str) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_database) as connection:
        await connection.execute("CREATE TABLE runs (mine text)")
    database = PostgresDatabase(postgres_database, connections_max=1)
    with pytest.raises(SettingsError, match="already exists") as refused:
        await database.migrate()
    assert refused.value.code == "database_unusable"
    await database.close()
