"""Files and stores over the native API, as the tests of several dialects need them: put in, waited for, asked."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from tests.contract.dialects.conftest import Place

WAITED_S = 30
LOOK_S = 0.05
ENDED = ("ready", "failed")


async def send(place: Place, method: str, path: str, body: Any = None, **sent: Any) -> tuple[int, Any]:
    """Ask for something; status and body."""
    async with place.http.request(method, path, json=body, **sent) as reply:
        return reply.status, await reply.json()


async def fail(place: Place, method: str, path: str, body: Any = None, **sent: Any) -> tuple[int, str, str | None]:
    """Ask for what cannot be; status, code and parameter."""
    status, answer = await send(place, method, path, body, **sent)
    return status, answer["error"]["code"], answer["error"]["param"]


async def make(place: Place, path: str, body: Any) -> Any:
    """Make something; its body."""
    status, made = await send(place, "POST", path, body)
    assert status < 300, made
    return made


async def wait(place: Place, path: str, *statuses: str) -> dict[str, Any]:
    """Something, when it has one of these statuses; ready or failed where none is named."""
    async with asyncio.timeout(WAITED_S):
        while (found := await place.get(path))["status"] not in (statuses or ENDED):
            await asyncio.sleep(LOOK_S)
    shown: dict[str, Any] = found
    return shown


async def upload(place: Place, filename: str, text: str | bytes, *, status: str = "ready") -> str:
    """Put a file in; its id when it has been looked at."""
    form = aiohttp.FormData()
    form.add_field("file", text.encode() if isinstance(text, str) else text, filename=filename)
    code, made = await send(place, "POST", "/v1/assets", data=form)
    assert code == 201, made
    found = await wait(place, f"/v1/assets/{made['id']}")
    assert found["status"] == status, found
    asset_id: str = found["id"]
    return asset_id


async def make_store(place: Place, name: str = "trams", **fields: Any) -> str:
    """The path of a new store."""
    return f"/v1/stores/{(await make(place, '/v1/stores', {'name': name, **fields}))['id']}"


async def put(place: Place, store: str, filename: str, text: str | bytes, **fields: Any) -> dict[str, Any]:
    """A file in a store, indexed."""
    item = await make(place, f"{store}/items", {"asset_id": await upload(place, filename, text), **fields})
    found = await wait(place, f"{store}/items/{item['id']}")
    assert found["status"] == "ready", found
    return found
