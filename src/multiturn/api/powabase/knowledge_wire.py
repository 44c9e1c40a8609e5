"""The shapes of Powabase's knowledge bases: how they are made, filled and searched (contracts/powabase 2.4)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from multiturn.api.auth import ID_CHARS_MAX
from multiturn.model.store import ItemStatus

TOP_K, TOP_K_MAX = 5, 100
IDS_MAX = 100
TOKENS_MAX = 10_000_000

Time = Annotated[datetime, Meta(tz=True)]
Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]
TopK = Annotated[int, Meta(ge=1, le=TOP_K_MAX, description="How many chunks at most.")]
Threshold = Annotated[
    float,
    Meta(ge=0, le=1, description="The least cosine similarity of what counts; nothing to a search by words alone."),
]
Method = Annotated[
    str,
    Meta(description="`vector_search`, `full_text`, or `hybrid`, which is the default. There is no `tree_search`."),
]
MetadataFilter = Annotated[dict[str, Any], Meta(description="Only sources whose metadata contain this.")]
SourceIds = Annotated[list[Id], Meta(max_length=IDS_MAX, description="Only these sources.")]
Tokens = Annotated[int, Meta(ge=1, le=TOKENS_MAX, description="How many tokens the chunks may take.")]
OrderText = Annotated[str, Meta(min_length=1)]


class PowabaseIndexingBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How sources are indexed. The server decides: chunks of some hundred characters that keep their page or second.
    Its own embedding model may be named; besides it only the defaults are taken, for clients that send them.
    """

    strategy: Annotated[str, Meta(description="Only `chunk_embed`.")] = "chunk_embed"
    chunk_size: Annotated[int, Meta(description="Only the default.")] = 2000
    overlap: Annotated[int, Meta(description="Only the default.")] = 50
    embedding_model: Annotated[str, Meta(description="The server's, or the default.")] = "text-embedding-3-small"


class PowabaseRetrievalBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a knowledge base is searched where a request does not say. What is sent is kept and given back."""

    method: Method | None = None
    top_k: TopK | None = None
    similarity_threshold: Threshold | None = None
    reranker: Annotated[
        bool | dict[str, Any] | None,
        Meta(
            description="Whether the best are looked at again by the server's reranker, where it has one; also "
            '`{"enabled": …}`.'
        ),
    ] = None
    query_enrichment: Annotated[bool | None, Meta(description="Only false: earlier questions count in runs.")] = None
    context_mode: Annotated[str | None, Meta(description="Only `text`.")] = None


class PowabaseKnowledgeBaseOrderBody(Struct, kw_only=True, omit_defaults=True):
    """A knowledge base as it is asked for."""

    name: Annotated[str, Meta(description="What it is called.")]
    description: str | None = None
    indexing_config: PowabaseIndexingBody | None = None
    retrieval_config: PowabaseRetrievalBody | None = None


class PowabaseKnowledgeBaseChangeBody(Struct, kw_only=True, omit_defaults=True):
    """What is to be changed of a knowledge base; a configuration replaces the one before."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    indexing_config: PowabaseIndexingBody | UnsetType | None = UNSET
    retrieval_config: PowabaseRetrievalBody | UnsetType | None = UNSET


class PowabaseKnowledgeBaseBody(Struct, kw_only=True):
    """A knowledge base: a knowledge store of this server, which the other APIs show as well."""

    id: str
    name: str
    description: str | None
    indexing_config: dict[str, Any]
    retrieval_config: dict[str, Any]
    status: Annotated[
        Literal["empty", "indexing", "ready"], Meta(description="`indexing` while a source is at work on.")
    ]
    source_count: int
    indexed_count: int
    failed_count: int
    chunk_count: int
    created_at: Time
    updated_at: Time


class PowabaseKnowledgeBaseListBody(Struct, kw_only=True):
    """A page of knowledge bases, the newest first."""

    knowledge_bases: list[PowabaseKnowledgeBaseBody]
    total: int
    limit: int
    offset: int


class PowabaseBaseSourceOrderBody(Struct, kw_only=True):
    """A source that is to be put into a knowledge base."""

    source_id: Id


class PowabaseBaseSourceBody(Struct, kw_only=True):
    """A source in a knowledge base. `id` is that of the item that the knowledge base has of it."""

    id: str
    knowledge_base_id: str
    source_id: str
    name: str
    status: Annotated[ItemStatus, Meta(description="How far its indexing is.")]
    indexing_status: Literal["pending", "indexing", "indexed", "failed"]
    progress: Annotated[int, Meta(description="In per cent.")]
    error: Annotated[str | None, Meta(description="Why it failed.")]
    chunk_count: int
    character_count: int
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time


class PowabaseBaseSourceListBody(Struct, kw_only=True):
    """A page of the sources of a knowledge base, the newest first."""

    sources: list[PowabaseBaseSourceBody]
    total: int
    limit: int
    offset: int


class PowabaseItemListBody(Struct, kw_only=True):
    """A page of the items of a knowledge base: one for each source, the newest first."""

    items: list[PowabaseBaseSourceBody]
    total: int
    limit: int
    offset: int


class PowabaseSearchBody(Struct, kw_only=True, omit_defaults=True):
    """A search in a knowledge base; what is left out is as its `retrieval_config` says."""

    query: OrderText
    top_k: TopK | None = None
    retrieval_method: Method | None = None
    similarity_threshold: Threshold | None = None
    filter_metadata: MetadataFilter | None = None
    source_ids: SourceIds | None = None


class PowabaseHitBody(Struct, kw_only=True):
    """A chunk that was found."""

    chunk_id: str
    text: str
    score: Annotated[float, Meta(description="The reranker's score where there is one, else that of the search.")]
    retrieval_score: float
    reranker_score: float | None
    source_id: str | None
    source_name: str | None
    item_id: str
    meta: Annotated[dict[str, Any], Meta(description="Metadata of the source, and the chunk's page, heading, seconds.")]


class PowabaseHitsBody(Struct, kw_only=True):
    """What was found, the best first."""

    results: list[PowabaseHitBody]
    query: str
    retrieval_method: Annotated[str, Meta(description="How it was searched: without vectors `hybrid` is `full_text`.")]
    total_results: int


class PowabaseReindexBody(Struct, kw_only=True):
    """That sources are indexed again: those that had failed."""

    status: Literal["reindexing", "up_to_date"]
    knowledge_base_id: str
    queued: int
    message: str


class PowabaseTextIndexBody(Struct, kw_only=True):
    """The state of the index of words."""

    status: Literal["ready"] = "ready"
    knowledge_base_id: str
    message: str


class PowabaseQueryBody(Struct, kw_only=True, omit_defaults=True):
    """A knowledge base that a run's answer is to rest on. Where neither this nor its `retrieval_config` says anything,
    the server searches as the question needs it: passages, or what the sources are about.
    """

    id: Id
    top_k: TopK | None = None
    retrieval_method: Method | None = None
    similarity_threshold: Threshold | None = None
    filter_metadata: MetadataFilter | None = None
    source_ids: SourceIds | None = None
    max_context_tokens: Tokens | None = None


class PowabaseContextItemBody(Struct, kw_only=True, omit_defaults=True):
    """A text that is to be cited like a source, or what a knowledge base holds: a chunk by its id, or an item with all
    its chunks.
    """

    item_id: Id | None = None
    text: OrderText | None = None
    meta: Annotated[dict[str, Any] | None, Meta(description="Kept with it; its `title` or `name` is its title.")] = None


class PowabaseHandlerOrderBody(Struct, kw_only=True, omit_defaults=True):
    """Knowledge that is to be retrieved now and kept for runs."""

    query: OrderText
    knowledge_bases: Annotated[list[PowabaseQueryBody], Meta(min_length=1, max_length=10)]
    max_context_tokens: Tokens = 32_000


class PowabaseHandlerBody(Struct, kw_only=True):
    """What was retrieved: it stays as it is, whatever becomes of the knowledge bases."""

    id: str
    query: str
    status: Literal["completed"] = "completed"
    knowledge_base_configs: list[dict[str, Any]]
    max_context_tokens: int
    formatted_context: Annotated[str, Meta(description="The chunks as a model is shown them.")]
    retrieved_context: Annotated[
        list[dict[str, Any]], Meta(description="Diagnostics, and behind them each chunk that was found.")
    ]
    metadata: dict[str, Any] = {}
    errors: list[str] = []
    created_at: Time


class PowabaseHandlerListBody(Struct, kw_only=True):
    """A page of context handlers, the newest first."""

    context_handlers: list[PowabaseHandlerBody]
    total: int
    limit: int
    offset: int
