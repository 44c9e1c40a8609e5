"""Knowledge stores that have a name: sets of assets that are searched together, and named parts of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from multiturn.model.asset import AssetKind
from multiturn.model.segment import Place

# queued: nobody is at work on it; pending: a worker has taken it; processing: its file is read and indexed.
ItemStatus = Literal["queued", "pending", "processing", "ready", "failed"]
Step = Literal["probe", "read", "chunk", "embed", "index", "summarise"]


class Highlight(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sentence of an item that stands for a stretch of it: characters ``start`` to ``end`` of its text."""

    text: str
    start: int
    end: int
    place: Place = Place()


class Digest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an item is about: a ``title``, a ``summary`` of a few sentences, what it says stretch by stretch, and its
    most telling words. ``model`` wrote the summary; None where its sentences are the item's own.
    """

    title: str
    summary: str
    highlights: tuple[Highlight, ...] = ()
    keywords: tuple[str, ...] = ()
    model: str | None = None


class StoreItem(Struct, frozen=True, kw_only=True):
    """An asset's place in a store, with how far its indexing is: ``progress`` from 0 to 100 over all steps.

    ``error`` says why it failed, ``notes`` what was not read of it and why, both for a person. ``facts`` are what the
    store's ingestion configuration extracted. ``title`` is the client's (metadata ``title`` or ``name``), else that of
    the digest, else the file's name.
    """

    id: UUID
    tenant_id: UUID
    store_id: UUID
    asset_id: UUID
    kind: AssetKind
    status: ItemStatus
    created_at: datetime
    updated_at: datetime
    title: str
    step: Step | None = None
    progress: int = 0
    error: str | None = None
    notes: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    system: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    digest: Digest | None = None
    chunks: int = 0
    characters: int = 0


class KnowledgeStoreInfo(Struct, frozen=True, kw_only=True):
    """A knowledge store that has a name, and how many items it has by status.

    ``ingestion`` is what is extracted of each item (contracts/twelvelabs 6.1), as the client sent it; None: nothing.
    ``wire`` is what a dialect stores and gives back.
    """

    id: UUID
    tenant_id: UUID
    name: str
    created_at: datetime
    updated_at: datetime
    description: str | None = None
    metadata: dict[str, Any] = {}
    ingestion: dict[str, Any] | None = None
    wire: dict[str, Any] = {}
    items: Mapping[ItemStatus, int] = {}
    chunks: int = 0
    characters: int = 0


class StoreChange(Struct, frozen=True, kw_only=True):
    """What is to be changed of a store or a collection; metadata are replaced whole, and so is what a dialect keeps
    with a store.
    """

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    wire: dict[str, Any] | UnsetType = UNSET


class Collection(Struct, frozen=True, kw_only=True):
    """A named part of a store."""

    id: UUID
    tenant_id: UUID
    store_id: UUID
    name: str
    created_at: datetime
    updated_at: datetime
    description: str | None = None
    metadata: dict[str, Any] = {}
    members: int = 0


class Sorting(Struct, frozen=True, kw_only=True):
    """A page of a listing by number: ``by`` a time or the name, from ``offset`` on. In the order of their making it may
    begin behind an id: ``below`` it with the newest first, else ``above`` it.
    """

    by: Literal["created_at", "updated_at", "name"] = "created_at"
    newest_first: bool = True
    offset: int = 0
    limit: int = 10
    above: UUID | None = None
    below: UUID | None = None


class StoreItemFilter(Struct, frozen=True, kw_only=True):
    """Which items of a store are listed: of these statuses (all when empty), in this collection, of this asset."""

    statuses: tuple[ItemStatus, ...] = ()
    collection_id: UUID | None = None
    asset_id: UUID | None = None
    sorting: Sorting = Sorting()


class Counted(Struct, frozen=True):
    """A page by number, and how many there are in all."""

    data: tuple[Any, ...]
    total: int
