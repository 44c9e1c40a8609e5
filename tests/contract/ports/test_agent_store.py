"""Agents in the store: found by both names, changed version by version, listed in every order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from multiturn.errors import Conflict
from multiturn.model.agent import Agent, AgentBody, Listing
from multiturn.model.ids import new_id
from multiturn.model.policy import ContextPolicy, RecallOptions
from multiturn.store.agents import SqlAgentStore
from tests.contract.ports.stores import Stores


@pytest.fixture
def agents(stores: Stores) -> SqlAgentStore:
    return SqlAgentStore(stores.database)


def make_agent(stores: Stores, name: str = "Guide", **fields: Any) -> Agent:
    metadata = fields.pop("metadata", {})
    now = fields.pop("at", stores.clock())
    return Agent(
        id=new_id(),
        tenant_id=fields.pop("tenant_id", stores.tenant_id),
        version=1,
        created_at=now,
        updated_at=now,
        body=AgentBody(name=name, **fields),
        metadata=metadata,
    )


async def add(agents: SqlAgentStore, *some: Agent) -> None:
    for agent in some:
        assert await agents.add(agent)


async def names(agents: SqlAgentStore, stores: Stores, **asked: Any) -> list[str]:
    page = await agents.list_agents(stores.tenant_id, Listing(**asked))
    return [agent.body.name for agent in page.data]


def rename(name: str) -> Any:
    return lambda agent: replace(agent, body=replace(agent.body, name=name))


async def test_agent_comes_back_as_it_was(stores: Stores, agents: SqlAgentStore) -> None:
    agent = make_agent(
        stores,
        canonical_name="guide",
        instructions=("one", "two"),
        default_settings={"temperature": 0.5},
        policy=ContextPolicy(overflow="summarize", recall=False, documents=RecallOptions(mode="text")),
        metadata={"a": {"b": [1, None]}},
    )
    await add(agents, agent)
    assert await agents.find(stores.tenant_id, agent.id) == agent
    assert await agents.find_by_name(stores.tenant_id, "guide") == agent


async def test_agent_is_its_tenants_only(stores: Stores, agents: SqlAgentStore) -> None:
    agent, stranger = make_agent(stores, canonical_name="guide"), new_id()
    await add(agents, agent)
    assert await agents.find(stranger, agent.id) is None
    assert await agents.find_by_name(stranger, "guide") is None
    assert await agents.update(stranger, agent.id, rename("other")) is None
    assert not await agents.delete(stranger, agent.id)
    assert (await agents.list_agents(stranger, Listing())).data == []
    assert await agents.add(make_agent(stores, canonical_name="guide", tenant_id=stranger))


async def test_canonical_name_is_one_agents(stores: Stores, agents: SqlAgentStore) -> None:
    first, second = make_agent(stores, canonical_name="guide"), make_agent(stores)
    await add(agents, first, second)
    assert not await agents.add(make_agent(stores, canonical_name="guide"))
    assert not await agents.add(first)
    with pytest.raises(Conflict, match="guide"):
        await agents.update(
            stores.tenant_id, second.id, lambda agent: replace(agent, body=replace(agent.body, canonical_name="guide"))
        )
    assert await agents.find(stores.tenant_id, second.id) == second


async def test_change_makes_the_next_version(stores: Stores, agents: SqlAgentStore) -> None:
    first = make_agent(stores, "one")
    await add(agents, first)
    stores.clock.pass_(seconds=5)
    second = await agents.update(
        stores.tenant_id, first.id, lambda agent: replace(rename("two")(agent), updated_at=stores.clock())
    )
    assert second
    assert (second.version, second.body.name, second.updated_at) == (2, "two", stores.clock())
    assert await agents.find(stores.tenant_id, first.id) == second
    assert (await agents.list_versions(second, before=None, limit=10)).data == [second, first]
    assert await agents.find_version(second, 1) == first
    assert await agents.find_version(second, 3) is None


async def test_change_of_nothing_makes_no_version(stores: Stores, agents: SqlAgentStore) -> None:
    first = make_agent(stores)
    await add(agents, first)
    stores.clock.pass_(seconds=5)
    same = await agents.update(stores.tenant_id, first.id, lambda agent: replace(agent, updated_at=stores.clock()))
    assert same == first
    assert len((await agents.list_versions(first, before=None, limit=10)).data) == 1


async def test_versions_come_in_pages(stores: Stores, agents: SqlAgentStore) -> None:
    agent = make_agent(stores, "1")
    await add(agents, agent)
    for name in "2345":
        await agents.update(stores.tenant_id, agent.id, rename(name))
    page = await agents.list_versions(agent, before=None, limit=2)
    rest = await agents.list_versions(agent, before=page.data[-1].version, limit=5)
    assert [one.version for one in (*page.data, *rest.data)] == [5, 4, 3, 2, 1]
    assert (page.has_more, rest.has_more) == (True, False)


async def test_of_racing_changes_none_is_lost(stores: Stores, agents: SqlAgentStore) -> None:
    tenant = await stores.keys.ensure_tenant(str(new_id()), stores.clock())
    agent = make_agent(stores, tenant_id=tenant.id)
    await add(agents, agent)

    def note(number: int) -> Any:
        return lambda one: replace(one, metadata={**one.metadata, str(number): True})

    await asyncio.gather(*(agents.update(tenant.id, agent.id, note(number)) for number in range(8)))
    stored = await agents.find(tenant.id, agent.id)
    assert stored
    assert (stored.version, len(stored.metadata)) == (9, 8)


async def test_of_racing_names_one_wins(stores: Stores, agents: SqlAgentStore) -> None:
    tenant = await stores.keys.ensure_tenant(str(new_id()), stores.clock())
    some = [make_agent(stores, tenant_id=tenant.id) for _ in range(4)]
    await add(agents, *some)

    async def take(agent: Agent) -> bool:
        try:
            await agents.update(
                tenant.id, agent.id, lambda one: replace(one, body=replace(one.body, canonical_name="guide"))
            )
        except Conflict:
            return False
        return True

    assert sorted(await asyncio.gather(*map(take, some))) == [False, False, False, True]


async def test_agents_are_listed_in_every_order(stores: Stores, agents: SqlAgentStore) -> None:
    some = []
    for name in "abc":
        some.append(make_agent(stores, name))
        stores.clock.pass_(seconds=1)
    await add(agents, *some)
    touch = lambda agent: replace(agent, updated_at=stores.clock(), metadata={"touched": True})  # noqa: E731
    await agents.update(stores.tenant_id, some[1].id, touch)
    assert await names(agents, stores) == ["c", "b", "a"]
    assert await names(agents, stores, newest_first=False) == ["a", "b", "c"]
    assert await names(agents, stores, sort="updated_at") == ["b", "c", "a"]
    assert await names(agents, stores, sort="updated_at", newest_first=False) == ["a", "c", "b"]


@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_go_on_behind_their_last_row(stores: Stores, agents: SqlAgentStore, newest_first: bool) -> None:
    # Two of them were made in the same millisecond.
    for name in "abcde":
        await add(agents, make_agent(stores, name))
        stores.clock.pass_(seconds=0 if name == "b" else 1)
    found, after = [], None
    while True:
        listing = Listing(limit=2, after=after, newest_first=newest_first)
        page = await agents.list_agents(stores.tenant_id, listing)
        found += [agent.body.name for agent in page.data]
        if not page.has_more:
            break
        after = (page.data[-1].created_at, page.data[-1].id)
    assert sorted(found) == list("abcde")
    assert found[:: -1 if newest_first else 1] == sorted(found)


async def test_offset_past_the_end_is_empty(stores: Stores, agents: SqlAgentStore) -> None:
    await add(agents, *(make_agent(stores, name) for name in "abc"))
    assert len(await names(agents, stores, offset=2)) == 1
    assert await names(agents, stores, offset=99) == []


async def test_metadata_filter_keeps_what_contains_it(stores: Stores, agents: SqlAgentStore) -> None:
    await add(
        agents,
        make_agent(stores, "plain"),
        make_agent(stores, "deep", metadata={"a": {"b": 1, "c": 2}, "tags": ["x", "y"]}),
        make_agent(stores, "text", metadata={"a": {"b": "1"}}),
    )
    assert await names(agents, stores, metadata={"a": {"b": 1}}) == ["deep"]
    assert await names(agents, stores, metadata={"tags": ["y"]}) == ["deep"]
    assert await names(agents, stores, metadata={"a": {}}, newest_first=False) == ["deep", "text"]
    assert await names(agents, stores, metadata={"none": 1}) == []


async def test_deleted_agent_is_gone_with_its_versions(stores: Stores, agents: SqlAgentStore) -> None:
    agent = make_agent(stores, canonical_name="guide")
    await add(agents, agent)
    await agents.update(stores.tenant_id, agent.id, rename("two"))
    assert await agents.delete(stores.tenant_id, agent.id)
    assert not await agents.delete(stores.tenant_id, agent.id)
    assert await agents.find(stores.tenant_id, agent.id) is None
    assert (await agents.list_versions(agent, before=None, limit=10)).data == []
    assert await agents.add(make_agent(stores, canonical_name="guide"))
