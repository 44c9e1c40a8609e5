"""Knowledge stores, items and collections as Jockey's clients expect them."""

from __future__ import annotations

from typing import Any

from multiturn.api.jockey import names
from multiturn.api.jockey.render_assets import write_time
from multiturn.api.jockey.store_wire import (
    JockeyCollectionBody,
    JockeyItemBody,
    JockeyStoreBody,
    JockeySystemMetadataBody,
)
from multiturn.model.asset import Asset, AssetKind
from multiturn.model.store import Collection, KnowledgeStoreInfo, StoreItem

# Kinds whose metadata clients can read; they fail at any other.
KNOWN: tuple[AssetKind, ...] = ("video", "image")


def render_store(store: KnowledgeStoreInfo) -> JockeyStoreBody:
    """A knowledge store."""
    return JockeyStoreBody(
        id=names.write_store(store.id),
        name=store.name,
        description=store.description,
        item_count=sum(store.items.values()),
        ingestion_config=store.ingestion,
        metadata=store.metadata,
        created_at=write_time(store.created_at),
        updated_at=write_time(store.updated_at),
    )


def render_item(item: StoreItem, asset: Asset | None) -> JockeyItemBody:
    """An item; what is known of its file as long as that is there."""
    return JockeyItemBody(
        id=names.write_item(item.id),
        asset_type=item.kind,
        asset_id=asset.alias if asset else str(item.asset_id),
        status=item.status,
        system_metadata=render_system(item.kind, asset, item.system) if item.kind in KNOWN else None,
        metadata=item.metadata,
        created_at=write_time(item.created_at),
        updated_at=write_time(item.updated_at),
        title=item.title,
        progress=item.progress,
        step=item.step if item.status == "processing" else None,
        error=item.error,
        notes=list(item.notes) or None,
        extracted=item.facts or None,
    )


def render_system(kind: AssetKind, asset: Asset | None, known: dict[str, Any]) -> JockeySystemMetadataBody:
    """What is known of an item's file by its content; what the item itself knows when the file is gone."""
    technical: dict[str, Any] = asset.technical if asset else known
    prefix = "image" if kind == "image" else "video"
    return JockeySystemMetadataBody(
        asset_type=kind,
        filename=asset.filename if asset else None,
        duration=asset.duration_s if asset else technical.get("video_duration_seconds"),
        fps=technical.get("video_fps"),
        width=technical.get(f"{prefix}_width"),
        height=technical.get(f"{prefix}_height"),
        codec_name=technical.get("video_codec") or technical.get("image_format"),
        size=asset.size_bytes if asset else technical.get("file_size_bytes"),
    )


def render_collection(collection: Collection) -> JockeyCollectionBody:
    """A collection."""
    return JockeyCollectionBody(
        id=names.write_collection(collection.id),
        knowledge_store_id=names.write_store(collection.store_id),
        name=collection.name,
        description=collection.description,
        metadata=collection.metadata,
        member_count=collection.members,
        created_at=write_time(collection.created_at),
        updated_at=write_time(collection.updated_at),
    )
