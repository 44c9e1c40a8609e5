"""The promises of clearing a session and of erasing a user: what is taken away leaves nothing, what stays is whole."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from multiturn.model.ids import new_id
from multiturn.model.item import Range
from multiturn.model.session import RetiredSession, SessionChange
from multiturn.model.turn import IdempotencyKey
from multiturn.store.sqlite import SqliteDatabase
from tests.contract.ports.filling import ROWS, clear, delete, erase_owner, fill, fork, left, read, run_sql, search_files
from tests.contract.ports.stores import Stores, texts

DOCUMENTS = {"documents": 2, "chunks": 2}


async def test_clear_empties_the_history(stores: Stores) -> None:
    session = await fill(stores, "chat", turns=2)
    cleared = await clear(stores, session)
    found = await stores.session()
    assert found == cleared
    assert (found.head, found.path, found.cut, found.cleared, found.branches) == (4, (), 5, 4, ())
    assert await left(stores, session.id) == DOCUMENTS


async def test_seq_goes_on_behind_a_clear(stores: Stores) -> None:
    session = await clear(stores, await fill(stores, "chat", turns=2))
    begun = await stores.begin()
    await stores.end(begun, path=(Range(5, 6),))
    session = await stores.session()
    assert (session.head, session.path, session.branches) == (6, (Range(5, 6),), (Range(5, 6),))
    assert begun.run.ticket == 3
    runs = await stores.runs.list_runs(stores.tenant_id, session.id, before=None, limit=9)
    assert [run.ticket for run in runs.data] == [3]


async def test_clear_keeps_what_is_set(stores: Stores) -> None:
    session = await fill(stores, "chat", turns=1)
    change = SessionChange(settings={"situation": "here"}, metadata={"a": 1}, instructions="[]", idle_expiry_s=60)
    await stores.sessions.update(stores.tenant_id, session.id, change, stores.clock())
    cleared = await clear(stores, session)
    assert (cleared.settings.situation, cleared.metadata, cleared.instructions) == ("here", {"a": 1}, "[]")
    assert cleared.idle_expiry_s == 60


async def test_empty_session_is_cleared_as_well(stores: Stores) -> None:
    begun = await stores.begin()
    await stores.fail(begun)
    cleared = await clear(stores, begun.session)
    assert (cleared.head, cleared.path, cleared.cut) == (0, (), 1)
    await stores.take()
    assert (await stores.session()).path == (Range(1, 2),)
    assert await stores.runs.find(stores.tenant_id, begun.run.id) is None


async def test_session_is_cleared_again_and_again(stores: Stores) -> None:
    session = await fill(stores, "chat", turns=1)
    for _ in range(3):
        cleared = await stores.sessions.clear(stores.tenant_id, session.id, stores.clock())
        assert cleared
        begun = await stores.begin(text=str(new_id()))
        await stores.end(begun, path=(Range(cleared.head + 1, cleared.head + 2),))
    await stores.erase()
    session = await stores.session()
    assert await left(stores, session.id) == {"items": 2, "runs": 1, "documents": 1, "chunks": 1}
    assert [item.seq for item in await stores.history(session)] == [7, 8]


async def test_running_turn_keeps_its_history(stores: Stores) -> None:
    await stores.take()
    begun = await stores.begin()
    busy = await stores.sessions.clear(stores.tenant_id, begun.session.id, stores.clock())
    assert busy
    assert busy.run_id == begun.run.id
    await stores.erase()
    await stores.end(begun)
    assert (await stores.session()).path == (Range(1, 4),)


async def test_clear_finds_no_stranger(stores: Stores) -> None:
    session = await fill(stores, "chat", turns=1)
    assert await stores.sessions.clear(new_id(), session.id, stores.clock()) is None
    assert await stores.sessions.clear(stores.tenant_id, new_id(), stores.clock()) is None
    assert texts(await stores.history(session)) == [" 0", "hi"]


async def test_turn_beside_the_erasing_stays_whole(stores: Stores) -> None:
    session = await fill(stores, "chat", turns=30)
    await stores.sessions.clear(stores.tenant_id, session.id, stores.clock())

    async def take_turns() -> None:
        for number in range(10):
            begun = await stores.begin(text=f"new {number}", idempotency=IdempotencyKey("chat", f"new {number}"))
            head = begun.session.head
            await stores.end(begun, path=(Range(61, head + 2),))

    await asyncio.gather(take_turns(), stores.erase(limit=5))
    await stores.erase()
    session = await stores.session()
    assert len(await read(stores, session)) == 20
    assert await left(stores, session.id) == {"items": 20, "runs": 10, "keys": 10, "documents": 30, "chunks": 30}


@pytest.mark.parametrize("is_cleared_first", [True, False])
async def test_deleting_takes_what_a_clear_left(stores: Stores, is_cleared_first: bool) -> None:
    session = await fill(stores, "chat", turns=2)
    if is_cleared_first:
        await stores.sessions.clear(stores.tenant_id, session.id, stores.clock())
    await delete(stores, session)
    assert not await left(stores, session.id)


async def test_other_owners_documents_go_alone(stores: Stores) -> None:
    session, other = await fill(stores, "chat", turns=1), await fill(stores, "other", turns=1)
    owner_id = new_id()
    row = {"tenant_id": stores.tenant_id, "session_id": owner_id, "run_id": new_id(), "text": "t", "bytes": b"t"}
    for name in ("fill_store", "fill_item", "fill_segment"):
        await run_sql(stores, ROWS[name], {key: value for key, value in row.items() if f":{key}" in ROWS[name]})
    assert await left(stores, owner_id) == {"documents": 1, "chunks": 1}
    before = await left(stores, session.id)
    assert await stores.retention.erase_owned(stores.tenant_id, owner_id) == 1
    await stores.erase()
    assert not await left(stores, owner_id)
    await erase_owner(stores, new_id())
    assert await left(stores, session.id) == await left(stores, other.id) == before


async def test_cleared_and_deleted_bytes_are_gone(sqlite: SqliteDatabase) -> None:
    stores = Stores(sqlite)
    await stores.live()
    session = await fill(stores, "chat", turns=30, word="wallpaper")
    assert await search_files(sqlite, "wallpaper")
    await sqlite.vacuum()
    await run_sql(stores, "DELETE FROM knowledge_items", {})
    await run_sql(stores, "DELETE FROM knowledge_segments", {})
    await clear(stores, session)
    assert not await search_files(sqlite, "wallpaper")
    other = await fill(stores, "other", turns=30, word="furniture")
    await delete(stores, other)
    assert not await search_files(sqlite, "furniture")


async def test_users_sessions_are_found_wherever_they_are(stores: Stores) -> None:
    owned = await fill(stores, "owned", turns=2)
    copied = await fork(stores, owned, 2)
    again = await fork(stores, copied)
    other_user = new_id()
    strange = stores.key("strange", user_id=other_user)
    begun = await stores.take(strange)
    change = SessionChange(settings={"users": (stores.user_id,)})
    await stores.sessions.update(stores.tenant_id, begun.session.id, change, stores.clock())
    kept = await stores.take(stores.key("kept", user_id=other_user))
    retired: list[RetiredSession] = []
    while batch := await stores.retention.retire_user(stores.tenant_id, stores.user_id, limit=1):
        retired += batch
    await stores.erase()
    assert {one.session.id for one in retired} == {owned.id, copied.id, again.id, begun.session.id}
    counted = {one.session.id: (one.items, one.runs, one.documents) for one in retired}
    assert counted[owned.id] == (4, 2, 2)
    assert counted[copied.id] == (0, 0, 0)
    assert counted[begun.session.id] == (2, 1, 0)
    for one in retired:
        assert not await left(stores, one.session.id)
    assert await left(stores, kept.session.id) == {"items": 2, "runs": 1}


async def test_user_of_another_tenant_is_not_touched(stores: Stores) -> None:
    begun = await stores.take()
    assert not await stores.retention.retire_user(new_id(), stores.user_id, limit=10)
    assert (await stores.session()).id == begun.session.id


async def test_retired_session_tells_of_its_turn(stores: Stores) -> None:
    begun = await stores.begin()
    (retired,) = await stores.retention.retire_user(stores.tenant_id, stores.user_id, limit=10)
    assert retired.session == replace(begun.session, run_id=begun.run.id)
