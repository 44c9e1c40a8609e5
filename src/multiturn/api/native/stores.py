"""The paths of knowledge stores and their collections."""

from __future__ import annotations

from typing import Any, Literal, cast, get_args
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate, check_id
from multiturn.api.errors import write_response
from multiturn.api.limits import read_body, read_json_object, read_limit, read_struct
from multiturn.api.native.query import as_number, read_choice
from multiturn.api.native.sessions import LIMIT, LIMIT_MAX
from multiturn.api.native.stores_render import render_collection, render_item, render_store
from multiturn.api.native.stores_wire import (
    CollectionOrderBody,
    DescribedChangeBody,
    MembersBody,
    StoreDeletedBody,
    StoreOrderBody,
)
from multiturn.api.native.wire import ListBody
from multiturn.api.services import Services
from multiturn.engine.callers import require_tenant
from multiturn.engine.store_collections import collection_not_found, store_not_found
from multiturn.engine.stores import item_not_found
from multiturn.errors import InvalidRequest
from multiturn.model.ids import find_id
from multiturn.model.store import (
    Collection,
    Counted,
    ItemStatus,
    KnowledgeStoreInfo,
    Sorting,
    StoreChange,
    StoreItemFilter,
)

SortBy = Literal["created_at", "updated_at", "name"]
STATUSES: tuple[ItemStatus, ...] = get_args(ItemStatus)
OFFSET_MAX = 1_000_000


class StoreRoutes:
    """Knowledge stores of the tenant, and their collections."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        store = f"{base}/stores/{{store_id}}"
        collection = f"{store}/collections/{{collection_id}}"
        return [
            Route(f"{base}/stores", self.create_store, methods=["POST"]),
            Route(f"{base}/stores", self.list_stores, methods=["GET"]),
            Route(store, self.get_store, methods=["GET"]),
            Route(store, self.change_store, methods=["PATCH"]),
            Route(store, self.delete_store, methods=["DELETE"]),
            Route(f"{store}/collections", self.create_collection, methods=["POST"]),
            Route(f"{store}/collections", self.list_collections, methods=["GET"]),
            Route(collection, self.get_collection, methods=["GET"]),
            Route(collection, self.change_collection, methods=["PATCH"]),
            Route(collection, self.delete_collection, methods=["DELETE"]),
            Route(f"{collection}/items", self.list_members, methods=["GET"]),
            Route(f"{collection}/items/add", self.add_members, methods=["POST"]),
            Route(f"{collection}/items/remove", self.remove_members, methods=["POST"]),
        ]

    async def create_store(self, request: Request) -> Response:
        """Make a store."""
        caller = await authenticate(self.services, request)
        require_tenant(caller, "knowledge stores")
        body = await read_json(self.services, request, StoreOrderBody)
        store = await self.services.stores.create(
            caller.tenant_id,
            body.name,
            description=body.description,
            metadata=body.metadata,
            ingestion=body.ingestion_config,
        )
        return write_response(render_store(store), status=201)

    async def list_stores(self, request: Request) -> Response:
        """List stores, newest first unless the query says otherwise."""
        caller = await authenticate(self.services, request)
        sorting = read_sorting(request)
        page = await self.services.stores.list_stores(caller.tenant_id, sorting)
        return write_page(page, sorting, [render_store(store) for store in page.data])

    async def get_store(self, request: Request) -> Response:
        """One store."""
        return write_response(render_store(await find_store(self.services, request)))

    async def change_store(self, request: Request) -> Response:
        """Change what is said of a store."""
        store = await find_store(self.services, request, is_changed=True)
        change = read_change(await read_json(self.services, request, DescribedChangeBody))
        return write_response(render_store(await self.services.stores.change(store.tenant_id, store.id, change)))

    async def delete_store(self, request: Request) -> Response:
        """Delete a store with its items."""
        store = await find_store(self.services, request, is_changed=True)
        await self.services.stores.delete(store.tenant_id, store.id)
        return write_response(StoreDeletedBody(id=str(store.id), object="store.deleted"))

    async def create_collection(self, request: Request) -> Response:
        """Make a collection."""
        store = await find_store(self.services, request, is_changed=True)
        body = await read_json(self.services, request, CollectionOrderBody)
        collection = await self.services.stores.create_collection(
            store.tenant_id, store.id, body.name, description=body.description, metadata=body.metadata
        )
        return write_response(render_collection(collection), status=201)

    async def list_collections(self, request: Request) -> Response:
        """List the collections of a store."""
        store = await find_store(self.services, request)
        sorting = read_sorting(request)
        page = await self.services.stores.list_collections(store.tenant_id, store.id, sorting)
        return write_page(page, sorting, [render_collection(one) for one in page.data])

    async def get_collection(self, request: Request) -> Response:
        """One collection."""
        return write_response(render_collection(await self._find(request)))

    async def change_collection(self, request: Request) -> Response:
        """Change what is said of a collection."""
        found = await self._find(request, is_changed=True)
        change = read_change(await read_json(self.services, request, DescribedChangeBody))
        changed = await self.services.stores.change_collection(found.tenant_id, found.store_id, found.id, change)
        return write_response(render_collection(changed))

    async def delete_collection(self, request: Request) -> Response:
        """Delete a collection; its items stay."""
        found = await self._find(request, is_changed=True)
        await self.services.stores.delete_collection(found.tenant_id, found.store_id, found.id)
        return write_response(StoreDeletedBody(id=str(found.id), object="store.collection.deleted"))

    async def list_members(self, request: Request) -> Response:
        """List the items of a collection."""
        found = await self._find(request)
        which = read_items_filter(request)
        which = msgspec.structs.replace(which, collection_id=found.id)
        page = await self.services.stores.list_items(found.tenant_id, found.store_id, which)
        return write_page(page, which.sorting, [render_item(item) for item in page.data])

    async def add_members(self, request: Request) -> Response:
        """Add items to a collection."""
        found = await self._find(request, is_changed=True)
        ids = read_item_ids(await read_json(self.services, request, MembersBody))
        collection = await self.services.stores.add_members(found.tenant_id, found.store_id, found.id, ids)
        return write_response(render_collection(collection))

    async def remove_members(self, request: Request) -> Response:
        """Take items out of a collection."""
        found = await self._find(request, is_changed=True)
        ids = read_item_ids(await read_json(self.services, request, MembersBody))
        collection = await self.services.stores.remove_members(found.tenant_id, found.store_id, found.id, ids)
        return write_response(render_collection(collection))

    async def _find(self, request: Request, *, is_changed: bool = False) -> Collection:
        """The collection of the path. Raises NotFound."""
        store = await find_store(self.services, request, is_changed=is_changed)
        id_ = find_id(request.path_params["collection_id"])
        if id_ is None:
            raise collection_not_found()
        return await self.services.stores.get_collection(store.tenant_id, store.id, id_)


async def find_store(services: Services, request: Request, *, is_changed: bool = False) -> KnowledgeStoreInfo:
    """The store that a path names, by its id or its name. Raises NotFound; Forbidden for one whom it may not change."""
    caller = await authenticate(services, request, reads=not is_changed)
    if is_changed:
        require_tenant(caller, "knowledge stores")
    name = request.path_params["store_id"]
    if "\0" in name:
        raise store_not_found()
    return await services.stores.get(caller.tenant_id, check_id(name, "store_id"))


async def read_json(services: Services, request: Request, shape: type[Any]) -> Any:
    """The body as its struct. Raises TooLarge, InvalidRequest."""
    body = await read_body(request, bytes_max=services.body_bytes_max)
    read_json_object(body)
    return read_struct(body, shape)


def read_change(body: DescribedChangeBody) -> StoreChange:
    """What is to be changed."""
    return StoreChange(name=body.name, description=body.description, metadata=body.metadata)


def read_sorting(request: Request) -> Sorting:
    """A page of a listing. Raises InvalidRequest."""
    cursor = request.query_params.get("cursor")
    offset = 0 if cursor is None else as_number(cursor, "cursor")
    if offset > OFFSET_MAX:
        raise InvalidRequest("'cursor' must be the 'next' of the page before.", param="cursor")
    return Sorting(
        by=cast(SortBy, read_choice(request, "sort_by", ("created_at", "updated_at", "name"))),
        newest_first=read_choice(request, "order", ("desc", "asc")) == "desc",
        offset=offset,
        limit=read_limit(request, default=LIMIT, maximum=LIMIT_MAX),
    )


def read_items_filter(request: Request) -> StoreItemFilter:
    """Which items a query asks for. Raises InvalidRequest."""
    wanted = request.query_params.getlist("status")
    if wrong := [status for status in wanted if status not in STATUSES]:
        raise InvalidRequest(f"'status' must be one of {', '.join(STATUSES)}; it is '{wrong[0][:40]}'.", param="status")
    return StoreItemFilter(
        statuses=tuple(status for status in STATUSES if status in wanted),
        asset_id=read_id(request, "asset_id"),
        collection_id=read_id(request, "collection_id"),
        sorting=read_sorting(request),
    )


def read_id(request: Request, name: str) -> UUID | None:
    """A parameter that is an id of ours. Raises InvalidRequest."""
    text = request.query_params.get(name)
    id_ = None if text is None else find_id(text)
    if text is not None and id_ is None:
        raise InvalidRequest(f"'{name}' must be an id of ours.", param=name)
    return id_


def read_item_ids(body: MembersBody) -> list[UUID]:
    """The items that a body names. Raises NotFound for what is no id."""
    ids = [find_id(text) for text in body.item_ids]
    if None in ids:
        raise item_not_found()
    return [id_ for id_ in ids if id_]


def write_page(page: Counted, sorting: Sorting, data: list[Any]) -> Response:
    """A page of a listing."""
    end = sorting.offset + len(data)
    has_more = bool(data) and end < page.total
    return write_response(ListBody(data=data, has_more=has_more, next=str(end) if has_more else None))
