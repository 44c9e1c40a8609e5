"""Files that were put in, the knowledge stores that they are in, and what is found there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from multiturn_client.record import Record

# What an asset or an item is while the server is at work on it.
AT_WORK = ("processing", "queued", "pending")


@dataclass(frozen=True, kw_only=True)
class Asset(Record):
    """A file. ``status`` is processing until the server has looked at it; then ready, or failed with its reason in
    ``error``. ``kind`` is document, audio, video or image; ``sha256`` the hash of its bytes; ``url`` where it can be
    played or downloaded without a key, for some days.

    >>> asset = client.assets.create(b"Bees dance.", filename="bees.txt")
    >>> client.assets.wait(asset.id).kind
    'document'
    """

    id: str = ""
    status: str = ""
    error: str | None = None
    filename: str = ""
    kind: str | None = None
    mime: str = ""
    size_bytes: int | None = None
    duration_s: float | None = None
    pages: int | None = None
    sha256: str | None = None
    technical: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] | None = None
    purpose: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class ItemCounts(Record):
    """How many items a store has, by status.

    >>> client.stores.create("bees").items.total
    0
    """

    total: int = 0
    queued: int = 0
    pending: int = 0
    processing: int = 0
    ready: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class Store(Record):
    """A knowledge store: files that are searched together. ``ingestion_config`` is what is extracted of each.

    >>> store = client.stores.create("bees", metadata={"team": "garden"})
    >>> store.name, store.metadata
    ('bees', {'team': 'garden'})
    """

    id: str = ""
    name: str = ""
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ingestion_config: Mapping[str, Any] | None = None
    items: ItemCounts = field(default_factory=ItemCounts)
    chunks: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class StoreItem(Record):
    """An asset's place in a store. ``status`` goes from queued over pending and processing to ready, or to failed with
    its reason in ``error``; ``progress`` is per cent over all steps, ``step`` the present one. ``notes`` tell what was
    not read of it, ``summary`` what it is about, ``facts`` what the store has extracted.

    >>> asset = client.assets.wait(client.assets.create(b"Bees dance.", filename="bees.txt").id)
    >>> item = client.stores.items.add(client.stores.create("bees").id, asset.id)
    >>> item.title, item.progress
    ('bees.txt', 0)
    """

    id: str = ""
    store_id: str = ""
    asset_id: str = ""
    kind: str = ""
    title: str = ""
    status: str = ""
    step: str | None = None
    progress: int = 0
    error: str | None = None
    notes: tuple[str, ...] = ()
    summary: str | None = None
    keywords: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    chunks: int = 0
    characters: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Place(Record):
    """Where a text stands in its file: a page from 1, a heading, seconds from the beginning, a shot from 0; each None
    where there is none.

    >>> Place.read({"page": 3, "heading": "Trams"}).page
    3
    """

    page: int | None = None
    heading: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    shot: int | None = None


@dataclass(frozen=True, kw_only=True)
class StoreHit(Record):
    """A piece of an item that was found: its text, its ``place``, and ``url``, which opens the file there.

    ``modality``: text, speech, screen or caption. ``score`` is the fused score, the best first; ``lexical`` is BM25,
    ``similarity`` the cosine, ``reranked`` the reranker's, each None where it was not computed.

    >>> store = client.stores.create("bees")
    >>> asset = client.assets.wait(client.assets.create(b"Bees dance.", filename="bees.txt").id)
    >>> item = client.stores.items.wait(store.id, client.stores.items.add(store.id, asset.id).id)
    >>> hit = client.stores.search(store.id, "bees")[0]
    >>> hit.title, hit.text, hit.modality
    ('bees.txt', 'Bees dance.', 'text')
    """

    item_id: str = ""
    asset_id: str = ""
    title: str = ""
    kind: str | None = None
    chunk: int = 0
    text: str = ""
    start: int = 0
    end: int = 0
    modality: str = "text"
    place: Place = field(default_factory=Place)
    score: float = 0.0
    lexical: float | None = None
    similarity: float | None = None
    reranked: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    url: str | None = None
    thumbnail_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class StoreResults(Record):
    """What a search in a store found, the best first, and how many milliseconds it took.

    >>> results = client.stores.search(client.stores.create("bees").id, "bees")
    >>> len(results), [hit.title for hit in results]
    (0, [])
    """

    data: tuple[StoreHit, ...] = ()
    mode: str = ""
    took_ms: float = 0.0

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[StoreHit]:
        return iter(self.data)

    def __getitem__(self, index: int) -> StoreHit:
        return self.data[index]
