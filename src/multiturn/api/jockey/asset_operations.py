"""What can be asked of Jockey's assets, described."""

from __future__ import annotations

from typing import Any, get_args

from multiturn.api.description import ANY, Body, Example, Operation, Parameter, Reply
from multiturn.api.envelopes import JOCKEY
from multiturn.api.jockey.asset_routes import UNITS
from multiturn.api.jockey.asset_wire import (
    JockeyAssetBody,
    JockeyAssetFormBody,
    JockeyReportBody,
    JockeyReportOrderBody,
    JockeyTranscriptionBody,
    JockeyUploadBody,
    JockeyUploadFactsBody,
    JockeyUploadOrderBody,
    JockeyUploadStateBody,
    JockeyUrlsBody,
    JockeyUrlsOrderBody,
    JockeyUserMetadataBody,
)
from multiturn.api.jockey.described import (
    ASSET,
    ASSET_ID,
    ASSETS,
    AT,
    BASE,
    EMPTY,
    OF_ASSET,
    OF_UPLOAD,
    PAGED,
    READS,
    UPLOAD_ID,
    list_words,
    page_of,
)
from multiturn.api.jockey.wire import JockeyPageBody
from multiturn.model.asset import AssetKind

ONE, UPLOADS = f"{BASE}/assets/{{asset_id}}", f"{BASE}/assets/multipart-uploads"
UPLOAD = f"{UPLOADS}/{{upload_id}}"
MISSING = {404: ("asset_not_found",)}
NO_UPLOAD = {404: ("upload_not_found",), 409: ("upload_ended",)}
TOO_LARGE = {413: ("request_too_large", "file_too_large")}
WRONG = {400: ("invalid_request", "invalid_json", "incomplete_body", "empty_file")}

BY_ID = Parameter(
    name="asset_ids",
    place="query",
    schema={"type": "array", "items": {"type": "string", "maxLength": 40}, "maxItems": 50},
    text="Only these; the parameter is repeated.",
)
BY_NAME = Parameter(
    name="filename", place="query", schema={"type": "string"}, text="Those whose filename holds it, in either case."
)
FORCE = Parameter(
    name="force",
    place="query",
    schema={"type": "boolean", "default": False},
    text="Delete it also where knowledge stores have it, and their items of it.",
)
CHUNK_URL: dict[str, Any] = {
    "chunk_index": 1,
    "url": "http://127.0.0.1:8000/media/Zz1/chunks/1",
    "expires_at": AT,
}
UPLOAD_FACTS: dict[str, Any] = {
    "upload_id": UPLOAD_ID,
    "status": "active",
    "total_size": 8000000,
    "chunk_size": 5242880,
    "total_chunks": 2,
    "created_at": AT,
    "expires_at": AT,
}
STATE: dict[str, Any] = {
    "upload_id": UPLOAD_ID,
    "status": "active",
    "uploaded_chunks": [
        {"index": 1, "status": "completed", "uploaded_at": AT, "updated_at": AT},
        {"index": 2, "status": "pending", "uploaded_at": None, "updated_at": None},
    ],
    "chunks_completed": 1,
    "chunks_failed": 0,
    "chunks_pending": 1,
    "page_info": {"limit_per_page": 10, "page": 1, "total_page": 1, "total_results": 2},
    "total_size": 8000000,
    "uploaded_size": 5242880,
    "created_at": AT,
    "updated_at": AT,
}
BY_URL = Example(name="url", title="A file somewhere else", body={"method": "url", "url": "https://example.com/a.mp4"})
METADATA = Example(name="metadata", title="Metadata", body={"user_metadata": {"city": "Lisbon"}})
SPOKEN = {"start": 540.2, "end": 540.5, "value": "tram"}

ONES = (
    Operation(
        name="jockeyListAssets",
        method="get",
        paths=(f"{BASE}/assets",),
        tag=ASSETS,
        summary="List assets (Jockey)",
        text="Newest first.",
        parameters=(
            *PAGED,
            BY_ID,
            list_words("asset_types", get_args(AssetKind), "Only those of these kinds; the parameter is repeated."),
            BY_NAME,
        ),
        replies=(Reply(text="A page.", shape=JockeyPageBody[JockeyAssetBody], example=page_of(ASSET)),),
        errors=ANY,
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyCreateAsset",
        method="post",
        paths=(f"{BASE}/assets",),
        tag=ASSETS,
        summary="Put a file in (Jockey)",
        text="A form with the file, or its URL, which the server fetches. Ask for the asset until it is `ready`.",
        body=Body(
            shape=JockeyAssetFormBody,
            examples=(BY_URL,),
            form=JockeyAssetFormBody,
            form_example={"method": "direct", "file": "@lisbon.mp4"},
        ),
        replies=(Reply(text="It is there, and is looked at.", status=201, shape=JockeyAssetBody, example=ASSET),),
        errors={**ANY, **WRONG, **TOO_LARGE},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyGetAsset",
        method="get",
        paths=(ONE,),
        tag=ASSETS,
        summary="Get an asset (Jockey)",
        parameters=(OF_ASSET,),
        replies=(Reply(text="The asset.", shape=JockeyAssetBody, example=ASSET),),
        errors={**ANY, **MISSING},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyDeleteAsset",
        method="delete",
        paths=(ONE,),
        tag=ASSETS,
        summary="Delete an asset (Jockey)",
        parameters=(OF_ASSET, FORCE),
        replies=(EMPTY,),
        errors={**ANY, **MISSING, 409: ("asset_in_use",)},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyReplaceUserMetadata",
        method="put",
        paths=(f"{ONE}/user-metadata",),
        tag=ASSETS,
        summary="Set the metadata of an asset (Jockey)",
        parameters=(OF_ASSET,),
        body=Body(shape=JockeyUserMetadataBody, examples=(METADATA,)),
        replies=(EMPTY,),
        errors={**READS, **MISSING},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyUpdateUserMetadata",
        method="patch",
        paths=(f"{ONE}/user-metadata",),
        tag=ASSETS,
        summary="Change the metadata of an asset (Jockey)",
        text="Key by key: null takes one away; an empty text or list is not looked at.",
        parameters=(OF_ASSET,),
        body=Body(shape=JockeyUserMetadataBody, examples=(METADATA,)),
        replies=(EMPTY,),
        errors={**READS, **MISSING},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyDeleteUserMetadata",
        method="delete",
        paths=(f"{ONE}/user-metadata",),
        tag=ASSETS,
        summary="Take the metadata of an asset away (Jockey)",
        parameters=(OF_ASSET,),
        replies=(EMPTY,),
        errors={**ANY, **MISSING},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyGetTranscription",
        method="get",
        paths=(f"{ONE}/transcription",),
        tag=ASSETS,
        summary="Get what is said in an asset (Jockey)",
        text="It is known once the asset was indexed in a knowledge store.",
        parameters=(OF_ASSET, list_words("include", UNITS, "The units; repeated, or behind commas. Left out: words.")),
        replies=(
            Reply(text="What is said.", shape=JockeyTranscriptionBody, example={"status": "ready", "words": [SPOKEN]}),
        ),
        errors={**ANY, 404: ("asset_not_found", "transcript_not_found")},
        envelope=JOCKEY,
    ),
)

IN_PARTS = (
    Operation(
        name="jockeyListUploads",
        method="get",
        paths=(UPLOADS,),
        tag=ASSETS,
        summary="List uploads that are not complete (Jockey)",
        parameters=PAGED,
        replies=(Reply(text="A page.", shape=JockeyPageBody[JockeyUploadFactsBody], example=page_of(UPLOAD_FACTS)),),
        errors=ANY,
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyBeginUpload",
        method="post",
        paths=(UPLOADS,),
        tag=ASSETS,
        summary="Begin an upload in parts (Jockey)",
        body=Body(
            shape=JockeyUploadOrderBody,
            examples=(
                Example(
                    name="upload",
                    title="A large file",
                    body={"filename": "lisbon.mp4", "type": "video", "total_size": 8000000},
                ),
            ),
        ),
        replies=(
            Reply(
                text="It has begun; the asset's id is known.",
                status=201,
                shape=JockeyUploadBody,
                example={
                    "upload_id": UPLOAD_ID,
                    "asset_id": ASSET_ID,
                    "upload_urls": [CHUNK_URL],
                    "upload_headers": {},
                    "chunk_size": 5242880,
                    "total_chunks": 2,
                    "expires_at": AT,
                },
            ),
        ),
        errors={**ANY, **WRONG, **TOO_LARGE},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyGetUpload",
        method="get",
        paths=(UPLOAD,),
        tag=ASSETS,
        summary="Get how an upload stands (Jockey)",
        parameters=(OF_UPLOAD, *PAGED),
        replies=(Reply(text="How it stands.", shape=JockeyUploadStateBody, example=STATE),),
        errors={**ANY, 404: ("upload_not_found",)},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyReportChunks",
        method="post",
        paths=(UPLOAD,),
        tag=ASSETS,
        summary="Report parts that were put (Jockey)",
        text="With the last one the file is complete, and is looked at.",
        parameters=(OF_UPLOAD,),
        body=Body(
            shape=JockeyReportOrderBody,
            examples=(
                Example(
                    name="parts",
                    title="A part",
                    body={
                        "completed_chunks": [
                            {"chunk_index": 1, "proof": "9e107d9d", "proof_type": "etag", "chunk_size": 5242880}
                        ]
                    },
                ),
            ),
        ),
        replies=(
            Reply(
                text="How far it is.",
                shape=JockeyReportBody,
                example={"asset_id": ASSET_ID, "processed_chunks": 1, "duplicate_chunks": 0, "total_completed": 1},
            ),
        ),
        errors={**READS, **NO_UPLOAD},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyListUploadUrls",
        method="post",
        paths=(f"{UPLOAD}/presigned-urls",),
        tag=ASSETS,
        summary="Get URLs for more parts (Jockey)",
        parameters=(OF_UPLOAD,),
        body=Body(
            shape=JockeyUrlsOrderBody,
            examples=(Example(name="urls", title="The second", body={"start": 2, "count": 1}),),
        ),
        replies=(
            Reply(
                text="Where to put them.",
                shape=JockeyUrlsBody,
                example={
                    "upload_id": UPLOAD_ID,
                    "start_index": 1,
                    "count": 1,
                    "upload_urls": [CHUNK_URL],
                    "generated_at": AT,
                    "expires_at": AT,
                },
            ),
        ),
        errors={**READS, **NO_UPLOAD},
        envelope=JOCKEY,
    ),
)
