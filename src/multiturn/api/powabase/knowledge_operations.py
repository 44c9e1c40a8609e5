"""What can be asked of Powabase's knowledge bases, described."""

from __future__ import annotations

from multiturn.api.description import ANY, Body, Example, Operation, Reply
from multiturn.api.envelopes import POWABASE
from multiturn.api.powabase.described import BASE, KNOWLEDGE, PAGING, WRITES
from multiturn.api.powabase.knowledge_described import (
    BASE_BODY,
    BASE_ORDER,
    HIT,
    KB_ID,
    OF_BASE,
    OF_SOURCE,
    SOURCE_ID,
    SOURCE_OF_BASE,
)
from multiturn.api.powabase.knowledge_wire import (
    PowabaseBaseSourceBody,
    PowabaseBaseSourceListBody,
    PowabaseBaseSourceOrderBody,
    PowabaseHitsBody,
    PowabaseItemListBody,
    PowabaseKnowledgeBaseBody,
    PowabaseKnowledgeBaseChangeBody,
    PowabaseKnowledgeBaseListBody,
    PowabaseKnowledgeBaseOrderBody,
    PowabaseReindexBody,
    PowabaseSearchBody,
    PowabaseTextIndexBody,
)
from multiturn.api.powabase.wire import PowabaseMessageBody

MISSING = ("store_not_found",)
ROOT = f"{BASE}/knowledge-bases"
ONE = f"{ROOT}/{{knowledge_base_id}}"
EMBEDS = ("storage_failed", "embeddings_unavailable", "embedder_busy", "model_not_ready", "upstream_unavailable")
PAGE = {"total": 1, "limit": 50, "offset": 0}

BASES = (
    Operation(
        name="powabaseCreateKnowledgeBase",
        method="post",
        paths=(ROOT,),
        tag=KNOWLEDGE,
        summary="Make a knowledge base (Powabase)",
        text="It is a knowledge store of this server. Of a configuration what the server does not do is refused.",
        body=Body(
            shape=PowabaseKnowledgeBaseOrderBody,
            examples=(Example(name="base", title="A knowledge base", body=BASE_ORDER),),
        ),
        replies=(Reply(text="The knowledge base.", status=201, shape=PowabaseKnowledgeBaseBody, example=BASE_BODY),),
        errors=WRITES,
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseListKnowledgeBases",
        method="get",
        paths=(ROOT,),
        tag=KNOWLEDGE,
        summary="List knowledge bases (Powabase)",
        text="The newest first.",
        parameters=PAGING,
        replies=(
            Reply(
                text="A page.",
                shape=PowabaseKnowledgeBaseListBody,
                example={"knowledge_bases": [BASE_BODY], **PAGE},
            ),
        ),
        errors=ANY,
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseGetKnowledgeBase",
        method="get",
        paths=(ONE,),
        tag=KNOWLEDGE,
        summary="Get a knowledge base (Powabase)",
        parameters=(OF_BASE,),
        replies=(Reply(text="The knowledge base.", shape=PowabaseKnowledgeBaseBody, example=BASE_BODY),),
        errors={**ANY, 404: MISSING},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseUpdateKnowledgeBase",
        method="patch",
        paths=(ONE,),
        tag=KNOWLEDGE,
        summary="Change a knowledge base (Powabase)",
        parameters=(OF_BASE,),
        body=Body(
            shape=PowabaseKnowledgeBaseChangeBody,
            examples=(Example(name="top_k", title="Fewer chunks", body={"retrieval_config": {"top_k": 3}}),),
        ),
        replies=(Reply(text="As it is now.", shape=PowabaseKnowledgeBaseBody, example=BASE_BODY),),
        errors={**WRITES, 404: MISSING},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseDeleteKnowledgeBase",
        method="delete",
        paths=(ONE,),
        tag=KNOWLEDGE,
        summary="Delete a knowledge base (Powabase)",
        text="With its index, for good; its sources stay.",
        parameters=(OF_BASE,),
        replies=(
            Reply(text="It is deleted.", shape=PowabaseMessageBody, example={"message": "Knowledge base deleted"}),
        ),
        errors={**ANY, 404: MISSING},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseSearchKnowledgeBase",
        method="post",
        paths=(f"{ONE}/search",),
        tag=KNOWLEDGE,
        summary="Search in a knowledge base (Powabase)",
        text="By words, by meaning, or both. What is left out is as the knowledge base is configured.",
        parameters=(OF_BASE,),
        body=Body(
            shape=PowabaseSearchBody,
            examples=(Example(name="words", title="Three chunks", body={"query": "tram 28", "top_k": 3}),),
        ),
        replies=(
            Reply(
                text="What was found, the best first.",
                shape=PowabaseHitsBody,
                example={"results": [HIT], "query": "tram 28", "retrieval_method": "hybrid", "total_results": 1},
            ),
        ),
        errors={**WRITES, 404: (*MISSING, "asset_not_found"), 503: EMBEDS},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseReindexKnowledgeBase",
        method="post",
        paths=(f"{ONE}/reindex",),
        tag=KNOWLEDGE,
        summary="Index again what failed (Powabase)",
        text="Sources that are indexed are left as they are: the server makes new vectors by itself when its embedding "
        "model is another one.",
        parameters=(OF_BASE,),
        replies=(
            Reply(
                text="How many are at work again.",
                status=202,
                shape=PowabaseReindexBody,
                example={
                    "status": "up_to_date",
                    "knowledge_base_id": KB_ID,
                    "queued": 0,
                    "message": "0 failed sources are indexed again; the others are up to date.",
                },
            ),
        ),
        errors={**ANY, 404: MISSING},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseBuildTextIndex",
        method="post",
        paths=(f"{ONE}/build-bm25",),
        tag=KNOWLEDGE,
        summary="Tell whether words are indexed (Powabase)",
        text="They always are: nothing is to be built.",
        parameters=(OF_BASE,),
        replies=(
            Reply(
                text="They are.",
                shape=PowabaseTextIndexBody,
                example={
                    "status": "ready",
                    "knowledge_base_id": KB_ID,
                    "message": "Each source can be found by its words as soon as it is indexed.",
                },
            ),
        ),
        errors={**ANY, 404: MISSING},
        envelope=POWABASE,
    ),
)

HELD = (
    Operation(
        name="powabaseAddSource",
        method="post",
        paths=(f"{ONE}/sources",),
        tag=KNOWLEDGE,
        summary="Put a source into a knowledge base (Powabase)",
        text="It is read and indexed in the background. One that is there already is shown as it is, and indexed again "
        "if it had failed. Its metadata are taken along: `filter_metadata` looks at them.",
        parameters=(OF_BASE,),
        body=Body(
            shape=PowabaseBaseSourceOrderBody,
            examples=(Example(name="source", title="A source", body={"source_id": SOURCE_ID}),),
        ),
        replies=(Reply(text="The source there.", status=201, shape=PowabaseBaseSourceBody, example=SOURCE_OF_BASE),),
        errors={
            **WRITES,
            400: (*WRITES[400], "asset_not_ready", "asset_failed"),
            404: (*MISSING, "asset_not_found"),
            409: ("conflict",),
        },
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseListSourcesOfBase",
        method="get",
        paths=(f"{ONE}/sources",),
        tag=KNOWLEDGE,
        summary="List the sources of a knowledge base (Powabase)",
        text="The newest first, each with how far its indexing is.",
        parameters=(OF_BASE, *PAGING),
        replies=(
            Reply(text="A page.", shape=PowabaseBaseSourceListBody, example={"sources": [SOURCE_OF_BASE], **PAGE}),
        ),
        errors={**ANY, 404: MISSING},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseRemoveSource",
        method="delete",
        paths=(f"{ONE}/sources/{{source_id}}",),
        tag=KNOWLEDGE,
        summary="Take a source out of a knowledge base (Powabase)",
        text="With its index there; the source stays.",
        parameters=(OF_BASE, OF_SOURCE),
        replies=(
            Reply(
                text="It is out.",
                shape=PowabaseMessageBody,
                example={"message": "Source removed from knowledge base"},
            ),
        ),
        errors={**ANY, 404: (*MISSING, "asset_not_found", "item_not_found")},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseListItems",
        method="get",
        paths=(f"{ONE}/items",),
        tag=KNOWLEDGE,
        summary="List the items of a knowledge base (Powabase)",
        text="One for each source. A run takes their ids as `context_items`, and those of chunks.",
        parameters=(OF_BASE, *PAGING),
        replies=(Reply(text="A page.", shape=PowabaseItemListBody, example={"items": [SOURCE_OF_BASE], **PAGE}),),
        errors={**ANY, 404: MISSING},
        envelope=POWABASE,
    ),
)

OPERATIONS = (*BASES, *HELD)
