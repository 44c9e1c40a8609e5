"""The work on an item: step by step, from the one that was begun last."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from multiturn.engine.ingestion.attempt import Attempt
from multiturn.engine.ingestion.equipment import LATER, Equipment, Stopped, Verdict, check_deaths, explain, find_verdict
from multiturn.engine.ingestion.item_index import chunk_item, embed_item, publish_item
from multiturn.engine.ingestion.reading import read_item
from multiturn.engine.ingestion.steps import STEPS
from multiturn.engine.ingestion.summing import name_item, sum_up
from multiturn.errors import UnreadableFile
from multiturn.model.asset import Asset
from multiturn.model.job import Job
from multiturn.model.store import Step, StoreItem

log = logging.getLogger(__name__)

FILE_GONE = "The file of this item was deleted."
UNSUMMED = "What it is about could not be told: {reason}"


class ItemWork:
    """Indexes one item for a job."""

    def __init__(self, equipment: Equipment, job: Job) -> None:
        self.equipment = equipment
        self.job = job
        self.attempt: Attempt | None = None

    async def run(self) -> None:
        """Do the steps that are left. Raises Stopped when the item is gone, and what kept it from being ready."""
        job = self.job
        item = (await self.equipment.registry.get_items(job.tenant_id, [job.subject_id])).get(job.subject_id)
        if item is None:
            raise Stopped(f"item {job.subject_id} is gone")
        if item.status in ("ready", "failed"):
            return
        asset = await self.equipment.assets.find(job.tenant_id, item.asset_id)
        self.attempt = attempt = Attempt(self.equipment, job, item, asset or missing_asset(item))
        if asset is None:
            raise UnreadableFile(FILE_GONE)
        check_deaths(job.deaths)
        for step in STEPS[STEPS.index(item.step) if item.step else 0 :]:
            begun = time.monotonic()
            await attempt.begin(step)
            await DO[step](attempt)
            await attempt.end_step()
            self.equipment.metrics.index_steps.labels(step).observe(time.monotonic() - begun)
        await attempt.save(status="ready", progress=100)
        self.equipment.metrics.indexed_files.labels("ready").inc()
        log.info("item %s of store %s is ready: %d chunks", item.id, item.store_id, attempt.item.chunks)

    async def settle(self, error: Exception) -> Verdict | None:
        """Say why the item is not ready; None when it is not tried again."""
        attempt = self.attempt
        if isinstance(error, Stopped):
            return None
        if attempt is None:
            return find_verdict(error, self.job.tries, self.equipment.tries_max) or LATER
        verdict = find_verdict(error, attempt.tries, self.equipment.tries_max)
        reason = explain(error, f"The step '{attempt.item.step}'")
        try:
            await self._tell(attempt, reason, verdict)
        except Stopped:
            return None
        return verdict

    async def _tell(self, attempt: Attempt, reason: str, verdict: Verdict | None) -> None:
        """Store why the item is not ready. What it is about is not needed for being found: without it, it is."""
        if verdict:
            again = f"It is tried again in {verdict.after.total_seconds():.0f} s."
            await attempt.save(status="queued", error=f"{reason} {again}")
            return
        if attempt.item.step == "summarise":
            attempt.note(UNSUMMED.format(reason=reason))
            await attempt.save(status="ready", progress=100, error=None)
            return
        attempt.check(await self.equipment.parts.clear_parts(self.job, attempt.item))
        await attempt.save(status="failed", error=reason, characters=0)
        self.equipment.metrics.indexed_files.labels("failed").inc()
        log.info("item %s of store %s failed: %s", attempt.item.id, attempt.item.store_id, reason)


async def probe_item(attempt: Attempt) -> None:
    """Note what the file is, as it was found when it was put in."""
    asset = attempt.asset
    if asset.status != "ready":
        raise UnreadableFile(asset.error or "The file is not ready: it was never looked at.")
    if not attempt.item.system:
        await attempt.save(system=describe_asset(asset))


async def chunk_named(attempt: Attempt) -> None:
    """Name the item, then cut it: its chunks are found by its title too."""
    await name_item(attempt)
    await chunk_item(attempt)


DO: Mapping[Step, Callable[[Attempt], Awaitable[None]]] = {
    "probe": probe_item,
    "read": read_item,
    "chunk": chunk_named,
    "embed": embed_item,
    "index": publish_item,
    "summarise": sum_up,
}


def describe_asset(asset: Asset) -> dict[str, Any]:
    """The facts of a file that belong to its item, by the names of the TwelveLabs API; those that it has."""
    technical = asset.technical
    facts = {
        "asset_type": asset.kind,
        "filename": asset.filename,
        "duration": asset.duration_s,
        "fps": technical.get("video_fps"),
        "width": technical.get("video_width") or technical.get("width"),
        "height": technical.get("video_height") or technical.get("height"),
        "codec_name": technical.get("video_codec") or technical.get("audio_codec"),
        "size": asset.size_bytes,
        "pages": asset.pages,
    }
    return {name: value for name, value in facts.items() if value is not None}


def missing_asset(item: StoreItem) -> Asset:
    """What stands for a file that is gone, so that this can be said of its item."""
    return Asset(
        id=item.asset_id,
        tenant_id=item.tenant_id,
        alias="",
        created_at=item.created_at,
        updated_at=item.updated_at,
        method="direct",
        status="failed",
        filename=item.title,
        mime="",
        error=FILE_GONE,
    )
