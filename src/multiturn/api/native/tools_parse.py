"""An agent's tools, reasoning and limits: from their shapes to the engine's nouns and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from multiturn.api.native.tools_wire import (
    AgentLimitsBody,
    AgentToolsBody,
    FunctionToolBody,
    HttpToolsBody,
    KnowledgeToolBody,
    McpToolsBody,
    MissingSourceBody,
    ReasoningOptionsBody,
    ShownToolBody,
    ToolBody,
)
from multiturn.engine.tool_checks import hide_secrets
from multiturn.engine.toolsets import Toolset
from multiturn.engine.toolsets import read_tools as read_sent
from multiturn.model.agent import AgentLimits
from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.tool import FunctionTool, HttpTools, KnowledgeTool, McpTools, Tool

# The nouns have the fields of the shapes, and the tags.
SHAPES: dict[type, Any] = {
    FunctionTool: FunctionToolBody,
    KnowledgeTool: KnowledgeToolBody,
    McpTools: McpToolsBody,
    HttpTools: HttpToolsBody,
}


def read_tools(tools: Sequence[ToolBody] | None) -> tuple[Tool, ...]:
    """Tools as they are asked for."""
    return tuple(msgspec.convert(msgspec.to_builtins(tool), Tool) for tool in tools or ())


def read_reasoning(body: ReasoningOptionsBody | None) -> ReasoningOptions | None:
    """How much a model is to think."""
    return None if body is None else msgspec.convert(body, ReasoningOptions, from_attributes=True)


def read_limits(body: AgentLimitsBody | None) -> AgentLimits:
    """How far a run may go."""
    return AgentLimits() if body is None else msgspec.convert(body, AgentLimits, from_attributes=True)


def render_tools(tools: Sequence[Tool]) -> list[ToolBody]:
    """Tools as they are shown: with the names of their headers, and not what those say."""
    return [render_tool(tool) for tool in tools]


def render_tool(tool: Tool) -> ToolBody:
    """A tool as it is shown."""
    facts = msgspec.to_builtins(tool)
    if isinstance(tool, McpTools | HttpTools):
        facts["headers"] = hide_secrets(tool.headers)
    shown: ToolBody = msgspec.convert(facts, SHAPES[type(tool)])
    return shown


def render_reasoning(reasoning: ReasoningOptions | None) -> ReasoningOptionsBody | None:
    """How much a model is to think."""
    return None if reasoning is None else msgspec.convert(reasoning, ReasoningOptionsBody, from_attributes=True)


def render_limits(limits: AgentLimits) -> AgentLimitsBody:
    """How far a run may go."""
    return msgspec.convert(limits, AgentLimitsBody, from_attributes=True)


def render_toolset(toolset: Toolset, fields: Mapping[str, Raw]) -> AgentToolsBody:
    """What a model is told of tools, in its order."""
    return AgentToolsBody(
        data=[render_shown(tool["function"], toolset) for tool in read_sent(fields)],
        missing=[MissingSourceBody(label=one.label, reason=one.reason) for one in toolset.missing],
    )


def render_shown(function: Mapping[str, Any], toolset: Toolset) -> ShownToolBody:
    """A tool as a model is told of it, and whose it is."""
    name = str(function["name"])
    remote = next((tool for tool in toolset.remote if tool.name == name), None)
    kind = "knowledge" if name in toolset.knowledge else "function"
    if remote:
        kind = "mcp" if isinstance(remote.source, McpTools) else "openapi"
    facts = {
        **function,
        "type": kind,
        "source": remote.source.label if remote else None,
        "own_name": remote.spec.name if remote else None,
        "needs_approval": bool(remote and remote.needs_approval),
    }
    return msgspec.convert(facts, ShownToolBody)
