"""Named knowledge stores in the database: an asset is in a store once, collections are parts of it, nothing of what was
deleted is left, and nobody sees another tenant's.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from multiturn.errors import Conflict, NotFound
from multiturn.model.asset import Asset
from multiturn.model.ids import CHUNK_MAX, chunk_id, new_id
from multiturn.model.job import Job
from multiturn.model.knowledge import DocumentSegment, Owner
from multiturn.model.segment import Place, Segment
from multiturn.model.store import Collection, KnowledgeStoreInfo, Sorting, StoreItem, StoreItemFilter
from multiturn.store.assets import SqlAssetStore
from multiturn.store.jobs import SqlJobStore
from multiturn.store.knowledge import SqlKnowledgeStore
from multiturn.store.parts import SqlPartStore
from multiturn.store.stores import SqlStoreRegistry
from tests.contract.ports.stores import Stores


class Shelves:
    """The named stores of one tenant, with assets that are ready."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.tenant_id = stores.tenant_id
        self.registry = SqlStoreRegistry(stores.database)
        self.assets = SqlAssetStore(stores.database)
        self.jobs = SqlJobStore(stores.database)
        self.parts = SqlPartStore(stores.database)

    async def make_store(self, name: str = "talks", **fields: Any) -> KnowledgeStoreInfo:
        now = self.stores.clock()
        store = KnowledgeStoreInfo(id=new_id(), tenant_id=self.tenant_id, name=name, created_at=now, updated_at=now)
        store = replace(store, **fields)
        await self.registry.add(store)
        return store

    async def make_asset(self, filename: str = "talk.mp4") -> Asset:
        id_, now = new_id(), self.stores.clock()
        asset = Asset(
            id=id_,
            tenant_id=self.tenant_id,
            alias=id_.hex[8:],
            created_at=now,
            updated_at=now,
            method="multipart",
            status="ready",
            filename=filename,
            mime="video/mp4",
            kind="video",
        )
        await self.assets.add(asset)
        return asset

    def item_of(self, store: KnowledgeStoreInfo, asset: Asset, **fields: Any) -> StoreItem:
        now = self.stores.clock()
        item = StoreItem(
            id=new_id(),
            tenant_id=store.tenant_id,
            store_id=store.id,
            asset_id=asset.id,
            kind="video",
            status="queued",
            created_at=now,
            updated_at=now,
            title=asset.filename,
        )
        return replace(item, **fields)

    async def put(self, store: KnowledgeStoreInfo, filename: str = "talk.mp4", **fields: Any) -> StoreItem:
        return await self.registry.add_item(self.item_of(store, await self.make_asset(filename), **fields))

    async def make_collection(self, store: KnowledgeStoreInfo, name: str = "finals") -> Collection:
        now = self.stores.clock()
        collection = Collection(
            id=new_id(), tenant_id=self.tenant_id, store_id=store.id, name=name, created_at=now, updated_at=now
        )
        await self.registry.add_collection(collection)
        return collection

    async def claim(self) -> Job | None:
        now = self.stores.clock()
        return await self.jobs.claim("item", now, now.replace(year=now.year + 1), tenant_max=9)

    async def index(self, item: StoreItem, *texts: str) -> StoreItem:
        """Do what indexing does: text, index, ready."""
        job = await self.claim()
        assert job
        assert job.subject_id == item.id
        starts = 0
        for text in texts:
            part = Segment(text=text, place=Place(start_s=starts / 10, end_s=(starts + len(text)) / 10))
            assert await self.parts.add_parts(job, item, [(starts, part)])
            starts += len(text) + 1
        segment = DocumentSegment(item_id=item.id, number=0, model=None, body=b"words")
        assert await self.parts.add_segments(job, item, [segment])
        ready = replace(item, status="ready", progress=100, chunks=len(texts), characters=starts)
        assert await self.parts.publish(job, ready)
        await self.jobs.finish(job)
        return ready

    async def fail(self, item: StoreItem, error: str) -> None:
        """Do what indexing does with a file that cannot be read."""
        job = await self.claim()
        assert job
        assert await self.parts.save_progress(job, replace(item, status="failed", step="read", error=error))
        await self.jobs.finish(job)

    async def erase(self) -> int:
        """Erase what was taken away; tells in how many batches."""
        batches = 0
        while await self.registry.erase_batch():
            batches += 1
        return batches

    async def titles(self, store: KnowledgeStoreInfo, **which: Any) -> list[str]:
        page = await self.registry.list_items(self.tenant_id, store.id, StoreItemFilter(**which))
        return [item.title for item in page.data]


@pytest.fixture
def shelves(stores: Stores) -> Shelves:
    return Shelves(stores)


async def test_store_is_found_as_it_was_made(shelves: Shelves) -> None:
    ingestion = {"enrichment_config": {"type": "description", "description": "Brands"}}
    made = await shelves.make_store("talks", description="Talks", metadata={"team": "qa"}, ingestion=ingestion)
    assert await shelves.registry.find(shelves.tenant_id, made.id) == made
    assert await shelves.registry.find_by_name(shelves.tenant_id, "talks") == made
    newer = await shelves.make_store("talks")
    assert await shelves.registry.find_by_name(shelves.tenant_id, "talks") == newer
    assert await shelves.registry.find(new_id(), made.id) is None
    assert await shelves.registry.find_by_name(new_id(), "talks") is None


async def test_stores_are_sorted_by_what_is_asked(shelves: Shelves) -> None:
    for name in ("bees", "ants", "cats"):
        shelves.stores.clock.pass_(seconds=1)
        made = await shelves.make_store(name)
        if name == "bees":
            first = made
    shelves.stores.clock.pass_(seconds=1)
    assert await shelves.registry.save(replace(first, description="busy", updated_at=shelves.stores.clock()))

    async def names(**sorting: Any) -> list[str]:
        page = await shelves.registry.list_stores(shelves.tenant_id, Sorting(**sorting))
        assert page.total == 3
        return [store.name for store in page.data]

    assert await names() == ["cats", "ants", "bees"]
    assert await names(newest_first=False) == ["bees", "ants", "cats"]
    assert await names(by="updated_at") == ["bees", "cats", "ants"]
    assert await names(by="name", newest_first=False) == ["ants", "bees", "cats"]
    assert await names(by="name", offset=1, limit=1) == ["bees"]
    assert await names(offset=3) == []


async def test_asset_is_in_a_store_once(shelves: Shelves) -> None:
    store, asset = await shelves.make_store(), await shelves.make_asset()
    wanted = [shelves.item_of(store, asset) for _ in range(5)]
    added = await asyncio.gather(*(shelves.registry.add_item(item) for item in wanted))
    assert len({item.id for item in added}) == 1
    other = await shelves.make_store("other")
    elsewhere = await shelves.registry.add_item(shelves.item_of(other, asset))
    assert elsewhere.id != added[0].id
    assert await shelves.assets.list_items(shelves.tenant_id, asset.id) == [
        (store.id, added[0].id),
        (other.id, elsewhere.id),
    ]
    assert (await shelves.registry.find(shelves.tenant_id, store.id) or store).items == {"queued": 1}


async def test_item_is_refused_without_store_or_asset(shelves: Shelves) -> None:
    store, asset = await shelves.make_store(), await shelves.make_asset()
    with pytest.raises(NotFound) as gone:
        await shelves.registry.add_item(shelves.item_of(replace(store, id=new_id()), asset))
    assert gone.value.code == "store_not_found"
    with pytest.raises(NotFound) as lost:
        await shelves.registry.add_item(shelves.item_of(store, replace(asset, id=new_id())))
    assert lost.value.code == "asset_not_found"
    assert await shelves.claim() is None


async def test_failed_item_is_indexed_again(shelves: Shelves) -> None:
    store, asset = await shelves.make_store(), await shelves.make_asset()
    item = await shelves.registry.add_item(shelves.item_of(store, asset))
    await shelves.fail(item, "The file is encrypted.")
    failed = await shelves.registry.find_item(shelves.tenant_id, store.id, item.id)
    assert failed
    assert (failed.status, failed.error, failed.step) == ("failed", "The file is encrypted.", "read")
    again = await shelves.registry.add_item(shelves.item_of(store, asset))
    assert (again.id, again.status, again.error) == (item.id, "queued", None)
    await shelves.fail(item, "Still.")
    await shelves.registry.retry_item(again)
    retried = await shelves.registry.find_item(shelves.tenant_id, store.id, item.id)
    assert retried
    assert (retried.status, retried.error) == ("queued", None)
    assert await shelves.claim()


async def test_who_adds_and_who_publishes_wait_in_one_order(shelves: Shelves) -> None:
    store, asset = await shelves.make_store(), await shelves.make_asset()
    item = await shelves.registry.add_item(shelves.item_of(store, asset))
    where = {"tenant_id": store.tenant_id, "store_id": store.id, "id": item.id}
    async with shelves.stores.database.transaction() as tx:
        assert await tx.fetch_one("count_item_chunks", where)
        adding = asyncio.create_task(shelves.registry.add_item(shelves.item_of(store, asset)))
        await asyncio.sleep(0.1)
        assert await tx.fetch_one("renew_knowledge_store", where)
    assert (await adding).id == item.id


async def test_ready_item_is_left_as_it_is(shelves: Shelves) -> None:
    store, asset = await shelves.make_store(), await shelves.make_asset()
    item = await shelves.registry.add_item(shelves.item_of(store, asset))
    ready = await shelves.index(item, "One.", "Two.")
    assert (await shelves.registry.add_item(shelves.item_of(store, asset))).status == "ready"
    await shelves.registry.retry_item(ready)
    assert await shelves.claim() is None
    assert await shelves.registry.get_items(shelves.tenant_id, [item.id, new_id()]) == {item.id: ready}


async def test_items_are_listed_by_filter(shelves: Shelves) -> None:
    store = await shelves.make_store()
    first = await shelves.put(store, "b.mp4")
    await shelves.index(first, "One.")
    shelves.stores.clock.pass_(seconds=1)
    second = await shelves.put(store, "a.mp4")
    collection = await shelves.make_collection(store)
    await shelves.registry.add_members(collection, [second.id], shelves.stores.clock())
    assert await shelves.titles(store) == ["a.mp4", "b.mp4"]
    assert await shelves.titles(store, sorting=Sorting(newest_first=False, limit=1)) == ["b.mp4"]
    assert await shelves.titles(store, sorting=Sorting(by="name")) == ["b.mp4", "a.mp4"]
    assert await shelves.titles(store, sorting=Sorting(by="updated_at", newest_first=False)) == ["b.mp4", "a.mp4"]
    assert await shelves.titles(store, statuses=("ready", "failed")) == ["b.mp4"]
    assert await shelves.titles(store, asset_id=second.asset_id) == ["a.mp4"]
    assert await shelves.titles(store, collection_id=collection.id) == ["a.mp4"]
    assert (await shelves.registry.list_items(new_id(), store.id, StoreItemFilter())).total == 0
    counted = await shelves.registry.find(shelves.tenant_id, store.id)
    assert counted
    assert (counted.items, counted.chunks) == ({"ready": 1, "queued": 1}, 1)


async def test_changed_metadata_are_told_to_searches(shelves: Shelves) -> None:
    store = await shelves.make_store()
    item = await shelves.index(await shelves.put(store), "One.")
    knowledge = SqlKnowledgeStore(shelves.stores.database)
    (before,) = await knowledge.find_stores(shelves.tenant_id, [Owner("store", store.id)])
    assert await shelves.registry.save_item_metadata(replace(item, metadata={"team": "b"}, title="Finals"))
    (after,) = await knowledge.find_stores(shelves.tenant_id, [Owner("store", store.id)])
    (change,) = await knowledge.list_changes(shelves.tenant_id, after, after=(before.version, new_id(), 0), limit=9)
    assert (change.item.title, change.item.metadata) == ("Finals", {"team": "b"})
    assert not await shelves.registry.save_item_metadata(replace(item, id=new_id()))


async def test_deleted_item_leaves_nothing(shelves: Shelves) -> None:
    store = await shelves.make_store()
    kept, item = await shelves.put(store, "a.mp4"), await shelves.put(store, "b.mp4")
    await shelves.index(kept, "Kept.")
    await shelves.index(item, *("Gone." for _ in range(1200)))
    collection = await shelves.make_collection(store)
    await shelves.registry.add_members(collection, [kept.id, item.id], shelves.stores.clock())
    assert await shelves.registry.delete_item(shelves.tenant_id, store.id, item.id)
    assert not await shelves.registry.delete_item(shelves.tenant_id, store.id, item.id)
    assert await shelves.registry.find_item(shelves.tenant_id, store.id, item.id) is None
    assert await shelves.registry.list_members(shelves.tenant_id, [collection.id]) == [kept.id]
    assert (await shelves.registry.find(shelves.tenant_id, store.id) or store).chunks == 1
    assert await shelves.erase() > 1
    assert await shelves.parts.list_parts(shelves.tenant_id, item.id) == []
    assert len(await shelves.parts.list_parts(shelves.tenant_id, kept.id)) == 1


async def test_worker_of_a_deleted_item_is_stopped(shelves: Shelves) -> None:
    store = await shelves.make_store()
    item = await shelves.put(store)
    job = await shelves.claim()
    assert job
    assert await shelves.registry.delete_item(shelves.tenant_id, store.id, item.id)
    assert not await shelves.parts.add_parts(job, item, [(0, Segment(text="Late."))])
    assert not await shelves.jobs.extend(job, shelves.stores.clock())


async def test_deleted_store_leaves_nothing(shelves: Shelves) -> None:
    store, other = await shelves.make_store(), await shelves.make_store("other")
    items = [await shelves.put(store, f"{number}.mp4") for number in range(7)]
    for item in items:
        await shelves.index(item, "Gone.", "Gone too.")
    beside = await shelves.index(await shelves.put(other), "Kept.")
    waiting = await shelves.put(store, "late.mp4")
    collection = await shelves.make_collection(store)
    await shelves.registry.add_members(collection, [items[0].id], shelves.stores.clock())
    assert await shelves.registry.delete(shelves.tenant_id, store.id)
    assert not await shelves.registry.delete(shelves.tenant_id, store.id)
    assert await shelves.registry.find(shelves.tenant_id, store.id) is None
    assert await shelves.titles(store) == []
    assert await shelves.registry.get_items(shelves.tenant_id, [item.id for item in items]) == {}
    assert await shelves.assets.list_items(shelves.tenant_id, items[0].asset_id) == []
    knowledge = SqlKnowledgeStore(shelves.stores.database)
    assert await knowledge.find_stores(shelves.tenant_id, [Owner("store", store.id)]) == []
    assert await shelves.claim() is None
    with pytest.raises(NotFound):
        await shelves.registry.add_item(replace(waiting, id=new_id()))
    assert await shelves.erase() > 1
    for item in (*items, waiting):
        assert await shelves.parts.list_parts(shelves.tenant_id, item.id) == []
    assert await shelves.registry.get_items(shelves.tenant_id, [item.id for item in (*items, beside)]) == {
        beside.id: beside
    }
    assert await shelves.registry.list_members(shelves.tenant_id, [collection.id]) == []
    assert len(await shelves.parts.list_parts(shelves.tenant_id, beside.id)) == 1


async def test_collection_lives_from_create_to_delete(shelves: Shelves) -> None:
    store = await shelves.make_store()
    made = await shelves.make_collection(store)
    assert await shelves.registry.find_collection(shelves.tenant_id, store.id, made.id) == made
    with pytest.raises(Conflict) as taken:
        await shelves.make_collection(store)
    assert taken.value.code == "collection_exists"
    other = await shelves.make_collection(store, "semis")
    with pytest.raises(Conflict):
        await shelves.registry.save_collection(replace(other, name="finals"))
    assert await shelves.registry.save_collection(replace(other, name="heats", metadata={"n": 1}))
    page = await shelves.registry.list_collections(shelves.tenant_id, store.id, Sorting(by="name"))
    assert ([one.name for one in page.data], page.total) == (["heats", "finals"], 2)
    assert await shelves.registry.delete_collection(shelves.tenant_id, store.id, made.id)
    assert not await shelves.registry.delete_collection(shelves.tenant_id, store.id, made.id)
    await shelves.make_collection(store)


async def test_members_are_added_all_or_none(shelves: Shelves) -> None:
    store, other = await shelves.make_store(), await shelves.make_store("other")
    item, foreign = await shelves.put(store), await shelves.put(other)
    collection = await shelves.make_collection(store)
    now = shelves.stores.clock()
    with pytest.raises(NotFound) as missing:
        await shelves.registry.add_members(collection, [item.id, foreign.id], now)
    assert missing.value.code == "item_not_found"
    assert str(foreign.id) in missing.value.message
    for _ in range(2):
        await shelves.registry.add_members(collection, [item.id], now)
    found = await shelves.registry.find_collection(shelves.tenant_id, store.id, collection.id)
    assert found
    assert found.members == 1
    for _ in range(2):
        await shelves.registry.remove_members(collection, [item.id, new_id()], now)
    assert await shelves.registry.list_members(shelves.tenant_id, [collection.id]) == []
    with pytest.raises(NotFound):
        await shelves.registry.add_members(replace(collection, id=new_id()), [item.id], now)


async def test_another_tenant_sees_nothing(shelves: Shelves) -> None:
    store = await shelves.make_store()
    item, collection = await shelves.put(store), await shelves.make_collection(store)
    registry, stranger = shelves.registry, new_id()
    assert not await registry.delete(stranger, store.id)
    assert not await registry.delete_item(stranger, store.id, item.id)
    assert not await registry.delete_collection(stranger, store.id, collection.id)
    assert await registry.find_item(stranger, store.id, item.id) is None
    assert await registry.find_collection(stranger, store.id, collection.id) is None
    assert await registry.get_items(stranger, [item.id]) == {}
    assert not await registry.save(replace(store, tenant_id=stranger))
    with pytest.raises(NotFound):
        await registry.add_item(replace(item, tenant_id=stranger, id=new_id()))


async def test_what_a_dialect_keeps_with_a_store_comes_back(shelves: Shelves) -> None:
    store = await shelves.make_store(wire={"powabase": {"retrieval_config": {"top_k": 3}}})
    assert (await shelves.registry.find(shelves.tenant_id, store.id)) == store
    changed = replace(store, wire={})
    assert await shelves.registry.save(changed)
    assert (await shelves.registry.find(shelves.tenant_id, store.id)) == changed


async def test_item_is_found_by_the_id_of_its_chunk(shelves: Shelves) -> None:
    store = await shelves.make_store()
    item = await shelves.registry.add_item(shelves.item_of(store, await shelves.make_asset()))
    for chunk in (0, 7, CHUNK_MAX):
        found = await shelves.registry.find_item_of_chunk(shelves.tenant_id, chunk_id(item.id, chunk))
        assert found == item
    assert await shelves.registry.find_item_of_chunk(new_id(), chunk_id(item.id, 7)) is None
    assert await shelves.registry.find_item_of_chunk(shelves.tenant_id, chunk_id(new_id(), 7)) is None
    await shelves.registry.delete(shelves.tenant_id, store.id)
    assert await shelves.registry.find_item_of_chunk(shelves.tenant_id, chunk_id(item.id, 7)) is None
