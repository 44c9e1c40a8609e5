"""The server as an MCP server, before the official client in both eras of the protocol; and messages that are none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import jsonschema_rs
import pytest
import pytest_asyncio
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult

from multiturn.api.mcp.wire import VERSIONS
from multiturn.errors import UpstreamError
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import OpenPlace, Place
from tests.contract.dialects.knowing import make, make_store, put
from tests.unit.tool_hosts import ScriptedHost, echo

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOOLS = ["search_knowledge", "list_knowledge_stores", "list_sessions", "read_session", "ask"]
BRIDGES = (
    "# Bridges\n\nThe iron bridge was opened in 1781.\n\nIt cost six thousand pounds and took three years to build.\n"
)


@asynccontextmanager
async def connect(place: Place, *, key: str = "", mode: str = "auto", **headers: str) -> AsyncGenerator[Client]:
    """The official client at the server, with a key of the tenant unless another is given."""
    sent = {"Authorization": f"Bearer {key or place.key}", **headers}
    async with create_mcp_http_client(headers=sent) as http:
        transport = streamable_http_client(f"{place.url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


async def call(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that does not fail; what it says to programs."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result
    said: dict[str, Any] = result.structured_content
    return said


async def ask(client: Client, message: str, **arguments: Any) -> dict[str, Any]:
    """Ask something; the answer as programs have it."""
    return await call(client, "ask", message=message, **{"model": "m", **arguments})


async def fail(client: Client, name: str, **arguments: Any) -> str:
    """Call a tool that fails; what it says."""
    result = await client.call_tool(name, arguments)
    assert result.is_error, result
    return text_of(result)


def text_of(result: CallToolResult) -> str:
    """What a tool says to models."""
    return "\n".join(getattr(content, "text", "") for content in result.content)


async def post(place: Place, body: Any, *, key: str = "", **headers: str) -> tuple[int, Any]:
    """Send a message as it is; status and answer."""
    sent = {"Accept": "application/json", **headers}
    if key:
        sent["Authorization"] = f"Bearer {key}"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with place.http.post("/mcp", data=data, headers=sent) as reply:
        text = await reply.text()
        return reply.status, json.loads(text) if text else None


def write(method: str, **params: Any) -> dict[str, Any]:
    """A request."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


@pytest_asyncio.fixture(loop_scope="module")
async def bridges(place: Place) -> str:
    """The name of a store with one document."""
    store = await make_store(place, "bridges", description="What is known of bridges.")
    await put(place, store, "bridges.md", BRIDGES)
    return "bridges"


@pytest.mark.parametrize(("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
async def test_official_client_finds_the_tools(place: Place, mode: str, version: str) -> None:
    async with connect(place, mode=mode) as client:
        assert client.protocol_version == version
        assert client.server_info is not None
        assert client.server_info.name == "multiturn"
        assert "search_knowledge" in (client.instructions or "")
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        jsonschema_rs.meta.validate(tool.input_schema)
        jsonschema_rs.meta.validate(tool.output_schema or {})
        assert tool.description
        assert all(field.get("description") for field in tool.input_schema["properties"].values())


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_question_is_a_turn_of_its_session(place: Place, mode: str) -> None:
    place.will_say("It is blue.", "I said blue.")
    heard: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async with connect(place, mode=mode) as client:
        said = {"message": "What colour is it?", "session": "colours", "model": "m"}
        result = await client.call_tool("ask", said, progress_callback=hear)
        assert (text_of(result), result.structured_content["answer"]) == ("It is blue.", "It is blue.")
        assert result.structured_content["status"] == "completed"
        again = await ask(client, "And once more?", session=result.structured_content["session_id"])
    assert again["session"] == "colours"
    assert heard
    assert heard[0].startswith("Writes: … ")
    assert await place.list_texts("colours") == ["What colour is it?", "It is blue.", "And once more?", "I said blue."]
    assert (await place.list_runs("colours"))[0]["id"] == result.structured_content["run_id"]
    assert "It is blue." in str(place.seen_texts[-1])


async def test_question_without_a_session_begins_one(place: Place) -> None:
    async with connect(place) as client:
        first, second = [await ask(client, "hello") for _ in range(2)]
        assert first["session_id"] != second["session_id"]
        listed = (await call(client, "list_sessions"))["sessions"]
    assert {one["id"] for one in listed} == {first["session_id"], second["session_id"]}


async def test_answer_over_a_store_cites_its_places(place: Place, bridges: str) -> None:
    place.will_say("It took three years to build.", "Six thousand pounds [1].")
    async with connect(place) as client:
        question = {"message": "How long did the bridge take?", "stores": [bridges], "model": "m"}
        result = await client.call_tool("ask", question)
        assert not result.is_error, result
        said = result.structured_content
        (citation,) = said["citations"]
        assert said["answer"] == "It took three years to build [1]."
        assert citation["quote"] == "It cost six thousand pounds and took three years to build."
        assert f"[1] Bridges, Bridges: “{citation['quote']}” {place.url}/media/" in text_of(result)
        # The session keeps its stores.
        later = await ask(client, "What did it cost?", session=said["session_id"])
        assert later["citations"]
        (_, answer, *_) = (await call(client, "read_session", session=said["session_id"]))["items"]
    assert answer["citations"][0]["quote"] == citation["quote"]
    async with place.http.get(citation["url"], headers={"Authorization": ""}) as reply:
        assert await reply.text() == BRIDGES


async def test_agent_answers_in_the_session_that_it_begins(place: Place) -> None:
    await make(place, "/v1/agents", {"name": "Ada", "canonical_name": "ada", "instructions": "Count."})
    async with connect(place) as client:
        begun = await ask(client, "hello", session="counting", agent="ada", model="m2")
        assert "Count." in str(place.seen_texts[-1][0])
        assert place.seen[-1]["model"] == "m2"
        await ask(client, "go on", session=begun["session_id"])
        assert "Count." in str(place.seen_texts[-1][0])


async def test_search_tells_passages_with_links(place: Place, bridges: str) -> None:
    async with connect(place) as client:
        found = await call(client, "search_knowledge", store=bridges, query="When was the bridge opened?", limit=1)
        (passage,) = found["passages"]
        assert "1781" in passage["text"]
        assert (passage["number"], passage["title"], passage["kind"]) == (1, "Bridges", "document")
        assert passage["url"].startswith(f"{place.url}/media/")
        result = await client.call_tool("search_knowledge", {"store": bridges, "query": "bridge"})
        assert text_of(result).startswith("[1] Bridges, Bridges\n")
        nothing = await call(client, "search_knowledge", store=bridges, query="bridge", kinds=["video"])
        assert nothing["passages"] == []
        (store,) = (await call(client, "list_knowledge_stores"))["stores"]
    assert (store["name"], store["items"], store["ready"]) == ("bridges", 1, 1)


async def test_listings_go_on_where_they_ended(place: Place) -> None:
    for number in range(5):
        await make_store(place, f"store {number}")
        await place.ask(f"I like the number {number}", session_id=f"s{number}")
    async with connect(place) as client:
        for tool, name, expected in (
            ("list_knowledge_stores", "stores", [f"store {number}" for number in reversed(range(5))]),
            ("list_sessions", "sessions", [f"s{number}" for number in reversed(range(5))]),
        ):
            found, cursor = [], None
            while True:
                page = await call(client, tool, limit=2, cursor=cursor)
                found += [one["name"] for one in page[name]]
                if (cursor := page["next"]) is None:
                    break
            assert found == expected
        liked = await call(client, "list_sessions", text="NUMBER 3")
        assert [one["name"] for one in liked["sessions"]] == ["s3"]


async def test_session_is_read_from_its_end(place: Place) -> None:
    for number in range(3):
        await place.ask(f"question {number}")
    await place.ask("x" * 9000)
    async with connect(place) as client:
        page = await call(client, "read_session", session="s", limit=2)
        assert [(item["seq"], item["role"], item["text"][:2]) for item in page["items"]] == [
            (7, "user", "xx"),
            (8, "assistant", "ok"),
        ]
        assert (len(page["items"][0]["text"]), page["items"][0]["characters"]) == (8000, 9000)
        before = await call(client, "read_session", session=page["session_id"], before=page["next"])
        assert [item["seq"] for item in before["items"]] == [1, 2, 3, 4, 5, 6]
        assert before["next"] is None
        text = text_of(await client.call_tool("read_session", {"session": "s", "limit": 2}))
    assert text.startswith("7. user: xxx")
    assert "(1000 more characters)" in text
    assert text.endswith("call again with before=7.")


async def test_things_of_others_are_not_found(place: Place, bridges: str) -> None:
    await place.ask("a secret", session_id="mine")
    session = (await place.get("/v1/sessions/mine"))["id"]
    await make(place, "/v1/agents", {"name": "Ada", "canonical_name": "ada"})
    stranger = await place.make_key(tenant="strangers")
    async with connect(place, key=stranger) as client:
        assert "store_not_found" in await fail(client, "search_knowledge", store=bridges, query="bridge")
        assert "store_not_found" in await fail(client, "ask", message="hello", stores=[bridges])
        assert "agent_not_found" in await fail(client, "ask", message="hello", agent="ada")
        for name in ("mine", session):
            assert "session_not_found" in await fail(client, "read_session", session=name)
        assert "session_not_found" in await fail(client, "ask", message="hello", session=session)
        assert await call(client, "list_sessions") == {"sessions": [], "next": None}
        assert await call(client, "list_knowledge_stores") == {"stores": [], "next": None}
    async with connect(place, key=await place.make_key(user="ann")) as client:
        assert "session_not_found" in await fail(client, "read_session", session=session)
        assert "session_not_found" in await fail(client, "ask", message="hello", session=session)
        assert (await call(client, "list_sessions"))["sessions"] == []


async def test_failed_turn_is_the_tools_error(place: Place) -> None:
    place.will_say(
        UpstreamError("The model is on fire."), Script("One two three", pieces_first=1, error=UpstreamError("No more."))
    )
    async with connect(place) as client:
        assert (
            await fail(client, "ask", message="hello", session="s", model="m")
            == "The model is on fire. (upstream_error)"
        )
        assert await fail(client, "ask", message="hello", session="s", model="m") == "No more. (upstream_error)"
        assert (await ask(client, "hello", session="s"))["answer"] == "ok"
    assert await place.list_texts() == ["hello", "ok"]


async def test_client_that_goes_away_leaves_the_turn(place: Place) -> None:
    hold = asyncio.Event()
    place.will_say(Script("It is blue.", pieces_first=1, hold=hold))
    async with connect(place) as client:
        asking = asyncio.create_task(ask(client, "What colour is it?", session="s"))
        while not place.upstream.running:
            await asyncio.sleep(0.01)
        asking.cancel()
    hold.set()
    await place.ask("again")
    assert (await place.list_texts())[:2] == ["What colour is it?", "It is blue."]


async def test_call_that_needs_a_word_is_told_and_the_turn_goes_on(opening: OpenPlace) -> None:
    source = {"type": "mcp", "label": "files", "url": "http://127.0.0.1:9/mcp", "approval": ["write"]}
    called = Script("", tool_calls=[ScriptedCall("files__write", '{"text": "a"}')])
    async with opening(tool_host=ScriptedHost({"write": echo})) as place, connect(place) as client:
        await make(place, "/v1/agents", {"name": "Guide", "canonical_name": "guide", "tools": [source]})
        place.will_say(called, "It is written.")
        said = await ask(client, "Write it.", session="s", agent="guide")
        assert (said["status"], said["answer"]) == ("waiting", "")
        refused = await fail(client, "ask", message="And now?", session="s", model="m")
        assert "run_waiting" in refused
        await make(place, f"/v1/runs/{said['run_id']}/approvals", {"approved": True})
        async with asyncio.timeout(10):
            while not (items := (await call(client, "read_session", session="s"))["items"]):
                await asyncio.sleep(0.02)
    assert [(item["type"], item["text"]) for item in items] == [
        ("message", "Write it."),
        ("function_call", '{"text": "a"}'),
        ("function_call_output", "You said a."),
        ("message", "It is written."),
    ]


@pytest.mark.parametrize(
    ("tool", "arguments", "param"),
    [
        ("ask", {}, "message"),
        ("ask", {"message": ""}, "message"),
        ("ask", {"message": 5}, "message"),
        ("ask", {"message": "a", "colour": "red"}, "colour"),
        ("ask", {"message": "a", "stores": ["a", ""]}, "stores[1]"),
        ("ask", {"message": "a", "session": "a\0b"}, "session"),
        ("search_knowledge", {"store": "a"}, "query"),
        ("search_knowledge", {"store": "a", "query": "b", "limit": 51}, "limit"),
        ("search_knowledge", {"store": "a", "query": "b", "kinds": ["song"]}, "kinds[0]"),
        ("read_session", {"session": "s", "before": 0}, "before"),
        ("read_session", {"session": "s", "before": 1.5}, "before"),
        ("list_sessions", {"cursor": "a"}, "cursor"),
    ],
)
async def test_wrong_argument_is_named_to_the_model(
    place: Place, tool: str, arguments: dict[str, Any], param: str
) -> None:
    status, said = await post(place, write("tools/call", name=tool, arguments=arguments))
    assert (status, said["result"]["isError"]) == (200, True)
    assert said["result"]["_meta"]["multiturn/error"] == {"code": "invalid_request", "param": param}


MODERN = {"MCP-Protocol-Version": "2026-07-28"}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"{", {}, (400, -32700, "invalid_json", None)),
        (b'{"a": "\xff"}', {}, (400, -32700, "invalid_json", None)),
        (b"[" * 1000, {}, (400, -32600, "mcp_message_wrong", None)),
        ([write("ping")], {}, (400, -32600, "mcp_message_wrong", None)),
        ("ping", {}, (400, -32700, "invalid_json", None)),
        ({"id": 1, "method": "ping"}, {}, (400, -32600, "mcp_message_wrong", "jsonrpc")),
        ({**write("ping"), "jsonrpc": "1.0"}, {}, (400, -32600, "mcp_message_wrong", "jsonrpc")),
        ({**write("ping"), "id": None}, {}, (400, -32600, "mcp_message_wrong", "id")),
        ({**write("ping"), "id": 1.5}, {}, (400, -32600, "mcp_message_wrong", "id")),
        ({**write("ping"), "method": 5}, {}, (400, -32600, "mcp_message_wrong", "method")),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, {}, (400, -32600, "mcp_message_wrong", "method")),
        ({**write("ping"), "params": [1]}, {}, (400, -32602, "invalid_request", "params")),
        (
            write("ping"),
            {"MCP-Protocol-Version": "1999-01-01"},
            (400, -32022, "mcp_version_unsupported", "mcp-protocol-version"),
        ),
        (write("resources/list"), {}, (200, -32601, "mcp_method_unknown", "method")),
        (write("server/discover"), {}, (200, -32601, "mcp_method_unknown", "method")),
        (
            write("initialize", protocolVersion="2025-11-25"),
            {},
            (200, -32602, "invalid_request", "params.capabilities"),
        ),
        (write("tools/call"), {}, (200, -32602, "invalid_request", "params.name")),
        (write("tools/call", name="dance"), {}, (200, -32602, "invalid_request", "params.name")),
        (write("tools/list", cursor="a"), {}, (200, -32602, "invalid_request", "params.cursor")),
        (write("tools/list"), MODERN, (400, -32602, "invalid_request", f"params._meta.{next(iter(META))}")),
        (write("tools/list", _meta=META), MODERN, (400, -32020, "mcp_header_mismatch", "mcp-method")),
        (write("tools/list", _meta=META), {}, (400, -32020, "mcp_header_mismatch", "mcp-protocol-version")),
        (write("ping", _meta=META), {**MODERN, "Mcp-Method": "ping"}, (404, -32601, "mcp_method_unknown", "method")),
        (
            write("tools/call", name="ask", _meta=META),
            {**MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "=?base64?!?="},
            (400, -32020, "mcp_header_mismatch", "mcp-name"),
        ),
    ],
)
async def test_message_that_is_none_says_why(
    place: Place, body: Any, headers: Mapping[str, str], expected: tuple[int, int, str, str | None]
) -> None:
    status, said = await post(place, body, **headers)
    error = said["error"]
    assert (status, error["code"], error["data"]["code"], error["data"].get("param")) == expected
    assert said["jsonrpc"] == "2.0"
    if error["code"] == -32022:
        assert (error["data"]["supported"], error["data"]["requested"]) == (list(VERSIONS), "1999-01-01")


async def test_notification_is_taken_and_a_name_may_come_in_base64(place: Place) -> None:
    assert await post(place, {"jsonrpc": "2.0", "method": "notifications/initialized"}) == (202, None)
    headers = {**MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "=?base64?bGlzdF9zZXNzaW9ucw==?="}
    status, said = await post(place, write("tools/call", name="list_sessions", _meta=META), **headers)
    assert (status, said["result"]["resultType"]) == (200, "complete")


async def test_versions_are_agreed_upon(place: Place) -> None:
    given: dict[str, Any] = {"capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
    for asked, agreed in (("2025-03-26", "2025-03-26"), ("1999-01-01", "2025-11-25")):
        _, said = await post(place, write("initialize", protocolVersion=asked, **given))
        assert said["result"]["protocolVersion"] == agreed
    assert (await post(place, write("ping")))[1]["result"] == {}


async def test_without_a_good_key_nothing_is_told(place: Place) -> None:
    for key in ("mt-wrong", " "):
        status, said = await post(place, write("tools/list"), key=key)
        assert (status, said["error"]["code"], said["id"]) == (401, -32000, None)
    with pytest.RaisesGroup(MCPError, flatten_subgroups=True):
        async with connect(place, key="mt-wrong"):
            pass
    async with place.http.get("/mcp") as reply:
        assert (reply.status, reply.headers["Allow"]) == (405, "POST")
        assert (await reply.json())["error"]["data"]["code"] == "method_not_allowed"


async def test_body_over_the_limit_is_refused(opening: OpenPlace) -> None:
    async with opening(body_bytes_max=1000) as place:
        status, said = await post(place, write("tools/call", name="ask", arguments={"message": "x" * 1000}))
        assert (status, said["error"]["data"]["code"]) == (413, "request_too_large")


async def test_pages_of_other_origins_are_let_in_where_they_are_named(opening: OpenPlace) -> None:
    """Where no key is needed, nobody else's page may call: a name that was bound to this machine is not ours."""
    async with opening(auth="none", public_url="https://chat.example.com") as place:
        for origin, status in (
            ("http://rebound.example.com:8000", 403),
            ("null", 403),
            ("http://localhost:6274", 200),
            ("http://[::1]:6274", 200),
            ("https://chat.example.com", 200),
        ):
            assert (await post(place, write("ping"), Origin=origin))[0] == status, origin
    async with opening(cors_origins=("https://app.example.com",)) as place:
        assert (await post(place, write("ping"), Origin="https://app.example.com"))[0] == 200
        status, said = await post(place, write("ping"), Origin="https://other.example.com")
        assert (status, said["error"]["data"]["code"]) == (403, "origin_refused")
