"""What usage and its prices need from outside: interfaces that the store and the table of prices fit by shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from multiturn.model.usage import Spender, UsageQuery, UsageRow, Used


class UsageStore(Protocol):
    """Keeps what was used on each day; it outlives sessions.

    Turns of sessions are entered by ``TurnStore`` when they end, in the same transaction.
    """

    async def add(self, used: Mapping[Spender, Used]) -> None:
        """Enter what was used beside sessions."""
        ...

    async def sum_days(self, tenant_id: UUID, *, user_id: UUID | None = None, first: int, last: int) -> Used:
        """Sum up what a tenant, or one user of it, used from day ``first`` to ``last``, both included."""
        ...

    async def sum_session(self, tenant_id: UUID, session_id: UUID) -> Used:
        """Tell what a session used in all its life; nothing where there is none."""
        ...

    async def list_usage(self, tenant_id: UUID, query: UsageQuery, *, limit: int) -> Sequence[UsageRow]:
        """List what was used, newest period first, the most expensive of it first, at most ``limit`` rows."""
        ...
