"""What listings of agents, sessions and runs need from the store besides the rows themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from multiturn.model.overview import AgentSessionFilter, AgentUse, Overview
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.run import Run


class OverviewStore(Protocol):
    """Counts, and reads of many runs at once."""

    async def count_agents(self, tenant_id: UUID) -> int:
        """Count the agents of a tenant."""
        ...

    async def tell_use(
        self, tenant_id: UUID, agent_ids: Sequence[UUID], *, owner_id: UUID | None, now: datetime
    ) -> Mapping[UUID, AgentUse]:
        """Tell how much agents are used, in the sessions of one user where it is named."""
        ...

    async def list_agent_sessions(self, tenant_id: UUID, wanted: AgentSessionFilter, *, now: datetime) -> Overview:
        """List the sessions that an agent takes part in. One with words reads what was said: a scan."""
        ...

    async def list_runs(self, tenant_id: UUID, session_id: UUID, *, offset: int, limit: int) -> Sequence[Run]:
        """List a session's runs, oldest first."""
        ...

    async def load_runs(self, tenant_id: UUID, run_ids: Sequence[UUID]) -> Mapping[UUID, Run]:
        """Load those of these runs that are there."""
        ...

    async def load_retrieved(self, tenant_id: UUID, run_ids: Sequence[UUID]) -> Mapping[UUID, RetrievedContext]:
        """Load what was retrieved for these runs."""
        ...
