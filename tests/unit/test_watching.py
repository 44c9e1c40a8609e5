"""Waiting for files that a server works on: few requests for all of them, sooner after something has happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from multiturn.cli.watching import LOOK_S, LOOK_SOON_S, Watch
from multiturn.errors import NotFound

ITEMS = "stores/s/items"


class Server:
    """A server whose assets and items are what a test says; it counts what it is asked."""

    def __init__(self) -> None:
        self.assets: dict[str, str] = {}
        self.items: dict[str, str] = {}
        self.asked: list[str] = []

    async def get(self, path: str, **query: Any) -> Any:
        self.asked.append(path.rpartition("/v1/")[2].strip("/"))
        if self.asked[-1] == "assets":
            return {"data": [make(id_, self.assets[id_]) for id_ in query["ids"] if id_ in self.assets]}
        if self.asked[-1] == ITEMS:
            return {"data": [make(id_, status) for id_, status in self.items.items() if status in query["status"]]}
        id_ = path.rpartition("/")[2]
        if id_ not in self.items:
            raise NotFound("There is no such item.", code="item_not_found")
        return make(id_, self.items[id_])


def make(id_: str, status: str) -> dict[str, Any]:
    return {"id": id_, "status": status}


@asynccontextmanager
async def watch(server: Server, told: list[Mapping[str, Any]]) -> AsyncIterator[Watch]:
    """A watch that looks, until the block ends."""
    watching = Watch(cast(Any, server), "s", told.append)
    looking = asyncio.create_task(watching.run())
    yield watching
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking


async def test_what_is_done_is_not_waited_for() -> None:
    server = Server()
    async with watch(server, []) as watching:
        assert await watching.wait_asset(make("a", "failed")) == make("a", "failed")
        assert await watching.wait_item(make("i", "ready")) == make("i", "ready")
    assert server.asked == []


async def test_assets_are_looked_at_together() -> None:
    server = Server()
    server.assets = {"a": "processing", "b": "processing"}
    async with watch(server, []) as watching:
        waiting = [asyncio.create_task(watching.wait_asset(make(id_, "processing"))) for id_ in "ab"]
        await asyncio.sleep(LOOK_SOON_S * 1.5)
        assert server.asked == ["assets"]
        server.assets = {"a": "ready", "b": "failed"}
        assert await asyncio.gather(*waiting) == [make("a", "ready"), make("b", "failed")]
    assert server.asked == ["assets"] * 2
    assert not watching.assets


async def test_items_are_told_until_they_end() -> None:
    server = Server()
    told: list[Mapping[str, Any]] = []
    server.items = {"i": "processing", "j": "queued"}
    async with watch(server, told) as watching:
        waiting = [asyncio.create_task(watching.wait_item(make(id_, "queued"))) for id_ in "ij"]
        await asyncio.sleep(LOOK_SOON_S * 1.5)
        assert told == [make("i", "processing"), make("j", "queued")]
        server.items = {"i": "ready", "j": "processing"}
        assert await waiting[0] == make("i", "ready")
        server.items["j"] = "failed"
        assert await waiting[1] == make("j", "failed")
    assert told[-1] == make("j", "processing")
    assert server.asked.count(f"{ITEMS}/i") == 1


async def test_it_looks_less_often_while_nothing_happens() -> None:
    watching = Watch(cast(Any, Server()), "s", lambda _: None)
    looking = asyncio.create_task(watching.run())
    await asyncio.sleep(LOOK_SOON_S * 1.2)
    slower = watching.pause_s
    assert LOOK_SOON_S < slower <= LOOK_S
    waiting = asyncio.create_task(watching.wait_asset(make("a", "processing")))
    await asyncio.sleep(0)
    assert watching.pause_s == LOOK_SOON_S
    waiting.cancel()
    looking.cancel()
    await asyncio.gather(waiting, looking, return_exceptions=True)
    assert not watching.assets


async def test_what_is_deleted_while_it_is_waited_for_has_failed() -> None:
    server = Server()
    server.assets, server.items = {"a": "processing"}, {"i": "processing"}
    async with watch(server, []) as watching:
        asset = asyncio.create_task(watching.wait_asset(make("a", "processing")))
        item = asyncio.create_task(watching.wait_item(make("i", "queued")))
        await asyncio.sleep(LOOK_SOON_S * 1.5)
        server.assets.clear()
        server.items.clear()
        assert [(await one)["status"] for one in (asset, item)] == ["failed", "failed"]
        assert "deleted" in (await asset)["error"]
