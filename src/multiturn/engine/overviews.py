"""Agents, sessions and runs as listings tell them: with counts, and page by page from their beginning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec.structs import replace

from multiturn.engine.ports import Clock
from multiturn.engine.ports_overviews import OverviewStore
from multiturn.model.agent import Agent
from multiturn.model.overview import AgentSessionFilter, AgentUse, Overview
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.run import Run
from multiturn.model.session import Session
from multiturn.model.tenant import Caller


class Overviews:
    """What a caller may see of how agents are used: a caller that acts for one user sees that user's sessions."""

    def __init__(self, store: OverviewStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    async def count_agents(self, caller: Caller) -> int:
        """How many agents the tenant has."""
        return await self.store.count_agents(caller.tenant_id)

    async def tell_use(self, caller: Caller, agents: Sequence[Agent]) -> Mapping[UUID, AgentUse]:
        """How much agents are used."""
        owner_id = caller.user_id if caller.is_bound else None
        ids = [agent.id for agent in agents]
        return await self.store.tell_use(caller.tenant_id, ids, owner_id=owner_id, now=self.clock())

    async def list_sessions(self, caller: Caller, wanted: AgentSessionFilter) -> Overview:
        """The sessions of an agent that the caller may see and a filter keeps."""
        if caller.is_bound:
            wanted = replace(wanted, owner_id=caller.user_id)
        return await self.store.list_agent_sessions(caller.tenant_id, wanted, now=self.clock())

    async def list_runs(self, session: Session, *, offset: int, limit: int) -> Sequence[Run]:
        """A session's runs, oldest first, whatever became of them."""
        return await self.store.list_runs(session.tenant_id, session.id, offset=offset, limit=limit)

    async def load_runs(self, session: Session, run_ids: Sequence[UUID]) -> Mapping[UUID, Run]:
        """The runs that items of a session came with, where they are still there."""
        return await self.store.load_runs(session.tenant_id, run_ids) if run_ids else {}

    async def load_retrieved(self, session: Session, run_ids: Sequence[UUID]) -> Mapping[UUID, RetrievedContext]:
        """What was retrieved for them."""
        return await self.store.load_retrieved(session.tenant_id, run_ids) if run_ids else {}
