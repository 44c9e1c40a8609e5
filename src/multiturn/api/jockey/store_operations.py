"""What can be asked of Jockey's knowledge stores, their items and collections, described."""

from __future__ import annotations

from typing import Any, get_args

from multiturn.api.description import ANY, Body, Example, Operation, Reply
from multiturn.api.envelopes import JOCKEY
from multiturn.api.jockey.described import (
    ASSET_ID,
    BASE,
    COLLECTION,
    EMPTY,
    ITEM,
    ITEM_ID,
    OF_COLLECTION,
    OF_ITEM,
    OF_STORE,
    OPTION,
    PAGED,
    READS,
    SORTED,
    STORE,
    STORES,
    list_words,
    page_of,
    sort_by,
)
from multiturn.api.jockey.reading import NAMES
from multiturn.api.jockey.store_wire import (
    JockeyChangeBody,
    JockeyCollectionBody,
    JockeyCollectionOrderBody,
    JockeyHitsBody,
    JockeyItemBody,
    JockeyItemOrderBody,
    JockeyMembersBody,
    JockeySearchBody,
    JockeyStoreBody,
    JockeyStoreOrderBody,
)
from multiturn.api.jockey.wire import JockeyPageBody
from multiturn.model.store import ItemStatus

ALL = f"{BASE}/knowledge-stores"
ONE = f"{ALL}/{{knowledge_store_id}}"
ITEMS, COLLECTIONS = f"{ONE}/items", f"{ONE}/item-collections"
AN_ITEM, A_COLLECTION = f"{ITEMS}/{{item_id}}", f"{COLLECTIONS}/{{collection_id}}"
NO_STORE = {404: ("store_not_found",)}
NO_ITEM = {404: ("store_not_found", "item_not_found")}
NO_COLLECTION = {404: ("store_not_found", "collection_not_found")}
EXISTS = {409: ("collection_exists",)}
SEARCHES = {
    **READS,
    400: ("invalid_request", "invalid_json", "incomplete_body", "page_token_expired"),
    503: ("storage_failed", "embeddings_unavailable", "embedder_busy", "model_not_ready", "upstream_unavailable"),
}

HITS: dict[str, Any] = {
    "data": [
        {
            "asset_type": "video",
            "rank": 1,
            "item_id": ITEM_ID,
            "matches": [
                {
                    "start_sec": 540.0,
                    "end_sec": 561.5,
                    "modalities": ["audio"],
                    "transcription": "And here we board tram 28 for the way back.",
                    "text": "And here we board tram 28 for the way back.",
                    "score": 0.8,
                    "clip_url": "http://127.0.0.1:8000/media/Xy0/file/lisbon.mp4#t=540,561.5",
                }
            ],
            "title": "A walk through Lisbon",
            "asset_id": ASSET_ID,
            "score": 0.8,
        }
    ],
    "effective_search_options": {"video": {"modalities": ["visual", "audio"]}},
}
NEW = Example(name="store", title="A store", body={"name": "Journeys", "metadata": {"team": "travel"}})
CHANGE = Example(name="change", title="Another description", body={"description": "Walks through cities"})
NEW_COLLECTION = Example(name="collection", title="A collection", body={"name": "Portugal"})
MEMBERS = Example(name="members", title="An item", body={"item_ids": [ITEM_ID]})
SEARCH = Example(
    name="search",
    title="What is seen and said",
    body={
        "query": {"text": "a ride on a tram"},
        "search_options": {"video": {"modalities": ["visual", "audio"]}},
    },
)

OF_STORES = (
    Operation(
        name="jockeyListStores",
        method="get",
        paths=(ALL,),
        tag=STORES,
        summary="List knowledge stores (Jockey)",
        parameters=SORTED,
        replies=(Reply(text="A page.", shape=JockeyPageBody[JockeyStoreBody], example=page_of(STORE)),),
        errors=ANY,
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyCreateStore",
        method="post",
        paths=(ALL,),
        tag=STORES,
        summary="Make a knowledge store (Jockey)",
        body=Body(shape=JockeyStoreOrderBody, examples=(NEW,)),
        replies=(Reply(text="It is made.", status=201, shape=JockeyStoreBody, example=STORE),),
        errors={**READS, 400: ("invalid_request", "invalid_json", "incomplete_body", "ingestion_config_invalid")},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyGetStore",
        method="get",
        paths=(ONE,),
        tag=STORES,
        summary="Get a knowledge store (Jockey)",
        parameters=(OF_STORE,),
        replies=(Reply(text="The store.", shape=JockeyStoreBody, example=STORE),),
        errors={**ANY, **NO_STORE},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyUpdateStore",
        method="patch",
        paths=(ONE,),
        tag=STORES,
        summary="Change a knowledge store (Jockey)",
        parameters=(OF_STORE,),
        body=Body(shape=JockeyChangeBody, examples=(CHANGE,)),
        replies=(Reply(text="As it is now.", shape=JockeyStoreBody, example=STORE),),
        errors={**READS, **NO_STORE},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyDeleteStore",
        method="delete",
        paths=(ONE,),
        tag=STORES,
        summary="Delete a knowledge store (Jockey)",
        text="With its items; the assets stay.",
        parameters=(OF_STORE,),
        replies=(EMPTY,),
        errors={**ANY, **NO_STORE},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeySearchStore",
        method="post",
        paths=(f"{ONE}/search",),
        tag=STORES,
        summary="Search a knowledge store (Jockey)",
        parameters=(OF_STORE,),
        body=Body(shape=JockeySearchBody, examples=(SEARCH,)),
        replies=(Reply(text="What was found, the best first.", shape=JockeyHitsBody, example=HITS),),
        errors={**SEARCHES, **NO_STORE},
        envelope=JOCKEY,
    ),
)

OF_ITEMS = (
    Operation(
        name="jockeyListItems",
        method="get",
        paths=(ITEMS,),
        tag=STORES,
        summary="List the items of a knowledge store (Jockey)",
        parameters=(
            OF_STORE,
            *SORTED,
            list_words("status", get_args(ItemStatus), "Only those of these statuses; the parameter is repeated."),
        ),
        replies=(Reply(text="A page.", shape=JockeyPageBody[JockeyItemBody], example=page_of(ITEM)),),
        errors={**ANY, **NO_STORE},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyCreateItem",
        method="post",
        paths=(ITEMS,),
        tag=STORES,
        summary="Put an asset into a knowledge store (Jockey)",
        text="It is indexed in the background: ask for the item until it is `ready`.",
        parameters=(OF_STORE,),
        body=Body(
            shape=JockeyItemOrderBody,
            examples=(Example(name="item", title="An asset", body={"asset_id": ASSET_ID}),),
        ),
        replies=(Reply(text="It waits to be indexed.", status=202, shape=JockeyItemBody, example=ITEM),),
        errors={
            **READS,
            400: (
                *("invalid_request", "invalid_json", "incomplete_body"),
                *("asset_not_ready", "asset_failed", "asset_kind_wrong"),
            ),
            404: ("store_not_found", "asset_not_found"),
        },
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyGetItem",
        method="get",
        paths=(AN_ITEM,),
        tag=STORES,
        summary="Get an item (Jockey)",
        parameters=(OF_STORE, OF_ITEM),
        replies=(Reply(text="The item.", shape=JockeyItemBody, example=ITEM),),
        errors={**ANY, **NO_ITEM},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyDeleteItem",
        method="delete",
        paths=(AN_ITEM,),
        tag=STORES,
        summary="Take an item out of its store (Jockey)",
        text="The asset stays.",
        parameters=(OF_STORE, OF_ITEM),
        replies=(EMPTY,),
        errors={**ANY, **NO_ITEM},
        envelope=JOCKEY,
    ),
)

OF_COLLECTIONS = (
    Operation(
        name="jockeyListCollections",
        method="get",
        paths=(COLLECTIONS,),
        tag=STORES,
        summary="List collections (Jockey)",
        parameters=(OF_STORE, *PAGED, sort_by(*NAMES), OPTION),
        replies=(Reply(text="A page.", shape=JockeyPageBody[JockeyCollectionBody], example=page_of(COLLECTION)),),
        errors={**ANY, **NO_STORE},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyCreateCollection",
        method="post",
        paths=(COLLECTIONS,),
        tag=STORES,
        summary="Make a collection (Jockey)",
        parameters=(OF_STORE,),
        body=Body(shape=JockeyCollectionOrderBody, examples=(NEW_COLLECTION,)),
        replies=(Reply(text="It is made.", status=201, shape=JockeyCollectionBody, example=COLLECTION),),
        errors={**READS, **NO_STORE, **EXISTS},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyGetCollection",
        method="get",
        paths=(A_COLLECTION,),
        tag=STORES,
        summary="Get a collection (Jockey)",
        parameters=(OF_STORE, OF_COLLECTION),
        replies=(Reply(text="The collection.", shape=JockeyCollectionBody, example=COLLECTION),),
        errors={**ANY, **NO_COLLECTION},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyUpdateCollection",
        method="patch",
        paths=(A_COLLECTION,),
        tag=STORES,
        summary="Change a collection (Jockey)",
        parameters=(OF_STORE, OF_COLLECTION),
        body=Body(shape=JockeyChangeBody, examples=(CHANGE,)),
        replies=(Reply(text="As it is now.", shape=JockeyCollectionBody, example=COLLECTION),),
        errors={**READS, **NO_COLLECTION, **EXISTS},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyDeleteCollection",
        method="delete",
        paths=(A_COLLECTION,),
        tag=STORES,
        summary="Delete a collection (Jockey)",
        text="Its items stay in the store.",
        parameters=(OF_STORE, OF_COLLECTION),
        replies=(EMPTY,),
        errors={**ANY, **NO_COLLECTION},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyListMembers",
        method="get",
        paths=(f"{A_COLLECTION}/items",),
        tag=STORES,
        summary="List the items of a collection (Jockey)",
        parameters=(OF_STORE, OF_COLLECTION, *PAGED),
        replies=(Reply(text="A page.", shape=JockeyPageBody[JockeyItemBody], example=page_of(ITEM)),),
        errors={**ANY, **NO_COLLECTION},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyAddMembers",
        method="post",
        paths=(f"{A_COLLECTION}/items/add",),
        tag=STORES,
        summary="Put items into a collection (Jockey)",
        parameters=(OF_STORE, OF_COLLECTION),
        body=Body(shape=JockeyMembersBody, examples=(MEMBERS,)),
        replies=(Reply(text="The collection.", shape=JockeyCollectionBody, example=COLLECTION),),
        errors={**READS, 404: ("store_not_found", "collection_not_found", "item_not_found")},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyRemoveMembers",
        method="post",
        paths=(f"{A_COLLECTION}/items/remove",),
        tag=STORES,
        summary="Take items out of a collection (Jockey)",
        parameters=(OF_STORE, OF_COLLECTION),
        body=Body(shape=JockeyMembersBody, examples=(MEMBERS,)),
        replies=(EMPTY,),
        errors={**READS, **NO_COLLECTION},
        envelope=JOCKEY,
    ),
)
