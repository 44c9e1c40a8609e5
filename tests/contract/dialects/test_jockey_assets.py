"""The real TwelveLabs client against the real server: assets, uploads in parts, metadata, what is said."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image
from twelvelabs.core.api_error import ApiError
from twelvelabs.errors import BadRequestError, ConflictError, NotFoundError

from tests.contract.dialects.conftest import Place
from tests.contract.dialects.jockey_clients import (
    POSTER,
    TRAMS,
    fill,
    open_client,
    open_jockey_place,
    open_sync_client,
    put,
    wait_asset,
)
from tests.talks import draw_slide

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with open_jockey_place(tmp_path_factory.mktemp("server")) as place:
        yield place


@pytest_asyncio.fixture(loop_scope="module")
async def client(place: Place) -> Any:
    return open_client(place)


def draw_poster() -> bytes:
    out = io.BytesIO()
    draw_slide(POSTER).save(out, "PNG")
    return out.getvalue()


async def test_document_is_put_in_and_described(client: Any) -> None:
    metadata = '{"city": "Lisbon", "stops": 36, "open": true, "tags": ["tram", "hill"]}'
    made = await client.assets.create(method="direct", file=("trams.md", TRAMS), user_metadata=metadata)
    assert re.fullmatch("[0-9a-f]{24}", str(made.id))
    assert (made.method, made.filename, made.status in ("processing", "ready")) == ("direct", "trams.md", True)
    found: Any = await wait_asset(client, str(made.id))
    assert (found.status, found.size, found.asset_type, found.file_type) == (
        "ready",
        len(TRAMS),
        "document",
        "text/markdown",
    )
    assert found.user_metadata == {"city": "Lisbon", "stops": 36, "open": True, "tags": ["tram", "hill"]}
    assert (found.error, found.hls, found.duration) == (None, None, None)


async def test_image_has_a_thumbnail_that_needs_no_key(place: Place, client: Any) -> None:
    asset = await put(client, "poster.png", draw_poster())
    assert (asset.status, asset.technical_metadata.image_width) == ("ready", 640)
    async with asyncio.timeout(20):
        while (asset := await client.assets.retrieve(asset.id)).thumbnail.status != "ready":
            await asyncio.sleep(0.05)
    async with place.http.get(asset.thumbnail.representative_url, headers={"Authorization": ""}) as reply:
        assert (reply.status, Image.open(io.BytesIO(await reply.read())).format) == (200, "JPEG")
    async with place.http.get(asset.url, headers={"Authorization": "", "Range": "bytes=0-7"}) as reply:
        assert (reply.status, await reply.read()) == (206, b"\x89PNG\r\n\x1a\n")


async def test_metadata_is_absent_until_it_is_set(client: Any) -> None:
    asset = await put(client, "trams.md", TRAMS)
    assert "user_metadata" not in asset.dict(exclude_unset=True)
    await client.assets.update_user_metadata(asset.id, user_metadata={"a": "1", "b": 2})
    await client.assets.update_user_metadata(asset.id, user_metadata={"a": None, "b": "", "c": ["x"], "d": []})
    assert (await client.assets.retrieve(asset.id)).user_metadata == {"b": 2, "c": ["x"]}
    await client.assets.replace_user_metadata(asset.id, user_metadata={"d": True})
    assert (await client.assets.retrieve(asset.id)).user_metadata == {"d": True}
    await client.assets.delete_user_metadata(asset.id)
    assert (await client.assets.retrieve(asset.id)).user_metadata is None


async def test_listing_goes_on_to_its_end_and_is_filtered(client: Any) -> None:
    made = [(await put(client, f"trams {number}.md", TRAMS)).id for number in range(3)]
    image = await put(client, "Poster.png", draw_poster())
    listed = [asset.id async for asset in await client.assets.list(page_limit=2)]
    assert listed == [image.id, *made[::-1]]
    for wanted, expected in (
        ({"asset_types": ["image"]}, [image.id]),
        ({"asset_types": ["image", "document"]}, listed),
        ({"filename": "poster"}, [image.id]),
        ({"asset_ids": [made[0], made[2]]}, [made[2], made[0]]),
    ):
        filters: Any = wanted
        assert [asset.id async for asset in await client.assets.list(**filters)] == expected, wanted
    assert (await client.assets.list(page=9)).items == []


async def test_asset_in_use_is_deleted_only_by_force(client: Any) -> None:
    store_id, (item,) = await fill(client, ("trams.md", TRAMS))
    with pytest.raises(ConflictError) as caught:
        await client.assets.delete(item.asset_id)
    assert "trams.md" in caught.value.body["message"]
    await client.assets.delete(item.asset_id, force=True)
    with pytest.raises(NotFoundError) as missing:
        await client.assets.retrieve(item.asset_id)
    assert missing.value.body["code"] == "resource_not_exist"
    assert [one async for one in await client.knowledge_store_items.list(store_id)] == []


async def test_file_that_cannot_be_read_fails_with_a_reason(client: Any) -> None:
    asset: Any = await put(client, "broken.mp4", b"\x00\x00\x00\x20ftypisom" + b"\x00" * 4000)
    assert asset.status == "failed"
    assert len(asset.error.message) > 10
    store = await client.knowledge_stores.create(name="Broken")
    with pytest.raises(BadRequestError) as caught:
        await client.knowledge_store_items.create(store.id, asset_id=asset.id)
    assert (caught.value.body["code"], caught.value.body["reason"]) == ("parameter_invalid", "asset_failed")


async def test_file_is_fetched_only_from_public_addresses(place: Place, client: Any) -> None:
    made = await client.assets.create(method="url", url=f"{place.url}/openapi.json", filename="inner.json")
    asset: Any = await wait_asset(client, str(made.id))
    assert (asset.method, asset.status, asset.filename) == ("url", "failed", "inner.json")
    assert "127.0.0.1" in asset.error.message


async def test_method_must_bring_what_it_needs(client: Any) -> None:
    for fields in ({"method": "direct"}, {"method": "url"}, {"method": "fax"}):
        wanted: Any = fields
        with pytest.raises(BadRequestError) as caught:
            await client.assets.create(**wanted)
        assert caught.value.body["code"] in ("parameter_not_provided", "parameter_invalid"), fields
    with pytest.raises(BadRequestError, match="empty"):
        await client.assets.create(method="direct", file=("empty.md", b""))
    with pytest.raises(BadRequestError, match="user_metadata"):
        await client.assets.create(method="direct", file=("a.md", TRAMS), user_metadata="[1]")


async def test_nothing_is_said_in_a_document(client: Any) -> None:
    _, (item,) = await fill(client, ("trams.md", TRAMS))
    with pytest.raises(NotFoundError) as caught:
        await client.assets.retrieve_transcription(item.asset_id, include=["words", "utterances"])
    assert caught.value.body["reason"] == "transcript_not_found"


# Uploads in parts.


async def test_helper_of_the_client_uploads_a_file_in_parts(place: Place, tmp_path: Path) -> None:
    path, text = tmp_path / "long.md", TRAMS * 60_000
    path.write_bytes(text)
    client = open_sync_client(place)
    done = await asyncio.to_thread(client.multipart_upload.upload_file, str(path), file_type="video")
    asset: Any = await wait_asset(open_client(place), str(done.asset_id))
    assert (asset.method, asset.size, asset.filename) == ("multipart", len(text), "long.md")
    async with place.http.get(str(done.asset_url), headers={"Authorization": ""}) as reply:
        assert await reply.read() == text


async def test_upload_is_taken_up_again(place: Place, client: Any) -> None:
    size = 12_000_000
    data = (TRAMS * (size // len(TRAMS) + 1))[:size]
    begun = await client.multipart_upload.create(filename="long.md", type="video", total_size=size)
    chunk, urls = (
        int(begun.chunk_size or 0),
        {int(url.chunk_index or 0): str(url.url) for url in begun.upload_urls or []},
    )
    assert (begun.total_chunks, chunk) == (3, 5 * 1024 * 1024)
    proofs = {
        number: await put_chunk(place, urls[number], data[(number - 1) * chunk : number * chunk]) for number in (3, 1)
    }
    reported = await client.multipart_upload.report_chunk_batch(
        str(begun.upload_id), completed_chunks=write_proofs(proofs)
    )
    assert (reported.processed_chunks, reported.total_completed, reported.url) == (2, 2, None)
    status = await client.multipart_upload.get_status(str(begun.upload_id))
    assert (status.items or [])[1].status == "pending"
    active = [one.upload_id async for one in await client.multipart_upload.list_incomplete_uploads()]
    assert active == [begun.upload_id]
    more = await client.multipart_upload.get_additional_presigned_urls(str(begun.upload_id), start=2, count=1)
    url = (more.upload_urls or [])[0]
    assert (url.chunk_index, more.count) == (2, 1)
    last = {2: await put_chunk(place, str(url.url), data[chunk : 2 * chunk])}
    done = await client.multipart_upload.report_chunk_batch(
        str(begun.upload_id), completed_chunks=write_proofs({**proofs, **last})
    )
    assert (done.duplicate_chunks, done.total_completed, bool(done.url)) == (2, 3, True)
    asset = await wait_asset(client, str(begun.asset_id))
    assert (asset.status, asset.size) == ("ready", size)


async def test_wrong_proof_is_refused(place: Place, client: Any) -> None:
    begun = await client.multipart_upload.create(filename="a.md", type="video", total_size=len(TRAMS))
    etag, size = await put_chunk(place, str((begun.upload_urls or [])[0].url), TRAMS)
    for proof in ((etag[::-1], size), (etag, size + 1)):
        with pytest.raises(BadRequestError):
            await client.multipart_upload.report_chunk_batch(
                str(begun.upload_id), completed_chunks=write_proofs({1: proof})
            )
    with pytest.raises((NotFoundError, ApiError)) as caught:
        await client.multipart_upload.get_status("01a1fc90-fa75-7d1e-9d0c-6a1f0f3f2a15")
    assert caught.value.status_code == 404


async def put_chunk(place: Place, url: str, data: bytes) -> tuple[str, int]:
    """Put a part without a key; its ETag as the client sends it back, and its size."""
    headers = {"Authorization": "", "Content-Type": "application/octet-stream"}
    async with place.http.put(url, data=io.BytesIO(data), headers=headers) as reply:
        assert reply.status == 200, await reply.text()
        return reply.headers["ETag"].strip('"'), len(data)


def write_proofs(proofs: dict[int, tuple[str, int]]) -> Any:
    return [
        {"chunk_index": number, "proof": proof, "proof_type": "etag", "chunk_size": size}
        for number, (proof, size) in proofs.items()
    ]
