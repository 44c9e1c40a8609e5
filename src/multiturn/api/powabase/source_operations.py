"""What can be asked of Powabase's sources and context handlers, described."""

from __future__ import annotations

from multiturn.api.description import ANY, Body, Example, Operation, Parameter, Reply
from multiturn.api.envelopes import POWABASE
from multiturn.api.powabase.described import BASE, KNOWLEDGE, PAGING, WRITES
from multiturn.api.powabase.knowledge_described import HANDLER, KB_ID, OF_HANDLER, OF_SOURCE, SOURCE
from multiturn.api.powabase.knowledge_operations import EMBEDS, PAGE
from multiturn.api.powabase.knowledge_wire import (
    PowabaseHandlerBody,
    PowabaseHandlerListBody,
    PowabaseHandlerOrderBody,
)
from multiturn.api.powabase.source_wire import (
    PowabaseSourceBody,
    PowabaseSourceFormBody,
    PowabaseSourceListBody,
    PowabaseSourceUrlBody,
)
from multiturn.api.powabase.wire import PowabaseMessageBody

MISSING = ("asset_not_found",)
ROOT, HANDLERS = f"{BASE}/sources", f"{BASE}/context-handlers"
NEW = {**SOURCE, "file_type": None, "page_count": None, "extraction_status": "extracting"}
BY_NAME = Parameter(
    name="search",
    place="query",
    schema={"type": "string"},
    text="Only those whose name has this in it, in upper or lower case.",
)

SOURCES = (
    Operation(
        name="powabaseUploadSource",
        method="post",
        paths=(f"{ROOT}/upload",),
        tag=KNOWLEDGE,
        summary="Put a file in (Powabase)",
        text="It is streamed, never whole in memory. Documents, recordings, video and pictures are read.",
        body=Body(
            form=PowabaseSourceFormBody,
            form_example={"file": "@trams.pdf", "metadata": '{"team": "transport"}'},
        ),
        replies=(Reply(text="It is looked at.", status=201, shape=PowabaseSourceBody, example=NEW),),
        errors={
            **ANY,
            400: ("invalid_request", "incomplete_body", "empty_file"),
            413: ("request_too_large", "file_too_large"),
        },
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseImportUrl",
        method="post",
        paths=(f"{ROOT}/import-url",),
        tag=KNOWLEDGE,
        summary="Fetch a file by its URL (Powabase)",
        text="In the background; a URL into this machine's network is refused.",
        body=Body(
            shape=PowabaseSourceUrlBody,
            examples=(Example(name="url", title="A page", body={"url": "https://example.org/trams.html"}),),
        ),
        replies=(
            Reply(
                text="It is fetched.",
                status=201,
                shape=PowabaseSourceBody,
                example={**NEW, "source_type": "url", "url": "https://example.org/trams.html"},
            ),
        ),
        errors=WRITES,
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseImportFromStorage",
        method="post",
        paths=(f"{ROOT}/import-from-storage",),
        tag=KNOWLEDGE,
        summary="Not there: this server has no storage to import from (Powabase)",
        text="Every request is answered `not_implemented` (501).",
        replies=(),
        errors={**ANY, 400: ("not_implemented",)},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseListSources",
        method="get",
        paths=(ROOT,),
        tag=KNOWLEDGE,
        summary="List sources (Powabase)",
        text="The newest first.",
        parameters=(*PAGING, BY_NAME),
        replies=(Reply(text="A page.", shape=PowabaseSourceListBody, example={"sources": [SOURCE], **PAGE}),),
        errors=ANY,
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseGetSource",
        method="get",
        paths=(f"{ROOT}/{{source_id}}",),
        tag=KNOWLEDGE,
        summary="Get a source (Powabase)",
        parameters=(OF_SOURCE,),
        replies=(Reply(text="The source.", shape=PowabaseSourceBody, example=SOURCE),),
        errors={**ANY, 404: MISSING},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseDeleteSource",
        method="delete",
        paths=(f"{ROOT}/{{source_id}}",),
        tag=KNOWLEDGE,
        summary="Delete a source (Powabase)",
        text="For good, also from the knowledge bases that have it.",
        parameters=(OF_SOURCE,),
        replies=(Reply(text="It is deleted.", shape=PowabaseMessageBody, example={"message": "Source deleted"}),),
        errors={**ANY, 404: MISSING},
        envelope=POWABASE,
    ),
)

PREPARED = (
    Operation(
        name="powabaseCreateContextHandler",
        method="post",
        paths=(HANDLERS,),
        tag=KNOWLEDGE,
        summary="Retrieve knowledge for later runs (Powabase)",
        text="The knowledge bases are searched now. What was found is kept as it is and given to runs by "
        "`context_handler_id`.",
        body=Body(
            shape=PowabaseHandlerOrderBody,
            examples=(
                Example(
                    name="one",
                    title="From one knowledge base",
                    body={"query": HANDLER["query"], "knowledge_bases": [{"id": KB_ID, "top_k": 3}]},
                ),
            ),
        ),
        replies=(Reply(text="What was found.", status=201, shape=PowabaseHandlerBody, example=HANDLER),),
        errors={**WRITES, 404: ("store_not_found", "asset_not_found"), 503: EMBEDS},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseListContextHandlers",
        method="get",
        paths=(HANDLERS,),
        tag=KNOWLEDGE,
        summary="List context handlers (Powabase)",
        text="The newest first; to a key that acts for a user that user's only.",
        parameters=PAGING,
        replies=(
            Reply(text="A page.", shape=PowabaseHandlerListBody, example={"context_handlers": [HANDLER], **PAGE}),
        ),
        errors=ANY,
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseGetContextHandler",
        method="get",
        paths=(f"{HANDLERS}/{{context_handler_id}}",),
        tag=KNOWLEDGE,
        summary="Get a context handler (Powabase)",
        parameters=(OF_HANDLER,),
        replies=(Reply(text="The context handler.", shape=PowabaseHandlerBody, example=HANDLER),),
        errors={**ANY, 404: ("context_handler_not_found",)},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseDeleteContextHandler",
        method="delete",
        paths=(f"{HANDLERS}/{{context_handler_id}}",),
        tag=KNOWLEDGE,
        summary="Delete a context handler (Powabase)",
        text="For good. Runs that it was given to keep what they were shown.",
        parameters=(OF_HANDLER,),
        replies=(
            Reply(text="It is deleted.", shape=PowabaseMessageBody, example={"message": "Context handler deleted"}),
        ),
        errors={**ANY, 404: ("context_handler_not_found",)},
        envelope=POWABASE,
    ),
)

OPERATIONS = (*SOURCES, *PREPARED)
