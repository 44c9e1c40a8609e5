"""Files in an S3-compatible store, streamed both ways."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, S3Store

from multiturn.errors import SettingsError, Unavailable
from multiturn.store.blobs import file_not_found

log = logging.getLogger(__name__)

# Parts in flight are what a file takes of the server's memory. S3 allows 10,000 parts of at least 5 MiB.
PART_BYTES = 8 * 1024 * 1024
PARTS_AT_ONCE = 2
# One request reads so much: a long one would run into the time limit of a request.
READ_BYTES = 4 * 1024 * 1024
DELETED_AT_ONCE = 500


class ObjectBlobs:
    """Keeps files as objects; ``copies`` is the folder for copies of them on this machine."""

    def __init__(self, store: ObjectStore, copies: Path | None = None) -> None:
        self.store = store
        self.copies = copies

    async def put(self, name: str, pieces: AsyncIterable[bytes]) -> int:
        """Store a file in parts; it can be seen when all of them have arrived."""
        count = Count(pieces)
        try:
            await obstore.put_async(
                self.store, name, aiter(count), chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
            )
        except BaseError as error:
            raise storage_failed(error) from error
        return count.size

    async def read(self, name: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """Read the bytes of a range, some MiB at a time."""
        size = await self.find_size(name)
        if size is None:
            raise file_not_found(name)
        end = size if end is None else min(end, size)
        while start < end:
            until = min(end, start + READ_BYTES)
            try:
                piece = await obstore.get_range_async(self.store, name, start=start, end=until)
            except FileNotFoundError as error:
                raise file_not_found(name) from error
            except BaseError as error:
                raise storage_failed(error) from error
            start = until
            yield bytes(piece)

    async def find_size(self, name: str) -> int | None:
        """The size of a file; None when there is none."""
        try:
            return (await obstore.head_async(self.store, name))["size"]
        except FileNotFoundError:
            return None
        except BaseError as error:
            raise storage_failed(error) from error

    @asynccontextmanager
    async def open_local(self, name: str) -> AsyncGenerator[Path]:
        """A copy of the file, for as long as the block runs."""
        with tempfile.TemporaryDirectory(dir=self.copies, prefix="multiturn-") as folder:
            path = Path(folder) / name.rpartition("/")[2]
            with path.open("wb") as file:
                async for piece in self.read(name):
                    await asyncio.to_thread(file.write, piece)
            yield path

    async def delete_all(self, prefix: str) -> None:
        """Delete a file, or every file below a name. A store that keeps versions keeps them: its own rules decide."""
        try:
            async for batch in obstore.list(self.store, prefix=prefix, chunk_size=DELETED_AT_ONCE):
                # In the store's own terms a name is only the beginning of others: 'a' also of 'ab'.
                await obstore.delete_async(self.store, [meta["path"] for meta in batch if is_below(meta, prefix)])
            if await self.find_size(prefix) is not None:
                await obstore.delete_async(self.store, prefix)
        except FileNotFoundError:
            return  # Somebody else deleted it too.
        except BaseError as error:
            raise storage_failed(error) from error

    async def list_folders(self) -> AsyncGenerator[str]:
        """The folders of assets, as ``tenant/asset``."""
        try:
            tenants = await obstore.list_with_delimiter_async(self.store)
            for tenant in tenants["common_prefixes"]:
                for folder in (await obstore.list_with_delimiter_async(self.store, prefix=tenant))["common_prefixes"]:
                    yield folder
        except BaseError as error:
            raise storage_failed(error) from error


class Count:
    """Pieces on their way, counted."""

    def __init__(self, pieces: AsyncIterable[bytes]) -> None:
        self.pieces = pieces
        self.size = 0

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        """The pieces; an empty one would end the upload."""
        async for piece in self.pieces:
            if piece:
                self.size += len(piece)
                yield piece


def is_below(meta: obstore.ObjectMeta, prefix: str) -> bool:
    """Whether an object is in the folder of this name."""
    return meta["path"].startswith(f"{prefix}/")


def open_bucket(url: str, *, is_http: bool = False) -> S3Store:
    """The store at ``s3://bucket/prefix``; region, keys and endpoint come from ``AWS_*`` in the environment, as in
    Amazon's own tools. ``is_http`` allows an endpoint without TLS.

    Raises SettingsError.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise SettingsError(f"MULTITURN_FILES_URL must be s3://bucket/prefix; it is '{url}'.")
    try:
        prefix = parts.path.strip("/") or None
        return S3Store(parts.netloc, prefix=prefix, client_options={"allow_http": is_http})
    except (BaseError, ValueError) as error:
        raise SettingsError(f"The files at '{url}' cannot be reached: {first_line(error)}.") from error


def storage_failed(error: Exception) -> Unavailable:
    """The error of a store that does not do what it should. What it says has addresses in it, and is for the log."""
    log.error("the store of files failed: %s", first_line(error))
    return Unavailable("The store of files failed. The server's log has the reason.", code="storage_failed")


def first_line(error: Exception) -> str:
    """What an error says; behind it are pages for a debugger, with addresses."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
