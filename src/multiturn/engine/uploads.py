"""Files that come in parts: what is sent where, which parts have come, and the file when all of them have."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from multiturn.engine.asset_checks import check_order
from multiturn.engine.assets import Assets, FileOverLimit, take_pieces
from multiturn.engine.blob_names import name_chunk, name_chunks, name_folder, name_original
from multiturn.engine.links import Links
from multiturn.engine.ports import Clock
from multiturn.engine.ports_assets import UploadStore
from multiturn.errors import Conflict, InvalidRequest, NotFound, TooLarge
from multiturn.model.asset import Asset, AssetOrder, Upload, UploadedChunk
from multiturn.model.ids import new_id

MIB = 1024 * 1024
CHUNK_BYTES = 5 * MIB
CHUNKS_MAX = 10_000
LIFE = timedelta(hours=24)
# How many links are written at once.
URLS_AT_FIRST, URLS_MAX = 100, 50
EXPIRED_PER_ROUND = 100


class ChunkUrl(NamedTuple):
    """Where a part is sent, and until when."""

    number: int
    url: str
    expires_at: datetime


class UploadPlan(NamedTuple):
    """An upload that has begun: the asset that it will be, and where its first parts are sent."""

    upload: Upload
    asset: Asset
    urls: Sequence[ChunkUrl]


class ChunkProof(NamedTuple):
    """That a part has arrived, as its sender says: its number, the ETag that it was given, and its size."""

    number: int
    proof: str
    size_bytes: int | None = None


class Confirmation(NamedTuple):
    """What a report of parts came to; ``upload`` tells whether the file is whole now."""

    upload: Upload
    asset: Asset
    processed: int
    duplicates: int
    completed: int


class UploadState(NamedTuple):
    """How far an upload is: some of its parts by number (None: not arrived), and figures over all of them."""

    upload: Upload
    chunks: Sequence[tuple[int, UploadedChunk | None]]
    completed: int
    uploaded_bytes: int


class Uploads:
    """Uploads of tenants, in parts."""

    def __init__(self, store: UploadStore, assets: Assets, links: Links, clock: Clock) -> None:
        self.store = store
        self.assets = assets
        self.blobs = assets.blobs
        self.links = links
        self.clock = clock

    async def begin(self, tenant_id: UUID, order: AssetOrder, size_bytes: int) -> UploadPlan:
        """Begin an upload; its asset is there from now on and waits for its file.

        Raises InvalidRequest, and TooLarge (``file_too_large``).
        """
        check_order(order, has_file=True)
        limit = self.assets.limits.multipart_bytes_max
        if size_bytes < 1:
            raise InvalidRequest("The file is empty: its size must be at least 1.", code="empty_file", param="size")
        if size_bytes > limit:
            text = f"The file has {size_bytes} bytes; {limit} are the most (MULTITURN_MULTIPART_BYTES_MAX)."
            raise TooLarge(text, code="file_too_large", param="size")
        asset, now = self.assets.make(tenant_id, order), self.clock()
        chunk_bytes = find_chunk_bytes(size_bytes)
        upload = Upload(
            id=new_id(),
            tenant_id=tenant_id,
            asset_id=asset.id,
            created_at=now,
            updated_at=now,
            expires_at=now + LIFE,
            status="active",
            size_bytes=size_bytes,
            chunk_bytes=chunk_bytes,
            chunks=-(-size_bytes // chunk_bytes),
        )
        await self.store.add(upload, asset)
        return UploadPlan(upload, asset, self._write_urls(upload, 1, URLS_AT_FIRST))

    async def list_more_urls(self, tenant_id: UUID, upload_id: UUID, start: int, count: int) -> Sequence[ChunkUrl]:
        """Where parts are sent, from number ``start`` on. Raises InvalidRequest, NotFound, Conflict."""
        upload = await self._get_active(tenant_id, upload_id)
        if not 1 <= start <= upload.chunks:
            raise InvalidRequest(f"'start' must be from 1 to {upload.chunks}; it is {start}.", param="start")
        if not 1 <= count <= URLS_MAX:
            raise InvalidRequest(f"'count' must be from 1 to {URLS_MAX}; it is {count}.", param="count")
        return self._write_urls(upload, start, count)

    def _write_urls(self, upload: Upload, start: int, count: int) -> Sequence[ChunkUrl]:
        """The links of some parts, those that there are."""
        numbers = range(start, min(start + count, upload.chunks + 1))
        return [ChunkUrl(n, *self.links.write_chunk(upload.tenant_id, upload.id, n)) for n in numbers]

    async def accept_chunk(
        self, tenant_id: UUID, upload_id: UUID, index: int, pieces: AsyncIterable[bytes]
    ) -> UploadedChunk:
        """Keep a part; its ETag is the MD5 of its bytes, in hexadecimal digits.

        Raises InvalidRequest for a number or a size that is not the upload's, NotFound, Conflict.
        """
        upload = await self._get_active(tenant_id, upload_id)
        if not 1 <= index <= upload.chunks:
            text = f"The upload has parts 1 to {upload.chunks}; there is no part {index}."
            raise InvalidRequest(text, param="chunk_index")
        wanted, digest = chunk_size(upload, index), hashlib.md5(usedforsecurity=False)
        name = name_chunk(tenant_id, upload.asset_id, index)
        try:
            whole = require_size(take_pieces(pieces, digest.update, bytes_max=wanted), wanted)
            await self.blobs.put(name, whole)
        except (FileOverLimit, FileBelowSize) as error:
            text = f"Part {index} must have {wanted} bytes: all have {upload.chunk_bytes}, but for the last."
            raise InvalidRequest(text, param="chunk_size") from error
        chunk = UploadedChunk(index=index, size_bytes=wanted, etag=digest.hexdigest(), uploaded_at=self.clock())
        if not await self.store.save_chunk(tenant_id, upload.id, chunk):
            await self.blobs.delete_all(name)
            raise upload_ended(upload)
        return chunk

    async def confirm(self, tenant_id: UUID, upload_id: UUID, proofs: Sequence[ChunkProof]) -> Confirmation:
        """Take the client's report of parts; when it has reported all, the file is joined and looked at.

        Raises InvalidRequest naming a part that has not arrived, or whose proof or size is wrong; NotFound, Conflict.
        """
        upload = await self._get(tenant_id, upload_id)
        arrived = {chunk.index: chunk for chunk in await self.store.list_chunks(tenant_id, upload_id)}
        if upload.status != "completed":
            self._require_active(upload)
            for proof in proofs:
                check_proof(upload, proof, arrived.get(proof.number))
        confirmed = {index for index, chunk in arrived.items() if chunk.is_confirmed}
        new = {proof.number for proof in proofs} - confirmed if upload.status != "completed" else set()
        if new:
            await self.store.confirm(tenant_id, upload_id, sorted(new), self.clock())
        completed = len(confirmed | new) if upload.status != "completed" else upload.chunks
        asset = await self.assets.get(tenant_id, str(upload.asset_id))
        if completed == upload.chunks and upload.status == "active":
            upload, asset = await self._complete(upload, asset, arrived)
        return Confirmation(upload, asset, len(new), len(proofs) - len(new), completed)

    async def _complete(
        self, upload: Upload, asset: Asset, chunks: Mapping[int, UploadedChunk]
    ) -> tuple[Upload, Asset]:
        """Join the parts, and have the file looked at. Of two that do it at once, either's file will do."""
        digest, now = hashlib.sha256(), self.clock()
        joined = take_pieces(self._read_chunks(upload), digest.update, bytes_max=upload.size_bytes)
        try:
            size = await self.blobs.put(name_original(asset), joined)
        except NotFound:
            return await self._find_completed(upload)
        ended = replace(upload, status="completed", updated_at=now)
        asset = replace(asset, size_bytes=size, digest=digest.hexdigest(), updated_at=now)
        if not await self.store.finish(ended, asset):
            return await self._find_completed(upload)
        await self.blobs.delete_all(name_chunks(upload.tenant_id, upload.asset_id))
        self.assets.hooks.wake()
        return ended, asset

    async def _find_completed(self, upload: Upload) -> tuple[Upload, Asset]:
        """An upload that another request has completed meanwhile. Raises Conflict when it ended otherwise, NotFound
        when its asset was deleted: then nothing of it is kept.
        """
        found = await self.store.find(upload.tenant_id, upload.id)
        if found is None:
            await self.blobs.delete_all(name_folder(upload.tenant_id, upload.asset_id))
            raise upload_not_found()
        upload = found
        if upload.status != "completed":
            raise upload_ended(upload)
        return upload, await self.assets.get(upload.tenant_id, str(upload.asset_id))

    async def _read_chunks(self, upload: Upload) -> AsyncGenerator[bytes]:
        """The file, part by part."""
        for index in range(1, upload.chunks + 1):
            async for piece in self.blobs.read(name_chunk(upload.tenant_id, upload.asset_id, index)):
                yield piece

    async def get_status(self, tenant_id: UUID, upload_id: UUID, *, offset: int, limit: int) -> UploadState:
        """How far an upload is, with some of its parts. Raises NotFound."""
        upload = await self._get(tenant_id, upload_id)
        arrived = {chunk.index: chunk for chunk in await self.store.list_chunks(tenant_id, upload_id)}
        numbers = range(1 + offset, min(offset + limit, upload.chunks) + 1)
        return UploadState(
            upload,
            [(number, arrived.get(number)) for number in numbers],
            sum(chunk.is_confirmed for chunk in arrived.values()),
            sum(chunk.size_bytes for chunk in arrived.values()),
        )

    async def list_active(self, tenant_id: UUID, *, offset: int, limit: int) -> tuple[Sequence[Upload], int]:
        """A page of the uploads that are not complete, and how many there are."""
        return await self.store.list_active(tenant_id, offset=offset, limit=limit)

    async def expire(self) -> int:
        """End the uploads of all tenants whose time is over, and take away what has come of them; how many."""
        now = self.clock()
        expired = await self.store.list_expired(now, limit=EXPIRED_PER_ROUND)
        for upload in expired:
            try:
                asset = await self.assets.get(upload.tenant_id, str(upload.asset_id))
            except NotFound:  # It was deleted this moment, and the upload with it.
                continue
            text = "The upload was not completed within 24 hours. Begin another one."
            failed = replace(asset, status="failed", error=text, updated_at=now)
            if await self.store.finish(replace(upload, status="expired", updated_at=now), failed):
                await self.blobs.delete_all(name_chunks(upload.tenant_id, upload.asset_id))
        return len(expired)

    async def _get(self, tenant_id: UUID, upload_id: UUID) -> Upload:
        """Get an upload; one whose time is over is expired, whether it was tidied up or not. Raises NotFound."""
        upload = await self.store.find(tenant_id, upload_id)
        if upload is None:
            raise upload_not_found()
        is_over = upload.status == "active" and upload.expires_at <= self.clock()
        return replace(upload, status="expired") if is_over else upload

    async def _get_active(self, tenant_id: UUID, upload_id: UUID) -> Upload:
        """Get an upload that goes on. Raises NotFound, Conflict."""
        upload = await self._get(tenant_id, upload_id)
        self._require_active(upload)
        return upload

    def _require_active(self, upload: Upload) -> None:
        """Raises Conflict for an upload that has ended."""
        if upload.status != "active":
            raise upload_ended(upload)


class FileBelowSize(Exception):
    """A part has fewer bytes than it must have."""


async def require_size(pieces: AsyncIterable[bytes], wanted: int) -> AsyncGenerator[bytes]:
    """Pieces on their way. Raises FileBelowSize at their end, so that what is too small is not kept."""
    size = 0
    async for piece in pieces:
        size += len(piece)
        yield piece
    if size < wanted:
        raise FileBelowSize


def find_chunk_bytes(size_bytes: int) -> int:
    """The size of a file's parts: 5 MiB, or whole MiB so that there are not too many."""
    return max(CHUNK_BYTES, -(-size_bytes // (CHUNKS_MAX * MIB)) * MIB)


def chunk_size(upload: Upload, index: int) -> int:
    """The bytes that a part must have."""
    return min(upload.chunk_bytes, upload.size_bytes - (index - 1) * upload.chunk_bytes)


def check_proof(upload: Upload, proof: ChunkProof, chunk: UploadedChunk | None) -> None:
    """Raises InvalidRequest for a report that is not true."""
    where = "completed_chunks"
    if not 1 <= proof.number <= upload.chunks:
        text = f"The upload has parts 1 to {upload.chunks}; there is no part {proof.number}."
        raise InvalidRequest(text, param=where)
    if chunk is None:
        raise InvalidRequest(f"Part {proof.number} has not arrived: send it again.", param=where)
    if proof.proof.strip().strip('"').lower() != chunk.etag:
        text = f"The proof of part {proof.number} is wrong: it must be the ETag that was answered when it was sent."
        raise InvalidRequest(text, param=where)
    if proof.size_bytes not in (None, chunk.size_bytes):
        text = f"Part {proof.number} has {chunk.size_bytes} bytes, not {proof.size_bytes}."
        raise InvalidRequest(text, param=where)


def upload_not_found() -> NotFound:
    """The error of an upload that is not there, or another tenant's."""
    return NotFound("There is no such upload.", code="upload_not_found", param="upload_id")


def upload_ended(upload: Upload) -> Conflict:
    """The error of an upload that takes nothing any more."""
    return Conflict(f"The upload is {upload.status} and takes no more parts.", code="upload_ended", param="upload_id")
