"""The shapes of Powabase's sources (contracts/powabase 2.4)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from multiturn.model.asset import AssetKind

Time = Annotated[datetime, Meta(tz=True)]
ExtractionStatus = Literal["pending", "extracting", "extracted", "attention_required", "failed", "cancelled"]
Metadata = Annotated[
    dict[str, Any], Meta(description="Texts, numbers, booleans and lists of texts; `filter_metadata` looks at them.")
]


class PowabaseSourceFormBody(Struct, kw_only=True, omit_defaults=True):
    """A file that is put in."""

    file: Annotated[bytes, Meta(description="The file, as a part with a file name.")]
    name: Annotated[str | None, Meta(description="What it is called, instead of its file name.")] = None
    metadata: Annotated[str | None, Meta(description="A JSON object.")] = None


class PowabaseSourceUrlBody(Struct, kw_only=True, omit_defaults=True):
    """A file that is to be fetched."""

    url: Annotated[str, Meta(min_length=1, description="Where it is: `http://…` or `https://…`.")]
    name: str | None = None
    metadata: Metadata | None = None


class PowabaseSourceBody(Struct, kw_only=True):
    """A source: an asset of this server, which the other APIs show as well."""

    id: str
    name: str
    source_type: Annotated[Literal["file", "url"], Meta(description="How it came here.")]
    url: str | None
    file_type: Annotated[AssetKind | None, Meta(description="By its content; null until that was looked at.")]
    mime_type: str
    size_bytes: int | None
    page_count: int | None
    duration_seconds: float | None
    extraction_status: Annotated[
        ExtractionStatus,
        Meta(
            description="`extracted`: it can be put into knowledge bases, which read it. `attention_required`: one of "
            "them could not read it; `extraction_error` says why."
        ),
    ]
    extraction_error: str | None
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time


class PowabaseSourceListBody(Struct, kw_only=True):
    """A page of sources, the newest first."""

    sources: list[PowabaseSourceBody]
    total: int
    limit: int
    offset: int
