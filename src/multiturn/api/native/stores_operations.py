"""What can be asked about knowledge stores and their collections, described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Body, Example, Link, Operation, Parameter, Reply
from multiturn.api.native.operations import ORDER, PAGE_LIMIT
from multiturn.api.native.stores import OFFSET_MAX, STATUSES
from multiturn.api.native.stores_wire import (
    CollectionBody,
    CollectionOrderBody,
    DescribedChangeBody,
    MembersBody,
    StoreBody,
    StoreDeletedBody,
    StoreItemBody,
    StoreOrderBody,
)
from multiturn.api.native.wire import ListBody
from multiturn.api.parameters import NAME, USER

TAG = "Knowledge stores"
STORE_ID = "01a1fc90-fa6f-7167-9e60-a7618fad9c40"
ITEM_ID = "01a1fc90-fa6f-7167-9e60-a7618fad9c41"
COLLECTION_ID = "01a1fc90-fa6f-7167-9e60-a7618fad9c42"
ASSET_ID = "01a1fc90-fa6f-7167-9e60-a7618fad9c31"

ORDERED: Mapping[str, Any] = {"name": "trams", "description": "Talks about trams", "metadata": {"city": "Lisbon"}}
COUNTS = {"total": 1, "queued": 0, "pending": 0, "processing": 0, "ready": 1, "failed": 0}
STORE: Mapping[str, Any] = {
    "id": STORE_ID,
    "object": "store",
    **ORDERED,
    "ingestion_config": None,
    "items": COUNTS,
    "chunks": 42,
    "created_at": examples.BEGAN,
    "updated_at": examples.BEGAN,
}
EMPTY = {**STORE, "items": {**COUNTS, "total": 0, "ready": 0}, "chunks": 0}
ITEM: Mapping[str, Any] = {
    "id": ITEM_ID,
    "object": "store.item",
    "store_id": STORE_ID,
    "asset_id": ASSET_ID,
    "kind": "video",
    "title": "Trams of Lisbon",
    "status": "ready",
    "step": "summarise",
    "progress": 100,
    "error": None,
    "notes": [],
    "summary": "Tram 28 goes from Martim Moniz to Campo de Ourique.",
    "keywords": ["tram", "Lisbon"],
    "facts": {},
    "metadata": {"title": "Trams of Lisbon"},
    "system": {"video_width": 1280, "video_height": 720},
    "chunks": 42,
    "characters": 21840,
    "created_at": examples.BEGAN,
    "updated_at": examples.ENDED,
}
COLLECTION: Mapping[str, Any] = {
    "id": COLLECTION_ID,
    "object": "store.collection",
    "store_id": STORE_ID,
    "name": "finals",
    "description": None,
    "metadata": {},
    "members": 1,
    "created_at": examples.BEGAN,
    "updated_at": examples.BEGAN,
}

STORE_PATH = Parameter(
    name="store_id",
    place="path",
    schema=NAME,
    text="Our id of the store, or its name: the newest store of that name is meant.",
    example=STORE_ID,
)
COLLECTION_PATH = Parameter(
    name="collection_id",
    place="path",
    schema={"type": "string"},
    text="Our id of the collection.",
    example=COLLECTION_ID,
)
CURSOR = Parameter(
    name="cursor",
    place="query",
    schema={"type": "integer", "minimum": 0, "maximum": OFFSET_MAX},
    text="`next` of the page before: how many to leave out.",
)
SORT = Parameter(
    name="sort_by",
    place="query",
    schema={"type": "string", "enum": ["created_at", "updated_at", "name"], "default": "created_at"},
    text="Sort by when they were made, by when they were changed last, or by name.",
)
STATUS = Parameter(
    name="status",
    place="query",
    schema={"type": "array", "items": {"type": "string", "enum": list(STATUSES)}},
    text="Only those of this status; several by repetition.",
)
ASSET = Parameter(
    name="asset_id", place="query", schema={"type": "string", "format": "uuid"}, text="Only those of this asset."
)
IN_COLLECTION = Parameter(
    name="collection_id",
    place="query",
    schema={"type": "string", "format": "uuid"},
    text="Only those of this collection.",
)
PAGE = (PAGE_LIMIT, CURSOR, ORDER, SORT)

MISSING: Mapping[int, tuple[str, ...]] = {**ANY, 404: ("store_not_found",)}
INPUT: Mapping[int, tuple[str, ...]] = {
    **MISSING,
    400: ("invalid_request", "invalid_json", "incomplete_body", "not_storable"),
    413: ("request_too_large",),
}
NOT_FOUND = ("store_not_found", "collection_not_found")
CHANGE = Example(name="change", title="Another description", body={"description": "Talks about trams and funiculars"})
MEMBERS = Example(name="items", title="One item", body={"item_ids": [ITEM_ID]})

STORES = (
    Operation(
        name="createStore",
        method="post",
        paths=("/v1/stores",),
        tag=TAG,
        summary="Make a knowledge store",
        text="A set of files that are searched together. Two may have one name; then the name means the newer one.",
        parameters=(USER,),
        body=Body(
            shape=StoreOrderBody,
            examples=(
                Example(name="store", title="A store", body=dict(ORDERED)),
                Example(
                    name="extraction",
                    title="A store whose items are asked for facts",
                    body={
                        "name": "adverts",
                        "ingestion_config": {
                            "enrichment_config": {
                                "type": "json_schema",
                                "json_schema": {
                                    "type": "object",
                                    "properties": {"brand": {"type": "string", "description": "The brand"}},
                                },
                            }
                        },
                    },
                ),
            ),
        ),
        replies=(
            Reply(
                text="The store.",
                status=201,
                shape=StoreBody,
                example=EMPTY,
                links=(
                    Link(operation="getStore", parameter="store_id", source="$response.body#/id"),
                    Link(operation="addStoreItem", parameter="store_id", source="$response.body#/id"),
                    Link(operation="deleteStore", parameter="store_id", source="$response.body#/id"),
                ),
            ),
        ),
        errors={
            **ANY,
            400: (*INPUT[400], "ingestion_config_invalid"),
            413: ("request_too_large",),
        },
    ),
    Operation(
        name="listStores",
        method="get",
        paths=("/v1/stores",),
        tag=TAG,
        summary="List knowledge stores",
        parameters=(*PAGE, USER),
        replies=(
            Reply(
                text="A page of stores. `next` is the `cursor` of the page behind it.",
                shape=ListBody[StoreBody],
                example=examples.page(dict(STORE)),
            ),
        ),
        errors=ANY,
    ),
    Operation(
        name="getStore",
        method="get",
        paths=("/v1/stores/{store_id}",),
        tag=TAG,
        summary="Get a knowledge store",
        parameters=(STORE_PATH, USER),
        replies=(Reply(text="The store, with its items counted.", shape=StoreBody, example=dict(STORE)),),
        errors=MISSING,
    ),
    Operation(
        name="changeStore",
        method="patch",
        paths=("/v1/stores/{store_id}",),
        tag=TAG,
        summary="Change a knowledge store",
        text="Its name, description or metadata. What is extracted of its items never changes.",
        parameters=(STORE_PATH, USER),
        body=Body(shape=DescribedChangeBody, examples=(CHANGE,)),
        replies=(
            Reply(text="The store.", shape=StoreBody, example={**STORE, **CHANGE.body, "updated_at": examples.ENDED}),
        ),
        errors=INPUT,
    ),
    Operation(
        name="deleteStore",
        method="delete",
        paths=("/v1/stores/{store_id}",),
        tag=TAG,
        summary="Delete a knowledge store",
        text="At once and for good, with its items, their text and index, and its collections. The assets stay, and so "
        "do the citations in answers.",
        parameters=(STORE_PATH, USER),
        replies=(
            Reply(
                text="It is deleted.",
                shape=StoreDeletedBody,
                example={"id": STORE_ID, "object": "store.deleted", "deleted": True},
            ),
        ),
        errors=MISSING,
    ),
)


def collection_operation(
    name: str, method: Any, summary: str, *, path: str = "/{collection_id}", **fields: Any
) -> Operation:
    """An operation on the collections of a store."""
    own = (COLLECTION_PATH,) if "{collection_id}" in path else ()
    parameters = (STORE_PATH, *own, *fields.pop("parameters", ()), USER)
    errors = {**(INPUT if "body" in fields else ANY), 404: NOT_FOUND if own else ("store_not_found",)}
    return Operation(
        name=name,
        method=method,
        paths=(f"/v1/stores/{{store_id}}/collections{path}",),
        tag=TAG,
        summary=summary,
        parameters=parameters,
        errors={**errors, **fields.pop("errors", {})},
        **fields,
    )


TAKEN: Mapping[int, tuple[str, ...]] = {409: ("collection_exists",)}
SHOWN = Reply(text="The collection.", shape=CollectionBody, example=dict(COLLECTION))

COLLECTIONS = (
    collection_operation(
        "createStoreCollection",
        "post",
        "Make a collection",
        path="",
        text="A named part of a store: items that are searched, or talked about, by themselves.",
        body=Body(
            shape=CollectionOrderBody,
            examples=(Example(name="collection", title="A collection", body={"name": "finals"}),),
        ),
        replies=(
            Reply(
                text="The collection.",
                status=201,
                shape=CollectionBody,
                example={**COLLECTION, "members": 0},
                links=(
                    Link(operation="getStoreCollection", parameter="collection_id", source="$response.body#/id"),
                    Link(operation="deleteStoreCollection", parameter="collection_id", source="$response.body#/id"),
                ),
            ),
        ),
        errors=TAKEN,
    ),
    collection_operation(
        "listStoreCollections",
        "get",
        "List the collections of a store",
        path="",
        parameters=PAGE,
        replies=(
            Reply(
                text="A page of collections.", shape=ListBody[CollectionBody], example=examples.page(dict(COLLECTION))
            ),
        ),
    ),
    collection_operation("getStoreCollection", "get", "Get a collection", replies=(SHOWN,)),
    collection_operation(
        "changeStoreCollection",
        "patch",
        "Change a collection",
        body=Body(shape=DescribedChangeBody, examples=(CHANGE,)),
        replies=(SHOWN,),
        errors=TAKEN,
    ),
    collection_operation(
        "deleteStoreCollection",
        "delete",
        "Delete a collection",
        text="Its items stay in the store.",
        replies=(
            Reply(
                text="It is deleted.",
                shape=StoreDeletedBody,
                example={"id": COLLECTION_ID, "object": "store.collection.deleted", "deleted": True},
            ),
        ),
    ),
    collection_operation(
        "listStoreCollectionItems",
        "get",
        "List the items of a collection",
        path="/{collection_id}/items",
        parameters=(STATUS, ASSET, *PAGE),
        replies=(Reply(text="A page of items.", shape=ListBody[StoreItemBody], example=examples.page(dict(ITEM))),),
    ),
    collection_operation(
        "addStoreCollectionItems",
        "post",
        "Add items to a collection",
        path="/{collection_id}/items/add",
        text="All of them, or none where one is not in the store; those that are in it stay.",
        body=Body(shape=MembersBody, examples=(MEMBERS,)),
        replies=(SHOWN,),
        errors={404: (*NOT_FOUND, "item_not_found")},
    ),
    collection_operation(
        "removeStoreCollectionItems",
        "post",
        "Take items out of a collection",
        path="/{collection_id}/items/remove",
        text="They stay in the store; those that are not in the collection do not matter.",
        body=Body(shape=MembersBody, examples=(MEMBERS,)),
        replies=(SHOWN,),
        errors={404: (*NOT_FOUND, "item_not_found")},
    ),
)

OPERATIONS = (*STORES, *COLLECTIONS)
