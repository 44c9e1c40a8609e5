"""A person's word about the calls of a run: what waits for it, and what happens when it is given, or is not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from multiturn.engine.ports import Clock
from multiturn.engine.ports_approvals import ApprovalStore
from multiturn.engine.turns import Turns
from multiturn.errors import Conflict, MultiturnError
from multiturn.model.run import Run
from multiturn.model.step import ToolCall
from multiturn.model.turn import Decision

EXPIRED_PER_LOOK = 50
CANCEL_AGAIN_S = 0.5
TOO_LATE = "Nobody answered in time."


class Approvals:
    """Decides about calls that wait. A run whose calls were all decided goes on, on the server that heard the last."""

    def __init__(self, store: ApprovalStore, turns: Turns, clock: Clock) -> None:
        self.store = store
        self.turns = turns
        self.clock = clock

    async def list_waiting(self, run: Run) -> Sequence[ToolCall]:
        """List the calls of a run that wait for a word. Raises Conflict (``run_not_waiting``)."""
        found = await self.store.find(run.tenant_id, run.id)
        if found is None:
            raise not_waiting(run)
        return found.calls

    async def decide(self, run: Run, decisions: Sequence[Decision]) -> Run:
        """Say whether calls may run; the run as it stands then. The same word again changes nothing while it waits.

        Raises Conflict (``run_not_waiting``, ``approval_given``), NotFound (``call_not_found``).
        """
        with self.turns.parts.runs.expecting(run):
            taken = await self.store.take_up(run.tenant_id, run.id, decisions, server_id=self.turns.server_id)
            if taken is None:
                raise not_waiting(run)
            return self.turns.take_up(taken).run if taken.begun else run

    async def cancel(self, run: Run) -> Run:
        """Cancel a run, also one that waits; what it had said enters the history. The run as it stands afterwards."""
        while True:
            with self.turns.parts.runs.expecting(run):
                taken = await self.store.give_up(run.tenant_id, run.id, server_id=self.turns.server_id)
                if taken and taken.begun:
                    run = self.turns.take_up(taken, is_cancelled=True).run
            # It may have begun to wait just behind that look: then it is there at the next.
            with suppress(TimeoutError):
                async with asyncio.timeout(CANCEL_AGAIN_S):
                    return await self.turns.parts.runs.cancel(run)

    async def expire(self) -> int:
        """Take the silence of a person for a no, where a run has waited too long; tells how many runs."""
        late = await self.store.list_expired(self.clock(), limit=EXPIRED_PER_LOOK)
        ended = 0
        for tenant_id, run_id in late:
            run = await self.turns.parts.runs.store.find(tenant_id, run_id)
            found = await self.store.find(tenant_id, run_id)
            if run is None or found is None:
                continue
            words = [Decision(call_id=call.call_id, approved=False, reason=TOO_LATE) for call in found.calls]
            try:
                await self.decide(run, words)
                ended += 1
            except MultiturnError:
                # A person, or another server, was faster.
                continue
        return ended


def not_waiting(run: Run) -> Conflict:
    """The error of a word about a run that does not wait."""
    return Conflict(f"The run {run.id} does not wait for approval.", code="run_not_waiting", param="run_id")
