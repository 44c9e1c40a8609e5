"""What knowledge needs from the store, and of a reranker: interfaces that they fit by shape."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from multiturn.model.knowledge import (
    DocumentFilter,
    DocumentSegment,
    DueItem,
    KnowledgeItem,
    Owner,
    Piece,
    SegmentChange,
    StoreState,
    StoreSurvey,
)
from multiturn.model.page import Page


class Reranker(Protocol):
    """Looks again at what a search found: better than vectors can, and slower."""

    async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """How well each text answers the query, the higher the better. Raises Unavailable, UpstreamError."""
        ...


class KnowledgeStore(Protocol):
    """Keeps documents, each in the store of its owner, with the index that they are searched by.

    ``model`` is the present embedding model, by which it tells whether a document is embedded.
    """

    async def find_stores(self, tenant_id: UUID, owners: Sequence[Owner]) -> Sequence[StoreState]:
        """Find the stores of these owners, in their order; most owners have none."""
        ...

    async def add(
        self,
        tenant_id: UUID,
        item: KnowledgeItem,
        digest: bytes,
        segments: Sequence[DocumentSegment],
        *,
        chunks_max: int,
    ) -> KnowledgeItem:
        """Store a document with its index, as one unit; the store is made with the first.

        Raises Conflict when the owner has it already, NotFound when there is no such owner, TooLarge when the store
        would hold more than ``chunks_max`` chunks.
        """
        ...

    async def find(self, tenant_id: UUID, item_id: UUID, *, model: str | None) -> KnowledgeItem | None:
        """Find a document with its content."""
        ...

    async def list_items(
        self, tenant_id: UUID, owner: Owner, which: DocumentFilter, *, model: str | None
    ) -> Page[KnowledgeItem]:
        """List documents with their contents; a page of long ones holds fewer than were asked for."""
        ...

    async def list_changes(
        self, tenant_id: UUID, store: StoreState, *, after: tuple[int, UUID, int], limit: int
    ) -> Sequence[SegmentChange]:
        """List what was written in a store behind (version, document, segment), in that order."""
        ...

    async def survey(self, tenant_id: UUID, store: StoreState) -> StoreSurvey:
        """What a store holds now: what somebody has in memory of it is compared with that when something was taken away
        or its documents are called otherwise.
        """
        ...

    async def load_pieces(self, tenant_id: UUID, spans: Sequence[tuple[UUID, int, int]]) -> Sequence[Piece | None]:
        """Load the characters start to end of documents; None for one that is gone."""
        ...

    async def delete(self, tenant_id: UUID, store_id: UUID, item_ids: Sequence[UUID]) -> Sequence[UUID]:
        """Delete documents with their index; those that were there."""
        ...

    async def delete_batch(self, tenant_id: UUID, store: StoreState, metadata: dict[str, Any]) -> Sequence[UUID]:
        """Delete some of the documents whose metadata contain ``metadata``; none when no more are left."""
        ...

    async def claim_due(self, model: str, now: datetime, until: datetime) -> DueItem | None:
        """Take a document that has segments without vectors of this model, and the first of those; nobody else gets it
        before ``until``. None when nothing is due, or another server was faster.
        """
        ...

    async def release(self, tenant_id: UUID, item_id: UUID) -> None:
        """Give back a document that was claimed: what is still due of it may be taken at once."""
        ...

    async def save_vectors(self, tenant_id: UUID, store_id: UUID, segment: DocumentSegment) -> None:
        """Store a segment of a document with its vectors; nothing when the document is gone."""
        ...

    async def vacuum(self) -> None:
        """Leave no erased bytes behind in files of our own."""
        ...
