"""Documents of sessions, agents and users: kept, indexed, searched, and found for turns."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from multiturn.engine.chunks import Outline
from multiturn.engine.document_search import DocumentSearch
from multiturn.engine.embedders import Embedders
from multiturn.engine.indexing import build_segments, embed_segment, embed_stored, list_parts, store_segment
from multiturn.engine.metadata import check_object, check_text
from multiturn.engine.ports import Clock
from multiturn.engine.ports_knowledge import KnowledgeStore, Reranker
from multiturn.engine.search.segment import IndexSegment
from multiturn.engine.search.terms import TermReader
from multiturn.engine.store_index import StoreIndexes
from multiturn.errors import InvalidRequest, NotFound, TooLarge, Unavailable, UpstreamError
from multiturn.model.ids import new_id
from multiturn.model.knowledge import (
    DocumentFilter,
    DocumentHit,
    DocumentHits,
    KnowledgeItem,
    Owner,
    SearchOrder,
)
from multiturn.model.page import Page
from multiturn.model.policy import RecallOptions

log = logging.getLogger(__name__)

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

TITLE_CHARS_MAX = 800
CONTENT_CHARS_MAX = 1_000_000
PARTS_MAX = 10_000
# All documents of one owner: what its index takes fits into the memory for all of them.
STORE_CHUNKS_MAX = 50_000
INDEX_BYTES_MAX = 512 * 1024 * 1024
# A document of so many chunks has its vectors when it is stored, if they come in time.
PROMPT_CHUNKS_MAX = 16
PROMPT_S = 1.0
# A document whose vectors failed is tried again after this time.
CLAIM = timedelta(seconds=60)


class Knowledge:
    """The documents of a tenant's sessions, agents and users.

    Without an embedding model they are found by their words.
    """

    def __init__(
        self,
        store: KnowledgeStore,
        clock: Clock,
        embedders: Embedders,
        *,
        reranker: Reranker | None = None,
        index_bytes_max: int = INDEX_BYTES_MAX,
    ) -> None:
        self.store = store
        self.clock = clock
        self.embedder = embedders.current
        self.model = self.embedder.model if self.embedder else None
        self.reader = TermReader()
        indexes = StoreIndexes(store, bytes_max=index_bytes_max)
        self.searching = DocumentSearch(store, indexes, embedders, reranker)

    async def add(
        self, tenant_id: UUID, owner: Owner, *, title: str, content: str | Sequence[str], metadata: dict[str, Any]
    ) -> KnowledgeItem:
        """Store a document. It is found by its words when this returns; a small one also by its meaning, if the
        embedder is there.

        Raises InvalidRequest, TooLarge, NotFound when the owner is gone, Conflict (``document_exists``) when it has a
        document of this title and content.
        """
        check_document(title, content, metadata)
        outline = Outline(title, list_parts(content))
        segments = await build_segments(outline, self.reader)
        chunks = sum(len(segment) for segment in segments)
        segments = await self._embed_promptly(outline, segments) if chunks <= PROMPT_CHUNKS_MAX else segments
        id_, now = new_id(), self.clock()
        item = KnowledgeItem(
            id=id_,
            tenant_id=tenant_id,
            store_id=id_,
            owner=owner,
            created_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
            title=title,
            content=content if isinstance(content, str) else tuple(content),
            metadata=metadata,
            chunks=chunks,
            is_embedded=self.embedder is not None and all(segment.vectors for segment in segments),
        )
        stored = [store_segment(item, number, segment) for number, segment in enumerate(segments)]
        return await self.store.add(tenant_id, item, digest_of(item), stored, chunks_max=STORE_CHUNKS_MAX)

    async def _embed_promptly(self, outline: Outline, segments: list[IndexSegment]) -> list[IndexSegment]:
        """The segments with vectors; as they are when the embedder does not answer in time."""
        if self.embedder is None:
            return segments
        try:
            async with asyncio.timeout(PROMPT_S):
                return [await embed_segment(outline, segment, self.embedder) for segment in segments]
        except (Unavailable, UpstreamError, TimeoutError) as error:
            log.info("a document gets its vectors later: %s", error or "the embedder takes its time")
            return segments

    async def get(self, tenant_id: UUID, item_id: UUID | None, owner: Owner | None = None) -> KnowledgeItem:
        """Get a document with its content; of this owner, where one is given. Raises NotFound."""
        item = await self.store.find(tenant_id, item_id, model=self.model) if item_id else None
        if item is None or (owner is not None and item.owner != owner):
            raise document_not_found()
        return item

    async def list_items(self, tenant_id: UUID, owner: Owner, which: DocumentFilter) -> Page[KnowledgeItem]:
        """List an owner's documents with their contents; a page of long ones holds fewer than were asked for."""
        check_object(which.metadata, "metadata")
        return await self.store.list_items(tenant_id, owner, which, model=self.model)

    async def delete(self, tenant_id: UUID, owner: Owner, item_id: UUID | None) -> None:
        """Delete a document for good. Raises NotFound."""
        for state in await self.store.find_stores(tenant_id, [owner]):
            if item_id and await self.store.delete(tenant_id, state.id, [item_id]):
                await self.store.vacuum()
                return
        raise document_not_found()

    async def delete_all(self, tenant_id: UUID, owner: Owner, metadata: dict[str, Any] | None = None) -> Sequence[UUID]:
        """Delete an owner's documents for good: those whose metadata contain ``metadata``, else all; tells which."""
        deleted: list[UUID] = []
        for state in await self.store.find_stores(tenant_id, [owner]):
            while batch := await self.store.delete_batch(tenant_id, state, metadata or {}):
                deleted += batch
        if deleted:
            await self.store.vacuum()
        return deleted

    async def holds(self, tenant_id: UUID, owners: Sequence[Owner]) -> bool:
        """Whether any of these owners has documents."""
        return any(state.chunks for state in await self.store.find_stores(tenant_id, owners))

    async def search(self, tenant_id: UUID, owners: Sequence[Owner], order: SearchOrder) -> DocumentHits:
        """Search in the documents of these owners, as if they were one's.

        Raises InvalidRequest, and Unavailable (``embeddings_unavailable``) for a search by vectors alone when there is
        nothing that makes one of the text.
        """
        return await self.searching.search(tenant_id, owners, order)

    async def retrieve(
        self,
        tenant_id: UUID,
        owners: Sequence[Owner],
        messages: Sequence[tuple[str, str]],
        options: RecallOptions,
    ) -> Sequence[DocumentHit]:
        """Find what a turn needs of these owners' documents; ``messages`` are (speaker, text), the newest last.

        Never fails, and takes at most about a second: by words alone where the embedder does not answer in time.
        """
        return await self.searching.retrieve(tenant_id, owners, messages, options)

    async def read_chunks(
        self, tenant_id: UUID, owner: Owner, item_id: UUID, *, chunk: int | None = None, limit: int = 100
    ) -> Sequence[DocumentHit]:
        """A chunk of a document by its number, or all of them in their order, at most ``limit``; without scores."""
        return await self.searching.read_chunks(tenant_id, owner, item_id, chunk=chunk, limit=limit)

    async def embed_due(self) -> int:
        """Make the vectors of some segments that have none of the present model; tells of how many, 0 when there is
        nothing to do for now.
        """
        if self.embedder is None:
            return 0
        now = self.clock()
        due = await self.store.claim_due(self.embedder.model, now, now + CLAIM)
        if due is None:
            return 0
        item = due.item
        outline = Outline(item.title, list_parts(item.content))
        try:
            for segment in due.segments:
                embedded = await embed_stored(item, outline, segment, self.embedder)
                await self.store.save_vectors(item.tenant_id, item.store_id, embedded)
        except (Unavailable, UpstreamError) as error:
            log.info("document %s gets its vectors later: %s", item.id, error)
            return 0
        await self.store.release(item.tenant_id, item.id)
        return len(due.segments)


def check_document(title: str, content: str | Sequence[str], metadata: dict[str, Any]) -> None:
    """Raises InvalidRequest or TooLarge for a document that cannot be kept."""
    check_text(title, "title", chars_max=TITLE_CHARS_MAX)
    if not title.strip() or CONTROL.search(title):
        raise InvalidRequest("'title' must be one line that is not blank.", param="title")
    check_object(metadata, "metadata")
    parts = list_parts(content)
    if len(parts) > PARTS_MAX:
        raise InvalidRequest(f"'content' must have at most {PARTS_MAX} parts; it has {len(parts)}.", param="content")
    characters = sum(len(part) for part in parts)
    if characters > CONTENT_CHARS_MAX:
        text = (
            f"'content' must have at most {CONTENT_CHARS_MAX} characters; it has {characters}. Cut it into documents."
        )
        raise TooLarge(text, code="document_too_large", param="content")
    if not any(part.strip() for part in parts):
        raise InvalidRequest("'content' must hold some text.", param="content")
    if any("\0" in part for part in parts):
        raise InvalidRequest("'content' must not hold NUL characters.", param="content")


def digest_of(item: KnowledgeItem) -> bytes:
    """What tells whether an owner has the document already: a hash of title and content."""
    digest = hashlib.sha256()
    for part in (item.title, *list_parts(item.content)):
        text = part.encode()
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.digest()


def document_not_found() -> NotFound:
    """The error of a document that is not there, or another's."""
    return NotFound("There is no such document.", code="document_not_found", param="doc_id")
