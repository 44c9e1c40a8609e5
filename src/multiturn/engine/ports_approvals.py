"""The interface of where runs are kept that wait for a person's word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from multiturn.model.turn import Decision, Lease, TakenUp, Waiting


class ApprovalStore(Protocol):
    """Keeps runs that wait for a person's word; meanwhile their sessions take no other turn."""

    async def wait(self, tenant_id: UUID, lease: Lease, waiting: Waiting) -> None:
        """Store what a run needs to go on, and give its lease back.

        Raises TurnConflict, and stores nothing, when the lease was lost; RunCancelled when it was to be cancelled.
        """
        ...

    async def find(self, tenant_id: UUID, run_id: UUID) -> TakenUp | None:
        """Tell which calls of a run still wait, and what was said of the others; None where it does not wait."""
        ...

    async def take_up(
        self, tenant_id: UUID, run_id: UUID, decisions: Sequence[Decision], *, server_id: UUID
    ) -> TakenUp | None:
        """Note what a person said. When nothing of the run waits any more, this server takes its session's lease and
        everything that it needs; None, and nothing noted, where it does not wait.

        Raises NotFound (``call_not_found``) for a call that is none of those that wait, Conflict (``approval_given``)
        for one of which something else was said before.
        """
        ...

    async def give_up(self, tenant_id: UUID, run_id: UUID, *, server_id: UUID) -> TakenUp | None:
        """Take up a run to end it, whatever was said; None where it does not wait."""
        ...

    async def list_expired(self, now: datetime, *, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """List some runs that have waited too long: (tenant id, run id) each."""
        ...
