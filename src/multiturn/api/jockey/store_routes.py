"""Knowledge stores as Jockey's clients ask for them: made, listed, changed, deleted, searched."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.jockey.media import Media
from multiturn.api.jockey.names import read_path
from multiturn.api.jockey.reading import (
    authenticate_tenant,
    read_pages,
    read_request,
    read_sorting,
    read_tenant_request,
)
from multiturn.api.jockey.render_stores import render_store
from multiturn.api.jockey.search import Shown, read_search, render_hits
from multiturn.api.jockey.store_wire import JockeyChangeBody, JockeySearchBody, JockeyStoreOrderBody
from multiturn.api.services import Services
from multiturn.engine.store_rules import STORE_RULES, check_pairs
from multiturn.model.asset import Asset, AssetFilter
from multiturn.model.knowledge import Owner
from multiturn.model.store import KnowledgeStoreInfo, StoreChange
from multiturn.model.tenant import Caller

STORES = "knowledge-stores"


class StoreRoutes:
    """Knowledge stores."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        store = f"{base}/{STORES}/{{knowledge_store_id}}"
        return [
            Route(f"{base}/{STORES}", self.list_stores, methods=["GET"]),
            Route(f"{base}/{STORES}", self.create_store, methods=["POST"]),
            Route(store, self.get_store, methods=["GET"]),
            Route(store, self.change_store, methods=["PATCH"]),
            Route(store, self.delete_store, methods=["DELETE"]),
            Route(f"{store}/search", self.search, methods=["POST"]),
        ]

    async def create_store(self, request: Request) -> Response:
        """Make a store."""
        caller, body = await read_tenant_request(self.services, request, JockeyStoreOrderBody)
        check_pairs(body.metadata or {}, STORE_RULES)
        store = await self.services.stores.create(
            caller.tenant_id,
            body.name,
            description=body.description,
            metadata=body.metadata or {},
            ingestion=body.ingestion_config or None,
        )
        return write_response(render_store(store), status=201)

    async def list_stores(self, request: Request) -> Response:
        """List stores, newest first unless the query says otherwise."""
        caller = await authenticate(self.services, request)
        pages = read_pages(request.query_params)
        found = await self.services.stores.list_stores(caller.tenant_id, read_sorting(request.query_params, pages))
        return write_response(pages.write([render_store(store) for store in found.data], found.total))

    async def get_store(self, request: Request) -> Response:
        """One store."""
        caller = await authenticate(self.services, request)
        return write_response(render_store(await self._find(caller, request)))

    async def change_store(self, request: Request) -> Response:
        """Change what is named of a store."""
        caller, body = await read_tenant_request(self.services, request, JockeyChangeBody)
        changed = await self.services.stores.change(
            caller.tenant_id, read_path(path_of(request), STORES), read_change(body)
        )
        return write_response(render_store(changed))

    async def delete_store(self, request: Request) -> Response:
        """Delete a store with its items; the assets stay."""
        caller = await authenticate_tenant(self.services, request)
        await self.services.stores.delete(caller.tenant_id, read_path(path_of(request), STORES))
        return Response(status_code=204)

    async def search(self, request: Request) -> Response:
        """Search in a store."""
        caller, body = await read_request(self.services, request, JockeySearchBody, reads=True)
        store = await self._find(caller, request)
        now = self.services.sessions.clock()
        wanted = read_search(body, now)
        found = await self.services.knowledge.search(caller.tenant_id, [Owner("store", store.id)], wanted.order)
        assets = await find_assets(self.services, caller.tenant_id, [hit.item.asset_id for hit in found.hits])
        shown = Shown(assets, Media(self.services.links, request))
        return write_response(render_hits(wanted, found.hits, shown, now))

    async def _find(self, caller: Caller, request: Request) -> KnowledgeStoreInfo:
        return await self.services.stores.get(caller.tenant_id, read_path(path_of(request), STORES))


def path_of(request: Request) -> str:
    """The store that a path names."""
    return str(request.path_params["knowledge_store_id"])


def read_change(body: JockeyChangeBody) -> StoreChange:
    """What is to be changed of a store or a collection."""
    check_pairs(body.metadata or {}, STORE_RULES)
    named = {name: value for name in ("name", "metadata") if (value := getattr(body, name)) is not None}
    return StoreChange(description=body.description, **named)


async def find_assets(services: Services, tenant_id: UUID, wanted: Iterable[UUID | None]) -> dict[UUID, Asset]:
    """The assets of these that are still there, by their ids."""
    ids = tuple(dict.fromkeys(str(id_) for id_ in wanted if id_))
    if not ids:
        return {}
    found, _ = await services.assets.list_assets(tenant_id, AssetFilter(ids=ids, limit=len(ids)))
    return {asset.id: asset for asset in found}
