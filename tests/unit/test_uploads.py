"""Assets and uploads in parts over real stores: what is kept, what is refused, and what is left when it goes wrong."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from multiturn.engine.asset_checks import AssetLimits
from multiturn.engine.assets import AssetHooks, Assets
from multiturn.engine.links import Links
from multiturn.engine.uploads import ChunkProof, Uploads, find_chunk_bytes
from multiturn.errors import Conflict, InvalidRequest, NotFound, TooLarge, UnreadableFile
from multiturn.model.asset import AssetFilter, AssetOrder, Fetched, Probe
from multiturn.model.ids import new_id
from multiturn.store.assets import SqlAssetStore
from multiturn.store.blobs import DirectoryBlobs
from multiturn.store.sqlite import SqliteDatabase
from multiturn.store.uploads import SqlUploadStore
from tests.contract.ports.stores import HandClock

MIB = 1024 * 1024
CHUNK = 5 * MIB
FILE = b"0123456789abcdef" * (12 * MIB // 16)
DIRECT = AssetOrder(method="direct", filename="talk.mp4")
IN_PARTS = AssetOrder(method="multipart", filename="talk.mp4", wants_hls=True)
LIMITS = AssetLimits(
    upload_bytes_max=20,
    image_bytes_max=10,
    multipart_bytes_max=40 * MIB,
    fetch_bytes_max=16,
    fetch_document_bytes_max=8,
)


class ScriptedFetcher:
    """Fetches what a test says, or fails as it says."""

    def __init__(self) -> None:
        self.data: bytes | Exception = b"tram 28"
        self.filename, self.mime = "served.mp4", "video/mp4"
        self.urls: list[str] = []

    @asynccontextmanager
    async def fetch(self, url: str, *, bytes_max: int) -> AsyncGenerator[Fetched]:
        self.urls.append(url)
        if isinstance(self.data, Exception):
            raise self.data
        yield Fetched(self.filename, self.mime, in_pieces(self.data))


class Shelf:
    """Assets and uploads of one tenant."""

    def __init__(self, folder: Path, database: SqliteDatabase) -> None:
        self.folder = folder
        self.tenant_id = new_id()
        self.clock = HandClock()
        self.fetcher = ScriptedFetcher()
        self.dropped: list[UUID] = []
        self.woken = 0
        self.blobs = DirectoryBlobs(folder)
        self.store = SqlAssetStore(database)
        hooks = AssetHooks(drop_item=self.drop, wake=self.wake)
        self.assets = Assets(self.store, self.blobs, self.fetcher, self.clock, LIMITS, hooks)
        links = Links(b"s" * 32, self.clock, life_s=3600, public_url=None)
        self.uploads = Uploads(SqlUploadStore(database), self.assets, links, self.clock)

    async def drop(self, _tenant_id: UUID, _store_id: UUID, item_id: UUID) -> None:
        self.dropped.append(item_id)

    def wake(self) -> None:
        self.woken += 1

    def files(self) -> list[str]:
        """What is kept, without the folders of tenant and asset."""
        found = [path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file()]
        return sorted("/".join(path.parts[2:]) or str(path) for path in found)

    async def send(self, upload_id: UUID, number: int, data: bytes) -> ChunkProof:
        chunk = await self.uploads.accept_chunk(self.tenant_id, upload_id, number, in_pieces(data))
        return ChunkProof(number, f'"{chunk.etag}"', chunk.size_bytes)

    async def read(self, asset: Any) -> bytes:
        return b"".join([piece async for piece in self.assets.read(asset)])


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    database = SqliteDatabase(tmp_path / "multiturn.db")
    await database.migrate()
    yield Shelf(tmp_path / "files", database)
    await database.close()


async def in_pieces(data: bytes, size: int = 65536) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def cut(number: int) -> bytes:
    """A part of the file."""
    return FILE[(number - 1) * CHUNK : number * CHUNK]


# Assets.


async def test_file_becomes_an_asset(shelf: Shelf) -> None:
    asset = await shelf.assets.add(shelf.tenant_id, DIRECT, in_pieces(b"tram 28"))
    assert (asset.status, asset.size_bytes, asset.thumbnail, asset.hls) == ("processing", 7, "pending", "none")
    assert asset.digest == hashlib.sha256(b"tram 28").hexdigest()
    assert len(asset.alias) == 24
    for name in (str(asset.id), asset.alias, f"file-{asset.alias}", f"asset_{asset.id}"):
        assert await shelf.assets.get(shelf.tenant_id, name) == asset
    assert await shelf.read(asset) == b"tram 28"
    assert shelf.woken == 1


@pytest.mark.parametrize(
    ("data", "error", "code"), [(b"", InvalidRequest, "empty_file"), (b"x" * 21, TooLarge, "file_too_large")]
)
async def test_file_that_is_refused_is_not_kept(shelf: Shelf, data: bytes, error: type[Exception], code: str) -> None:
    with pytest.raises(error) as refused:
        await shelf.assets.add(shelf.tenant_id, DIRECT, in_pieces(data))
    assert getattr(refused.value, "code", None) == code
    assert shelf.files() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "direct"},
        {"method": "url"},
        {"method": "url", "url": "file:///etc/passwd"},
        {"method": "url", "url": "https://"},
        {"method": "url", "url": "https://a.example/x\ny"},
        {"method": "url", "url": "https://a.example:99999/"},
        {"method": "url", "url": "https://a.example/" + "x" * 9000},
        {"method": "direct", "url": "https://a.example/x"},
        {"method": "url", "url": "https://a.example/x", "metadata": {"a": {"b": 1}}},
        {"method": "url", "url": "https://a.example/x", "metadata": {"a": None}},
        {"method": "url", "url": "https://a.example/x", "metadata": {"a": [1]}},
        {"method": "url", "url": "https://a.example/x", "metadata": {"a": 2**53}},
        {"method": "url", "url": "https://a.example/x", "metadata": {"": 1}},
        {"method": "url", "url": "https://a.example/x", "metadata": {"a": "x" * 20_000}},
    ],
)
async def test_order_that_cannot_be_is_refused(shelf: Shelf, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        await shelf.assets.add(shelf.tenant_id, AssetOrder(**fields))
    assert (await shelf.assets.list_assets(shelf.tenant_id, AssetFilter()))[1] == 0


async def test_received_file_goes_with_a_wrong_order(shelf: Shelf) -> None:
    received = await shelf.assets.receive(shelf.tenant_id, in_pieces(b"tram 28"))
    with pytest.raises(InvalidRequest):
        await shelf.assets.add(shelf.tenant_id, replace(DIRECT, metadata={"a": {}}), received)
    assert shelf.files() == []


async def test_unknown_asset_is_not_found(shelf: Shelf) -> None:
    asset = await shelf.assets.add(shelf.tenant_id, DIRECT, in_pieces(b"x"))
    for tenant_id, name in ((new_id(), str(asset.id)), (shelf.tenant_id, str(new_id())), (shelf.tenant_id, "\0")):
        with pytest.raises(NotFound) as refused:
            await shelf.assets.get(tenant_id, name)
        assert refused.value.code == "asset_not_found"


async def test_metadata_are_replaced_merged_and_cleared(shelf: Shelf) -> None:
    asset = await shelf.assets.add(shelf.tenant_id, DIRECT, in_pieces(b"x"))
    change = shelf.tenant_id, asset.id
    assert (await shelf.assets.replace_metadata(*change, {"a": 1, "b": ["x"]})).metadata == {"a": 1, "b": ["x"]}
    merged = await shelf.assets.merge_metadata(*change, {"a": None, "b": [], "c": "", "d": True, "e": None})
    assert merged.metadata == {"b": ["x"], "d": True}
    assert (await shelf.assets.clear_metadata(*change)).metadata is None
    assert (await shelf.assets.merge_metadata(*change, {"a": 0.5})).metadata == {"a": 0.5}
    with pytest.raises(InvalidRequest):
        await shelf.assets.merge_metadata(*change, {"x": {"y": 1}})
    with pytest.raises(NotFound):
        await shelf.assets.replace_metadata(new_id(), asset.id, {})


async def test_deleted_asset_leaves_no_byte(shelf: Shelf, tmp_path: Path) -> None:
    secret = "Zanzibar-4711"
    asset = await shelf.assets.add(
        shelf.tenant_id, replace(DIRECT, filename=f"{secret}.txt", metadata={"a": secret}), in_pieces(secret.encode())
    )
    await shelf.assets.save_thumbnail(asset, secret.encode())
    await shelf.assets.save_frame(asset, 3, secret.encode())
    await shelf.assets.delete(shelf.tenant_id, asset.id)
    assert shelf.files() == []
    with pytest.raises(NotFound):
        await shelf.assets.delete(shelf.tenant_id, asset.id)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert left == []


async def test_what_is_made_of_a_deleted_asset_is_not_kept(shelf: Shelf, tmp_path: Path) -> None:
    asset = await shelf.assets.add(shelf.tenant_id, AssetOrder(method="url", url="https://media.example/x"))
    await shelf.assets.delete(shelf.tenant_id, asset.id)
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "stream.m3u8").write_text("#EXTM3U")
    await shelf.assets.fetch(asset)
    await shelf.assets.save_thumbnail(asset, b"jpeg")
    await shelf.assets.save_frame(asset, 1, b"jpeg")
    await shelf.assets.save_hls(asset, tmp_path / "made")
    assert not await shelf.assets.save(asset)
    assert shelf.files() == []


async def test_url_is_fetched_once(shelf: Shelf) -> None:
    order = AssetOrder(method="url", url="https://media.example/talk.mp4?x=1")
    asset = await shelf.assets.add(shelf.tenant_id, order)
    assert (asset.filename, asset.digest) == ("talk.mp4", None)
    fetched = await shelf.assets.fetch(asset)
    assert (fetched.filename, fetched.mime, fetched.size_bytes) == ("served.mp4", "video/mp4", 7)
    assert await shelf.assets.get(shelf.tenant_id, asset.alias) == fetched
    assert await shelf.assets.fetch(fetched) == fetched
    assert shelf.fetcher.urls == [order.url]


async def test_name_that_the_client_gave_stays(shelf: Shelf) -> None:
    order = AssetOrder(method="url", url="https://media.example/talk.mp4", filename="Trams.mp4")
    asset = await shelf.assets.add(shelf.tenant_id, order)
    assert (await shelf.assets.fetch(asset)).filename == "Trams.mp4"


@pytest.mark.parametrize(
    ("data", "mime", "reason"),
    [
        (b"", "video/mp4", "empty"),
        (b"x" * 17, "video/mp4", "too large"),
        (b"x" * 9, "application/pdf", "too large"),
        (UnreadableFile("It leads home."), "", "home"),
    ],
)
async def test_file_that_cannot_be_fetched_says_why(
    shelf: Shelf, data: bytes | Exception, mime: str, reason: str
) -> None:
    asset = await shelf.assets.add(shelf.tenant_id, AssetOrder(method="url", url="https://media.example/x"))
    shelf.fetcher.data, shelf.fetcher.mime = data, mime
    with pytest.raises(UnreadableFile, match=reason):
        await shelf.assets.fetch(asset)


@pytest.mark.parametrize(
    ("kind", "method", "limit"),
    [
        ("image", "multipart", 10),
        ("image", "url", 10),
        ("document", "direct", 40 * MIB),
        ("document", "url", 8),
        ("video", "url", 16),
        ("audio", "multipart", 40 * MIB),
    ],
)
async def test_limits_go_by_what_a_file_is(shelf: Shelf, kind: Any, method: Any, limit: int) -> None:
    asset = shelf.assets.make(shelf.tenant_id, AssetOrder(method=method, url="https://media.example/x"))
    probe = Probe(kind=kind, mime="x/y")
    shelf.assets.check_size(replace(asset, size_bytes=limit), probe)
    with pytest.raises(UnreadableFile, match="too large"):
        shelf.assets.check_size(replace(asset, size_bytes=limit + 1), probe)


async def test_orphans_are_removed_when_they_are_old(shelf: Shelf) -> None:
    kept = await shelf.assets.add(shelf.tenant_id, DIRECT, in_pieces(b"kept"))
    await shelf.assets.receive(shelf.tenant_id, in_pieces(b"lost"))
    assert await shelf.assets.tidy() == 0
    shelf.clock.now = datetime.now(UTC) + timedelta(hours=25)  # An id tells the time of this machine.
    assert await shelf.assets.tidy() == 1
    assert shelf.files() == ["original"]
    assert await shelf.read(kept) == b"kept"


async def test_hls_stream_is_kept_with_its_list(shelf: Shelf, tmp_path: Path) -> None:
    asset = await shelf.assets.add(shelf.tenant_id, DIRECT, in_pieces(b"x"))
    folder = tmp_path / "made"
    folder.mkdir()
    for name in ("stream.m3u8", "segment0.ts"):
        (folder / name).write_bytes(name.encode())
    await shelf.assets.save_hls(asset, folder)
    assert shelf.files() == ["hls/segment0.ts", "hls/stream.m3u8", "original"]


# Uploads in parts.


async def test_parts_in_any_order_become_the_file(shelf: Shelf) -> None:
    plan = await shelf.uploads.begin(shelf.tenant_id, IN_PARTS, len(FILE))
    upload = plan.upload
    assert (upload.chunks, upload.chunk_bytes, [url.number for url in plan.urls]) == (3, CHUNK, [1, 2, 3])
    assert (plan.asset.status, plan.asset.digest, shelf.woken) == ("processing", None, 0)
    proofs = [await shelf.send(upload.id, number, cut(number)) for number in (3, 1, 2)]
    first = await shelf.uploads.confirm(shelf.tenant_id, upload.id, proofs[:2])
    assert (first.processed, first.duplicates, first.completed, first.upload.status) == (2, 0, 2, "active")
    last = await shelf.uploads.confirm(shelf.tenant_id, upload.id, proofs)
    assert (last.processed, last.duplicates, last.completed, last.upload.status) == (1, 2, 3, "completed")
    assert last.asset.digest == hashlib.sha256(FILE).hexdigest()
    assert await shelf.read(last.asset) == FILE
    assert shelf.files() == ["original"]
    assert shelf.woken == 1


async def test_report_can_be_repeated(shelf: Shelf) -> None:
    upload = (await shelf.uploads.begin(shelf.tenant_id, IN_PARTS, 7)).upload
    proof = await shelf.send(upload.id, 1, b"tram 28")
    done = await shelf.uploads.confirm(shelf.tenant_id, upload.id, [proof])
    again = await shelf.uploads.confirm(shelf.tenant_id, upload.id, [proof])
    assert (done.processed, again.processed, again.duplicates, again.completed) == (1, 0, 1, 1)
    assert again.asset == done.asset


async def test_reports_at_once_make_one_file(shelf: Shelf) -> None:
    upload = (await shelf.uploads.begin(shelf.tenant_id, IN_PARTS, len(FILE))).upload
    proofs = [await shelf.send(upload.id, number, cut(number)) for number in (1, 2, 3)]
    reports = (shelf.uploads.confirm(shelf.tenant_id, upload.id, proofs) for _ in range(4))
    done = await asyncio.gather(*reports)
    assert {report.upload.status for report in done} == {"completed"}
    assert await shelf.read(done[0].asset) == FILE
    assert shelf.files() == ["original"]


@pytest.mark.parametrize(
    ("number", "proof", "size", "reason"),
    [
        (1, "0" * 32, None, "proof of part 1 is wrong"),
        (1, None, 8, "has 7 bytes, not 8"),
        (2, "0" * 32, None, "no part 2"),
        (0, "0" * 32, None, "no part 0"),
    ],
)
async def test_report_that_is_not_true_is_refused(
    shelf: Shelf, number: int, proof: str | None, size: int | None, reason: str
) -> None:
    upload = (await shelf.uploads.begin(shelf.tenant_id, IN_PARTS, 7)).upload
    true = await shelf.send(upload.id, 1, b"tram 28")
    with pytest.raises(InvalidRequest, match=reason):
        await shelf.uploads.confirm(shelf.tenant_id, upload.id, [ChunkProof(number, proof or true.proof, size)])


async def test_part_that_has_not_come_cannot_be_reported(shelf: Shelf) -> None:
    upload = (await shelf.uploads.begin(shelf.tenant_id, IN_PARTS, 7)).upload
    with pytest.raises(InvalidRequest, match="not arrived"):
        await shelf.uploads.confirm(shelf.tenant_id, upload.id, [ChunkProof(1, "x")])


@pytest.mark.parametrize(("number", "data"), [(1, b"x"), (1, b"x" * (CHUNK + 1)), (2, b""), (2, b"xxx"), (3, b"x")])
async def test_part_of_a_wrong_size_is_not_kept(shelf: Shelf, number: int, data: bytes) -> None:
    upload = (await shelf.uploads.begin(shelf.tenant_id, IN_PARTS, CHUNK + 2)).upload
    with pytest.raises(InvalidRequest):
        await shelf.send(upload.id, number, data)
    assert shelf.files() == []


async def test_broken_part_leaves_the_good_one(shelf: Shelf) -> None:
    upload = (await shelf.uploads.begin(shelf.tenant_id, IN_PARTS, 7)).upload
    proof = await shelf.send(upload.id, 1, b"tram 28")
    with pytest.raises(InvalidRequest):
        await shelf.send(upload.id, 1, b"tram")
    done = await shelf.uploads.confirm(shelf.tenant_id, upload.id, [proof])
    assert await shelf.read(done.asset) == b"tram 28"


@pytest.mark.parametrize(
    ("size", "error", "code"), [(0, InvalidRequest, "empty_file"), (40 * MIB + 1, TooLarge, "file_too_large")]
)
async def test_size_is_checked_before_a_part_comes(shelf: Shelf, size: int, error: type[Exception], code: str) -> None:
    with pytest.raises(error) as refused:
        await shelf.uploads.begin(shelf.tenant_id, IN_PARTS, size)
    assert getattr(refused.value, "code", None) == code


async def test_more_links_are_given_in_turn(shelf: Shelf) -> None:
    upload = (await shelf.uploads.begin(shelf.tenant_id, IN_PARTS, 4 * CHUNK)).upload
    more = await shelf.uploads.list_more_urls(shelf.tenant_id, upload.id, 3, 50)
    assert [url.number for url in more] == [3, 4]
    for start, count in ((0, 1), (5, 1), (1, 0), (1, 51)):
        with pytest.raises(InvalidRequest):
            await shelf.uploads.list_more_urls(shelf.tenant_id, upload.id, start, count)


async def test_state_tells_each_part(shelf: Shelf) -> None:
    upload = (await shelf.uploads.begin(shelf.tenant_id, IN_PARTS, 2 * CHUNK + 2)).upload
    proofs = [await shelf.send(upload.id, 1, b"x" * CHUNK), await shelf.send(upload.id, 3, b"xx")]
    await shelf.uploads.confirm(shelf.tenant_id, upload.id, proofs[1:])
    state = await shelf.uploads.get_status(shelf.tenant_id, upload.id, offset=0, limit=10)
    parts = [(number, chunk and chunk.is_confirmed) for number, chunk in state.chunks]
    assert parts == [(1, False), (2, None), (3, True)]
    assert (state.completed, state.uploaded_bytes) == (1, CHUNK + 2)
    page = await shelf.uploads.get_status(shelf.tenant_id, upload.id, offset=2, limit=2)
    assert [number for number, _ in page.chunks] == [3]


async def test_upload_ends_after_a_day(shelf: Shelf) -> None:
    plan = await shelf.uploads.begin(shelf.tenant_id, IN_PARTS, 7)
    proof = await shelf.send(plan.upload.id, 1, b"tram 28")
    shelf.clock.pass_(hours=24)
    with pytest.raises(Conflict) as refused:
        await shelf.uploads.confirm(shelf.tenant_id, plan.upload.id, [proof])
    assert refused.value.code == "upload_ended"
    assert await shelf.uploads.expire() == 1
    asset = await shelf.assets.get(shelf.tenant_id, plan.asset.alias)
    assert (asset.status, shelf.files()) == ("failed", [])
    assert asset.error
    assert "24 hours" in asset.error
    assert await shelf.uploads.expire() == 0


async def test_upload_of_a_deleted_asset_is_gone(shelf: Shelf) -> None:
    plan = await shelf.uploads.begin(shelf.tenant_id, IN_PARTS, 7)
    await shelf.send(plan.upload.id, 1, b"tram 28")
    await shelf.assets.delete(shelf.tenant_id, plan.asset.id)
    with pytest.raises(NotFound) as refused:
        await shelf.send(plan.upload.id, 1, b"tram 28")
    assert refused.value.code == "upload_not_found"
    assert shelf.files() == []


async def test_upload_is_its_tenants_only(shelf: Shelf) -> None:
    upload = (await shelf.uploads.begin(shelf.tenant_id, IN_PARTS, 7)).upload
    stranger = new_id()
    with pytest.raises(NotFound):
        await shelf.uploads.confirm(stranger, upload.id, [])
    with pytest.raises(NotFound):
        await shelf.uploads.get_status(stranger, upload.id, offset=0, limit=1)
    assert (await shelf.uploads.list_active(stranger, offset=0, limit=5))[1] == 0


@pytest.mark.parametrize(
    ("size", "chunk"), [(1, 5 * MIB), (10_000 * 5 * MIB, 5 * MIB), (10_000 * 5 * MIB + 1, 6 * MIB)]
)
def test_there_are_never_too_many_parts(size: int, chunk: int) -> None:
    assert find_chunk_bytes(size) == chunk
    assert -(-size // chunk) <= 10_000
