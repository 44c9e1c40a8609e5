"""Assets: files that are put in."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any, Literal

from multiturn_client import requests
from multiturn_client.asynchronous.pages import AsyncPages
from multiturn_client.asynchronous.transport import AsyncTransport
from multiturn_client.errors import RequestTimeout
from multiturn_client.files import Source, open_upload
from multiturn_client.knowledge import AT_WORK, Asset
from multiturn_client.pages import PageRequest
from multiturn_client.records import Deleted

POLL_S = 0.5
WAIT_S = 600.0


class AsyncAssets:
    """Puts files in, finds and deletes them: ``client.assets``.

    >>> asset = await client.assets.create(b"Bees dance.", filename="bees.txt", metadata={"team": "garden"})
    >>> (await client.assets.wait(asset.id)).status
    'ready'
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        file: Source | None = None,
        *,
        url: str | None = None,
        filename: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        purpose: str | None = None,
    ) -> Asset:
        """Put a file in: a path, an open file (which is read as it is sent), bytes with a ``filename``, or a ``url``
        from which the server fetches it. It is looked at in the background; ``wait`` for it.

        Raises InvalidRequestError, TypeError unless there is either a file or a URL.

        >>> (await client.assets.create(b"Bees dance.", filename="bees.txt")).status
        'processing'
        """
        fields = {"filename": filename, "metadata": metadata, "purpose": purpose}
        if (file is None) == (url is None):
            raise TypeError("Give either a file or a url=…")
        if file is None:
            named = {name: value for name, value in {"url": url, **fields}.items() if value is not None}
            return Asset.read(await self._transport.send(requests.post("assets", body=named)))
        with open_upload(file, filename, {"metadata": metadata, "purpose": purpose}) as upload:
            return Asset.read(await self._transport.send(requests.send_file("assets", upload=upload)))

    async def get(self, asset_id: str) -> Asset:
        """Get an asset. Raises AssetNotFoundError.

        >>> asset = await client.assets.create(b"Bees dance.", filename="bees.txt")
        >>> (await client.assets.get(asset.id)).filename
        'bees.txt'
        """
        return Asset.read(await self._transport.send(requests.get("assets", asset_id)))

    async def wait(self, asset_id: str, *, timeout_s: float = WAIT_S) -> Asset:
        """Wait until an asset is ready or has failed, for ``timeout_s`` seconds at most (default 600). Raises
        RequestTimeout, AssetNotFoundError.

        >>> asset = await client.assets.create(b"%PDF-1.7 and nothing else", filename="broken.pdf")
        >>> (await client.assets.wait(asset.id)).status
        'failed'
        """
        ends = monotonic() + timeout_s
        while (asset := await self.get(asset_id)).status in AT_WORK:
            if monotonic() > ends:
                raise RequestTimeout(f"The asset is not ready after {timeout_s:g} s: {asset.status}.")
            await self._transport.sleep(POLL_S)
        return asset

    def list(
        self,
        *,
        kind: Literal["document", "audio", "video", "image"] | None = None,
        filename: str | None = None,
        sha256: str | None = None,
        limit: int | None = None,
    ) -> AsyncPages[Asset]:
        """List assets, the newest first, ``limit`` a page (1 to 100, default 20): those of a kind, those whose filename
        has this in it, those whose bytes have this hash.

        >>> asset = await client.assets.create(b"Bees dance.", filename="bees.txt")
        >>> [found.filename async for found in client.assets.list(sha256=asset.sha256)]
        ['bees.txt']
        """
        asked = requests.get("assets", kind=kind, filename=filename, digest=sha256, limit=limit)
        return AsyncPages(self._transport, PageRequest(request=asked, cursor="cursor"), Asset.read)

    async def update(self, asset_id: str, *, metadata: Mapping[str, Any] | None) -> Asset:
        """Change the metadata of an asset: keys are merged, None takes one away; None for all clears them.

        >>> asset = await client.assets.create(b"Bees dance.", filename="bees.txt", metadata={"team": "garden"})
        >>> (await client.assets.update(asset.id, metadata={"year": 2026})).metadata
        {'team': 'garden', 'year': 2026}
        """
        asked = requests.patch("assets", asset_id, body={"metadata": metadata})
        return Asset.read(await self._transport.send(asked))

    async def delete(self, asset_id: str, *, force: bool = False) -> Deleted:
        """Delete an asset; with ``force`` also its items in knowledge stores. Raises AssetNotFoundError, and
        ConflictError for one that is in a store.

        >>> asset = await client.assets.create(b"Bees dance.", filename="bees.txt")
        >>> (await client.assets.delete(asset.id)).deleted
        True
        """
        asked = requests.delete("assets", asset_id, force=True if force else None)
        return Deleted.read(await self._transport.send(asked))
