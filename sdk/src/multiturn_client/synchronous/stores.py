"""Knowledge stores: files that are searched together."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any, Literal, Unpack

from multiturn_client import requests
from multiturn_client.errors import RequestTimeout
from multiturn_client.knowledge import AT_WORK, Store, StoreItem, StoreResults
from multiturn_client.options import StoreOptions, StoreSearchOptions
from multiturn_client.pages import PageRequest
from multiturn_client.records import Deleted
from multiturn_client.synchronous.assets import POLL_S, WAIT_S
from multiturn_client.synchronous.pages import Pages
from multiturn_client.synchronous.transport import Transport


class Stores:
    """Makes knowledge stores, finds, searches and deletes them: ``client.stores``. Wherever one is named, ``store_id``
    is our id or its name.

    >>> store = client.stores.create("bees")
    >>> asset = client.assets.wait((client.assets.create(b"Bees dance.", filename="bees.txt")).id)
    >>> item = client.stores.items.add("bees", asset.id)
    >>> client.stores.items.wait("bees", item.id).status
    'ready'
    >>> (client.stores.search("bees", "who dances?"))[0].text
    'Bees dance.'
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.items = StoreItems(transport)

    def create(
        self,
        name: str,
        *,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        ingestion_config: Mapping[str, Any] | None = None,
    ) -> Store:
        """Make a store. ``ingestion_config`` is what a model extracts of each item: a description in words, or a JSON
        schema. Raises InvalidRequestError.

        >>> wanted = {"enrichment_config": {"type": "description", "description": "the insects that it names"}}
        >>> store = client.stores.create("bees", ingestion_config=wanted)
        >>> store.ingestion_config["enrichment_config"]["type"]
        'description'
        """
        given = {"description": description, "metadata": metadata, "ingestion_config": ingestion_config}
        body = {"name": name, **{key: value for key, value in given.items() if value is not None}}
        return Store.read(self._transport.send(requests.post("stores", body=body)))

    def get(self, store_id: str) -> Store:
        """Get a store with its items counted. Raises StoreNotFoundError.

        >>> store = client.stores.create("bees")
        >>> client.stores.get("bees").id == store.id
        True
        """
        return Store.read(self._transport.send(requests.get("stores", store_id)))

    def list(self, *, limit: int | None = None) -> Pages[Store]:
        """List stores, the newest first, ``limit`` a page (1 to 100, default 20).

        >>> store = client.stores.create("bees")
        >>> [store.name for store in client.stores.list()]
        ['bees']
        """
        asked = requests.get("stores", limit=limit)
        return Pages(self._transport, PageRequest(request=asked, cursor="cursor"), Store.read)

    def update(self, store_id: str, **changes: Unpack[StoreOptions]) -> Store:
        """Change a store: what is not named stays, metadata are replaced. Raises StoreNotFoundError,
        InvalidRequestError.

        >>> store = client.stores.create("bees")
        >>> client.stores.update(store.id, description="What bees do").description
        'What bees do'
        """
        return Store.read(self._transport.send(requests.patch("stores", store_id, body=changes)))

    def search(self, store_id: str, text: str | None = None, **options: Unpack[StoreSearchOptions]) -> StoreResults:
        """Search in a store, by words, meaning or both; the best hits first. Raises StoreNotFoundError.

        >>> store = client.stores.create("bees")
        >>> client.stores.search(store.id, "bees", kinds=["video"], limit=3).data
        ()
        """
        body = {**({} if text is None else {"text": text}), **options}
        asked = requests.post("stores", store_id, "search", body=body, is_repeatable=True)
        return StoreResults.read(self._transport.send(asked))

    def delete(self, store_id: str) -> Deleted:
        """Delete a store with its items; the assets stay. Raises StoreNotFoundError.

        >>> store = client.stores.create("bees")
        >>> client.stores.delete(store.id).id == store.id
        True
        """
        return Deleted.read(self._transport.send(requests.delete("stores", store_id)))


class StoreItems:
    """Puts assets into knowledge stores and follows them there: ``client.stores.items``.

    >>> store = client.stores.create("bees")
    >>> [item.title for item in client.stores.items.list(store.id, status="failed")]
    []
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def add(
        self, store_id: str, asset_id: str, *, metadata: Mapping[str, Any] | None = None, kind: str | None = None
    ) -> StoreItem:
        """Put an asset into a store, where it is indexed in the background; ``wait`` for it. A ``title`` among the
        metadata is the item's title. With ``kind`` it fails if the asset is of another.

        Raises StoreNotFoundError, AssetNotFoundError, InvalidRequestError for an asset that is not ready.

        >>> store = client.stores.create("bees")
        >>> asset = client.assets.wait((client.assets.create(b"Bees dance.", filename="bees.txt")).id)
        >>> client.stores.items.add(store.id, asset.id, metadata={"title": "On bees"}).title
        'On bees'
        """
        given = {"asset_id": asset_id, "metadata": metadata, "kind": kind}
        body = {name: value for name, value in given.items() if value is not None}
        asked = requests.post("stores", store_id, "items", body=body, is_repeatable=True)
        return StoreItem.read(self._transport.send(asked))

    def get(self, store_id: str, item_id: str) -> StoreItem:
        """Get an item. Raises StoreNotFoundError, NotFoundError.

        >>> store = client.stores.create("bees")
        >>> client.stores.items.get(store.id, "nonexistent_id")
        Traceback (most recent call last):
        multiturn_client.errors.NotFoundError: ...
        """
        return StoreItem.read(self._transport.send(requests.get("stores", store_id, "items", item_id)))

    def list(
        self,
        store_id: str,
        *,
        status: Literal["queued", "pending", "processing", "ready", "failed"] | None = None,
        asset_id: str | None = None,
        limit: int | None = None,
    ) -> Pages[StoreItem]:
        """List the items of a store, the newest first, ``limit`` a page (1 to 100, default 20): those of a status, that
        of an asset.

        >>> store = client.stores.create("bees")
        >>> [item.title for item in client.stores.items.list(store.id, status="ready")]
        []
        """
        asked = requests.get("stores", store_id, "items", status=status, asset_id=asset_id, limit=limit)
        return Pages(self._transport, PageRequest(request=asked, cursor="cursor"), StoreItem.read)

    def wait(self, store_id: str, item_id: str, *, timeout_s: float = WAIT_S) -> StoreItem:
        """Wait until an item is ready or has failed, for ``timeout_s`` seconds at most (default 600). Raises
        RequestTimeout, NotFoundError.

        >>> store = client.stores.create("bees")
        >>> asset = client.assets.wait((client.assets.create(b"Bees dance.", filename="bees.txt")).id)
        >>> item = client.stores.items.add(store.id, asset.id)
        >>> client.stores.items.wait(store.id, item.id, timeout_s=60).progress
        100
        """
        ends = monotonic() + timeout_s
        while (item := self.get(store_id, item_id)).status in AT_WORK:
            if monotonic() > ends:
                raise RequestTimeout(f"The item is not ready after {timeout_s:g} s: {item.status}, {item.progress} %.")
            self._transport.sleep(POLL_S)
        return item

    def retry(self, store_id: str, item_id: str) -> StoreItem:
        """Have an item indexed again that failed; any other stays as it is. Raises NotFoundError.

        >>> store = client.stores.create("bees")
        >>> client.stores.items.retry(store.id, "nonexistent_id")
        Traceback (most recent call last):
        multiturn_client.errors.NotFoundError: ...
        """
        asked = requests.post("stores", store_id, "items", item_id, "retry", is_repeatable=True)
        return StoreItem.read(self._transport.send(asked))

    def delete(self, store_id: str, item_id: str) -> Deleted:
        """Take an item out of its store; the asset stays. Raises NotFoundError.

        >>> store = client.stores.create("bees")
        >>> asset = client.assets.wait((client.assets.create(b"Bees dance.", filename="bees.txt")).id)
        >>> item = client.stores.items.add(store.id, asset.id)
        >>> client.stores.items.delete(store.id, item.id).deleted
        True
        """
        return Deleted.read(self._transport.send(requests.delete("stores", store_id, "items", item_id)))
