"""The shapes of OpenAI's files and vector stores (types of the `openai` package, 3.x)."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

T = TypeVar("T")

Seconds = Annotated[int, Meta(description="Seconds since 1970.")]
Attribute = str | float | bool
Attributes = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Attribute],
    Meta(max_length=16, description="Up to 16 texts, numbers, or true or false, by which a search can filter."),
]
StoreMetadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]
FileId = Annotated[str, Meta(min_length=1, max_length=64, description="The id of a file: `file-...`.")]
AssetStatus = Literal["uploaded", "processed", "error"]
StoreStatus = Literal["in_progress", "completed"]
FileStatus = Literal["in_progress", "completed", "cancelled", "failed"]
BatchStatus = Literal["in_progress", "completed", "cancelled", "failed"]


class ChunkingBody(Struct, kw_only=True, omit_defaults=True):
    """How files are cut: `auto` alone can be had."""

    type: Annotated[
        Literal["auto", "static"],
        Meta(description="`auto`: at headings, paragraphs and sentences. `static` is refused (`not_implemented`)."),
    ]
    static: dict[str, Any] | None = None


class FileFormBody(Struct, kw_only=True, omit_defaults=True):
    """A file and what it is for."""

    file: Annotated[str, Meta(description="The file, with its name.", extra_json_schema={"format": "binary"})]
    purpose: Annotated[str, Meta(min_length=1, max_length=64, description="`assistants`, `user_data`, or any word.")]


class FileBody(Struct, kw_only=True):
    """A file: an asset of the tenant."""

    id: Annotated[str, Meta(description="`file-` and the asset's short id.")]
    object: Literal["file"] = "file"
    bytes: int
    created_at: Seconds
    expires_at: Annotated[Seconds | None, Meta(description="Always null: files stay until they are deleted.")] = None
    filename: str
    purpose: Annotated[str, Meta(description="As it was sent; `user_data` of a file that came without one.")]
    status: Annotated[
        AssetStatus,
        Meta(description="`uploaded` until its content was looked at; `error` where it cannot be read."),
    ]
    status_details: Annotated[str | None, Meta(description="Of `error`: why, for a person.")]


class OpenAIDeleted(Struct, kw_only=True):
    """What was deleted."""

    id: str
    object: Literal["file", "vector_store.deleted", "vector_store.file.deleted"]
    deleted: Literal[True] = True


class CursorPage(Struct, Generic[T], kw_only=True):
    """A page of a listing."""

    object: Literal["list"] = "list"
    data: list[T]
    first_id: Annotated[str | None, Meta(description="The id of the first.")]
    last_id: Annotated[str | None, Meta(description="The id of the last: `after` of the page behind.")]
    has_more: bool


class CountsBody(Struct, kw_only=True):
    """How many files there are, by what became of them."""

    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int


class VectorStoreOrderBody(Struct, kw_only=True, omit_defaults=True):
    """A vector store to be made."""

    name: Annotated[str, Meta(max_length=255)] | None = None
    description: Annotated[str, Meta(max_length=10_000)] | None = None
    file_ids: Annotated[list[FileId], Meta(max_length=500)] | None = None
    metadata: StoreMetadata | None = None
    chunking_strategy: ChunkingBody | None = None
    expires_after: Annotated[
        dict[str, Any] | None, Meta(description="Refused (`not_implemented`): stores stay until they are deleted.")
    ] = None


class VectorStoreChangeBody(Struct, kw_only=True, omit_defaults=True):
    """What is to be changed of a vector store."""

    name: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    metadata: StoreMetadata | UnsetType | None = UNSET
    expires_after: Annotated[dict[str, Any] | None, Meta(description="Refused (`not_implemented`).")] = None


class VectorStoreBody(Struct, kw_only=True):
    """A vector store: a knowledge store of the tenant."""

    id: Annotated[str, Meta(description="`vs_` and our id.")]
    object: Literal["vector_store"] = "vector_store"
    created_at: Seconds
    name: str
    description: str | None
    usage_bytes: Annotated[int, Meta(description="The characters of text that were read of its files.")]
    file_counts: CountsBody
    status: Annotated[StoreStatus, Meta(description="`in_progress` while a file of it is indexed.")]
    expires_after: Annotated[dict[str, Any] | None, Meta(description="Always null.")] = None
    expires_at: Annotated[Seconds | None, Meta(description="Always null.")] = None
    last_active_at: Annotated[Seconds | None, Meta(description="When it was changed last.")]
    metadata: dict[str, Any]


class StoreFileOrderBody(Struct, kw_only=True, omit_defaults=True):
    """A file to be put into a vector store."""

    file_id: FileId
    attributes: Attributes | None = None
    chunking_strategy: ChunkingBody | None = None


class StoreFileChangeBody(Struct, kw_only=True, omit_defaults=True):
    """The attributes of a file of a vector store, replaced whole."""

    attributes: Attributes | None


class LastErrorBody(Struct, kw_only=True):
    """Why a file failed."""

    code: Literal["server_error", "unsupported_file", "invalid_file"]
    message: str


class OtherChunkingBody(Struct, frozen=True, kw_only=True):
    """How it was cut: at headings, paragraphs and sentences."""

    type: Literal["other"] = "other"


class StoreFileBody(Struct, kw_only=True):
    """A file of a vector store."""

    id: Annotated[str, Meta(description="The id of the file.")]
    object: Literal["vector_store.file"] = "vector_store.file"
    created_at: Seconds
    vector_store_id: str
    status: FileStatus
    usage_bytes: Annotated[int, Meta(description="The characters of text that were read of it.")]
    last_error: LastErrorBody | None
    attributes: Annotated[dict[str, Any], Meta(description="The item's metadata that are plain values.")]
    chunking_strategy: OtherChunkingBody = OtherChunkingBody()


class TextBody(Struct, kw_only=True):
    """A piece of text."""

    type: Literal["text"] = "text"
    text: str


class ContentPage(Struct, kw_only=True):
    """What was read of a file."""

    object: Literal["vector_store.file_content.page"] = "vector_store.file_content.page"
    data: list[TextBody]
    has_more: Literal[False] = False
    next_page: None = None


class BatchOrderBody(Struct, kw_only=True, omit_defaults=True):
    """Files to be put into a vector store: by id with attributes for all, or each with its own."""

    file_ids: Annotated[list[FileId], Meta(min_length=1, max_length=2000)] | None = None
    files: Annotated[list[StoreFileOrderBody], Meta(min_length=1, max_length=2000)] | None = None
    attributes: Attributes | None = None
    chunking_strategy: ChunkingBody | None = None


class BatchBody(Struct, kw_only=True):
    """Files that were put into a vector store together."""

    id: Annotated[str, Meta(description="`vsfb_` and the id of the collection that these files are in the store.")]
    object: Literal["vector_store.files_batch"] = "vector_store.files_batch"
    created_at: Seconds
    vector_store_id: str
    status: BatchStatus
    file_counts: CountsBody


class RankingBody(Struct, kw_only=True, omit_defaults=True):
    """How results are ranked."""

    ranker: Annotated[
        Annotated[str, Meta(max_length=64)] | None,
        Meta(description="`none`: without the reranker. Any other: with it, where the server has one."),
    ] = None
    score_threshold: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="The least score of a result.")
    ] = None


class SearchOrderBody(Struct, kw_only=True, omit_defaults=True):
    """What is searched for in a vector store."""

    query: Annotated[str, Meta(min_length=1, max_length=10_000)] | list[str]
    max_num_results: Annotated[int, Meta(ge=1, le=50)] = 10
    filters: Annotated[
        dict[str, Any] | None,
        Meta(
            description="`{type: eq|ne|gt|gte|lt|lte|in|nin, key, value}` of an attribute, or "
            "`{type: and|or, filters}` of several."
        ),
    ] = None
    ranking_options: RankingBody | None = None
    rewrite_query: Annotated[
        bool, Meta(description="Accepted. The search itself works with a question as it is asked; none is rewritten.")
    ] = False


class ResultBody(Struct, kw_only=True):
    """A piece of a file that was found."""

    file_id: str
    filename: str
    score: float
    attributes: dict[str, Any]
    content: list[TextBody]


class ResultsPage(Struct, kw_only=True):
    """What a search found, the best first."""

    object: Literal["vector_store.search_results.page"] = "vector_store.search_results.page"
    search_query: list[str]
    data: list[ResultBody]
    has_more: Literal[False] = False
    next_page: None = None
