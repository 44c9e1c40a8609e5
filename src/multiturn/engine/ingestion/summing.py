"""The step that sums up: what an item is about, and the facts that its store asks for."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from multiturn.engine.ingestion.attempt import Attempt
from multiturn.engine.ingestion.chunking import Placed
from multiturn.engine.ingestion.digest import DigestBuilder, find_title
from multiturn.engine.ingestion.extraction import extract_facts, find_schema
from multiturn.engine.ingestion.item_index import walk
from multiturn.engine.ingestion.sampling import Sample
from multiturn.errors import MultiturnError
from multiturn.model.store import Digest

log = logging.getLogger(__name__)

# What a title may be found in.
FIRST_PARTS = 3
NAMES = ("title", "name")


async def name_item(attempt: Attempt) -> None:
    """Give an item the title that it gives itself, where its owner gave none: its chunks are found by it."""
    item, asset, parts = attempt.item, attempt.asset, attempt.equipment.parts
    if any(item.metadata.get(name) for name in NAMES) or item.title != asset.filename:
        return
    first: list[Placed] = [
        Placed(*found)
        for modality in ("screen", "text")
        for found in await parts.list_parts(item.tenant_id, item.id, limit=FIRST_PARTS, modality=modality)
    ]
    told = asset.technical.get("title")
    title = find_title(asset.filename, told if isinstance(told, str) else None, first)
    if title != item.title:
        await parts.rename(attempt.job, item, title)
        attempt.item = msgspec.structs.replace(item, title=title)


async def sum_up(attempt: Attempt) -> None:
    """Tell what an item is about, and extract what its store asks for. What a model cannot do is noted, and does not
    keep the item from being ready.
    """
    item = attempt.item
    builder = DigestBuilder(item.characters)
    sample = Sample(item.characters)
    async for placed in walk(attempt.equipment.parts, item):
        builder.add(placed)
        sample.add(placed)
    digest = await asyncio.to_thread(builder.build, item.title)
    await attempt.advance(0.3)
    digest = await write_summary(attempt, digest, sample)
    attempt.item = msgspec.structs.replace(attempt.item, digest=digest)
    await attempt.advance(0.5)
    facts = await find_facts(attempt, sample)
    attempt.item = msgspec.structs.replace(attempt.item, facts=facts)


async def write_summary(attempt: Attempt, digest: Digest, sample: Sample) -> Digest:
    """The digest with a summary by the model, where one is to write it."""
    extractor = attempt.equipment.extractor
    if extractor is None or not sample.list_windows():
        return digest
    try:
        text = await extractor.summarise(digest.title, sample.write())
    except MultiturnError as error:
        log.info("the summary of item %s is of its own sentences: %s", attempt.item.id, error)
        attempt.note(f"The model wrote no summary; these are sentences of its own ({error.message})")
        return digest
    return msgspec.structs.replace(digest, summary=text, model=extractor.model) if text else digest


async def find_facts(attempt: Attempt, sample: Sample) -> dict[str, object]:
    """What the store's ingestion configuration asks for; nothing where it asks for nothing, or the model failed."""
    equipment, item = attempt.equipment, attempt.item
    extractor, windows = equipment.extractor, sample.list_windows()
    store = await equipment.registry.find(item.tenant_id, item.store_id)
    if store is None or not store.ingestion or extractor is None or not windows:
        return {}
    try:
        schema = await find_schema(equipment.parts, extractor, store.ingestion, item)
        if schema is None:
            return {}
        facts = await extract_facts(extractor, schema, windows)
        if missing := [name for name in schema.get("required", []) if name not in facts]:
            attempt.note(f"It does not say what the store asks for: {', '.join(missing)}.")
        return facts
    except MultiturnError as error:
        log.info("no facts were extracted of item %s: %s", item.id, error)
        attempt.note(f"What the store asks of each item was not extracted: {error.message}")
        return {}
