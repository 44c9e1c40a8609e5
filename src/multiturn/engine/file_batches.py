"""Files that are put into a knowledge store together, and followed together: a batch is a collection of the store."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any, get_args
from uuid import UUID

from msgspec import Struct

from multiturn.engine.store_collections import MEMBERS_PER_CALL, collection_not_found
from multiturn.engine.stores import KnowledgeStores
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.ids import new_id
from multiturn.model.store import Collection, ItemStatus, Sorting, StoreChange, StoreItemFilter

STATUSES: tuple[ItemStatus, ...] = get_args(ItemStatus)
AT_WORK: tuple[ItemStatus, ...] = ("queued", "pending", "processing")
# What stands in the metadata of a collection that is a batch.
MARK = "file_batch"
REASONS_MAX, REASON_CHARS_MAX = 100, 300
CANCELLED_PER_STEP = 500


class BatchEntry(Struct, frozen=True, kw_only=True):
    """A file of a batch, by any of its ids, and what is to be kept with its item."""

    asset: str
    metadata: dict[str, Any] = {}


class BatchState(Struct, frozen=True, kw_only=True):
    """How far a batch is: its items by status, the files that never became items, and those that were taken out."""

    collection: Collection
    items: dict[ItemStatus, int]
    refused: int = 0
    cancelled: int = 0


class FileBatches:
    """The batches of a tenant's knowledge stores."""

    def __init__(self, stores: KnowledgeStores) -> None:
        self.stores = stores

    async def add(self, tenant_id: UUID, store_id: UUID, entries: Sequence[BatchEntry], *, wait_s: float) -> BatchState:
        """Put files into a store, together. One that cannot be put in is counted, its reason kept with the collection;
        ``wait_s`` is how long all of them may still take to become ready. Raises NotFound for the store.
        """
        await self.stores.get(tenant_id, store_id)
        refused: dict[str, str] = {}
        item_ids: list[UUID] = []
        ends = monotonic() + wait_s
        for entry in entries:
            left_s = max(0.0, ends - monotonic())
            try:
                item = await self.stores.add_item(
                    tenant_id, store_id, entry.asset, metadata=entry.metadata, wait_s=left_s
                )
                item_ids.append(item.id)
            except (InvalidRequest, NotFound) as error:
                refused[entry.asset] = error.message[:REASON_CHARS_MAX]
        reasons = dict(list(refused.items())[:REASONS_MAX])
        facts = {MARK: True, "refused": len(refused), "reasons": reasons, "cancelled": 0}
        collection = await self.stores.create_collection(
            tenant_id, store_id, f"File batch {new_id().hex}", metadata=facts
        )
        for first in range(0, len(item_ids), MEMBERS_PER_CALL):
            some = item_ids[first : first + MEMBERS_PER_CALL]
            await self.stores.add_members(tenant_id, store_id, collection.id, some)
        return await self.get(tenant_id, store_id, collection.id)

    async def get(self, tenant_id: UUID, store_id: UUID, batch_id: UUID) -> BatchState:
        """How far a batch is. Raises NotFound, also for a collection that is none."""
        collection = await self.stores.get_collection(tenant_id, store_id, batch_id)
        if not collection.metadata.get(MARK):
            raise collection_not_found()
        counts: dict[ItemStatus, int] = {}
        for status in STATUSES:
            which = StoreItemFilter(statuses=(status,), collection_id=batch_id, sorting=Sorting(limit=1))
            counts[status] = (await self.stores.list_items(tenant_id, store_id, which)).total
        refused, cancelled = (read_count(collection, name) for name in ("refused", "cancelled"))
        return BatchState(collection=collection, items=counts, refused=refused, cancelled=cancelled)

    async def cancel(self, tenant_id: UUID, store_id: UUID, batch_id: UUID) -> BatchState:
        """Take those files of a batch out of the store that are not indexed yet. Raises NotFound."""
        collection = (await self.get(tenant_id, store_id, batch_id)).collection
        sorting = Sorting(limit=CANCELLED_PER_STEP)
        which = StoreItemFilter(statuses=AT_WORK, collection_id=batch_id, sorting=sorting)
        cancelled = 0
        while (page := await self.stores.list_items(tenant_id, store_id, which)).data:
            for item in page.data:
                await self.stores.drop_item(tenant_id, store_id, item.id)
            cancelled += len(page.data)
        facts = {**collection.metadata, "cancelled": read_count(collection, "cancelled") + cancelled}
        await self.stores.change_collection(tenant_id, store_id, batch_id, StoreChange(metadata=facts))
        return await self.get(tenant_id, store_id, batch_id)


def read_count(collection: Collection, name: str) -> int:
    """A number that a batch keeps with its collection."""
    value = collection.metadata.get(name)
    return value if isinstance(value, int) else 0
