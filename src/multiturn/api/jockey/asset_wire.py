"""The shapes of assets and of uploads in parts (contracts/twelvelabs 5)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from multiturn.api.jockey.wire import JockeyPageInfoBody, Metadata, Time

FILE_BYTES_MAX = 2**53
COUNT_MAX = 50
CHUNKS_MAX = 10_000

Status = Literal["pending", "processing", "ready", "error"]


class JockeyAssetFormBody(Struct, kw_only=True, omit_defaults=True):
    """A file as it is put in: the parts of a form, or a JSON object with a `url`."""

    method: Annotated[Literal["direct", "url"], Meta(description="Whether the file is in the form, or to be fetched.")]
    file: Annotated[str | None, Meta(description="With `direct`: the file, as the last part or before others.")] = None
    url: Annotated[str | None, Meta(description="With `url`: where the file is, by http or https.")] = None
    filename: Annotated[str | None, Meta(description="Left out: that of the file, or of its URL.")] = None
    enable_hls: Annotated[bool, Meta(description="Whether a video is to be playable as HLS.")] = True
    enable_thumbnail: Annotated[bool, Meta(description="Whether a still of it is to be made.")] = True
    user_metadata: Annotated[dict[str, Any] | str | None, Meta(description="In a form: a JSON object, as a text.")] = (
        None
    )


class JockeyHlsBody(Struct, kw_only=True, omit_defaults=True):
    """A video as HLS, where that was asked for."""

    status: Status
    manifest_url: Annotated[str | None, Meta(description="A link that needs no key, when it is ready.")] = None


class JockeyThumbnailBody(Struct, kw_only=True, omit_defaults=True):
    """A still of a file, where one was asked for."""

    status: Status
    representative_url: Annotated[str | None, Meta(description="A link that needs no key, when it is ready.")] = None


class JockeyReasonBody(Struct, kw_only=True):
    """Why something failed."""

    message: Annotated[str, Meta(description="A text for a person. It may change.")]


class JockeyAssetBody(Struct, kw_only=True, omit_defaults=True):
    """A file that was put in. It can be used when it is `ready`."""

    id: Annotated[str, Meta(description="24 hexadecimal digits.")] = field(name="_id")
    method: Literal["direct", "url", "multipart"]
    status: Literal["processing", "ready", "failed"]
    filename: str
    file_type: Annotated[str, Meta(description="Its type by its content, when it is ready.")]
    created_at: Time
    user_metadata: Annotated[Metadata, Meta(description="Left out when none was ever set.")] = None
    size: Annotated[int | None, Meta(description="Bytes.")] = None
    duration: Annotated[float | None, Meta(description="Seconds, of video and sound.")] = None
    hls: JockeyHlsBody | None = None
    thumbnail: JockeyThumbnailBody | None = None
    technical_metadata: Annotated[
        dict[str, Any] | None, Meta(description="What the file is by its content, in the names of TwelveLabs.")
    ] = None
    error: JockeyReasonBody | None = None
    asset_type: Annotated[
        Literal["video", "audio", "image", "document"] | None, Meta(description="Ours: what it is, when it is ready.")
    ] = None
    url: Annotated[str | None, Meta(description="Ours: a link to the file that needs no key.")] = None


class JockeyUserMetadataBody(Struct, kw_only=True):
    """Metadata of a file: replaced (PUT), or merged (PATCH), where null takes a key away."""

    user_metadata: dict[str, Any]


class JockeySpokenBody(Struct, kw_only=True, omit_defaults=True):
    """What is said between two times."""

    start: Annotated[float, Meta(description="Seconds.")]
    end: float
    value: str
    speaker: Annotated[str | None, Meta(description="Never known here.")] = None


class JockeyTranscriptionBody(Struct, kw_only=True, omit_defaults=True):
    """What is said in a file, once it was indexed in a knowledge store."""

    status: Literal["pending", "processing", "ready", "failed"]
    words: list[JockeySpokenBody] | None = None
    sentences: list[JockeySpokenBody] | None = None
    utterances: list[JockeySpokenBody] | None = None
    error: JockeyReasonBody | None = None


class JockeyUploadOrderBody(Struct, kw_only=True, omit_defaults=True):
    """A file that is to come in parts."""

    filename: Annotated[str, Meta(min_length=1)]
    total_size: Annotated[int, Meta(ge=1, le=FILE_BYTES_MAX, description="Bytes.")]
    type: Annotated[str | None, Meta(description="Only a hint: what the file is, its content tells.")] = None
    enable_hls: bool | None = None
    enable_thumbnail: bool | None = None
    user_metadata: Metadata = None


class JockeyChunkUrlBody(Struct, kw_only=True):
    """Where to `PUT` a part. No key is needed; the answer has an `ETag`."""

    chunk_index: int
    url: str
    expires_at: Time


class JockeyUploadBody(Struct, kw_only=True):
    """An upload that was begun: cut the file into parts of `chunk_size` and put each to its URL."""

    upload_id: str
    asset_id: str
    upload_urls: list[JockeyChunkUrlBody]
    upload_headers: dict[str, str]
    chunk_size: int
    total_chunks: int
    expires_at: Time


class JockeyUrlsOrderBody(Struct, kw_only=True):
    """Which further parts are to be put."""

    start: Annotated[int, Meta(ge=1, le=CHUNKS_MAX, description="The first of them, from 1.")]
    count: Annotated[int, Meta(ge=1, le=COUNT_MAX)]


class JockeyUrlsBody(Struct, kw_only=True):
    """Where to put further parts."""

    upload_id: str
    start_index: int
    count: int
    upload_urls: list[JockeyChunkUrlBody]
    generated_at: Time
    expires_at: Time


class JockeyProofBody(Struct, kw_only=True, omit_defaults=True):
    """A part that was put."""

    chunk_index: Annotated[int, Meta(ge=1, le=CHUNKS_MAX)]
    proof: Annotated[str, Meta(description="The `ETag` of the answer.")]
    proof_type: Literal["etag"] = "etag"
    chunk_size: Annotated[Annotated[int, Meta(ge=0, le=FILE_BYTES_MAX)] | None, Meta(description="Its bytes.")] = None


class JockeyReportOrderBody(Struct, kw_only=True):
    """Parts that were put, in any order."""

    completed_chunks: Annotated[list[JockeyProofBody], Meta(min_length=1, max_length=CHUNKS_MAX)]


class JockeyReportBody(Struct, kw_only=True, omit_defaults=True):
    """How far an upload is."""

    asset_id: str
    processed_chunks: Annotated[int, Meta(description="Of those that were reported now.")]
    duplicate_chunks: int
    total_completed: int
    url: Annotated[str | None, Meta(description="A link to the file, when it is all there.")] = None


class JockeyChunkBody(Struct, kw_only=True):
    """A part of an upload."""

    index: int
    status: Literal["completed", "pending", "failed"]
    uploaded_at: Time | None
    updated_at: Time | None


class JockeyUploadStateBody(Struct, kw_only=True):
    """How an upload stands, part by part."""

    upload_id: str
    status: Literal["active", "completed", "failed", "expired"]
    uploaded_chunks: list[JockeyChunkBody]
    chunks_completed: int
    chunks_failed: int
    chunks_pending: int
    page_info: JockeyPageInfoBody
    total_size: int
    uploaded_size: int
    created_at: Time
    updated_at: Time


class JockeyUploadFactsBody(Struct, kw_only=True):
    """An upload that is not complete."""

    upload_id: str
    status: Literal["active", "completed", "failed", "expired"]
    total_size: int
    chunk_size: int
    total_chunks: int
    created_at: Time
    expires_at: Time
