"""Agents' tools, reasoning, stores and limits in the native API: stored, shown, refused; secrets are told to nobody."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.dialects.conftest import Place
from tests.contract.dialects.test_native_agents import make, refuse, send

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOOLS: list[dict[str, Any]] = [
    {"type": "knowledge"},
    {
        "type": "mcp",
        "label": "files",
        "url": "http://127.0.0.1:9/mcp",
        "headers": {"Authorization": "Bearer s3cret"},
        "allowed": ["read", "write"],
        "approval": ["write"],
        "timeout_s": 2.5,
    },
    {"type": "openapi", "label": "pets", "document": {"openapi": "3.1.0", "paths": {}}, "approval": "always"},
    {
        "type": "function",
        "name": "show_map",
        "description": "Shows a map.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    },
]
HIDDEN = [TOOLS[0], {**TOOLS[1], "headers": {"Authorization": "***"}}, *TOOLS[2:]]


async def test_equipment_is_shown_as_it_was_made(place: Place) -> None:
    store = await make(place, "stores", name="shelf")
    body = {
        "reasoning": {"effort": "low", "budget_tokens": 2000, "is_kept": False},
        "limits": {"steps": 5, "tokens": 9000, "seconds": 60.0, "cost_usd": 0.25},
        "stores": ["shelf", store["id"]],
        "tools": TOOLS,
    }
    agent = await make(place, "agents", name="Guide", canonical_name="guide", **body)
    assert {name: agent[name] for name in body} == {**body, "stores": [store["id"]], "tools": HIDDEN}
    _, cleared = await send(place, "PATCH", "/v1/agents/guide", dict.fromkeys(body))
    assert {name: cleared[name] for name in body} == {"reasoning": None, "limits": {}, "stores": [], "tools": []}
    assert (await place.get("/v1/agents/guide/versions/1"))["tools"] == HIDDEN
    _, replaced = await send(place, "PUT", "/v1/agents/guide", {"name": "Guide", "tools": TOOLS[:1]})
    assert (replaced["tools"], replaced["version"]) == (TOOLS[:1], 3)


async def test_secret_is_kept_and_never_shown(place: Place) -> None:
    agent = await make(place, "agents", name="Guide", tools=TOOLS)
    path = f"/v1/agents/{agent['id']}"
    _, same = await send(place, "PATCH", path, {"tools": HIDDEN})
    assert same == agent
    _, changed = await send(place, "PATCH", path, {"tools": [{**HIDDEN[1], "approval": "always"}]})
    assert changed["version"] == 2
    for way in (path, f"{path}/versions", "/v1/agents", f"{path}/tools"):
        async with place.http.get(way) as reply:
            assert "s3cret" not in await reply.text()
    elsewhere = [{**HIDDEN[1], "url": "http://127.0.0.1:8/mcp"}]
    await refuse(place, "PATCH", path, {"tools": elsewhere}, param="tools[0].headers.Authorization")
    await refuse(place, "POST", "/v1/agents", {"name": "b", "tools": HIDDEN}, param="tools[1].headers.Authorization")


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("tools", {}, "tools"),
        ("tools", [{"type": "browser"}], "tools[0].type"),
        ("tools", [{"label": "a"}], "tools[0].type"),
        ("tools", [{"type": "knowledge", "name": "a"}], "tools[0].name"),
        ("tools", [{"type": "function"}], "tools[0].name"),
        ("tools", [{"type": "function", "function": {"name": "a"}}], "tools[0].function"),
        ("tools", [{"type": "function", "name": "a b"}], "tools[0].name"),
        ("tools", [{"type": "function", "name": "a", "parameters": []}], "tools[0].parameters"),
        ("tools", [*TOOLS, {**TOOLS[1], "approval": "sometimes"}], "tools[4].approval"),
        ("tools", [{**TOOLS[1], "approval": ["delete"]}], "tools[0].approval"),
        ("tools", [{**TOOLS[1], "server": "x"}], "tools[0]"),
        ("tools", [{"type": "mcp", "label": "a", "server": "x"}], "tools[0].server"),
        ("tools", [{**TOOLS[1], "headers": {"a": 1}}], "tools[0].headers[...]"),
        ("tools", [{**TOOLS[1], "timeout_s": 1e9}], "tools[0].timeout_s"),
        ("reasoning", {"effort": "huge"}, "reasoning.effort"),
        ("reasoning", {"budget": 1}, "reasoning.budget"),
        ("limits", {"steps": 0}, "limits.steps"),
        ("limits", {"steps": True}, "limits.steps"),
        ("limits", {"cost_usd": 0}, "limits.cost_usd"),
        ("stores", "shelf", "stores"),
    ],
)
async def test_wrong_field_is_named(place: Place, field: str, value: Any, param: str) -> None:
    await refuse(place, "POST", "/v1/agents", {"name": "a", field: value}, code="invalid_request", param=param)


async def test_stores_of_nobody_are_not_found(place: Place) -> None:
    for name in ("nowhere", "01a1fc90-fa6e-7c1b-8a55-0f6a4d0e6f10"):
        await refuse(place, "POST", "/v1/agents", {"name": "a", "stores": [name]}, status=404, code="store_not_found")


async def test_tools_are_listed_as_a_model_would_see_them(place: Place) -> None:
    await make(place, "stores", name="shelf")
    await make(place, "agents", name="Guide", canonical_name="guide", tools=TOOLS, stores=["shelf"])
    listed = await place.get("/v1/agents/guide/tools")
    kinds = {tool["name"]: tool["type"] for tool in listed["data"]}
    assert kinds["show_map"] == "function"
    assert next(name for name, kind in kinds.items() if kind == "knowledge") == "search_knowledge"
    shown = next(tool for tool in listed["data"] if tool["name"] == "show_map")
    assert (shown["parameters"], shown["source"], shown["needs_approval"]) == (TOOLS[3]["parameters"], None, False)
    missing = {one["label"]: one["reason"] for one in listed["missing"]}
    assert missing["files"]
    await refuse(place, "GET", "/v1/agents/nobody/tools", status=404, code="agent_not_found")


async def test_agent_without_tools_lists_none(place: Place) -> None:
    await make(place, "agents", name="Guide", canonical_name="guide", stores=[])
    listed = await place.get("/v1/agents/guide/tools")
    assert listed == {"object": "agent.tools", "data": [], "missing": []}
