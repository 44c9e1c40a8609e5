"""What readers found in the assets of named stores: the text of items by its parts, and their index until it is
published.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from multiturn.errors import TooLarge
from multiturn.model.job import DueIndex, Job
from multiturn.model.knowledge import DocumentSegment
from multiturn.model.segment import Modality, Place, Segment
from multiturn.model.store import StoreItem
from multiturn.store.database import Database, Parameters, Row, Transaction
from multiturn.store.jobs import hold_claim
from multiturn.store.rows import as_id, as_json, as_ms, read_metadata

STORE_CHUNKS_MAX = 2_000_000
ERASED_PER_BATCH = 1000
SEGMENTS_PER_CLAIM = 8

read_place = msgspec.json.Decoder(Place).decode


class SqlPartStore:
    """Keeps parts in a SQL database."""

    def __init__(self, database: Database, *, chunks_max: int = STORE_CHUNKS_MAX) -> None:
        """``chunks_max`` is how many a store may hold."""
        self.database = database
        self.chunks_max = chunks_max

    async def save_progress(self, job: Job, item: StoreItem) -> bool:
        """Store how far an item is (status, step, progress, error, notes, system, facts, digest, characters)."""
        async with self.database.transaction() as tx:
            if not await hold_claim(tx, job):
                return False
            return await tx.execute("save_item_progress", write_progress(item)) > 0

    async def rename(self, job: Job, item: StoreItem, title: str) -> None:
        """Give an item another title, unless somebody else did meanwhile."""
        where = {"tenant_id": item.tenant_id, "id": item.id, "before": item.title, "title": title}
        async with self.database.transaction() as tx:
            if await hold_claim(tx, job):
                await tx.execute("rename_item", where)

    async def clear_parts(self, job: Job, item: StoreItem) -> bool:
        """Take away the text and the index of an item: it is read anew, also by who goes on after a kill here."""
        async with self.database.transaction() as tx:
            if not await hold_claim(tx, job) or await withdraw(tx, item) is None:
                return False
        where = {**place_of(item), "limit": ERASED_PER_BATCH}
        for query in ("erase_item_segments", "erase_item_parts"):
            erased = ERASED_PER_BATCH
            while erased >= ERASED_PER_BATCH:
                async with self.database.transaction() as tx:
                    if not await hold_claim(tx, job):
                        return False
                    erased = await tx.execute(query, where)
        return True

    async def add_parts(self, job: Job, item: StoreItem, parts: Sequence[tuple[int, Segment]]) -> bool:
        """Store parts of an item's text, each with its first character in the whole."""
        where = place_of(item)
        async with self.database.transaction() as tx:
            if not await hold_item(tx, job, item):
                return False
            await tx.execute_many("add_item_part", [write_part(where, starts, part) for starts, part in parts])
        return True

    async def list_parts(
        self, tenant_id: UUID, item_id: UUID, *, after: int = -1, limit: int = 1000, modality: Modality | None = None
    ) -> list[tuple[int, Segment]]:
        """Parts in their order, from those that begin behind character ``after`` on."""
        where = {"tenant_id": tenant_id, "item_id": item_id, "after": after, "modality": modality or "", "limit": limit}
        async with self.database.reading() as tx:
            return [read_part(row) for row in await tx.fetch_all("list_item_parts", where)]

    async def list_parts_between(
        self, tenant_id: UUID, item_id: UUID, start_s: float, end_s: float, *, limit: int = 200
    ) -> list[tuple[int, Segment]]:
        """The parts that are heard or seen between two times."""
        times = {"start_ms": round(start_s * 1000), "end_ms": round(end_s * 1000), "limit": limit}
        async with self.database.reading() as tx:
            where = {"tenant_id": tenant_id, "item_id": item_id, **times}
            return [read_part(row) for row in await tx.fetch_all("list_item_parts_between", where)]

    async def find_parts(self, tenant_id: UUID, places: Sequence[tuple[UUID, int]]) -> list[tuple[int, Segment] | None]:
        """The part of each (item, character), with its first character; None for one that is gone."""
        found: list[tuple[int, Segment] | None] = []
        async with self.database.reading() as tx:
            for item_id, at in places:
                row = await tx.fetch_one("find_item_part", {"tenant_id": tenant_id, "item_id": item_id, "at": at})
                found.append(read_part(row[:4]) if row and at < row[0] + row[4] else None)
        return found

    async def add_segments(self, job: Job, item: StoreItem, segments: Sequence[DocumentSegment]) -> bool:
        """Store a part of an item's index, instead of what it has under the same numbers; no search sees it yet."""
        where = place_of(item)
        async with self.database.transaction() as tx:
            if not await hold_item(tx, job, item):
                return False
            await tx.execute_many("save_item_segment", [write_segment(where, segment) for segment in segments])
        return True

    async def list_segments(self, tenant_id: UUID, store_id: UUID, item_id: UUID) -> list[tuple[int, str | None]]:
        """The numbers of the segments that an item has, and the embedding model of each."""
        where = {"tenant_id": tenant_id, "store_id": store_id, "item_id": item_id}
        async with self.database.reading() as tx:
            return [(row[0], row[1]) for row in await tx.fetch_all("list_item_segments", where)]

    async def find_segment(self, item: StoreItem, number: int) -> DocumentSegment | None:
        """Find a segment of an item's index."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_item_segment", {**place_of(item), "number": number})
        return read_segment(item.id, (number, *row)) if row else None

    async def publish(self, job: Job, item: StoreItem) -> bool:
        """Make an item's index findable as one, and store the item (``chunks`` are all of them).

        Raises TooLarge when the store would hold too many chunks.
        """
        where = {"tenant_id": item.tenant_id, "id": item.id, "store_id": item.store_id}
        async with self.database.transaction() as tx:
            if not await hold_claim(tx, job):
                return False
            before = await tx.fetch_one("count_item_chunks", where)
            row = before and await self._grow(tx, item, item.chunks - before[0])
            if row is None:
                return False
            await tx.execute("publish_item_segments", {**place_of(item), "version": row[1]})
            await tx.execute("save_item_chunks", {**where, "chunks": item.chunks})
            await tx.execute("save_item_progress", write_progress(item))
        return True

    async def find_schema(self, tenant_id: UUID, store_id: UUID) -> dict[str, Any] | None:
        """The schema that was made of the description of what a store extracts; None before it was made."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_ingestion_schema", {"tenant_id": tenant_id, "store_id": store_id})
        return read_metadata(row[0]) if row else None

    async def save_schema(self, tenant_id: UUID, store_id: UUID, schema: dict[str, Any]) -> None:
        """Keep such a schema, unless there is one."""
        what = {"tenant_id": tenant_id, "store_id": store_id, "schema": as_json(schema)}
        async with self.database.transaction() as tx:
            await tx.execute("save_ingestion_schema", what)

    async def claim_due(self, model: str, now: datetime, until: datetime) -> DueIndex | None:
        """Take an item that can be found and has segments without vectors of this model, with the first of those;
        nobody else gets it before ``until``. None when nothing is due, or another server was faster.
        """
        at = as_ms(now)
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_due_item", {"model": model, "now": at})
        if row is None:
            return None
        tenant_id, store_id, item_id = map(as_id, row[:3])
        what = {"tenant_id": tenant_id, "store_id": store_id, "item_id": item_id}
        async with self.database.transaction() as tx:
            claim = {"tenant_id": tenant_id, "id": item_id, "now": at, "until": as_ms(until)}
            if not await tx.execute("claim_knowledge_item", claim):
                return None
            rows = await tx.fetch_all("list_due_item_segments", {**what, "model": model, "limit": SEGMENTS_PER_CLAIM})
        segments = tuple(read_segment(item_id, found) for found in rows)
        return DueIndex(**what, title=row[3], segments=segments)

    async def release(self, due: DueIndex) -> None:
        """Give back an item that was claimed: what is still due of it may be taken at once."""
        async with self.database.transaction() as tx:
            await tx.execute("release_knowledge_item", {"tenant_id": due.tenant_id, "id": due.item_id})

    async def save_vectors(self, due: DueIndex, segment: DocumentSegment) -> None:
        """Store a segment of an item with its vectors; nothing when the item is gone."""
        where = {"tenant_id": due.tenant_id, "store_id": due.store_id}
        async with self.database.transaction() as tx:
            if row := await tx.fetch_one("renew_knowledge_store", where):
                segment_ = write_segment({**where, "item_id": due.item_id}, segment)
                await tx.execute("save_item_vectors", {**segment_, "version": row[0]})

    async def _grow(self, tx: Transaction, item: StoreItem, chunks: int) -> Row | None:
        """Count an item's chunks to its store; None when that is gone."""
        owner = {"tenant_id": item.tenant_id, "owner_kind": "store", "owner_id": item.store_id}
        row = await tx.fetch_one("grow_knowledge_store", {**owner, "chunks": chunks})
        if row and row[2] > self.chunks_max:
            text = f"The store would have {row[2]} chunks; {self.chunks_max} are the most. Put this file into another."
            raise TooLarge(text, code="store_full")
        return row


async def hold_item(tx: Transaction, job: Job, item: StoreItem) -> bool:
    """Whether a job is still this claim's and its item there: both stay until the transaction ends."""
    where = {"tenant_id": item.tenant_id, "id": item.id, "store_id": item.store_id}
    return await hold_claim(tx, job) and await tx.fetch_one("count_item_chunks", where) is not None


async def withdraw(tx: Transaction, item: StoreItem) -> int | None:
    """Take what an item added to its store out of the count, have searches forget it and its work begin with reading;
    None when it is gone.
    """
    where = {"tenant_id": item.tenant_id, "id": item.id, "store_id": item.store_id}
    row = await tx.fetch_one("count_item_chunks", where)
    if row is None:
        return None
    chunks: int = row[0]
    if chunks:
        store = {"tenant_id": item.tenant_id, "store_id": item.store_id, "chunks": chunks}
        await tx.execute("shrink_knowledge_store", store)
        await tx.execute("save_item_chunks", {**where, "chunks": 0})
    await tx.execute("rewind_item", where)
    return chunks


def place_of(item: StoreItem) -> dict[str, UUID]:
    """Where an item's rows are, as the parameters of the queries."""
    return {"tenant_id": item.tenant_id, "store_id": item.store_id, "item_id": item.id}


def write_progress(item: StoreItem) -> dict[str, Any]:
    """How far an item is as the parameters of ``save_item_progress``."""
    return {
        "tenant_id": item.tenant_id,
        "store_id": item.store_id,
        "id": item.id,
        "status": item.status,
        "step": item.step,
        "progress": item.progress,
        "error": item.error,
        "notes": as_json(item.notes),
        "system": as_json(item.system),
        "facts": as_json(item.facts),
        "summary": as_json(item.digest) if item.digest else None,
        "characters": item.characters,
        "now": as_ms(item.updated_at),
    }


def write_part(where: Parameters, starts: int, part: Segment) -> dict[str, Any]:
    """A part as the parameters of ``add_item_part``."""
    place = part.place
    return {
        **where,
        "starts": starts,
        "length": len(part.text),
        "modality": part.modality,
        "start_ms": None if place.start_s is None else round(place.start_s * 1000),
        "end_ms": None if place.end_s is None else round(place.end_s * 1000),
        "place": as_json(place),
        "body": part.text,
    }


def read_part(row: Row) -> tuple[int, Segment]:
    """A row of ``knowledge_parts`` as the queries select it."""
    starts, modality, place, body = row
    return starts, Segment(text=body, modality=modality, place=read_place(place))


def read_segment(item_id: UUID, row: Row) -> DocumentSegment:
    """A row of ``knowledge_segments`` as the queries select it."""
    number, model, version, body, modality = row
    return DocumentSegment(
        item_id=item_id, number=number, model=model, body=bytes(body), version=version, modality=modality
    )


def write_segment(where: Parameters, segment: DocumentSegment) -> dict[str, Any]:
    """A segment as the parameters of ``save_item_segment``."""
    return {
        **where,
        "number": segment.number,
        "model": segment.model,
        "body": segment.body,
        "modality": segment.modality,
    }
