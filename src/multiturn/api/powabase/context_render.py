"""What was retrieved, as Powabase's clients read it: diagnostics first, then each chunk (contracts/powabase 2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from multiturn.api.services import Services
from multiturn.engine.grounding.block import SOURCES
from multiturn.model.citation import StoreQuery
from multiturn.model.ids import chunk_id
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.segment import Place

# A token is about so many characters of English (contracts/powabase 2.2).
CHARACTERS_PER_TOKEN = 4
TYPES = {"document": "text_embedding_chunk", "item": "full_document", "given": "full_document"}


class Names(Struct, frozen=True):
    """What the stores and assets are called that chunks come from; those that are gone have no name."""

    stores: Mapping[UUID, str] = {}
    assets: Mapping[UUID, str] = {}


async def load_names(services: Services, tenant_id: UUID, snippets: Sequence[Snippet]) -> Names:
    """The names of the stores and assets of snippets."""
    stores: dict[UUID, str] = {}
    for store_id in dict.fromkeys(one.owner_id for one in snippets if one.owner_kind == "store" and one.owner_id):
        if store := await services.stores.registry.find(tenant_id, store_id):
            stores[store_id] = store.name
    assets = await services.stores.load_assets(tenant_id, [one.asset_id for one in snippets])
    return Names(stores, {id_: asset.filename for id_, asset in assets.items()})


def render_context(
    found: RetrievedContext | None,
    names: Names,
    *,
    run_id: UUID,
    token_limit: int | None = None,
    queries: Sequence[StoreQuery] = (),
) -> list[dict[str, Any]]:
    """What was retrieved: diagnostics, and every chunk of it. ``run_id`` names texts that were given."""
    snippets = [one for one in found.snippets if one.source != "session"] if found else []
    methods = {query.store_id: query.mode for query in queries}
    chunks = [render_chunk(one, names, run_id) for one in snippets]
    for one, chunk in zip(snippets, chunks, strict=True):
        if one.owner_id in methods:
            chunk["retrieval_method"] = {"vector": "vector_search", "text": "full_text"}.get(
                methods[one.owner_id], "hybrid"
            )
    included = [place for place, chunk in enumerate(chunks) if chunk["included_in_context"]]
    used = sum(len(snippets[place].text) for place in included) // CHARACTERS_PER_TOKEN
    diagnostics: dict[str, Any] = {
        "_type": "retrieval_diagnostics",
        "total_items": len(chunks),
        "items_included": len(included),
        "items_dropped": len(chunks) - len(included),
        "token_limit": token_limit,
        "estimated_tokens_used": used,
        "included_indices": included,
        "format_mode": "flat",
    }
    if snippets and all(one.source == "given" for one in snippets):
        is_override = len(included) <= 1 and all(not one.metadata for one in snippets)
        diagnostics["source"] = "manual_override" if is_override else "context_items"
    return [diagnostics, *chunks]


def render_chunk(snippet: Snippet, names: Names, run_id: UUID) -> dict[str, Any]:
    """A chunk with its scores, where it is from, and whether the model was shown it."""
    score = snippet.score if snippet.reranked is None else snippet.reranked
    is_found = snippet.source != "given"
    return {
        "_type": TYPES.get(snippet.source, "text_embedding_chunk"),
        "id": str(piece_id(snippet, run_id)),
        "item_id": str(snippet.item_id) if snippet.item_id else None,
        "citation_key": None if snippet.number is None else str(snippet.number),
        "text": snippet.text,
        "score": round(score, 4) if is_found else None,
        "retrieval_score": round(snippet.score, 4) if is_found else None,
        "reranker_score": None if snippet.reranked is None else round(snippet.reranked, 4),
        "source_id": str(snippet.asset_id) if snippet.asset_id else None,
        "source_name": names.assets.get(snippet.asset_id, snippet.title) if snippet.asset_id else snippet.title,
        "knowledge_base_id": str(snippet.owner_id) if snippet.owner_kind == "store" else None,
        "kb_name": names.stores.get(snippet.owner_id) if snippet.owner_id else None,
        "indexing_strategy": "chunk_embed" if is_found else None,
        "chunk_size": None,
        "overlap": None,
        "retrieval_method": name_method(snippet) if is_found else None,
        "meta": render_meta(snippet),
        "included_in_context": snippet.omitted in (None, "shown_already"),
        "omitted_reason": snippet.omitted,
    }


def piece_id(snippet: Snippet, run_id: UUID) -> UUID:
    """The id of a chunk; of a text that a request gave, one that is the run's own."""
    if snippet.item_id:
        return chunk_id(snippet.item_id, snippet.chunk)
    return chunk_id(run_id, (snippet.number or 0) << 8 | (1 if snippet.omitted else 0))


def name_method(snippet: Snippet) -> str:
    """How a chunk was found, by the scores that it has."""
    if snippet.similarity is None:
        return "full_text"
    return "hybrid" if snippet.lexical else "vector_search"


def render_meta(snippet: Snippet) -> dict[str, Any]:
    """The metadata of a source, and the place of a chunk in it."""
    return {**snippet.metadata, **render_place(snippet.place), **({"title": snippet.title} if snippet.title else {})}


def render_place(place: Place) -> dict[str, Any]:
    """A place: page, heading, seconds, shot; what is known of it."""
    told: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(place, marks=()))
    return told


def write_formatted(found: RetrievedContext) -> str:
    """The chunks as a model is shown them."""
    return found.block.removeprefix(SOURCES)
