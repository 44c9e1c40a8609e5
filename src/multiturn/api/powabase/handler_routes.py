"""Context handlers as Powabase's clients ask for them: knowledge that is retrieved now and given to runs later."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.errors import write_response
from multiturn.api.powabase.knowledge_parse import WORDS, read_searched
from multiturn.api.powabase.knowledge_wire import (
    PowabaseHandlerBody,
    PowabaseHandlerListBody,
    PowabaseHandlerOrderBody,
)
from multiturn.api.powabase.reading import identify, read_request, read_window
from multiturn.api.powabase.render_run import list_chunks, render_diagnostics
from multiturn.api.powabase.stories import Stories
from multiturn.api.powabase.wire import PowabaseMessageBody
from multiturn.api.services import Services
from multiturn.engine.grounding.block import SOURCES
from multiturn.errors import InvalidRequest
from multiturn.model.citation import StoreQuery
from multiturn.model.ids import find_id
from multiturn.model.prepared import PreparedContext


class HandlerRoutes:
    """Context handlers: a key that acts for a user sees that user's only."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.stories = Stories(services)

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        one = f"{base}/context-handlers/{{context_handler_id}}"
        return [
            Route(f"{base}/context-handlers", self.create_handler, methods=["POST"]),
            Route(f"{base}/context-handlers", self.list_handlers, methods=["GET"]),
            Route(one, self.get_handler, methods=["GET"]),
            Route(one, self.delete_handler, methods=["DELETE"]),
        ]

    async def create_handler(self, request: Request) -> Response:
        """Retrieve now, and keep what was found."""
        caller, body = await read_request(self.services, request, PowabaseHandlerOrderBody)
        queries: list[StoreQuery] = []
        for place, base in enumerate(body.knowledge_bases):
            where = f"knowledge_bases[{place}]."
            store, query = await read_searched(self.services, caller.tenant_id, base, where)
            if any(one.store_id == store.id for one in queries):
                raise InvalidRequest(f"'{where}id' names a knowledge base that was named before.", param=f"{where}id")
            queries.append(query)
        prepared = await self.services.prepared.prepare(caller, body.query, queries, tokens_max=body.max_context_tokens)
        return write_response(await self._render(prepared), status=201)

    async def list_handlers(self, request: Request) -> Response:
        """List context handlers, the newest first."""
        caller = await identify(self.services, request)
        window = read_window(request.query_params)
        found, total = await self.services.prepared.list_prepared(caller, limit=window.limit, offset=window.offset)
        body = PowabaseHandlerListBody(
            context_handlers=[await self._render(one) for one in found],
            total=total,
            limit=window.limit,
            offset=window.offset,
        )
        return write_response(body)

    async def get_handler(self, request: Request) -> Response:
        """One context handler."""
        caller = await identify(self.services, request)
        prepared = await self.services.prepared.get(caller, find_id(request.path_params["context_handler_id"]))
        return write_response(await self._render(prepared))

    async def delete_handler(self, request: Request) -> Response:
        """Delete a context handler for good; runs that it was given to keep what they were shown."""
        caller = await identify(self.services, request)
        await self.services.prepared.delete(caller, find_id(request.path_params["context_handler_id"]))
        return write_response(PowabaseMessageBody(message="Context handler deleted"))

    async def _render(self, prepared: PreparedContext) -> PowabaseHandlerBody:
        """A context handler."""
        found = prepared.retrieved
        names = await self.stories.name_stores(prepared.tenant_id, [found])
        chunks = list_chunks(found, names, with_recalled=False)
        is_empty = not any(chunk.included_in_context for chunk in chunks)
        return PowabaseHandlerBody(
            id=str(prepared.id),
            query=found.query,
            knowledge_base_configs=[render_query(query) for query in prepared.queries],
            max_context_tokens=prepared.tokens_max,
            formatted_context="" if is_empty else found.block.removeprefix(SOURCES),
            retrieved_context=[
                {**render_diagnostics(found, None), "token_limit": prepared.tokens_max},
                *msgspec.to_builtins(chunks),
            ],
            metadata={"took_ms": found.took_ms, "tokens": found.tokens},
            created_at=prepared.created_at,
        )


def render_query(query: StoreQuery) -> dict[str, Any]:
    """How a knowledge base was searched."""
    told: dict[str, Any] = {
        "id": query.store_id,
        "top_k": query.limit,
        "retrieval_method": WORDS[query.mode],
        "similarity_threshold": query.similarity_min,
        "filter_metadata": query.metadata or None,
        "source_ids": query.asset_ids or None,
        "max_context_tokens": query.tokens_max,
    }
    written: dict[str, Any] = msgspec.to_builtins({name: value for name, value in told.items() if value is not None})
    return written
