"""One attempt at indexing an item: how far it is, stored as it goes."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from multiturn.engine.ingestion.equipment import Equipment, Stopped
from multiturn.engine.ingestion.steps import measure
from multiturn.model.asset import Asset
from multiturn.model.job import Job
from multiturn.model.store import Step, StoreItem

# Progress is stored at most so often: each time is a write to the disk.
SAVE_EVERY_S = 1.0
NOTES_MAX = 20


class Attempt:
    """An item that is being indexed for a job. What cannot be stored because the job was lost raises Stopped."""

    def __init__(self, equipment: Equipment, job: Job, item: StoreItem, asset: Asset) -> None:
        self.equipment = equipment
        self.job = job
        self.item = item
        self.asset = asset
        self.tries = job.tries
        self.saved_at = float("-inf")

    async def begin(self, step: Step) -> None:
        """Begin a step; from here on a restart goes on with it."""
        progress = measure(self.item.kind, step, 0)
        await self.save(status="processing", step=step, progress=progress, error=None)

    async def end_step(self) -> None:
        """The step came through: what failed before counts no more."""
        if self.tries or self.job.deaths:
            await self.equipment.jobs.renew(self.job)
            self.tries = 0

    async def advance(self, share: float) -> None:
        """Say how much of the step is done; stored now and then."""
        assert self.item.step
        progress = measure(self.item.kind, self.item.step, share)
        if progress > self.item.progress and time.monotonic() - self.saved_at >= SAVE_EVERY_S:
            await self.save(progress=progress)

    def note(self, text: str) -> None:
        """Tell a person something of how the item was read; stored with the next progress."""
        if text not in self.item.notes and len(self.item.notes) < NOTES_MAX:
            self.item = msgspec.structs.replace(self.item, notes=(*self.item.notes, text))

    async def save(self, **changes: Any) -> None:
        """Change what is known of the item."""
        changed = msgspec.structs.replace(self.item, updated_at=self.equipment.clock(), **changes)
        self.check(await self.equipment.parts.save_progress(self.job, changed))
        self.item, self.saved_at = changed, time.monotonic()

    def check(self, is_stored: bool) -> None:
        """Raises Stopped for what was not stored."""
        if not is_stored:
            raise Stopped(f"the job of item {self.item.id} is somebody else's now, or the item is gone")
