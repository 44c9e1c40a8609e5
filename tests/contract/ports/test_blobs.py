"""Files, in a directory and in an object store: each whole or not there, read by ranges, taken away with its folder."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore

from multiturn.engine.ports_assets import Blobs
from multiturn.errors import NotFound, SettingsError, Unavailable
from multiturn.store.blobs import INCOMING_LIFE_S, DirectoryBlobs
from multiturn.store.object_blobs import PART_BYTES, ObjectBlobs, open_bucket

TENANT, ASSET = "01a1fc90-fa6f-7167-9e60-a7618fad9c01", "01a1fc90-fa6f-7167-9e60-a7618fad9c02"
NAME = f"{TENANT}/{ASSET}/original"


@pytest.fixture(params=["directory", "memory", "objects"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """Where files are kept, of each kind."""
    if request.param == "directory":
        return DirectoryBlobs(tmp_path / "files")
    copies = tmp_path / "copies"
    copies.mkdir()
    store = MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "objects", mkdir=True)
    return ObjectBlobs(store, copies)


async def in_pieces(*pieces: bytes, error: Exception | None = None) -> AsyncGenerator[bytes]:
    for piece in pieces:
        yield piece
    if error:
        raise error


async def read(blobs: Blobs, name: str = NAME, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in blobs.read(name, start=start, end=end)])


async def list_folders(blobs: Blobs) -> list[str]:
    return [folder async for folder in blobs.list_folders()]


async def test_file_comes_back_as_it_was(blobs: Blobs) -> None:
    assert await blobs.put(NAME, in_pieces(b"one", b"", b"two")) == 6
    assert await read(blobs) == b"onetwo"
    assert await blobs.find_size(NAME) == 6
    async with blobs.open_local(NAME) as path:
        assert path.read_bytes() == b"onetwo"


async def test_large_file_comes_back_as_it_was(blobs: Blobs) -> None:
    pieces = [bytes([number]) * 1_000_003 for number in range(2 * PART_BYTES // 1_000_000)]
    assert await blobs.put(NAME, in_pieces(*pieces)) == sum(map(len, pieces))
    assert await read(blobs) == b"".join(pieces)


async def test_empty_file_is_a_file(blobs: Blobs) -> None:
    assert await blobs.put(NAME, in_pieces()) == 0
    assert await read(blobs) == b""
    assert await blobs.find_size(NAME) == 0


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [(0, 4, b"0123"), (3, 7, b"3456"), (7, None, b"789"), (8, 99, b"89"), (10, None, b""), (5, 5, b"")],
)
async def test_range_is_read(blobs: Blobs, start: int, end: int | None, found: bytes) -> None:
    await blobs.put(NAME, in_pieces(b"0123456789"))
    assert await read(blobs, start=start, end=end) == found


async def test_broken_file_is_not_kept(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cut off"):
        await blobs.put(NAME, in_pieces(b"x" * 3_000_000, error=ValueError("cut off")))
    assert await blobs.find_size(NAME) is None
    with pytest.raises(NotFound) as refused:
        await read(blobs)
    assert refused.value.code == "file_not_found"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_broken_file_leaves_the_one_before(blobs: Blobs) -> None:
    await blobs.put(NAME, in_pieces(b"before"))
    with pytest.raises(ValueError, match="cut off"):
        await blobs.put(NAME, in_pieces(b"after", error=ValueError("cut off")))
    assert await read(blobs) == b"before"
    await blobs.put(NAME, in_pieces(b"after"))
    assert await read(blobs) == b"after"


async def test_folder_goes_with_all_its_files(blobs: Blobs, tmp_path: Path) -> None:
    other = f"{TENANT}/{ASSET}x/original"
    names = [NAME, f"{TENANT}/{ASSET}/frames/1.jpg", f"{TENANT}/{ASSET}/hls/stream.m3u8", other]
    for name in names:
        await blobs.put(name, in_pieces(b"secret"))
    await blobs.delete_all(f"{TENANT}/{ASSET}")
    await blobs.delete_all(f"{TENANT}/{ASSET}")
    assert [await blobs.find_size(name) for name in names] == [None, None, None, 6]
    await blobs.delete_all(other)
    assert await blobs.find_size(other) is None
    assert not any(b"secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


async def test_missing_file_is_not_found(blobs: Blobs) -> None:
    assert await blobs.find_size(NAME) is None
    with pytest.raises(NotFound):
        await read(blobs)
    with pytest.raises(NotFound):
        async with blobs.open_local(NAME):
            pass


async def test_folders_of_assets_are_listed(blobs: Blobs) -> None:
    assert await list_folders(blobs) == []
    for name in (NAME, f"{TENANT}/{ASSET}/thumb.jpg", f"{ASSET}/{TENANT}/original"):
        await blobs.put(name, in_pieces(b"x"))
    assert sorted(await list_folders(blobs)) == sorted([f"{TENANT}/{ASSET}", f"{ASSET}/{TENANT}"])


async def test_copy_is_removed_when_it_was_read(tmp_path: Path) -> None:
    blobs = ObjectBlobs(MemoryStore(), tmp_path)
    await blobs.put(NAME, in_pieces(b"x"))
    async with blobs.open_local(NAME):
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "a//b", "", "a/../../b", "/etc/passwd", ".incoming/x", "a/b\\c", "a/\0"])
async def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name of a file"):
        await DirectoryBlobs(tmp_path).put(name, in_pieces(b"x"))


async def test_full_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("no folder")
    with pytest.raises(Unavailable, match="cannot be stored") as refused:
        await DirectoryBlobs(tmp_path / "files").put(NAME, in_pieces(b"x"))
    assert refused.value.code == "storage_failed"


async def test_what_a_killed_server_left_is_removed_later(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    await blobs.put(NAME, in_pieces(b"x"))
    old, new = blobs.incoming / "old", blobs.incoming / "new"
    for path in (old, new):
        path.write_bytes(b"half")
    long_ago = time.time() - INCOMING_LIFE_S - 60
    os.utime(old, (long_ago, long_ago))
    await list_folders(blobs)
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("url", ["https://bucket/x", "s3://", "s3:bucket", "s3://bucket?x=1"])
def test_wrong_bucket_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="s3://bucket/prefix"):
        open_bucket(url)
