"""Collections: named parts of knowledge stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import replace

from multiturn.engine.metadata import check_label, check_object, check_text
from multiturn.engine.ports import Clock
from multiturn.engine.ports_ingestion import StoreRegistry
from multiturn.engine.times import as_stored
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.ids import find_id, new_id
from multiturn.model.store import Collection, Counted, KnowledgeStoreInfo, Sorting, StoreChange

DESCRIPTION_CHARS_MAX = 10_000
STORE_BYTES_MAX = 128 * 1024
MEMBERS_PER_CALL = 500


class StoreCollections:
    """The collections of a tenant's named knowledge stores."""

    def __init__(self, registry: StoreRegistry, clock: Clock) -> None:
        self.registry = registry
        self.clock = clock

    async def get(self, tenant_id: UUID, store: UUID | str) -> KnowledgeStoreInfo:
        """Get a store by its id; by a text, which is an id in any form, or the name of the newest. Raises NotFound."""
        id_ = store if isinstance(store, UUID) else find_id(store)
        found = await self.registry.find(tenant_id, id_) if id_ else None
        if found is None and isinstance(store, str):
            found = await self.registry.find_by_name(tenant_id, store)
        if found is None:
            raise store_not_found()
        return found

    async def create_collection(
        self,
        tenant_id: UUID,
        store_id: UUID,
        name: str,
        *,
        description: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Collection:
        """Make a collection. Raises InvalidRequest, NotFound, Conflict (``collection_exists``)."""
        check_described(name, description, metadata)
        now = as_stored(self.clock())
        collection = Collection(
            id=new_id(),
            tenant_id=tenant_id,
            store_id=store_id,
            name=name,
            created_at=now,
            updated_at=now,
            description=description,
            metadata=metadata or {},
        )
        await self.registry.add_collection(collection)
        return collection

    async def get_collection(self, tenant_id: UUID, store_id: UUID, collection_id: UUID) -> Collection:
        """Get a collection of a store. Raises NotFound."""
        found = await self.registry.find_collection(tenant_id, store_id, collection_id)
        if found is None:
            await self.get(tenant_id, store_id)
            raise collection_not_found()
        return found

    async def list_collections(self, tenant_id: UUID, store_id: UUID, sorting: Sorting) -> Counted:
        """List the collections of a store by pages. Raises NotFound."""
        await self.get(tenant_id, store_id)
        return await self.registry.list_collections(tenant_id, store_id, sorting)

    async def change_collection(
        self, tenant_id: UUID, store_id: UUID, collection_id: UUID, change: StoreChange
    ) -> Collection:
        """Change name, description or metadata of a collection. Raises NotFound, InvalidRequest, Conflict."""
        before = await self.get_collection(tenant_id, store_id, collection_id)
        collection = replace(before, **described(before, change), updated_at=as_stored(self.clock()))
        check_described(collection.name, collection.description, collection.metadata)
        if not await self.registry.save_collection(collection):
            raise collection_not_found()
        return collection

    async def delete_collection(self, tenant_id: UUID, store_id: UUID, collection_id: UUID) -> None:
        """Delete a collection; its items stay. Raises NotFound."""
        if not await self.registry.delete_collection(tenant_id, store_id, collection_id):
            await self.get(tenant_id, store_id)
            raise collection_not_found()

    async def add_members(
        self, tenant_id: UUID, store_id: UUID, collection_id: UUID, item_ids: Sequence[UUID]
    ) -> Collection:
        """Add items to a collection, all or none; those that are in it stay. Raises NotFound, InvalidRequest."""
        collection = await self._open(tenant_id, store_id, collection_id, item_ids)
        await self.registry.add_members(collection, item_ids, as_stored(self.clock()))
        return await self.get_collection(tenant_id, store_id, collection_id)

    async def remove_members(
        self, tenant_id: UUID, store_id: UUID, collection_id: UUID, item_ids: Sequence[UUID]
    ) -> Collection:
        """Take items out of a collection; those that are not in it do not matter. Raises NotFound, InvalidRequest."""
        collection = await self._open(tenant_id, store_id, collection_id, item_ids)
        await self.registry.remove_members(collection, item_ids, as_stored(self.clock()))
        return await self.get_collection(tenant_id, store_id, collection_id)

    async def _open(self, tenant_id: UUID, store_id: UUID, collection_id: UUID, item_ids: Sequence[UUID]) -> Collection:
        if len(item_ids) > MEMBERS_PER_CALL:
            text = f"'item_ids' must have at most {MEMBERS_PER_CALL} ids; it has {len(item_ids)}."
            raise InvalidRequest(text, param="item_ids")
        return await self.get_collection(tenant_id, store_id, collection_id)


def check_described(name: str, description: str | None, metadata: dict[str, Any] | None) -> None:
    """Raise InvalidRequest for what cannot be said of a store or a collection."""
    check_label(name, "name")
    check_text(description, "description", chars_max=DESCRIPTION_CHARS_MAX)
    check_object(metadata or {}, "metadata", bytes_max=STORE_BYTES_MAX)


def described(before: KnowledgeStoreInfo | Collection, change: StoreChange) -> dict[str, Any]:
    """Name, description and metadata as a change leaves them."""
    return {
        "name": before.name if change.name is UNSET else change.name,
        "description": before.description if change.description is UNSET else change.description,
        "metadata": before.metadata if change.metadata is UNSET else change.metadata,
    }


def kept(before: KnowledgeStoreInfo, change: StoreChange) -> dict[str, Any]:
    """What a dialect keeps with a store, as a change leaves it. Raises InvalidRequest when it is too much."""
    wire = before.wire if change.wire is UNSET else change.wire
    check_object(wire, "wire")
    return wire


def store_not_found() -> NotFound:
    """The error of a store that is not there, or another's."""
    return NotFound("There is no such knowledge store.", code="store_not_found", param="store_id")


def collection_not_found() -> NotFound:
    """The error of a collection that is not in its store."""
    return NotFound("The store has no such collection.", code="collection_not_found", param="collection_id")
