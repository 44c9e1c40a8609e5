"""The promises of OverviewStore: how much agents are used, their sessions, and many runs at once."""

from __future__ import annotations

from typing import Any

import pytest

from multiturn.model.agent import Agent, AgentBody
from multiturn.model.ids import new_id
from multiturn.model.overview import AgentSessionFilter, AgentUse, Overview
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.run import Run
from multiturn.model.session import Session, SessionSettings
from multiturn.store.agents import SqlAgentStore
from multiturn.store.overviews import SqlOverviewStore
from tests.contract.ports.stores import Stores

AGENT, OTHER = new_id(), new_id()


@pytest.fixture
def overviews(stores: Stores) -> SqlOverviewStore:
    return SqlOverviewStore(stores.database)


async def make(stores: Stores, name: str, *, turns: int = 0, **fields: Any) -> Session:
    """A session of the agent with so many turns, the time going on by a minute each."""
    session = Session(
        id=new_id(),
        tenant_id=stores.tenant_id,
        external_id=name,
        created_at=stores.clock(),
        active_at=stores.clock(),
        **{"settings": SessionSettings(agents=(AGENT,)), "user_id": stores.user_id, **fields},
    )
    await stores.sessions.create(stores.tenant_id, session, ())
    stores.clock.pass_(minutes=1)
    for number in range(turns):
        await stores.take(stores.key(None, id=session.id), text=f"{name} {number}")
        stores.clock.pass_(minutes=1)
    return session


async def listing(stores: Stores, overviews: SqlOverviewStore, **fields: Any) -> Overview:
    wanted = AgentSessionFilter(**{"agent_id": AGENT, **fields})
    return await overviews.list_agent_sessions(stores.tenant_id, wanted, now=stores.clock())


def names(overview: Overview) -> tuple[list[str | None], int]:
    return [one.session.external_id for one in overview.sessions], overview.total


async def test_agents_are_counted(stores: Stores, overviews: SqlOverviewStore) -> None:
    agents = SqlAgentStore(stores.database)
    for tenant_id in (stores.tenant_id, stores.tenant_id, new_id()):
        now = stores.clock()
        body = AgentBody(name="Ines")
        await agents.add(Agent(id=new_id(), tenant_id=tenant_id, version=1, created_at=now, updated_at=now, body=body))
    assert await overviews.count_agents(stores.tenant_id) == 2


async def test_use_is_of_the_agents_sessions(stores: Stores, overviews: SqlOverviewStore) -> None:
    begun = stores.clock()
    await make(stores, "a", turns=2)
    last = await make(stores, "b", turns=1)
    await make(stores, "c", settings=SessionSettings(agents=(OTHER,)))
    await make(stores, "expired", idle_expiry_s=1)
    told = await overviews.tell_use(stores.tenant_id, [AGENT, OTHER, new_id()], owner_id=None, now=stores.clock())
    runs = await overviews.list_runs(stores.tenant_id, last.id, offset=0, limit=1)
    assert begun < runs[0].created_at
    assert list(told.values()) == [
        AgentUse(sessions=2, runs=3, last_run_at=runs[0].created_at),
        AgentUse(sessions=1),
        AgentUse(),
    ]


async def test_use_is_one_users_where_it_is_named(stores: Stores, overviews: SqlOverviewStore) -> None:
    owner_id = new_id()
    await make(stores, "mine", user_id=owner_id)
    await make(stores, "theirs")
    told = await overviews.tell_use(stores.tenant_id, [AGENT], owner_id=owner_id, now=stores.clock())
    assert told[AGENT].sessions == 1
    assert names(await listing(stores, overviews, owner_id=owner_id)) == (["mine"], 1)


async def test_sessions_used_last_come_first(stores: Stores, overviews: SqlOverviewStore) -> None:
    await make(stores, "a", turns=2)
    await make(stores, "b")
    await make(stores, "c", turns=1)
    await stores.take(stores.key("a"), text="again")
    found = await listing(stores, overviews)
    assert names(found) == (["a", "c", "b"], 3)
    told = [(one.runs, one.first_message) for one in found.sessions]
    assert told == [(3, "a 0"), (1, "c 0"), (0, None)]
    assert names(await listing(stores, overviews, offset=1, limit=1)) == (["c"], 3)
    assert names(await listing(stores, overviews, agent_id=OTHER)) == ([], 0)


async def test_run_that_failed_tells_how_a_session_began(stores: Stores, overviews: SqlOverviewStore) -> None:
    session = await make(stores, "a")
    begun = await stores.begin(stores.key(None, id=session.id), text="never answered")
    assert begun.lease
    await stores.turns.end(stores.tenant_id, begun.lease, stores.failure())
    (found,) = (await listing(stores, overviews)).sessions
    assert (found.runs, found.first_message) == (1, "never answered")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"runs_min": 1}, ["c", "a"]),
        ({"runs_max": 1}, ["c", "b"]),
        ({"runs_min": 1, "runs_max": 1}, ["c"]),
        ({"text": "A 1"}, ["a"]),
        ({"text": "nothing"}, []),
        ({"text": "c", "runs_max": 0}, []),
        ({"text": "b"}, ["b"]),
    ],
)
async def test_filters_keep_what_fits(
    stores: Stores, overviews: SqlOverviewStore, fields: dict[str, Any], expected: list[str]
) -> None:
    await make(stores, "a", turns=2)
    await make(stores, "b")
    await make(stores, "c", turns=1)
    assert names(await listing(stores, overviews, **fields)) == (expected, len(expected))


async def test_sessions_made_in_a_time_are_kept(stores: Stores, overviews: SqlOverviewStore) -> None:
    await make(stores, "a")
    second = await make(stores, "b")
    await make(stores, "c")
    after, before = {"created_after": second.created_at}, {"created_before": second.created_at}
    assert names(await listing(stores, overviews, **after)) == (["c", "b"], 2)
    assert names(await listing(stores, overviews, **before)) == (["a"], 1)


async def test_runs_are_listed_from_the_beginning(stores: Stores, overviews: SqlOverviewStore) -> None:
    session = await make(stores, "a", turns=4)
    found = await overviews.list_runs(stores.tenant_id, session.id, offset=1, limit=2)
    assert [run.ticket for run in found] == [2, 3]
    assert not await overviews.list_runs(new_id(), session.id, offset=0, limit=2)


async def test_runs_are_loaded_together(stores: Stores, overviews: SqlOverviewStore) -> None:
    session = await make(stores, "a", turns=3)
    runs: list[Run] = [*await overviews.list_runs(stores.tenant_id, session.id, offset=0, limit=3)]
    ids = [run.id for run in runs]
    assert await overviews.load_runs(stores.tenant_id, [*ids[1:], new_id()]) == {run.id: run for run in runs[1:]}
    assert not await overviews.load_runs(new_id(), ids)


async def test_what_was_retrieved_is_loaded_together(stores: Stores, overviews: SqlOverviewStore) -> None:
    retrieved = RetrievedContext(query="trams", snippets=(Snippet(source="document", text="Tram 28"),), block="…")
    begun = await stores.begin()
    await stores.end(begun, retrieved=retrieved, retrieved_at=1)
    plain = await stores.take(text="hi")
    ids = [begun.run.id, plain.run.id]
    assert await overviews.load_retrieved(stores.tenant_id, ids) == {begun.run.id: retrieved}
    assert not await overviews.load_retrieved(new_id(), ids)
