"""Knowledge bases as Powabase's clients ask for them: knowledge stores of the tenant."""

from __future__ import annotations

from typing import TypeVar

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.errors import write_response
from multiturn.api.powabase.knowledge_parse import (
    INDEXING,
    RETRIEVAL,
    WORDS,
    describe_server,
    find_base,
    find_source,
    find_sources,
    read_configs,
    read_search,
)
from multiturn.api.powabase.knowledge_render import render_base, render_hits, render_source_of
from multiturn.api.powabase.knowledge_wire import (
    PowabaseBaseSourceBody,
    PowabaseBaseSourceListBody,
    PowabaseBaseSourceOrderBody,
    PowabaseHitsBody,
    PowabaseItemListBody,
    PowabaseKnowledgeBaseChangeBody,
    PowabaseKnowledgeBaseListBody,
    PowabaseKnowledgeBaseOrderBody,
    PowabaseReindexBody,
    PowabaseSearchBody,
    PowabaseTextIndexBody,
)
from multiturn.api.powabase.reading import Window, identify, read_request, read_window
from multiturn.api.powabase.wire import PowabaseMessageBody
from multiturn.api.services import Services
from multiturn.engine.callers import require_tenant
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.knowledge import Owner, SearchOrder
from multiturn.model.store import KnowledgeStoreInfo, Sorting, StoreChange, StoreItem, StoreItemFilter

T = TypeVar("T")
# An asset that was just put in may still be looked at: so long a request waits for it.
READY_S = 10.0
FAILED_PER_STEP = 500


class KnowledgeRoutes:
    """Knowledge bases: every key of a tenant reads them, one that acts for a user does not change them."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        one = f"{base}/knowledge-bases/{{knowledge_base_id}}"
        return [
            Route(f"{base}/knowledge-bases", self.create_base, methods=["POST"]),
            Route(f"{base}/knowledge-bases", self.list_bases, methods=["GET"]),
            Route(one, self.get_base, methods=["GET"]),
            Route(one, self.change_base, methods=["PATCH"]),
            Route(one, self.delete_base, methods=["DELETE"]),
            Route(f"{one}/sources", self.add_source, methods=["POST"]),
            Route(f"{one}/sources", self.list_sources, methods=["GET"]),
            Route(f"{one}/sources/{{source_id}}", self.remove_source, methods=["DELETE"]),
            Route(f"{one}/items", self.list_items, methods=["GET"]),
            Route(f"{one}/search", self.search, methods=["POST"]),
            Route(f"{one}/reindex", self.reindex, methods=["POST"]),
            Route(f"{one}/build-bm25", self.build_text_index, methods=["POST"]),
        ]

    async def create_base(self, request: Request) -> Response:
        """Make a knowledge base."""
        caller, body = await read_request(self.services, request, PowabaseKnowledgeBaseOrderBody)
        require_tenant(caller, "knowledge bases")
        kept = read_configs(describe_server(self.services), body.indexing_config, body.retrieval_config)
        store = await self.services.stores.create(caller.tenant_id, body.name, description=body.description, wire=kept)
        return write_response(render_base(store), status=201)

    async def list_bases(self, request: Request) -> Response:
        """List knowledge bases, the newest first."""
        caller = await identify(self.services, request)
        window = read_window(request.query_params)
        sorting = Sorting(offset=window.offset, limit=window.limit)
        page = await self.services.stores.list_stores(caller.tenant_id, sorting)
        body = PowabaseKnowledgeBaseListBody(
            knowledge_bases=[render_base(store) for store in page.data],
            total=page.total,
            limit=window.limit,
            offset=window.offset,
        )
        return write_response(body)

    async def get_base(self, request: Request) -> Response:
        """One knowledge base."""
        return write_response(render_base(await self._find(request)))

    async def change_base(self, request: Request) -> Response:
        """Change what is named of a knowledge base."""
        store, body = await self._read(request, PowabaseKnowledgeBaseChangeBody)
        change = self._read_change(store, body)
        return write_response(render_base(await self.services.stores.change(store.tenant_id, store.id, change)))

    def _read_change(self, store: KnowledgeStoreInfo, body: PowabaseKnowledgeBaseChangeBody) -> StoreChange:
        """What is to be changed. Raises InvalidRequest, also when it is nothing."""
        fields = (body.name, body.description, body.indexing_config, body.retrieval_config)
        if all(field is UNSET for field in fields):
            text = "No valid fields to update: name, description, indexing_config, retrieval_config"
            raise InvalidRequest(text)
        indexing = None if body.indexing_config is UNSET else body.indexing_config
        retrieval = None if body.retrieval_config is UNSET else body.retrieval_config
        wire = dict(store.wire)
        for name, given in ((INDEXING, body.indexing_config), (RETRIEVAL, body.retrieval_config)):
            if given is not UNSET:
                wire.pop(name, None)
        wire |= read_configs(describe_server(self.services), indexing, retrieval)
        return StoreChange(name=body.name, description=body.description, wire=wire)

    async def delete_base(self, request: Request) -> Response:
        """Delete a knowledge base for good; its sources stay."""
        store = await self._find(request, is_changed=True)
        await self.services.stores.delete(store.tenant_id, store.id)
        return write_response(PowabaseMessageBody(message="Knowledge base deleted"))

    async def add_source(self, request: Request) -> Response:
        """Put a source into a knowledge base, where it is indexed; one that is there already is shown."""
        store, body = await self._read(request, PowabaseBaseSourceOrderBody)
        asset = await find_source(self.services, store.tenant_id, body.source_id)
        item = await self.services.stores.add_item(
            store.tenant_id, store.id, asset.id, metadata=asset.metadata, wait_s=READY_S
        )
        return write_response(render_source_of(item), status=201)

    async def list_sources(self, request: Request) -> Response:
        """List the sources of a knowledge base, the newest first."""
        data, total, window = await self._list(request)
        body = PowabaseBaseSourceListBody(sources=data, total=total, limit=window.limit, offset=window.offset)
        return write_response(body)

    async def list_items(self, request: Request) -> Response:
        """List the items of a knowledge base, the newest first."""
        data, total, window = await self._list(request)
        return write_response(PowabaseItemListBody(items=data, total=total, limit=window.limit, offset=window.offset))

    async def _list(self, request: Request) -> tuple[list[PowabaseBaseSourceBody], int, Window]:
        store, window = await self._find(request), read_window(request.query_params)
        which = StoreItemFilter(sorting=Sorting(offset=window.offset, limit=window.limit))
        page = await self.services.stores.list_items(store.tenant_id, store.id, which)
        return [render_source_of(item) for item in page.data], page.total, window

    async def remove_source(self, request: Request) -> Response:
        """Take a source out of a knowledge base with its index; the source stays."""
        store = await self._find(request, is_changed=True)
        item = await self._find_item(store, request.path_params["source_id"])
        await self.services.stores.delete_item(store.tenant_id, store.id, item.id)
        return write_response(PowabaseMessageBody(message="Source removed from knowledge base"))

    async def search(self, request: Request) -> Response:
        """Search in a knowledge base."""
        caller, body = await read_request(self.services, request, PowabaseSearchBody, reads=True)
        store = await find_base(self.services, caller.tenant_id, request.path_params["knowledge_base_id"])
        query = read_search(store, body, await find_sources(self.services, caller.tenant_id, body.source_ids))
        order = SearchOrder(
            mode=query.mode,
            text=body.query,
            limit=query.limit,
            confidence=query.similarity_min,
            metadata=query.metadata,
            asset_ids=frozenset(query.asset_ids),
            reranks=query.reranks,
        )
        found = await self.services.knowledge.search(store.tenant_id, [Owner("store", store.id)], order)
        assets = await self.services.stores.load_assets(store.tenant_id, [hit.item.asset_id for hit in found.hits])
        answer = PowabaseHitsBody(
            results=render_hits(found.hits, assets),
            query=body.query,
            retrieval_method=WORDS[found.mode],
            total_results=len(found.hits),
        )
        return write_response(answer)

    async def reindex(self, request: Request) -> Response:
        """Index those sources again that had failed: what is indexed is as this server indexes it."""
        store, stores = await self._find(request, is_changed=True), self.services.stores
        which = StoreItemFilter(statuses=("failed",), sorting=Sorting(limit=FAILED_PER_STEP))
        failed = (await stores.list_items(store.tenant_id, store.id, which)).data
        for item in failed:
            await stores.retry_item(store.tenant_id, store.id, item.id)
        body = PowabaseReindexBody(
            status="reindexing" if failed else "up_to_date",
            knowledge_base_id=str(store.id),
            queued=len(failed),
            message=f"{len(failed)} failed sources are indexed again; the others are up to date.",
        )
        return write_response(body, status=202)

    async def build_text_index(self, request: Request) -> Response:
        """The index of words is always there: nothing is to be built."""
        store = await self._find(request, is_changed=True)
        text = "Each source can be found by its words as soon as it is indexed."
        return write_response(PowabaseTextIndexBody(knowledge_base_id=str(store.id), message=text))

    async def _read(self, request: Request, shape: type[T]) -> tuple[KnowledgeStoreInfo, T]:
        """The knowledge base of the path that is to be changed, and the body. Raises NotFound, Forbidden."""
        caller, body = await read_request(self.services, request, shape)
        require_tenant(caller, "knowledge bases")
        return await find_base(self.services, caller.tenant_id, request.path_params["knowledge_base_id"]), body

    async def _find(self, request: Request, *, is_changed: bool = False) -> KnowledgeStoreInfo:
        """The knowledge base of the path. Raises NotFound; Forbidden for a caller that may only read."""
        caller = await identify(self.services, request)
        if is_changed:
            require_tenant(caller, "knowledge bases")
        return await find_base(self.services, caller.tenant_id, request.path_params["knowledge_base_id"])

    async def _find_item(self, store: KnowledgeStoreInfo, name: str) -> StoreItem:
        """The item that a knowledge base has of a source. Raises NotFound."""
        asset = await find_source(self.services, store.tenant_id, name)
        which = StoreItemFilter(asset_id=asset.id, sorting=Sorting(limit=1))
        page = await self.services.stores.list_items(store.tenant_id, store.id, which)
        if not page.data:
            text = "The knowledge base has no such source."
            raise NotFound(text, code="item_not_found", param="source_id")
        found: StoreItem = page.data[0]
        return found
