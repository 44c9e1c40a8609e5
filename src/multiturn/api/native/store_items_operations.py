"""What can be asked about the items of knowledge stores, described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Body, Example, Link, Operation, Parameter, Reply
from multiturn.api.native.store_search_wire import StoreHitsBody, StoreSearchBody
from multiturn.api.native.stores_operations import (
    ASSET,
    ASSET_ID,
    IN_COLLECTION,
    INPUT,
    ITEM,
    ITEM_ID,
    MISSING,
    PAGE,
    STATUS,
    STORE_PATH,
    TAG,
)
from multiturn.api.native.stores_wire import (
    AddedListBody,
    ExcerptBody,
    OutlineBody,
    StoreDeletedBody,
    StoreEventBody,
    StoreItemBody,
    StoreItemChangeBody,
    StoreItemOrderBody,
    StoreItemsOrderBody,
)
from multiturn.api.native.wire import ListBody
from multiturn.api.parameters import USER

ITEM_PATH = Parameter(
    name="item_id", place="path", schema={"type": "string"}, text="Our id of the item.", example=ITEM_ID
)
TEXT_PLACES = (
    Parameter(
        name="page", place="query", schema={"type": "integer", "minimum": 0}, text="What stands on this page, from 1."
    ),
    Parameter(
        name="from_s", place="query", schema={"type": "number", "minimum": 0}, text="What is said from this second on."
    ),
    Parameter(
        name="to_s", place="query", schema={"type": "number", "minimum": 0}, text="What is said before this second."
    ),
    Parameter(
        name="cursor",
        place="query",
        schema={"type": "integer", "minimum": 0},
        text="What stands from this character on. `next` of the page before has it.",
    ),
)
QUEUED: Mapping[str, Any] = {
    **ITEM,
    "status": "queued",
    "step": None,
    "progress": 0,
    "summary": None,
    "keywords": [],
    "system": {},
    "chunks": 0,
    "characters": 0,
    "updated_at": examples.BEGAN,
}
PLACE = {"start_s": 12.4, "end_s": 31.0, "shot": 2}
EXCERPT = {
    "start": 0,
    "end": 51,
    "text": "Tram 28 goes from Martim Moniz to Campo de Ourique.",
    "modality": "speech",
    "place": PLACE,
}
SECTION = {"label": "Tram 28 goes from Martim Moniz", "start": 0, "end": 51, "place": PLACE}
OUTLINE = {
    "object": "outline",
    "item_id": ITEM_ID,
    "title": ITEM["title"],
    "summary": ITEM["summary"],
    "sections": [SECTION],
    "highlights": [],
    "is_complete": True,
}
HIT = {
    "item_id": ITEM_ID,
    "asset_id": ASSET_ID,
    "title": ITEM["title"],
    "kind": "video",
    "chunk": 0,
    "text": EXCERPT["text"],
    "start": 0,
    "end": 51,
    "modality": "speech",
    "place": PLACE,
    "score": 0.8312,
    "lexical": 4.1,
    "similarity": 0.6127,
    "reranked": None,
    "metadata": ITEM["metadata"],
    "url": "https://chat.example/media/AQGh_JD6/file/trams.mp4#t=12.4,31",
    "thumbnail_url": "https://chat.example/media/AQGh_JD6/frames/2.jpg",
}
NEW_ITEM = {"asset_id": ASSET_ID, "metadata": {"title": "Trams of Lisbon"}}
FRAMES = (
    'event: item\ndata: {"type":"item","item_id":"' + ITEM_ID + '","title":"Trams of Lisbon","status":"processing",'
    '"step":"embed","progress":64,"error":null,"items":null}\n\n'
)

WRONG_ASSET = ("asset_not_ready", "asset_failed", "asset_kind_wrong")
NO_ITEM: Mapping[int, tuple[str, ...]] = {**ANY, 404: ("store_not_found", "item_not_found")}


def item_operation(name: str, method: Any, summary: str, *, path: str = "", **fields: Any) -> Operation:
    """An operation on one item of a store."""
    return Operation(
        name=name,
        method=method,
        paths=(f"/v1/stores/{{store_id}}/items/{{item_id}}{path}",),
        tag=TAG,
        summary=summary,
        parameters=(STORE_PATH, ITEM_PATH, *fields.pop("parameters", ()), USER),
        errors={**NO_ITEM, **fields.pop("errors", {})},
        **fields,
    )


SHOWN = Reply(text="The item.", shape=StoreItemBody, example=dict(ITEM))

OPERATIONS = (
    Operation(
        name="addStoreItem",
        method="post",
        paths=("/v1/stores/{store_id}/items",),
        tag=TAG,
        summary="Put an asset into a knowledge store",
        text="It is read and indexed in the background; follow it by its `status`, or by the events of the store. An "
        "asset that is in the store already gives that item, which is indexed again if it had failed.",
        parameters=(STORE_PATH, USER),
        body=Body(
            shape=StoreItemOrderBody,
            examples=(Example(name="item", title="A recording with a title", body=NEW_ITEM),),
        ),
        replies=(
            Reply(
                text="The item.",
                status=202,
                shape=StoreItemBody,
                example=dict(QUEUED),
                links=(Link(operation="getStoreItem", parameter="item_id", source="$response.body#/id"),),
            ),
        ),
        errors={**INPUT, 400: (*INPUT[400], *WRONG_ASSET), 404: ("store_not_found", "asset_not_found")},
    ),
    Operation(
        name="addStoreItems",
        method="post",
        paths=("/v1/stores/{store_id}/items/batch",),
        tag=TAG,
        summary="Put several assets into a knowledge store",
        text="At most 100. One that cannot be put in is told with its reason, and does not keep the others out.",
        parameters=(STORE_PATH, USER),
        body=Body(
            shape=StoreItemsOrderBody,
            examples=(Example(name="items", title="One of several", body={"items": [NEW_ITEM]}),),
        ),
        replies=(
            Reply(
                text="What became of each.",
                status=202,
                shape=AddedListBody,
                example={
                    "object": "list",
                    "data": [{"asset_id": ASSET_ID, "item": dict(QUEUED), "error": None}],
                },
            ),
        ),
        errors=INPUT,
    ),
    Operation(
        name="listStoreItems",
        method="get",
        paths=("/v1/stores/{store_id}/items",),
        tag=TAG,
        summary="List the items of a knowledge store",
        parameters=(STORE_PATH, STATUS, ASSET, IN_COLLECTION, *PAGE, USER),
        replies=(
            Reply(
                text="A page of items. `next` is the `cursor` of the page behind it.",
                shape=ListBody[StoreItemBody],
                example=examples.page(dict(ITEM)),
            ),
        ),
        errors={**MISSING, 404: ("store_not_found", "collection_not_found")},
    ),
    item_operation(
        "getStoreItem", "get", "Get an item", text="With how far it is, and why it failed.", replies=(SHOWN,)
    ),
    item_operation(
        "changeStoreItem",
        "patch",
        "Change the title or the metadata of an item",
        body=Body(
            shape=StoreItemChangeBody,
            examples=(Example(name="title", title="Another title", body={"title": "Trams of Lisbon"}),),
        ),
        replies=(SHOWN,),
        errors={400: INPUT[400], 413: INPUT[413]},
    ),
    item_operation(
        "deleteStoreItem",
        "delete",
        "Delete an item",
        text="At once and for good, with its text and index. The asset stays, and so do the citations in answers.",
        replies=(
            Reply(
                text="It is deleted.",
                shape=StoreDeletedBody,
                example={"id": ITEM_ID, "object": "store.item.deleted", "deleted": True},
            ),
        ),
    ),
    item_operation(
        "retryStoreItem",
        "post",
        "Index an item again that failed",
        path="/retry",
        text="It goes on at the step where it failed. Any other item stays as it is.",
        replies=(Reply(text="The item.", status=202, shape=StoreItemBody, example=dict(QUEUED)),),
    ),
    item_operation(
        "readStoreItemOutline",
        "get",
        "What an item is about, and where",
        path="/outline",
        text="Its summary, its headings and pages or its shots and minutes, and what stands for a stretch of it.",
        replies=(Reply(text="The outline.", shape=OutlineBody, example=OUTLINE),),
    ),
    item_operation(
        "readStoreItemText",
        "get",
        "What an item says",
        path="/text",
        text="On a page, in a stretch of time, or from a character on: what was read of its file, piece by piece.",
        parameters=TEXT_PLACES,
        replies=(Reply(text="Pieces of text.", shape=ListBody[ExcerptBody], example=examples.page(EXCERPT)),),
    ),
    Operation(
        name="followStore",
        method="get",
        paths=("/v1/stores/{store_id}/events",),
        tag=TAG,
        summary="Follow the indexing of a knowledge store",
        text="Server-sent events: each item that is at work, again whenever its status, step or progress changes; an "
        "`end` with the items counted when nothing is at work any more, which may be at once.",
        parameters=(STORE_PATH, USER),
        replies=(Reply(text="The events.", events=StoreEventBody, events_example=FRAMES),),
        errors=MISSING,
    ),
    Operation(
        name="searchStore",
        method="post",
        paths=("/v1/stores/{store_id}/search",),
        tag=TAG,
        summary="Search in a knowledge store",
        text="By words (BM25), by vectors (cosine), or both. Each hit has its place, and a link that opens the file "
        "there.",
        parameters=(STORE_PATH, USER),
        body=Body(
            shape=StoreSearchBody,
            examples=(
                Example(
                    name="spoken",
                    title="What is said, in a conversation",
                    body={
                        "text": "When does he say that?",
                        "earlier": ["Where does tram 28 begin?"],
                        "modalities": ["speech"],
                        "limit": 3,
                    },
                ),
            ),
        ),
        replies=(
            Reply(
                text="The chunks that were found, the best first.",
                shape=StoreHitsBody,
                example={"object": "list", "data": [HIT], "mode": "hybrid", "took_ms": 3.4},
            ),
        ),
        errors={
            **INPUT,
            404: ("store_not_found", "collection_not_found", "item_not_found"),
            503: ("storage_failed", "embeddings_unavailable"),
        },
    ),
)
