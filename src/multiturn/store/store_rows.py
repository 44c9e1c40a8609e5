"""Rows of knowledge stores, their items and their collections to nouns and back."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

import msgspec

from multiturn.model.store import Collection, Digest, KnowledgeStoreInfo, Sorting, StoreItem, StoreItemFilter
from multiturn.store.database import Row
from multiturn.store.rows import as_id, as_json, as_ms, as_time, read_metadata

NOBODY, EVERYBODY = UUID(int=0), UUID(int=2**128 - 1)

read_digest = msgspec.json.Decoder(Digest).decode
read_notes = msgspec.json.Decoder(tuple[str, ...]).decode


def read_store(row: Row) -> KnowledgeStoreInfo:
    """A row of a store that has a name; its items are counted elsewhere."""
    tenant_id, id_, name, created, updated, description, metadata, ingestion, chunks, wire = row
    return KnowledgeStoreInfo(
        id=as_id(id_),
        tenant_id=as_id(tenant_id),
        name=name,
        created_at=as_time(created),
        updated_at=as_time(updated),
        description=description,
        metadata=read_metadata(metadata),
        ingestion=read_metadata(ingestion) if ingestion else None,
        wire=read_metadata(wire) if wire else {},
        chunks=chunks,
    )


def write_store(store: KnowledgeStoreInfo) -> dict[str, Any]:
    """A store as the parameters of its queries."""
    return {
        "tenant_id": store.tenant_id,
        "id": store.id,
        "name": store.name,
        "created_at": as_ms(store.created_at),
        "updated_at": as_ms(store.updated_at),
        "description": store.description,
        "metadata": as_json(store.metadata),
        "ingestion": None if store.ingestion is None else as_json(store.ingestion),
        "wire": as_json(store.wire) if store.wire else None,
    }


def read_item(row: Row) -> StoreItem:
    """A row of an item."""
    (tenant_id, id_, store_id, asset_id, kind, status, created, updated, title, *rest) = row
    step, progress, error, notes, metadata, system, facts, digest, chunks, characters = rest
    return StoreItem(
        id=as_id(id_),
        tenant_id=as_id(tenant_id),
        store_id=as_id(store_id),
        asset_id=as_id(asset_id),
        kind=kind,
        status=status,
        created_at=as_time(created),
        updated_at=as_time(updated),
        title=title,
        step=step,
        progress=progress or 0,
        error=error,
        notes=read_notes(notes) if notes else (),
        metadata=read_metadata(metadata),
        system=read_metadata(system) if system else {},
        facts=read_metadata(facts) if facts else {},
        digest=read_digest(digest) if digest else None,
        chunks=chunks,
        characters=characters,
    )


def write_item(item: StoreItem) -> dict[str, Any]:
    """An item as the parameters of the queries that add and change it."""
    return {
        "tenant_id": item.tenant_id,
        "id": item.id,
        "store_id": item.store_id,
        "asset_id": item.asset_id,
        "kind": item.kind,
        "status": item.status,
        "created_at": as_ms(item.created_at),
        "updated_at": as_ms(item.updated_at),
        "title": item.title,
        "metadata": as_json(item.metadata),
        "system": as_json(item.system),
        "digest": hashlib.sha256(b"asset " + item.asset_id.bytes).digest(),
    }


def read_collection(row: Row) -> Collection:
    """A row of a collection."""
    tenant_id, id_, store_id, name, created, updated, description, metadata, members = row
    return Collection(
        id=as_id(id_),
        tenant_id=as_id(tenant_id),
        store_id=as_id(store_id),
        name=name,
        created_at=as_time(created),
        updated_at=as_time(updated),
        description=description,
        metadata=read_metadata(metadata),
        members=members,
    )


def write_collection(collection: Collection) -> dict[str, Any]:
    """A collection as the parameters of its queries."""
    return {
        "tenant_id": collection.tenant_id,
        "id": collection.id,
        "store_id": collection.store_id,
        "name": collection.name,
        "created_at": as_ms(collection.created_at),
        "updated_at": as_ms(collection.updated_at),
        "description": collection.description,
        "metadata": as_json(collection.metadata),
    }


def write_sorting(sorting: Sorting) -> dict[str, Any]:
    """A page as the parameters of the queries that sort by whatever is asked for."""
    return {
        "by": sorting.by,
        "limit": sorting.limit,
        "offset": sorting.offset,
        "above": sorting.above or NOBODY,
        "below": sorting.below or EVERYBODY,
    }


def filter_items(tenant_id: UUID, store_id: UUID, which: StoreItemFilter) -> dict[str, Any]:
    """What the listings of items compare with; nothing where all are wanted."""
    return {
        "tenant_id": tenant_id,
        "store_id": store_id,
        "statuses": ",".join(which.statuses),
        "all_assets": int(which.asset_id is None),
        "asset_id": which.asset_id or NOBODY,
        "all_collections": int(which.collection_id is None),
        "collection_id": which.collection_id or NOBODY,
    }


def list_query(what: str, sorting: Sorting) -> str:
    """The name of the query that lists in this order: that of their making needs no sorting."""
    name = f"list_{what}" if sorting.by == "created_at" else f"sort_{what}"
    return name if sorting.newest_first else f"{name}_oldest_first"
