"""A run waits for a person while its server is killed: another takes it up, and the tool runs once."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.e2e.mock import find_port
from tests.e2e.serving import Serving, serving

SERVERS = {"clock": {"command": sys.executable, "args": ["-m", "mcp_server_time", "--local-timezone", "Europe/Oslo"]}}
TOOLS = [{"type": "mcp", "label": "clock", "server": "clock", "approval": ["convert_time"]}]
CONVERT = {"source_timezone": "Europe/Oslo", "time": "12:00", "target_timezone": "Asia/Tokyo"}
SOON_S = 20.0


class CallingModel:
    """A model that asks for the time, then has it converted, and says what it was told."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        told = [message["content"] for message in body["messages"] if message["role"] == "tool"]
        asked = [("clock__get_current_time", {"timezone": "Europe/Oslo"}), ("clock__convert_time", CONVERT)]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if len(told) < len(asked):
            name, arguments = asked[len(told)]
            function = {"name": name, "arguments": json.dumps(arguments)}
            await response.write(chunk({"content": f"Step {len(told) + 1}. "}))
            await response.write(chunk({"tool_calls": [{"index": 0, "id": f"c{len(told)}", "function": function}]}))
            await response.write(chunk({}, "tool_calls"))
        else:
            await response.write(chunk({"content": f"Tokyo: {read_time(told[-1])}"}))
            await response.write(chunk({}, "stop"))
        await response.write(b"data: [DONE]\n\n")
        return response


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "chatcmpl-1", "choices": [choice]}).encode() + b"\n\n"


def read_time(said: str) -> str:
    """The hour that the MCP server has converted to."""
    return str(json.loads(said)["target"]["datetime"])[11:16]


@pytest.fixture
async def model_url() -> AsyncIterator[str]:
    """The model, in this process."""
    app, model = web.Application(), CallingModel()
    app.router.add_post("/v1/chat/completions", model.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = find_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}/v1"
    await runner.cleanup()


async def send(http: aiohttp.ClientSession, path: str, body: Any) -> Any:
    async with http.post(path, json=body) as reply:
        assert reply.status < 300, await reply.text()
        return await reply.json()


async def wait_for(http: aiohttp.ClientSession, session: str, status: str) -> dict[str, Any]:
    """The session's run, once it has this status."""
    async with asyncio.timeout(SOON_S):
        while True:
            async with http.get(f"/v1/sessions/{session}/runs") as reply:
                runs = (await reply.json())["data"]
            if runs and runs[0]["status"] == status:
                return dict(runs[0])
            await asyncio.sleep(0.05)


async def begin(serving: Serving) -> tuple[str, str, list[str]]:
    """Have an agent asked in a stream; its session and its run when it waits, and what was streamed."""
    async with aiohttp.ClientSession(serving.url, headers=serving.headers) as http:
        agent = await send(http, "/v1/agents", {"name": "clerk", "model": "calling", "tools": TOOLS})
        session = (await send(http, "/v1/sessions", {"agents": [agent["id"]]}))["id"]
        body = {"model": "calling", "stream": True, "session_id": session}
        body["messages"] = [{"role": "user", "content": "What time is noon in Tokyo?"}]
        async with http.post("/v1/chat/completions", json=body) as reply:
            run = await wait_for(http, session, "waiting")
            frames = (await reply.content.readany()).decode().split("\n\n")
        words = [json.loads(frame[6:])["choices"][0]["delta"].get("content", "") for frame in frames if "{" in frame]
        return session, run["id"], words


async def test_killed_while_a_person_is_asked(tmp_path: Path, model_url: str) -> None:
    settings = {"upstream_url": model_url, "embedding_model": "none", "mcp_servers": json.dumps(SERVERS)}
    async with serving(tmp_path, **settings) as first:
        session, run_id, words = await begin(first)
        assert "".join(words).startswith("Step 1.")
        first.process.send_signal(signal.SIGKILL)
        await first.process.wait()
    async with (
        serving(tmp_path, **settings) as second,
        aiohttp.ClientSession(second.url, headers=second.headers) as http,
    ):
        async with http.get(f"/v1/runs/{run_id}/approvals") as reply:
            (waiting,) = (await reply.json())["data"]
        assert waiting["name"] == "clock__convert_time"
        assert json.loads(waiting["arguments"]) == CONVERT
        following = asyncio.create_task(follow(http, run_id))
        await send(http, f"/v1/runs/{run_id}/approvals", {"approved": True})
        await wait_for(http, session, "completed")
        events = await following
        steps = [event["step"] for event in events if event["type"] == "step"]
        assert [one["type"] for one in steps].count("approval_asked") == 1
        returned = [one for one in steps if one["type"] == "tool_returned"]
        assert [one["name"] for one in returned] == ["clock__get_current_time", "clock__convert_time"]
        assert [event["number"] for event in events] == list(range(1, len(events) + 1))
        assert not returned[-1].get("is_error")
        async with http.get(f"/v1/sessions/{session}/items?order=asc&limit=100") as reply:
            items = (await reply.json())["data"]
        assert [item["type"] for item in items].count("function_call_output") == 2
        assert items[-1]["content"].rpartition("Tokyo: ")[2] in ("19:00", "20:00")


async def follow(http: aiohttp.ClientSession, run_id: str) -> list[dict[str, Any]]:
    """All events of a run to its end, as a stream."""
    async with http.get(f"/v1/runs/{run_id}/events", headers={"Accept": "text/event-stream"}) as reply:
        text = (await reply.read()).decode()
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
