"""The promises of ServerStore: who lives, and whose runs are left to be ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from multiturn.errors import TurnConflict
from multiturn.model.ids import new_id
from tests.contract.ports.stores import LEASE_S, Stores


async def test_dead_servers_runs_are_orphans(stores: Stores) -> None:
    dead = stores.beside()
    running, waiting = await dead.begin(), await dead.begin()
    mine = await stores.begin("mine")
    assert not await stores.servers.list_orphans(stores.server_id, limit=10)
    await dead.servers.beat(dead.server_id, lease_s=0)
    orphans = await stores.servers.list_orphans(stores.server_id, limit=10)
    assert {run.id: lease for run, lease in orphans} == {running.run.id: running.lease, waiting.run.id: None}
    assert len(await stores.servers.list_orphans(stores.server_id, limit=1)) == 1
    theirs = await dead.servers.list_orphans(dead.server_id, limit=10)
    assert mine.run.id not in [run.id for run, _ in theirs]


async def test_heartbeat_takes_runs_back(stores: Stores) -> None:
    late = stores.beside()
    begun = await late.begin()
    await late.servers.beat(late.server_id, lease_s=0)
    await late.servers.beat(late.server_id, lease_s=LEASE_S)
    assert not await stores.servers.list_orphans(stores.server_id, limit=10)
    await late.end(begun)


async def test_own_runs_are_never_orphans(stores: Stores) -> None:
    await stores.begin()
    await stores.servers.leave(stores.server_id)
    assert not await stores.servers.list_orphans(stores.server_id, limit=10)


async def test_orphan_is_ended_by_whoever_finds_it(stores: Stores) -> None:
    dead = stores.beside()
    begun, waiting = await dead.begin(), await stores.begin()
    await dead.servers.leave(dead.server_id)
    ((run, lease),) = await stores.servers.list_orphans(stores.server_id, limit=10)
    assert lease
    await stores.turns.end(stores.tenant_id, lease, stores.failure())
    assert (await stores.run(begun)).status == "failed"
    with pytest.raises(TurnConflict):
        await dead.end(begun)
    assert run.id == begun.run.id
    assert not await stores.servers.list_orphans(stores.server_id, limit=10)
    await stores.end(await stores.started(waiting))
    assert (await stores.session()).head == 2


async def test_orphan_of_a_deleted_session_has_no_lease(stores: Stores) -> None:
    dead = stores.beside()
    begun = await dead.begin()
    await dead.servers.leave(dead.server_id)
    await stores.sessions.delete(stores.tenant_id, begun.session.id)
    assert [lease for _, lease in await stores.servers.list_orphans(stores.server_id, limit=10)] == [None]
    await stores.erase()
    assert not await stores.servers.list_orphans(stores.server_id, limit=10)


async def test_own_run_that_nobody_executes_is_lost(stores: Stores) -> None:
    lost, live = await stores.begin("lost"), await stores.begin("live")
    await stores.take("ended")
    await stores.beside().begin("other")
    before = stores.clock() + timedelta(milliseconds=1)
    found = await stores.servers.list_lost(stores.server_id, {live.run.id}, before=before)
    assert found == [(lost.run, lost.lease)]
    assert not await stores.servers.list_lost(stores.server_id, {live.run.id}, before=stores.clock())
    assert not await stores.servers.list_lost(new_id(), set(), before=before)


async def test_server_that_left_is_dead(stores: Stores) -> None:
    other = stores.beside()
    await other.begin()
    await other.servers.leave(other.server_id)
    assert len(await stores.servers.list_orphans(stores.server_id, limit=10)) == 1
    await other.live()
    assert not await stores.servers.list_orphans(stores.server_id, limit=10)
