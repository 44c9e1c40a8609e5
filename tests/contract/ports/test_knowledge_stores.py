"""Knowledge stores as the engine keeps them, on both databases: what is refused, waited for, changed, and erased."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from multiturn.engine.callers import require_tenant
from multiturn.engine.file_batches import BatchEntry, FileBatches
from multiturn.engine.stores import KnowledgeStores
from multiturn.errors import Conflict, Forbidden, InvalidRequest, MultiturnError, NotFound
from multiturn.model.asset import Asset
from multiturn.model.ids import new_id
from multiturn.model.store import Sorting, StoreChange, StoreItemFilter
from multiturn.model.tenant import Caller
from multiturn.store.sqlite import SqliteDatabase
from tests.contract.ports.stores import Stores
from tests.contract.ports.test_store_registry import Shelves


class Library:
    """A tenant's stores, and how often whoever indexes was woken."""

    def __init__(self, stores: Stores) -> None:
        self.shelves = Shelves(stores)
        self.tenant_id = stores.tenant_id
        self.woken = 0
        self.stores = KnowledgeStores(
            self.shelves.registry, self.shelves.assets, self.shelves.parts, stores.clock, self.wake
        )

    def wake(self) -> None:
        self.woken += 1

    async def make_asset(self, filename: str = "talk.mp4", **fields: Any) -> Asset:
        asset = replace(await self.shelves.make_asset(filename), **fields)
        await self.shelves.assets.save(asset)
        return asset

    async def refusal(self, wanted: Any) -> str:
        """The code of what is raised."""
        with pytest.raises(MultiturnError) as refused:
            await wanted
        return refused.value.code


@pytest.fixture
def library(stores: Stores) -> Library:
    return Library(stores)


async def test_store_is_got_by_any_of_its_names(library: Library) -> None:
    store = await library.stores.create(library.tenant_id, "talks", description="Talks", metadata={"n": 1})
    for name in (store.id, str(store.id), f"ks_{store.id}", f"vs_{store.id.hex}", "talks"):
        assert (await library.stores.get(library.tenant_id, name)).id == store.id
    assert await library.refusal(library.stores.get(library.tenant_id, "other")) == "store_not_found"
    assert await library.refusal(library.stores.get(new_id(), store.id)) == "store_not_found"


async def test_change_keeps_what_is_not_named(library: Library) -> None:
    store = await library.stores.create(library.tenant_id, "talks", description="Talks", metadata={"n": 1})
    changed = await library.stores.change(library.tenant_id, store.id, StoreChange(metadata={"m": 2}))
    assert (changed.name, changed.description, changed.metadata) == ("talks", "Talks", {"m": 2})
    changed = await library.stores.change(library.tenant_id, store.id, StoreChange(description=None, name="films"))
    assert (changed.name, changed.description) == ("films", None)
    blank = library.stores.change(library.tenant_id, store.id, StoreChange(name=" "))
    assert await library.refusal(blank) == "invalid_request"


async def test_only_a_ready_asset_becomes_an_item(library: Library) -> None:
    store = await library.stores.create(library.tenant_id, "talks")

    async def add(asset: Asset | str, **fields: Any) -> str:
        name = asset if isinstance(asset, str) else asset.id
        return await library.refusal(library.stores.add_item(library.tenant_id, store.id, name, **fields))

    assert await add("nothing") == "asset_not_found"
    assert await add(await library.make_asset(status="processing")) == "asset_not_ready"
    failed = await library.make_asset(status="failed", error="It is encrypted.")
    with pytest.raises(InvalidRequest, match="It is encrypted"):
        await library.stores.add_item(library.tenant_id, store.id, failed.id)
    assert await add(await library.make_asset(), kind="image") == "asset_kind_wrong"
    assert library.woken == 0


async def test_item_is_named_by_its_metadata_else_its_file(library: Library) -> None:
    store = await library.stores.create(library.tenant_id, "talks")
    first, second = await library.make_asset("a.mp4"), await library.make_asset("b.mp4")
    plain = await library.stores.add_item(library.tenant_id, store.id, first.alias)
    named = await library.stores.add_item(library.tenant_id, store.id, f"file-{second.alias}", metadata={"title": "B"})
    assert (plain.title, named.title, library.woken) == ("a.mp4", "B", 2)
    changed = await library.stores.change_item(library.tenant_id, store.id, named.id, metadata={"name": "C"})
    assert changed.title == "C"
    changed = await library.stores.change_item(library.tenant_id, store.id, named.id, title="D")
    assert (changed.title, changed.metadata) == ("D", {"name": "C"})
    changed = await library.stores.change_item(library.tenant_id, store.id, named.id, metadata={})
    assert (changed.title, changed.metadata) == ("D", {})


async def test_asset_is_waited_for(library: Library) -> None:
    store = await library.stores.create(library.tenant_id, "talks")
    asset = await library.make_asset(status="processing")

    async def look_at_it() -> None:
        await asyncio.sleep(0.15)
        await library.shelves.assets.save(replace(asset, status="ready"))

    looking = asyncio.create_task(look_at_it())
    item = await library.stores.add_item(library.tenant_id, store.id, asset.id, wait_s=10)
    await looking
    assert item.asset_id == asset.id


async def test_failed_item_is_tried_again_when_asked(library: Library) -> None:
    store = await library.stores.create(library.tenant_id, "talks")
    asset = await library.make_asset()
    item = await library.stores.add_item(library.tenant_id, store.id, asset.id)
    await library.shelves.fail(item, "Its reader crashed.")
    again = await library.stores.retry_item(library.tenant_id, store.id, item.id)
    assert (again.status, again.error, library.woken) == ("queued", None, 2)
    assert await library.refusal(library.stores.retry_item(library.tenant_id, store.id, new_id())) == "item_not_found"


async def test_missing_things_are_told_apart(library: Library) -> None:
    store = await library.stores.create(library.tenant_id, "talks")
    nobody, tenant_id, stores = new_id(), library.tenant_id, library.stores
    assert await library.refusal(stores.get_item(tenant_id, nobody, nobody)) == "store_not_found"
    assert await library.refusal(stores.get_item(tenant_id, store.id, nobody)) == "item_not_found"
    assert await library.refusal(stores.delete_item(tenant_id, store.id, nobody)) == "item_not_found"
    assert await library.refusal(stores.list_items(tenant_id, nobody, StoreItemFilter())) == "store_not_found"
    of_nobody = StoreItemFilter(collection_id=nobody)
    assert await library.refusal(stores.list_items(tenant_id, store.id, of_nobody)) == "collection_not_found"
    assert await library.refusal(stores.list_collections(tenant_id, nobody, Sorting())) == "store_not_found"
    assert await library.refusal(stores.delete_collection(tenant_id, store.id, nobody)) == "collection_not_found"
    assert await library.refusal(stores.create_collection(tenant_id, nobody, "c")) == "store_not_found"
    await stores.drop_item(tenant_id, store.id, nobody)


async def test_collection_takes_500_items_at_once(library: Library) -> None:
    store = await library.stores.create(library.tenant_id, "talks")
    collection = await library.stores.create_collection(library.tenant_id, store.id, "finals")
    some = [new_id() for _ in range(501)]
    with pytest.raises(InvalidRequest, match="at most 500"):
        await library.stores.add_members(library.tenant_id, store.id, collection.id, some)
    with pytest.raises(NotFound):
        await library.stores.add_members(library.tenant_id, store.id, collection.id, some[:500])
    assert (await library.stores.remove_members(library.tenant_id, store.id, collection.id, some[:500])).members == 0


async def test_collections_change_like_stores(library: Library) -> None:
    store = await library.stores.create(library.tenant_id, "talks")
    made = await library.stores.create_collection(library.tenant_id, store.id, "finals", metadata={"n": 1})
    await library.stores.create_collection(library.tenant_id, store.id, "heats")
    change = StoreChange(name="heats")
    with pytest.raises(Conflict):
        await library.stores.change_collection(library.tenant_id, store.id, made.id, change)
    change = StoreChange(description="The last ones")
    changed = await library.stores.change_collection(library.tenant_id, store.id, made.id, change)
    assert (changed.name, changed.description, changed.metadata) == ("finals", "The last ones", {"n": 1})


async def test_batch_counts_what_became_of_each(library: Library) -> None:
    store = await library.stores.create(library.tenant_id, "talks")
    assets = [await library.make_asset(f"{number}.mp4") for number in range(3)]
    entries = [BatchEntry(asset=str(asset.id), metadata={"n": 1}) for asset in assets]
    batches = FileBatches(library.stores)
    state = await batches.add(library.tenant_id, store.id, [*entries, BatchEntry(asset="nothing")], wait_s=0)
    assert (state.items["queued"], state.refused, state.collection.members) == (3, 1, 3)
    assert "nothing" in state.collection.metadata["reasons"]
    page = await library.stores.list_items(library.tenant_id, store.id, StoreItemFilter(sorting=Sorting()))
    await library.shelves.index(page.data[-1], "One.")
    cancelled = await batches.cancel(library.tenant_id, store.id, state.collection.id)
    assert (cancelled.items["ready"], cancelled.items["queued"], cancelled.cancelled) == (1, 0, 2)
    assert (await library.stores.get(library.tenant_id, store.id)).items == {"ready": 1}
    plain = await library.stores.create_collection(library.tenant_id, store.id, "finals")
    no_batch = batches.get(library.tenant_id, store.id, plain.id)
    assert await library.refusal(no_batch) == "collection_not_found"


async def test_key_of_a_user_changes_no_store(library: Library) -> None:
    who = Caller(tenant_id=library.tenant_id, user_id=new_id(), is_bound=True, key_id=new_id())
    with pytest.raises(Forbidden):
        require_tenant(who, "agents")
    require_tenant(replace(who, is_bound=False), "agents")


async def test_no_byte_of_what_was_deleted_is_left(sqlite: SqliteDatabase, tmp_path: Path) -> None:
    library = Library(Stores(sqlite))
    store = await library.stores.create(library.tenant_id, "xylophone-store", metadata={"x": "xylophone"})
    assets = [await library.make_asset() for _ in range(2)]
    for asset in assets:
        item = await library.stores.add_item(library.tenant_id, store.id, asset.id, metadata={"title": "xylophone"})
        await library.shelves.index(item, *(f"A xylophone is played, {number}." for number in range(700)))
    await library.stores.delete_item(library.tenant_id, store.id, item.id)
    parts = await library.shelves.parts.list_parts(library.tenant_id, item.id)
    assert parts == []
    await library.stores.delete(library.tenant_id, store.id)
    held = [path.read_bytes() for path in tmp_path.glob("multiturn.db*")]
    assert held
    assert not any(b"xylophone" in content for content in held)
