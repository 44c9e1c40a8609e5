"""What assets need from outside: where files lie, how they are described, and how they are fetched and read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import UUID

from multiturn.model.asset import (
    Asset,
    AssetFilter,
    AssetReading,
    Fetched,
    MetadataChange,
    Probe,
    Upload,
    UploadedChunk,
)
from multiturn.model.segment import Reading


class Blobs(Protocol):
    """Keeps files by name (``tenant/asset/original``), in a directory or in an S3-compatible store."""

    async def put(self, name: str, pieces: AsyncIterable[bytes]) -> int:
        """Store a file under a name, whole or not at all; its size in bytes. What ``pieces`` raises comes through.

        Raises Unavailable when it cannot be stored.
        """
        ...

    def read(self, name: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """Read the bytes from ``start`` to before ``end``. Raises NotFound (``file_not_found``)."""
        ...

    async def find_size(self, name: str) -> int | None:
        """The size of a file; None when there is none."""
        ...

    def open_local(self, name: str) -> AbstractAsyncContextManager[Path]:
        """The file as a path on this machine: where it lies, or a copy that is removed afterwards. It is only read."""
        ...

    async def delete_all(self, prefix: str) -> None:
        """Delete a file, or every file below a name, for good."""
        ...

    def list_folders(self) -> AsyncGenerator[str]:
        """The names that assets have files below, as ``tenant/asset``."""
        ...


class AssetStore(Protocol):
    """Keeps what is known of assets."""

    async def add(self, asset: Asset) -> None:
        """Store a new asset, and the job that probes it unless its file has yet to come (``multipart``)."""
        ...

    async def find(self, tenant_id: UUID, asset_id: UUID | str) -> Asset | None:
        """Find an asset by its id, or by its alias."""
        ...

    async def list_assets(self, tenant_id: UUID, which: AssetFilter) -> tuple[Sequence[Asset], int]:
        """A page of assets, and how many there are in all."""
        ...

    async def save(self, asset: Asset) -> bool:
        """Store everything that may change of an asset but its metadata; False when it was deleted meanwhile."""
        ...

    async def change_metadata(
        self, tenant_id: UUID, asset_id: UUID, change: MetadataChange, now: datetime
    ) -> Asset | None:
        """Store what ``change`` makes of an asset's metadata; None when it is not there."""
        ...

    async def list_items(self, tenant_id: UUID, asset_id: UUID) -> Sequence[tuple[UUID, UUID]]:
        """The items that were made of an asset, as (store, item)."""
        ...

    async def find_read_item(self, tenant_id: UUID, asset_id: UUID) -> AssetReading | None:
        """The item whose text is the asset's: the newest that is ready, else one that may become so."""
        ...

    async def delete(self, tenant_id: UUID, asset_id: UUID) -> bool:
        """Delete an asset, its uploads and its jobs; False when it is not there."""
        ...

    async def vacuum(self) -> None:
        """Leave no deleted bytes behind in files of our own."""
        ...


class UploadStore(Protocol):
    """Keeps how far files have come that arrive in parts."""

    async def add(self, upload: Upload, asset: Asset) -> None:
        """Store a new upload, and the asset that its file will be."""
        ...

    async def find(self, tenant_id: UUID, upload_id: UUID) -> Upload | None:
        """Find an upload."""
        ...

    async def list_active(self, tenant_id: UUID, *, offset: int, limit: int) -> tuple[Sequence[Upload], int]:
        """A page of the uploads that are not complete, and how many there are."""
        ...

    async def save_chunk(self, tenant_id: UUID, upload_id: UUID, chunk: UploadedChunk) -> bool:
        """Note that a part has arrived, instead of an earlier one of its number; False when the upload has ended."""
        ...

    async def confirm(self, tenant_id: UUID, upload_id: UUID, indexes: Sequence[int], now: datetime) -> None:
        """Note that the client has reported these parts."""
        ...

    async def list_chunks(self, tenant_id: UUID, upload_id: UUID) -> Sequence[UploadedChunk]:
        """The parts that have arrived, by number."""
        ...

    async def finish(self, upload: Upload, asset: Asset) -> bool:
        """Store how an upload ended, and its asset; of a whole file with the job that probes it. False when it had
        ended before.
        """
        ...

    async def list_expired(self, now: datetime, *, limit: int) -> Sequence[Upload]:
        """Uploads of any tenant whose time is over and that are not complete."""
        ...


class Fetcher(Protocol):
    """Fetches files by their URL."""

    def fetch(self, url: str, *, bytes_max: int) -> AbstractAsyncContextManager[Fetched]:
        """Begin to fetch a file.

        Raises UnreadableFile, here or while it is read, for a URL that leads to this machine or into its network, by
        name or by redirect, for an answer that is no file, too large, too slow or endless.
        """
        ...


class ReadOrder(NamedTuple):
    """How a file is to be read: ``speech``, ``screens`` and ``pictures`` say whether speech is turned into text, what
    can be read in pictures is, and key frames are handed out. ``sounds`` hands out the sound for a transcription
    elsewhere instead.
    """

    probe: Probe
    speech: bool = True
    screens: bool = True
    pictures: bool = False
    sounds: bool = False


class Readers(Protocol):
    """Reads files, each in a process of its own with limits on time and memory."""

    async def probe(self, path: Path, filename: str) -> Probe:
        """What a file is, by its content; its name is a hint. Raises UnreadableFile, Unavailable."""
        ...

    def read(self, path: Path, order: ReadOrder) -> AsyncGenerator[Reading]:
        """Read a file: segments in their order within each modality, pictures, progress.

        Raises UnreadableFile; Unavailable when it may go well another time (memory, a model that is not there).
        """
        ...

    async def make_thumbnail(self, path: Path, probe: Probe) -> bytes | None:
        """A JPEG of at most 640 pixels a side; None for what has no picture. Raises UnreadableFile, Unavailable."""
        ...

    async def make_hls(self, path: Path, folder: Path) -> None:
        """Write ``stream.m3u8`` and its segments into a folder, from the streams as they are.

        Raises UnreadableFile when they cannot be played so.
        """
        ...
