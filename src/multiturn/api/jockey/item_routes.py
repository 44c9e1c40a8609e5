"""Items of a knowledge store and its collections, as Jockey's clients ask for them."""

from __future__ import annotations

from typing import Any, get_args
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.jockey.names import read_given, read_path
from multiturn.api.jockey.reading import (
    NAMES,
    authenticate_tenant,
    read_pages,
    read_sorting,
    read_tenant_request,
    read_words,
)
from multiturn.api.jockey.render_stores import render_collection, render_item
from multiturn.api.jockey.store_routes import STORES, find_assets, path_of, read_change
from multiturn.api.jockey.store_wire import (
    JockeyChangeBody,
    JockeyCollectionOrderBody,
    JockeyItemOrderBody,
    JockeyMembersBody,
)
from multiturn.api.services import Services
from multiturn.engine.store_rules import ITEM_RULES, STORE_RULES, check_pairs
from multiturn.model.store import ItemStatus, StoreItem, StoreItemFilter

ITEMS, COLLECTIONS = "items", "item-collections"


class ItemRoutes:
    """What is in knowledge stores."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        store = f"{base}/{STORES}/{{knowledge_store_id}}"
        item = f"{store}/{ITEMS}/{{item_id}}"
        collection = f"{store}/{COLLECTIONS}/{{collection_id}}"
        return [
            Route(f"{store}/{ITEMS}", self.list_items, methods=["GET"]),
            Route(f"{store}/{ITEMS}", self.create_item, methods=["POST"]),
            Route(item, self.get_item, methods=["GET"]),
            Route(item, self.delete_item, methods=["DELETE"]),
            Route(f"{store}/{COLLECTIONS}", self.list_collections, methods=["GET"]),
            Route(f"{store}/{COLLECTIONS}", self.create_collection, methods=["POST"]),
            Route(collection, self.get_collection, methods=["GET"]),
            Route(collection, self.change_collection, methods=["PATCH"]),
            Route(collection, self.delete_collection, methods=["DELETE"]),
            Route(f"{collection}/items", self.list_members, methods=["GET"]),
            Route(f"{collection}/items/add", self.add_members, methods=["POST"]),
            Route(f"{collection}/items/remove", self.remove_members, methods=["POST"]),
        ]

    async def create_item(self, request: Request) -> Response:
        """Put an asset into a store; it is indexed in the background."""
        caller, body = await read_tenant_request(self.services, request, JockeyItemOrderBody)
        check_pairs(body.metadata or {}, ITEM_RULES)
        item = await self.services.stores.add_item(
            caller.tenant_id, read_store(request), body.asset_id, kind=body.asset_type, metadata=body.metadata or {}
        )
        return await self._tell(item, status=202)

    async def list_items(self, request: Request) -> Response:
        """List items, newest first unless the query says otherwise."""
        caller = await authenticate(self.services, request)
        query = request.query_params
        pages = read_pages(query)
        statuses = read_words(query, "status", get_args(ItemStatus))
        wanted = StoreItemFilter(statuses=statuses, sorting=read_sorting(query, pages))
        found = await self.services.stores.list_items(caller.tenant_id, read_store(request), wanted)
        return write_response(pages.write(await self._render(caller.tenant_id, list(found.data)), found.total))

    async def get_item(self, request: Request) -> Response:
        """One item."""
        caller = await authenticate(self.services, request)
        item_id = read_path(request.path_params["item_id"], ITEMS)
        return await self._tell(await self.services.stores.get_item(caller.tenant_id, read_store(request), item_id))

    async def delete_item(self, request: Request) -> Response:
        """Take an item out of its store; the asset stays."""
        caller = await authenticate_tenant(self.services, request)
        item_id = read_path(request.path_params["item_id"], ITEMS)
        await self.services.stores.delete_item(caller.tenant_id, read_store(request), item_id)
        return Response(status_code=204)

    async def create_collection(self, request: Request) -> Response:
        """Make a collection."""
        caller, body = await read_tenant_request(self.services, request, JockeyCollectionOrderBody)
        check_pairs(body.metadata or {}, STORE_RULES)
        made = await self.services.stores.create_collection(
            caller.tenant_id,
            read_store(request),
            body.name,
            description=body.description,
            metadata=body.metadata or {},
        )
        return write_response(render_collection(made), status=201)

    async def list_collections(self, request: Request) -> Response:
        """List collections, newest first unless the query says otherwise."""
        caller = await authenticate(self.services, request)
        pages = read_pages(request.query_params)
        sorting = read_sorting(request.query_params, pages, NAMES)
        found = await self.services.stores.list_collections(caller.tenant_id, read_store(request), sorting)
        return write_response(pages.write([render_collection(one) for one in found.data], found.total))

    async def get_collection(self, request: Request) -> Response:
        """One collection."""
        caller = await authenticate(self.services, request)
        found = await self.services.stores.get_collection(caller.tenant_id, *read_collection(request))
        return write_response(render_collection(found))

    async def change_collection(self, request: Request) -> Response:
        """Change what is named of a collection."""
        caller, body = await read_tenant_request(self.services, request, JockeyChangeBody)
        changed = await self.services.stores.change_collection(
            caller.tenant_id, *read_collection(request), read_change(body)
        )
        return write_response(render_collection(changed))

    async def delete_collection(self, request: Request) -> Response:
        """Delete a collection; its items stay in the store."""
        caller = await authenticate_tenant(self.services, request)
        await self.services.stores.delete_collection(caller.tenant_id, *read_collection(request))
        return Response(status_code=204)

    async def list_members(self, request: Request) -> Response:
        """List the items of a collection, newest first."""
        caller = await authenticate(self.services, request)
        store_id, collection_id = read_collection(request)
        await self.services.stores.get_collection(caller.tenant_id, store_id, collection_id)
        pages = read_pages(request.query_params)
        wanted = StoreItemFilter(collection_id=collection_id, sorting=read_sorting(request.query_params, pages))
        found = await self.services.stores.list_items(caller.tenant_id, store_id, wanted)
        return write_response(pages.write(await self._render(caller.tenant_id, list(found.data)), found.total))

    async def add_members(self, request: Request) -> Response:
        """Put items into a collection; those that are in it stay."""
        caller, body = await read_tenant_request(self.services, request, JockeyMembersBody)
        changed = await self.services.stores.add_members(
            caller.tenant_id, *read_collection(request), read_members(body)
        )
        return write_response(render_collection(changed))

    async def remove_members(self, request: Request) -> Response:
        """Take items out of a collection; those that are not in it do not matter."""
        caller, body = await read_tenant_request(self.services, request, JockeyMembersBody)
        await self.services.stores.remove_members(caller.tenant_id, *read_collection(request), read_members(body))
        return Response(status_code=204)

    async def _render(self, tenant_id: UUID, items: list[StoreItem]) -> list[Any]:
        assets = await find_assets(self.services, tenant_id, [item.asset_id for item in items])
        return [render_item(item, assets.get(item.asset_id)) for item in items]

    async def _tell(self, item: StoreItem, *, status: int = 200) -> Response:
        return write_response((await self._render(item.tenant_id, [item]))[0], status=status)


def read_store(request: Request) -> UUID:
    """The store that a path names."""
    return read_path(path_of(request), STORES)


def read_collection(request: Request) -> tuple[UUID, UUID]:
    """The store and the collection that a path names."""
    return read_store(request), read_path(request.path_params["collection_id"], COLLECTIONS)


def read_members(body: JockeyMembersBody) -> list[UUID]:
    """The items that a body names."""
    return [read_given(id_, f"item_ids[{place}]", prefix="ksi_") for place, id_ in enumerate(body.item_ids)]
