"""What a server is doing with files that were sent: looked at for all of them together, with few requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from multiturn.cli.client import Client, path_of
from multiturn.errors import MultiturnError

LOOK_SOON_S = 0.2
LOOK_S = 1.0
SLOWER = 1.5
AT_WORK = ("queued", "pending", "processing")
PAGE_MAX = 100
Body = dict[str, Any]


class Watch:
    """Waits for assets and for items of one store; ``tell`` hears of each item how far it is.

    It looks sooner after something has happened, and once a second while nothing does.
    """

    def __init__(self, client: Client, store_id: str, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self.client = client
        self.items_path = path_of("stores", store_id, "items")
        self.tell = tell
        self.assets: dict[str, asyncio.Future[Body]] = {}
        self.items: dict[str, asyncio.Future[Body]] = {}
        self.pause_s = LOOK_SOON_S

    async def wait_asset(self, asset: Body) -> Body:
        """Wait until it is known what a file is, or that it cannot be read."""
        return asset if asset["status"] != "processing" else await self._wait(self.assets, asset)

    async def wait_item(self, item: Body) -> Body:
        """Wait until an item is ready, or has failed."""
        return item if item["status"] not in AT_WORK else await self._wait(self.items, item)

    async def _wait(self, waiting: dict[str, asyncio.Future[Body]], body: Body) -> Body:
        future: asyncio.Future[Body] = asyncio.get_running_loop().create_future()
        waiting[body["id"]] = future
        self.pause_s = LOOK_SOON_S
        try:
            return await future
        finally:
            del waiting[body["id"]]

    async def run(self) -> None:
        """Look, until it is cancelled. Raises MultiturnError."""
        while True:
            await asyncio.sleep(self.pause_s)
            self.pause_s = min(LOOK_S, self.pause_s * SLOWER)
            if self.assets:
                await self._look_at_assets()
            if self.items:
                await self._look_at_items()

    async def _look_at_assets(self) -> None:
        found = await self.client.get(path_of("assets"), ids=list(self.assets)[:PAGE_MAX], limit=PAGE_MAX)
        known = {asset["id"]: asset for asset in found["data"]}
        for id_ in list(self.assets)[:PAGE_MAX]:
            asset = known.get(id_) or gone(id_)
            if asset["status"] != "processing":
                self._end(self.assets, asset)

    async def _look_at_items(self) -> None:
        """Look at what is at work, and one by one at what no longer is."""
        page = await self.client.get(self.items_path, status=list(AT_WORK), order="asc", limit=PAGE_MAX)
        at_work = {item["id"]: item for item in page["data"]}
        for id_ in list(self.items):
            if id_ in at_work:
                self.tell(at_work[id_])
                continue
            item = await self._get_item(id_)
            if item["status"] not in AT_WORK:
                self._end(self.items, item)

    async def _get_item(self, id_: str) -> Body:
        """An item as it stands; one that was deleted meanwhile has failed. Raises MultiturnError."""
        try:
            found: Body = await self.client.get(f"{self.items_path}/{id_}")
        except MultiturnError as error:
            if error.code != "item_not_found":
                raise
            return gone(id_)
        return found

    def _end(self, waiting: Mapping[str, asyncio.Future[Body]], body: Body) -> None:
        future = waiting.get(body["id"])
        if future and not future.done():
            future.set_result(body)
            self.pause_s = LOOK_SOON_S


def gone(id_: str) -> Body:
    """What stands for something that was deleted while it was waited for."""
    return {"id": id_, "status": "failed", "error": "It was deleted meanwhile."}
