"""The steps between an item's text and its being found: chunks with their words, vectors, and the whole of it shown to
searches at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import get_args
from uuid import UUID

import msgspec

from multiturn.engine.ingestion.attempt import Attempt
from multiturn.engine.ingestion.chunking import Placed, cut_part, describe_chunk
from multiturn.engine.ingestion.equipment import Stopped
from multiturn.engine.item_parts import walk_parts
from multiturn.engine.ports import Clock, Embedder
from multiturn.engine.ports_ingestion import PartStore
from multiturn.engine.search.pieces import Span
from multiturn.engine.search.segment import Entry, build_segment, decode_segment, with_vectors
from multiturn.engine.search.terms import TermReader
from multiturn.errors import RateLimited, Unavailable, UpstreamError
from multiturn.model.knowledge import DocumentSegment
from multiturn.model.segment import Modality
from multiturn.model.store import StoreItem

log = logging.getLogger(__name__)

# A segment is what is embedded in one step, and what is lost of that work when a worker dies.
SEGMENT_CHUNKS = 32
MODALITIES: Sequence[Modality] = get_args(Modality)
# An embedder that loads is there by then; nobody waits for one that is gone, for the words are found without it.
EMBED_TRIES = 3
# An item whose vectors failed is tried again after this time.
CLAIM = timedelta(seconds=60)
WITHOUT_VECTORS = "It is found by its words alone until the embedding model answers, and then by its meaning too."


async def walk(parts: PartStore, item: StoreItem, modality: Modality | None = None) -> AsyncIterator[Placed]:
    """The parts of an item with their places, of one modality or all."""
    async for starts, part in walk_parts(parts, item.tenant_id, item.id, modality=modality):
        yield Placed(starts, part)


async def chunk_item(attempt: Attempt) -> None:
    """Cut the parts of an item into chunks and store the index of their words. A segment holds chunks of one modality;
    the same parts give the same segments, so that a restart may do it again.
    """
    item, parts = attempt.item, attempt.equipment.parts
    reader, done = TermReader(), 0
    chunks = segments = 0
    for modality in MODALITIES:
        entries: list[Entry] = []
        async for placed in walk(parts, item, modality):
            entries += cut_part(item.title, placed, chunks + len(entries))
            done += len(placed.part.text)
            while len(entries) >= SEGMENT_CHUNKS:
                batch, entries = entries[:SEGMENT_CHUNKS], entries[SEGMENT_CHUNKS:]
                await store_entries(attempt, segments, batch, modality, reader)
                chunks, segments = chunks + len(batch), segments + 1
                await attempt.advance(done / max(item.characters, 1))
        if entries:
            await store_entries(attempt, segments, entries, modality, reader)
            chunks, segments = chunks + len(entries), segments + 1


async def store_entries(
    attempt: Attempt, number: int, entries: Sequence[Entry], modality: Modality, reader: TermReader
) -> None:
    """Store a segment; turns pass before the next."""
    body = build_segment(entries, reader).encode()
    segment = DocumentSegment(item_id=attempt.item.id, number=number, model=None, body=body, modality=modality)
    attempt.check(await attempt.equipment.parts.add_segments(attempt.job, attempt.item, [segment]))
    await asyncio.sleep(0)


async def embed_item(attempt: Attempt) -> None:
    """Give the segments vectors that have none of the present model. Where the embedder is away for longer than a few
    tries, the item is found by its words, and the background makes the vectors when it is back.
    """
    equipment, item = attempt.equipment, attempt.item
    if equipment.embedder is None:
        return
    segments = await equipment.parts.list_segments(item.tenant_id, item.store_id, item.id)
    due = [number for number, model in segments if model != equipment.embedder.model]
    for place, number in enumerate(due):
        stored = await equipment.parts.find_segment(item, number)
        if stored is None:
            raise Stopped(f"item {item.id} lost a segment")
        try:
            embedded = await Vectors(equipment.parts, equipment.embedder).embed(item.tenant_id, item.title, stored)
        except (Unavailable, UpstreamError, RateLimited) as error:
            if attempt.tries + 1 < EMBED_TRIES:
                raise
            attempt.note(f"{WITHOUT_VECTORS} ({error.message})")
            return
        attempt.check(await equipment.parts.add_segments(attempt.job, item, [embedded]))
        await attempt.advance((len(segments) - len(due) + place + 1) / len(segments))


async def publish_item(attempt: Attempt) -> None:
    """Show the item to searches, whole. Raises TooLarge when its store is full."""
    parts, item = attempt.equipment.parts, attempt.item
    segments = await parts.list_segments(item.tenant_id, item.store_id, item.id)
    last = await parts.find_segment(item, segments[-1][0]) if segments else None
    chunks = int(decode_segment(last.body).numbers[-1]) + 1 if last else 0
    attempt.item = msgspec.structs.replace(item, chunks=chunks)
    attempt.check(await parts.publish(attempt.job, attempt.item))


class Vectors:
    """Makes the vectors of items whose text is kept by parts."""

    def __init__(self, parts: PartStore, embedder: Embedder) -> None:
        self.parts = parts
        self.embedder = embedder

    async def embed(self, tenant_id: UUID, title: str, stored: DocumentSegment) -> DocumentSegment:
        """A segment with vectors. Raises Stopped when the text is gone, and what the embedder raises."""
        segment = decode_segment(stored.body)
        spans = [Span(*span) for span in zip(segment.starts.tolist(), segment.ends.tolist(), strict=True)]
        found = await self.parts.find_parts(tenant_id, [(stored.item_id, span.start) for span in spans])
        texts = [describe_chunk(title, Placed(*part), span) for part, span in zip(found, spans, strict=True) if part]
        if len(texts) < len(spans):
            raise Stopped(f"the text of item {stored.item_id} is gone")
        embedded = with_vectors(segment, self.embedder.model, await self.embedder.embed(texts))
        return msgspec.structs.replace(stored, model=self.embedder.model, body=embedded.encode())


class DueVectors:
    """Makes, in the background, the vectors that items of named stores lack: their embedder was away, or is another
    model now.
    """

    def __init__(self, parts: PartStore, embedder: Embedder | None, clock: Clock) -> None:
        self.parts = parts
        self.embedder = embedder
        self.clock = clock

    async def embed_due(self) -> int:
        """Make the vectors of some segments; tells of how many, 0 when there is nothing to do for now."""
        if self.embedder is None:
            return 0
        now = self.clock()
        due = await self.parts.claim_due(self.embedder.model, now, now + CLAIM)
        if due is None:
            return 0
        vectors = Vectors(self.parts, self.embedder)
        try:
            for segment in due.segments:
                await self.parts.save_vectors(due, await vectors.embed(due.tenant_id, due.title, segment))
        except (Unavailable, UpstreamError, RateLimited, Stopped) as error:
            log.info("item %s gets its vectors later: %s", due.item_id, error)
            return 0
        await self.parts.release(due)
        return max(len(due.segments), 1)
