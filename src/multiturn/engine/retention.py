"""What is forgotten, and what a server that died left behind."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from multiturn.engine.ports import Clock, RetentionStore, ServerStore, TurnStore
from multiturn.engine.runs import Runs
from multiturn.errors import TurnConflict
from multiturn.model.run import INTERRUPTED, Run
from multiturn.model.turn import Ending, Lease
from multiturn.observe import Metrics

# DESIGN 8.8: an idempotency key lives a day.
KEYS_LIFE = timedelta(hours=24)
BATCH_ROWS = 200
# DESIGN section 2: a session is usable again when the lease of a server that died lapses.
LEASE_S = 10.0
# A run is among the live ones a moment after it was stored, and leaves them when its end was tried for some seconds.
LOST_AFTER = timedelta(seconds=LEASE_S)
ORPHANS_PER_LOOK = 50


class Retention:
    """Forgets what has had its time, in small batches so that turns never wait."""

    def __init__(self, store: RetentionStore, clock: Clock, metrics: Metrics, *, events_life: timedelta) -> None:
        self.store = store
        self.events_life = events_life
        self.clock = clock
        self.metrics = metrics

    async def sweep(self) -> int:
        """Take one small batch of everything that is due; tells how much it found, 0 when there is nothing left."""
        now = self.clock()
        retired = await self.store.retire_expired(now, limit=BATCH_ROWS)
        erased = await self.store.erase_batch(limit=BATCH_ROWS)
        events = await self.store.expire_events(now - self.events_life, limit=BATCH_ROWS)
        keys = await self.store.expire_idempotency(now - KEYS_LIFE, limit=BATCH_ROWS)
        self.metrics.erased.inc(erased + events + keys)
        return retired + erased + events + keys

    async def vacuum(self) -> None:
        """Leave no erased bytes behind in files of our own."""
        await self.store.vacuum()


class Recovery:
    """Says that this server lives, and ends the runs of servers that do not."""

    def __init__(self, server_id: UUID, servers: ServerStore, turns: TurnStore, runs: Runs, clock: Clock) -> None:
        self.server_id = server_id
        self.servers = servers
        self.turns = turns
        self.runs = runs
        self.clock = clock

    async def beat(self) -> None:
        """Renew the lease of all this server's turns; hear of cancellations whose notice was lost."""
        await self.servers.beat(self.server_id, lease_s=LEASE_S)
        for run_id in await self.servers.list_cancelled(self.server_id):
            self.runs.cancel_here(run_id)

    async def recover(self) -> int:
        """End the unfinished runs that nobody executes any more, with what they had said; their sessions go on.

        Tells how many. They belong to servers that died, or are our own whose end the database did not take.
        """
        orphans = await self.servers.list_orphans(self.server_id, limit=ORPHANS_PER_LOOK)
        lost = await self.servers.list_lost(self.server_id, self.runs, before=self.clock() - LOST_AFTER)
        ended = 0
        for run, lease in (*orphans, *lost):
            ended += await self._interrupt(run, lease)
        return ended

    async def _interrupt(self, run: Run, lease: Lease | None) -> bool:
        ending = Ending(
            status="failed",
            ended_at=self.clock(),
            after=0,
            output=await self.runs.load_partial(run),
            error=INTERRUPTED,
        )
        try:
            if lease is None:
                return await self.turns.leave(run.tenant_id, run.id, ending)
            await self.turns.end(run.tenant_id, lease, ending)
        except TurnConflict:
            # Another server was faster.
            return False
        return True

    async def leave(self) -> None:
        """Say goodbye: nothing is ours any more."""
        await self.servers.leave(self.server_id)
