"""The paths of the files of OpenAI's vector stores, and of their batches."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from multiturn.api.errors import write_response
from multiturn.api.files.parse import (
    PageOrder,
    check_chunking,
    read_batch_id,
    read_order,
    read_page,
    read_status,
)
from multiturn.api.files.render import (
    file_id,
    render_batch,
    render_counts,
    render_page,
    render_store_file,
)
from multiturn.api.files.vector_stores import READY_S, find_store, sort, take
from multiturn.api.files.wire import (
    BatchOrderBody,
    ContentPage,
    OpenAIDeleted,
    StoreFileBody,
    StoreFileChangeBody,
    StoreFileOrderBody,
    TextBody,
)
from multiturn.api.services import Services
from multiturn.engine.file_batches import BatchEntry, BatchState, FileBatches
from multiturn.engine.item_parts import walk_parts
from multiturn.engine.ports_ingestion import PartStore
from multiturn.engine.stores import item_not_found
from multiturn.errors import InvalidRequest
from multiturn.model.asset import Asset
from multiturn.model.store import KnowledgeStoreInfo, Sorting, StoreItem, StoreItemFilter

# How a page says that it holds nothing, and how much of one is sent at once.
EMPTY = b'"data":[]'
CONTENT_BYTES = 64 * 1024


class StoreFileRoutes:
    """Files of vector stores, and batches of them."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        store = f"{base}/vector_stores/{{vector_store_id}}"
        file, batch = f"{store}/files/{{file_id}}", f"{store}/file_batches/{{batch_id}}"
        return [
            Route(f"{store}/files", self.add_file, methods=["POST"]),
            Route(f"{store}/files", self.list_files, methods=["GET"]),
            Route(file, self.get_file, methods=["GET"]),
            Route(file, self.change_file, methods=["POST"]),
            Route(file, self.delete_file, methods=["DELETE"]),
            Route(f"{file}/content", self.read_content, methods=["GET"]),
            Route(f"{store}/file_batches", self.create_batch, methods=["POST"]),
            Route(batch, self.get_batch, methods=["GET"]),
            Route(f"{batch}/cancel", self.cancel_batch, methods=["POST"]),
            Route(f"{batch}/files", self.list_batch_files, methods=["GET"]),
        ]

    async def add_file(self, request: Request) -> Response:
        """Put a file into a vector store, with attributes if it likes; one that is there gets them too."""
        store = await find_store(self.services, request, is_changed=True)
        body = await read_order(self.services, request, StoreFileOrderBody)
        check_chunking(body.chunking_strategy)
        item = await self.services.stores.add_item(
            store.tenant_id, store.id, body.file_id, metadata=dict(body.attributes or {}), wait_s=READY_S
        )
        if body.attributes is not None and item.metadata != body.attributes:
            item = await self.services.stores.change_item(
                store.tenant_id, store.id, item.id, metadata=dict(body.attributes)
            )
        asset = await self.services.assets.get(store.tenant_id, body.file_id)
        return write_response(render_store_file(item, asset))

    async def list_files(self, request: Request) -> Response:
        """List the files of a vector store."""
        store = await find_store(self.services, request)
        return await self._list(request, store, collection_id=None)

    async def get_file(self, request: Request) -> Response:
        """One file of a vector store."""
        item, asset = await self._find(request)
        return write_response(render_store_file(item, asset))

    async def change_file(self, request: Request) -> Response:
        """Replace the attributes of a file of a vector store."""
        item, asset = await self._find(request, is_changed=True)
        body = await read_order(self.services, request, StoreFileChangeBody)
        changed = await self.services.stores.change_item(
            item.tenant_id, item.store_id, item.id, metadata=dict(body.attributes or {})
        )
        return write_response(render_store_file(changed, asset))

    async def delete_file(self, request: Request) -> Response:
        """Take a file out of a vector store; the file itself stays."""
        item, asset = await self._find(request, is_changed=True)
        await self.services.stores.delete_item(item.tenant_id, item.store_id, item.id)
        return write_response(OpenAIDeleted(id=file_id(asset), object="vector_store.file.deleted"))

    async def read_content(self, request: Request) -> Response:
        """What was read of a file of a vector store, piece by piece: it may be a whole library."""
        item, _ = await self._find(request)
        return StreamingResponse(write_content(self.services.stores.parts, item), media_type="application/json")

    async def create_batch(self, request: Request) -> Response:
        """Put several files into a vector store."""
        store = await find_store(self.services, request, is_changed=True)
        entries = read_entries(await read_order(self.services, request, BatchOrderBody))
        batches = FileBatches(self.services.stores)
        return write_batch(await batches.add(store.tenant_id, store.id, entries, wait_s=READY_S))

    async def get_batch(self, request: Request) -> Response:
        """How far a batch is."""
        _, batch = await self._find_batch(request)
        return write_batch(batch)

    async def cancel_batch(self, request: Request) -> Response:
        """Take out what is not indexed yet."""
        store, batch = await self._find_batch(request, is_changed=True)
        batches = FileBatches(self.services.stores)
        return write_batch(await batches.cancel(store.tenant_id, store.id, batch.collection.id))

    async def list_batch_files(self, request: Request) -> Response:
        """List the files of a batch."""
        store, batch = await self._find_batch(request)
        return await self._list(request, store, collection_id=batch.collection.id)

    async def _list(self, request: Request, store: KnowledgeStoreInfo, *, collection_id: UUID | None) -> Response:
        """A page of files, of a store or of a batch."""
        page, statuses = read_page(request), read_status(request)
        found: tuple[StoreItem, ...] = ()
        if statuses != ():
            sorting = sort(page, await self._find_anchor(store, page))
            which = StoreItemFilter(statuses=statuses or (), collection_id=collection_id, sorting=sorting)
            found = (await self.services.stores.list_items(store.tenant_id, store.id, which)).data
        items: list[StoreItem] = take(page, found)
        assets = await self.services.stores.load_assets(store.tenant_id, [item.asset_id for item in items])
        data: list[StoreFileBody] = [
            render_store_file(item, assets[item.asset_id]) for item in items if item.asset_id in assets
        ]
        return write_response(render_page(data, has_more=len(found) > page.limit))

    async def _find_anchor(self, store: KnowledgeStoreInfo, page: PageOrder) -> UUID | None:
        """The item at which a page begins. Raises NotFound."""
        name = page.after or page.before
        return (await self._find_item(store, name))[0].id if name else None

    async def _find_item(self, store: KnowledgeStoreInfo, name: str) -> tuple[StoreItem, Asset]:
        """The item of a file in a store. Raises NotFound."""
        asset = await self.services.assets.get(store.tenant_id, name)
        which = StoreItemFilter(asset_id=asset.id, sorting=Sorting(limit=1))
        page = await self.services.stores.list_items(store.tenant_id, store.id, which)
        if not page.data:
            raise item_not_found()
        item: StoreItem = page.data[0]
        return item, asset

    async def _find(self, request: Request, *, is_changed: bool = False) -> tuple[StoreItem, Asset]:
        """The file of the path, in the store of the path. Raises NotFound."""
        store = await find_store(self.services, request, is_changed=is_changed)
        return await self._find_item(store, request.path_params["file_id"])

    async def _find_batch(self, request: Request, *, is_changed: bool = False) -> tuple[KnowledgeStoreInfo, BatchState]:
        """The batch of the path, in the store of the path. Raises NotFound."""
        store = await find_store(self.services, request, is_changed=is_changed)
        batch_id = read_batch_id(request.path_params["batch_id"])
        return store, await FileBatches(self.services.stores).get(store.tenant_id, store.id, batch_id)


async def write_content(parts: PartStore, item: StoreItem) -> AsyncGenerator[bytes]:
    """The text of an item as the JSON of a content page, a few pieces at a time."""
    head, tail = msgspec.json.encode(ContentPage(data=[])).split(EMPTY)
    held = head + b'"data":['
    joint = b""
    async with aclosing(walk_parts(parts, item.tenant_id, item.id)) as found:
        async for _, part in found:
            held += joint + msgspec.json.encode(TextBody(text=part.text))
            joint = b","
            if len(held) >= CONTENT_BYTES:
                yield held
                held = b""
    yield held + b"]" + tail


def read_entries(body: BatchOrderBody) -> list[BatchEntry]:
    """The files of a batch. Raises InvalidRequest unless they are named in one way."""
    if (body.file_ids is None) == (body.files is None):
        raise InvalidRequest("Send either 'file_ids' or 'files'.", param="file_ids")
    check_chunking(body.chunking_strategy)
    if body.file_ids is not None:
        facts: dict[str, Any] = dict(body.attributes or {})
        return [BatchEntry(asset=name, metadata=facts) for name in body.file_ids]
    for one in body.files or ():
        check_chunking(one.chunking_strategy)
    return [BatchEntry(asset=one.file_id, metadata=dict(one.attributes or {})) for one in body.files or ()]


def write_batch(batch: BatchState) -> Response:
    """A batch."""
    counts = render_counts(batch.items, failed=batch.refused, cancelled=batch.cancelled)
    return write_response(render_batch(batch.collection, counts))
