"""Files in a directory of this machine, each whole or not there at all."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager, suppress
from io import FileIO
from pathlib import Path

from multiturn.errors import NotFound, Unavailable
from multiturn.model.ids import new_id

# What is written and read at once: each step is one call into a thread.
PIECE_BYTES = 1024 * 1024
READ_BYTES = 256 * 1024
# Where files grow before they have their name; what a killed server left there is taken away when it is so old.
INCOMING = ".incoming"
INCOMING_LIFE_S = 86_400


class DirectoryBlobs:
    """Keeps files below a directory. Several servers may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming = folder / INCOMING

    async def put(self, name: str, pieces: AsyncIterable[bytes]) -> int:
        """Store a file: it has its name when all its bytes are on the disk."""
        target = self._path(name)
        growing = self.incoming / new_id().hex
        try:
            file = await asyncio.to_thread(begin, growing)
            try:
                size = await write_all(file, pieces)
            finally:
                await asyncio.to_thread(file.close)
            await asyncio.to_thread(settle, growing, target)
        except OSError as error:
            raise storage_failed(error) from error
        finally:
            with suppress(OSError):  # It is gone as a rule: it has its name.
                growing.unlink()
        return size

    async def read(self, name: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """Read the bytes of a range."""
        try:
            file = await asyncio.to_thread(open_at, self._path(name), start)
        except OSError as error:
            raise translate(error, name) from error
        try:
            while end is None or start < end:
                wanted = READ_BYTES if end is None else min(READ_BYTES, end - start)
                piece = await asyncio.to_thread(file.read, wanted)
                if not piece:
                    return
                start += len(piece)
                yield piece
        finally:
            file.close()

    async def find_size(self, name: str) -> int | None:
        """The size of a file; None when there is none."""
        path = self._path(name)
        return await asyncio.to_thread(lambda: path.stat().st_size if path.is_file() else None)

    @asynccontextmanager
    async def open_local(self, name: str) -> AsyncGenerator[Path]:
        """Where the file lies."""
        path = self._path(name)
        if not await asyncio.to_thread(path.is_file):
            raise file_not_found(name)
        yield path

    async def delete_all(self, prefix: str) -> None:
        """Delete a file, or every file below a name, for good."""
        try:
            await asyncio.to_thread(remove, self._path(prefix))
        except OSError as error:
            raise storage_failed(error) from error

    async def list_folders(self) -> AsyncGenerator[str]:
        """The folders of assets, as ``tenant/asset``; takes away what was begun long ago and never became a file."""
        await asyncio.to_thread(remove_stale, self.incoming, time.time() - INCOMING_LIFE_S)
        for tenant in await asyncio.to_thread(list_names, self.folder):
            for asset in await asyncio.to_thread(list_names, self.folder / tenant):
                yield f"{tenant}/{asset}"

    def _path(self, name: str) -> Path:
        """Where a file of this name lies: below the folder, whatever the name."""
        parts = name.split("/")
        if not all(parts) or any(part.startswith(".") or "\\" in part or "\0" in part for part in parts):
            raise ValueError(f"'{name}' is no name of a file.")
        return self.folder.joinpath(*parts)


async def write_all(file: FileIO, pieces: AsyncIterable[bytes]) -> int:
    """Write pieces behind one another, some together, and make sure of them; the size in bytes."""
    size, waiting = 0, bytearray()
    async for piece in pieces:
        size += len(piece)
        waiting += piece
        if len(waiting) >= PIECE_BYTES:
            await asyncio.to_thread(write_whole, file, waiting)
            waiting.clear()
    await asyncio.to_thread(finish, file, waiting)
    return size


def begin(path: Path) -> FileIO:
    """A new file, which nobody else reads."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def write_whole(file: FileIO, data: bytes | bytearray) -> None:
    """Write all of it: an unbuffered file may take less at a time."""
    with memoryview(data) as left:
        done = 0
        while done < len(left):
            done += file.write(left[done:])


def finish(file: FileIO, data: bytes | bytearray) -> None:
    """Write the last of a file, and wait until it is on the disk."""
    write_whole(file, data)
    os.fsync(file.fileno())


def settle(growing: Path, target: Path) -> None:
    """Give a finished file its name, durably."""
    made = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    growing.replace(target)
    for folder in {target.parent, *(folder.parent for folder in made)}:
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_at(path: Path, start: int) -> FileIO:
    """A file from a byte on."""
    file = FileIO(path, "rb")
    file.seek(start)
    return file


def remove(path: Path) -> None:
    """Take away a file, or a folder with all below it; one that is not there does not matter."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)  # Another server may do the same; what is left shows below.
        if path.exists():
            shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_stale(folder: Path, before: float) -> None:
    """Take away the files in a folder that nobody has written since a time."""
    for name in list_names(folder):
        path = folder / name
        if path.stat().st_mtime < before:
            path.unlink(missing_ok=True)


def list_names(folder: Path) -> list[str]:
    """The names in a folder that are seen; none when there is no folder."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


def translate(error: OSError, name: str) -> NotFound | Unavailable:
    """A failed read: there is no such file, or the disk failed."""
    is_missing = isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError)
    return file_not_found(name) if is_missing else storage_failed(error)


def file_not_found(name: str) -> NotFound:
    """The error of a file that is not there; its name ends in what it is of its asset."""
    return NotFound(f"There is no file '{name.rpartition('/')[2]}'.", code="file_not_found")


def storage_failed(error: OSError) -> Unavailable:
    """The error of a disk that is full or broken."""
    return Unavailable(f"The file cannot be stored: {error.strerror or error}.", code="storage_failed")
