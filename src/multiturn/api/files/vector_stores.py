"""The paths of OpenAI's vector stores: knowledge stores of the tenant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.files.parse import (
    PageOrder,
    check_chunking,
    check_expiry,
    read_filter,
    read_order,
    read_page,
    read_store_id,
)
from multiturn.api.files.render import render_page, render_result, render_store, store_id
from multiturn.api.files.wire import (
    OpenAIDeleted,
    ResultsPage,
    SearchOrderBody,
    VectorStoreChangeBody,
    VectorStoreOrderBody,
)
from multiturn.api.services import Services
from multiturn.engine.callers import require_tenant
from multiturn.errors import InvalidRequest
from multiturn.model.knowledge import DocumentHit, Owner, SearchOrder
from multiturn.model.store import KnowledgeStoreInfo, Sorting, StoreChange

UNNAMED = "Untitled"
# A file may be put into a store as soon as it was sent: it is looked at meanwhile.
READY_S = 30.0
QUERIES_MAX = 10


class VectorStoreRoutes:
    """Vector stores of the tenant."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        path = f"{base}/vector_stores/{{vector_store_id}}"
        return [
            Route(f"{base}/vector_stores", self.create_store, methods=["POST"]),
            Route(f"{base}/vector_stores", self.list_stores, methods=["GET"]),
            Route(path, self.get_store, methods=["GET"]),
            Route(path, self.change_store, methods=["POST"]),
            Route(path, self.delete_store, methods=["DELETE"]),
            Route(f"{path}/search", self.search, methods=["POST"]),
        ]

    async def create_store(self, request: Request) -> Response:
        """Make a vector store, with files if it likes: none of them may be missing."""
        caller = await authenticate(self.services, request)
        require_tenant(caller, "knowledge stores")
        body = await read_order(self.services, request, VectorStoreOrderBody)
        check_chunking(body.chunking_strategy)
        check_expiry(body.expires_after)
        stores = self.services.stores
        for name in body.file_ids or ():
            await stores.find_ready(caller.tenant_id, name, wait_s=READY_S)
        metadata: dict[str, Any] = dict(body.metadata or {})
        store = await stores.create(
            caller.tenant_id, body.name or UNNAMED, description=body.description, metadata=metadata
        )
        for name in body.file_ids or ():
            await stores.add_item(caller.tenant_id, store.id, name)
        return write_response(render_store(await stores.get(caller.tenant_id, store.id)))

    async def list_stores(self, request: Request) -> Response:
        """List vector stores."""
        caller = await authenticate(self.services, request)
        page = read_page(request)
        anchor = page.after or page.before
        sorting = sort(page, read_store_id(anchor) if anchor else None)
        found = (await self.services.stores.list_stores(caller.tenant_id, sorting)).data
        data = [render_store(store) for store in take(page, found)]
        return write_response(render_page(data, has_more=len(found) > page.limit))

    async def get_store(self, request: Request) -> Response:
        """One vector store."""
        return write_response(render_store(await find_store(self.services, request)))

    async def change_store(self, request: Request) -> Response:
        """Change name or metadata of a vector store."""
        store = await find_store(self.services, request, is_changed=True)
        body = await read_order(self.services, request, VectorStoreChangeBody)
        check_expiry(body.expires_after)
        change = StoreChange(
            name=UNSET if body.name is UNSET else body.name or UNNAMED,
            metadata=UNSET if body.metadata is UNSET else dict(body.metadata or {}),
        )
        return write_response(render_store(await self.services.stores.change(store.tenant_id, store.id, change)))

    async def delete_store(self, request: Request) -> Response:
        """Delete a vector store; its files stay."""
        store = await find_store(self.services, request, is_changed=True)
        await self.services.stores.delete(store.tenant_id, store.id)
        return write_response(OpenAIDeleted(id=store_id(store.id), object="vector_store.deleted"))

    async def search(self, request: Request) -> Response:
        """Search in a vector store."""
        store = await find_store(self.services, request)
        body = await read_order(self.services, request, SearchOrderBody)
        queries = [body.query] if isinstance(body.query, str) else body.query
        if not 1 <= len(queries) <= QUERIES_MAX:
            raise InvalidRequest(f"'query' must be 1 to {QUERIES_MAX} questions.", param="query")
        best: dict[tuple[UUID, int], DocumentHit] = {}
        for query in queries:
            for hit in await self._find_hits(store, query, body):
                key = (hit.item.id, hit.chunk)
                if key not in best or best[key].score < hit.score:
                    best[key] = hit
        hits = sorted(best.values(), key=lambda hit: -hit.score)[: body.max_num_results]
        return write_response(ResultsPage(search_query=queries, data=await self._render(store, hits)))

    async def _find_hits(self, store: KnowledgeStoreInfo, query: str, body: SearchOrderBody) -> Sequence[DocumentHit]:
        """What one question finds."""
        ranking = body.ranking_options
        order = SearchOrder(
            text=query,
            limit=body.max_num_results,
            matching=read_filter(body.filters),
            reranks=not (ranking and ranking.ranker == "none"),
        )
        found = await self.services.knowledge.search(store.tenant_id, [Owner("store", store.id)], order)
        least = (ranking.score_threshold if ranking else None) or 0.0
        return [hit for hit in found.hits if hit.score >= least]

    async def _render(self, store: KnowledgeStoreInfo, hits: Sequence[DocumentHit]) -> list[Any]:
        """What was found, with the files that it is of."""
        assets = await self.services.stores.load_assets(store.tenant_id, [hit.item.asset_id for hit in hits])
        return [render_result(hit, assets[hit.item.asset_id]) for hit in hits if hit.item.asset_id in assets]


async def find_store(services: Services, request: Request, *, is_changed: bool = False) -> KnowledgeStoreInfo:
    """The vector store of the path. Raises NotFound; Forbidden for one whom it may not change."""
    caller = await authenticate(services, request, reads=not is_changed)
    if is_changed:
        require_tenant(caller, "knowledge stores")
    return await services.stores.get(caller.tenant_id, read_store_id(request.path_params["vector_store_id"]))


def sort(page: PageOrder, anchor: UUID | None) -> Sorting:
    """A page as the store reads it, with one more than it holds; in front of a place it is read backwards."""
    newest_first = page.newest_first != (page.before is not None)
    sorting = Sorting(newest_first=newest_first, limit=page.limit + 1)
    return msgspec.structs.replace(sorting, **{"below" if newest_first else "above": anchor})


def take(page: PageOrder, found: Sequence[Any]) -> list[Any]:
    """What the page holds of what was read, in its order."""
    some = list(found[: page.limit])
    return some[::-1] if page.before else some
