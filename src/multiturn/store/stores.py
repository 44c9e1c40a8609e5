"""Knowledge stores that have a name, and their items, in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from multiturn.errors import Conflict, NotFound
from multiturn.model.ids import list_items_of
from multiturn.model.store import Counted, KnowledgeStoreInfo, Sorting, StoreItem, StoreItemFilter
from multiturn.store.collections import SqlCollectionStore, hold_store
from multiturn.store.database import Parameters, Row, Transaction
from multiturn.store.erasure import begin_erasure, erase_next
from multiturn.store.jobs import defer_job
from multiturn.store.rows import as_ms
from multiturn.store.store_rows import (
    filter_items,
    list_query,
    read_item,
    read_store,
    write_item,
    write_sorting,
    write_store,
)

ERASE_ROWS = 200
# Of two that put an asset into a store together, the second finds it the next time.
ADD_TRIES = 5


class SqlStoreRegistry(SqlCollectionStore):
    """Keeps named knowledge stores, their items and their collections in a SQL database."""

    async def add(self, store: KnowledgeStoreInfo) -> None:
        """Store a new knowledge store."""
        async with self.database.transaction() as tx:
            await tx.execute("add_named_store", write_store(store))

    async def find(self, tenant_id: UUID, store_id: UUID) -> KnowledgeStoreInfo | None:
        """Find a store, with its items counted."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_named_store", {"tenant_id": tenant_id, "id": store_id})
            return await count_items(tx, row) if row else None

    async def find_by_name(self, tenant_id: UUID, name: str) -> KnowledgeStoreInfo | None:
        """The newest store of this name."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_store_by_name", {"tenant_id": tenant_id, "name": name})
            return await count_items(tx, row) if row else None

    async def list_stores(self, tenant_id: UUID, sorting: Sorting) -> Counted:
        """A page of stores."""
        where = {"tenant_id": tenant_id, **write_sorting(sorting)}
        async with self.database.reading() as tx:
            rows = await tx.fetch_all(list_query("named_stores", sorting), where)
            stores = [await count_items(tx, row) for row in rows]
            total = await tx.fetch_one("count_named_stores", {"tenant_id": tenant_id})
        return Counted(tuple(stores), (total or (0,))[0])

    async def save(self, store: KnowledgeStoreInfo) -> bool:
        """Store name, description and metadata; False when it is gone."""
        async with self.database.transaction() as tx:
            return bool(await tx.execute("change_named_store", write_store(store)))

    async def delete(self, tenant_id: UUID, store_id: UUID) -> bool:
        """Delete a store with its items, their jobs and its collections; False when it is gone. Its text and index
        are found by nobody from now on; ``erase_batch`` erases them.
        """
        where = {"tenant_id": tenant_id, "store_id": store_id}
        async with self.database.transaction() as tx:
            # Whoever is at work on an item holds its job before the store: so does this.
            await tx.execute("remove_store_jobs", where)
            if not await tx.execute("retire_named_store", where):
                return False
            for query in ("remove_store_jobs", "remove_store_members", "remove_store_collections"):
                await tx.execute(query, where)
            await begin_erasure(tx, tenant_id, store_id)
        return True

    async def erase_batch(self) -> int:
        """Erase some of what was taken away, here or elsewhere; 0 when nothing is left."""
        async with self.database.transaction() as tx:
            return await erase_next(tx, limit=ERASE_ROWS)

    async def vacuum(self) -> None:
        """Leave no erased bytes behind in files of our own."""
        await self.database.vacuum()

    async def add_item(self, item: StoreItem) -> StoreItem:
        """Put an asset into a store, with the job that indexes it. One that is there already is returned as it is, and
        indexed again if it had failed. Raises NotFound when the store or the asset is gone.
        """
        for _ in range(ADD_TRIES):
            async with self.database.transaction() as tx:
                added = await self._add_item(tx, item)
            if added:
                return added
        raise Conflict("The asset is put into the store and taken out of it all the time. Try again.")

    async def _add_item(self, tx: Transaction, item: StoreItem) -> StoreItem | None:
        """Put an asset into a store; None when somebody did in this moment: the next transaction finds it, and holds it
        before the store.
        """
        where = {"tenant_id": item.tenant_id, "store_id": item.store_id, "asset_id": item.asset_id}
        row = await hold_item(tx, item)
        await hold_store(tx, item.tenant_id, item.store_id)
        if await tx.fetch_one("hold_item_asset", where) is None:
            raise NotFound("There is no such asset.", code="asset_not_found", param="asset_id")
        if row is not None:
            return await requeue(tx, read_item(row), item)
        if not await tx.execute("add_store_item", write_item(item)):
            return None
        await defer_job(tx, item.tenant_id, "item", item.id, run_at=item.created_at)
        return item

    async def retry_item(self, item: StoreItem) -> None:
        """Have an item that failed indexed again, from ``updated_at`` on."""
        async with self.database.transaction() as tx:
            await hold_item(tx, item)
            await requeue(tx, item, item)

    async def find_item(self, tenant_id: UUID, store_id: UUID, item_id: UUID) -> StoreItem | None:
        """Find an item of a store."""
        found = await self.get_items(tenant_id, [item_id])
        item = found.get(item_id)
        return item if item and item.store_id == store_id else None

    async def find_item_of_chunk(self, tenant_id: UUID, chunk: UUID) -> StoreItem | None:
        """The item whose id is that of this chunk but for its end, in a store that is there."""
        first, last = list_items_of(chunk)
        where = {"tenant_id": tenant_id, "first": first, "last": last}
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("find_item_of_chunk", where)
        return read_item(rows[0]) if len(rows) == 1 else None

    async def get_items(self, tenant_id: UUID, item_ids: Sequence[UUID]) -> Mapping[UUID, StoreItem]:
        """Items by their ids, of whatever store; those that are there, in a store that is."""
        found: dict[UUID, StoreItem] = {}
        async with self.database.reading() as tx:
            for item_id in dict.fromkeys(item_ids):
                if row := await tx.fetch_one("find_store_item", {"tenant_id": tenant_id, "id": item_id}):
                    found[item_id] = read_item(row)
        return found

    async def list_items(self, tenant_id: UUID, store_id: UUID, which: StoreItemFilter) -> Counted:
        """A page of items; none of a store that was deleted."""
        where = filter_items(tenant_id, store_id, which)
        page: dict[str, Any] = {**where, **write_sorting(which.sorting)}
        async with self.database.reading() as tx:
            if await tx.fetch_one("is_store_named", {"tenant_id": tenant_id, "store_id": store_id}) is None:
                return Counted((), 0)
            rows = await tx.fetch_all(list_query("store_items", which.sorting), page)
            total = await count_filtered(tx, where, which)
        return Counted(tuple(read_item(row) for row in rows), total)

    async def save_item_metadata(self, item: StoreItem) -> bool:
        """Store metadata and title of an item, and have searches know them; False when it is gone."""
        where = {"tenant_id": item.tenant_id, "store_id": item.store_id, "id": item.id}
        async with self.database.transaction() as tx:
            if not await tx.execute("change_store_item", write_item(item)):
                return False
            await tx.execute("shrink_knowledge_store", {**where, "chunks": 0})
            if row := await tx.fetch_one("renew_knowledge_store", where):
                await tx.execute("renew_item_segments", {**where, "version": row[0]})
        return True

    async def delete_item(self, tenant_id: UUID, store_id: UUID, item_id: UUID) -> bool:
        """Delete an item with its index and its job; False when it is gone. ``erase_batch`` erases its text."""
        where = {"tenant_id": tenant_id, "store_id": store_id, "id": item_id}
        async with self.database.transaction() as tx:
            await tx.execute("remove_job", {"tenant_id": tenant_id, "kind": "item", "subject_id": item_id})
            row = await tx.fetch_one("remove_knowledge_item", where)
            if row is None:
                return False
            await tx.execute("remove_knowledge_segments", where)
            await tx.execute("shrink_knowledge_store", {**where, "chunks": row[0]})
            await tx.execute("remove_item_members", where)
            await begin_erasure(tx, tenant_id, item_id)
        return True


async def hold_item(tx: Transaction, item: StoreItem) -> Row | None:
    """Keep the item that a store made of an asset as it is, behind its job, until the transaction ends; None when there
    is none yet.
    """
    where = {"tenant_id": item.tenant_id, "store_id": item.store_id, "asset_id": item.asset_id}
    await tx.fetch_one("hold_item_job", where)
    return await tx.fetch_one("find_item_of_asset", where)


async def count_filtered(tx: Transaction, where: Parameters, which: StoreItemFilter) -> int:
    """How many items a filter keeps; by status alone they are counted in an index, however many there are."""
    if which.asset_id or which.collection_id:
        row = await tx.fetch_one("count_store_items", where)
        return int(row[0]) if row else 0
    rows = await tx.fetch_all("count_items_by_status", where)
    return sum(count for status, count, _ in rows if not which.statuses or status in which.statuses)


async def count_items(tx: Transaction, row: Row) -> KnowledgeStoreInfo:
    """A store with its items counted by status."""
    store = read_store(row)
    where = {"tenant_id": store.tenant_id, "store_id": store.id}
    rows = await tx.fetch_all("count_items_by_status", where)
    counts = {status: count for status, count, _ in rows}
    return replace(store, items=counts, characters=sum(int(characters) for *_, characters in rows))


async def requeue(tx: Transaction, item: StoreItem, wanted: StoreItem) -> StoreItem:
    """Have an item indexed again if it had failed, at the time of the one that is ``wanted``."""
    now = wanted.updated_at
    where = {"tenant_id": item.tenant_id, "id": item.id, "now": as_ms(now)}
    if not await tx.execute("requeue_store_item", where):
        return item
    await defer_job(tx, item.tenant_id, "item", item.id, run_at=now)
    return replace(item, status="queued", step=None, error=None, progress=0, updated_at=now)
