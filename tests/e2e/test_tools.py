"""A tool is called over two turns of a session: the client sends the tool's result and nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionToolParam

from tests.e2e.mock import find_port
from tests.e2e.serving import Serving, serving

TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
QUESTION = "How is the weather in Lyon and in Oslo?"
CITIES = {"call_1": "Lyon", "call_2": "Oslo"}
WEATHER = {"Lyon": "sunny, 21 degrees", "Oslo": "snow, -3 degrees"}


class CallingModel:
    """A model that calls a tool for each city of a question, and answers with what the tool said; it keeps what it was
    sent, and refuses a result without its call as providers do.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        if any(message["role"] == "tool" for message in body["messages"]):
            if not are_paired(body["messages"]):
                return web.json_response({"error": {"message": "a result without its call"}}, status=400)
            deltas, finish = (
                [{"role": "assistant", "content": piece} for piece in tell_results(body["messages"])],
                "stop",
            )
        else:
            deltas, finish = write_calls(), "tool_calls"
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for delta in deltas:
            await response.write(write_chunk(delta, None))
        await response.write(write_chunk({}, finish) + b"data: [DONE]\n\n")
        return response


def are_paired(messages: Sequence[dict[str, Any]]) -> bool:
    """Whether every call is followed by its results, at once and in order."""
    calling = next(number for number, message in enumerate(messages) if message.get("tool_calls"))
    ids = [call["id"] for call in messages[calling]["tool_calls"]]
    behind = messages[calling + 1 : calling + 1 + len(ids)]
    return [message.get("tool_call_id") for message in behind] == ids


def tell_results(messages: Sequence[dict[str, Any]]) -> list[str]:
    return [f"{message['content']}. " for message in messages if message["role"] == "tool"]


def write_calls() -> list[dict[str, Any]]:
    """Two calls as providers stream them: the name first, the arguments piece by piece."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
    for index, (call_id, city) in enumerate(CITIES.items()):
        named: dict[str, Any] = {
            "id": call_id,
            "type": "function",
            "function": {"name": "get_weather", "arguments": ""},
        }
        pieces: list[dict[str, Any]] = [
            {"function": {"arguments": piece}} for piece in ('{"ci', 'ty": "', f'{city}"}}')
        ]
        deltas += [{"tool_calls": [{"index": index, **piece}]} for piece in (named, *pieces)]
    return deltas


def write_chunk(delta: dict[str, Any], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "calling",
        "choices": [choice],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@asynccontextmanager
async def open_model(model: CallingModel) -> AsyncIterator[str]:
    """Serve the model; its base URL."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", model.answer)
    runner, port = web.AppRunner(app), find_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await runner.cleanup()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The model, the server before it, and a client with a session."""

    model: CallingModel
    server: Serving
    client: AsyncOpenAI


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    model = CallingModel()
    async with open_model(model) as url, serving(tmp_path, upstream_url=url) as server:
        session = {"sessionId": "weather"}
        async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.key, default_headers=session) as client:
            yield Desk(model=model, server=server, client=client)


async def ask(desk: Desk) -> dict[str, dict[str, str]]:
    """Ask a question that needs a tool; the calls that are streamed back, put together as an application does."""
    stream = await desk.client.chat.completions.create(
        model="calling", messages=[{"role": "user", "content": QUESTION}], tools=[TOOL], stream=True
    )
    calls: dict[int, dict[str, str]] = {}
    finish = None
    async for chunk in stream:
        finish = chunk.choices[0].finish_reason or finish
        for piece in chunk.choices[0].delta.tool_calls or []:
            call = calls.setdefault(piece.index, {"id": piece.id or "", "name": "", "arguments": ""})
            if piece.function:
                call["name"] += piece.function.name or ""
                call["arguments"] += piece.function.arguments or ""
    assert finish == "tool_calls"
    return {call["id"]: call for call in calls.values()}


async def send_results(desk: Desk, call_ids: Sequence[str]) -> str:
    """Send the tool's results under the session and nothing else; the answer."""
    stream = await desk.client.chat.completions.create(
        model="calling",
        messages=[
            {"role": "tool", "tool_call_id": call_id, "content": WEATHER[CITIES[call_id]]} for call_id in call_ids
        ],
        tools=[TOOL],
        stream=True,
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def read_types(desk: Desk) -> list[str]:
    """What the history holds."""
    listed = await desk.client.get("/sessions/weather/items?order=asc", cast_to=dict[str, Any])
    return [item["type"] for item in listed["data"]]


async def test_answer_uses_the_tools_result(desk: Desk) -> None:
    calls = await ask(desk)
    assert {call_id: json.loads(call["arguments"]) for call_id, call in calls.items()} == {
        call_id: {"city": city} for call_id, city in CITIES.items()
    }
    assert {call["name"] for call in calls.values()} == {"get_weather"}
    assert await send_results(desk, list(calls)) == "sunny, 21 degrees. snow, -3 degrees. "


async def test_model_sees_calls_before_results(desk: Desk) -> None:
    await ask(desk)
    await send_results(desk, ["call_2", "call_1"])
    asked, answered = desk.model.requests
    assert asked["tools"] == answered["tools"] == [TOOL]
    assert asked["messages"] == answered["messages"][:1] == [{"role": "user", "content": QUESTION}]
    assert [message["role"] for message in answered["messages"]] == ["user", "assistant", "tool", "tool"]
    calls = answered["messages"][1]["tool_calls"]
    assert [(call["id"], json.loads(call["function"]["arguments"])["city"]) for call in calls] == list(CITIES.items())


async def test_calls_and_results_enter_history(desk: Desk) -> None:
    await ask(desk)
    assert await read_types(desk) == ["message", "function_call", "function_call"]
    await send_results(desk, list(CITIES))
    assert (await read_types(desk))[3:] == ["function_call_output", "function_call_output", "message"]
