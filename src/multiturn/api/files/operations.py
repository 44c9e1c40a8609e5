"""What can be asked about OpenAI's files and vector stores, described."""

from __future__ import annotations

from typing import Any

from multiturn.api.description import ANY, Body, Example, Link, Operation, Parameter, Reply
from multiturn.api.files.wire import (
    CursorPage,
    FileBody,
    FileFormBody,
    OpenAIDeleted,
    ResultsPage,
    SearchOrderBody,
    VectorStoreBody,
    VectorStoreChangeBody,
    VectorStoreOrderBody,
)
from multiturn.api.parameters import USER

FILES_TAG, STORES_TAG = "Files (OpenAI)", "Vector stores (OpenAI)"
FILE_ID = "file-6920f1a08f3c2b7d5e6a9c01"
STORE_ID = "vs_01a1fc90fa6f71679e60a7618fad9c40"
MADE_AT = 1795253400
FILE: dict[str, Any] = {
    "id": FILE_ID,
    "object": "file",
    "bytes": 51,
    "created_at": MADE_AT,
    "expires_at": None,
    "filename": "trams.md",
    "purpose": "assistants",
    "status": "processed",
    "status_details": None,
}
COUNTS = {"in_progress": 0, "completed": 1, "failed": 0, "cancelled": 0, "total": 1}
STORE: dict[str, Any] = {
    "id": STORE_ID,
    "object": "vector_store",
    "created_at": MADE_AT,
    "name": "trams",
    "description": None,
    "usage_bytes": 51,
    "file_counts": COUNTS,
    "status": "completed",
    "expires_after": None,
    "expires_at": None,
    "last_active_at": MADE_AT,
    "metadata": {"city": "Lisbon"},
}
RESULT = {
    "file_id": FILE_ID,
    "filename": "trams.md",
    "score": 0.8312,
    "attributes": {"line": 28},
    "content": [{"type": "text", "text": "Tram 28 goes from Martim Moniz to Campo de Ourique."}],
}

FILE_PATH = Parameter(
    name="file_id", place="path", schema={"type": "string"}, text="The id of the file.", example=FILE_ID
)
STORE_PATH = Parameter(
    name="vector_store_id",
    place="path",
    schema={"type": "string"},
    text="The id of the vector store; our id of the knowledge store means the same.",
    example=STORE_ID,
)
AFTER = Parameter(name="after", place="query", schema={"type": "string"}, text="An id of the listing: those behind it.")
BEFORE = Parameter(
    name="before", place="query", schema={"type": "string"}, text="An id of the listing: those in front of it."
)
ORDER = Parameter(
    name="order",
    place="query",
    schema={"type": "string", "enum": ["desc", "asc"], "default": "desc"},
    text="`desc`: the newest first; `asc`: the oldest.",
)
PURPOSE = Parameter(name="purpose", place="query", schema={"type": "string"}, text="Only those with this purpose.")


def limit(most: int, usual: int) -> Parameter:
    """How many a page holds."""
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": usual}
    return Parameter(name="limit", place="query", schema=schema, text="How many at most.")


def page(row: dict[str, Any]) -> dict[str, Any]:
    """A page of one."""
    return {"object": "list", "data": [row], "first_id": row["id"], "last_id": row["id"], "has_more": False}


INPUT: dict[int, tuple[str, ...]] = {
    400: ("invalid_request", "invalid_json", "incomplete_body", "not_storable", "not_implemented"),
    413: ("request_too_large",),
}
NO_FILE = ("asset_not_found",)
NO_STORE = ("store_not_found",)
PAGE = (limit(100, 20), AFTER, BEFORE, ORDER)


def operation(name: str, method: Any, path: str, summary: str, **fields: Any) -> Operation:
    """An operation on files or vector stores."""
    own = [one for one in (STORE_PATH, FILE_PATH) if f"{{{one.name}}}" in path]
    missing = (*NO_STORE,) if STORE_PATH in own else ()
    missing = (*missing, *NO_FILE) if FILE_PATH in own else missing
    errors = {**ANY, **(INPUT if "body" in fields else {}), **({404: missing} if missing else {})}
    return Operation(
        name=name,
        method=method,
        paths=(f"/v1{path}",),
        tag=FILES_TAG if path.startswith("/files") else STORES_TAG,
        summary=summary,
        parameters=(*own, *fields.pop("parameters", ()), USER),
        errors={**errors, **fields.pop("errors", {})},
        **fields,
    )


FILES = (
    operation(
        "createFile",
        "post",
        "/files",
        "Put a file in",
        text="It becomes an asset of the tenant, as `POST /v1/assets` makes them. `expires_after` is refused.",
        body=Body(form=FileFormBody, form_example={"file": "@trams.md", "purpose": "assistants"}),
        replies=(
            Reply(
                text="The file.",
                shape=FileBody,
                example={**FILE, "status": "uploaded"},
                links=(Link(operation="getFile", parameter="file_id", source="$response.body#/id"),),
            ),
        ),
        errors={
            400: ("invalid_request", "incomplete_body", "empty_file", "not_implemented"),
            413: ("request_too_large", "file_too_large"),
        },
    ),
    operation(
        "listFiles",
        "get",
        "/files",
        "List files",
        text="All assets, however they came.",
        parameters=(limit(10_000, 10_000), AFTER, ORDER, PURPOSE),
        replies=(Reply(text="A page of files.", shape=CursorPage[FileBody], example=page(FILE)),),
        errors={404: NO_FILE},
    ),
    operation(
        "getFile",
        "get",
        "/files/{file_id}",
        "Get a file",
        replies=(Reply(text="The file.", shape=FileBody, example=FILE),),
    ),
    operation(
        "deleteFile",
        "delete",
        "/files/{file_id}",
        "Delete a file",
        text="At once and for good, also from the vector stores that have it.",
        replies=(
            Reply(
                text="It is deleted.", shape=OpenAIDeleted, example={"id": FILE_ID, "object": "file", "deleted": True}
            ),
        ),
    ),
    operation(
        "readFileContent",
        "get",
        "/files/{file_id}/content",
        "Read a file",
        text="Its bytes; ranges work.",
        replies=(
            Reply(text="The file.", media="application/octet-stream"),
            Reply(text="The range of it that was asked for.", status=206, media="application/octet-stream"),
            Reply(text="The client has it already.", status=304, media="application/octet-stream"),
            Reply(text="The file has no such range.", status=416, media="application/octet-stream"),
        ),
        errors={404: (*NO_FILE, "file_not_found")},
    ),
)

VECTOR_STORES = (
    operation(
        "createVectorStore",
        "post",
        "/vector_stores",
        "Make a vector store",
        text="It is a knowledge store of the tenant. With `file_ids` these files are put into it, all or none; they "
        "may have been sent just now. `expires_after` and a `static` `chunking_strategy` are refused.",
        body=Body(
            shape=VectorStoreOrderBody,
            examples=(
                Example(name="store", title="A vector store", body={"name": "trams", "metadata": {"city": "Lisbon"}}),
            ),
        ),
        replies=(
            Reply(
                text="The vector store.",
                shape=VectorStoreBody,
                example={**STORE, "usage_bytes": 0, "file_counts": {**COUNTS, "completed": 0, "total": 0}},
                links=(Link(operation="getVectorStore", parameter="vector_store_id", source="$response.body#/id"),),
            ),
        ),
        errors={400: (*INPUT[400], "asset_not_ready", "asset_failed"), 404: NO_FILE},
    ),
    operation(
        "listVectorStores",
        "get",
        "/vector_stores",
        "List vector stores",
        parameters=PAGE,
        replies=(Reply(text="A page of vector stores.", shape=CursorPage[VectorStoreBody], example=page(STORE)),),
        errors={404: NO_STORE},
    ),
    operation(
        "getVectorStore",
        "get",
        "/vector_stores/{vector_store_id}",
        "Get a vector store",
        replies=(Reply(text="The vector store.", shape=VectorStoreBody, example=STORE),),
    ),
    operation(
        "changeVectorStore",
        "post",
        "/vector_stores/{vector_store_id}",
        "Change a vector store",
        body=Body(
            shape=VectorStoreChangeBody,
            examples=(Example(name="name", title="Another name", body={"name": "rails"}),),
        ),
        replies=(Reply(text="The vector store.", shape=VectorStoreBody, example={**STORE, "name": "rails"}),),
    ),
    operation(
        "deleteVectorStore",
        "delete",
        "/vector_stores/{vector_store_id}",
        "Delete a vector store",
        text="At once and for good; its files stay.",
        replies=(
            Reply(
                text="It is deleted.",
                shape=OpenAIDeleted,
                example={"id": STORE_ID, "object": "vector_store.deleted", "deleted": True},
            ),
        ),
    ),
    operation(
        "searchVectorStore",
        "post",
        "/vector_stores/{vector_store_id}/search",
        "Search in a vector store",
        body=Body(
            shape=SearchOrderBody,
            examples=(
                Example(
                    name="filtered",
                    title="A question to some of the files",
                    body={
                        "query": "Where does tram 28 go?",
                        "filters": {"type": "eq", "key": "line", "value": 28},
                        "ranking_options": {"score_threshold": 0.2},
                    },
                ),
            ),
        ),
        replies=(
            Reply(
                text="What was found, the best first.",
                shape=ResultsPage,
                example={
                    "object": "vector_store.search_results.page",
                    "search_query": ["Where does tram 28 go?"],
                    "data": [RESULT],
                    "has_more": False,
                    "next_page": None,
                },
            ),
        ),
    ),
)

OPERATIONS = (*FILES, *VECTOR_STORES)
