"""A server that is killed again and again while it indexes files leaves each ready, or failed with a reason, and none
twice in the index.

The same files are put into a second store when nobody kills any more: what is in the first is what is in that.
``CRASH_SEED`` repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import docx
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.e2e.mock import mock_upstream
from tests.e2e.serving import KEY, serving
from tests.talks import Slide, make_talk

# The long form is a part of `make test-crash`.
KILLS, KILLS_LONG = 4, 20
# Each time the server gets somewhere, in this time at most; then it is killed a moment later.
MOVE_S, KILL_AFTER_S = 2.0, (0.0, 0.4)
# No model of our own comes up with each of twenty starts; the mock makes the vectors.
SETTINGS: Mapping[str, Any] = {"embedding_model": "mock", "speech_model": "none", "index_workers": 2}
ENDED = ("ready", "failed")
END_S = 60.0
LOOK_S = 0.1


def write_files(folder: Path) -> dict[str, Path]:
    """Ten files of several kinds, two of which nobody can read."""
    folder.mkdir()
    for number in range(3):
        lines = [f"Whale {number}-{line} was seen off the coast in year {1900 + line}." for line in range(120)]
        (folder / f"whales{number}.txt").write_text("\n\n".join(lines))
    (folder / "guide.md").write_text("".join(f"# Pier {n}\n\nA whale came to pier {n} at noon.\n\n" for n in range(40)))
    (folder / "ships.csv").write_text("ship,whales\n" + "".join(f"Aurora {n},{n}\n" for n in range(200)))
    (folder / "song.html").write_text("<h1>Songs</h1>" + "<p>The song of the whale is long.</p>" * 30)
    report = docx.Document()
    for number in range(30):
        report.add_paragraph(f"Paragraph {number} of the report counts {number} whales in the bay.")
    report.save(str(folder / "report.docx"))
    draw_page(folder / "page.png", "A whale on a page")
    (folder / "cut.pdf").write_bytes(b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog")
    (folder / "noise.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 20)
    make_talk(folder / "slides.mp4", [Slide("Whales", ("They sing",)), Slide("Ships", ("They are loud",))])
    return {path.name: path for path in sorted(folder.iterdir())}


def draw_page(path: Path, text: str) -> None:
    """A picture with a line of text."""
    image = Image.new("RGB", (640, 200), "white")
    ImageDraw.Draw(image).text((40, 70), text, fill="black", font=ImageFont.load_default(40))
    image.save(path)


class Client:
    """Puts files in and looks after them, at whatever server there is."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url

    async def post(self, path: str, body: Any) -> Any:
        """Send JSON."""
        async with self.http.post(f"{self.url}{path}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def get(self, path: str) -> Any:
        """Read JSON."""
        async with self.http.get(f"{self.url}{path}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def upload(self, path: Path) -> str:
        """Put a file in; its id."""
        form = aiohttp.FormData()
        form.add_field("file", path.read_bytes(), filename=path.name)
        async with self.http.post(f"{self.url}/v1/assets", data=form) as answer:
            assert answer.status < 300, await answer.text()
            return str((await answer.json())["id"])

    async def list_items(self, store: str) -> list[dict[str, Any]]:
        """The items of a store."""
        return list((await self.get(f"/v1/stores/{store}/items?limit=100"))["data"])

    async def wait_assets(self) -> dict[str, str]:
        """Wait until every file has been looked at; the ids of those that are ready, by name."""
        deadline = time.monotonic() + END_S
        while True:
            assets = (await self.get("/v1/assets?limit=100"))["data"]
            if all(asset["status"] in ENDED for asset in assets):
                return {asset["filename"]: asset["id"] for asset in assets if asset["status"] == "ready"}
            assert time.monotonic() < deadline, assets
            await asyncio.sleep(LOOK_S)

    async def wait_items(self, store: str) -> dict[str, dict[str, Any]]:
        """Wait until every item of a store has ended; the items by their asset."""
        deadline = time.monotonic() + END_S
        while True:
            items = await self.list_items(store)
            if all(item["status"] in ENDED for item in items):
                return {item["asset_id"]: item for item in items}
            assert time.monotonic() < deadline, items
            await asyncio.sleep(LOOK_S)

    async def wait_moved(self, store: str, before: Mapping[str, str | None]) -> None:
        """Wait until an item of a store is at another step than before, or for a while."""
        deadline = time.monotonic() + MOVE_S
        while time.monotonic() < deadline and await self.list_steps(store) == before:
            await asyncio.sleep(LOOK_S / 4)

    async def list_steps(self, store: str) -> dict[str, str | None]:
        """The step of each item of a store."""
        return {item["id"]: item["step"] for item in await self.list_items(store)}

    async def search(self, store: str, assets: set[str]) -> set[tuple[str, int, str]]:
        """What is found of these files."""
        found: list[tuple[str, int, str]] = []
        for text in ("whale", "song of the whale", "pier at noon", "ships"):
            hits = (await self.post(f"/v1/stores/{store}/search", {"text": text, "limit": 50, "mode": "text"}))["data"]
            keys = [(hit["asset_id"], hit["start"], hit["text"]) for hit in hits if hit["asset_id"] in assets]
            assert len(keys) == len(set(keys)), "something is found twice"
            found += keys
        return set(found)


def open_http() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"})


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [KILLS, pytest.param(KILLS_LONG, marks=pytest.mark.crash_long)])
async def test_kills_double_nothing(tmp_path: Path, kills: int) -> None:
    seed = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(10**6)))
    print(f"CRASH_SEED={seed}")
    dice = random.Random(seed)
    data, files = tmp_path / "data", write_files(tmp_path / "files")
    async with mock_upstream() as upstream, open_http() as http:
        settings = {**SETTINGS, "upstream_url": upstream, "embedding_url": upstream}
        async with serving(data, **settings) as server:
            client = Client(http, server.url)
            for path in files.values():
                await client.upload(path)
            ready = await client.wait_assets()
            store = (await client.post("/v1/stores", {"name": "crashed"}))["id"]
            for asset in ready.values():
                await client.post(f"/v1/stores/{store}/items", {"asset_id": asset})
            server.process.kill()
        before: Mapping[str, str | None] = {}
        for _ in range(kills - 1):
            async with serving(data, **settings) as server:
                client = Client(http, server.url)
                await client.wait_moved(store, before)
                await asyncio.sleep(dice.uniform(*KILL_AFTER_S))
                before = await client.list_steps(store)
                server.process.kill()
        async with serving(data, **settings) as server:
            await check_end(Client(http, server.url), store, ready)


async def check_end(client: Client, store: str, ready: Mapping[str, str]) -> None:
    """Hold the store that was indexed under kills against one that was not."""
    crashed = await client.wait_items(store)
    assert set(crashed) == set(ready.values())
    assert all(item["error"] for item in crashed.values() if item["status"] == "failed"), crashed
    clean = (await client.post("/v1/stores", {"name": "clean"}))["id"]
    for asset in ready.values():
        await client.post(f"/v1/stores/{clean}/items", {"asset_id": asset})
    expected = await client.wait_items(clean)
    assert {item["status"] for item in expected.values()} == {"ready"}, expected
    both = {asset for asset, item in crashed.items() if item["status"] == "ready"}
    print(f"{len(both)} of {len(crashed)} items are ready")
    assert {asset: crashed[asset]["chunks"] for asset in both} == {asset: expected[asset]["chunks"] for asset in both}
    counted = (await client.get(f"/v1/stores/{store}"))["chunks"]
    assert counted == sum(crashed[asset]["chunks"] for asset in both)
    assert await client.search(store, both) == await client.search(clean, both)
