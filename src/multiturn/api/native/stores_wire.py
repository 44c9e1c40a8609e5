"""The shapes of knowledge stores, their items and their collections in the native API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from multiturn.api.auth import NAME_PATTERN
from multiturn.api.citations import PlaceBody
from multiturn.api.native.wire import Time
from multiturn.model.asset import AssetKind
from multiturn.model.segment import Modality
from multiturn.model.store import ItemStatus, Step

NAMED: dict[str, Any] = {"pattern": f"^{NAME_PATTERN}$", "minLength": 1, "maxLength": 255}
Name = Annotated[str, Meta(extra_json_schema=NAMED)]
Description = Annotated[str, Meta(max_length=10_000)]
Metadata = Annotated[dict[str, Any], Meta(description="Anything that the application keeps with it, as JSON.")]
Characters = Annotated[int, Meta(ge=0)]


class StoreOrderBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A knowledge store to be made."""

    name: Name
    description: Description | None = None
    metadata: Metadata | None = None
    ingestion_config: Annotated[
        dict[str, Any] | None,
        Meta(
            description="What is extracted of each item, by a model: `{enrichment_config: {type: description, "
            "description}}` in words, or `{enrichment_config: {type: json_schema, json_schema}}`. It never changes."
        ),
    ] = None


class DescribedChangeBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is to be changed of a store or a collection; what is left out stays."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    metadata: Annotated[Metadata | UnsetType, Meta(description="Replaced whole; an empty object clears them.")] = UNSET


class ItemCountsBody(Struct, kw_only=True):
    """How many items a store has, by status."""

    total: Characters
    queued: Characters
    pending: Characters
    processing: Characters
    ready: Characters
    failed: Characters


class StoreBody(Struct, kw_only=True):
    """A knowledge store."""

    id: Annotated[str, Meta(description="Our id, a UUIDv7: later stores sort behind earlier ones.")]
    object: Literal["store"] = "store"
    name: str
    description: str | None
    metadata: Metadata
    ingestion_config: dict[str, Any] | None
    items: ItemCountsBody
    chunks: Annotated[int, Meta(description="How many chunks of its items can be found.")]
    created_at: Time
    updated_at: Time


class StoreDeletedBody(Struct, kw_only=True):
    """What was deleted."""

    id: str
    object: Literal["store.deleted", "store.item.deleted", "store.collection.deleted"]
    deleted: Literal[True] = True


class StoreItemOrderBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An asset to be put into a store."""

    asset_id: Annotated[str, Meta(min_length=1, max_length=64, description="Our id of the asset, or its short one.")]
    kind: Annotated[AssetKind | None, Meta(description="What the client takes it for; it fails if it is not.")] = None
    metadata: Annotated[
        Metadata | None, Meta(description="A `title` or `name` among them is the item's title; searches filter by all.")
    ] = None


class StoreItemsOrderBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Assets to be put into a store."""

    items: Annotated[list[StoreItemOrderBody], Meta(min_length=1, max_length=100)]


class StoreItemChangeBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is to be changed of an item; what is left out stays."""

    title: Annotated[Name | None, Meta(description="Its title.")] = None
    metadata: Annotated[Metadata | None, Meta(description="Replaced whole.")] = None


class StoreItemBody(Struct, kw_only=True):
    """An asset's place in a store, with how far its indexing is."""

    id: Annotated[str, Meta(description="Our id, a UUIDv7.")]
    object: Literal["store.item"] = "store.item"
    store_id: str
    asset_id: str
    kind: AssetKind
    title: str
    status: Annotated[
        ItemStatus,
        Meta(description="`queued`; `pending`: a worker has it; `processing`; then `ready`, or `failed` for a reason."),
    ]
    step: Annotated[Step | None, Meta(description="What is done now, or was done last.")]
    progress: Annotated[int, Meta(ge=0, le=100, description="Per cent over all steps.")]
    error: Annotated[
        str | None,
        Meta(description="Why it failed, for a person; of one that is queued: why it is tried once more."),
    ]
    notes: Annotated[list[str], Meta(description="What was not read of it, and why, for a person.")]
    summary: Annotated[str | None, Meta(description="What it is about, when it is ready.")]
    keywords: list[str]
    facts: Annotated[dict[str, Any], Meta(description="What the store's `ingestion_config` has extracted.")]
    metadata: Metadata
    system: Annotated[dict[str, Any], Meta(description="Facts about its file: size, duration, streams, pages.")]
    chunks: Annotated[int, Meta(description="How many chunks of it can be found.")]
    characters: Annotated[int, Meta(description="The length of its text.")]
    created_at: Time
    updated_at: Time


class RefusalBody(Struct, kw_only=True):
    """Why an asset was not put into a store."""

    code: str
    message: str


class AddedBody(Struct, kw_only=True):
    """What became of one asset: its item, or why there is none."""

    asset_id: Annotated[str, Meta(description="As it was sent.")]
    item: StoreItemBody | None
    error: RefusalBody | None


class AddedListBody(Struct, kw_only=True):
    """What became of each asset, in their order."""

    object: Literal["list"] = "list"
    data: list[AddedBody]


class SectionBody(Struct, kw_only=True):
    """A stretch of an item: a heading, a page, a shot, a minute."""

    label: Annotated[str, Meta(description="The heading, or its first words.")]
    start: Annotated[int, Meta(description="Its first character in the item's text.")]
    end: Annotated[int, Meta(description="Behind its last.")]
    place: PlaceBody


class OutlineBody(Struct, kw_only=True):
    """What an item is about, and where."""

    object: Literal["outline"] = "outline"
    item_id: str
    title: str
    summary: str
    sections: list[SectionBody]
    highlights: Annotated[list[SectionBody], Meta(description="Sentences that stand for a stretch of it.")]
    is_complete: Annotated[bool, Meta(description="Whether these are all its sections.")]


class ExcerptBody(Struct, kw_only=True):
    """A piece of an item's text."""

    start: Annotated[int, Meta(description="Its first character in the item's text.")]
    end: Annotated[int, Meta(description="Behind its last.")]
    text: str
    modality: Annotated[Modality, Meta(description="Written, spoken, seen on a screen, or said of a picture.")]
    place: PlaceBody


class CollectionOrderBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A collection to be made."""

    name: Annotated[Name, Meta(description="Unique in its store.")]
    description: Description | None = None
    metadata: Metadata | None = None


class CollectionBody(Struct, kw_only=True):
    """A named part of a store."""

    id: str
    object: Literal["store.collection"] = "store.collection"
    store_id: str
    name: str
    description: str | None
    metadata: Metadata
    members: Annotated[int, Meta(description="How many items are in it.")]
    created_at: Time
    updated_at: Time


class MembersBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Items of the store."""

    item_ids: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(min_length=1, max_length=500)]


class StoreEventBody(Struct, kw_only=True):
    """What changed: an item, or (the last event) that nothing is at work any more."""

    type: Literal["item", "deleted", "end"]
    item_id: str | None = None
    title: str | None = None
    status: ItemStatus | None = None
    step: Step | None = None
    progress: int | None = None
    error: str | None = None
    items: Annotated[ItemCountsBody | None, Meta(description="Of `end`: how many items there are.")] = None
