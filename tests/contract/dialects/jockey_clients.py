"""The real TwelveLabs client, 1.3.6, and what its tests ask again and again."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
from twelvelabs import AsyncTwelveLabs, TwelveLabs

from multiturn.upstream.scripted_embedder import ScriptedEmbedder
from tests.contract.dialects.conftest import Place, open_place
from tests.talks import Slide, draw_slide, make_talk

READY_S = 60.0
LOOK_S = 0.05

TRAMS = b"""# Trams

Tram 28 runs from Martim Moniz to Campo de Ourique.

# Cakes

The best cakes of Lisbon are baked in Belem.
"""
SLIDES = (
    Slide("Harbour ferries", ("Ferries leave every twenty minutes.",)),
    Slide("Castle gardens", ("Peacocks live in the castle gardens.",)),
)
POSTER = Slide("Fado festival", ("Singers perform in Alfama.",))


def open_jockey_place(data_dir: Path) -> AbstractAsyncContextManager[Place]:
    """Open a server with a model that clients need not name, an embedding model, and no model for speech."""
    return open_place(data_dir, None, model="scripted", embedder=ScriptedEmbedder(), speech_model="none")


def open_client(place: Place, *, key: str = "") -> Any:
    """A client as its users make it, but that its connections are closed with the place.

    By its types everything may be missing from an answer; the tests know better.
    """
    http = httpx.AsyncClient(timeout=60)
    place.closing.push_async_callback(http.aclose)
    return AsyncTwelveLabs(api_key=key or place.key, base_url=f"{place.url}/v1.3", httpx_client=http)


def open_sync_client(place: Place) -> Any:
    """The same for code that does not await."""
    http = httpx.Client(timeout=60)
    place.closing.callback(http.close)
    return TwelveLabs(api_key=place.key, base_url=f"{place.url}/v1.3", httpx_client=http)


def user(text: str) -> Any:
    """What a user says."""
    return [{"type": "message", "role": "user", "content": text}]


async def put(client: Any, filename: str, data: bytes, **fields: Any) -> Any:
    """Put a file in and wait until it was looked at."""
    asset = await client.assets.create(method="direct", file=(filename, io.BytesIO(data)), **fields)
    return await wait_asset(client, str(asset.id))


async def wait_asset(client: Any, asset_id: str) -> Any:
    """Ask for an asset until it is ready or failed."""
    async with asyncio.timeout(READY_S):
        while (asset := await client.assets.retrieve(asset_id)).status == "processing":
            await asyncio.sleep(LOOK_S)
    return asset


async def wait_item(client: Any, store_id: str, item_id: str) -> Any:
    """Ask for an item until it is ready or failed."""
    async with asyncio.timeout(READY_S):
        while (item := await client.knowledge_store_items.retrieve(store_id, item_id)).status not in ENDED:
            await asyncio.sleep(LOOK_S)
    return item


ENDED = ("ready", "failed")


async def fill(client: Any, *files: tuple[str, bytes], **fields: Any) -> tuple[str, list[Any]]:
    """A store with these files in it, indexed: its id and its items."""
    store = await client.knowledge_stores.create(name="Lisbon", **fields)
    assets = await asyncio.gather(*(put(client, name, data) for name, data in files))
    items = [
        await client.knowledge_store_items.create(store.id, asset_id=asset.id, asset_type=asset.asset_type)
        for asset in assets
    ]
    ready = await asyncio.gather(*(wait_item(client, str(store.id), str(item.id)) for item in items))
    assert [item.status for item in ready] == ["ready"] * len(ready), ready
    return str(store.id), list(ready)


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A store with a video, an image and a document in it, and who asks it."""

    place: Place
    client: Any
    store_id: str
    video: Any
    image: Any
    document: Any

    async def ask(self, question: str, answer: str, **fields: Any) -> Any:
        """Ask the store; the model says ``answer``."""
        self.place.will_say(answer)
        return await self.client.responses.create(knowledge_store_id=self.store_id, input=user(question), **fields)


@asynccontextmanager
async def open_library(folder: Path) -> AsyncGenerator[Library]:
    """Open a server with a library."""
    make_talk(folder / "harbour.mp4", SLIDES)
    poster = io.BytesIO()
    draw_slide(POSTER).save(poster, "PNG")
    files = (
        ("harbour.mp4", (folder / "harbour.mp4").read_bytes()),
        ("poster.png", poster.getvalue()),
        ("trams.md", TRAMS),
    )
    async with open_jockey_place(folder / "data") as place:
        client = open_client(place)
        store_id, (video, image, document) = await fill(client, *files)
        yield Library(place=place, client=client, store_id=store_id, video=video, image=image, document=document)


def facts_of(thing: Any) -> dict[str, Any]:
    """A thing of the client as what came over the wire, without what was not there."""
    facts: dict[str, Any] = msgspec.to_builtins(thing.dict(exclude_none=True), enc_hook=str)
    return facts
