"""The work on a file that was put in: fetched where it is elsewhere, looked at, and made ready or refused; then its
thumbnail, and its HLS where that was asked for.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import replace

from multiturn.engine.ingestion.equipment import (
    LATER,
    Equipment,
    Stopped,
    Verdict,
    check_deaths,
    explain,
    find_verdict,
    is_passing,
)
from multiturn.errors import MultiturnError
from multiturn.model.asset import Asset, Probe
from multiturn.model.job import Job

log = logging.getLogger(__name__)

OPEN = ("pending", "processing")


class AssetWork:
    """Makes one asset ready for a job."""

    def __init__(self, equipment: Equipment, job: Job) -> None:
        self.equipment = equipment
        self.job = job
        self.asset: Asset | None = None

    @property
    def is_last(self) -> bool:
        """Whether a failure now is the last one."""
        return self.job.tries + 1 >= self.equipment.tries_max

    async def run(self) -> None:
        """Do what is left of it. Raises Stopped when the asset is gone, and what kept it from being ready."""
        self.asset = asset = await self.equipment.assets.find(self.job.tenant_id, self.job.subject_id)
        if asset is None:
            raise Stopped(f"asset {self.job.subject_id} is gone")
        check_deaths(self.job.deaths)
        if asset.status == "processing":
            asset = self.asset = await self.equipment.files.fetch(asset)
            async with self.equipment.files.open_local(asset) as path:
                await self._accept(path)
        asset = self._get()
        if asset.status != "ready" or (asset.thumbnail not in OPEN and asset.hls not in OPEN):
            return
        async with self.equipment.files.open_local(asset) as path:
            await self._make_thumbnail(path)
            await self._make_hls(path)

    async def _accept(self, path: Path) -> None:
        """Find out what a file is. Raises UnreadableFile when it is nothing that is read."""
        asset = self._get()
        probe = await self.equipment.readers.probe(path, asset.filename)
        self.equipment.files.check_size(asset, probe)
        await self._save(
            status="ready",
            kind=probe.kind,
            mime=probe.mime,
            duration_s=probe.duration_s,
            pages=probe.pages,
            technical=describe(asset, probe),
            error=None,
        )

    async def _make_thumbnail(self, path: Path) -> None:
        """Make the thumbnail; what has no picture has none, and that it fails costs nothing else."""
        asset = self._get()
        if asset.thumbnail not in OPEN:
            return
        try:
            jpeg = await self.equipment.readers.make_thumbnail(path, probe_of(asset))
            if jpeg:
                await self.equipment.files.save_thumbnail(asset, jpeg)
        except MultiturnError as error:
            self._raise_passing(error)
            log.info("asset %s has no thumbnail: %s", asset.id, error)
            await self._save(thumbnail="error")
            return
        await self._save(thumbnail="ready" if jpeg else "none")

    async def _make_hls(self, path: Path) -> None:
        """Make the files that a player streams; the reason, where the file's streams cannot be played so."""
        asset = self._get()
        if asset.hls not in OPEN:
            return
        await self._save(hls="processing")
        folder = await asyncio.to_thread(TemporaryDirectory, prefix="multiturn-hls-")
        try:
            await self.equipment.readers.make_hls(path, Path(folder.name))
            await self.equipment.files.save_hls(asset, Path(folder.name))
        except MultiturnError as error:
            self._raise_passing(error)
            await self._save(hls="error", hls_error=error.message)
            return
        finally:
            await asyncio.to_thread(folder.cleanup)
        await self._save(hls="ready", hls_error=None)

    def _raise_passing(self, error: MultiturnError) -> None:
        """Raise again what may pass, while there are tries."""
        if is_passing(error) and not self.is_last:
            raise error

    async def settle(self, error: Exception) -> Verdict | None:
        """Say why the asset is not ready; None when it is not tried again."""
        if isinstance(error, Stopped):
            return None
        verdict = find_verdict(error, self.job.tries, self.equipment.tries_max)
        if self.asset is None:
            return verdict or LATER
        if verdict is None:
            await self._give_up(explain(error, "Looking at the file"))
        return verdict

    async def _give_up(self, reason: str) -> None:
        """A file that is not ready has failed; one that is, does without what could not be made of it."""
        asset = self._get()
        try:
            if asset.status == "ready":
                hls = {"hls": "error", "hls_error": reason} if asset.hls in OPEN else {}
                thumbnail = {"thumbnail": "error"} if asset.thumbnail in OPEN else {}
                await self._save(**hls, **thumbnail)
                return
            none = {name: "none" for name in ("hls", "thumbnail") if getattr(asset, name) in OPEN}
            await self._save(status="failed", error=reason, **none)
        except Stopped:
            return
        log.info("asset %s failed: %s", asset.id, reason)

    def _get(self) -> Asset:
        """The asset as it stands."""
        assert self.asset is not None
        return self.asset

    async def _save(self, **changes: Any) -> None:
        """Store what is known of the asset now. Raises Stopped when it was deleted meanwhile."""
        changed = replace(self._get(), updated_at=self.equipment.clock(), **changes)
        if not await self.equipment.files.save(changed):
            raise Stopped(f"asset {changed.id} is gone")
        self.asset = changed


def describe(asset: Asset, probe: Probe) -> dict[str, Any]:
    """The facts of a file: what its reader told, its size and what it is."""
    return {**probe.technical, "file_size_bytes": asset.size_bytes, "file_mime_type": probe.mime}


def probe_of(asset: Asset) -> Probe:
    """What an asset is by its content, as it was found when it came."""
    assert asset.kind is not None
    return Probe(
        kind=asset.kind, mime=asset.mime, duration_s=asset.duration_s, pages=asset.pages, technical=asset.technical
    )
