"""Assets and uploads in the store: found by both ids, listed by filter, changed by two at once, taken away whole."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from multiturn.model.asset import Asset, AssetFilter, MetadataChange, Upload, UploadedChunk
from multiturn.model.ids import new_id
from multiturn.store.assets import SqlAssetStore, SqlSecretStore
from multiturn.store.uploads import SqlUploadStore
from tests.contract.ports.stores import Stores


@pytest.fixture
def assets(stores: Stores) -> SqlAssetStore:
    return SqlAssetStore(stores.database)


@pytest.fixture
def uploads(stores: Stores) -> SqlUploadStore:
    return SqlUploadStore(stores.database)


def make_asset(stores: Stores, filename: str = "talk.mp4", **fields: Any) -> Asset:
    id_ = new_id()
    asset = Asset(
        id=id_,
        tenant_id=stores.tenant_id,
        alias=id_.hex[8:],
        created_at=stores.clock(),
        updated_at=stores.clock(),
        method="direct",
        status="processing",
        filename=filename,
        mime="video/mp4",
    )
    return replace(asset, **fields)


def make_upload(stores: Stores, asset: Asset, **fields: Any) -> Upload:
    upload = Upload(
        id=new_id(),
        tenant_id=stores.tenant_id,
        asset_id=asset.id,
        created_at=stores.clock(),
        updated_at=stores.clock(),
        expires_at=stores.clock() + timedelta(hours=24),
        status="active",
        size_bytes=12,
        chunk_bytes=5,
        chunks=3,
    )
    return replace(upload, **fields)


def make_chunk(stores: Stores, index: int, etag: str = "e1") -> UploadedChunk:
    return UploadedChunk(index=index, size_bytes=5, etag=etag, uploaded_at=stores.clock())


async def list_names(assets: SqlAssetStore, stores: Stores, **asked: Any) -> tuple[list[str], int]:
    page, total = await assets.list_assets(stores.tenant_id, AssetFilter(**asked))
    return [asset.filename for asset in page], total


async def count_jobs(stores: Stores, asset: Asset) -> int:
    """The jobs on an asset, which only their removal counts."""
    async with stores.database.transaction() as tx:
        which = {"tenant_id": asset.tenant_id, "kind": "asset", "subject_id": asset.id}
        return await tx.execute("remove_job", which)


def add_key(key: str) -> MetadataChange:
    return lambda metadata: {**(metadata or {}), key: True}


async def test_asset_comes_back_as_it_was(stores: Stores, assets: SqlAssetStore) -> None:
    asset = make_asset(
        stores,
        status="ready",
        kind="video",
        size_bytes=2**40,
        duration_s=612.4,
        digest="ab" * 32,
        technical={"video_codec": "h264", "video_streams": []},
        metadata={"team": "a", "tags": ["x", "y"]},
        purpose="assistants",
        hls="error",
        hls_error="No.",
        thumbnail="ready",
    )
    await assets.add(asset)
    assert await assets.find(stores.tenant_id, asset.id) == asset
    assert await assets.find(stores.tenant_id, asset.alias) == asset


async def test_asset_is_its_tenants_only(stores: Stores, assets: SqlAssetStore) -> None:
    asset, stranger = make_asset(stores), new_id()
    await assets.add(asset)
    assert await assets.find(stranger, asset.id) is None
    assert await assets.find(stranger, asset.alias) is None
    assert await assets.change_metadata(stranger, asset.id, lambda _: {}, stores.clock()) is None
    assert not await assets.save(replace(asset, tenant_id=stranger, status="ready"))
    assert not await assets.delete(stranger, asset.id)
    assert await assets.list_assets(stranger, AssetFilter()) == ([], 0)
    assert await assets.find(stores.tenant_id, asset.id) == asset


async def test_new_asset_has_one_job(stores: Stores, assets: SqlAssetStore, uploads: SqlUploadStore) -> None:
    direct, coming = make_asset(stores), make_asset(stores, method="multipart")
    await assets.add(direct)
    await uploads.add(make_upload(stores, coming), coming)
    assert [await count_jobs(stores, one) for one in (direct, coming)] == [1, 0]


async def test_assets_are_filtered(stores: Stores, assets: SqlAssetStore) -> None:
    talk = make_asset(stores, "Talk_100%.mp4", kind="video", digest="d1")
    page = make_asset(stores, "page.PDF", kind="document", purpose="assistants")
    new = make_asset(stores, "talk 100.mp4")
    for asset in (talk, page, new):
        await assets.add(asset)
    everything = ([new.filename, page.filename, talk.filename], 3)
    assert await list_names(assets, stores) == everything
    assert await list_names(assets, stores, newest_first=False) == (everything[0][::-1], 3)
    assert await list_names(assets, stores, ids=(talk.alias, str(page.id), "f" * 24)) == (everything[0][1:], 2)
    assert await list_names(assets, stores, kinds=("video", "image")) == ([talk.filename], 1)
    assert await list_names(assets, stores, filename=".pdf") == ([page.filename], 1)
    assert await list_names(assets, stores, filename="TALK_100%") == ([talk.filename], 1)
    assert await list_names(assets, stores, digest="d1") == ([talk.filename], 1)
    assert await list_names(assets, stores, purpose="assistants") == ([page.filename], 1)


async def test_pages_of_assets_follow_each_other(stores: Stores, assets: SqlAssetStore) -> None:
    made = [make_asset(stores, f"{number}.txt") for number in range(5)]
    for asset in made:
        await assets.add(asset)
    assert await list_names(assets, stores, limit=2, offset=2) == (["2.txt", "1.txt"], 5)
    assert await list_names(assets, stores, limit=2, cursor=made[3].id) == (["2.txt", "1.txt"], 5)
    assert await list_names(assets, stores, limit=2, cursor=made[3].id, newest_first=False) == (["4.txt"], 5)
    assert await list_names(assets, stores, offset=10) == ([], 5)


async def test_job_and_client_change_different_things(stores: Stores, assets: SqlAssetStore) -> None:
    asset = make_asset(stores)
    await assets.add(asset)
    await assets.change_metadata(stores.tenant_id, asset.id, lambda _: {"a": 1}, stores.clock())
    assert await assets.save(replace(asset, status="ready", kind="video", duration_s=1.5, metadata=None))
    found = await assets.find(stores.tenant_id, asset.id)
    assert found
    assert (found.status, found.duration_s, found.metadata) == ("ready", 1.5, {"a": 1})


async def test_metadata_changed_at_once_are_all_kept(stores: Stores, assets: SqlAssetStore) -> None:
    asset = make_asset(stores)
    await assets.add(asset)
    changes = [assets.change_metadata(stores.tenant_id, asset.id, add_key(f"k{n}"), stores.clock()) for n in range(8)]
    await asyncio.gather(*changes)
    found = await assets.find(stores.tenant_id, asset.id)
    assert found
    assert sorted(found.metadata or {}) == [f"k{n}" for n in range(8)]


async def test_deleted_asset_leaves_nothing(stores: Stores, assets: SqlAssetStore, uploads: SqlUploadStore) -> None:
    asset = make_asset(stores, method="multipart")
    upload = make_upload(stores, asset)
    await uploads.add(upload, asset)
    await uploads.save_chunk(stores.tenant_id, upload.id, make_chunk(stores, 1))
    assert await assets.delete(stores.tenant_id, asset.id)
    assert not await assets.delete(stores.tenant_id, asset.id)
    assert await assets.find(stores.tenant_id, asset.id) is None
    assert await uploads.find(stores.tenant_id, upload.id) is None
    assert await uploads.list_chunks(stores.tenant_id, upload.id) == []
    assert not await assets.save(asset)


async def test_secret_is_made_once(stores: Stores) -> None:
    store = SqlSecretStore(stores.database)
    found = await asyncio.gather(*(store.find_or_make("links") for _ in range(4)))
    assert len(set(found)) == 1
    assert len(found[0]) == 32
    assert await store.find_or_make("other") != found[0]


async def test_chunks_come_in_any_order(stores: Stores, uploads: SqlUploadStore) -> None:
    asset = make_asset(stores, method="multipart")
    upload = make_upload(stores, asset)
    await uploads.add(upload, asset)
    assert await uploads.find(stores.tenant_id, upload.id) == upload
    for index in (3, 1):
        assert await uploads.save_chunk(stores.tenant_id, upload.id, make_chunk(stores, index))
    await uploads.confirm(stores.tenant_id, upload.id, [3, 2], stores.clock())
    chunks = await uploads.list_chunks(stores.tenant_id, upload.id)
    assert [(chunk.index, chunk.is_confirmed) for chunk in chunks] == [(1, False), (3, True)]
    assert await uploads.list_chunks(new_id(), upload.id) == []


async def test_chunk_sent_again_stands_instead(stores: Stores, uploads: SqlUploadStore) -> None:
    asset = make_asset(stores, method="multipart")
    upload = make_upload(stores, asset)
    await uploads.add(upload, asset)
    seen = []
    for etag in ("e1", "e1", "e2"):
        await uploads.save_chunk(stores.tenant_id, upload.id, make_chunk(stores, 1, etag))
        seen += [(chunk.etag, chunk.is_confirmed) for chunk in await uploads.list_chunks(stores.tenant_id, upload.id)]
        await uploads.confirm(stores.tenant_id, upload.id, [1], stores.clock())
    assert seen == [("e1", False), ("e1", True), ("e2", False)]


async def test_upload_ends_once(stores: Stores, uploads: SqlUploadStore, assets: SqlAssetStore) -> None:
    asset = make_asset(stores, method="multipart")
    upload = make_upload(stores, asset)
    await uploads.add(upload, asset)
    ended, whole = replace(upload, status="completed"), replace(asset, size_bytes=12, digest="d")
    assert await uploads.finish(ended, whole)
    assert not await uploads.finish(replace(upload, status="expired"), replace(asset, status="failed"))
    assert await uploads.find(stores.tenant_id, upload.id) == ended
    assert await assets.find(stores.tenant_id, asset.id) == whole
    assert not await uploads.save_chunk(stores.tenant_id, upload.id, make_chunk(stores, 1))
    assert await count_jobs(stores, asset) == 1


async def test_unfinished_uploads_are_listed_until_they_expire(stores: Stores, uploads: SqlUploadStore) -> None:
    pairs = [(asset := make_asset(stores, method="multipart"), make_upload(stores, asset)) for _ in range(3)]
    for asset, upload in pairs:
        await uploads.add(upload, asset)
    made = [upload for _, upload in pairs]
    assert await uploads.list_active(stores.tenant_id, offset=1, limit=1) == ([made[1]], 3)
    assert await uploads.list_expired(stores.clock(), limit=10) == []
    later = stores.clock() + timedelta(hours=24)
    assert len(await uploads.list_expired(later, limit=2)) == 2
    assert await uploads.finish(replace(made[0], status="expired"), replace(pairs[0][0], status="failed"))
    assert {upload.id for upload in await uploads.list_expired(later, limit=9)} == {made[1].id, made[2].id}
    assert (await uploads.list_active(stores.tenant_id, offset=0, limit=9))[1] == 2
    assert await count_jobs(stores, pairs[0][0]) == 0
