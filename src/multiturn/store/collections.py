"""Collections, the named parts of knowledge stores, in the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from multiturn.errors import Conflict, NotFound
from multiturn.model.store import Collection, Counted, Sorting
from multiturn.store.database import Database, Transaction
from multiturn.store.rows import as_id, as_ms
from multiturn.store.store_rows import list_query, read_collection, write_collection, write_sorting


class SqlCollectionStore:
    """Keeps collections in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def add_collection(self, collection: Collection) -> None:
        """Store a new collection. Raises Conflict (``collection_exists``), NotFound when the store is gone."""
        async with self.database.transaction() as tx:
            await hold_store(tx, collection.tenant_id, collection.store_id)
            if not await tx.execute("add_collection", write_collection(collection)):
                raise name_taken(collection)

    async def find_collection(self, tenant_id: UUID, store_id: UUID, collection_id: UUID) -> Collection | None:
        """Find a collection, with its members counted."""
        where = {"tenant_id": tenant_id, "store_id": store_id, "id": collection_id}
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_collection", where)
        return read_collection(row) if row else None

    async def list_collections(self, tenant_id: UUID, store_id: UUID, sorting: Sorting) -> Counted:
        """A page of collections."""
        where = {"tenant_id": tenant_id, "store_id": store_id}
        async with self.database.reading() as tx:
            rows = await tx.fetch_all(list_query("collections", sorting), {**where, **write_sorting(sorting)})
            total = await tx.fetch_one("count_collections", where)
        return Counted(tuple(read_collection(row) for row in rows), (total or (0,))[0])

    async def save_collection(self, collection: Collection) -> bool:
        """Store name, description and metadata; False when it is gone. Raises Conflict."""
        written = write_collection(collection)
        async with self.database.transaction() as tx:
            await hold_store(tx, collection.tenant_id, collection.store_id)
            row = await tx.fetch_one("find_collection_by_name", written)
            if row and as_id(row[0]) != collection.id:
                raise name_taken(collection)
            return bool(await tx.execute("change_collection", written))

    async def delete_collection(self, tenant_id: UUID, store_id: UUID, collection_id: UUID) -> bool:
        """Delete a collection; its items stay. False when it is gone."""
        where = {"tenant_id": tenant_id, "store_id": store_id, "id": collection_id}
        async with self.database.transaction() as tx:
            if not await tx.execute("remove_collection", where):
                return False
            await tx.execute("remove_collection_members", where)
        return True

    async def add_members(self, collection: Collection, item_ids: Sequence[UUID], now: datetime) -> None:
        """Add items; those that are in it stay. Raises NotFound (``item_not_found``), naming one that is not there."""
        where = place_of(collection)
        async with self.database.transaction() as tx:
            await touch(tx, collection, now)
            for item_id in sorted(set(item_ids)):
                if await tx.fetch_one("hold_store_item", {**where, "item_id": item_id}) is None:
                    text = f"The store has no item {item_id}. Nothing was added."
                    raise NotFound(text, code="item_not_found", param="item_ids")
                await tx.execute("add_collection_member", {**where, "item_id": item_id})

    async def remove_members(self, collection: Collection, item_ids: Sequence[UUID], now: datetime) -> None:
        """Take items out; those that are not in it do not matter."""
        where = place_of(collection)
        async with self.database.transaction() as tx:
            await touch(tx, collection, now)
            await tx.execute_many("remove_collection_member", [{**where, "item_id": id_} for id_ in item_ids])

    async def list_members(self, tenant_id: UUID, collection_ids: Sequence[UUID]) -> Sequence[UUID]:
        """All items of these collections."""
        members: dict[UUID, None] = {}
        async with self.database.reading() as tx:
            for id_ in collection_ids:
                rows = await tx.fetch_all("list_collection_members", {"tenant_id": tenant_id, "id": id_})
                members |= {as_id(row[0]): None for row in rows}
        return list(members)


async def hold_store(tx: Transaction, tenant_id: UUID, store_id: UUID) -> None:
    """Keep a store from being deleted before the transaction ends. Raises NotFound when it is gone."""
    if await tx.fetch_one("hold_named_store", {"tenant_id": tenant_id, "store_id": store_id}) is None:
        raise store_not_found()


async def touch(tx: Transaction, collection: Collection, now: datetime) -> None:
    """Note that the members of a collection change, one after the other. Raises NotFound when it is gone."""
    if not await tx.execute("touch_collection", {**place_of(collection), "now": as_ms(now)}):
        text = "The store has no such collection."
        raise NotFound(text, code="collection_not_found", param="collection_id")


def place_of(collection: Collection) -> dict[str, UUID]:
    """Where a collection is, as the parameters of the queries."""
    return {"tenant_id": collection.tenant_id, "store_id": collection.store_id, "id": collection.id}


def name_taken(collection: Collection) -> Conflict:
    """The error of a second collection of a name."""
    text = f"The store has a collection '{collection.name}' already."
    return Conflict(text, code="collection_exists", param="name")


def store_not_found() -> NotFound:
    """The error of a store that is not there, or another's."""
    return NotFound("There is no such knowledge store.", code="store_not_found", param="store_id")
