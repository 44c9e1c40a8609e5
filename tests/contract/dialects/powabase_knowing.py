"""Knowledge bases over Powabase's API, as its tests need them: made, filled, waited for."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from tests.contract.dialects.conftest import Place
from tests.contract.dialects.knowing import LOOK_S, WAITED_S, send


async def ask(place: Place, method: str, path: str, body: Any = None, *, status: int = 200, **sent: Any) -> Any:
    """Ask for something that is answered with this status; its body."""
    code, answer = await send(place, method, f"/api{path}", body, **sent)
    assert code == status, (code, answer)
    return answer


async def refuse(place: Place, method: str, path: str, body: Any = None) -> tuple[int, str, str | None]:
    """Ask for what cannot be: status, code and field; the envelope is Powabase's."""
    code, answer = await send(place, method, f"/api{path}", body)
    assert isinstance(answer["error"], str)
    return code, answer["code"], answer.get("param")


async def upload(place: Place, name: str, text: str | bytes, *, metadata: str | None = None) -> str:
    """Put a source in; its id when it is extracted."""
    form = aiohttp.FormData()
    if metadata:
        form.add_field("metadata", metadata)
    form.add_field("file", text.encode() if isinstance(text, str) else text, filename=name)
    source = await ask(place, "POST", "/sources/upload", status=201, data=form)
    assert source["extraction_status"] in ("extracting", "extracted")
    found = await wait(place, f"/sources/{source['id']}", "extraction_status", "extracted")
    source_id: str = found["id"]
    return source_id


async def wait(place: Place, path: str, field: str, *values: str) -> Any:
    """Something, when one of its fields has one of these values."""
    async with asyncio.timeout(WAITED_S):
        while (found := await ask(place, "GET", path))[field] not in values:
            await asyncio.sleep(LOOK_S)
    return found


async def fill(place: Place, base: str, name: str, text: str | bytes, **sent: Any) -> str:
    """A source in a knowledge base, indexed; its id."""
    source_id = await upload(place, name, text, **sent)
    await ask(place, "POST", f"{base}/sources", {"source_id": source_id}, status=201)
    async with asyncio.timeout(WAITED_S):
        while (await find_held(place, base, source_id))["indexing_status"] != "indexed":
            await asyncio.sleep(LOOK_S)
    return source_id


async def find_held(place: Place, base: str, source_id: str) -> dict[str, Any]:
    """A source of a knowledge base."""
    sources = (await ask(place, "GET", f"{base}/sources"))["sources"]
    return next(one for one in sources if one["source_id"] == source_id)


async def make_base(place: Place, **fields: Any) -> str:
    """The path of a new knowledge base."""
    base = await ask(place, "POST", "/knowledge-bases", {"name": "Transport", **fields}, status=201)
    return f"/knowledge-bases/{base['id']}"


def id_of(base: str) -> str:
    """The id of a knowledge base."""
    return base.rpartition("/")[2]
