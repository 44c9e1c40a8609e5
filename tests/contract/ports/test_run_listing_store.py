"""Runs beyond one session: lists by status, agent and user, and of those that wait for a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from multiturn.model.ids import new_id
from multiturn.model.page import Page
from multiturn.model.run import AgentVersion, Run
from multiturn.model.run_listing import EVERY_RUN, RunFilter, WaitingRun
from multiturn.model.step import ToolCall
from multiturn.model.turn import Begun, Decision, Waiting
from multiturn.store.approvals import SqlApprovalStore
from multiturn.store.run_listings import SqlRunListingStore
from tests.contract.ports.stores import Stores

CALLS = (ToolCall(call_id="a", name="files__write", source="files"), ToolCall(call_id="b", name="files__read"))


@pytest.fixture
def listings(stores: Stores) -> SqlRunListingStore:
    return SqlRunListingStore(stores.database)


async def listed(
    stores: Stores, listings: SqlRunListingStore, *, before: UUID | None = None, limit: int = 20, **wanted: Any
) -> Page[Run]:
    return await listings.list_runs(
        stores.tenant_id, RunFilter(**wanted), before=before, now=stores.clock(), limit=limit
    )


def ids(runs: Sequence[Run] | Sequence[Begun] | Sequence[WaitingRun]) -> list[UUID]:
    return [run.id if isinstance(run, Run) else run.run.id for run in runs]


async def wait(stores: Stores, begun: Begun) -> Waiting:
    """Let a run wait for a word about two calls."""
    now = stores.clock()
    waiting = Waiting(asked_at=now, expires_at=now + timedelta(hours=1), calls=CALLS, state=b"{}")
    assert begun.lease
    await SqlApprovalStore(stores.database).wait(stores.tenant_id, begun.lease, waiting)
    return waiting


async def test_runs_of_all_sessions_are_listed_newest_first(stores: Stores, listings: SqlRunListingStore) -> None:
    begun = [await stores.take(name) for name in "abcab"]
    first = await listed(stores, listings, limit=3)
    rest = await listed(stores, listings, before=first.data[-1].id, limit=3)
    assert ids([*first.data, *rest.data]) == ids(begun)[::-1]
    assert (first.has_more, rest.has_more) == (True, False)
    assert first.data[0] == await stores.run(begun[-1])
    others = await listings.list_runs(new_id(), EVERY_RUN, before=None, now=stores.clock(), limit=9)
    assert not others.data


async def test_runs_are_kept_by_their_status(stores: Stores, listings: SqlRunListingStore) -> None:
    done, failed, waiting = [await stores.begin(name) for name in "abc"]
    await stores.end(done)
    await stores.fail(failed)
    await wait(stores, waiting)
    expected = {
        "completed": [done],
        "failed": [failed],
        "waiting": [waiting],
        "cancelled": [],
        None: [waiting, failed, done],
    }
    for status, runs in expected.items():
        for owner_id in (None, stores.user_id):
            found = await listed(stores, listings, status=status, owner_id=owner_id)
            assert ids(found.data) == ids(runs), status


async def test_runs_are_kept_by_their_agent(stores: Stores, listings: SqlRunListingStore) -> None:
    agent = AgentVersion(new_id(), 3)
    mine, other = await stores.begin("a"), await stores.begin("b")
    await stores.end(mine, agent=agent)
    await stores.end(other, agent=AgentVersion(new_id(), 1))
    for fields in ({}, {"status": "completed"}, {"owner_id": stores.user_id}):
        assert ids((await listed(stores, listings, agent_id=agent.id, **fields)).data) == [mine.run.id]
    assert not (await listed(stores, listings, agent_id=agent.id, status="failed")).data


async def test_runs_of_one_user_are_listed_alone(stores: Stores, listings: SqlRunListingStore) -> None:
    mine = await stores.take("a")
    await stores.take(stores.key("b", user_id=new_id()))
    assert ids((await listed(stores, listings, owner_id=stores.user_id)).data) == [mine.run.id]
    assert len((await listed(stores, listings)).data) == 2


async def test_runs_of_sessions_that_are_gone_are_not_listed(stores: Stores, listings: SqlRunListingStore) -> None:
    deleted, _ = await stores.take("a"), await stores.take("b", expiry_s=60)
    await stores.sessions.delete(stores.tenant_id, deleted.session.id)
    assert len((await listed(stores, listings)).data) == 1
    stores.clock.pass_(minutes=2)
    assert not (await listed(stores, listings)).data
    assert not (await listed(stores, listings, owner_id=stores.user_id)).data


async def test_runs_of_a_session_are_filtered(stores: Stores, listings: SqlRunListingStore) -> None:
    agent = AgentVersion(new_id(), 1)
    first, second = await stores.take("a"), await stores.begin("a")
    await stores.fail(second, agent=agent)
    await stores.take("b")
    session_id = first.session.id

    async def find(before: int | None = None, **wanted: Any) -> list[UUID]:
        page = await listings.list_session_runs(
            stores.tenant_id, session_id, RunFilter(**wanted), before=before, limit=9
        )
        return ids(page.data)

    assert await find() == [second.run.id, first.run.id]
    assert await find(before=2) == [first.run.id]
    assert await find(status="failed") == await find(agent_id=agent.id) == [second.run.id]
    assert await find(status="failed", agent_id=new_id()) == []


async def test_waiting_runs_are_listed_with_their_calls(stores: Stores, listings: SqlRunListingStore) -> None:
    begun = [await stores.begin(name) for name in "abc"]
    waiting = [await wait(stores, one) for one in begun]
    page = await listings.list_waiting(stores.tenant_id, EVERY_RUN, after=None, limit=2)
    rest = await listings.list_waiting(stores.tenant_id, EVERY_RUN, after=page.data[-1].run.id, limit=2)
    assert ids([*page.data, *rest.data]) == ids(begun)
    assert (page.has_more, rest.has_more) == (True, False)
    found = page.data[0]
    assert (found.calls, found.asked_at, found.expires_at) == (CALLS, waiting[0].asked_at, waiting[0].expires_at)
    assert found.run.status == "waiting"
    assert await listings.find_waiting(stores.tenant_id, begun[0].run.id) == found
    for tenant_id, wanted in ((new_id(), EVERY_RUN), (stores.tenant_id, RunFilter(owner_id=new_id()))):
        assert not (await listings.list_waiting(tenant_id, wanted, after=None, limit=2)).data
    assert await listings.find_waiting(new_id(), begun[0].run.id) is None


async def test_what_was_decided_waits_no_more(stores: Stores, listings: SqlRunListingStore) -> None:
    begun, approvals = await stores.begin(), SqlApprovalStore(stores.database)
    await wait(stores, begun)
    for call_id, left in (("a", CALLS[1:]), ("b", None)):
        words = [Decision(call_id=call_id, approved=True)]
        await approvals.take_up(stores.tenant_id, begun.run.id, words, server_id=stores.server_id)
        found = await listings.find_waiting(stores.tenant_id, begun.run.id)
        assert (found.calls if found else None) == left
    assert not (await listings.list_waiting(stores.tenant_id, EVERY_RUN, after=None, limit=2)).data


async def test_what_waits_in_a_deleted_session_is_not_listed(stores: Stores, listings: SqlRunListingStore) -> None:
    begun = await stores.begin()
    await wait(stores, begun)
    await stores.sessions.delete(stores.tenant_id, begun.session.id)
    assert not (await listings.list_waiting(stores.tenant_id, EVERY_RUN, after=None, limit=2)).data
    assert await listings.find_waiting(stores.tenant_id, begun.run.id) is None
