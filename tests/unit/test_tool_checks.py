"""What an agent may have of tools, and the secrets of its sources that are kept."""

from __future__ import annotations

from typing import Any

import pytest

from multiturn.engine.tool_checks import DOCUMENT_BYTES_MAX, HIDDEN, check_equipment, hide_secrets, keep_secrets
from multiturn.errors import InvalidRequest
from multiturn.model.agent import AgentBody, AgentLimits
from multiturn.model.ids import new_id
from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.tool import FunctionTool, HttpTools, KnowledgeTool, McpTools, Tool

DOCUMENT = {"openapi": "3.1.0", "paths": {}}
URL = "https://tools.example.org/mcp"


def function(name: str = "f", **fields: Any) -> FunctionTool:
    return FunctionTool(name=name, **fields)


def mcp(label: str = "files", **fields: Any) -> McpTools:
    return McpTools(**{"label": label, "url": URL, **fields})


def http(label: str = "api", **fields: Any) -> HttpTools:
    return HttpTools(**{"label": label, "document": DOCUMENT, **fields})


def refusal(*tools: Tool, **fields: Any) -> InvalidRequest:
    """How an agent with these tools is refused."""
    with pytest.raises(InvalidRequest) as refused:
        check_equipment(AgentBody(name="a", tools=tools, **fields), {"local", "browser"})
    return refused.value


def test_good_tools_are_taken() -> None:
    tools = (
        KnowledgeTool(),
        function(parameters={"type": "object", "properties": {"a": {"type": "string"}, "b": True}, "required": ["a"]}),
        function("files"),
        mcp(headers={"Authorization": "Bearer x", "X-Empty": ""}, allowed=("read", "write"), approval=("write",)),
        McpTools(label="local", server="local", approval="always"),
        http(timeout_s=600),
        HttpTools(label="pets", url="http://127.0.0.1:8080/openapi.json", base_url="http://127.0.0.1:8080/v2"),
    )
    limits = AgentLimits(steps=100, tokens=1, seconds=0.5, cost_usd=0.001)
    reasoning = ReasoningOptions(effort="low", budget_tokens=1)
    check_equipment(AgentBody(name="a", tools=tools, limits=limits, reasoning=reasoning), {"local"})


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        (function(""), "name"),
        (function("a b"), "name"),
        (function("ä"), "name"),
        (function("a\n"), "name"),
        (function("a" * 65), "name"),
        (function(description="x" * 4001), "description"),
        (function(description="\x00"), "description"),
        (function(parameters={"type": "string"}), "parameters.type"),
        (function(parameters={"properties": []}), "parameters.properties"),
        (function(parameters={"properties": {"a": "string"}}), "parameters.properties"),
        (function(parameters={"required": "a"}), "parameters.required"),
        (function(parameters={"description": "x" * 70_000}), "parameters"),
        (function(parameters={"description": "\x00"}), "parameters"),
        (mcp("a.b"), "label"),
        (mcp("a" * 33), "label"),
        (mcp(server="local"), ""),
        (mcp(url=None), ""),
        (mcp(url=None, server="remote"), "server"),
        (mcp(url="ftp://tools.example.org"), "url"),
        (mcp(url="https://"), "url"),
        (mcp(url="https://[::1"), "url"),
        (mcp(url="https://x:99999/"), "url"),
        (mcp(url="https://a b/"), "url"),
        (mcp(url="https://ann:secret@tools.example.org/"), "url"),
        (mcp(url="https://x/" + "x" * 2000), "url"),
        (mcp(headers={"a b": "c"}), "headers"),
        (mcp(headers={"a": "b\r\nc: d"}), "headers.a"),
        (mcp(headers={"a": "é"}), "headers.a"),
        (mcp(headers={"a": " b"}), "headers.a"),
        (mcp(headers={"a": "b" * 9000}), "headers.a"),
        (mcp(headers={"Host": "b"}), "headers.Host"),
        (mcp(headers={"A": "b", "a": "b"}), "headers"),
        (mcp(headers={f"x-{number}": "" for number in range(33)}), "headers"),
        (mcp(allowed=("",)), "allowed[0]"),
        (mcp(allowed=("a", "\x00")), "allowed[1]"),
        (mcp(allowed=("a",) * 501), "allowed"),
        (mcp(approval=("x" * 300,)), "approval[0]"),
        (mcp(allowed=("a",), approval=("b",)), "approval"),
        (mcp(timeout_s=0), "timeout_s"),
        (mcp(timeout_s=601), "timeout_s"),
        (http(url=URL), ""),
        (http(document=None), ""),
        (http(document={"openapi": "3.1.0"}), "document"),
        (http(document={"paths": {}, "x": "x" * DOCUMENT_BYTES_MAX}), "document"),
        (http(base_url="/v2"), "base_url"),
    ],
)
def test_wrong_tool_is_named(tool: Tool, param: str) -> None:
    error = refusal(KnowledgeTool(), tool)
    assert error.param == f"tools[1].{param}".removesuffix(".")
    assert error.message.startswith(f"'{error.param}' ")


@pytest.mark.parametrize(
    ("again", "param"),
    [
        ((KnowledgeTool(), KnowledgeTool()), "tools[1]"),
        ((function(), mcp(), function()), "tools[2].name"),
        ((mcp("a"), http("a")), "tools[1].label"),
    ],
)
def test_tool_stands_once(again: tuple[Tool, ...], param: str) -> None:
    assert refusal(*again).param == param


def test_tools_stores_reasoning_and_limits_are_bounded() -> None:
    assert refusal(*(function(f"f{number}") for number in range(101))).param == "tools"
    assert refusal(store_ids=tuple(new_id() for _ in range(21))).param == "stores"
    assert refusal(reasoning=ReasoningOptions(budget_tokens=0)).param == "reasoning.budget_tokens"
    wrong: list[tuple[str, Any]] = [("steps", 0), ("steps", 101), ("tokens", 0), ("seconds", 0.0), ("cost_usd", -1.0)]
    for name, value in wrong:
        assert refusal(limits=AgentLimits(**{name: value})).param == f"limits.{name}"
    assert refusal(limits=AgentLimits(seconds=float("nan"))).param == "limits.seconds"
    assert refusal(wire={"x": "x" * 70_000}).param == "wire"


def test_refused_server_is_told_which_there_are() -> None:
    assert refusal(mcp(url=None, server="x")).message.endswith("They name: browser, local.")


SECRET = {"Authorization": "Bearer s3cret", "X-Team": "a"}


def test_hidden_values_are_kept() -> None:
    before = (http(), mcp(headers=SECRET))
    shown = hide_secrets(SECRET)
    assert shown == {"Authorization": HIDDEN, "X-Team": HIDDEN}
    sent = (mcp(headers={"authorization": HIDDEN, "X-Team": "b"}, approval="always"), function())
    kept, other = keep_secrets(sent, before)
    assert isinstance(kept, McpTools)
    assert kept.headers == {"authorization": "Bearer s3cret", "X-Team": "b"}
    assert (kept.approval, other) == ("always", function())


@pytest.mark.parametrize(
    "sent",
    [
        mcp("other", headers={"X-Team": HIDDEN}),
        mcp(headers={"X-New": HIDDEN}),
        mcp(headers={"X-Team": HIDDEN}, url="https://elsewhere.example.org/mcp"),
        mcp(headers={"X-Team": HIDDEN}, url=None, server="local"),
        http("files", headers={"X-Team": HIDDEN}),
        http(headers={"X-Team": HIDDEN}, document={**DOCUMENT, "servers": [{"url": "https://elsewhere"}]}),
        http(headers={"X-Team": HIDDEN}, base_url="https://elsewhere.example.org"),
    ],
)
def test_secret_goes_nowhere_else(sent: Tool) -> None:
    """A change of the address with a hidden value would send the old secret to somebody new."""
    with pytest.raises(InvalidRequest) as refused:
        keep_secrets([sent], [mcp(headers=SECRET), http(headers=SECRET)])
    assert str(refused.value.param).startswith("tools[0].headers.X-")


def test_secret_goes_on_with_a_new_description_at_the_same_base() -> None:
    before = http(headers=SECRET, base_url="https://api.example.org")
    sent = http(headers={"X-Team": HIDDEN}, base_url="https://api.example.org", document={"paths": {"/a": {}}})
    (kept,) = keep_secrets([sent], [before])
    assert isinstance(kept, HttpTools)
    assert kept.headers == {"X-Team": "a"}
