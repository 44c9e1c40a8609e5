"""The promises of forks: a shared item lives until its last referrer goes, and then nothing of it is left."""

from __future__ import annotations

import asyncio
from itertools import permutations

import pytest

from multiturn.errors import Conflict, InvalidRequest
from multiturn.model.context import WindowState
from multiturn.model.ids import new_id
from multiturn.model.item import Range
from multiturn.model.session import ForkOrder, Origin, Session
from multiturn.store.forks import find_gaps, find_window
from multiturn.store.sqlite import SqliteDatabase
from tests.contract.ports.filling import clear, delete, fill, fork, left, ranges, read, search_files
from tests.contract.ports.stores import Stores, said


async def go_on(stores: Stores, session: Session, text: str) -> Session:
    """A turn in a session that is known by its id; the session behind it."""
    key = stores.key(None, id=session.id)
    begun = await stores.begin(key, text)
    head = begun.session.head
    own = Range(head + 1, head + 2)
    path = begun.session.path
    if path and path[-1].session_id is None and path[-1].last == head:
        path, own = path[:-1], Range(path[-1].first, head + 2)
    await stores.end(begun, path=(*path, own))
    found = await stores.sessions.find(key, stores.clock())
    assert found
    return found


async def test_fork_shares_and_goes_its_own_way(stores: Stores) -> None:
    origin = await fill(stores, "origin", turns=3)
    other = await fork(stores, origin, 4, "fork")
    assert other.path == ranges((1, 4, origin.id))
    assert (other.head, other.settings.origin) == (4, Origin(session_id=origin.id, seq=4))
    other = await go_on(stores, other, "elsewhere")
    assert await read(stores, other) == [" 0", "hi", " 1", "hi", "elsewhere", "hi"]
    assert other.path == ranges((1, 4, origin.id), (5, 6, None))
    assert await read(stores, await stores.session("origin")) == [" 0", "hi", " 1", "hi", " 2", "hi"]
    assert await left(stores, other.id) == {"items": 2, "runs": 1, "forks": 1}


async def test_fork_takes_all_without_a_place(stores: Stores) -> None:
    origin = await fill(stores, "origin", turns=2)
    assert (await fork(stores, origin)).path == ranges((1, 4, origin.id))
    empty = await stores.begin("empty")
    other = await fork(stores, empty.session)
    assert (other.head, other.path) == (0, ())
    other = await go_on(stores, other, "first")
    assert await read(stores, other) == ["first", "hi"]


@pytest.mark.parametrize("at", [0, 3, 4, 99, -1])
async def test_fork_needs_an_item_of_the_active_branch(stores: Stores, at: int) -> None:
    begun = await stores.take()
    other = await stores.begin()
    await stores.end(other)
    edited = await stores.begin()
    await stores.end(edited, path=(Range(1, 2), Range(5, 6)))
    with pytest.raises(InvalidRequest) as caught:
        await stores.sessions.fork(stores.tenant_id, begun.session.id, ForkOrder(id=new_id(), at=at), stores.clock())
    assert (caught.value.code, caught.value.param) == ("unknown_seq", "at")


async def test_fork_of_a_branch_names_its_ranges(stores: Stores) -> None:
    await stores.take()
    await stores.take()
    await stores.end(await stores.begin(text="edited"), path=(Range(1, 2), Range(5, 6)))
    origin = await stores.session()
    other = await fork(stores, origin, 5)
    assert other.path == ranges((1, 2, origin.id), (5, 5, origin.id))
    assert await read(stores, other) == ["hello", "hi", "edited"]
    other = await go_on(stores, other, "more")
    assert other.branches == ranges((1, 2, origin.id), (5, 5, origin.id), (6, 7, None))


async def test_fork_takes_over_what_is_set(stores: Stores) -> None:
    begun = await stores.take(expiry_s=60)
    await stores.end(
        await stores.begin(), cut=3, shown=WindowState(summary=3, blocks_from=3, head="h"), instructions="[]"
    )
    origin = await stores.session()
    other = await fork(stores, origin)
    assert (other.cut, other.shown) == (3, WindowState(summary=3, blocks_from=5, head="h"))
    assert (other.instructions, other.idle_expiry_s, other.user_id) == ("[]", 60, begun.session.user_id)
    early = await fork(stores, origin, 2)
    assert (early.cut, early.shown) == (1, WindowState(blocks_from=3))
    assert find_window(origin, 3)[0].summary == 3


async def test_forks_name_must_be_free(stores: Stores) -> None:
    origin = await fill(stores, "origin", turns=1)
    with pytest.raises(Conflict) as caught:
        await fork(stores, origin, name="origin")
    assert caught.value.code == "session_exists"
    gone = ForkOrder(id=new_id())
    assert await stores.sessions.fork(stores.tenant_id, new_id(), gone, stores.clock()) is None
    assert await stores.sessions.fork(new_id(), origin.id, gone, stores.clock()) is None


async def test_origins_shared_items_stay_when_it_is_deleted(stores: Stores) -> None:
    origin = await fill(stores, "origin", turns=5)
    other = await go_on(stores, await fork(stores, origin, 4), "on")
    await delete(stores, origin)
    assert await left(stores, origin.id) == {"items": 4, "segments": 2}
    assert await read(stores, other) == [" 0", "hi", " 1", "hi", "on", "hi"]
    await delete(stores, other)
    assert not await left(stores, origin.id)
    assert not await left(stores, other.id)


async def test_index_of_items_that_are_partly_shared_stays(stores: Stores) -> None:
    origin = await fill(stores, "origin", turns=3)
    other = await fork(stores, origin, 3)
    await delete(stores, origin)
    assert await left(stores, origin.id) == {"items": 3, "segments": 2}
    await delete(stores, other)
    assert not await left(stores, origin.id)


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_last_referrer_takes_the_rest(stores: Stores, order: tuple[int, ...]) -> None:
    """An origin, two forks of it, and a fork of a fork, deleted in every order."""
    origin = await fill(stores, "origin", turns=3)
    first = await go_on(stores, await fork(stores, origin, 4), "first")
    second = await go_on(stores, await fork(stores, origin, 2), "second")
    third = await go_on(stores, await fork(stores, first), "third")
    family = [origin, first, second, third]
    texts = [await read(stores, one) for one in family]
    for place, gone in enumerate(order):
        await delete(stores, family[gone])
        for alive in order[place + 1 :]:
            assert await read(stores, family[alive]) == texts[alive]
    for one in family:
        assert not await left(stores, one.id)


async def test_fork_of_a_fork_outlives_both(stores: Stores) -> None:
    origin = await fill(stores, "origin", turns=2)
    first = await go_on(stores, await fork(stores, origin, 2), "first")
    second = await fork(stores, first)
    assert second.path == ranges((1, 2, origin.id), (3, 4, first.id))
    await delete(stores, origin)
    await delete(stores, first)
    assert await left(stores, origin.id) == {"items": 2, "segments": 1}
    assert await left(stores, first.id) == {"items": 2}
    assert await read(stores, second) == [" 0", "hi", "first", "hi"]
    await delete(stores, second)
    assert not (await left(stores, origin.id))
    assert not (await left(stores, first.id))


async def test_cleared_origin_keeps_what_is_shared(stores: Stores) -> None:
    origin = await fill(stores, "origin", turns=3)
    other = await fork(stores, origin, 2)
    origin = await clear(stores, origin)
    assert (await left(stores, origin.id))["items"] == 2
    origin = await go_on(stores, origin, "anew")
    late = await fork(stores, origin)
    assert late.path == ranges((7, 8, origin.id))
    await delete(stores, other)
    assert (await left(stores, origin.id))["items"] == 2
    assert await read(stores, origin) == await read(stores, late) == ["anew", "hi"]
    await delete(stores, origin)
    assert await left(stores, origin.id) == {"items": 2}
    await delete(stores, late)
    assert not await left(stores, origin.id)


async def test_cleared_fork_shares_nothing(stores: Stores) -> None:
    origin = await fill(stores, "origin", turns=2)
    other = await go_on(stores, await fork(stores, origin, 2), "own")
    await delete(stores, origin)
    other = await clear(stores, other)
    assert (other.path, other.settings.origin, other.branches) == ((), None, ())
    assert not await left(stores, origin.id)
    assert not await left(stores, other.id)
    other = await go_on(stores, other, "anew")
    assert other.path == ranges((5, 6, None))


async def test_expired_origin_keeps_what_is_shared(stores: Stores) -> None:
    begun = await stores.take("origin", expiry_s=60)
    other = await fork(stores, await stores.session("origin"))
    stores.clock.pass_(seconds=30)
    await go_on(stores, other, "on")
    stores.clock.pass_(seconds=30)
    await stores.retention.retire_expired(stores.clock(), limit=10)
    await stores.erase()
    assert await left(stores, begun.session.id) == {"items": 2}
    stores.clock.pass_(seconds=30)
    await stores.retention.retire_expired(stores.clock(), limit=10)
    await stores.erase()
    assert not (await left(stores, begun.session.id))
    assert not (await left(stores, other.id))


async def test_forks_and_deletions_at_once_leave_no_orphans(stores: Stores) -> None:
    for _ in range(5):
        origin = await fill(stores, "origin", turns=2)
        forks = [await fork(stores, origin, 2) for _ in range(4)]
        await asyncio.gather(
            *(stores.sessions.delete(stores.tenant_id, one.id) for one in (origin, *forks)),
            *(stores.erase(limit=2) for _ in range(3)),
        )
        await stores.erase()
        for one in (origin, *forks):
            assert not await left(stores, one.id)


async def test_bytes_go_with_the_last_referrer(sqlite: SqliteDatabase) -> None:
    stores = Stores(sqlite)
    await stores.live()
    origin = await fill(stores, "origin", turns=20, word="wallpaper")
    other = await fork(stores, origin, 2)
    await delete(stores, origin)
    assert await search_files(sqlite, "wallpaper 0")
    assert not await search_files(sqlite, "wallpaper 1")
    await delete(stores, other)
    assert not await search_files(sqlite, "wallpaper")


async def test_turn_in_a_fork_is_a_turn(stores: Stores) -> None:
    origin = await fill(stores, "origin", turns=1)
    other = await fork(stores, origin, name="fork")
    begun = await stores.begin("fork", "hello")
    assert (begun.session.id, begun.run.ticket, begun.lease and begun.lease.fencing) == (other.id, 1, 1)
    await stores.end(begun, said("hi", "assistant"), path=(*begun.session.path, Range(3, 4)))
    assert (await stores.session("fork")).head == 4


@pytest.mark.parametrize(
    ("kept", "last", "gaps"),
    [
        ([], 5, [(1, 5)]),
        ([(1, 5)], 5, []),
        ([(1, 3)], 5, [(4, 5)]),
        ([(2, 3)], 5, [(1, 1), (4, 5)]),
        ([(4, 9), (2, 2)], 6, [(1, 1), (3, 3)]),
        ([(1, 4), (2, 6), (9, 9)], 20, [(7, 8), (10, 20)]),
        ([(7, 9)], 5, [(1, 5)]),
        ([], 0, []),
    ],
)
def test_gaps_are_what_nobody_keeps(kept: list[tuple[int, int]], last: int, gaps: list[tuple[int, int]]) -> None:
    assert find_gaps(kept, last) == gaps
