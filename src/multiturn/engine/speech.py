"""What is spoken in assets: the speech that was read of them, wherever they are indexed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from msgspec import Struct

from multiturn.engine.item_parts import walk_parts
from multiturn.engine.ports_assets import AssetStore
from multiturn.engine.ports_ingestion import PartStore
from multiturn.errors import NotFound
from multiturn.model.segment import Segment

TranscriptStatus = Literal["pending", "processing", "ready", "failed"]
STATUSES: Mapping[str, TranscriptStatus] = {"ready": "ready", "failed": "failed", "processing": "processing"}


class Transcript(Struct, frozen=True, kw_only=True):
    """What is spoken in an asset, in its order, when it is ``ready``; ``error`` says why it failed."""

    status: TranscriptStatus
    segments: tuple[Segment, ...] = ()
    error: str | None = None


class Speech:
    """Transcripts of assets."""

    def __init__(self, assets: AssetStore, parts: PartStore) -> None:
        self.assets = assets
        self.parts = parts

    async def read(self, tenant_id: UUID, asset_id: UUID) -> Transcript:
        """The transcript of an asset: of its newest item that is ready, else how far the newest is.

        Raises NotFound (``transcript_not_found``) when no store reads it, or nothing is spoken in it.
        """
        reading = await self.assets.find_read_item(tenant_id, asset_id)
        if reading is None:
            text = "The asset has no transcript: it is in no knowledge store. Put it into one, and it is read."
            raise NotFound(text, code="transcript_not_found", param="asset_id")
        status = STATUSES.get(reading.status, "pending")
        if status != "ready":
            return Transcript(status=status, error=reading.error)
        spoken = walk_parts(self.parts, tenant_id, reading.item_id, modality="speech")
        segments = tuple([segment async for _, segment in spoken])
        if not segments:
            raise NotFound("Nothing is spoken in the asset.", code="transcript_not_found", param="asset_id")
        return Transcript(status="ready", segments=segments)
