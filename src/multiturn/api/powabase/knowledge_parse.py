"""Knowledge bases as Powabase's clients ask for them, in the engine's nouns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from multiturn.api.auth import check_id
from multiturn.api.powabase.knowledge_wire import (
    TOP_K,
    PowabaseIndexingBody,
    PowabaseQueryBody,
    PowabaseRetrievalBody,
    PowabaseSearchBody,
)
from multiturn.api.services import Services
from multiturn.engine.document_search import TEXT_CHARS_MAX, embeddings_unavailable
from multiturn.engine.metadata import check_object
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.asset import Asset
from multiturn.model.citation import StoreQuery
from multiturn.model.ids import find_id
from multiturn.model.policy import SearchMode
from multiturn.model.store import KnowledgeStoreInfo

# Where a store keeps what only this dialect knows.
INDEXING, RETRIEVAL = "powabase_indexing", "powabase_retrieval"
METHODS: Mapping[str, SearchMode] = {"vector_search": "vector", "full_text": "text", "hybrid": "hybrid"}
WORDS: Mapping[SearchMode, str] = {mode: word for word, mode in METHODS.items()}
NOTHING_SAID = PowabaseRetrievalBody()


class Said(Protocol):
    """What a request may say of how a knowledge base is searched."""

    top_k: int | None
    retrieval_method: str | None
    similarity_threshold: float | None
    filter_metadata: dict[str, Any] | None
    source_ids: list[str] | None


class Server(msgspec.Struct, frozen=True):
    """What this server searches with: the embedding model, where there is one, and whether it has a reranker."""

    embedding_model: str | None
    has_reranker: bool


def describe_server(services: Services) -> Server:
    """What a server searches with."""
    knowledge = services.knowledge
    return Server(knowledge.model, knowledge.searching.reranker is not None)


def read_configs(
    server: Server, indexing: PowabaseIndexingBody | None, retrieval: PowabaseRetrievalBody | None
) -> dict[str, Any]:
    """Configurations as a store keeps them: what was said, nothing else. Raises InvalidRequest."""
    kept: dict[str, Any] = {}
    if indexing is not None:
        check_indexing(indexing, server)
        kept[INDEXING] = msgspec.to_builtins(indexing)
    if retrieval is not None:
        check_retrieval(retrieval, server)
        kept[RETRIEVAL] = msgspec.to_builtins(retrieval)
    return {name: value for name, value in kept.items() if value}


def check_indexing(config: PowabaseIndexingBody, server: Server) -> None:
    """Raise InvalidRequest, naming the field, for what the server does not do."""
    defaults, names = PowabaseIndexingBody(), ("strategy", "chunk_size", "overlap")
    for name in names:
        if getattr(config, name) != getattr(defaults, name):
            text = f"'indexing_config.{name}' can only be {getattr(defaults, name)!r}: the server cuts chunks itself."
            raise InvalidRequest(text, param=f"indexing_config.{name}")
    known = [defaults.embedding_model, *([server.embedding_model] if server.embedding_model else [])]
    if config.embedding_model not in known:
        text = f"'indexing_config.embedding_model' must be one of {', '.join(known)}: the server has one model."
        raise InvalidRequest(text, param="indexing_config.embedding_model")


def check_retrieval(config: PowabaseRetrievalBody, server: Server) -> None:
    """Raise InvalidRequest, naming the field, for what the server does not do."""
    if read_method(config.method, "retrieval_config.method") == "vector" and server.embedding_model is None:
        text = "'retrieval_config.method' cannot be 'vector_search': this server makes no vectors."
        raise InvalidRequest(text, param="retrieval_config.method")
    if reads_reranker(config.reranker) and not server.has_reranker:
        text = "'retrieval_config.reranker' cannot be true: this server has no reranker (MULTITURN_RERANK_URL)."
        raise InvalidRequest(text, param="retrieval_config.reranker")
    if config.query_enrichment:
        text = "'retrieval_config.query_enrichment' cannot be true: questions are not rewritten."
        raise InvalidRequest(text, param="retrieval_config.query_enrichment")
    if config.context_mode not in (None, "text"):
        text = "'retrieval_config.context_mode' can only be 'text'."
        raise InvalidRequest(text, param="retrieval_config.context_mode")


def reads_reranker(value: bool | Mapping[str, Any] | None) -> bool | None:
    """Whether a reranker is asked for; None where nothing is said. Raises InvalidRequest."""
    if not isinstance(value, Mapping):
        return value
    enabled = value.get("enabled")
    if set(value) - {"enabled"} or not isinstance(enabled, bool):
        text = "'retrieval_config.reranker' must be true, false, or {\"enabled\": true}: the server has one reranker."
        raise InvalidRequest(text, param="retrieval_config.reranker")
    return enabled


def read_method(text: str | None, param: str) -> SearchMode | None:
    """How it is to be searched. Raises InvalidRequest."""
    if text is not None and text not in METHODS:
        raise InvalidRequest(f"'{param}' must be one of {', '.join(METHODS)}; it is '{text[:40]}'.", param=param)
    return METHODS[text] if text is not None else None


def read_retrieval(store: KnowledgeStoreInfo) -> PowabaseRetrievalBody:
    """How a store is to be searched where a request does not say."""
    return msgspec.convert(store.wire.get(RETRIEVAL, {}), PowabaseRetrievalBody)


def says_anything(body: Said, config: PowabaseRetrievalBody) -> bool:
    """Whether a search is told anything."""
    said = (body.top_k, body.retrieval_method, body.similarity_threshold, body.filter_metadata, body.source_ids)
    return config != NOTHING_SAID or any(one is not None for one in said)


def read_query(
    store: KnowledgeStoreInfo, body: Said, asset_ids: Sequence[UUID], *, place: str = "", tokens_max: int | None = None
) -> StoreQuery:
    """A search as a request says, else as the store's configuration does. ``place`` is where the request says it.

    Raises InvalidRequest.
    """
    config = read_retrieval(store)
    mode = read_method(body.retrieval_method, f"{place}retrieval_method") or read_method(config.method, "method")
    threshold = config.similarity_threshold if body.similarity_threshold is None else body.similarity_threshold
    check_object(body.filter_metadata or {}, f"{place}filter_metadata")
    return StoreQuery(
        store_id=store.id,
        limit=body.top_k or config.top_k or TOP_K,
        mode=mode or "hybrid",
        similarity_min=threshold,
        metadata=body.filter_metadata or {},
        asset_ids=tuple(asset_ids),
        tokens_max=tokens_max,
        reranks=reads_reranker(config.reranker) is not False,
    )


async def find_base(services: Services, tenant_id: UUID, name: str) -> KnowledgeStoreInfo:
    """The knowledge base of this id, or the newest of this name. Raises NotFound, InvalidRequest."""
    try:
        return await services.stores.get(tenant_id, check_id(name, "knowledge_base_id"))
    except NotFound as error:
        raise NotFound("Knowledge base not found", code="store_not_found", param="knowledge_base_id") from error


async def find_source(services: Services, tenant_id: UUID, name: str, *, param: str = "source_id") -> Asset:
    """The source of this id. Raises NotFound."""
    try:
        return await services.assets.get(tenant_id, name)
    except NotFound as error:
        raise NotFound("Source not found", code="asset_not_found", param=param) from error


async def find_sources(
    services: Services, tenant_id: UUID, ids: Sequence[str] | None, *, param: str = "source_ids"
) -> tuple[UUID, ...]:
    """The assets of these ids. Raises NotFound; InvalidRequest for none, which is not the same as all."""
    if ids is not None and not ids:
        raise InvalidRequest(f"'{param}' must name a source, or be left out.", param=param)
    return tuple([(await find_source(services, tenant_id, id_, param=param)).id for id_ in ids or ()])


async def read_searched(
    services: Services, tenant_id: UUID, body: PowabaseQueryBody, place: str
) -> tuple[KnowledgeStoreInfo, StoreQuery]:
    """A knowledge base that a request names, and how it is to be searched.

    Raises InvalidRequest, NotFound, Unavailable.
    """
    store = await find_base(services, tenant_id, body.id)
    asset_ids = await find_sources(services, tenant_id, body.source_ids, param=f"{place}source_ids")
    query = read_query(store, body, asset_ids, place=place, tokens_max=body.max_context_tokens)
    require_vectors(services, query)
    return store, query


def require_vectors(services: Services, query: StoreQuery) -> None:
    """Raise Unavailable for a search by vectors alone where none are made: a run would go on without its knowledge."""
    if query.mode == "vector" and services.knowledge.model is None:
        raise embeddings_unavailable("they are switched off")


def read_search(store: KnowledgeStoreInfo, body: PowabaseSearchBody, asset_ids: Sequence[UUID]) -> StoreQuery:
    """The search that a body asks for. Raises InvalidRequest."""
    if not body.query.strip() or len(body.query) > TEXT_CHARS_MAX:
        raise InvalidRequest(f"'query' must have 1 to {TEXT_CHARS_MAX} characters and not be blank.", param="query")
    return read_query(store, body, asset_ids)


def read_item_id(text: str, param: str) -> UUID:
    """The id of an item or a chunk. Raises InvalidRequest."""
    id_ = find_id(text)
    if id_ is None:
        raise InvalidRequest(f"'{param}' must be a uuid; it is '{text[:40]}'.", param=param)
    return id_
