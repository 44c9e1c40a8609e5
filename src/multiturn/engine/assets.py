"""Assets: files are put in, streamed to where they are kept, read again, and deleted with all that is theirs."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from multiturn.engine.asset_checks import AssetLimits, check_metadata, check_order, check_size, over_limit
from multiturn.engine.blob_names import (
    name_folder,
    name_frame,
    name_hls,
    name_original,
    name_thumbnail,
    read_folder,
)
from multiturn.engine.metadata import check_text
from multiturn.engine.ports import Clock
from multiturn.engine.ports_assets import AssetStore, Blobs, Fetcher
from multiturn.errors import Conflict, InvalidRequest, NotFound, TooLarge, UnreadableFile
from multiturn.model.asset import Asset, AssetFilter, AssetOrder, MetadataChange, Probe
from multiturn.model.filename import clean_filename, find_url_filename
from multiturn.model.ids import find_alias, find_id, new_id

COPY_BYTES = 256 * 1024
# A folder that is older than this and has no asset was left by a server that was killed, or by a race.
ORPHAN_AGE = timedelta(hours=24)
STORES_NAMED = 5
FILTER_CHARS_MAX = 1000


class ReceivedFile(NamedTuple):
    """A file that is kept and is no asset yet: the id that it will have, its size, and the SHA-256 of its bytes."""

    asset_id: UUID
    size_bytes: int
    digest: str


class AssetHooks(Struct, frozen=True, kw_only=True):
    """What happens with assets elsewhere: ``drop_item`` deletes an item (tenant, store, item) of one that is deleted,
    ``wake`` tells the workers that there is something to do.
    """

    drop_item: Callable[[UUID, UUID, UUID], Awaitable[Any]]
    wake: Callable[[], None] = lambda: None


class Assets:
    """Files of tenants."""

    def __init__(
        self, store: AssetStore, blobs: Blobs, fetcher: Fetcher, clock: Clock, limits: AssetLimits, hooks: AssetHooks
    ) -> None:
        self.store = store
        self.blobs = blobs
        self.fetcher = fetcher
        self.clock = clock
        self.limits = limits
        self.hooks = hooks

    async def receive(
        self, tenant_id: UUID, pieces: AsyncIterable[bytes], *, bytes_max: int | None = None
    ) -> ReceivedFile:
        """Keep a file that comes in one upload. It is to become an asset (``add``), or to be discarded.

        Raises InvalidRequest (``empty_file``), TooLarge (``file_too_large``), and what ``pieces`` raises; then nothing
        is kept.
        """
        asset_id = new_id()
        name = f"{name_folder(tenant_id, asset_id)}/original"
        limit = bytes_max or self.limits.upload_bytes_max
        try:
            size, digest = await self._put(name, pieces, bytes_max=limit)
        except FileOverLimit as error:
            raise file_too_large(limit) from error
        received = ReceivedFile(asset_id, size, digest)
        if not size:
            await self.discard(tenant_id, received)
            raise InvalidRequest("The file is empty.", code="empty_file", param="file")
        return received

    async def discard(self, tenant_id: UUID, file: ReceivedFile) -> None:
        """Take away a file that became no asset."""
        await self.blobs.delete_all(name_folder(tenant_id, file.asset_id))

    async def add(
        self, tenant_id: UUID, order: AssetOrder, file: ReceivedFile | AsyncIterable[bytes] | None = None
    ) -> Asset:
        """Make an asset of a file, or of a URL, which is fetched in the background. It is ``processing`` until its job
        has looked at it.

        Raises InvalidRequest, TooLarge; then the file is not kept.
        """
        async with AsyncExitStack() as stack:
            if isinstance(file, ReceivedFile):
                stack.push_async_callback(self.discard, tenant_id, file)
            check_order(order, has_file=file is not None)
            if file is not None and not isinstance(file, ReceivedFile):
                file = await self.receive(tenant_id, file)
                stack.push_async_callback(self.discard, tenant_id, file)
            asset = self.make(tenant_id, order, file)
            await self.store.add(asset)
            stack.pop_all()
        self.hooks.wake()
        return asset

    def make(self, tenant_id: UUID, order: AssetOrder, file: ReceivedFile | None = None) -> Asset:
        """What an order makes, not stored."""
        now = self.clock()
        name = find_url_filename(order.url) if order.url and not order.filename else clean_filename(order.filename)
        return Asset(
            id=file.asset_id if file else new_id(),
            tenant_id=tenant_id,
            alias=f"{int(now.timestamp()):08x}{secrets.token_hex(8)}",
            created_at=now,
            updated_at=now,
            method=order.method,
            status="processing",
            filename=name,
            mime=order.mime or "application/octet-stream",
            size_bytes=file.size_bytes if file else None,
            digest=file.digest if file else None,
            url=order.url,
            metadata=order.metadata,
            purpose=order.purpose,
            hls="pending" if order.wants_hls else "none",
            thumbnail="pending" if order.wants_thumbnail else "none",
        )

    async def fetch(self, asset: Asset) -> Asset:
        """Fetch the file of an asset that has a URL, unless it is there; the asset with what is known of it now.

        Raises UnreadableFile with a reason for a person, Unavailable when the file cannot be stored.
        """
        if asset.url is None or (asset.digest and await self.blobs.find_size(name_original(asset)) is not None):
            return asset
        async with self.fetcher.fetch(asset.url, bytes_max=self.limits.fetch_bytes_max) as fetched:
            limit = self.limits.of_fetch(fetched.mime)
            try:
                size, digest = await self._put(name_original(asset), fetched.pieces, bytes_max=limit)
            except FileOverLimit as error:
                raise over_limit("file", limit) from error
            is_named = asset.filename != find_url_filename(asset.url)
            name = asset.filename if is_named else clean_filename(fetched.filename)
            mime = fetched.mime or asset.mime
        if not size:
            raise UnreadableFile("The file at the URL is empty.")
        asset = replace(asset, filename=name, mime=mime, size_bytes=size, digest=digest, updated_at=self.clock())
        await self.save(asset)
        return asset

    async def get(self, tenant_id: UUID, name: str) -> Asset:
        """Get an asset by its id, or its short one. Raises NotFound."""
        asset_id = find_id(name) or find_alias(name)
        if asset_id is None:
            raise asset_not_found(name)
        return await self._find(tenant_id, asset_id, name)

    async def _find(self, tenant_id: UUID, asset_id: UUID | str, name: str) -> Asset:
        """Get an asset. Raises NotFound."""
        asset = await self.store.find(tenant_id, asset_id)
        if asset is None:
            raise asset_not_found(name)
        return asset

    async def list_assets(self, tenant_id: UUID, which: AssetFilter) -> tuple[Sequence[Asset], int]:
        """A page of assets, and how many there are in all. Raises InvalidRequest."""
        for name in ("filename", "digest", "purpose"):
            check_text(getattr(which, name), name, chars_max=FILTER_CHARS_MAX)
        return await self.store.list_assets(tenant_id, which)

    async def save(self, asset: Asset) -> bool:
        """Store what a job found out; False when the asset was deleted meanwhile: then its files go for good."""
        is_there = await self.store.save(asset)
        if not is_there:
            await self.blobs.delete_all(name_folder(asset.tenant_id, asset.id))
        return is_there

    async def replace_metadata(self, tenant_id: UUID, asset_id: UUID, metadata: dict[str, Any]) -> Asset:
        """Give an asset other metadata. Raises InvalidRequest, NotFound."""
        check_metadata(metadata)
        return await self._change_metadata(tenant_id, asset_id, lambda _: metadata)

    async def merge_metadata(self, tenant_id: UUID, asset_id: UUID, changes: dict[str, Any]) -> Asset:
        """Change some of an asset's metadata: None takes a key away, an empty text or list changes nothing.

        Raises InvalidRequest, NotFound.
        """
        check_metadata({key: value for key, value in changes.items() if value is not None})
        return await self._change_metadata(tenant_id, asset_id, lambda metadata: merge(metadata, changes))

    async def clear_metadata(self, tenant_id: UUID, asset_id: UUID) -> Asset:
        """Take away an asset's metadata. Raises NotFound."""
        return await self._change_metadata(tenant_id, asset_id, lambda _: None)

    async def _change_metadata(self, tenant_id: UUID, asset_id: UUID, change: MetadataChange) -> Asset:
        """Change metadata. Raises NotFound."""
        asset = await self.store.change_metadata(tenant_id, asset_id, change, self.clock())
        if asset is None:
            raise asset_not_found(str(asset_id))
        return asset

    async def delete(self, tenant_id: UUID, asset_id: UUID, *, force: bool = False) -> None:
        """Delete an asset and its files for good; with ``force`` also the items that stores have of it.

        Raises NotFound, and Conflict (``asset_in_use``) when stores have items of it and it is not forced.
        """
        asset = await self._find(tenant_id, asset_id, str(asset_id))
        items = await self.store.list_items(tenant_id, asset.id)
        if items and not force:
            raise asset_in_use(asset, [store_id for store_id, _ in items])
        for store_id, item_id in items:
            with suppress(NotFound):
                await self.hooks.drop_item(tenant_id, store_id, item_id)
        await self.store.delete(tenant_id, asset.id)
        await self.blobs.delete_all(name_folder(tenant_id, asset.id))
        await self.store.vacuum()

    def read(self, asset: Asset, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """Read the file of an asset. Raises NotFound while it is not there."""
        return self.blobs.read(name_original(asset), start=start, end=end)

    def open_local(self, asset: Asset) -> AbstractAsyncContextManager[Path]:
        """The file of an asset as a path on this machine. Raises NotFound."""
        return self.blobs.open_local(name_original(asset))

    def check_size(self, asset: Asset, probe: Probe) -> None:
        """Raises UnreadableFile for a file over the limit of its kind."""
        check_size(asset, probe, self.limits)

    async def save_thumbnail(self, asset: Asset, jpeg: bytes) -> None:
        """Keep the thumbnail of an asset."""
        await self._keep(asset, name_thumbnail(asset), in_pieces(jpeg))

    async def save_frame(self, asset: Asset, number: int, jpeg: bytes) -> None:
        """Keep the key frame of a shot, or the picture of a page."""
        await self._keep(asset, name_frame(asset, number), in_pieces(jpeg))

    async def save_hls(self, asset: Asset, folder: Path) -> None:
        """Keep the files of an HLS stream, its list last: who sees that, has all."""
        for path in await asyncio.to_thread(list_hls, folder):
            await self._keep(asset, name_hls(asset, path.name), read_path(path))

    async def _keep(self, asset: Asset, name: str, pieces: AsyncIterable[bytes]) -> None:
        """Keep what was made of an asset, unless it was deleted meanwhile."""
        await self.blobs.put(name, pieces)
        if await self.store.find(asset.tenant_id, asset.id) is None:
            await self.blobs.delete_all(name_folder(asset.tenant_id, asset.id))

    async def tidy(self) -> int:
        """Take away files whose asset is not there, and never became one; how many folders."""
        taken, before = 0, self.clock() - ORPHAN_AGE
        async for folder in self.blobs.list_folders():
            ids = read_folder(folder)
            if ids and made_at(ids[1], before) < before and await self.store.find(*ids) is None:
                await self.blobs.delete_all(folder)
                taken += 1
        return taken

    async def _put(self, name: str, pieces: AsyncIterable[bytes], *, bytes_max: int) -> tuple[int, str]:
        """Store a file; its size and digest. Raises FileOverLimit."""
        digest = hashlib.sha256()
        size = await self.blobs.put(name, take_pieces(pieces, digest.update, bytes_max=bytes_max))
        return size, digest.hexdigest()


class FileOverLimit(Exception):
    """A file has more bytes than it may have; who reads it says so in its own words."""


async def take_pieces(
    pieces: AsyncIterable[bytes], see: Callable[[bytes], object], *, bytes_max: int
) -> AsyncGenerator[bytes]:
    """Pieces on their way, each seen once. Raises FileOverLimit as soon as there are too many bytes."""
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > bytes_max:
            raise FileOverLimit
        see(piece)
        yield piece


async def in_pieces(data: bytes) -> AsyncGenerator[bytes]:
    """A small file."""
    yield data


def list_hls(folder: Path) -> list[Path]:
    """The files of a stream, its list last."""
    return sorted(folder.iterdir(), key=lambda path: (path.suffix == ".m3u8", path.name))


async def read_path(path: Path) -> AsyncGenerator[bytes]:
    """A file of this machine."""
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, COPY_BYTES):
            yield piece


def merge(metadata: dict[str, Any] | None, changes: dict[str, Any]) -> dict[str, Any]:
    """Metadata with changes. Raises InvalidRequest when they would be too many."""
    merged = dict(metadata or {})
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif value not in ("", []):
            merged[key] = value
    check_metadata(merged)
    return merged


def made_at(id_: UUID, otherwise: datetime) -> datetime:
    """When an id was made, of those that tell (UUIDv7)."""
    if id_.version != 7:
        return otherwise
    return datetime.fromtimestamp((id_.int >> 80) / 1000, tz=otherwise.tzinfo)


def file_too_large(limit: int) -> TooLarge:
    """The error of a file over the limit of one upload."""
    text = f"The file is over the limit of {limit} bytes for one upload."
    return TooLarge(text, code="file_too_large", param="file")


def asset_not_found(name: str) -> NotFound:
    """The error of an asset that is not there, or another tenant's."""
    return NotFound(f"There is no asset '{name[:80]}'.", code="asset_not_found", param="asset_id")


def asset_in_use(asset: Asset, store_ids: Sequence[UUID]) -> Conflict:
    """The error of an asset that stores have items of."""
    some = ", ".join(str(id_) for id_ in store_ids[:STORES_NAMED])
    more = f" and {len(store_ids) - STORES_NAMED} more" if len(store_ids) > STORES_NAMED else ""
    text = f"The asset '{asset.filename}' is in use in the stores {some}{more}. Delete its items there, or use force."
    return Conflict(text, code="asset_in_use", param="force")
