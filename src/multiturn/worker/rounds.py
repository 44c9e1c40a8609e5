"""The rounds of a server: heartbeat, recovery, checkpoints of streams, the sweeper, and chores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from multiturn.engine.retention import LEASE_S, Recovery, Retention
from multiturn.engine.runs import Runs
from multiturn.worker.crew import Crew, repeat

BEAT_S = 2.5
# DESIGN section 2: when the process is killed, what was streamed is lost for at most one second.
CHECKPOINT_S = 0.5
# How long a long document, or what was said, waits until its vectors are begun.
CHORES_S = 2.0
# Between two small batches the sweeper lets turns pass.
BREATH_S = 0.01


class Rounds:
    """Begins and ends the background work of one server."""

    def __init__(
        self,
        recovery: Recovery,
        retention: Retention,
        runs: Runs,
        chores: Sequence[Callable[[], Awaitable[int]]],
        *,
        sweep_every_s: float,
    ) -> None:
        self.recovery = recovery
        self.retention = retention
        self.runs = runs
        self.chores = chores
        self.sweep_every_s = sweep_every_s
        self.crew = Crew()
        self.beat_at = float("-inf")

    @property
    def is_beating(self) -> bool:
        """Whether the database has heard of this server within the length of a lease: its turns are its own."""
        return time.monotonic() - self.beat_at < LEASE_S

    async def begin(self) -> None:
        """Say that this server lives, then begin the rounds.

        What a server that died left behind is ended on the first of them.
        """
        await self._beat()
        await self._recover()
        self.crew.spawn(repeat(self._beat, every_s=BEAT_S))
        self.crew.spawn(repeat(self._recover, every_s=BEAT_S))
        self.crew.spawn(repeat(self.runs.checkpoint, every_s=CHECKPOINT_S))
        self.crew.spawn(repeat(self._sweep, every_s=self.sweep_every_s))
        self.crew.spawn(repeat(self._do_chores, every_s=CHORES_S))

    async def _beat(self) -> None:
        await self.recovery.beat()
        self.beat_at = time.monotonic()

    async def _recover(self) -> None:
        """Beside the heartbeat: a server that died may have left more than can be ended within a lease."""
        await until_nothing(self.recovery.recover)

    async def _sweep(self) -> None:
        if await until_nothing(self.retention.sweep):
            await self.retention.vacuum()

    async def _do_chores(self) -> None:
        """Do what is due: vectors for what was stored without, or with those of another model; runs that have waited
        for a person's word for too long.
        """
        for chore in self.chores:
            await until_nothing(chore)

    async def end(self) -> None:
        """End the rounds."""
        await self.crew.finish(limit_s=0)
        await self.recovery.leave()


async def until_nothing(work: Callable[[], Awaitable[int]]) -> int:
    """Do small batches of work until nothing is left, with a breath between them. Tells how much there was."""
    done = 0
    while batch := await work():
        done += batch
        await asyncio.sleep(BREATH_S)
    return done
