"""What two real providers are sent and give of reasoning: a tool loop at one, a fallback to another in mid-session, and
back.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from multiturn.config import Fallback
from multiturn.model.completion import Maker
from multiturn.upstream.reasoning import UNSIGNED, UNTHOUGHT
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import OpenPlace, Place
from tests.contract.dialects.knowing import make
from tests.contract.dialects.test_agent_runs import decide, run_of
from tests.contract.dialects.test_upkeep import LONG, SUMMARIZE, list_asked, settle
from tests.unit.tool_hosts import ScriptedHost, echo

pytestmark = pytest.mark.asyncio(loop_scope="module")

DESK = {"type": "mcp", "label": "desk", "url": "https://desk.example/mcp"}
SIGNED = {"google": {"thought_signature": "signed by b"}}
USAGE = {"prompt_tokens": 50, "completion_tokens": 5}


class Provider:
    """A provider that answers with these messages, one a call; with a failure where there are none. ``bodies`` are the
    requests.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.bodies: list[dict[str, Any]] = []

    def will_say(self, *messages: dict[str, Any]) -> None:
        self.messages += messages

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response({"data": [{"id": "deepseek-v4", "context_length": 8000}]})
        body = await request.json()
        if not self.messages:
            return web.json_response({"error": {"message": "down"}}, status=500)
        self.bodies.append(body)
        said = self.messages.pop(0)
        choice = {"index": 0, "finish_reason": "tool_calls" if "tool_calls" in said else "stop"}
        if "stream" not in body:
            message = {"role": "assistant", "content": None, **said}
            return web.json_response({"choices": [{**choice, "message": message}], "usage": USAGE})
        pieces = [{"choices": [{"index": 0, "delta": {name: value}}]} for name, value in said.items()]
        frames = [*pieces, {"choices": [{**choice, "delta": {}}], "usage": USAGE}]
        text = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames)
        return web.Response(text=f"{text}data: [DONE]\n\n", content_type="text/event-stream")

    @property
    def last(self) -> list[dict[str, Any]]:
        """The messages of the last request, without the instructions."""
        return [message for message in self.bodies[-1]["messages"] if message["role"] != "system"]


@pytest_asyncio.fixture(loop_scope="module")
async def providers() -> AsyncIterator[tuple[Provider, Provider, list[str]]]:
    """Two providers and their URLs."""
    first, second = Provider(), Provider()
    urls = []
    servers = []
    for provider in (first, second):
        app = web.Application()
        app.router.add_route("*", "/v1/{path:.*}", provider.handle)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        urls.append(str(server.make_url("/v1")))
    yield first, second, urls
    for server in servers:
        await server.close()


def call(text: str, id_: str = "c", **extra: Any) -> dict[str, Any]:
    """A call of the tool at the desk."""
    arguments = json.dumps({"text": text})
    made = {"id": id_, "type": "function", "function": {"name": "desk__echo", "arguments": arguments}, **extra}
    return {"tool_calls": [{"index": 0, **made}]}


def think(text: str) -> dict[str, Any]:
    """What DeepSeek thought."""
    return {"reasoning_content": text}


def answers(messages: list[dict[str, Any]]) -> list[Any]:
    """What each message of the assistant has of reasoning."""
    said = [message for message in messages if message["role"] == "assistant"]
    return [
        message.get("reasoning_content") or message.get("tool_calls", [{}])[0].get("extra_content") for message in said
    ]


async def open_session(place: Place, **fields: Any) -> str:
    """A session with an agent that has a tool and thinks."""
    wanted = {"name": "clerk", "model": "deepseek-v4", "tools": [DESK], "reasoning": {"effort": "low"}, **fields}
    agent = await make(place, "/v1/agents", wanted)
    return str((await make(place, "/v1/sessions", {"agents": [agent["id"]]}))["id"])


async def take(place: Place, session: str, *, is_streamed: bool) -> list[dict[str, Any]]:
    """Take a turn; what happened in it beside the words."""
    body = {"messages": [{"role": "user", "content": "Go on."}], "stream": is_streamed}
    async with place.http.post(f"/v1/sessions/{session}/chat", json=body) as reply:
        assert reply.status == 200, await reply.text()
        await reply.read()
    run = (await place.list_runs(session))[-1]
    assert run["status"] == "completed", run
    events = (await place.get(f"/v1/runs/{run['id']}/events?limit=1000"))["data"]
    return [event["step"] for event in events if event["type"] == "step"]


def open_between(opening: OpenPlace, urls: list[str]) -> Any:
    """A server before DeepSeek, and Gemini behind it."""
    return opening(
        upstream_url=urls[0],
        upstream_reasoning="deepseek",
        upstream_retries=0,
        fallbacks=(Fallback(url=urls[1], model="gemini-3-pro", reasoning="gemini"),),
        tool_host=ScriptedHost({"echo": echo}),
    )


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_nothing_of_one_provider_reaches_the_other(
    opening: OpenPlace, providers: tuple[Provider, Provider, list[str]], is_streamed: bool
) -> None:
    first, second, urls = providers
    async with open_between(opening, urls) as place:
        session = await open_session(place)
        first.will_say({**think("I look."), **call("one")}, {**think("I see."), "content": "One."})
        assert "reasoning_dropped" not in [what["type"] for what in await take(place, session, is_streamed=is_streamed)]
        assert first.bodies[0]["thinking"] == {"type": "enabled"}
        assert first.bodies[0]["reasoning_effort"] == "low"
        assert answers(first.last) == ["I look."]

        first.will_say({**think("Again."), **call("two")}, {"content": "Two."})
        await take(place, session, is_streamed=is_streamed)
        assert answers(first.last) == ["I look.", "I see.", "Again."]
        before = json.dumps(first.last)[:-1]

        second.will_say(call("three", extra_content=SIGNED), {"content": "Three."})
        happened = await take(place, session, is_streamed=is_streamed)
        dropped = [what for what in happened if what["type"] == "reasoning_dropped"]
        hosts = [url.removeprefix("http://").removesuffix("/v1") for url in urls]
        assert [(what["from_provider"], what["to_provider"]) for what in dropped] == [
            (f"{hosts[0]}/deepseek", f"{hosts[1]}/gemini")
        ]
        assert all("thinking" not in body and "reasoning_content" not in json.dumps(body) for body in second.bodies)
        assert second.bodies[0]["reasoning_effort"] == "low"
        assert answers(second.last) == [UNSIGNED, None, UNSIGNED, None, SIGNED]

        first.will_say({"content": "Four."})
        happened = await take(place, session, is_streamed=is_streamed)
        assert [what["type"] for what in happened].count("reasoning_dropped") == 1
        assert json.dumps(first.last).startswith(before)
        assert "signed by b" not in json.dumps(first.bodies)
        assert answers(first.last) == ["I look.", "I see.", "Again.", UNTHOUGHT, UNTHOUGHT, UNTHOUGHT]


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_fallback_between_steps_gets_the_calls_alone(
    opening: OpenPlace, providers: tuple[Provider, Provider, list[str]], is_streamed: bool
) -> None:
    first, second, urls = providers
    async with open_between(opening, urls) as place:
        session = await open_session(place)
        first.will_say({**think("I look."), **call("one")})
        second.will_say({"content": "One."})
        happened = await take(place, session, is_streamed=is_streamed)
        assert [what["type"] for what in happened].count("reasoning_dropped") == 1
        assert answers(second.last) == [UNSIGNED]
        assert "I look." not in json.dumps(second.bodies)
        first.will_say({"content": "Two."})
        await take(place, session, is_streamed=is_streamed)
        assert answers(first.last) == ["I look.", UNTHOUGHT]


async def test_another_server_shows_the_same_bytes(
    opening: OpenPlace, providers: tuple[Provider, Provider, list[str]]
) -> None:
    first, _, urls = providers
    async with open_between(opening, urls) as place:
        session = await open_session(place)
        first.will_say({**think("I look."), **call("one")}, {**think("I see."), "content": "One."})
        await take(place, session, is_streamed=True)
        first.will_say({"content": "Two."})
        await take(place, session, is_streamed=True)
        before = json.dumps(first.last)[:-1]
    async with open_between(opening, urls) as place:
        first.will_say({"content": "Three."})
        await take(place, session, is_streamed=True)
        assert json.dumps(first.last).startswith(before)
        assert answers(first.last) == ["I look.", "I see.", None]


async def test_what_is_not_to_be_kept_is_carried_within_its_run_only(
    opening: OpenPlace, providers: tuple[Provider, Provider, list[str]]
) -> None:
    first, _, urls = providers
    async with open_between(opening, urls) as place:
        session = await open_session(place, reasoning={"is_kept": False})
        first.will_say({**think("I look."), **call("one")}, {**think("I see."), "content": "One."})
        await take(place, session, is_streamed=True)
        assert answers(first.last) == ["I look."]
        items = await place.list_items(session)
        assert [item["type"] for item in items] == ["message", "function_call", "function_call_output", "message"]
        (run,) = await place.list_runs(session)
        assert "I look." not in json.dumps(run)
        first.will_say({"content": "Two."})
        await take(place, session, is_streamed=True)
        assert answers(first.last) == [UNTHOUGHT, UNTHOUGHT]


async def test_items_show_thoughts_and_no_artefacts(
    opening: OpenPlace, providers: tuple[Provider, Provider, list[str]]
) -> None:
    _, second, urls = providers
    async with open_between(opening, urls) as place:
        session = await open_session(place)
        second.will_say(call("one", extra_content=SIGNED), {"content": "One."})
        await take(place, session, is_streamed=False)
        assert "signed by b" not in json.dumps(await place.list_items(session))
        second.will_say({"content": "Two."})
        await take(place, session, is_streamed=False)
        assert answers(second.last) == [SIGNED, None]


async def test_thoughts_wait_with_their_run(
    opening: OpenPlace, providers: tuple[Provider, Provider, list[str]]
) -> None:
    first, _, urls = providers
    async with open_between(opening, urls) as place:
        session = await open_session(place, tools=[{**DESK, "approval": "always"}])
        first.will_say({**think("May I?"), **call("one")})
        body = {"messages": [{"role": "user", "content": "Go on."}]}
        asking = asyncio.create_task(make(place, f"/v1/sessions/{session}/chat", body))
        run = await run_of(place, session, status="waiting")
        first.will_say({**think("I may."), "content": "One."}, {"content": "Two."})
        await decide(place, run["id"], approved=True)
        assert (await asking)["text"] == "One."
        assert answers(first.last) == ["May I?"]
        await take(place, session, is_streamed=True)
        assert answers(first.last) == ["May I?", "I may."]


async def test_summaries_are_asked_with_the_makers_prefix(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        place.upstream.maker = Maker(name="a", wants_thoughts=True)
        look = Script(thoughts="I look.", tool_calls=[ScriptedCall("look")])
        place.will_say(look, "Seen.", "short")
        await place.ask("Look.", **SUMMARIZE)
        seen = {"role": "tool", "tool_call_id": "call_1", "content": LONG}
        await place.ask("", messages=[seen], **SUMMARIZE)
        await settle(place)
        (asked,) = list_asked(place)
        turn = json.dumps(place.seen[1]["messages"])
        assert '"reasoning_content": "I look."' in turn
        assert json.dumps(asked["messages"]).startswith(turn[:-1])
