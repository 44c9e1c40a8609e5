"""What can be asked about assets, described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, BUG, Body, Example, Link, Operation, Parameter, Reply
from multiturn.api.native.assets import FORMATS, IDS_MAX, KINDS
from multiturn.api.native.assets_wire import (
    AssetBody,
    AssetChangeBody,
    AssetDeletedBody,
    AssetFormBody,
    AssetOrderBody,
    ChunkBody,
    TranscriptBody,
)
from multiturn.api.native.operations import ORDER, PAGE_LIMIT
from multiturn.api.native.wire import ListBody
from multiturn.api.parameters import USER

TAG, LINKS_TAG = "Assets", "Links to files"
ASSET_ID = "01a1fc90-fa6f-7167-9e60-a7618fad9c31"
TOKEN = "AQGh_JD6b3FnnmCnYY-tnDEBofyQ-m9xZ55gp2GPrZwxaSB2gA"
FILE_URL = f"https://chat.example/media/{TOKEN}/file/trams.mp4"
ORDERED = {"url": "https://media.example/trams.mp4", "metadata": {"city": "Lisbon"}}
NOTHING = {"status": "none", "url": None, "error": None}
ASSET: Mapping[str, Any] = {
    "id": ASSET_ID,
    "object": "asset",
    "short_id": "6920f1a08f3c2b7d5e6a9c01",
    "status": "ready",
    "error": None,
    "method": "url",
    "filename": "trams.mp4",
    "kind": "video",
    "mime": "video/mp4",
    "size_bytes": 48123456,
    "duration_s": 612.4,
    "pages": None,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "source_url": ORDERED["url"],
    "technical": {"video_codec": "h264", "video_width": 1280, "video_height": 720},
    "metadata": {"city": "Lisbon"},
    "purpose": None,
    "created_at": examples.BEGAN,
    "updated_at": examples.ENDED,
    "url": FILE_URL,
    "thumbnail": {"status": "ready", "url": f"https://chat.example/media/{TOKEN}/thumbnail.jpg", "error": None},
    "hls": NOTHING,
}
NEW = {
    **ASSET,
    "status": "processing",
    "kind": None,
    "mime": "application/octet-stream",
    "size_bytes": None,
    "duration_s": None,
    "sha256": None,
    "technical": {},
    "updated_at": examples.BEGAN,
    "url": None,
    "thumbnail": {**NOTHING, "status": "pending"},
}
TRANSCRIPT = {
    "object": "transcript",
    "asset_id": ASSET_ID,
    "status": "ready",
    "error": None,
    "text": "Tram 28 goes from Martim Moniz to Campo de Ourique.",
    "phrases": [{"start_s": 1.2, "end_s": 4.9, "text": "Tram 28 goes from Martim Moniz to Campo de Ourique."}],
}

ASSET_PATH = Parameter(
    name="asset_id",
    place="path",
    schema={"type": "string"},
    text="Our id of the asset, or its short one.",
    example=ASSET_ID,
)
TOKEN_PATH = Parameter(
    name="token",
    place="path",
    schema={"type": "string"},
    text="What the server signed: which asset or upload it is, and until when the link works.",
    example=TOKEN,
)
CURSOR = Parameter(
    name="cursor",
    place="query",
    schema={"type": "string", "format": "uuid"},
    text="Our id of an asset: those behind it. `next` of the page before has it.",
)
RANGE = Parameter(
    name="Range",
    place="header",
    schema={"type": "string"},
    text="`bytes=0-1023`, `bytes=1024-`, `bytes=-1024`: one range of the file.",
)
FILTERS = (
    Parameter(
        name="id",
        place="query",
        schema={"type": "array", "items": {"type": "string"}, "maxItems": IDS_MAX},
        text="Only these: our ids, or short ones.",
    ),
    Parameter(
        name="kind",
        place="query",
        schema={"type": "array", "items": {"type": "string", "enum": list(KINDS)}},
        text="Only of these kinds, by their content.",
    ),
    Parameter(
        name="filename",
        place="query",
        schema={"type": "string"},
        text="Only those whose filename has this in it, in upper or lower case.",
    ),
    Parameter(
        name="digest",
        place="query",
        schema={"type": "string"},
        text="Only those whose bytes have this SHA-256: whether a file is here already.",
    ),
    Parameter(name="purpose", place="query", schema={"type": "string"}, text="Only those with this purpose."),
)
MISSING = {404: ("asset_not_found",)}
INPUT: Mapping[int, tuple[str, ...]] = {
    **ANY,
    400: ("invalid_request", "invalid_json", "incomplete_body"),
    413: ("request_too_large",),
}
UNREAD: Mapping[int, tuple[str, ...]] = {
    **BUG,
    404: ("link_invalid", "link_expired", "asset_not_found", "file_not_found"),
}
BYTES = "application/octet-stream"
# A file has the type of its content.
ANYTHING = "*/*"
WHOLE = Reply(text="The file. Ranges work, as `If-None-Match` and `If-Range` do.", media=ANYTHING)
PARTS = (
    WHOLE,
    Reply(text="The range of it that was asked for.", status=206, media=ANYTHING),
    Reply(text="The client has it already.", status=304, media=ANYTHING),
    Reply(text="The file has no such range.", status=416, media=ANYTHING),
)

OPERATIONS = (
    Operation(
        name="addAsset",
        method="post",
        paths=("/v1/assets",),
        tag=TAG,
        summary="Put a file in",
        text="As a form with a `file`, or by its URL (JSON, or a form with `url`): then it is fetched in the "
        "background, from the public Internet only. Its content decides what it is, not its name. It is `processing` "
        "until that was looked at; then it can go into knowledge stores. A file may be as large as "
        "`MULTITURN_MULTIPART_BYTES_MAX` (10 GiB): it is streamed.",
        parameters=(USER,),
        body=Body(
            shape=AssetOrderBody,
            examples=(Example(name="url", title="By its URL", body=ORDERED),),
            form=AssetFormBody,
            form_example={"file": "@trams.mp4", "metadata": '{"city": "Lisbon"}'},
        ),
        replies=(
            Reply(
                text="The asset.",
                status=201,
                shape=AssetBody,
                example=NEW,
                links=(
                    Link(operation="getAsset", parameter="asset_id", source="$response.body#/id"),
                    Link(operation="deleteAsset", parameter="asset_id", source="$response.body#/id"),
                ),
            ),
        ),
        errors={
            **INPUT,
            400: ("invalid_request", "invalid_json", "incomplete_body", "empty_file"),
            413: ("request_too_large", "file_too_large"),
        },
    ),
    Operation(
        name="listAssets",
        method="get",
        paths=("/v1/assets",),
        tag=TAG,
        summary="List assets",
        text="The newest first.",
        parameters=(*FILTERS, PAGE_LIMIT, CURSOR, ORDER, USER),
        replies=(
            Reply(
                text="A page of assets. `next` is the `cursor` of the page behind it.",
                shape=ListBody[AssetBody],
                example=examples.page(dict(ASSET)),
            ),
        ),
        errors=ANY,
    ),
    Operation(
        name="getAsset",
        method="get",
        paths=("/v1/assets/{asset_id}",),
        tag=TAG,
        summary="Get an asset",
        parameters=(ASSET_PATH, USER),
        replies=(Reply(text="The asset.", shape=AssetBody, example=dict(ASSET)),),
        errors={**ANY, **MISSING},
    ),
    Operation(
        name="changeAsset",
        method="patch",
        paths=("/v1/assets/{asset_id}",),
        tag=TAG,
        summary="Change an asset's metadata",
        parameters=(ASSET_PATH, USER),
        body=Body(
            shape=AssetChangeBody,
            examples=(Example(name="merge", title="One key", body={"metadata": {"city": "Porto"}}),),
        ),
        replies=(Reply(text="The asset.", shape=AssetBody, example=dict(ASSET)),),
        errors={**INPUT, **MISSING},
    ),
    Operation(
        name="deleteAsset",
        method="delete",
        paths=("/v1/assets/{asset_id}",),
        tag=TAG,
        summary="Delete an asset",
        text="At once and for good, with its thumbnail, its frames and its stream. Citations of it stay readable.",
        parameters=(
            ASSET_PATH,
            Parameter(
                name="force",
                place="query",
                schema={"type": "string", "enum": ["false", "true"], "default": "false"},
                text="Whether the items that knowledge stores have of it are deleted too.",
            ),
            USER,
        ),
        replies=(
            Reply(
                text="It is deleted.",
                shape=AssetDeletedBody,
                example={"id": ASSET_ID, "object": "asset.deleted", "deleted": True},
            ),
        ),
        errors={**ANY, **MISSING, 409: ("asset_in_use",)},
    ),
    Operation(
        name="readAsset",
        method="get",
        paths=("/v1/assets/{asset_id}/content",),
        tag=TAG,
        summary="Read an asset's file",
        text="Its links (`url`) give the same without a key.",
        parameters=(ASSET_PATH, RANGE, USER),
        replies=PARTS,
        errors={**ANY, 404: ("asset_not_found", "file_not_found")},
    ),
    Operation(
        name="readTranscript",
        method="get",
        paths=("/v1/assets/{asset_id}/transcript",),
        tag=TAG,
        summary="Read what is spoken in an asset",
        text="As a knowledge store that has it has read it.",
        parameters=(
            ASSET_PATH,
            Parameter(
                name="format",
                place="query",
                schema={"type": "string", "enum": list(FORMATS), "default": FORMATS[0]},
                text="`srt` and `vtt` are subtitles, `text` is plain text; these are empty until it is ready.",
            ),
            USER,
        ),
        replies=(Reply(text="The transcript.", shape=TranscriptBody, example=TRANSCRIPT),),
        errors={**ANY, 404: ("asset_not_found", "transcript_not_found")},
    ),
    Operation(
        name="readFileByLink",
        method="get",
        paths=("/media/{token}/file/{name}",),
        tag=LINKS_TAG,
        summary="Play or download a file",
        text="What an asset's `url` leads to. `#t=start,end` behind it has a player begin and end there. Documents are "
        "downloaded, never shown by a browser from here.",
        parameters=(
            TOKEN_PATH,
            Parameter(
                name="name", place="path", schema={"type": "string"}, text="Any: the file's own.", example="trams.mp4"
            ),
            RANGE,
        ),
        replies=PARTS,
        errors=UNREAD,
        is_open=True,
    ),
    Operation(
        name="readThumbnailByLink",
        method="get",
        paths=("/media/{token}/thumbnail.jpg",),
        tag=LINKS_TAG,
        summary="See a file's thumbnail",
        parameters=(TOKEN_PATH,),
        replies=PARTS,
        errors=UNREAD,
        is_open=True,
    ),
    Operation(
        name="readFrameByLink",
        method="get",
        paths=("/media/{token}/frames/{name}",),
        tag=LINKS_TAG,
        summary="See the key frame of a shot",
        text="Or the picture of a page; the thumbnail where there is none.",
        parameters=(
            TOKEN_PATH,
            Parameter(
                name="name",
                place="path",
                schema={"type": "string"},
                text="The number of the shot, and `.jpg`.",
                example="3.jpg",
            ),
        ),
        replies=PARTS,
        errors=UNREAD,
        is_open=True,
    ),
    Operation(
        name="readStreamByLink",
        method="get",
        paths=("/media/{token}/hls/{name}",),
        tag=LINKS_TAG,
        summary="Play an HLS stream",
        text="`stream.m3u8` is its list, which names its other files by their own names.",
        parameters=(
            TOKEN_PATH,
            Parameter(
                name="name",
                place="path",
                schema={"type": "string"},
                text="A file of the stream.",
                example="stream.m3u8",
            ),
        ),
        replies=PARTS,
        errors=UNREAD,
        is_open=True,
    ),
    Operation(
        name="sendPart",
        method="put",
        paths=("/media/{token}/chunks/{number}",),
        tag=LINKS_TAG,
        summary="Send a part of a large file",
        text="By a link of an upload in parts, which works for an hour. A part may be sent again until the file is "
        "whole.",
        parameters=(
            TOKEN_PATH,
            Parameter(
                name="number",
                place="path",
                schema={"type": "integer", "minimum": 1},
                text="The part's number, from 1.",
                example=1,
            ),
        ),
        body=Body(raw=BYTES),
        replies=(
            Reply(
                text="It has arrived. The header `ETag` proves it when it is reported.",
                shape=ChunkBody,
                example={"index": 1, "size_bytes": 5242880, "etag": "9e107d9d372bb6826bd81d3542a419d6"},
            ),
        ),
        errors={
            **BUG,
            400: ("invalid_request", "incomplete_body"),
            404: ("link_invalid", "link_expired", "upload_not_found"),
            409: ("upload_ended",),
            503: ("storage_failed",),
        },
        is_open=True,
    ),
)
