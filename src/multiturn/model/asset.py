"""Assets: files put in, whatever they are later used for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

AssetKind = Literal["video", "audio", "image", "document"]
AssetStatus = Literal["processing", "ready", "failed"]
AssetMethod = Literal["direct", "url", "multipart"]
# Of what is made of an asset besides itself: not asked for, in the queue, being made, there, or impossible.
ExtraStatus = Literal["none", "pending", "processing", "ready", "error"]
MetadataChange = Callable[[dict[str, Any] | None], dict[str, Any] | None]
UploadStatus = Literal["active", "completed", "failed", "expired"]


class Probe(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a file is by its content. ``technical`` are facts by the names of the TwelveLabs API (contracts 5.2)."""

    kind: AssetKind
    mime: str
    duration_s: float | None = None
    pages: int | None = None
    technical: dict[str, Any] = {}


class Asset(Struct, frozen=True, kw_only=True):
    """A file. ``alias`` is its short id (24 hexadecimal digits), ``digest`` the SHA-256 of its bytes.

    ``kind``, ``mime``, ``size_bytes`` and the like are known when it is ready; ``error`` says why it failed, for a
    person. ``metadata`` is None while the client never set any. ``url`` is where it was fetched from.
    """

    id: UUID
    tenant_id: UUID
    alias: str
    created_at: datetime
    updated_at: datetime
    method: AssetMethod
    status: AssetStatus
    filename: str
    mime: str
    kind: AssetKind | None = None
    size_bytes: int | None = None
    duration_s: float | None = None
    pages: int | None = None
    digest: str | None = None
    url: str | None = None
    technical: dict[str, Any] = {}
    metadata: dict[str, Any] | None = None
    purpose: str | None = None
    error: str | None = None
    hls: ExtraStatus = "none"
    hls_error: str | None = None
    thumbnail: ExtraStatus = "none"


class AssetOrder(Struct, frozen=True, kw_only=True):
    """A file that is to be put in. Without a ``filename`` it is named by its source; ``mime`` is what the client says,
    and only a hint.
    """

    method: AssetMethod
    filename: str | None = None
    mime: str | None = None
    url: str | None = None
    metadata: dict[str, Any] | None = None
    purpose: str | None = None
    wants_hls: bool = False
    wants_thumbnail: bool = True


class AssetFilter(Struct, frozen=True, kw_only=True):
    """Which assets are listed, and in what order: by ``ids`` (ours or aliases), kinds, a part of the filename (either
    case), or the digest of the content. ``offset`` and ``limit`` are of the page.
    """

    ids: tuple[str, ...] = ()
    kinds: tuple[AssetKind, ...] = ()
    filename: str | None = None
    digest: str | None = None
    purpose: str | None = None
    cursor: UUID | None = None
    offset: int = 0
    limit: int = 20
    newest_first: bool = True


class AssetReading(Struct, frozen=True, kw_only=True):
    """The item that has, or is to have, an asset's text: its status as a knowledge item's, and why it failed."""

    item_id: UUID
    status: str
    error: str | None = None


class Fetched(NamedTuple):
    """A file somewhere else that is being read: what its server says of it, and its bytes."""

    filename: str
    mime: str
    pieces: AsyncIterator[bytes]


class Upload(Struct, frozen=True, kw_only=True):
    """A file that comes in parts: of ``chunk_bytes`` each, the last one smaller, until ``expires_at``."""

    id: UUID
    tenant_id: UUID
    asset_id: UUID
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    status: UploadStatus
    size_bytes: int
    chunk_bytes: int
    chunks: int


class UploadedChunk(Struct, frozen=True, kw_only=True):
    """A part that has arrived; ``is_confirmed`` says that the client has reported it."""

    index: int
    size_bytes: int
    etag: str
    uploaded_at: datetime
    is_confirmed: bool = False
