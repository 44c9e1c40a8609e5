"""A server that is stopped, started twice, left by its client or out of disk leaves every turn whole or absent."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.mock import mock_upstream
from tests.e2e.serving import KEY, Serving, serving, start, write_environ

DONE = b"data: [DONE]\n\n"
WORD_MS = 20
SOON_S = 5.0
# A lease lasts 10 s, and every 2.5 s the server looks for turns that it could not end.
LEASE_S = 15.0


@asynccontextmanager
async def open_http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as http:
        yield http


def write_body(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": "mock", "messages": [{"role": "user", "content": text}], **fields}


def write_story(words: int) -> str:
    return "".join(f"word{number} " for number in range(words))


@asynccontextmanager
async def hear(http: aiohttp.ClientSession, server: Serving, text: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """Say something in the session ``mine``, and hear the answer from its first words on."""
    url, headers = f"{server.url}/v1/chat/completions", {"X-Session-Id": "mine"}
    async with http.post(url, json=write_body(text, stream=True), headers=headers) as response:
        assert response.status == 200, await response.text()
        await response.content.readuntil(b"word2 ")
        yield response


async def say(http: aiohttp.ClientSession, server: Serving, text: str) -> tuple[int, dict[str, Any]]:
    """Say something in the session ``mine``; status and body of the answer."""
    url, headers = f"{server.url}/v1/chat/completions", {"X-Session-Id": "mine"}
    async with http.post(url, json=write_body(text), headers=headers) as response:
        return response.status, await response.json()


async def read(http: aiohttp.ClientSession, server: Serving, path: str) -> Any:
    async with http.get(f"{server.url}/v1/sessions/mine{path}") as response:
        return await response.json()


async def read_said(http: aiohttp.ClientSession, server: Serving) -> list[tuple[str, str]]:
    """The history: who said what."""
    items = (await read(http, server, "/items?order=asc&limit=100"))["data"]
    assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
    return [(item["role"], item["content"]) for item in items]


async def read_runs(http: aiohttp.ClientSession, server: Serving) -> list[dict[str, Any]]:
    """The runs, oldest first."""
    runs: Sequence[dict[str, Any]] = (await read(http, server, "/runs?limit=100"))["data"]
    return list(reversed(runs))


async def test_a_stream_ends_before_the_server(tmp_path: Path) -> None:
    async with mock_upstream(tokens=60, tpot_ms=WORD_MS) as upstream, open_http() as http:
        async with serving(tmp_path, upstream_url=upstream) as server, hear(http, server, "Hello") as response:
            server.process.send_signal(signal.SIGTERM)
            assert (await response.read()).endswith(DONE)
            assert await server.process.wait() == 0
        async with serving(tmp_path, upstream_url=upstream) as server:
            assert await read_said(http, server) == [("user", "Hello"), ("assistant", write_story(60))]


async def test_a_stream_over_the_limit_is_interrupted(tmp_path: Path) -> None:
    """Its client is told, and so is the one that waits behind it; the next start finds the session free."""
    async with mock_upstream(tokens=1000, tpot_ms=WORD_MS) as upstream, open_http() as http:
        async with serving(tmp_path, upstream_url=upstream, stop_s=0.5) as server:
            async with hear(http, server, "Hello") as response:
                waiting = asyncio.create_task(say(http, server, "Are you there?"))
                while len(await read_runs(http, server)) < 2:
                    await asyncio.sleep(0.01)
                began = time.monotonic()
                server.process.send_signal(signal.SIGTERM)
                rest = await response.read()
            status, refusal = await waiting
            assert await server.process.wait() == 0
            assert time.monotonic() - began < SOON_S
        assert json.loads(rest.split(b"data: ")[-1])["error"]["code"] == "interrupted"
        assert (status, refusal["error"]["code"]) == (503, "interrupted")
        async with serving(tmp_path, upstream_url=upstream, stop_s=0.5) as server:
            await check_interrupted(http, server)


async def check_interrupted(http: aiohttp.ClientSession, server: Serving) -> None:
    """Both turns are runs that failed, the first with what it had said; the session takes a turn at once."""
    first, second = await read_runs(http, server)
    assert [run["error"]["code"] for run in (first, second)] == ["interrupted"] * 2
    assert [run["input"][0]["content"] for run in (first, second)] == ["Hello", "Are you there?"]
    assert write_story(1000).startswith(first["output"][0]["content"])
    assert "word10 " in first["output"][0]["content"]
    assert not await read_said(http, server)
    async with asyncio.timeout(SOON_S), hear(http, server, "Hello again"):
        pass


async def test_second_server_on_directory_is_refused(tmp_path: Path) -> None:
    async with mock_upstream() as upstream, serving(tmp_path / "data", upstream_url=upstream):
        environ = write_environ({"data_dir": tmp_path / "data", "upstream_url": upstream, "port": 0})
        (tmp_path / "second").mkdir()
        second = await start(tmp_path / "second", "serve", environ=environ)
        assert await second.wait() == 2
        said = (tmp_path / "second" / "stderr.txt").read_text("utf-8").splitlines()
    assert len(said) == 1
    assert f"Another server owns the data directory {tmp_path / 'data'}" in said[0]


async def test_turn_of_vanished_client_is_finished(tmp_path: Path) -> None:
    async with (
        mock_upstream(tokens=60, tpot_ms=WORD_MS) as upstream,
        open_http() as http,
        serving(tmp_path, upstream_url=upstream) as server,
    ):
        async with hear(http, server, "Hello") as response:
            response.close()
        async with asyncio.timeout(SOON_S):
            while (await read(http, server, ""))["running"]:
                await asyncio.sleep(0.05)
        assert await read_said(http, server) == [("user", "Hello"), ("assistant", write_story(60))]
        assert [run["status"] for run in await read_runs(http, server)] == ["completed"]


async def test_restart_keeps_keys_and_sessions(tmp_path: Path) -> None:
    async with mock_upstream() as upstream, open_http() as http:
        async with serving(tmp_path, upstream_url=upstream) as server:
            async with http.post(f"{server.url}/v1/keys", json={"label": "second"}) as response:
                made = await response.json()
            await say(http, server, "Hello")
            before = await read(http, server, ""), await read_said(http, server), await read_runs(http, server)
        async with serving(tmp_path, upstream_url=upstream) as server:
            http.headers["Authorization"] = f"Bearer {made['secret']}"
            after = await read(http, server, ""), await read_said(http, server), await read_runs(http, server)
            assert after == before
            assert (await say(http, server, "Hello again"))[0] == 200
            assert len(await read_said(http, server)) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process's files, as only Linux can")
async def test_full_disk_stores_no_half_turn(tmp_path: Path) -> None:
    """Who asks meanwhile is told; when there is room again, the session is usable within the length of a lease."""
    async with (
        mock_upstream(tokens=100, tpot_ms=5) as upstream,
        open_http() as http,
        serving(tmp_path, upstream_url=upstream, log_level="warning") as server,
    ):
        assert (await say(http, server, "before"))[0] == 200
        async with hear(http, server, "meanwhile") as response:
            limit_files(server, min(os.stat(tmp_path / f"multiturn.{name}").st_size for name in ("db", "db-wal")))
            rest = await response.read()
        status, refusal = await say(http, server, "too late")
        limit_files(server, resource.RLIM_INFINITY)
        assert json.loads(rest.split(b"data: ")[-1])["error"]["code"] == "storage_failed"
        assert (status, refusal["error"]["code"]) == (503, "storage_failed")
        async with asyncio.timeout(LEASE_S):
            assert (await say(http, server, "afterwards"))[0] == 200
        answered = [("assistant", write_story(100))]
        assert await read_said(http, server) == [("user", "before"), *answered, ("user", "afterwards"), *answered]
        assert [run["status"] for run in await read_runs(http, server)] == ["completed", "failed", "completed"]


def limit_files(server: Serving, size_bytes: int) -> None:
    """From now on none of the server's files grows over this size: to the server the disk is full."""
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))
