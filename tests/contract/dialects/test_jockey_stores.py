"""The real TwelveLabs client against the real server: knowledge stores, items, collections."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from twelvelabs.core.api_error import ApiError
from twelvelabs.errors import BadRequestError

from tests.contract.dialects.conftest import Place
from tests.contract.dialects.jockey_clients import (
    TRAMS,
    facts_of,
    fill,
    open_client,
    open_jockey_place,
    put,
    wait_item,
)

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SCHEMA = {
    "type": "object",
    "properties": {"mood": {"type": "string", "description": "How it feels.", "enum": ["calm", "tense"]}},
    "required": ["mood"],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with open_jockey_place(tmp_path_factory.mktemp("server")) as place:
        yield place


@pytest_asyncio.fixture(loop_scope="module")
async def client(place: Place) -> Any:
    return open_client(place)


# Stores.


async def test_store_comes_back_as_it_was_made(client: Any) -> None:
    metadata = {"team": "travel", "year": 2026, "rate": 0.5, "open": True, "tags": ["a", "b"]}
    made = await client.knowledge_stores.create(name="Journeys", description="Walks", metadata=metadata)
    assert re.fullmatch("ks_[0-9a-f-]{36}", made.id)
    assert (made.name, made.description, made.metadata, made.item_count) == ("Journeys", "Walks", metadata, 0)
    assert made.created_at.tzinfo is not None
    assert made.created_at.microsecond == 0
    assert facts_of(await client.knowledge_stores.retrieve(made.id)) == facts_of(made)


async def test_store_is_changed_field_by_field(client: Any) -> None:
    made = await client.knowledge_stores.create(name="Journeys", description="Walks", metadata={"a": "1", "b": "2"})
    changed = await client.knowledge_stores.update(made.id, name="Trips", metadata={"c": "3"})
    assert (changed.name, changed.description, changed.metadata) == ("Trips", "Walks", {"c": "3"})
    bare = await client.knowledge_stores.update(made.id, description=None, metadata={})
    assert (bare.name, bare.description, bare.metadata) == ("Trips", None, {})


async def test_stores_are_listed_to_the_end_and_sorted(client: Any) -> None:
    made = [(await client.knowledge_stores.create(name=f"store {number}")).id for number in range(5)]
    assert [one.id async for one in await client.knowledge_stores.list(page_limit=2)] == made[::-1]
    oldest = await client.knowledge_stores.list(page_limit=2, sort_by="created_at", sort_option="asc")
    assert [one.id async for one in oldest] == made
    await client.knowledge_stores.update(made[1], name="again")
    newest = await client.knowledge_stores.list(page_limit=1, sort_by="updated_at")
    assert [one.id for one in newest.items] == [made[1]]


async def test_deleted_store_keeps_its_assets(client: Any) -> None:
    store_id, (item,) = await fill(client, ("trams.md", TRAMS))
    assert (await client.knowledge_stores.retrieve(store_id)).item_count == 1
    await client.knowledge_stores.delete(store_id)
    with pytest.raises(ApiError) as caught:
        await client.knowledge_stores.retrieve(store_id)
    assert (caught.value.status_code, caught.value.body["code"]) == (404, "resource_not_exist")
    assert (await client.assets.retrieve(item.asset_id)).status == "ready"


@pytest.mark.parametrize(
    "config",
    [
        {"enrichment_config": {"type": "description", "description": "Brands that are shown"}},
        {"enrichment_config": {"description": "Brands that are shown"}},
        {"enrichment_config": {"type": "json_schema", "json_schema": SCHEMA}},
    ],
)
async def test_ingestion_config_comes_back(place: Place, config: dict[str, Any]) -> None:
    body = {"name": "Brands", "ingestion_config": config}
    async with place.http.post("/v1.3/knowledge-stores", json=body) as reply:
        made = await reply.json()
    assert (
        reply.status,
        made["ingestion_config"]["enrichment_config"].items() >= config["enrichment_config"].items(),
    ) == (
        201,
        True,
    )


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"mood": {"type": "string"}}},
        {"type": "object", "properties": {"mood": {"anyOf": [{"type": "string"}], "description": "How it feels."}}},
        {"type": "object", "properties": {"mood": {"type": ["string", "null"], "description": "How it feels."}}},
        {"type": "object", "properties": {"mood": {"type": "string", "pattern": "a", "description": "How it feels."}}},
    ],
)
async def test_ingestion_schema_outside_the_subset_is_a_422(place: Place, schema: dict[str, Any]) -> None:
    config = {"enrichment_config": {"type": "json_schema", "json_schema": schema}}
    async with place.http.post("/v1.3/knowledge-stores", json={"name": "x", "ingestion_config": config}) as reply:
        body = await reply.json()
    assert (reply.status, body["reason"]) == (422, "ingestion_config_invalid"), body


async def test_empty_ingestion_config_is_none(place: Place) -> None:
    async with place.http.post("/v1.3/knowledge-stores", json={"name": "x", "ingestion_config": {}}) as reply:
        assert (reply.status, "ingestion_config" in await reply.json()) == (201, False)


# Items.


async def test_item_is_indexed_and_tells_how_far_it_is(client: Any) -> None:
    store = await client.knowledge_stores.create(name="Journeys")
    asset = await put(client, "trams.md", TRAMS)
    metadata = {"title": "All about trams", "year": 2026}
    made = await client.knowledge_store_items.create(
        store.id, asset_id=asset.id, asset_type="document", metadata=metadata
    )
    assert re.fullmatch("ksi_[0-9a-f-]{36}", made.id)
    assert (made.asset_id, made.asset_type, made.metadata) == (asset.id, "document", metadata)
    assert made.status in ("queued", "pending", "processing", "ready")
    ready = await wait_item(client, store.id, made.id)
    assert (ready.status, ready.progress, ready.title) == ("ready", 100, "All about trams")
    assert (await client.knowledge_stores.retrieve(store.id)).item_count == 1


async def test_asset_is_in_a_store_once(client: Any) -> None:
    store_id, (item,) = await fill(client, ("trams.md", TRAMS))
    again = await client.knowledge_store_items.create(store_id, asset_id=item.asset_id, asset_type="document")
    assert again.id == item.id


async def test_items_are_listed_by_their_status(client: Any) -> None:
    store_id, items = await fill(client, *((f"{number}.md", TRAMS + b"%d" % number) for number in range(3)))
    ids = [item.id for item in items]
    assert [one.id async for one in await client.knowledge_store_items.list(store_id, page_limit=2)] == ids[::-1]
    both = await client.knowledge_store_items.list(store_id, status=["ready", "failed"], sort_option="asc")
    assert [one.id async for one in both] == ids
    assert (await client.knowledge_store_items.list(store_id, status=["failed"])).items == []
    await client.knowledge_store_items.delete(store_id, ids[0])
    assert [one.id async for one in await client.knowledge_store_items.list(store_id)] == [ids[2], ids[1]]
    with pytest.raises(ApiError) as caught:
        await client.knowledge_store_items.retrieve(store_id, ids[0])
    assert caught.value.status_code == 404


async def test_item_must_be_of_the_kind_that_is_said(client: Any) -> None:
    store = await client.knowledge_stores.create(name="Journeys")
    asset = await put(client, "trams.md", TRAMS)
    with pytest.raises(BadRequestError) as caught:
        await client.knowledge_store_items.create(store.id, asset_id=asset.id, asset_type="video")
    assert caught.value.body["reason"] == "asset_kind_wrong"
    assert "document" in caught.value.body["message"]


@pytest.mark.parametrize(
    "metadata", [{"a": {"b": 1}}, {"a": None}, {"a": [1]}, {"a": "x" * 8193}, {"k" * 129: "v"}, {"a": 2**53}]
)
async def test_metadata_are_flat_and_short(place: Place, client: Any, metadata: dict[str, Any]) -> None:
    for path, body in (
        ("/v1.3/knowledge-stores", {"name": "x"}),
        (f"/v1.3/knowledge-stores/{(await client.knowledge_stores.create(name='x')).id}/items", {"asset_id": "0" * 24}),
    ):
        async with place.http.post(path, json={**body, "metadata": metadata}) as reply:
            assert (reply.status, (await reply.json())["code"]) == (400, "parameter_invalid"), path


# Collections.


async def test_collection_holds_items(client: Any) -> None:
    store_id, items = await fill(client, ("a.md", TRAMS), ("b.md", TRAMS + b"More.\n"))
    collections = client.knowledge_store_item_collections
    made = await collections.create(store_id, name="Portugal", metadata={"a": "b"})
    assert re.fullmatch("ksic_[0-9a-f-]{36}", made.id)
    assert (made.knowledge_store_id, made.member_count, made.description) == (store_id, 0, None)
    for _ in range(2):
        changed = await collections.add_items(store_id, made.id, item_ids=[item.id for item in items])
        assert changed.member_count == 2
    assert {one.id async for one in await collections.list_items(store_id, made.id)} == {item.id for item in items}
    for _ in range(2):
        await collections.remove_items(store_id, made.id, item_ids=[items[0].id])
    assert [one.id async for one in await collections.list_items(store_id, made.id)] == [items[1].id]
    await client.knowledge_store_items.delete(store_id, items[1].id)
    assert (await collections.retrieve(store_id, made.id)).member_count == 0


async def test_collections_are_named_changed_and_deleted(client: Any) -> None:
    store = await client.knowledge_stores.create(name="Journeys")
    collections = client.knowledge_store_item_collections
    ids = {name: (await collections.create(store.id, name=name)).id for name in ("b", "c", "a")}
    by_name = await collections.list(store.id, sort_by="name", sort_option="asc", page_limit=2)
    assert [one.name async for one in by_name] == ["a", "b", "c"]
    with pytest.raises(ApiError) as caught:
        await collections.create(store.id, name="a")
    assert (caught.value.status_code, caught.value.body["code"]) == (409, "collection_exists")
    changed = await collections.update(store.id, ids["a"], description="First", metadata={"x": "y"})
    assert (changed.name, changed.description, changed.metadata) == ("a", "First", {"x": "y"})
    await collections.delete(store.id, ids["a"])
    with pytest.raises(ApiError):
        await collections.retrieve(store.id, ids["a"])
    with pytest.raises(ApiError) as missing:
        await collections.add_items(store.id, ids["b"], item_ids=["ksi_01a1fc90-fa72-7d1e-9d0c-6a1f0f3f2a12"])
    assert missing.value.status_code == 404


# Whose it is.


async def test_other_tenants_see_nothing(place: Place, client: Any) -> None:
    store_id, (item,) = await fill(client, ("trams.md", TRAMS))
    collection = await client.knowledge_store_item_collections.create(store_id, name="Portugal")
    other = open_client(place, key=await place.make_key(tenant=f"{place.tenant}-other"))
    own = await other.knowledge_stores.create(name="Own")
    for call in (
        other.assets.retrieve(item.asset_id),
        other.assets.delete(item.asset_id),
        other.knowledge_stores.retrieve(store_id),
        other.knowledge_stores.delete(store_id),
        other.knowledge_store_items.retrieve(store_id, item.id),
        other.knowledge_store_items.retrieve(own.id, item.id),
        other.knowledge_store_items.create(own.id, asset_id=item.asset_id),
        other.knowledge_store_item_collections.retrieve(store_id, collection.id),
        other.knowledge_stores.search(store_id, query={"text": "tram"}),
    ):
        with pytest.raises(ApiError) as caught:
            await call
        assert (caught.value.status_code, caught.value.body["code"]) == (404, "resource_not_exist")
    assert [one async for one in await other.assets.list()] == []


async def test_key_of_one_user_reads_stores_and_does_not_change_them(place: Place, client: Any) -> None:
    store_id, (item,) = await fill(client, ("trams.md", TRAMS))
    bound = open_client(place, key=await place.make_key(user="ada"))
    assert (await bound.knowledge_store_items.retrieve(store_id, item.id)).status == "ready"
    place.will_say("ok")
    asked: Any = [{"type": "message", "role": "user", "content": "hi"}]
    assert (await bound.responses.create(knowledge_store_id=store_id, input=asked)).status == "completed"
    for call in (
        bound.knowledge_stores.create(name="Own"),
        bound.knowledge_stores.update(store_id, name="Mine"),
        bound.knowledge_stores.delete(store_id),
        bound.knowledge_store_items.create(store_id, asset_id=item.asset_id),
        bound.knowledge_store_items.delete(store_id, item.id),
        bound.knowledge_store_item_collections.create(store_id, name="Own"),
        bound.assets.create(method="direct", file=("a.md", TRAMS)),
        bound.assets.delete(item.asset_id, force=True),
        bound.assets.replace_user_metadata(item.asset_id, user_metadata={"a": "b"}),
        bound.multipart_upload.create(filename="a.md", type="video", total_size=10),
    ):
        with pytest.raises(ApiError) as caught:
            await call
        assert (caught.value.status_code, caught.value.body["code"]) == (403, "api_not_allowed")
