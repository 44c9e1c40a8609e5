"""Uploads in the store: files that arrive in parts, and which parts of them have come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from multiturn.model.asset import Asset, Upload, UploadedChunk
from multiturn.store.assets import add_asset, defer_probe, write_asset
from multiturn.store.database import Database, Row
from multiturn.store.rows import as_id, as_ms, as_time


class SqlUploadStore:
    """Keeps uploads in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def add(self, upload: Upload, asset: Asset) -> None:
        """Store a new upload, and the asset that its file will be."""
        async with self.database.transaction() as tx:
            await add_asset(tx, asset)
            await tx.execute("add_upload", write_upload(upload))

    async def find(self, tenant_id: UUID, upload_id: UUID) -> Upload | None:
        """Find an upload."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_upload", {"tenant_id": tenant_id, "id": upload_id})
        return read_upload(row) if row else None

    async def list_active(self, tenant_id: UUID, *, offset: int, limit: int) -> tuple[Sequence[Upload], int]:
        """A page of the uploads that are not complete, and how many there are."""
        which = {"tenant_id": tenant_id}
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_active_uploads", {**which, "offset": offset, "limit": limit})
            total = await tx.fetch_one("count_active_uploads", which)
        return [read_upload(row) for row in rows], (total or (0,))[0]

    async def save_chunk(self, tenant_id: UUID, upload_id: UUID, chunk: UploadedChunk) -> bool:
        """Note that a part has arrived, instead of an earlier one of its number; False when the upload has ended."""
        at = as_ms(chunk.uploaded_at)
        which = {"tenant_id": tenant_id, "upload_id": upload_id}
        row = {"number": chunk.index, "size_bytes": chunk.size_bytes, "etag": chunk.etag, "uploaded_at": at}
        async with self.database.transaction() as tx:
            is_saved = await tx.execute("save_upload_chunk", {**which, **row})
            await tx.execute("touch_upload", {**which, "now": at})
        return bool(is_saved)

    async def confirm(self, tenant_id: UUID, upload_id: UUID, indexes: Sequence[int], now: datetime) -> None:
        """Note that the client has reported these parts."""
        which = {"tenant_id": tenant_id, "upload_id": upload_id}
        async with self.database.transaction() as tx:
            await tx.execute_many("confirm_upload_chunk", [{**which, "number": index} for index in indexes])
            await tx.execute("touch_upload", {**which, "now": as_ms(now)})

    async def list_chunks(self, tenant_id: UUID, upload_id: UUID) -> Sequence[UploadedChunk]:
        """The parts that have arrived, by number."""
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_upload_chunks", {"tenant_id": tenant_id, "upload_id": upload_id})
        return [read_chunk(row) for row in rows]

    async def finish(self, upload: Upload, asset: Asset) -> bool:
        """Store how an upload ended, and its asset; of a whole file with the job that probes it. False when it had
        ended before.
        """
        async with self.database.transaction() as tx:
            if not await tx.execute("finish_upload", write_upload(upload)):
                return False
            if await tx.execute("change_asset", write_asset(asset)) and upload.status == "completed":
                await defer_probe(tx, asset)
        return True

    async def list_expired(self, now: datetime, *, limit: int) -> Sequence[Upload]:
        """Uploads of any tenant whose time is over and that are not complete."""
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_expired_uploads", {"now": as_ms(now), "limit": limit})
        return [read_upload(row) for row in rows]


def write_upload(upload: Upload) -> dict[str, Any]:
    """An upload as the parameters of its queries."""
    return {
        "tenant_id": upload.tenant_id,
        "id": upload.id,
        "asset_id": upload.asset_id,
        "created_at": as_ms(upload.created_at),
        "updated_at": as_ms(upload.updated_at),
        "expires_at": as_ms(upload.expires_at),
        "status": upload.status,
        "size_bytes": upload.size_bytes,
        "chunk_bytes": upload.chunk_bytes,
        "chunks": upload.chunks,
    }


def read_upload(row: Row) -> Upload:
    """A row of ``uploads``."""
    tenant_id, id_, asset_id, created, updated, expires, status, size_bytes, chunk_bytes, chunks = row
    return Upload(
        tenant_id=as_id(tenant_id),
        id=as_id(id_),
        asset_id=as_id(asset_id),
        created_at=as_time(created),
        updated_at=as_time(updated),
        expires_at=as_time(expires),
        status=status,
        size_bytes=size_bytes,
        chunk_bytes=chunk_bytes,
        chunks=chunks,
    )


def read_chunk(row: Row) -> UploadedChunk:
    """A row of ``upload_chunks``."""
    number, size_bytes, etag, uploaded_at, is_confirmed = row
    return UploadedChunk(
        index=number,
        size_bytes=size_bytes,
        etag=etag,
        uploaded_at=as_time(uploaded_at),
        is_confirmed=bool(is_confirmed),
    )
