"""Agents in the store: each as it stands, and every version that it had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from multiturn.errors import Conflict
from multiturn.model.agent import Agent, AgentBody, Listing
from multiturn.model.page import Page
from multiturn.store.database import Database, Row, Transaction
from multiturn.store.ordering import list_query, list_where
from multiturn.store.rows import as_id, as_json, as_ms, as_time, read_metadata

VERSION_MAX = 2**62

read_body = msgspec.json.Decoder(AgentBody).decode


class SqlAgentStore:
    """Keeps agents in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def add(self, agent: Agent) -> bool:
        """Store a new agent; False, and nothing stored, when its id or its canonical name is taken."""
        row = write_agent(agent)
        async with self.database.transaction() as tx:
            if not await tx.execute("add_agent", row):
                return False
            await tx.execute("add_agent_version", row)
        return True

    async def find(self, tenant_id: UUID, agent_id: UUID) -> Agent | None:
        """Find an agent as it stands."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_agent", {"tenant_id": tenant_id, "id": agent_id})
        return read_agent(row) if row else None

    async def find_by_name(self, tenant_id: UUID, canonical_name: str) -> Agent | None:
        """Find an agent by its canonical name."""
        where = {"tenant_id": tenant_id, "canonical_name": canonical_name}
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_agent_by_name", where)
        return read_agent(row) if row else None

    async def update(self, tenant_id: UUID, agent_id: UUID, change: Callable[[Agent], Agent]) -> Agent | None:
        """Store what ``change`` makes of an agent as its next version; what it leaves alone makes none."""
        async with self.database.transaction() as tx:
            await tx.fetch_one("hold_tenant", {"tenant_id": tenant_id})
            row = await tx.fetch_one("lock_agent", {"tenant_id": tenant_id, "id": agent_id})
            if row is None:
                return None
            before = read_agent(row)
            agent = change(before)
            if (agent.body, agent.metadata) == (before.body, before.metadata):
                return before
            agent = msgspec.structs.replace(agent, version=before.version + 1)
            await check_name(tx, agent)
            await tx.execute("change_agent", write_agent(agent))
            await tx.execute("add_agent_version", write_agent(agent))
        return agent

    async def list_agents(self, tenant_id: UUID, listing: Listing) -> Page[Agent]:
        """List a tenant's agents."""
        async with self.database.reading() as tx:
            rows = await tx.fetch_all(list_query("list_agents", listing), list_where(tenant_id, listing))
        return Page([read_agent(row) for row in rows[: listing.limit]], has_more=len(rows) > listing.limit)

    async def list_versions(self, agent: Agent, *, before: int | None, limit: int) -> Page[Agent]:
        """List the versions of an agent, newest first, those before version ``before``."""
        where = {"tenant_id": agent.tenant_id, "id": agent.id, "before": before or VERSION_MAX, "limit": limit + 1}
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_agent_versions", where)
        return Page([read_version(agent, row) for row in rows[:limit]], has_more=len(rows) > limit)

    async def find_version(self, agent: Agent, version: int) -> Agent | None:
        """Find an agent as it was."""
        where = {"tenant_id": agent.tenant_id, "id": agent.id, "version": version}
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_agent_version", where)
        return read_version(agent, row) if row else None

    async def delete(self, tenant_id: UUID, agent_id: UUID) -> bool:
        """Delete an agent with its versions; False when there is none."""
        which = {"tenant_id": tenant_id, "id": agent_id}
        async with self.database.transaction() as tx:
            await tx.execute("remove_agent_versions", which)
            return bool(await tx.execute("remove_agent", which))


async def check_name(tx: Transaction, agent: Agent) -> None:
    """Raise Conflict when the agent's canonical name is another's; the tenant is held, so that it stays so."""
    name = agent.body.canonical_name
    if name is None:
        return
    row = await tx.fetch_one("find_agent_by_name", {"tenant_id": agent.tenant_id, "canonical_name": name})
    if row and as_id(row[1]) != agent.id:
        raise Conflict(f"There is an agent '{name}' already.", code="agent_exists", param="canonical_name")


def read_agent(row: Row) -> Agent:
    """A row of ``agents``."""
    tenant_id, id_, version, created_at, updated_at, metadata, body = row
    return Agent(
        tenant_id=as_id(tenant_id),
        id=as_id(id_),
        version=version,
        created_at=as_time(created_at),
        updated_at=as_time(updated_at),
        metadata=read_metadata(metadata),
        body=read_body(body),
    )


def read_version(agent: Agent, row: Row) -> Agent:
    """An agent as a row of ``agent_versions`` has it."""
    version, created_at, metadata, body = row
    return msgspec.structs.replace(
        agent,
        version=version,
        updated_at=as_time(created_at),
        metadata=read_metadata(metadata),
        body=read_body(body),
    )


def write_agent(agent: Agent) -> dict[str, Any]:
    """An agent as the parameters of its queries."""
    return {
        "tenant_id": agent.tenant_id,
        "id": agent.id,
        "version": agent.version,
        "created_at": as_ms(agent.created_at),
        "updated_at": as_ms(agent.updated_at),
        "canonical_name": agent.body.canonical_name,
        "metadata": as_json(agent.metadata),
        "body": as_json(agent.body),
    }
