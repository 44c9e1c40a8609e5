"""`multiturn work` beside a server: it does what the server leaves to it, and stops when it is told to."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.serving import KEY, command, serving, start, stop, write_environ

SOON_S = 30.0
LOOK_S = 0.05


@asynccontextmanager
async def working(folder: Path, **settings: Any) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A worker that has begun."""
    folder.mkdir()
    process = await start(folder, "work", environ=write_environ(settings))
    try:
        deadline = time.monotonic() + SOON_S
        while "Indexing" not in (folder / "stdout.txt").read_text("utf-8"):
            assert process.returncode is None, (folder / "stderr.txt").read_text("utf-8")
            assert time.monotonic() < deadline
            await asyncio.sleep(LOOK_S)
        yield process
    finally:
        await stop(process)


async def until(http: aiohttp.ClientSession, url: str, status: str) -> dict[str, Any]:
    """Wait until a thing has a status; the thing."""
    deadline = time.monotonic() + SOON_S
    while True:
        async with http.get(url) as answer:
            body: dict[str, Any] = await answer.json()
        if body["status"] == status:
            return body
        assert time.monotonic() < deadline, body
        await asyncio.sleep(LOOK_S)


@pytest.mark.postgres
async def test_a_worker_indexes_for_a_server(tmp_path: Path, postgres_database: str) -> None:
    files = tmp_path / "server"
    settings = {"database_url": postgres_database, "embedding_model": "none", "speech_model": "none"}
    http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"})
    async with http, serving(files, upstream_url="http://127.0.0.1:9", index_workers=0, **settings) as server:
        form = aiohttp.FormData()
        form.add_field("file", b"# Tides\n\nHigh water is at noon.\n", filename="tides.md")
        async with http.post(f"{server.url}/v1/assets", data=form) as answer:
            asset = await answer.json()
        assert asset["status"] == "processing"
        async with working(tmp_path / "worker", **settings, data_dir=files) as worker:
            await until(http, f"{server.url}/v1/assets/{asset['id']}", "ready")
            async with http.post(f"{server.url}/v1/stores", json={"name": "sea"}) as answer:
                store = f"{server.url}/v1/stores/{(await answer.json())['id']}"
            async with http.post(f"{store}/items", json={"asset_id": asset["id"]}) as answer:
                item = await answer.json()
            await until(http, f"{store}/items/{item['id']}", "ready")
            async with http.post(f"{store}/search", json={"text": "high water"}) as answer:
                hits = (await answer.json())["data"]
            assert [hit["text"] for hit in hits] == ["High water is at noon."]
            worker.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(worker.wait(), SOON_S) == 0


async def test_sqlite_has_no_workers(tmp_path: Path) -> None:
    done = await command(tmp_path, "work")
    assert done.status == 2
    assert "`multiturn serve` reads and indexes files itself" in done.err


async def test_no_workers_is_no_worker(tmp_path: Path) -> None:
    done = await command(tmp_path, "work", database_url="postgresql://127.0.0.1:9/none", index_workers=0)
    assert done.status == 2
    assert "--workers" in done.err
