"""What indexing and named knowledge stores need from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from multiturn.model.job import DueIndex, Job, JobKind
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

    async def claim(self, kind: JobKind, now: datetime, until: datetime, *, tenant_max: int) -> Job | None:
        """Take the job of a kind that waits longest, of a tenant that has fewer than ``tenant_max`` of it at work;
        nobody else gets it before ``until``. A claim that ran out counts as the death of a worker.
        """
        ...

    async def extend(self, job: Job, until: datetime) -> bool:
        """Keep a job longer; False when it is no longer this claim's: the work must stop."""
        ...

    async def renew(self, job: Job) -> None:
        """The work has come further: what failed before counts no more."""
        ...

    async def retry(self, job: Job, run_at: datetime, *, counts: bool = True) -> None:
        """Give a job back, to be done from ``run_at`` on; what came of it ``counts`` as a try."""
        ...

    async def finish(self, job: Job) -> None:
        """The work is done, or given up."""
        ...

    async def expire_claims(self, now: datetime) -> int:
        """End all claims: whoever had them is dead. For the only server on its database."""
        ...

    async def count_waiting(self) -> Mapping[JobKind, int]:
        """How many jobs there are of each kind, at work or not; more than 10,000 are not counted."""
        ...


class PartStore(Protocol):
    """Keeps the text of items by its parts, and makes their index findable.

    What is written for a ``job`` is written only while the job is that claim's: False, or nothing done, when it was
    lost or the item is gone.
    """

    async def save_progress(self, job: Job, item: StoreItem) -> bool:
        """Store how far an item is (status, step, progress, error, notes, system, facts, digest, characters)."""
        ...

    async def rename(self, job: Job, item: StoreItem, title: str) -> None:
        """Give an item another title, unless somebody else did meanwhile."""
        ...

    async def clear_parts(self, job: Job, item: StoreItem) -> bool:
        """Take away the text and the index of an item: it is read anew."""
        ...

    async def add_parts(self, job: Job, item: StoreItem, parts: Sequence[tuple[int, Segment]]) -> bool:
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

    async def add_segments(self, job: Job, item: StoreItem, segments: Sequence[DocumentSegment]) -> bool:
        """Store a part of an item's index, instead of what it has under the same numbers; no search sees it yet."""
        ...

    async def list_segments(self, tenant_id: UUID, store_id: UUID, item_id: UUID) -> Sequence[tuple[int, str | None]]:
        """The numbers of the segments that an item has, and the embedding model of each."""
        ...

    async def find_segment(self, item: StoreItem, number: int) -> DocumentSegment | None:
        """Find a segment of an item's index."""
        ...

    async def publish(self, job: Job, item: StoreItem) -> bool:
        """Make an item's index findable as one, and store the item (``chunks`` are all of them).

        Raises TooLarge when the store would hold too many chunks.
        """
        ...

    async def find_schema(self, tenant_id: UUID, store_id: UUID) -> dict[str, Any] | None:
        """The schema that was made of the description of what a store extracts; None before it was made."""
        ...

    async def save_schema(self, tenant_id: UUID, store_id: UUID, schema: dict[str, Any]) -> None:
        """Keep such a schema, unless there is one."""
        ...

    async def claim_due(self, model: str, now: datetime, until: datetime) -> DueIndex | None:
        """Take an item that can be found and has segments without vectors of this model, with the first of those;
        nobody else gets it before ``until``. None when nothing is due, or another server was faster.
        """
        ...

    async def release(self, due: DueIndex) -> None:
        """Give back an item that was claimed: what is still due of it may be taken at once."""
        ...

    async def save_vectors(self, due: DueIndex, segment: DocumentSegment) -> None:
        """Store a segment of an item with its vectors; nothing when the item is gone."""
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
        """Delete a store with its items, their jobs and its collections; False when it is gone. Text and index are
        found by nobody from now on; ``erase_batch`` erases them.
        """
        ...

    async def erase_batch(self) -> int:
        """Erase some of what was taken away; 0 when nothing is left."""
        ...

    async def vacuum(self) -> None:
        """Leave no erased bytes behind in files of our own."""
        ...

    async def add_item(self, item: StoreItem) -> StoreItem:
        """Put an asset into a store, with the job that indexes it. One that is there already is returned as it is, and
        indexed again if it had failed. Raises NotFound when the store or the asset is gone.
        """
        ...

    async def retry_item(self, item: StoreItem) -> None:
        """Have an item that failed indexed again, from ``updated_at`` on."""
        ...

    async def find_item(self, tenant_id: UUID, store_id: UUID, item_id: UUID) -> StoreItem | None:
        """Find an item of a store."""
        ...

    async def find_item_of_chunk(self, tenant_id: UUID, chunk: UUID) -> StoreItem | None:
        """The item whose id is that of this chunk but for its end, in a store that is there."""
        ...

    async def get_items(self, tenant_id: UUID, item_ids: Sequence[UUID]) -> Mapping[UUID, StoreItem]:
        """Items by their ids, of whatever store; those that are there."""
        ...

    async def list_items(self, tenant_id: UUID, store_id: UUID, which: StoreItemFilter) -> Counted:
        """A page of items."""
        ...

    async def save_item_metadata(self, item: StoreItem) -> bool:
        """Store metadata and title of an item, and have searches know them; False when it is gone."""
        ...

    async def delete_item(self, tenant_id: UUID, store_id: UUID, item_id: UUID) -> bool:
        """Delete an item with its index and its job; False when it is gone. ``erase_batch`` erases its text."""
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

    async def add_members(self, collection: Collection, item_ids: Sequence[UUID], now: datetime) -> None:
        """Add items; those that are in it stay. Raises NotFound (``item_not_found``), naming one that is not there."""
        ...

    async def remove_members(self, collection: Collection, item_ids: Sequence[UUID], now: datetime) -> None:
        """Take items out; those that are not in it do not matter."""
        ...

    async def list_members(self, tenant_id: UUID, collection_ids: Sequence[UUID]) -> Sequence[UUID]:
        """All items of these collections."""
        ...


class Describer(Protocol):
    """Says what is to be seen in a picture, where a model that sees is configured."""

    async def describe(self, jpeg: bytes, context: str) -> str:
        """A sentence or two about a picture; ``context`` names what it is from. Raises UpstreamError, Unavailable."""
        ...


class Transcriber(Protocol):
    """Turns speech into text somewhere else."""

    async def transcribe(self, audio: bytes, *, start_s: float) -> Sequence[Segment]:
        """What is said in a stretch of sound that begins at ``start_s``. Raises UpstreamError, Unavailable."""
        ...


class Extractor(Protocol):
    """Asks a model, ``model``, for facts and summaries of an item, where one is configured."""

    model: str

    async def extract(self, text: str, schema: dict[str, Any]) -> dict[str, Any]:
        """The facts in a text as an object that fits a JSON schema. Raises UpstreamError, Unavailable."""
        ...

    async def make_schema(self, description: str) -> dict[str, Any]:
        """The schema of what a description asks for. Raises UpstreamError, Unavailable."""
        ...

    async def summarise(self, title: str, text: str) -> str | None:
        """A few sentences about a text; None where summaries are not to be written by a model."""
        ...
