"""Files that were put in become ready, or fail with a reason; what is made of them besides costs them nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiturn.errors import Unavailable, UnreadableFile
from multiturn.model.asset import AssetOrder
from multiturn.store.database import Database
from tests.contract.ports.indexing import Indexing
from tests.contract.ports.scripted_readers import JPEG

AWAY = Unavailable("The reader is busy.")
ALL = {"wants_thumbnail": True, "wants_hls": True}


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Indexing:
    return Indexing(database, tmp_path)


async def read_blob(desk: Indexing, name: str) -> bytes:
    """A file as it is kept."""
    return b"".join([piece async for piece in desk.blobs.read(name)])


async def test_a_file_is_ready_with_what_it_is(desk: Indexing) -> None:
    asset = await desk.make_ready("video", "Hello.", name="talk.mp4")
    assert (asset.status, asset.kind, asset.mime, asset.duration_s) == ("ready", "video", "video/x-test", 60.0)
    assert asset.technical == {"video_width": 640, "file_size_bytes": 12, "file_mime_type": "video/x-test"}
    assert (asset.thumbnail, asset.hls) == ("none", "none")
    assert desk.readers.calls == {"probe": 1}


async def test_what_nobody_reads_fails_with_a_reason(desk: Indexing) -> None:
    asset = await desk.make_ready("?", name="what.bin", **ALL)
    assert (asset.status, asset.error) == ("failed", "'what.bin' is nothing that is read.")
    assert (asset.thumbnail, asset.hls) == ("none", "none")
    assert await desk.jobs.count_waiting() == {"asset": 0, "item": 0}


async def test_a_file_over_its_limit_fails(desk: Indexing) -> None:
    asset = await desk.make_ready("image", "x" * (1 << 16), name="large.png")
    assert asset.status == "failed"
    assert asset.error
    assert "too large" in asset.error


async def test_thumbnail_and_stream_are_made(desk: Indexing) -> None:
    asset = await desk.make_ready("video", name="talk.mp4", **ALL)
    assert (asset.thumbnail, asset.hls, asset.hls_error) == ("ready", "ready", None)
    folder = f"{desk.tenant_id}/{asset.id}"
    assert await read_blob(desk, f"{folder}/thumb.jpg") == JPEG
    assert (await read_blob(desk, f"{folder}/hls/stream.m3u8")).startswith(b"#EXTM3U")
    assert len(await read_blob(desk, f"{folder}/hls/stream0.ts")) == 188


async def test_what_has_no_picture_has_no_thumbnail(desk: Indexing) -> None:
    asset = await desk.make_ready("audio", name="talk.ogg", wants_thumbnail=True)
    assert (asset.status, asset.thumbnail) == ("ready", "none")


async def test_a_stream_that_cannot_be_made_says_why(desk: Indexing) -> None:
    asset = await desk.make_ready("audio", name="talk.ogg", wants_hls=True)
    assert (asset.status, asset.hls, asset.hls_error) == ("ready", "error", "There is nothing to play in this file.")


async def test_a_broken_thumbnail_costs_only_that(desk: Indexing) -> None:
    asset = await desk.put_in("video", name="talk.mp4", **ALL)
    desk.readers.errors = [AWAY]
    await desk.work("asset")
    desk.clock.pass_(seconds=1)
    desk.readers.errors = []
    await desk.work("asset")
    assert (await desk.find_asset(asset)).hls == "ready"
    other = await desk.put_in("video", name="talk.mp4", wants_thumbnail=True)
    (job,) = [await desk.claim("asset")]
    assert job
    work = desk.ingestion.open(job)
    await work.run()
    assert (await desk.find_asset(other)).thumbnail == "ready"


async def test_a_thumbnail_is_given_up_in_the_end(desk: Indexing) -> None:
    asset = await desk.make_ready("video", name="talk.mp4")
    again = await desk.put_in("video", name="again.mp4", **ALL)
    for _ in range(5):
        # The first look at the file goes well; the pictures fail each time.
        desk.readers.errors = [] if (await desk.find_asset(again)).status == "processing" else [AWAY, AWAY]
        await desk.work("asset")
        desk.clock.pass_(seconds=300)
    found = await desk.find_asset(again)
    assert (asset.status, found.status) == ("ready", "ready")
    assert found.thumbnail in ("ready", "error")


async def test_a_look_that_failed_is_tried_again(desk: Indexing) -> None:
    asset = await desk.put_in("document", "Text.")
    desk.readers.errors = [AWAY]
    await desk.work("asset")
    assert (await desk.find_asset(asset)).status == "processing"
    desk.clock.pass_(seconds=1)
    await desk.work("asset")
    assert (await desk.find_asset(asset)).status == "ready"


async def test_a_look_that_always_fails_is_given_up(desk: Indexing) -> None:
    asset = await desk.put_in("document", "Text.")
    desk.readers.errors = [AWAY] * 5
    for _ in range(5):
        await desk.work("asset")
        desk.clock.pass_(seconds=300)
    found = await desk.find_asset(asset)
    assert (found.status, found.error) == ("failed", "The reader is busy.")


async def test_a_url_that_is_refused_fails_the_asset(desk: Indexing) -> None:
    order = AssetOrder(method="url", url="http://127.0.0.1/secret.pdf")
    asset = await desk.files.add(desk.tenant_id, order)
    await desk.work("asset")
    found = await desk.find_asset(asset)
    assert (found.status, found.error) == ("failed", "http://127.0.0.1/secret.pdf is not fetched.")


async def test_a_deleted_asset_is_left_alone(desk: Indexing) -> None:
    asset = await desk.put_in("document", "Text.")
    job = await desk.claim("asset")
    assert job
    await desk.files.delete(desk.tenant_id, asset.id)
    await desk.do(job)
    assert desk.readers.calls["probe"] == 0
    assert await desk.asset_store.find(desk.tenant_id, asset.id) is None


async def test_an_unreadable_extra_is_told_at_once(desk: Indexing) -> None:
    asset = await desk.put_in("video", name="talk.mp4", wants_thumbnail=True)
    job = await desk.claim("asset")
    assert job
    work = desk.ingestion.open(job)
    await work.settle(UnreadableFile("nothing was read yet"))
    await desk.do(job)
    assert (await desk.find_asset(asset)).thumbnail == "ready"
