"""What is attached to an agent in Powabase's words: tools, MCP servers and hooks, all of them its ``tools`` here.

Each is known by an id made of the agent's and of its name, so that it is the same whichever dialect made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID, uuid5

import msgspec
from msgspec.structs import replace

from multiturn.api.powabase.wire import (
    PowabaseHookBody,
    PowabaseHookOrderBody,
    PowabaseMcpServerBody,
    PowabaseMcpServerOrderBody,
    PowabaseToolBody,
    PowabaseToolOrderBody,
)
from multiturn.engine.tool_checks import hide_secrets
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.agent import Agent, AgentBody
from multiturn.model.ids import find_id, new_id
from multiturn.model.tool import Approval, FunctionTool, HttpTools, KnowledgeTool, McpTools, RemoteTools, Tool

HOOKS = "powabase_hooks"
# What Powabase has of these and this server has not: a 501. What it does not have either is a 400.
OTHER_EVENTS = ("OnRunStart", "OnDelegation", "PostToolUse", "PreResponse", "OnRunComplete")
OTHER_TYPES = ("http", "rule")
OTHER_TOOLS = ("agent", "builtin", "custom", "database", "http", "workflow")
OTHER_TRANSPORTS = ("sse", "websocket")
APPROVAL_EVENT, APPROVAL_TYPE = "PreToolUse", "approval"
CONFIG_FIELDS: Mapping[str, frozenset[str]] = {
    "function": frozenset({"description", "parameters"}),
    "knowledge": frozenset(),
    "openapi": frozenset({"document", "url", "base_url", "headers", "allowed", "timeout_s"}),
}
MCP_CONFIG = frozenset({"allowed_tools", "timeout_seconds"})


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """A hook as the agent keeps it."""

    id: str
    matcher: str | None = None
    config: dict[str, Any] = {}
    position: int = 0


def tool_id(agent: Agent, tool: Tool) -> str:
    """The id of a tool of an agent."""
    return str(uuid5(agent.id, f"tool:{type_of(tool)}:{name_of(tool)}"))


def type_of(tool: Tool) -> str:
    """What Powabase's clients call a kind of tool here."""
    return {FunctionTool: "function", KnowledgeTool: "knowledge", HttpTools: "openapi", McpTools: "mcp"}[type(tool)]


def name_of(tool: Tool) -> str:
    """What a tool is called."""
    if isinstance(tool, KnowledgeTool):
        return "knowledge"
    return tool.name if isinstance(tool, FunctionTool) else tool.label


def find_tool(agent: Agent, id_: str, *, is_server: bool) -> Tool:
    """A tool or an MCP server by its id. Raises NotFound."""
    wanted = find_id(id_)
    for tool in agent.body.tools:
        if isinstance(tool, McpTools) == is_server and UUID(tool_id(agent, tool)) == wanted:
            return tool
    raise NotFound("MCP server not found" if is_server else "Assignment not found")


def read_tool(order: PowabaseToolOrderBody) -> Tool:
    """A tool that is asked for. Raises InvalidRequest, as ``not_implemented`` for a type that is not there."""
    if order.tool_type not in CONFIG_FIELDS:
        text = (
            f"There are no tools of the type '{order.tool_type[:40]}' here: there are {', '.join(CONFIG_FIELDS)}, and "
            "/mcp-servers."
        )
        raise refuse(text, "tool_type", is_known=order.tool_type in OTHER_TOOLS)
    return configure(order.tool_type, order.tool_name, order.config_override or {})


def configure(type_: str, name: str, config: Mapping[str, Any]) -> Tool:
    """A tool with its configuration. Raises InvalidRequest for a field that its type does not have."""
    known = CONFIG_FIELDS[type_]
    for field in config:
        if field not in known:
            text = f"'config_override.{field}' is nothing that a tool of the type '{type_}' has."
            raise InvalidRequest(text, param=f"config_override.{field}")
    if type_ == "knowledge":
        return KnowledgeTool()
    called = {"name": name} if type_ == "function" else {"label": name}
    return convert({"type": type_, **called, **config}, "config_override")


def convert(facts: Mapping[str, Any], param: str) -> Tool:
    """Fields as a tool. Raises InvalidRequest."""
    try:
        tool: Tool = msgspec.convert(facts, Tool)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"'{param}' is wrong: {error}.", param=param) from error
    return tool


def render_tool(agent: Agent, tool: Tool) -> PowabaseToolBody:
    """A tool of an agent."""
    facts = msgspec.to_builtins(tool)
    if isinstance(tool, HttpTools):
        facts["headers"] = hide_secrets(tool.headers)
    type_ = type_of(tool)
    config = {name: facts[name] for name in sorted(CONFIG_FIELDS[type_]) if facts.get(name)}
    return PowabaseToolBody(id=tool_id(agent, tool), tool_type=type_, tool_name=name_of(tool), config_override=config)


def read_server(order: PowabaseMcpServerOrderBody) -> McpTools:
    """An MCP server that is asked for. Raises InvalidRequest."""
    if not order.enabled:
        text = "A server that is switched off is not kept: delete it, and add it again."
        raise InvalidRequest(text, param="enabled")
    transport = order.transport.replace("-", "_")
    if transport not in ("http", "streamable_http", "stdio"):
        text = f"There is no transport '{order.transport[:40]}' here: there are http (streamable HTTP) and stdio."
        raise refuse(text, "transport", is_known=transport in OTHER_TRANSPORTS)
    is_local = transport == "stdio"
    if not is_local and order.url is None:
        raise InvalidRequest("name and url are required", param="url")
    config = order.config or {}
    for field in config:
        if field not in MCP_CONFIG:
            raise InvalidRequest(f"'config.{field}' is nothing that an MCP server has.", param=f"config.{field}")
    facts: dict[str, Any] = {"type": "mcp", "label": order.name, "headers": order.headers or {}}
    facts |= {"server": order.name} if is_local else {"url": order.url}
    if config.get("allowed_tools") is not None:
        facts["allowed"] = config["allowed_tools"]
    if config.get("timeout_seconds") is not None:
        facts["timeout_s"] = config["timeout_seconds"]
    server = convert(facts, "config")
    assert isinstance(server, McpTools)
    return server


def write_order(server: McpTools) -> dict[str, Any]:
    """An MCP server as it would be asked for."""
    config: dict[str, Any] = {"timeout_seconds": server.timeout_s}
    if server.allowed is not None:
        config["allowed_tools"] = list(server.allowed)
    return {
        "name": server.label if server.server is None else server.server,
        "url": server.url,
        "transport": "http" if server.server is None else "stdio",
        "headers": server.headers,
        "config": config,
        "enabled": True,
    }


def render_server(agent: Agent, server: McpTools) -> PowabaseMcpServerBody:
    """An MCP server of an agent."""
    facts = {**write_order(server), "name": server.label, "headers": hide_secrets(server.headers)}
    return PowabaseMcpServerBody(id=tool_id(agent, server), agent_id=str(agent.id), **facts)


def list_hooks(body: AgentBody) -> list[Hook]:
    """The hooks of an agent, in their order."""
    hooks = msgspec.convert(body.wire.get(HOOKS, []), list[Hook])
    return sorted(hooks, key=lambda hook: hook.position)


def read_hook(order: PowabaseHookOrderBody) -> Hook:
    """A hook that is asked for. Raises InvalidRequest, as ``not_implemented`` for all but approvals of tools."""
    if (order.event, order.type) != (APPROVAL_EVENT, APPROVAL_TYPE):
        text = (
            f"There are no hooks of the type '{order.type[:40]}' on '{order.event[:40]}' here: there is "
            f"'{APPROVAL_TYPE}' on '{APPROVAL_EVENT}', which asks a person before a tool runs."
        )
        is_known = order.event in (APPROVAL_EVENT, *OTHER_EVENTS) and order.type in (APPROVAL_TYPE, *OTHER_TYPES)
        raise refuse(text, "type" if order.event == APPROVAL_EVENT else "event", is_known=is_known)
    if not order.enabled:
        text = "A hook that is switched off is not kept: delete it, and add it again."
        raise InvalidRequest(text, param="enabled")
    return Hook(id=str(new_id()), matcher=order.matcher, config=order.config or {}, position=order.position)


def refuse(text: str, param: str, *, is_known: bool) -> InvalidRequest:
    """The error of what is not here: Powabase has it, or nobody does."""
    return InvalidRequest(text, code="not_implemented" if is_known else None, param=param)


def render_hook(hook: Hook) -> PowabaseHookBody:
    """A hook of an agent."""
    return PowabaseHookBody(
        id=hook.id,
        event=APPROVAL_EVENT,
        type=APPROVAL_TYPE,
        matcher=hook.matcher,
        config=hook.config,
        position=hook.position,
    )


def add_hook(body: AgentBody, *, hook: Hook) -> AgentBody:
    """An agent with one more hook."""
    return with_hooks(body, [*list_hooks(body), hook])


def drop_hook(body: AgentBody, *, hook: Hook) -> AgentBody:
    """An agent without a hook: what that alone had asked about runs again by itself."""
    return with_hooks(body, [one for one in list_hooks(body) if one.id != hook.id], dropped=(hook,))


def with_hooks(body: AgentBody, hooks: Sequence[Hook], *, dropped: Sequence[Hook] = ()) -> AgentBody:
    """An agent with these hooks, as the approvals of its sources; those of the ``dropped`` go."""
    wire = {name: value for name, value in body.wire.items() if name != HOOKS}
    if hooks:
        wire[HOOKS] = msgspec.to_builtins(list(hooks))
    tools = tuple(
        replace(tool, approval=find_approval(tool, hooks, dropped)) if isinstance(tool, McpTools | HttpTools) else tool
        for tool in body.tools
    )
    return replace(body, wire=wire, tools=tools)


def find_approval(tool: RemoteTools, hooks: Iterable[Hook], dropped: Iterable[Hook]) -> Approval:
    """Which tools of a source wait for a person: those that already did, and those of the hooks."""
    gone = [match(tool, hook) for hook in dropped]
    before: Approval = tool.approval
    if "always" in gone and before == "always":
        before = "never"
    names = {name for one in gone if isinstance(one, tuple) for name in one}
    if isinstance(before, tuple):
        before = tuple(name for name in before if name not in names)
    asked = [before, *(match(tool, hook) for hook in hooks)]
    if "always" in asked:
        return "always"
    return tuple(dict.fromkeys(name for one in asked if isinstance(one, tuple) for name in one)) or "never"


def match(tool: RemoteTools, hook: Hook) -> Approval:
    """Which tools of a source a hook means. Of a source whose tools are not all named, a pattern means all of them."""
    names: list[str] = []
    prefix = f"{tool.label}__"
    for pattern in (hook.matcher or "*").split("|"):
        wanted = pattern.strip()
        own = wanted.removeprefix(prefix)
        if own == "*" or fnmatchcase(prefix, wanted):
            return "always"
        if own == wanted and "__" in wanted:
            continue
        if any(mark in own for mark in "*?["):
            if tool.allowed is None:
                return "always"
            names += [name for name in tool.allowed if fnmatchcase(name, own)]
        elif tool.allowed is None or own in tool.allowed:
            names.append(own)
    return tuple(dict.fromkeys(names)) or "never"
