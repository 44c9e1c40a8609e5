"""The shapes of what a run's answer is to rest on (contracts/powabase 2.3)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from multiturn.api.powabase.knowledge_wire import (
    Id,
    OrderText,
    PowabaseContextItemBody,
    PowabaseQueryBody,
    Tokens,
)

BASES_MAX, CONTEXT_ITEMS_MAX = 10, 100
Queries = Annotated[list[PowabaseQueryBody], Meta(max_length=BASES_MAX)]
ContextItems = Annotated[list[PowabaseContextItemBody], Meta(max_length=CONTEXT_ITEMS_MAX)]


class PowabaseContextFields(Struct, kw_only=True, omit_defaults=True):
    """What a run's answer is to rest on: at most one of the first four. Without any it is what its agent knows."""

    knowledge_bases: Annotated[
        Queries | None,
        Meta(description="Knowledge bases instead of the agent's, and how each is searched; an empty list for none."),
    ] = None
    context_handler_id: Annotated[Id | None, Meta(description="What was retrieved before, instead of a search.")] = None
    context_override: Annotated[OrderText | None, Meta(description="A text instead of a search.")] = None
    context_items: Annotated[
        ContextItems | None,
        Meta(description="Chunks, items and texts instead of a search."),
    ] = None
    runtime_knowledge_bases: Annotated[
        Queries | None,
        Meta(description="Knowledge bases beside the agent's, of a streamed run only."),
    ] = None
    max_context_tokens: Annotated[
        Tokens | None,
        Meta(description="What all of it may take. It takes no more than a part of the model's window in any case."),
    ] = None
    citations_enabled: Annotated[
        bool | None, Meta(description="False: the model is not asked to cite, and the answer has no citations.")
    ] = None
