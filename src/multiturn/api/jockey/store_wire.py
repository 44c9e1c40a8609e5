"""The shapes of knowledge stores, their items and collections, and of searches in them (contracts/twelvelabs 6)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from multiturn.api.jockey.wire import Metadata, Time
from multiturn.model.asset import AssetKind

SEARCH_PAGE_MAX = 50
MEMBERS_MAX = 500

Id = Annotated[str, Meta(min_length=1, max_length=255)]
Name = Annotated[str, Meta(min_length=1)]
Modality = Literal["visual", "audio"]
Ingestion = Annotated[
    dict[str, Any] | None,
    Meta(
        description="What is extracted of every item: `enrichment_config` with a `description`, or with a "
        "`json_schema` whose properties are described. It cannot be changed."
    ),
]


class JockeyStoreOrderBody(Struct, kw_only=True, omit_defaults=True):
    """A knowledge store as it is asked for."""

    name: Name
    description: str | None = None
    metadata: Metadata = None
    ingestion_config: Ingestion = None


class JockeyChangeBody(Struct, kw_only=True, omit_defaults=True):
    """What may be changed of a knowledge store or a collection; what is left out stays."""

    name: Annotated[Name | None, Meta(description="Null counts as left out.")] = None
    description: Annotated[str | UnsetType | None, Meta(description="Null takes it away.")] = UNSET
    metadata: Annotated[Metadata, Meta(description="Replaces all of them; an empty object takes them away.")] = None


class JockeyStoreBody(Struct, kw_only=True, omit_defaults=True):
    """A knowledge store: files that are searched and asked together."""

    id: Annotated[str, Meta(description="`ks_` and a UUID.")] = field(name="_id")
    name: str
    description: str | None = None
    item_count: int
    ingestion_config: Ingestion = None
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time


class JockeyItemOrderBody(Struct, kw_only=True, omit_defaults=True):
    """An asset that is to be put into a store."""

    asset_id: Annotated[Id, Meta(description="An asset that is `ready`.")]
    asset_type: Annotated[
        AssetKind | None, Meta(description="What it is; another kind is refused. Left out: whatever the asset is.")
    ] = None
    metadata: Annotated[
        Metadata, Meta(description="`title`, else `name`, is what citations call it; left out, its own title.")
    ] = None


class JockeySystemMetadataBody(Struct, kw_only=True, omit_defaults=True):
    """What is known of a file by its content."""

    asset_type: AssetKind
    filename: str | None = None
    duration: Annotated[float | None, Meta(description="Seconds.")] = None
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    codec_name: str | None = None
    size: Annotated[int | None, Meta(description="Bytes.")] = None


class JockeyItemBody(Struct, kw_only=True, omit_defaults=True):
    """An asset in a store, and how far its indexing is."""

    id: Annotated[str, Meta(description="`ksi_` and a UUID.")] = field(name="_id")
    asset_type: Annotated[AssetKind, Meta(description="`audio` and `document` are ours.")]
    asset_id: str
    status: Literal["queued", "pending", "processing", "ready", "failed"]
    system_metadata: Annotated[
        JockeySystemMetadataBody | None, Meta(description="Of video and images only: clients know no others.")
    ] = None
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time
    title: Annotated[str, Meta(description="Ours: what citations call it.")]
    progress: Annotated[int, Meta(description="Ours: per cent, over all steps.")]
    step: Annotated[str | None, Meta(description="Ours: what is done with it now.")] = None
    error: Annotated[str | None, Meta(description="Ours: why it failed, for a person.")] = None
    notes: Annotated[list[str] | None, Meta(description="Ours: what was not read of it, and why.")] = None
    extracted: Annotated[
        dict[str, Any] | None, Meta(description="Ours: what the store's `ingestion_config` found in it.")
    ] = None


class JockeyCollectionOrderBody(Struct, kw_only=True, omit_defaults=True):
    """A collection as it is asked for."""

    name: Annotated[Name, Meta(description="Unique in the store.")]
    description: str | None = None
    metadata: Metadata = None


class JockeyCollectionBody(Struct, kw_only=True):
    """A named part of a store."""

    id: Annotated[str, Meta(description="`ksic_` and a UUID.")] = field(name="_id")
    knowledge_store_id: str
    name: str
    description: str | None
    metadata: dict[str, Any]
    member_count: int
    created_at: Time
    updated_at: Time


class JockeyMembersBody(Struct, kw_only=True):
    """Items that are put into a collection, or taken out."""

    item_ids: Annotated[list[Id], Meta(min_length=1, max_length=MEMBERS_MAX)]


class JockeyQueryBody(Struct, kw_only=True):
    """What is looked for."""

    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


class JockeyKindFilterBody(Struct, kw_only=True, omit_defaults=True):
    """Kinds of items."""

    eq: AssetKind | None = None
    any_of: list[AssetKind] | None = field(name="in", default=None)


class JockeyItemFilterBody(Struct, kw_only=True, omit_defaults=True):
    """Items by their ids."""

    eq: Id | None = None
    any_of: Annotated[list[Id], Meta(max_length=MEMBERS_MAX)] | None = field(name="in", default=None)


class JockeyFilterBody(Struct, kw_only=True, omit_defaults=True):
    """Where to look: in items of these kinds, and of these ids."""

    asset_type: Annotated[
        JockeyKindFilterBody | None, Meta(description="Left out: `video` and `image`, which are all that clients know.")
    ] = None
    item_id: JockeyItemFilterBody | None = None


class JockeyVideoOptionsBody(Struct, kw_only=True):
    """How video is searched."""

    modalities: Annotated[
        list[Modality],
        Meta(min_length=1, description="`visual`: what is seen and read on the screen; `audio`: what is said."),
    ]


class JockeySearchOptionsBody(Struct, kw_only=True, omit_defaults=True):
    """How each kind of item is searched."""

    video: JockeyVideoOptionsBody | None = None


class JockeySearchBody(Struct, kw_only=True, omit_defaults=True):
    """A search in a store."""

    query: JockeyQueryBody
    filter: JockeyFilterBody | None = None
    search_options: Annotated[JockeySearchOptionsBody | None, Meta(description="Left out: video by what is seen.")] = (
        None
    )
    group_by: Annotated[
        Literal["none", "item"] | None, Meta(description="`item`: all that matches in an item as one hit.")
    ] = None
    page_size: Annotated[Annotated[int, Meta(ge=1, le=SEARCH_PAGE_MAX)] | None, Meta(description="Left out: 10.")] = (
        None
    )
    page_token: Annotated[str | None, Meta(description="`next_page_token` of the page before.")] = None
    include_metadata: bool | None = None


class JockeyMatchBody(Struct, kw_only=True, omit_defaults=True):
    """A stretch of a video, or a place in a document, that matches."""

    start_sec: float | None = None
    end_sec: float | None = None
    modalities: list[Modality] | None = None
    transcription: Annotated[str | None, Meta(description="What is said there.")] = None
    text: Annotated[str | None, Meta(description="Ours: what was found.")] = None
    page: Annotated[int | None, Meta(description="Ours: the page of a document.")] = None
    score: Annotated[float | None, Meta(description="Ours: how well it fits; higher is better.")] = None
    clip_url: Annotated[str | None, Meta(description="Ours: a link that plays it.")] = None


class JockeyHitMetadataBody(Struct, kw_only=True):
    """What is known of an item that was found."""

    system: JockeySystemMetadataBody
    user: dict[str, Any]


class JockeyHitBody(Struct, kw_only=True, omit_defaults=True):
    """An item that was found, the best first."""

    asset_type: AssetKind
    rank: Annotated[int, Meta(ge=1)]
    item_id: str
    matches: Annotated[list[JockeyMatchBody] | None, Meta(description="Left out of images.")] = None
    metadata: JockeyHitMetadataBody | None = None
    title: Annotated[str, Meta(description="Ours.")]
    asset_id: Annotated[str | None, Meta(description="Ours.")] = None
    score: Annotated[float, Meta(description="Ours: that of its best match.")]


class JockeyHitsBody(Struct, kw_only=True, omit_defaults=True):
    """A page of what was found."""

    data: list[JockeyHitBody]
    next_page_token: Annotated[str | None, Meta(description="Left out on the last page.")] = None
    effective_search_options: Annotated[
        JockeySearchOptionsBody, Meta(description="How it was searched; empty when no video was.")
    ]
