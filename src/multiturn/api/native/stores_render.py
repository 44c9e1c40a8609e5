"""Knowledge stores, their items and their collections as the native API writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from starlette.requests import Request

from multiturn.api.citations import render_place
from multiturn.api.media_links import absolute, write_fragment
from multiturn.api.native.store_search_wire import StoreHitBody
from multiturn.api.native.stores_wire import (
    CollectionBody,
    ExcerptBody,
    ItemCountsBody,
    OutlineBody,
    SectionBody,
    StoreBody,
    StoreEventBody,
    StoreItemBody,
)
from multiturn.engine.links import Links
from multiturn.model.asset import Asset
from multiturn.model.knowledge import DocumentHit
from multiturn.model.outline import Excerpt, ItemOutline, Section
from multiturn.model.segment import Place
from multiturn.model.store import Collection, Highlight, KnowledgeStoreInfo, StoreItem


def render_store(store: KnowledgeStoreInfo) -> StoreBody:
    """A store."""
    return StoreBody(
        id=str(store.id),
        name=store.name,
        description=store.description,
        metadata=store.metadata,
        ingestion_config=store.ingestion,
        items=render_counts(store),
        chunks=store.chunks,
        created_at=store.created_at,
        updated_at=store.updated_at,
    )


def render_counts(store: KnowledgeStoreInfo) -> ItemCountsBody:
    """How many items a store has."""
    counts = store.items
    return ItemCountsBody(
        total=sum(counts.values()),
        queued=counts.get("queued", 0),
        pending=counts.get("pending", 0),
        processing=counts.get("processing", 0),
        ready=counts.get("ready", 0),
        failed=counts.get("failed", 0),
    )


def render_item(item: StoreItem) -> StoreItemBody:
    """An item."""
    digest = item.digest
    return StoreItemBody(
        id=str(item.id),
        store_id=str(item.store_id),
        asset_id=str(item.asset_id),
        kind=item.kind,
        title=item.title,
        status=item.status,
        step=item.step,
        progress=item.progress,
        error=item.error,
        notes=list(item.notes),
        summary=digest.summary if digest else None,
        keywords=list(digest.keywords) if digest else [],
        facts=item.facts,
        metadata=item.metadata,
        system=item.system,
        chunks=item.chunks,
        characters=item.characters,
        created_at=item.created_at,
        updated_at=item.updated_at,
    )


def render_collection(collection: Collection) -> CollectionBody:
    """A collection."""
    return CollectionBody(
        id=str(collection.id),
        store_id=str(collection.store_id),
        name=collection.name,
        description=collection.description,
        metadata=collection.metadata,
        members=collection.members,
        created_at=collection.created_at,
        updated_at=collection.updated_at,
    )


def render_outline(item: StoreItem, outline: ItemOutline) -> OutlineBody:
    """An outline."""
    return OutlineBody(
        item_id=str(item.id),
        title=outline.title,
        summary=outline.summary,
        sections=[render_section(section, section.label) for section in outline.sections],
        highlights=[render_section(highlight, highlight.text) for highlight in outline.highlights],
        is_complete=outline.is_complete,
    )


def render_section(section: Section | Highlight, label: str) -> SectionBody:
    """A stretch of an item."""
    return SectionBody(label=label, start=section.start, end=section.end, place=render_place(section.place))


def render_excerpt(excerpt: Excerpt) -> ExcerptBody:
    """A piece of an item's text."""
    return ExcerptBody(
        start=excerpt.start,
        end=excerpt.end,
        text=excerpt.text,
        modality=excerpt.modality,
        place=render_place(excerpt.place),
    )


def render_event(item: StoreItem) -> StoreEventBody:
    """How far an item is now."""
    return StoreEventBody(
        type="item",
        item_id=str(item.id),
        title=item.title,
        status=item.status,
        step=item.step,
        progress=item.progress,
        error=item.error,
    )


def render_hits(
    request: Request, links: Links, hits: Sequence[DocumentHit], assets: Mapping[UUID, Asset]
) -> list[StoreHitBody]:
    """What was found, with links to each place; one whose asset is gone has none."""
    return [render_hit(request, links, hit, assets.get(hit.item.asset_id or hit.item.id)) for hit in hits]


def render_hit(request: Request, links: Links, hit: DocumentHit, asset: Asset | None) -> StoreHitBody:
    """A chunk that was found."""
    return StoreHitBody(
        item_id=str(hit.item.id),
        asset_id=str(hit.item.asset_id),
        title=hit.item.title,
        kind=hit.item.kind,
        chunk=hit.chunk,
        text=hit.text,
        start=hit.start,
        end=hit.end,
        modality=hit.modality,
        place=render_place(hit.place),
        score=round(hit.score, 4),
        lexical=rounded(hit.lexical),
        similarity=rounded(hit.similarity),
        reranked=rounded(hit.reranked),
        metadata=hit.item.metadata,
        url=absolute(request, links.file(asset) + write_fragment(hit.place)) if asset else None,
        thumbnail_url=find_picture(request, links, hit.place, asset) if asset else None,
    )


def find_picture(request: Request, links: Links, place: Place, asset: Asset) -> str | None:
    """The still of a shot, else the thumbnail, where there is one."""
    if place.shot is not None:
        return absolute(request, links.frame(asset, place.shot))
    return absolute(request, links.thumbnail(asset)) if asset.thumbnail == "ready" else None


def rounded(score: float | None) -> float | None:
    """A score with four places."""
    return None if score is None else round(score, 4)
