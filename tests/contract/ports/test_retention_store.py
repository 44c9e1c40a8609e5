"""The promises of RetentionStore: what has had its time goes, in small batches, and leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest

from multiturn.model.event import EventBatch
from multiturn.model.ids import new_id
from multiturn.model.turn import Begun, IdempotencyKey
from tests.contract.ports.stores import Stores, said

HOUR_S = 3600


async def retire(stores: Stores, *, limit: int = 10) -> int:
    return await stores.retention.retire_expired(stores.clock(), limit=limit)


async def is_there(stores: Stores, begun: Begun) -> bool:
    return await stores.runs.find(stores.tenant_id, begun.run.id) is not None


async def test_sweep_takes_what_has_expired(stores: Stores) -> None:
    gone = await stores.take("gone", expiry_s=HOUR_S)
    kept = await stores.take("kept")
    stores.clock.pass_(hours=1, milliseconds=-1)
    assert await retire(stores) == 0
    stores.clock.pass_(milliseconds=1)
    assert await retire(stores) == 1
    assert await retire(stores) == 0
    await stores.erase()
    assert not await is_there(stores, gone)
    assert await is_there(stores, kept)


async def test_sweep_moves_with_use(stores: Stores) -> None:
    begun = await stores.take(expiry_s=HOUR_S)
    stores.clock.pass_(minutes=30)
    await stores.take()
    stores.clock.pass_(minutes=30)
    assert await retire(stores) == 1
    assert await retire(stores) == 0
    assert (await stores.session()).head == 4
    stores.clock.pass_(minutes=30)
    assert await retire(stores) == 1
    await stores.erase()
    assert not await is_there(stores, begun)


async def test_sweep_leaves_a_running_turn(stores: Stores) -> None:
    begun = await stores.begin(expiry_s=HOUR_S)
    stores.clock.pass_(hours=2)
    assert await retire(stores) == 1
    assert await retire(stores) == 0
    await stores.end(begun)
    stores.clock.pass_(hours=1)
    assert await retire(stores) == 1
    await stores.erase()
    assert not await is_there(stores, begun)


async def test_sweep_hears_of_a_shorter_expiry(stores: Stores) -> None:
    await stores.take(expiry_s=HOUR_S)
    await stores.take(idle_expiry_s=60)
    stores.clock.pass_(seconds=60)
    assert await retire(stores) == 1
    assert await stores.sessions.find(stores.key(), stores.clock()) is None


async def test_sweep_looks_at_a_few_at_a_time(stores: Stores) -> None:
    for n in range(5):
        await stores.take(f"chat-{n}", expiry_s=60)
    stores.clock.pass_(seconds=60)
    assert [await retire(stores, limit=2) for _ in range(4)] == [2, 2, 1, 0]


async def test_session_used_at_the_last_moment_stays(stores: Stores) -> None:
    """Whoever comes first has it: the turn, or the sweeper."""
    for n in range(20):
        await stores.take(f"chat-{n}", expiry_s=60)
        stores.clock.pass_(seconds=59, milliseconds=999)
        late = stores.clock()
        stores.clock.pass_(milliseconds=1)
        begun, _ = await asyncio.gather(stores.begin(f"chat-{n}", now=late), retire(stores))
        await stores.end(begun)
        assert (await stores.session(f"chat-{n}")).run_id is None


async def fill(stores: Stores, name: str = "full", *, runs: int) -> Begun:
    """A session with everything that can be in one."""
    for n in range(runs):
        begun = await stores.begin(name, text=str(n), idempotency=IdempotencyKey("chat", f"{name}-{n}"))
        events = [(stores.tenant_id, begun.run.id, EventBatch(first=first, body="{}")) for first in range(1, 6)]
        await stores.runs.save_events(events, stores.clock())
        await stores.end(begun, said("one", "assistant"), said("two", "assistant"))
    return begun


async def test_deleted_session_is_erased_whole(stores: Stores) -> None:
    begun, other = await fill(stores, runs=25), await stores.take("other", idempotency=IdempotencyKey("chat", "x"))
    await stores.sessions.delete(stores.tenant_id, begun.session.id)
    assert (
        await stores.erase(limit=10) == 23
    )  # 75 items: 8 · 125 events: 13 with 2 of their runs · then nothing is left
    assert not await stores.history(begun.session)
    assert not (await stores.runs.list_runs(stores.tenant_id, begun.session.id, before=None, limit=1)).data
    assert not await stores.runs.list_events(stores.tenant_id, begun.run.id, after=0)
    again = await stores.begin("new", text="24", idempotency=IdempotencyKey("chat", "full-24"))
    assert again.state == "running"
    assert await stores.erase() == 0
    assert await is_there(stores, other)
    assert (await stores.begin("other", idempotency=IdempotencyKey("chat", "x"))).state == "joined"


@pytest.mark.parametrize("limit", [1, 7, 200])
async def test_erasing_takes_small_batches(stores: Stores, limit: int) -> None:
    begun = await fill(stores, runs=5)
    await stores.sessions.delete(stores.tenant_id, begun.session.id)
    left = len(await stores.history(begun.session))
    while await stores.retention.erase_batch(limit=limit):
        now = len(await stores.history(begun.session))
        assert left - now <= limit
        left = now
    assert left == 0


async def test_two_servers_erase_together(stores: Stores) -> None:
    for _ in range(3):
        begun = await fill(stores, runs=20)
        await stores.sessions.delete(stores.tenant_id, begun.session.id)
        await asyncio.gather(*(stores.erase(limit=5) for _ in range(4)))
        await stores.erase()
        assert not await stores.history(begun.session)
        assert not await is_there(stores, begun)


async def test_events_are_forgotten_by_age(stores: Stores) -> None:
    begun = await fill(stores, runs=1)
    stores.clock.pass_(hours=1)
    fresh = await fill(stores, "fresh", runs=1)
    cut = stores.clock()
    assert [await stores.retention.expire_events(cut, limit=3) for _ in range(3)] == [3, 2, 0]
    assert not await stores.runs.list_events(stores.tenant_id, begun.run.id, after=0)
    assert len(await stores.runs.list_events(stores.tenant_id, fresh.run.id, after=0)) == 5
    assert await is_there(stores, begun)


async def test_events_live_as_long_as_their_run(stores: Stores) -> None:
    begun = await stores.begin()
    event = (stores.tenant_id, begun.run.id, EventBatch(first=1, body="~{}"))
    await stores.runs.save_events([event], stores.clock())
    stores.clock.pass_(hours=2)
    assert await stores.retention.expire_events(stores.clock(), limit=3) == 0
    await stores.end(begun)
    stores.clock.pass_(hours=1)
    assert await stores.retention.expire_events(stores.clock(), limit=3) == 1


async def test_idempotency_keys_are_forgotten_by_age(stores: Stores) -> None:
    for n in range(3):
        await stores.take(str(n), idempotency=IdempotencyKey("chat", str(n)))
    stores.clock.pass_(hours=1)
    fresh = await stores.take(idempotency=IdempotencyKey("chat", "fresh"))
    cut = stores.clock()
    assert [await stores.retention.expire_idempotency(cut, limit=2) for _ in range(3)] == [2, 1, 0]
    assert (await stores.begin(idempotency=IdempotencyKey("chat", "fresh"))).run.id == fresh.run.id
    assert (await stores.begin("0", idempotency=IdempotencyKey("chat", "0"))).state == "running"


async def test_nothing_to_erase_is_nothing(stores: Stores) -> None:
    assert await stores.retention.erase_batch(limit=10) == 0
    assert not await stores.sessions.delete(stores.tenant_id, new_id())
    assert await stores.retention.erase_batch(limit=10) == 0
    await stores.retention.vacuum()
