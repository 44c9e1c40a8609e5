"""SQLite alone: commits that are shared, disks that fill, files in which nothing is left of what was erased."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import apsw
import pytest

from multiturn.errors import SettingsError, Unavailable
from multiturn.model.event import EventBatch
from multiturn.model.item import Range
from multiturn.model.step import Step, ToolCall
from multiturn.model.turn import Begun, IdempotencyKey, Waiting
from multiturn.store.approvals import SqlApprovalStore
from multiturn.store.sqlite import LOG_PAGES, SqliteDatabase
from tests.contract.ports.stores import Stores, said
from tests.contract.ports.test_database import add_user, is_stored, user
from tests.house.tree import ROOT

CALLERS = 16
# A query may look at every row of these: none grows with the data.
# "own" and "gone" are a few sessions of one user within a query.
SMALL = {"servers", "erasures", "own", "gone"}


def count_commits(database: SqliteDatabase) -> list[int]:
    commits: list[int] = []

    def note() -> bool:
        commits.append(1)
        return False

    database.writer.set_commit_hook(note)
    return commits


async def test_writes_are_durable_and_erased_for_good(sqlite: SqliteDatabase) -> None:
    asked = ("journal_mode", "synchronous", "secure_delete", "temp_store")
    assert [sqlite.writer.pragma(name) for name in asked] == ["wal", 2, 1, 2]
    assert sqlite.reader.pragma("query_only") == 1


async def test_transactions_share_commits(sqlite: SqliteDatabase) -> None:
    commits, rows = count_commits(sqlite), [user(str(n)) for n in range(CALLERS)]
    await asyncio.gather(*(add_user(sqlite, row) for row in rows))
    assert len(commits) <= 2
    assert all([await is_stored(sqlite, row) for row in rows])


async def test_callers_in_turn_share_commits(sqlite: SqliteDatabase) -> None:
    commits, stores = count_commits(sqlite), Stores(sqlite)

    async def take_turns(name: str) -> None:
        for _ in range(10):
            order = stores.order(name)
            await stores.end(await stores.turns.begin(stores.tenant_id, order))

    await asyncio.gather(*(take_turns(str(n)) for n in range(CALLERS)))
    assert len(commits) < 2 * 10 * CALLERS / 4


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()])
async def test_error_undoes_its_own_transaction(sqlite: SqliteDatabase, error: BaseException) -> None:
    commits, rows = count_commits(sqlite), [user(str(n)) for n in range(CALLERS)]
    work = [add_user(sqlite, row, error if n % 3 == 0 else None) for n, row in enumerate(rows)]
    results = await asyncio.gather(*work, return_exceptions=True)
    assert len(commits) <= 2
    assert [result is None for result in results] == [n % 3 != 0 for n in range(CALLERS)]
    assert [await is_stored(sqlite, row) for row in rows] == [n % 3 != 0 for n in range(CALLERS)]


async def test_cancelled_waiter_leaves_the_others(sqlite: SqliteDatabase) -> None:
    rows = [user(str(n)) for n in range(CALLERS)]
    tasks = [asyncio.create_task(add_user(sqlite, row)) for row in rows]
    for n in (0, 3, 6):
        await asyncio.sleep(0)
        tasks[n].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [task.cancelled() for task in tasks] == [n in (0, 3, 6) for n in range(CALLERS)]
    assert [await is_stored(sqlite, row) for n, row in enumerate(rows) if n not in (0, 3, 6)] == [True] * 13
    await add_user(sqlite, rows[0])
    assert await is_stored(sqlite, rows[0])


async def test_notices_come_when_it_is_stored(sqlite: SqliteDatabase) -> None:
    row, heard = user("ann"), asyncio.get_running_loop().create_future()
    sqlite.listen(lambda topic, subject: heard.set_result((topic, subject, find(sqlite, row))))
    async with sqlite.transaction() as tx:
        await tx.execute("make_user", row)
        await tx.notify("started", row["id"])
        await asyncio.sleep(0)
        assert not heard.done()
    assert await heard == ("started", row["id"], [(row["id"].bytes,)])


def find(database: SqliteDatabase, row: dict[str, Any]) -> list[Any]:
    return database.reader.execute("SELECT id FROM users WHERE id = ?", (row["id"],)).fetchall()


async def test_full_disk_stores_nothing_by_halves(sqlite: SqliteDatabase) -> None:
    stores = Stores(sqlite)
    begun = await asyncio.gather(*(stores.begin(str(n)) for n in range(CALLERS)))
    pages = sqlite.writer.pragma("page_count")
    sqlite.writer.pragma("max_page_count", int(str(pages)) + 20)
    big = said("x" * 20_000, "assistant")
    results = await asyncio.gather(*(stores.end(one, big, big) for one in begun), return_exceptions=True)
    assert any(results)
    for one, result in zip(begun, results, strict=True):
        session, run = await stores.session(one.session.external_id or ""), await stores.run(one)
        heads = (session.head, len(await stores.history(session)), run.status)
        assert heads == ((0, 0, "in_progress") if result else (3, 3, "completed"))
        assert result is None or isinstance(result, Unavailable)
    sqlite.writer.pragma("max_page_count", 2**30)
    await asyncio.gather(*(stores.end(one, big, big) for one, result in zip(begun, results, strict=True) if result))
    assert {(await stores.session(str(n))).head for n in range(CALLERS)} == {3}


async def test_disk_that_fails_at_the_commit_fails_all(sqlite: SqliteDatabase) -> None:
    rows = [user(str(n)) for n in range(CALLERS)]
    sqlite.writer.set_commit_hook(lambda: True)
    results = await asyncio.gather(*(add_user(sqlite, row) for row in rows), return_exceptions=True)
    assert {type(result) for result in results} == {Unavailable}
    assert len({id(result) for result in results}) == CALLERS
    sqlite.writer.set_commit_hook(None)
    assert not any([await is_stored(sqlite, row) for row in rows])
    await add_user(sqlite, rows[0])
    assert await is_stored(sqlite, rows[0])


async def test_broken_rule_is_a_bug(sqlite: SqliteDatabase) -> None:
    row = user("ann")
    await add_user(sqlite, row)
    with pytest.raises(apsw.ConstraintError):
        await add_user(sqlite, {**row, "external_id": "ben"})
    await add_user(sqlite, user("eve"))


async def test_log_is_emptied_beside_turns(sqlite: SqliteDatabase) -> None:
    stores = Stores(sqlite)

    async def empty_log() -> None:
        for _ in range(20):
            await sqlite.vacuum()
            await asyncio.sleep(0)

    async def take_turns(name: str) -> None:
        for _ in range(20):
            await stores.take(name)

    await asyncio.gather(empty_log(), empty_log(), *(take_turns(str(n)) for n in range(4)))
    assert {(await stores.session(str(n))).head for n in range(4)} == {40}
    await sqlite.vacuum()
    assert Path(f"{sqlite.path}-wal").stat().st_size == 0


async def test_log_stays_short(sqlite: SqliteDatabase) -> None:
    for n in range(40):
        await add_user(sqlite, user(f"{n}" + "x" * 400_000))
    assert Path(f"{sqlite.path}-wal").stat().st_size < 2 * LOG_PAGES * 4096


async def test_open_reader_holds_up_no_turn(sqlite: SqliteDatabase) -> None:
    rows = [user(f"{n}" + "x" * 400_000) for n in range(20)]
    with sqlite.reader:
        sqlite.reader.execute("SELECT count(*) FROM users").fetchall()
        async with asyncio.timeout(4):
            for row in rows:
                await add_user(sqlite, row)
    await sqlite.vacuum()
    assert all([await is_stored(sqlite, row) for row in rows])


async def test_cancelled_emptying_harms_nothing(sqlite: SqliteDatabase) -> None:
    for n in range(10):
        await add_user(sqlite, user("x" * 2_000_000))
        emptying = asyncio.create_task(sqlite.vacuum())
        for _ in range(n):
            await asyncio.sleep(0)
        emptying.cancel()
        await add_user(sqlite, user("ann"))


def list_files(database: SqliteDatabase) -> list[Path]:
    """The database's file, its log and the log's index."""
    return [path for end in ("", "-wal", "-shm") if (path := Path(f"{database.path}{end}")).exists()]


def search(database: SqliteDatabase, words: list[bytes]) -> list[tuple[str, bytes]]:
    """Where some words stand in the database's files."""
    held = [(path.name, path.read_bytes()) for path in list_files(database)]
    return [(name, word) for name, content in held for word in words if word in content]


async def say(stores: Stores, name: str, chance: Random) -> UUID:
    """A turn of a session whose name is everywhere in it, in texts of all lengths."""
    key = IdempotencyKey("chat", f"{name}-{chance.random()}")
    begun = await stores.begin(f"id-{name}", text=f"{name} " * chance.randint(1, 30), idempotency=key)
    answer = said(f"{name} " * chance.choice([1, 5, 50, 300]), "assistant")
    events = EventBatch(first=1, body=f'["{name}"]' * chance.randint(1, 50))
    steps = [Step(number=1, started_at=stores.clock(), text=f"{name} " * chance.choice([1, 30, 2000]))]
    if chance.random() < 0.3:
        begun = await wait_for_word(stores, begun, name, steps)
    await stores.end(begun, answer, instructions=f'["{name}"]', events=(events,), steps=steps)
    return begun.session.id


async def wait_for_word(stores: Stores, begun: Begun, name: str, steps: list[Step]) -> Begun:
    """The turn as it goes on behind a person's word."""
    now, approvals = stores.clock(), SqlApprovalStore(stores.database)
    waiting = Waiting(
        asked_at=now,
        expires_at=now + timedelta(hours=1),
        calls=(ToolCall(call_id="one", name=name),),
        state=name.encode() * 200,
        steps=steps,
        events=(EventBatch(first=1, body=f"~{name}"),),
    )
    assert begun.lease
    await approvals.wait(stores.tenant_id, begun.lease, waiting)
    taken = await approvals.give_up(stores.tenant_id, begun.run.id, server_id=stores.server_id)
    assert taken
    assert taken.begun
    return taken.begun


async def test_nothing_is_left_of_what_waits_in_a_session_that_is_erased(sqlite: SqliteDatabase) -> None:
    stores = Stores(sqlite)
    for name, is_cleared in (("zanzibar", False), ("quagga", True)):
        begun = await stores.begin(name, text=name * 9)
        now = stores.clock()
        waiting = Waiting(
            asked_at=now,
            expires_at=now,
            calls=(ToolCall(call_id="one", name=name * 9),),
            state=name.encode() * 2000,
            steps=[Step(number=1, started_at=now, text=name * 9)],
            events=(EventBatch(first=1, body=f"~{name}"),),
        )
        assert begun.lease
        await SqlApprovalStore(sqlite).wait(stores.tenant_id, begun.lease, waiting)
        if is_cleared:
            await stores.sessions.clear(stores.tenant_id, begun.session.id, now)
        else:
            await stores.sessions.delete(stores.tenant_id, begun.session.id)
        assert await SqlApprovalStore(sqlite).find(stores.tenant_id, begun.run.id) is None
    await stores.erase()
    await sqlite.vacuum()
    # The name of the session that was cleared is its own still.
    assert search(sqlite, [b"zanzibar", b"quaggaquagga"]) == []
    for table in ("run_waits", "run_steps", "run_events", "runs"):
        assert sqlite.reader.execute(f"SELECT count(*) FROM {table}").fetchall() == [(0,)]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nothing_is_left_of_erased_sessions(sqlite: SqliteDatabase, seed: int) -> None:
    """SQLite balances its trees on the way, and leaves copies of texts between their cells."""
    stores, chance, ids = Stores(sqlite), Random(seed), dict[str, UUID]()
    names = [f"zanzibar{n:02}zz" * chance.choice([1, 1, 4, 30]) for n in range(30)]
    for _ in range(400):
        name = chance.choice(names)
        ids[name] = await say(stores, name, chance)
        if chance.random() < 0.1:
            await stores.sessions.delete(stores.tenant_id, ids.pop(name))
            await stores.erase(limit=chance.choice([3, 20]))
    kept = chance.sample(sorted(ids), 8)
    gone = [name.encode()[:12] for name in names if name not in kept]
    for name in ids.keys() - kept:
        await stores.sessions.delete(stores.tenant_id, ids[name])
    await stores.erase()
    await sqlite.vacuum()
    assert sqlite.reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert search(sqlite, gone) == []
    assert len({word for _, word in search(sqlite, [name.encode()[:12] for name in kept])}) == 8


async def test_restart_finds_every_other_server_dead(sqlite: SqliteDatabase) -> None:
    before = Stores(sqlite)
    begun = await before.begin()
    await sqlite.migrate()
    after = before.beside()
    await after.live()
    assert await after.servers.list_orphans(after.server_id, limit=10) == [(begun.run, begun.lease)]


async def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("Dear diary, " * 500)
    for path in (tmp_path / "text", tmp_path, tmp_path / "no" / "where"):
        with pytest.raises(SettingsError) as refused:
            SqliteDatabase(path)
        assert refused.value.code == "database_unusable"


async def test_somebody_elses_tables_are_refused_whole(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "other.db")
    database.writer.execute("CREATE TABLE runs (mine TEXT)")
    with pytest.raises(SettingsError) as refused:
        await database.migrate()
    assert refused.value.code == "database_unusable"
    tables = database.reader.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    assert tables == [("runs",)]
    await database.close()


@pytest.mark.parametrize("round_", range(4))
async def test_killed_writer_loses_nothing_acknowledged(tmp_path: Path, round_: int) -> None:
    path = tmp_path / "killed.db"
    command = (sys.executable, "-m", "tests.contract.ports.writing", str(path))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    assert process.stdout
    first = await process.stdout.readline()
    await asyncio.sleep(0.02 + 0.07 * round_)
    process.send_signal(signal.SIGKILL)
    told = (first + await process.stdout.read()).decode().split("\n")[:-1]
    await process.wait()
    database = SqliteDatabase(path)
    await database.migrate()
    assert database.reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    stores = Stores(database)
    for tenant, session, head in map(str.split, told):
        items = await stores.items.load(UUID(tenant), UUID(session), [Range(1, 10_000)])
        assert [item.seq for item in items] == list(range(1, len(items) + 1))
        assert len(items) >= int(head)
    await database.close()


async def test_a_query_reads_by_key(sqlite: SqliteDatabase) -> None:
    """A query that walked a table would hold up every turn, as statements run on the event loop."""
    walks = {name: lines for name, sql in sqlite.queries.items() if (lines := list_walks(sqlite, sql))}
    by_update = {f"list_{kind}_by_update{order}" for kind in ("agents", "users") for order in ("", "_oldest_first")}
    # What is asked for in another order than that of its making.
    sorted_ = {
        f"sort_{what}{order}"
        for what in ("named_stores", "store_items", "collections")
        for order in ("", "_oldest_first")
    }
    assert {name: lines for name, lines in walks.items() if name not in by_update | sorted_} == {
        # A batch of rows that was chosen by key.
        "expire_events": ["SCAN old"],
        "expire_idempotency_keys": ["SCAN old"],
        # The tenants that have jobs, what is claimed, and up to ten thousand jobs.
        "find_waiting_job": ["SCAN waiting", "SCAN waiting", "USE TEMP B-TREE FOR ORDER BY"],
        "expire_claims": ["SCAN jobs USING INDEX jobs_claimed"],
        "count_jobs": ["SCAN assets", "SCAN items"],
        # The few stores that have one asset.
        "find_read_item": ["USE TEMP B-TREE FOR ORDER BY"],
        # What is looked up by a list of ids.
        **{
            name: ["SCAN json_each VIRTUAL TABLE INDEX 1:"]
            for name in ("load_items_at", "load_runs", "load_retrieved", "list_steps", "count_session_runs")
        },
        # What one user has, and what was used in some days.
        "list_runs_of_owner": ["USE TEMP B-TREE FOR ORDER BY"],
        "list_usage": ["USE TEMP B-TREE FOR GROUP BY", "SCAN used", "USE TEMP B-TREE FOR ORDER BY"],
        "list_session_usage": ["USE TEMP B-TREE FOR GROUP BY", "USE TEMP B-TREE FOR ORDER BY"],
        "list_orphaned_runs": ["SCAN runs USING INDEX runs_unfinished"],
        "list_sessions_of_user": ["USE TEMP B-TREE FOR ORDER BY"],
    }
    for name in ("next_in_queue", "list_user_sessions", "list_due_sessions", "list_own_runs", "list_cancelled_runs"):
        index = re.findall(r"USING INDEX (\w+)", str(explain(sqlite, sqlite.queries[name])))[0]
        assert index in {"runs_waiting", "sessions_by_user", "sessions_by_sweep", "runs_unfinished"}, name


def list_walks(database: SqliteDatabase, sql: str) -> list[str]:
    """The steps of a query that look at a whole table or index, or sort."""
    steps = explain(database, sql)
    return [step for step in steps if re.match(r"SCAN (?!CONSTANT)|USE TEMP", step) and step.split()[1] not in SMALL]


def explain(database: SqliteDatabase, sql: str) -> list[str]:
    parameters = dict.fromkeys(re.findall(r":([a-z]\w*)", sql))
    return [str(row[3]) for row in database.reader.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
