"""Agents in Powabase's dialect, and what is attached to them: tools, knowledge bases, MCP servers, hooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.dialects.conftest import Place, open_place
from tests.contract.dialects.knowing import make_store
from tests.contract.dialects.powabase_clients import Api, open_api
from tests.unit.tool_hosts import ScriptedHost, echo

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVER = {"name": "desk", "url": "https://desk.example/mcp", "headers": {"X-Key": "secret"}}
FORECAST = {
    "tool_type": "function",
    "tool_name": "forecast",
    "config_override": {"description": "The weather", "parameters": {"type": "object", "properties": {}}},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with open_place(
        tmp_path_factory.mktemp("server"), None, tool_host=ScriptedHost({"echo": echo}, missing=("away",))
    ) as place:
        yield place


@pytest_asyncio.fixture(loop_scope="module")
async def api(place: Place) -> Api:
    return open_api(place)


async def show(place: Place, agent: str) -> Any:
    """An agent as the native API shows it."""
    return await place.get(f"/v1{agent}")


async def approvals(place: Place, agent: str) -> dict[str, Any]:
    """Which tools of each of an agent's sources wait for a person."""
    return {
        tool["label"]: tool.get("approval", "never")
        for tool in (await show(place, agent))["tools"]
        if tool["type"] == "mcp"
    }


async def test_agent_is_made_changed_and_deleted(place: Place, api: Api) -> None:
    settings = {"temperature": 0.2, "reasoning_effort": "low", "timeout_seconds": 30.0, "max_steps": 4, "color": "blue"}
    made = await api.post(
        "/agents", {"name": "Ines", "model": "m", "system_prompt": "Be brief.", "settings": settings}, status=201
    )
    assert (made["name"], made["model"], made["system_prompt"]) == ("Ines", "m", "Be brief.")
    assert made["settings"] == settings
    agent = f"/agents/{made['id']}"
    assert await api.get(agent) == made
    native = await show(place, agent)
    assert native["default_settings"] == {"temperature": 0.2}
    assert (native["reasoning"]["effort"], native["limits"]["seconds"], native["limits"]["steps"]) == ("low", 30.0, 4)
    status, changed = await api.send("PATCH", agent, {"name": "Iris", "settings": {"seed": 1}})
    assert (status, changed["name"], changed["settings"]) == (200, "Iris", {"seed": 1})
    assert changed["system_prompt"] == "Be brief."
    status, changed = await api.send("PATCH", agent, {"system_prompt": None})
    assert changed["system_prompt"] is None
    assert await api.delete(agent) == {"message": "Agent deleted"}
    assert await api.refuse("GET", agent) == (404, "Agent not found")


async def test_agents_are_listed_with_their_use(api: Api) -> None:
    first, second = await api.make_agent(name="a"), await api.make_agent(name="b")
    run = await api.run(first)
    await api.run(first, session_id=run["session_id"])
    listing = await api.get("/agents")
    assert [agent["name"] for agent in listing["agents"]] == ["b", "a"]
    assert [(agent["session_count"], agent["total_runs"]) for agent in listing["agents"]] == [(0, 0), (1, 2)]
    assert listing["agents"][0]["last_run_at"] is None
    assert listing["agents"][1]["last_run_at"] >= listing["agents"][1]["created_at"]
    assert (listing["total"], listing["limit"], listing["offset"]) == (2, 50, 0)
    page = await api.get("/agents", limit=1, offset=1)
    assert ([agent["name"] for agent in page["agents"]], page["total"]) == (["a"], 2)
    assert second


@pytest.mark.parametrize(
    ("method", "body", "text"),
    [
        ("POST", {}, "name is required"),
        ("POST", {"name": ""}, "name"),
        ("POST", {"name": "a", "settings": {"reasoning_effort": "immense"}}, "settings.reasoning_effort"),
        ("POST", {"name": "a", "settings": {"timeout_seconds": "long"}}, "settings.timeout_seconds"),
        ("POST", {"name": "a", "settings": {"max_steps": True}}, "settings.max_steps"),
        ("PATCH", {}, "No valid fields to update"),
        ("PATCH", {"name": 7}, "name"),
    ],
)
async def test_agent_that_is_wrong_says_what(api: Api, method: str, body: Any, text: str) -> None:
    path = await api.make_agent() if method == "PATCH" else "/agents"
    status, said = await api.refuse(method, path, body)
    assert status == 400
    assert text in said


async def test_key_of_a_user_does_not_change_agents(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    ada = open_api(place, key=await place.make_key(user="ada"))
    assert (await ada.get(agent))["name"] == "Ines"
    for method, path in (("POST", "/agents"), ("PATCH", agent), ("POST", f"{agent}/hooks"), ("DELETE", agent)):
        body = {"name": "x", "event": "PreToolUse", "type": "approval"}
        assert (await ada.refuse(method, path, body))[0] == 403


async def test_tools_are_given_and_taken(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    made = await api.post(f"{agent}/tools", FORECAST, status=201)
    await api.post(f"{agent}/tools", {"tool_type": "knowledge", "tool_name": "knowledge"}, status=201)
    tools = (await api.get(f"{agent}/tools"))["tools"]
    assert [(tool["tool_type"], tool["tool_name"]) for tool in tools] == [
        ("function", "forecast"),
        ("knowledge", "knowledge"),
    ]
    assert tools[0] == made
    tool = f"{agent}/tools/{made['id']}"
    status, changed = await api.send("PATCH", tool, {"config_override": {"description": "The sky"}})
    assert (status, changed["config_override"]) == (200, {"description": "The sky"})
    assert (await api.send("PATCH", tool, {}))[1] == changed
    await api.run(agent)
    assert [tool["function"]["name"] for tool in place.seen[-1]["tools"]] == ["forecast"]
    assert await api.delete(tool) == {"deleted": True}
    assert await api.refuse("DELETE", tool) == (404, "Assignment not found")
    assert len((await show(place, agent))["tools"]) == 1


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"tool_name": "x"}, 400, "tool_type is required"),
        ({"tool_type": "builtin", "tool_name": "web_search"}, 501, "no tools of the type 'builtin'"),
        ({"tool_type": "hammer", "tool_name": "x"}, 400, "no tools of the type 'hammer'"),
        ({"tool_type": "function", "tool_name": "two words"}, 400, "name"),
        ({"tool_type": "function", "tool_name": "x", "config_override": {"color": 1}}, 400, "config_override.color"),
        ({"tool_type": "openapi", "tool_name": "x", "config_override": {"url": 1}}, 400, "config_override"),
        ({"tool_type": "openapi", "tool_name": "x"}, 400, "'document' or 'url'"),
    ],
)
async def test_tool_that_is_wrong_says_what(api: Api, body: Any, status: int, text: str) -> None:
    agent = await api.make_agent()
    found, said = await api.refuse("POST", f"{agent}/tools", body)
    assert found == status
    assert text in said


async def test_knowledge_bases_are_given_and_taken(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    store_id = (await make_store(place)).rpartition("/")[2]
    made = await api.post(f"{agent}/knowledge-bases", {"knowledge_base_id": store_id}, status=201)
    assert (made["knowledge_base_id"], made["config"]) == (store_id, {})
    assert (await api.get(f"{agent}/knowledge-bases"))["knowledge_bases"] == [made]
    again = await api.refuse("POST", f"{agent}/knowledge-bases", {"knowledge_base_id": store_id})
    assert again == (409, "KB already assigned to this agent")
    assert (await show(place, agent))["stores"] == [store_id]
    assert await api.delete(f"{agent}/knowledge-bases/{made['id']}") == {"deleted": True}
    assert await api.refuse("DELETE", f"{agent}/knowledge-bases/{made['id']}") == (404, "Assignment not found")
    for body, status in (
        ({}, 400),
        ({"knowledge_base_id": "x"}, 400),
        ({"knowledge_base_id": "0" * 32}, 404),
        ({"knowledge_base_id": store_id, "config": {"top_k": 3}}, 400),
    ):
        assert (await api.refuse("POST", f"{agent}/knowledge-bases", body))[0] == status


async def test_mcp_servers_are_given_changed_and_taken(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    made = await api.post(f"{agent}/mcp-servers", SERVER, status=201)
    assert (made["name"], made["transport"], made["headers"]) == ("desk", "http", {"X-Key": "***"})
    assert (await api.get(f"{agent}/mcp-servers"))["mcp_servers"] == [made]
    taken = await api.refuse("POST", f"{agent}/mcp-servers", SERVER)
    assert taken == (409, "MCP server with this name already exists for agent")
    server = f"{agent}/mcp-servers/{made['id']}"
    (tool,) = (await api.get(f"{server}/tools"))["tools"]
    assert (tool["name"], tool["description"]) == ("echo", "Does echo.")
    change = {"config": {"allowed_tools": ["echo"], "timeout_seconds": 5}, "headers": {"X-Key": "***"}}
    status, changed = await api.send("PUT", server, change)
    assert (status, changed["config"]) == (200, {"allowed_tools": ["echo"], "timeout_seconds": 5.0})
    assert changed["headers"] == {"X-Key": "***"}
    assert await api.delete(server) == {"deleted": True}
    assert await api.refuse("GET", f"{server}/tools") == (404, "MCP server not found")
    assert (await show(place, agent))["tools"] == []


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"url": "https://desk.example"}, 400, "name is required"),
        ({"name": "desk"}, 400, "name and url are required"),
        ({**SERVER, "enabled": False}, 400, "switched off"),
        ({**SERVER, "transport": "sse"}, 501, "transport 'sse'"),
        ({**SERVER, "transport": "pigeon"}, 400, "transport 'pigeon'"),
        ({**SERVER, "config": {"color": 1}}, 400, "config.color"),
        ({**SERVER, "url": "ftp://desk"}, 400, "url"),
        ({"name": "desk", "transport": "stdio"}, 400, "server"),
    ],
)
async def test_mcp_server_that_is_wrong_says_what(api: Api, body: Any, status: int, text: str) -> None:
    agent = await api.make_agent()
    found, said = await api.refuse("POST", f"{agent}/mcp-servers", body)
    assert found == status
    assert text in said


async def test_of_servers_that_are_given_at_once_none_is_lost(api: Api) -> None:
    agent = await api.make_agent()
    names = [f"desk{number}" for number in range(5)]
    await asyncio.gather(*[api.post(f"{agent}/mcp-servers", {**SERVER, "name": name}, status=201) for name in names])
    servers = (await api.get(f"{agent}/mcp-servers"))["mcp_servers"]
    assert sorted(server["name"] for server in servers) == names


async def test_mcp_server_that_is_away_says_so(api: Api) -> None:
    agent = await api.make_agent()
    made = await api.post(f"{agent}/mcp-servers", {**SERVER, "name": "away"}, status=201)
    assert await api.refuse("GET", f"{agent}/mcp-servers/{made['id']}/tools") == (503, "'away' is away.")


async def test_hook_asks_a_person_and_its_end_asks_nobody(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    await api.post(f"{agent}/mcp-servers", SERVER, status=201)
    hook = {"event": "PreToolUse", "type": "approval", "matcher": "desk__echo", "config": {"why": "care"}}
    made = await api.post(f"{agent}/hooks", hook, status=201)
    assert {name: made[name] for name in hook} == hook
    assert await approvals(place, agent) == {"desk": ["echo"]}
    assert (await api.get(f"{agent}/hooks"))["hooks"] == [made]
    assert await api.delete(f"{agent}/hooks/{made['id']}") == {"deleted": True}
    assert await approvals(place, agent) == {"desk": "never"}
    assert await api.refuse("DELETE", f"{agent}/hooks/{made['id']}") == (404, "Hook not found")


async def test_hook_counts_for_servers_that_come_later(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    await api.post(f"{agent}/hooks", {"event": "PreToolUse", "type": "approval"}, status=201)
    await api.post(f"{agent}/mcp-servers", SERVER, status=201)
    assert await approvals(place, agent) == {"desk": "always"}


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"type": "approval"}, 400, "event is required"),
        ({"event": "PreToolUse", "type": "http", "config": {}}, 501, "'http' on 'PreToolUse'"),
        ({"event": "OnRunStart", "type": "rule", "config": {}}, 501, "'rule' on 'OnRunStart'"),
        ({"event": "OnMonday", "type": "approval"}, 400, "'approval' on 'OnMonday'"),
        ({"event": "PreToolUse", "type": "approval", "enabled": False}, 400, "switched off"),
    ],
)
async def test_hook_that_is_not_there_says_so(api: Api, body: Any, status: int, text: str) -> None:
    agent = await api.make_agent()
    found, said = await api.refuse("POST", f"{agent}/hooks", body)
    assert found == status
    assert text in said
