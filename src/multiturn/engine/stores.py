"""Knowledge stores that have a name: their items, and what can be read of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from multiturn.engine.item_reading import (
    AROUND_CHARACTERS,
    AROUND_PAGES,
    AROUND_S,
    read_at_time,
    read_characters,
    read_outline,
    read_pages,
)
from multiturn.engine.metadata import IN_NO_LABEL, check_label, check_object
from multiturn.engine.ports import Clock
from multiturn.engine.ports_assets import AssetStore
from multiturn.engine.ports_ingestion import PartStore, StoreRegistry
from multiturn.engine.store_collections import StoreCollections, check_described, described, kept, store_not_found
from multiturn.engine.store_rules import check_ingestion
from multiturn.engine.times import as_stored
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.asset import Asset, AssetKind
from multiturn.model.ids import find_alias, find_id, new_id
from multiturn.model.outline import Excerpt, ItemOutline
from multiturn.model.store import (
    Counted,
    KnowledgeStoreInfo,
    Sorting,
    StoreChange,
    StoreItem,
    StoreItemFilter,
)

TITLE_CHARS_MAX = 800
# 50 pairs of 8,192 characters (contracts/twelvelabs.md 6.2), in up to four bytes each.
ITEM_BYTES_MAX = 2 * 1024 * 1024
# So many batches a request erases itself; the sweeper erases the rest.
ERASE_BATCHES = 100
POLL_S = 0.1


class KnowledgeStores(StoreCollections):
    """The named knowledge stores of tenants. ``wake`` tells whoever indexes that there is something to do."""

    def __init__(
        self,
        registry: StoreRegistry,
        assets: AssetStore,
        parts: PartStore,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        super().__init__(registry, clock)
        self.assets = assets
        self.parts = parts
        self.wake = wake

    async def create(
        self,
        tenant_id: UUID,
        name: str,
        *,
        description: str | None = None,
        metadata: dict[str, Any] | None = None,
        ingestion: dict[str, Any] | None = None,
        wire: dict[str, Any] | None = None,
    ) -> KnowledgeStoreInfo:
        """Make a store; ``wire`` is what a dialect keeps with it. Raises InvalidRequest, also
        (``ingestion_config_invalid``) for what cannot be extracted.
        """
        check_described(name, description, metadata)
        check_object(wire or {}, "wire")
        now = as_stored(self.clock())
        store = KnowledgeStoreInfo(
            id=new_id(),
            tenant_id=tenant_id,
            name=name,
            created_at=now,
            updated_at=now,
            description=description,
            metadata=metadata or {},
            ingestion=check_ingestion(ingestion),
            wire=wire or {},
        )
        await self.registry.add(store)
        return store

    async def list_stores(self, tenant_id: UUID, sorting: Sorting) -> Counted:
        """List stores by pages."""
        return await self.registry.list_stores(tenant_id, sorting)

    async def change(self, tenant_id: UUID, store_id: UUID, change: StoreChange) -> KnowledgeStoreInfo:
        """Change name, description or metadata of a store. Raises NotFound, InvalidRequest."""
        before = await self.get(tenant_id, store_id)
        wire, now = kept(before, change), as_stored(self.clock())
        store = replace(before, **described(before, change), wire=wire, updated_at=now)
        check_described(store.name, store.description, store.metadata)
        if not await self.registry.save(store):
            raise store_not_found()
        return store

    async def delete(self, tenant_id: UUID, store_id: UUID) -> None:
        """Delete a store with its items and collections for good; the assets stay. Raises NotFound."""
        if not await self.registry.delete(tenant_id, store_id):
            raise store_not_found()
        await self._erase()

    async def add_item(
        self,
        tenant_id: UUID,
        store_id: UUID,
        asset: UUID | str,
        *,
        kind: AssetKind | None = None,
        metadata: dict[str, Any] | None = None,
        wait_s: float = 0.0,
    ) -> StoreItem:
        """Put an asset into a store, where it is indexed in the background; one that is there already is returned, and
        indexed again if it had failed. ``kind`` is what the client takes it for; ``wait_s`` how long an asset may still
        take to become ready.

        Raises NotFound (``store_not_found``, ``asset_not_found``) and InvalidRequest (``asset_not_ready``,
        ``asset_failed``, ``asset_kind_wrong``).
        """
        check_object(metadata or {}, "metadata", bytes_max=ITEM_BYTES_MAX)
        store = await self.get(tenant_id, store_id)
        found = await self.find_ready(tenant_id, asset, wait_s=wait_s)
        ready_kind = check_kind(found, kind)
        now = as_stored(self.clock())
        item = StoreItem(
            id=new_id(),
            tenant_id=tenant_id,
            store_id=store.id,
            asset_id=found.id,
            kind=ready_kind,
            status="queued",
            created_at=now,
            updated_at=now,
            title=find_title(metadata or {}) or found.filename,
            metadata=metadata or {},
        )
        added = await self.registry.add_item(item)
        self.wake()
        return added

    async def get_item(self, tenant_id: UUID, store_id: UUID, item_id: UUID) -> StoreItem:
        """Get an item of a store. Raises NotFound."""
        item = await self.registry.find_item(tenant_id, store_id, item_id)
        if item is None:
            await self.get(tenant_id, store_id)
            raise item_not_found()
        return item

    async def list_items(self, tenant_id: UUID, store_id: UUID, which: StoreItemFilter) -> Counted:
        """List items of a store by pages. Raises NotFound for a store or a collection that is not there."""
        page = await self.registry.list_items(tenant_id, store_id, which)
        if not page.total and which.collection_id:
            await self.get_collection(tenant_id, store_id, which.collection_id)
        elif not page.total:
            await self.get(tenant_id, store_id)
        return page

    async def retry_item(self, tenant_id: UUID, store_id: UUID, item_id: UUID) -> StoreItem:
        """Have an item that failed indexed again; any other is left as it is. Raises NotFound."""
        item = await self.get_item(tenant_id, store_id, item_id)
        await self.registry.retry_item(replace(item, updated_at=as_stored(self.clock())))
        self.wake()
        return await self.get_item(tenant_id, store_id, item_id)

    async def change_item(
        self,
        tenant_id: UUID,
        store_id: UUID,
        item_id: UUID,
        *,
        metadata: dict[str, Any] | None = None,
        title: str | None = None,
    ) -> StoreItem:
        """Replace the metadata of an item, its title, or both; a title in the metadata is one. Raises NotFound."""
        item = await self.get_item(tenant_id, store_id, item_id)
        metadata = item.metadata if metadata is None else metadata
        check_object(metadata, "metadata", bytes_max=ITEM_BYTES_MAX)
        check_label(title, "title", chars_max=TITLE_CHARS_MAX)
        title = title or find_title(metadata) or item.title
        changed = replace(item, metadata=metadata, title=title, updated_at=as_stored(self.clock()))
        if not await self.registry.save_item_metadata(changed):
            raise item_not_found()
        return changed

    async def delete_item(self, tenant_id: UUID, store_id: UUID, item_id: UUID) -> None:
        """Delete an item with its text and index for good; the asset stays. Raises NotFound."""
        if not await self.registry.delete_item(tenant_id, store_id, item_id):
            await self.get(tenant_id, store_id)
            raise item_not_found()
        await self._erase()

    async def drop_item(self, tenant_id: UUID, store_id: UUID, item_id: UUID) -> None:
        """Delete an item whose asset goes; nothing when it is gone already."""
        if await self.registry.delete_item(tenant_id, store_id, item_id):
            await self._erase()

    async def load_assets(self, tenant_id: UUID, asset_ids: Iterable[UUID | None]) -> dict[UUID, Asset]:
        """The assets of items by their ids; those that are there."""
        found: dict[UUID, Asset] = {}
        for asset_id in dict.fromkeys(asset_ids):
            asset = await self.assets.find(tenant_id, asset_id) if asset_id else None
            if asset:
                found[asset.id] = asset
        return found

    async def read_outline(self, item: StoreItem) -> ItemOutline:
        """What an item is about, and its sections: headings and pages, or shots and minutes."""
        return await read_outline(self.parts, item)

    async def read_around(
        self,
        item: StoreItem,
        *,
        at_s: float | None = None,
        page: int | None = None,
        character: int | None = None,
        width: float | None = None,
    ) -> tuple[Excerpt, ...]:
        """What stands around a place of an item; without one, how it begins. ``width`` is to either side, in seconds,
        pages or characters.
        """
        if at_s is not None:
            width = AROUND_S if width is None else width
            return await read_at_time(self.parts, item, at_s - width, at_s + width)
        if page is not None:
            width = AROUND_PAGES if width is None else int(width)
            return await read_pages(self.parts, item, page - int(width), page + int(width))
        width = AROUND_CHARACTERS if width is None else int(width)
        middle = character or 0
        return await read_characters(self.parts, item, max(0, middle - int(width)), middle + int(width))

    async def find_ready(self, tenant_id: UUID, name: UUID | str, *, wait_s: float) -> Asset:
        """The asset of this id, which is ready or has failed. Raises NotFound, and InvalidRequest when it takes longer
        than ``wait_s``.
        """
        key = (find_id(name) or find_alias(name) or name) if isinstance(name, str) else name
        for left in reversed(range(int(wait_s / POLL_S) + 1)):
            asset = await self.assets.find(tenant_id, key)
            if asset is None:
                raise NotFound(f"There is no asset '{str(name)[:80]}'.", code="asset_not_found", param="asset_id")
            if asset.status != "processing":
                return asset
            await asyncio.sleep(POLL_S if left else 0)
        text = f"The asset '{str(name)[:80]}' is still being looked at. Wait until its status is 'ready'."
        raise InvalidRequest(text, code="asset_not_ready", param="asset_id")

    async def _erase(self) -> None:
        """Erase what was taken away, so that no byte of it is left in files of our own; the sweeper erases the rest of
        what is too much for one request.
        """
        for _ in range(ERASE_BATCHES):
            if not await self.registry.erase_batch():
                break
        await self.registry.vacuum()


def check_kind(asset: Asset, kind: AssetKind | None) -> AssetKind:
    """What an asset is. Raises InvalidRequest when it failed, or is not what the client takes it for."""
    if asset.status == "failed" or asset.kind is None:
        text = f"The asset {asset.alias} cannot be used: {asset.error or 'it could not be read'}"
        raise InvalidRequest(text, code="asset_failed", param="asset_id")
    if kind and kind != asset.kind:
        text = f"The asset {asset.alias} is of the type '{asset.kind}', not '{kind}'."
        raise InvalidRequest(text, code="asset_kind_wrong", param="asset_type")
    return asset.kind


def find_title(metadata: dict[str, Any]) -> str | None:
    """The title that a client gave an item: one line, of its metadata."""
    for name in ("title", "name"):
        text = metadata.get(name)
        if isinstance(text, str) and text.strip():
            return " ".join(IN_NO_LABEL.sub(" ", text).split())[:TITLE_CHARS_MAX] or None
    return None


def item_not_found() -> NotFound:
    """The error of an item that is not in its store."""
    return NotFound("The store has no such item.", code="item_not_found", param="item_id")
