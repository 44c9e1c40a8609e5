"""What a large file takes of the server's memory while it is put in: in one upload, in parts, and read again."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from multiturn.engine.uploads import CHUNK_BYTES
from tests.bench.measures import Figures
from tests.bench.processes import KEY, Process, server

FILE_BYTES = 2 * 1024**3
PIECE = bytes(range(256)) * 4096
LOOK_S = 0.01
MIB = 1024 * 1024


async def measure_upload() -> Figures:
    """Put a file of 2 GiB in, in both ways, and read it; how many MiB the server holds more at most, and how fast."""
    figures: dict[str, object] = {"file_mib": FILE_BYTES // MIB}
    ways = {"one_upload": put_whole, "in_parts": put_in_parts}
    for name, way in ways.items():
        with tempfile.TemporaryDirectory() as folder:
            settings = {"index_workers": 0}
            async with server(Path(folder), None, upstream_url="http://127.0.0.1:9/v1", **settings) as process:
                figures[name] = await watch(process, way)
                figures["read_again"] = await watch(process, read_again)
    return figures


async def watch(process: Process, work: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, None]]) -> Figures:
    """Do something with a server, and see how much memory it holds meanwhile."""
    headers = {"Authorization": f"Bearer {KEY}"}
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(process.url, headers=headers, timeout=timeout) as session:
        (await session.get("/v1/assets")).close()
        await asyncio.sleep(1)
        before, cpu, began = process.rss_bytes(), process.cpu_s(), time.perf_counter()
        async with peak_of(process) as peak:
            await work(session)
        took = time.perf_counter() - began
    return {
        "more_mib": round((peak() - before) / MIB, 1),
        "mib_per_s": round(FILE_BYTES / MIB / took),
        "cpu_s": round(process.cpu_s() - cpu, 1),
    }


@asynccontextmanager
async def peak_of(process: Process) -> AsyncGenerator[Callable[[], int]]:
    """See how much memory a process holds, again and again; the most of it."""
    most = process.rss_bytes()

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, process.rss_bytes())
            await asyncio.sleep(LOOK_S)

    looking = asyncio.create_task(look())
    try:
        yield lambda: most
    finally:
        looking.cancel()


async def make_file(size: int) -> AsyncIterator[bytes]:
    """A file of this size."""
    for start in range(0, size, len(PIECE)):
        yield PIECE[: size - start]


async def put_whole(session: aiohttp.ClientSession) -> None:
    """Put the file in, in one upload."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n'

    async def form() -> AsyncIterator[bytes]:
        yield head
        async for piece in make_file(FILE_BYTES):
            yield piece
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    async with session.post("/v1/assets", data=form(), headers=headers) as reply:
        assert reply.status == 201, await reply.text()
        assert (await reply.json())["size_bytes"] == FILE_BYTES


async def put_in_parts(session: aiohttp.ClientSession) -> None:
    """Put the file in, in parts, as the TwelveLabs client does."""
    order = {"filename": "large.bin", "type": "video", "total_size": FILE_BYTES}
    async with session.post("/v1.3/assets/multipart-uploads", json=order) as reply:
        assert reply.status == 201, await reply.text()
        begun = await reply.json()
    path = f"/v1.3/assets/multipart-uploads/{begun['upload_id']}"
    part = b"".join([piece async for piece in make_file(CHUNK_BYTES)])
    for first in range(1, begun["total_chunks"] + 1, 10):
        async with session.post(f"{path}/presigned-urls", json={"start": first, "count": 10}) as reply:
            urls = (await reply.json())["upload_urls"]
        done = [await put_part(session, one, part, begun["total_chunks"]) for one in urls]
        async with session.post(path, json={"completed_chunks": done}) as reply:
            assert reply.status == 200, await reply.text()


async def put_part(session: aiohttp.ClientSession, one: dict[str, Any], part: bytes, last: int) -> dict[str, Any]:
    """Send a part; what is reported of it."""
    index = one["chunk_index"]
    data = part if index < last else part[: FILE_BYTES - (last - 1) * CHUNK_BYTES]
    async with session.put(one["url"], data=data) as reply:
        assert reply.status == 200, await reply.text()
        proof = reply.headers["ETag"].strip('"')
    return {"chunk_index": index, "proof": proof, "proof_type": "etag", "chunk_size": len(data)}


async def read_again(session: aiohttp.ClientSession) -> None:
    """Read the file, and see that it is the same."""
    async with session.get("/v1/assets") as reply:
        asset = (await reply.json())["data"][0]
    digest = hashlib.sha256()
    async with session.get(f"/v1/assets/{asset['id']}/content") as reply:
        async for piece in reply.content.iter_any():
            digest.update(piece)
    assert digest.hexdigest() == asset["sha256"]
