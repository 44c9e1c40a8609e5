"""What can be asked about the files of OpenAI's vector stores and their batches, described."""

from __future__ import annotations

from typing import Any

from multiturn.api.description import Body, Example, Operation, Parameter, Reply
from multiturn.api.files.operations import COUNTS, FILE_ID, MADE_AT, PAGE, STORE_ID, operation, page
from multiturn.api.files.wire import (
    BatchBody,
    BatchOrderBody,
    ContentPage,
    CursorPage,
    OpenAIDeleted,
    StoreFileBody,
    StoreFileChangeBody,
    StoreFileOrderBody,
)

BATCH_ID = "vsfb_01a1fc90fa6f71679e60a7618fad9c42"
STORE_FILE: dict[str, Any] = {
    "id": FILE_ID,
    "object": "vector_store.file",
    "created_at": MADE_AT,
    "vector_store_id": STORE_ID,
    "status": "completed",
    "usage_bytes": 51,
    "last_error": None,
    "attributes": {"line": 28},
    "chunking_strategy": {"type": "other"},
}
BEGUN = {**STORE_FILE, "status": "in_progress", "usage_bytes": 0}
BATCH: dict[str, Any] = {
    "id": BATCH_ID,
    "object": "vector_store.files_batch",
    "created_at": MADE_AT,
    "vector_store_id": STORE_ID,
    "status": "completed",
    "file_counts": COUNTS,
}
CONTENT = {
    "object": "vector_store.file_content.page",
    "data": [{"type": "text", "text": "Tram 28 goes from Martim Moniz to Campo de Ourique."}],
    "has_more": False,
    "next_page": None,
}
ORDERED = {"file_id": FILE_ID, "attributes": {"line": 28}}

BATCH_PATH = Parameter(
    name="batch_id", place="path", schema={"type": "string"}, text="The id of the batch.", example=BATCH_ID
)
STATUS = Parameter(
    name="filter",
    place="query",
    schema={"type": "string", "enum": ["in_progress", "completed", "failed", "cancelled"]},
    text="Only files of this status; one that was cancelled is no longer in the store.",
)
NO_ITEM = ("store_not_found", "asset_not_found", "item_not_found")
NO_BATCH = ("store_not_found", "collection_not_found")
WRONG_FILE = ("asset_not_ready", "asset_failed")
SHOWN = Reply(text="The file.", shape=StoreFileBody, example=STORE_FILE)
LISTED = Reply(text="A page of files.", shape=CursorPage[StoreFileBody], example=page(STORE_FILE))
SHOWN_BATCH = Reply(text="The batch.", shape=BatchBody, example=BATCH)


def of_store(name: str, method: Any, path: str, summary: str, **fields: Any) -> Operation:
    """An operation on files of a vector store."""
    own = (BATCH_PATH,) if "{batch_id}" in path else ()
    missing = NO_ITEM if "{file_id}" in path else NO_BATCH if own else ("store_not_found",)
    parameters = (*own, *fields.pop("parameters", ()))
    errors = {404: missing, **fields.pop("errors", {})}
    path = f"/vector_stores/{{vector_store_id}}{path}"
    return operation(name, method, path, summary, parameters=parameters, errors=errors, **fields)


OPERATIONS = (
    of_store(
        "addVectorStoreFile",
        "post",
        "/files",
        "Put a file into a vector store",
        text="It is read and indexed in the background: ask until its `status` is `completed` or `failed`. A file that "
        "was sent just now is waited for, for up to 30 s.",
        body=Body(shape=StoreFileOrderBody, examples=(Example(name="file", title="A file", body=ORDERED),)),
        replies=(Reply(text="The file.", shape=StoreFileBody, example=BEGUN),),
        errors={
            400: ("invalid_request", "invalid_json", "incomplete_body", "not_storable", "not_implemented", *WRONG_FILE),
            404: ("store_not_found", "asset_not_found"),
        },
    ),
    of_store(
        "listVectorStoreFiles",
        "get",
        "/files",
        "List the files of a vector store",
        parameters=(*PAGE, STATUS),
        replies=(LISTED,),
        errors={404: NO_ITEM},
    ),
    of_store("getVectorStoreFile", "get", "/files/{file_id}", "Get a file of a vector store", replies=(SHOWN,)),
    of_store(
        "changeVectorStoreFile",
        "post",
        "/files/{file_id}",
        "Change the attributes of a file of a vector store",
        body=Body(
            shape=StoreFileChangeBody,
            examples=(Example(name="attributes", title="Others", body={"attributes": {"line": 28}}),),
        ),
        replies=(SHOWN,),
    ),
    of_store(
        "deleteVectorStoreFile",
        "delete",
        "/files/{file_id}",
        "Take a file out of a vector store",
        text="At once and for good, with its text and index. The file itself stays.",
        replies=(
            Reply(
                text="It is taken out.",
                shape=OpenAIDeleted,
                example={"id": FILE_ID, "object": "vector_store.file.deleted", "deleted": True},
            ),
        ),
    ),
    of_store(
        "readVectorStoreFile",
        "get",
        "/files/{file_id}/content",
        "Read what a file of a vector store says",
        text="The text that was read of it, piece by piece.",
        replies=(Reply(text="Its text.", shape=ContentPage, example=CONTENT),),
    ),
    of_store(
        "createVectorStoreFileBatch",
        "post",
        "/file_batches",
        "Put several files into a vector store",
        text="A file that cannot be put in is counted as failed and does not keep the others out; the metadata of the "
        "collection that the batch is in the store have the reasons.",
        body=Body(
            shape=BatchOrderBody,
            examples=(
                Example(name="ids", title="Files by id", body={"file_ids": [FILE_ID]}),
                Example(name="files", title="Files with attributes of their own", body={"files": [ORDERED]}),
            ),
        ),
        replies=(
            Reply(
                text="The batch.",
                shape=BatchBody,
                example={
                    **BATCH,
                    "status": "in_progress",
                    "file_counts": {**COUNTS, "in_progress": 1, "completed": 0},
                },
            ),
        ),
    ),
    of_store(
        "getVectorStoreFileBatch", "get", "/file_batches/{batch_id}", "How far a file batch is", replies=(SHOWN_BATCH,)
    ),
    of_store(
        "cancelVectorStoreFileBatch",
        "post",
        "/file_batches/{batch_id}/cancel",
        "Cancel a file batch",
        text="Files of it that are not indexed yet are taken out of the store.",
        replies=(SHOWN_BATCH,),
    ),
    of_store(
        "listVectorStoreFileBatchFiles",
        "get",
        "/file_batches/{batch_id}/files",
        "List the files of a file batch",
        parameters=(*PAGE, STATUS),
        replies=(LISTED,),
        errors={404: (*NO_BATCH, "asset_not_found", "item_not_found")},
    ),
)
