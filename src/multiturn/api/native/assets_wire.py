"""The shapes of assets in the native API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from multiturn.api.native.wire import Time
from multiturn.model.asset import AssetKind, AssetMethod, AssetStatus, ExtraStatus

Metadata = Annotated[
    dict[str, Any],
    Meta(description="Texts, numbers, true or false, and lists of texts; at most 16 KiB of JSON."),
]
Truth = Literal["true", "false"]


class AssetOrderBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A file that is to be fetched by its URL."""

    url: Annotated[str, Meta(description="Where the file is, on the public Internet: http or https.")]
    filename: Annotated[str | None, Meta(description="What to call it; its server's or its URL's name otherwise.")] = (
        None
    )
    metadata: Metadata | None = None
    purpose: Annotated[str | None, Meta(description="What it is for, in a word of the client's.")] = None
    hls: Annotated[bool, Meta(description="Whether an HLS stream is made of a recording.")] = False
    thumbnail: Annotated[bool, Meta(description="Whether a thumbnail is made.")] = True


class AssetFormBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A file, and what is to be known of it; the same fields with ``url`` instead of a file."""

    file: Annotated[
        str | None,
        Meta(description="The file, with its name.", extra_json_schema={"format": "binary"}),
    ] = None
    url: Annotated[str | None, Meta(description="Instead of a file: where it is fetched from.")] = None
    filename: Annotated[str | None, Meta(description="What to call it, if not as the part does.")] = None
    metadata: Annotated[str | None, Meta(description="Metadata, as a JSON object.")] = None
    purpose: Annotated[str | None, Meta(description="What it is for, in a word of the client's.")] = None
    hls: Annotated[Truth, Meta(description="Whether an HLS stream is made of a recording.")] = "false"
    thumbnail: Annotated[Truth, Meta(description="Whether a thumbnail is made.")] = "true"


class AssetChangeBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is to be changed of an asset."""

    metadata: Annotated[
        Metadata | None, Meta(description="Merged key by key: null takes a key away; null for all of it clears it.")
    ]


class AssetExtraBody(Struct, kw_only=True):
    """Something that is made of an asset: a thumbnail, an HLS stream."""

    status: Annotated[
        ExtraStatus,
        Meta(description="`none`: not asked for; `pending`, `processing`, `ready`; `error`: it cannot be made."),
    ]
    url: Annotated[str | None, Meta(description="Where it is, without a key and for some days, when it is ready.")]
    error: Annotated[str | None, Meta(description="Why it cannot be made.")]


class AssetBody(Struct, kw_only=True):
    """A file."""

    id: Annotated[str, Meta(description="Our id, a UUIDv7: later assets sort behind earlier ones.")]
    object: Literal["asset"] = "asset"
    short_id: Annotated[str, Meta(description="Another id of it, 24 hexadecimal digits, as Jockey's clients use it.")]
    status: Annotated[
        AssetStatus,
        Meta(description="`processing` until its content was looked at; then `ready`, or `failed` for a reason."),
    ]
    error: Annotated[str | None, Meta(description="Of `failed`: why, for a person.")]
    method: Annotated[AssetMethod, Meta(description="How it came: in one upload, by its URL, or in parts.")]
    filename: str
    kind: Annotated[AssetKind | None, Meta(description="What it is by its content, when it is ready.")]
    mime: Annotated[str, Meta(description="Its type by its content; until it is ready, what the client said.")]
    size_bytes: int | None
    duration_s: Annotated[float | None, Meta(description="Of a recording.")]
    pages: Annotated[int | None, Meta(description="Of a document that has pages.")]
    sha256: Annotated[str | None, Meta(description="The hash of its bytes, in hexadecimal digits.")]
    source_url: Annotated[str | None, Meta(description="Where it was fetched from.")]
    technical: Annotated[dict[str, Any], Meta(description="Facts about its streams, pages and the like.")]
    metadata: Annotated[dict[str, Any] | None, Meta(description="The client's; null while it never set any.")]
    purpose: str | None
    created_at: Time
    updated_at: Time
    url: Annotated[
        str | None,
        Meta(description="Where the file can be played or downloaded without a key, for some days; ranges work."),
    ]
    thumbnail: AssetExtraBody
    hls: AssetExtraBody


class AssetDeletedBody(Struct, kw_only=True):
    """What was deleted."""

    id: Annotated[str, Meta(description="Our id of the asset.")]
    object: Literal["asset.deleted"] = "asset.deleted"
    deleted: Literal[True] = True


class PhraseBody(Struct, kw_only=True):
    """A phrase, and when it is said."""

    start_s: float
    end_s: float
    text: str


class TranscriptBody(Struct, kw_only=True):
    """What is spoken in an asset."""

    object: Literal["transcript"] = "transcript"
    asset_id: Annotated[str, Meta(description="Our id of the asset.")]
    status: Annotated[
        Literal["pending", "processing", "ready", "failed"],
        Meta(description="How far the reading of it is in the knowledge store that has it."),
    ]
    error: Annotated[str | None, Meta(description="Of `failed`: why, for a person.")]
    text: Annotated[str, Meta(description="All of it; empty until it is ready.")]
    phrases: list[PhraseBody]


class ChunkBody(Struct, kw_only=True):
    """A part of a file that has arrived."""

    index: Annotated[int, Meta(description="Its number, from 1.")]
    size_bytes: int
    etag: Annotated[str, Meta(description="What proves it when it is reported: the MD5 of its bytes.")]
