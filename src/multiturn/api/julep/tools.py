"""Tools of Julep's agents as functions of ours, with the ids and times that a tool has there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from msgspec import Struct, convert, to_builtins
from msgspec.structs import replace

from multiturn.api.julep.reading import ListQuery
from multiturn.api.julep.tool_wire import (
    JulepAgentToolBody,
    JulepFunctionBody,
    JulepToolChangeBody,
    JulepToolOrderBody,
)
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.agent import Agent, AgentBody
from multiturn.model.ids import find_id
from multiturn.model.tool import FunctionTool

# Where an agent keeps what a function of ours has no field for: by the function's name.
KEPT = "julep_tools"


class Kept(Struct, frozen=True, kw_only=True):
    """What a tool has here besides its function."""

    id: UUID
    created_at: datetime
    updated_at: datetime


class JulepTool(Struct, frozen=True, kw_only=True):
    """A tool of an agent, as this dialect knows it."""

    kept: Kept
    function: FunctionTool


def list_tools(agent: Agent, body: AgentBody | None = None) -> list[JulepTool]:
    """The functions of an agent, in its order: those that another API made have the agent's own times."""
    body = body or agent.body
    kept = convert(body.wire.get(KEPT, {}), dict[str, Kept])
    return [
        JulepTool(
            function=tool,
            kept=kept.get(tool.name)
            or Kept(id=uuid5(agent.id, tool.name), created_at=agent.created_at, updated_at=agent.updated_at),
        )
        for tool in body.tools
        if isinstance(tool, FunctionTool)
    ]


def find_tool(tools: Sequence[JulepTool], name: str) -> JulepTool:
    """A tool by its id, or by its name. Raises NotFound."""
    id_ = find_id(name)
    found = next((tool for tool in tools if tool.kept.id == id_ or tool.function.name == name), None)
    if found is None:
        raise NotFound("The agent has no such tool.", code="tool_not_found", param="tool_id")
    return found


def put_tool(body: AgentBody, tools: Sequence[JulepTool], made: JulepTool) -> AgentBody:
    """An agent with a tool: instead of the one that has its id, else behind all others.

    Raises InvalidRequest when another function has its name.
    """
    if any(one.function.name == made.function.name and one.kept.id != made.kept.id for one in tools):
        raise InvalidRequest(f"The agent has a tool '{made.function.name}' already.", param="body.name")
    before = next((one.function.name for one in tools if one.kept.id == made.kept.id), None)
    if before is None:
        return keep(replace(body, tools=(*body.tools, made.function)), [*tools, made])
    own = tuple(
        made.function if isinstance(tool, FunctionTool) and tool.name == before else tool for tool in body.tools
    )
    return keep(replace(body, tools=own), [made if one.kept.id == made.kept.id else one for one in tools])


def take_tool(body: AgentBody, tools: Sequence[JulepTool], gone: JulepTool) -> AgentBody:
    """An agent without a tool."""
    name = gone.function.name
    left = tuple(tool for tool in body.tools if not (isinstance(tool, FunctionTool) and tool.name == name))
    return keep(replace(body, tools=left), [one for one in tools if one is not gone])


def keep(body: AgentBody, tools: Sequence[JulepTool]) -> AgentBody:
    """An agent that remembers the ids and times of its tools."""
    return replace(body, wire={**body.wire, KEPT: {one.function.name: to_builtins(one.kept) for one in tools}})


def read_function(body: JulepToolOrderBody | JulepToolChangeBody, before: FunctionTool | None = None) -> FunctionTool:
    """The function that is asked for, or what a change makes of one.

    Raises InvalidRequest (``not_implemented``) for a tool that the server would have to run.
    """
    kind = body.type or "function"
    if kind != "function":
        text = f"'type' is '{kind[:40]}': of the tools of this dialect only functions are there, which the client runs."
        raise InvalidRequest(text, code="not_implemented", param="body.type")
    base = before or FunctionTool(name="")
    said = {name: value for name, value in (body.function or {}).items() if value is not None}
    return FunctionTool(
        name=read_said(said, "name", str, body.name or base.name),
        description=read_said(said, "description", str, body.description or base.description),
        parameters=read_said(said, "parameters", dict, base.parameters),
    )


def read_said(said: Mapping[str, Any], name: str, type_: type, default: Any) -> Any:
    """A field of a function. Raises InvalidRequest."""
    value = said.get(name, default)
    if not isinstance(value, type_):
        what = "a text" if type_ is str else "an object"
        raise InvalidRequest(f"'function.{name}' must be {what}.", param=f"body.function.{name}")
    return value


def sort_tools(tools: Sequence[JulepTool], query: ListQuery) -> list[JulepTool]:
    """A page of tools, in the order that is asked for; those of one moment in the agent's."""
    places = sorted(range(len(tools)), key=lambda place: (getattr(tools[place].kept, query.sort_by), place))
    ordered = places if query.direction == "asc" else places[::-1]
    return [tools[place] for place in ordered[query.offset : query.offset + query.limit]]


def render_tool(tool: JulepTool) -> JulepAgentToolBody:
    """A tool of an agent."""
    function, kept = tool.function, tool.kept
    description = function.description or None
    return JulepAgentToolBody(
        id=str(kept.id),
        created_at=kept.created_at,
        updated_at=kept.updated_at,
        name=function.name,
        description=description,
        function=JulepFunctionBody(name=function.name, description=description, parameters=function.parameters),
    )
