"""What indexing and named knowledge stores need from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from multiturn.model.job import Job, JobKind
from multiturn.model.knowledge import DocumentSegment
from multiturn.model.segment import Modality, Segment
from multiturn.model.store import (
    Collection,
    Counted,
    KnowledgeStoreInfo,
    Sorting,
    StoreItem,
    StoreItemFilter,
)


class JobStore(Protocol):
    """Keeps background work, each piece with at most one worker at a time."""

    async def defer(self, tenant_id: UUID, kind: JobKind, subject_id: UUID, *, run_at: datetime) -> None:
        """Have something done from ``run_at`` on; a subject has one job of a kind."""
        ...

    async def claim(self, worker_id: UUID, now: datetime, until: datetime, *, tenant_max: int) -> Job | None:
        """Take the job that waits longest, of a tenant that has fewer than ``tenant_max`` at work; nobody else gets it
        before ``until``.
        """
        ...

    async def extend(self, job: Job, worker_id: UUID, until: datetime) -> bool:
        """Keep a job longer; False when it is no longer this worker's: it must stop."""
        ...

    async def retry(self, job: Job, worker_id: UUID, run_at: datetime) -> None:
        """Give a job back, to be tried again from ``run_at`` on, one try more."""
        ...

    async def finish(self, job: Job, worker_id: UUID) -> None:
        """The work is done, or given up."""
        ...


class PartStore(Protocol):
    """Keeps the text of items by its parts, and makes their index findable."""

    async def save_progress(self, item: StoreItem) -> bool:
        """Store how far an item is (status, step, progress, error, notes, system, facts, digest); False when it is
        gone.
        """
        ...

    async def clear_parts(self, tenant_id: UUID, item_id: UUID) -> None:
        """Take away the text and the index of an item: it is read anew."""
        ...

    async def add_parts(self, item: StoreItem, parts: Sequence[tuple[int, Segment]]) -> None:
        """Store parts of an item's text, each with its first character in the whole."""
        ...

    async def list_parts(
        self, tenant_id: UUID, item_id: UUID, *, after: int = -1, limit: int = 1000, modality: Modality | None = None
    ) -> Sequence[tuple[int, Segment]]:
        """Parts in their order, from those that begin behind character ``after`` on."""
        ...

    async def list_parts_between(
        self, tenant_id: UUID, item_id: UUID, start_s: float, end_s: float, *, limit: int = 200
    ) -> Sequence[tuple[int, Segment]]:
        """The parts that are heard or seen between two times."""
        ...

    async def find_parts(
        self, tenant_id: UUID, places: Sequence[tuple[UUID, int]]
    ) -> Sequence[tuple[int, Segment] | None]:
        """The part of each (item, character), with its first character; None for one that is gone."""
        ...

    async def add_segments(self, item: StoreItem, segments: Sequence[DocumentSegment]) -> None:
        """Store a part of an item's index, instead of what it has under the same numbers; no search sees it yet."""
        ...

    async def list_segments(self, tenant_id: UUID, store_id: UUID, item_id: UUID) -> Sequence[tuple[int, str | None]]:
        """The numbers of the segments that an item has, and the embedding model of each."""
        ...

    async def publish(self, item: StoreItem) -> bool:
        """Make an item's index findable as one, and store the item (``chunks`` are all of them); False when it is gone.

        Raises TooLarge when the store would hold too many chunks.
        """
        ...


class StoreRegistry(Protocol):
    """Keeps named knowledge stores, their items and their collections."""

    async def add(self, store: KnowledgeStoreInfo) -> None:
        """Store a new knowledge store."""
        ...

    async def find(self, tenant_id: UUID, store_id: UUID) -> KnowledgeStoreInfo | None:
        """Find a store, with its items counted."""
        ...

    async def find_by_name(self, tenant_id: UUID, name: str) -> KnowledgeStoreInfo | None:
        """The newest store of this name."""
        ...

    async def list_stores(self, tenant_id: UUID, sorting: Sorting) -> Counted:
        """A page of stores."""
        ...

    async def save(self, store: KnowledgeStoreInfo) -> bool:
        """Store name, description and metadata; False when it is gone."""
        ...

    async def delete(self, tenant_id: UUID, store_id: UUID) -> bool:
        """Delete a store with its items, their text, index and jobs, and its collections; False when it is gone."""
        ...

    async def add_item(self, item: StoreItem) -> StoreItem:
        """Put an asset into a store, with the job that indexes it. One that is there already is returned as it is, and
        indexed again if it had failed. Raises NotFound when the store is gone.
        """
        ...

    async def find_item(self, tenant_id: UUID, store_id: UUID, item_id: UUID) -> StoreItem | None:
        """Find an item of a store."""
        ...

    async def get_items(self, tenant_id: UUID, item_ids: Sequence[UUID]) -> Mapping[UUID, StoreItem]:
        """Items by their ids, of whatever store; those that are there."""
        ...

    async def list_items(self, tenant_id: UUID, store_id: UUID, which: StoreItemFilter) -> Counted:
        """A page of items."""
        ...

    async def save_item_metadata(self, item: StoreItem) -> bool:
        """Store metadata and title of an item; False when it is gone."""
        ...

    async def delete_item(self, tenant_id: UUID, store_id: UUID, item_id: UUID) -> bool:
        """Delete an item with its text and index; False when it is gone."""
        ...

    async def add_collection(self, collection: Collection) -> None:
        """Store a new collection. Raises Conflict (``collection_exists``) when the store has one of this name."""
        ...

    async def find_collection(self, tenant_id: UUID, store_id: UUID, collection_id: UUID) -> Collection | None:
        """Find a collection, with its members counted."""
        ...

    async def list_collections(self, tenant_id: UUID, store_id: UUID, sorting: Sorting) -> Counted:
        """A page of collections."""
        ...

    async def save_collection(self, collection: Collection) -> bool:
        """Store name, description and metadata; False when it is gone. Raises Conflict."""
        ...

    async def delete_collection(self, tenant_id: UUID, store_id: UUID, collection_id: UUID) -> bool:
        """Delete a collection; its items stay. False when it is gone."""
        ...

    async def add_members(self, collection: Collection, item_ids: Sequence[UUID]) -> None:
        """Add items; those that are in it stay. Raises NotFound (``item_not_found``), naming one that is not there."""
        ...

    async def remove_members(self, collection: Collection, item_ids: Sequence[UUID]) -> None:
        """Take items out; those that are not in it do not matter."""
        ...

    async def list_members(self, tenant_id: UUID, collection_ids: Sequence[UUID]) -> Sequence[UUID]:
        """All items of these collections."""
        ...


class Extractor(Protocol):
    """Asks a model for facts and summaries of an item, where one is configured."""

    async def extract(self, text: str, schema: dict[str, Any]) -> dict[str, Any]:
        """The facts in a text as an object that fits a JSON schema. Raises UpstreamError, Unavailable."""
        ...

    async def summarise(self, title: str, text: str) -> str | None:
        """A few sentences about a text; None where summaries are not to be written by a model."""
        ...
