"""The text of an item, read part by part, as long as it may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from multiturn.engine.ports_ingestion import PartStore
from multiturn.model.segment import Modality, Segment

# So many parts are in memory at once, whatever the length of the item.
PARTS_AT_ONCE = 200

Part = tuple[int, Segment]


async def walk_parts(
    parts: PartStore, tenant_id: UUID, item_id: UUID, *, after: int = -1, modality: Modality | None = None
) -> AsyncGenerator[Part]:
    """The parts of an item in their order, from those that begin behind character ``after`` on, of one modality or
    all; turns pass between them.
    """
    while True:
        batch = await parts.list_parts(tenant_id, item_id, after=after, limit=PARTS_AT_ONCE, modality=modality)
        for part in batch:
            yield part
            await asyncio.sleep(0)
        if len(batch) < PARTS_AT_ONCE:
            return
        after = batch[-1][0]


async def list_page_parts(
    parts: PartStore, tenant_id: UUID, item_id: UUID, first: int, last: int, *, limit: int
) -> list[Part]:
    """The parts of the pages ``first`` to ``last``, so many at most; pages come in their order."""
    found: list[Part] = []
    async with aclosing(walk_parts(parts, tenant_id, item_id)) as walked:
        async for starts, part in walked:
            page = part.place.page or 0
            if page > last or len(found) >= limit:
                break
            if part.place.page is not None and page >= first:
                found.append((starts, part))
    return found
