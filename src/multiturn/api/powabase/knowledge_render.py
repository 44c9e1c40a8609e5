"""Knowledge bases and what they hold in the shapes of Powabase's clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

from multiturn.api.powabase.knowledge_parse import INDEXING, RETRIEVAL
from multiturn.api.powabase.knowledge_wire import (
    TOP_K,
    PowabaseBaseSourceBody,
    PowabaseHitBody,
    PowabaseIndexingBody,
    PowabaseKnowledgeBaseBody,
)
from multiturn.api.powabase.render_run import write_place
from multiturn.model.asset import Asset
from multiturn.model.ids import chunk_id
from multiturn.model.knowledge import DocumentHit
from multiturn.model.store import ItemStatus, KnowledgeStoreInfo, StoreItem

DEFAULTS = PowabaseIndexingBody()
INDEXED: Mapping[ItemStatus, Literal["pending", "indexing", "indexed", "failed"]] = {
    "queued": "pending",
    "pending": "pending",
    "processing": "indexing",
    "ready": "indexed",
    "failed": "failed",
}


def render_base(store: KnowledgeStoreInfo) -> PowabaseKnowledgeBaseBody:
    """A knowledge base."""
    sources, ready, failed = sum(store.items.values()), store.items.get("ready", 0), store.items.get("failed", 0)
    return PowabaseKnowledgeBaseBody(
        id=str(store.id),
        name=store.name,
        description=store.description,
        indexing_config={**write_defaults(), **store.wire.get(INDEXING, {})},
        retrieval_config={"method": "hybrid", "top_k": TOP_K, **store.wire.get(RETRIEVAL, {})},
        status="empty" if not sources else "ready" if ready + failed == sources else "indexing",
        source_count=sources,
        indexed_count=ready,
        failed_count=failed,
        chunk_count=store.chunks,
        created_at=store.created_at,
        updated_at=store.updated_at,
    )


def write_defaults() -> dict[str, Any]:
    """The configuration of an index of which nothing was said."""
    return {name: getattr(DEFAULTS, name) for name in DEFAULTS.__struct_fields__}


def render_source_of(item: StoreItem) -> PowabaseBaseSourceBody:
    """A source in a knowledge base."""
    return PowabaseBaseSourceBody(
        id=str(item.id),
        knowledge_base_id=str(item.store_id),
        source_id=str(item.asset_id),
        name=item.title,
        status=item.status,
        indexing_status=INDEXED[item.status],
        progress=item.progress,
        error=item.error,
        chunk_count=item.chunks,
        character_count=item.characters,
        metadata=item.metadata,
        created_at=item.created_at,
        updated_at=item.updated_at,
    )


def render_hits(hits: Sequence[DocumentHit], assets: Mapping[UUID, Asset]) -> list[PowabaseHitBody]:
    """What a search found."""
    return [render_hit(hit, assets) for hit in hits]


def render_hit(hit: DocumentHit, assets: Mapping[UUID, Asset]) -> PowabaseHitBody:
    """A chunk that was found."""
    asset = assets.get(hit.item.asset_id) if hit.item.asset_id else None
    score = hit.score if hit.reranked is None else hit.reranked
    return PowabaseHitBody(
        chunk_id=str(chunk_id(hit.item.id, hit.chunk)),
        text=hit.text,
        score=round(score, 4),
        retrieval_score=round(hit.score, 4),
        reranker_score=None if hit.reranked is None else round(hit.reranked, 4),
        source_id=str(hit.item.asset_id) if hit.item.asset_id else None,
        source_name=asset.filename if asset else hit.item.title,
        item_id=str(hit.item.id),
        meta={**hit.item.metadata, **write_place(hit.place), "title": hit.item.title, "chunk": hit.chunk},
    )
