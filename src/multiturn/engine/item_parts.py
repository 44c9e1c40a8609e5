"""The text of an item, read part by part, as long as it may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

from multiturn.engine.ports_ingestion import PartStore
from multiturn.model.segment import Modality, Segment

# So many parts are in memory at once, whatever the length of the item.
PARTS_AT_ONCE = 200


async def walk_parts(
    parts: PartStore, tenant_id: UUID, item_id: UUID, *, modality: Modality | None = None
) -> AsyncGenerator[tuple[int, Segment]]:
    """The parts of an item in their order, of one modality or all; turns pass between them."""
    after = -1
    while batch := await parts.list_parts(tenant_id, item_id, after=after, limit=PARTS_AT_ONCE, modality=modality):
        for part in batch:
            yield part
            await asyncio.sleep(0)
        after = batch[-1][0]
