"""Documents of sessions, agents and users in the store, with the index that they are searched by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Any
from uuid import UUID

import msgspec

from multiturn.errors import Conflict, NotFound, TooLarge
from multiturn.model.ids import new_id
from multiturn.model.knowledge import (
    DocumentFilter,
    DocumentSegment,
    DueItem,
    KnowledgeItem,
    Owner,
    OwnerKind,
    Piece,
    SegmentChange,
    StoreState,
    StoreSurvey,
)
from multiturn.model.page import Page
from multiturn.model.segment import Place
from multiturn.store.database import Database, Parameters, Row, Transaction
from multiturn.store.rows import as_id, as_json, as_ms, as_time, read_metadata

# The owners of a turn: its session, its agent, its user, and one more.
OWNERS_PER_QUERY = 4
NOBODY, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
# A page of documents holds no more of their contents than this, and at least one.
PAGE_CHARACTERS_MAX = 4_000_000
DELETED_PER_BATCH = 50
SEGMENTS_PER_CLAIM = 8

read_lengths = msgspec.json.Decoder(tuple[int, ...]).decode
read_place = msgspec.json.Decoder(Place).decode


class SqlKnowledgeStore:
    """Keeps documents in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def find_stores(self, tenant_id: UUID, owners: Sequence[Owner]) -> list[StoreState]:
        """Find the stores of these owners, in their order; most owners have none."""
        found: dict[Owner, StoreState] = {}
        async with self.database.reading() as tx:
            for first in range(0, len(owners), OWNERS_PER_QUERY):
                ids = [owner.id for owner in owners[first : first + OWNERS_PER_QUERY]]
                ids += [NOBODY] * (OWNERS_PER_QUERY - len(ids))
                who = {"owner_1": ids[0], "owner_2": ids[1], "owner_3": ids[2], "owner_4": ids[3]}
                for row in await tx.fetch_all("find_knowledge_stores", {"tenant_id": tenant_id, **who}):
                    state = read_state(row)
                    found[state.owner] = state
        return [found[owner] for owner in dict.fromkeys(owners) if owner in found]

    async def add(
        self,
        tenant_id: UUID,
        item: KnowledgeItem,
        digest: bytes,
        segments: Sequence[DocumentSegment],
        *,
        chunks_max: int,
    ) -> KnowledgeItem:
        """Store a document with its index, as one unit; its store is made with the first.

        Raises Conflict when the owner has it already, NotFound when there is no such owner, TooLarge when the store
        would hold more than ``chunks_max`` chunks.
        """
        owner = item.owner
        who = {"tenant_id": tenant_id, "owner_kind": owner.kind, "owner_id": owner.id}
        async with self.database.transaction() as tx:
            await hold_owner(tx, tenant_id, owner)
            await tx.execute("make_knowledge_store", {**who, "id": new_id(), "now": as_ms(item.created_at)})
            row = await tx.fetch_one("grow_knowledge_store", {**who, "chunks": item.chunks})
            store_id, version, chunks = row or ()
            if chunks > chunks_max:
                text = f"The documents of this {owner.kind} would have {chunks} chunks; {chunks_max} are the most."
                raise TooLarge(text, code="documents_full", param="content")
            item = msgspec.structs.replace(item, store_id=as_id(store_id))
            if not await tx.execute("add_knowledge_item", write_item(item, digest)):
                raise await exists_already(tx, item, digest)
            store = {"tenant_id": tenant_id, "store_id": item.store_id}
            rows = [write_segment(store, segment, version=version) for segment in segments]
            await tx.execute_many("add_knowledge_segment", rows)
        return item

    async def find(self, tenant_id: UUID, item_id: UUID, *, model: str | None) -> KnowledgeItem | None:
        """Find a document with its content."""
        async with self.database.reading() as tx:
            return await find_item(tx, tenant_id, item_id, model)

    async def list_items(
        self, tenant_id: UUID, owner: Owner, which: DocumentFilter, *, model: str | None
    ) -> Page[KnowledgeItem]:
        """List documents with their contents; a page of long ones holds fewer than were asked for."""
        where = filter_items(tenant_id, owner, which)
        query = "list_knowledge_items" if which.newest_first else "list_knowledge_items_oldest_first"
        async with self.database.reading() as tx:
            heads = await tx.fetch_all(query, {**where, "limit": which.limit + 1, "offset": which.offset})
            sizes = accumulate(characters for _, characters in heads)
            fitting = sum(size <= PAGE_CHARACTERS_MAX for size in sizes)
            taken = heads[: max(1, min(fitting, which.limit))]
            items = [await find_item(tx, tenant_id, as_id(id_), model) for id_, _ in taken]
        return Page([item for item in items if item], has_more=len(heads) > len(taken))

    async def list_changes(
        self, tenant_id: UUID, store: StoreState, *, after: tuple[int, UUID, int], limit: int
    ) -> Sequence[SegmentChange]:
        """List what was written in a store behind (version, document, segment), in that order."""
        version, item_id, number = after
        place = {"version": version, "item_id": item_id, "number": number, "limit": limit}
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_knowledge_changes", {"tenant_id": tenant_id, "store_id": store.id, **place})
        return [read_change(tenant_id, store, row) for row in rows]

    async def survey(self, tenant_id: UUID, store: StoreState) -> StoreSurvey:
        """What a store holds now: what somebody has in memory of it is compared with that when something was taken away
        or its documents are called otherwise.
        """
        where = {"tenant_id": tenant_id, "store_id": store.id}
        async with self.database.reading() as tx:
            heads = await tx.fetch_all("list_knowledge_heads", where)
            segments = await tx.fetch_all("list_knowledge_versions", where)
        return StoreSurvey(
            tuple(read_head(tenant_id, store, row) for row in heads),
            {(as_id(item_id), number): version for item_id, number, version in segments},
        )

    async def load_pieces(self, tenant_id: UUID, spans: Sequence[tuple[UUID, int, int]]) -> Sequence[Piece | None]:
        """Load the characters start to end of documents; None for one that is gone."""
        pieces: list[Piece | None] = []
        async with self.database.reading() as tx:
            for item_id, start, end in spans:
                where = {"tenant_id": tenant_id, "id": item_id, "start": start, "length": end - start}
                row = await tx.fetch_one("load_knowledge_text", where)
                pieces.append(read_piece(row, start) if row else None)
        return pieces

    async def delete(self, tenant_id: UUID, store_id: UUID, item_ids: Sequence[UUID]) -> list[UUID]:
        """Delete documents with their index; those that were there."""
        what = {"tenant_id": tenant_id, "store_id": store_id}
        deleted: dict[UUID, int] = {}
        async with self.database.transaction() as tx:
            for item_id in item_ids:
                await tx.execute("remove_knowledge_segments", {**what, "id": item_id})
                if row := await tx.fetch_one("remove_knowledge_item", {**what, "id": item_id}):
                    deleted[item_id] = row[0]
            if deleted:
                await tx.execute("shrink_knowledge_store", {**what, "chunks": sum(deleted.values())})
        return list(deleted)

    async def delete_batch(self, tenant_id: UUID, store: StoreState, metadata: dict[str, Any]) -> list[UUID]:
        """Delete some of the documents whose metadata contain ``metadata``; none when no more are left."""
        which = DocumentFilter(metadata=metadata, newest_first=False)
        where = {**filter_items(tenant_id, store.owner, which), "limit": DELETED_PER_BATCH, "offset": 0}
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_knowledge_items_oldest_first", where)
        return await self.delete(tenant_id, store.id, [as_id(row[0]) for row in rows]) if rows else []

    async def claim_due(self, model: str, now: datetime, until: datetime) -> DueItem | None:
        """Take a document that has segments without vectors of this model, and the first of those; nobody else gets it
        before ``until``. None when nothing is due, or another server was faster.
        """
        at = as_ms(now)
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_due_knowledge_item", {"model": model, "now": at})
        if row is None:
            return None
        tenant_id, item_id = as_id(row[0]), as_id(row[1])
        claim = {"tenant_id": tenant_id, "id": item_id, "now": at, "until": as_ms(until)}
        async with self.database.transaction() as tx:
            if not await tx.execute("claim_knowledge_item", claim):
                return None
            item = await find_item(tx, tenant_id, item_id, model)
            if item is None:
                return None
            what = {"tenant_id": tenant_id, "store_id": item.store_id, "item_id": item_id, "model": model}
            rows = await tx.fetch_all("list_due_knowledge_segments", {**what, "limit": SEGMENTS_PER_CLAIM})
        segments = [
            DocumentSegment(
                item_id=item_id, number=number, model=model_, version=version, body=bytes(body), modality=modality
            )
            for number, model_, version, body, modality in rows
        ]
        return DueItem(item=item, segments=tuple(segments))

    async def release(self, tenant_id: UUID, item_id: UUID) -> None:
        """Give back a document that was claimed: what is still due of it may be taken at once."""
        async with self.database.transaction() as tx:
            await tx.execute("release_knowledge_item", {"tenant_id": tenant_id, "id": item_id})

    async def save_vectors(self, tenant_id: UUID, store_id: UUID, segment: DocumentSegment) -> None:
        """Store a segment of a document with its vectors; nothing when the document is gone."""
        what = {"tenant_id": tenant_id, "store_id": store_id}
        async with self.database.transaction() as tx:
            row = await tx.fetch_one("renew_knowledge_store", what)
            if row:
                await tx.execute("save_knowledge_vectors", write_segment(what, segment, version=row[0]))

    async def vacuum(self) -> None:
        """Leave no erased bytes behind in files of our own."""
        await self.database.vacuum()


async def hold_owner(tx: Transaction, tenant_id: UUID, owner: Owner) -> None:
    """Keep an owner from being deleted before the transaction ends. Raises NotFound when it is gone."""
    if await tx.fetch_one(f"hold_{owner.kind}_owner", {"tenant_id": tenant_id, "id": owner.id}) is None:
        raise NotFound(f"There is no such {owner.kind}.", code=f"{owner.kind}_not_found", param=f"{owner.kind}_id")


async def exists_already(tx: Transaction, item: KnowledgeItem, digest: bytes) -> Conflict:
    """The error of a document that its owner has already, which names that."""
    where = {"tenant_id": item.tenant_id, "store_id": item.store_id, "digest": digest}
    row = await tx.fetch_one("find_knowledge_digest", where)
    known = f": {as_id(row[0])}" if row else ""
    text = f"This {item.owner.kind} has a document of this title and content already{known}."
    return Conflict(text, code="document_exists", param="content")


async def find_item(tx: Transaction, tenant_id: UUID, item_id: UUID, model: str | None) -> KnowledgeItem | None:
    """Find a document with its content."""
    where = {"tenant_id": tenant_id, "id": item_id, "model": model or ""}
    row = await tx.fetch_one("find_knowledge_item", where)
    if row is None:
        return None
    id_, store_id, kind, owner_id, created, title, metadata, language, chunks, is_embedded, parts, content, *rest = row
    asset_id, asset_kind = rest
    return KnowledgeItem(
        id=as_id(id_),
        tenant_id=tenant_id,
        store_id=as_id(store_id),
        owner=Owner(kind, as_id(owner_id)),
        created_at=as_time(created),
        title=title,
        content=part_content(content, read_lengths(parts)) if parts else content,
        metadata=read_metadata(metadata),
        language=language,
        chunks=chunks,
        is_embedded=bool(is_embedded),
        asset_id=as_id(asset_id) if asset_id else None,
        kind=asset_kind,
    )


def part_content(content: str, lengths: Sequence[int]) -> tuple[str, ...]:
    """The parts that stand behind one another in what is stored."""
    return tuple(content[start:end] for start, end in pairwise(accumulate(lengths, initial=0)))


def filter_items(tenant_id: UUID, owner: Owner, which: DocumentFilter) -> dict[str, Any]:
    """A filter as the parameters of the listings."""
    return {
        "tenant_id": tenant_id,
        "owner_kind": owner.kind,
        "owner_id": owner.id,
        "cursor": which.cursor or (LAST_ID if which.newest_first else NOBODY),
        "metadata": as_json(which.metadata),
    }


def read_state(row: Row) -> StoreState:
    """A row of ``knowledge_stores`` as the queries select it."""
    id_, kind, owner_id, version, erased, chunks = row
    owner_kind: OwnerKind = kind
    return StoreState(
        id=as_id(id_), owner=Owner(owner_kind, as_id(owner_id)), version=version, erased=erased, chunks=chunks
    )


def read_change(tenant_id: UUID, store: StoreState, row: Row) -> SegmentChange:
    """A row of a segment and its document as ``list_knowledge_changes`` selects it."""
    version, number, model, body, modality, *head = row
    item, parts = read_head(tenant_id, store, head)
    segment = DocumentSegment(
        item_id=item.id, number=number, model=model, body=bytes(body), version=version, modality=modality
    )
    return SegmentChange(segment=segment, item=item, parts=parts)


def read_head(tenant_id: UUID, store: StoreState, row: Row) -> tuple[KnowledgeItem, tuple[int, ...]]:
    """A document without its content, and the characters of its parts, as the queries select them."""
    item_id, created, title, metadata, language, chunks, parts, asset_id, kind = row
    item = KnowledgeItem(
        id=as_id(item_id),
        tenant_id=tenant_id,
        store_id=store.id,
        owner=store.owner,
        created_at=as_time(created),
        title=title,
        content="",
        metadata=read_metadata(metadata),
        language=language,
        chunks=chunks,
        asset_id=as_id(asset_id) if asset_id else None,
        kind=kind,
    )
    return item, read_lengths(parts) if parts else ()


def read_piece(row: Row, start: int) -> Piece:
    """A row of ``load_knowledge_text``; of a document that came as text it has no part."""
    first, modality, start_ms, end_ms, place, text = row
    if first is None:
        return Piece(text)
    found = read_place(place)
    if start_ms is not None and end_ms is not None:
        found = msgspec.structs.replace(found, start_s=start_ms / 1000, end_s=end_ms / 1000)
    return Piece(text, start - first, modality, found)


def write_item(item: KnowledgeItem, digest: bytes) -> dict[str, Any]:
    """A document as the parameters of ``add_knowledge_item``."""
    parts = None if isinstance(item.content, str) else as_json([len(part) for part in item.content])
    content = item.content if isinstance(item.content, str) else "".join(item.content)
    return {
        "tenant_id": item.tenant_id,
        "id": item.id,
        "store_id": item.store_id,
        "now": as_ms(item.created_at),
        "title": item.title,
        "metadata": as_json(item.metadata),
        "language": item.language,
        "digest": digest,
        "chunks": item.chunks,
        "characters": len(content),
        "parts": parts,
        "content": content,
    }


def write_segment(store: Parameters, segment: DocumentSegment, *, version: int) -> dict[str, Any]:
    """A segment as the parameters of the queries that store it."""
    return {
        **store,
        "item_id": segment.item_id,
        "number": segment.number,
        "version": version,
        "model": segment.model,
        "body": segment.body,
        "modality": segment.modality,
    }
