"""Assets and knowledge stores as OpenAI's clients read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from multiturn.api.files.parse import AT_WORK
from multiturn.api.files.wire import (
    AssetStatus,
    BatchBody,
    BatchStatus,
    CountsBody,
    CursorPage,
    FileBody,
    FileStatus,
    LastErrorBody,
    ResultBody,
    StoreFileBody,
    TextBody,
    VectorStoreBody,
)
from multiturn.model.asset import Asset
from multiturn.model.knowledge import DocumentHit
from multiturn.model.store import Collection, ItemStatus, KnowledgeStoreInfo, StoreItem

T = TypeVar("T", FileBody, VectorStoreBody, StoreFileBody)

ATTRIBUTES_MAX = 16
UNREADABLE: Literal["invalid_file"] = "invalid_file"
FILE_STATUSES: Mapping[str, AssetStatus] = {"processing": "uploaded", "ready": "processed", "failed": "error"}
STATUSES: Mapping[ItemStatus, FileStatus] = {"ready": "completed", "failed": "failed"}


def file_id(asset: Asset) -> str:
    """The id of a file."""
    return f"file-{asset.alias}"


def store_id(id_: UUID) -> str:
    """The id of a vector store."""
    return f"vs_{id_.hex}"


def as_seconds(time: datetime) -> int:
    """A time as OpenAI writes it."""
    return int(time.timestamp())


def render_file(asset: Asset) -> FileBody:
    """A file."""
    return FileBody(
        id=file_id(asset),
        bytes=asset.size_bytes or 0,
        created_at=as_seconds(asset.created_at),
        filename=asset.filename,
        purpose=asset.purpose or "user_data",
        status=FILE_STATUSES[asset.status],
        status_details=asset.error,
    )


def render_page(data: list[T], *, has_more: bool) -> CursorPage[T]:
    """A page of a listing."""
    return CursorPage(
        data=data, first_id=data[0].id if data else None, last_id=data[-1].id if data else None, has_more=has_more
    )


def render_store(store: KnowledgeStoreInfo) -> VectorStoreBody:
    """A vector store."""
    counts = render_counts(store.items)
    return VectorStoreBody(
        id=store_id(store.id),
        created_at=as_seconds(store.created_at),
        name=store.name,
        description=store.description,
        usage_bytes=store.characters,
        file_counts=counts,
        status="in_progress" if counts.in_progress else "completed",
        last_active_at=as_seconds(store.updated_at),
        metadata=store.metadata,
    )


def render_counts(items: Mapping[ItemStatus, int], *, failed: int = 0, cancelled: int = 0) -> CountsBody:
    """How many files there are, with those that never became items."""
    return CountsBody(
        in_progress=sum(items.get(status, 0) for status in AT_WORK),
        completed=items.get("ready", 0),
        failed=items.get("failed", 0) + failed,
        cancelled=cancelled,
        total=sum(items.values()) + failed + cancelled,
    )


def render_store_file(item: StoreItem, asset: Asset) -> StoreFileBody:
    """A file of a vector store."""
    has_failed = item.status == "failed"
    message = item.error or "The file could not be read."
    return StoreFileBody(
        id=file_id(asset),
        created_at=as_seconds(item.created_at),
        vector_store_id=store_id(item.store_id),
        status=STATUSES.get(item.status, "in_progress"),
        usage_bytes=item.characters,
        last_error=LastErrorBody(code=UNREADABLE, message=message) if has_failed else None,
        attributes=render_attributes(item.metadata),
    )


def render_attributes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata that OpenAI's clients can read: texts, numbers, true and false."""
    plain = {name: value for name, value in metadata.items() if isinstance(value, str | int | float | bool)}
    return dict(list(plain.items())[:ATTRIBUTES_MAX])


def render_batch(batch: Collection, counts: CountsBody) -> BatchBody:
    """A file batch."""
    return BatchBody(
        id=f"vsfb_{batch.id.hex}",
        created_at=as_seconds(batch.created_at),
        vector_store_id=store_id(batch.store_id),
        status=find_batch_status(counts),
        file_counts=counts,
    )


def find_batch_status(counts: CountsBody) -> BatchStatus:
    """How far a batch is."""
    if counts.in_progress:
        return "in_progress"
    if counts.cancelled:
        return "cancelled"
    return "failed" if counts.failed and counts.failed == counts.total else "completed"


def render_result(hit: DocumentHit, asset: Asset) -> ResultBody:
    """A piece of a file that was found."""
    return ResultBody(
        file_id=file_id(asset),
        filename=asset.filename,
        score=round(min(1.0, max(0.0, hit.score)), 4),
        attributes=render_attributes(hit.item.metadata),
        content=[TextBody(text=hit.text)],
    )
