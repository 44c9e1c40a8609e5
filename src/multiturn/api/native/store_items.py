"""The paths of the items of knowledge stores: put in, followed, read, searched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from multiturn.api.errors import write_response
from multiturn.api.native.query import read_number
from multiturn.api.native.store_search_wire import StoreHitsBody, StoreSearchBody
from multiturn.api.native.stores import find_store, read_items_filter, read_json, write_page
from multiturn.api.native.stores_render import (
    render_counts,
    render_event,
    render_excerpt,
    render_hits,
    render_item,
    render_outline,
)
from multiturn.api.native.stores_wire import (
    AddedBody,
    AddedListBody,
    ExcerptBody,
    RefusalBody,
    StoreDeletedBody,
    StoreEventBody,
    StoreItemChangeBody,
    StoreItemOrderBody,
    StoreItemsOrderBody,
)
from multiturn.api.native.wire import ListBody
from multiturn.api.services import Services
from multiturn.api.sse import EventStream, watch_client
from multiturn.engine.item_reading import EXCERPT_CHARS_MAX
from multiturn.engine.stores import KnowledgeStores, item_not_found
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.ids import find_id
from multiturn.model.knowledge import Owner, SearchOrder
from multiturn.model.outline import Excerpt
from multiturn.model.store import ItemStatus, KnowledgeStoreInfo, Sorting, StoreItem, StoreItemFilter

AT_WORK: tuple[ItemStatus, ...] = ("queued", "pending", "processing")
FOLLOW_EVERY_S = 0.5
FOLLOWED_MAX = 1000
# A proxy must not take a stream for dead in which nothing happens.
SILENT_ROUNDS_MAX = 30
SECONDS_MAX, PAGES_MAX = 360_000.0, 1_000_000


class StoreItemRoutes:
    """Items of knowledge stores."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        store = f"{base}/stores/{{store_id}}"
        item = f"{store}/items/{{item_id}}"
        return [
            Route(f"{store}/items", self.add_item, methods=["POST"]),
            Route(f"{store}/items", self.list_items, methods=["GET"]),
            Route(f"{store}/items/batch", self.add_items, methods=["POST"]),
            Route(item, self.get_item, methods=["GET"]),
            Route(item, self.change_item, methods=["PATCH"]),
            Route(item, self.delete_item, methods=["DELETE"]),
            Route(f"{item}/retry", self.retry_item, methods=["POST"]),
            Route(f"{item}/outline", self.read_outline, methods=["GET"]),
            Route(f"{item}/text", self.read_text, methods=["GET"]),
            Route(f"{store}/events", self.follow, methods=["GET"]),
            Route(f"{store}/search", self.search, methods=["POST"]),
        ]

    async def add_item(self, request: Request) -> Response:
        """Put an asset into a store."""
        store = await find_store(self.services, request, is_changed=True)
        order = await read_json(self.services, request, StoreItemOrderBody)
        return write_response(render_item(await self._add(store, order)), status=202)

    async def add_items(self, request: Request) -> Response:
        """Put several assets into a store; one that is refused does not keep the others out."""
        store = await find_store(self.services, request, is_changed=True)
        body = await read_json(self.services, request, StoreItemsOrderBody)
        return write_response(
            AddedListBody(data=[await self._try_to_add(store, one) for one in body.items]), status=202
        )

    async def _add(self, store: KnowledgeStoreInfo, order: StoreItemOrderBody) -> StoreItem:
        return await self.services.stores.add_item(
            store.tenant_id, store.id, order.asset_id, kind=order.kind, metadata=order.metadata
        )

    async def _try_to_add(self, store: KnowledgeStoreInfo, order: StoreItemOrderBody) -> AddedBody:
        try:
            item = await self._add(store, order)
        except (InvalidRequest, NotFound) as error:
            refusal = RefusalBody(code=error.code, message=error.message)
            return AddedBody(asset_id=order.asset_id, item=None, error=refusal)
        return AddedBody(asset_id=order.asset_id, item=render_item(item), error=None)

    async def list_items(self, request: Request) -> Response:
        """List the items of a store."""
        store = await find_store(self.services, request)
        which = read_items_filter(request)
        page = await self.services.stores.list_items(store.tenant_id, store.id, which)
        return write_page(page, which.sorting, [render_item(item) for item in page.data])

    async def get_item(self, request: Request) -> Response:
        """One item."""
        return write_response(render_item(await self._find(request)))

    async def change_item(self, request: Request) -> Response:
        """Change title or metadata of an item."""
        item = await self._find(request, is_changed=True)
        body = await read_json(self.services, request, StoreItemChangeBody)
        changed = await self.services.stores.change_item(
            item.tenant_id, item.store_id, item.id, metadata=body.metadata, title=body.title
        )
        return write_response(render_item(changed))

    async def delete_item(self, request: Request) -> Response:
        """Delete an item; the asset stays."""
        item = await self._find(request, is_changed=True)
        await self.services.stores.delete_item(item.tenant_id, item.store_id, item.id)
        return write_response(StoreDeletedBody(id=str(item.id), object="store.item.deleted"))

    async def retry_item(self, request: Request) -> Response:
        """Index an item again that failed."""
        item = await self._find(request, is_changed=True)
        return write_response(
            render_item(await self.services.stores.retry_item(item.tenant_id, item.store_id, item.id)), status=202
        )

    async def read_outline(self, request: Request) -> Response:
        """What an item is about, and where."""
        item = await self._find(request)
        return write_response(render_outline(item, await self.services.stores.read_outline(item)))

    async def read_text(self, request: Request) -> Response:
        """What an item says: on a page, in a stretch of time, or from a character on."""
        item = await self._find(request)
        page = read_number(request, "page")
        from_s, to_s = read_seconds(request, "from_s"), read_seconds(request, "to_s")
        stores = self.services.stores
        if page is not None:
            return write_excerpts(await stores.read_around(item, page=min(page, PAGES_MAX)))
        if from_s is not None or to_s is not None:
            start, end = from_s or 0.0, SECONDS_MAX if to_s is None else to_s
            middle = (start + end) / 2
            return write_excerpts(await stores.read_around(item, at_s=middle, width=max(0.0, end - middle)))
        first = read_number(request, "cursor") or 0
        found = await stores.read_around(item, character=first + EXCERPT_CHARS_MAX // 2, width=EXCERPT_CHARS_MAX // 2)
        end = found[-1].end if found else item.characters
        return write_excerpts(found, end=end if end < item.characters else None)

    async def follow(self, request: Request) -> ASGIApp:
        """How far the items of a store are, as it changes, until nothing is at work."""
        store = await find_store(self.services, request)
        stream = EventStream(write_events(self.services.stores, store), headers={})
        stream.watch = asyncio.create_task(watch_client(request.receive, stream.hang_up))
        return stream

    async def search(self, request: Request) -> Response:
        """Search in a store."""
        store = await find_store(self.services, request)
        body = await read_json(self.services, request, StoreSearchBody)
        order = await self._read_order(store, body)
        if order is None:
            return write_response(StoreHitsBody(data=[], mode="text", took_ms=0.0))
        found = await self.services.knowledge.search(store.tenant_id, [Owner("store", store.id)], order)
        assets = await self.services.stores.load_assets(store.tenant_id, [hit.item.asset_id for hit in found.hits])
        data = render_hits(request, self.services.links, found.hits, assets)
        return write_response(StoreHitsBody(data=data, mode=found.mode, took_ms=round(found.took_ms, 2)))

    async def _read_order(self, store: KnowledgeStoreInfo, body: StoreSearchBody) -> SearchOrder | None:
        """The search that a body asks for; None in a collection without items. Raises InvalidRequest, NotFound."""
        item_ids = {read_item_id(text) for text in body.item_ids}
        if body.collection_id is not None:
            members = await self._list_members(store, body.collection_id)
            item_ids = members & item_ids if item_ids else members
            if not item_ids:
                return None
        return SearchOrder(
            mode=body.mode or ("hybrid" if body.text or body.vector is None else "vector"),
            text=body.text,
            earlier=tuple(body.earlier),
            vector=None if body.vector is None else tuple(body.vector),
            limit=body.limit,
            confidence=body.confidence,
            alpha=body.alpha,
            mmr_strength=body.mmr_strength,
            modalities=frozenset(body.modalities),
            kinds=frozenset(body.kinds),
            item_ids=frozenset(item_ids),
            metadata=body.metadata_filter or {},
            reranks=body.rerank,
        )

    async def _list_members(self, store: KnowledgeStoreInfo, name: str) -> set[UUID]:
        """The items of a collection. Raises NotFound."""
        stores = self.services.stores
        collection = await stores.get_collection(store.tenant_id, store.id, find_id(name) or store.id)
        return set(await stores.registry.list_members(store.tenant_id, [collection.id]))

    async def _find(self, request: Request, *, is_changed: bool = False) -> StoreItem:
        """The item of the path. Raises NotFound."""
        store = await find_store(self.services, request, is_changed=is_changed)
        item_id = read_item_id(request.path_params["item_id"])
        return await self.services.stores.get_item(store.tenant_id, store.id, item_id)


async def write_events(stores: KnowledgeStores, store: KnowledgeStoreInfo) -> AsyncGenerator[bytes]:
    """How far items are, as frames: at first all that are at work, then each that changed; at last that none is."""
    seen: dict[UUID, StoreItem] = {}
    which = StoreItemFilter(statuses=AT_WORK, sorting=Sorting(newest_first=False, limit=FOLLOWED_MAX))
    silent = 0
    try:
        while True:
            page = await stores.list_items(store.tenant_id, store.id, which)
            now = {item.id: item for item in page.data}
            ended = [id_ for id_ in seen if id_ not in now]
            known = await stores.registry.get_items(store.tenant_id, ended)
            bodies = [render_event(item) for id_, item in now.items() if seen.get(id_) != item]
            bodies += [render_event(known[id_]) if id_ in known else gone(id_) for id_ in ended]
            silent = 0 if bodies else silent + 1
            if bodies or silent % SILENT_ROUNDS_MAX == 0:
                yield b"".join(write_frame(body) for body in bodies) or b": nothing new\n\n"
            if not page.total:
                break
            seen = now
            await asyncio.sleep(FOLLOW_EVERY_S)
        store = await stores.get(store.tenant_id, store.id)
        yield write_frame(StoreEventBody(type="end", items=render_counts(store)))
    except NotFound:
        yield write_frame(StoreEventBody(type="deleted"))


def gone(item_id: UUID) -> StoreEventBody:
    """An item that was deleted."""
    return StoreEventBody(type="deleted", item_id=str(item_id))


def write_frame(body: StoreEventBody) -> bytes:
    """An event as a frame."""
    return b"event: %s\ndata: %s\n\n" % (body.type.encode(), msgspec.json.encode(body))


def write_excerpts(found: Sequence[Excerpt], *, end: int | None = None) -> Response:
    """Pieces of text; ``end`` is where there is more behind them."""
    data: list[ExcerptBody] = [render_excerpt(excerpt) for excerpt in found]
    return write_response(ListBody(data=data, has_more=end is not None, next=end))


def read_item_id(text: str) -> UUID:
    """The id of an item. Raises NotFound for what is none."""
    id_ = find_id(text)
    if id_ is None:
        raise item_not_found()
    return id_


def read_seconds(request: Request, name: str) -> float | None:
    """A parameter that is a time in a recording. Raises InvalidRequest."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        time_s = float(text)
    except ValueError:
        time_s = -1.0
    if not 0 <= time_s <= SECONDS_MAX:
        raise InvalidRequest(f"'{name}' must be seconds from 0; it is '{text[:40]}'.", param=name)
    return time_s
