"""Which tools of ours a turn offers: found before its context is made, since a model is told of them in it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from multiturn.engine.grounding.tools import TOOLS, describe_tools
from multiturn.engine.ports_tools import ToolHost
from multiturn.errors import InvalidRequest, Unavailable
from multiturn.model.step import ToolsMissing
from multiturn.model.tool import FunctionTool, HttpTools, KnowledgeTool, McpTools, RemoteTools, Tool, ToolSpec

# What providers take as a tool's name (OpenAI, "Function calling").
NAME_CHARS_MAX = 64
NO_NAME = re.compile(r"[^A-Za-z0-9_-]")
ANY_OBJECT: dict[str, Any] = {"type": "object", "properties": {}}


class RemoteTool(Struct, frozen=True, kw_only=True):
    """A tool that is somewhere else, and the ``name`` that the model knows it by."""

    name: str
    source: RemoteTools
    spec: ToolSpec

    @property
    def needs_approval(self) -> bool:
        """Whether a person is asked before it runs."""
        rule = self.source.approval
        return rule == "always" or (rule != "never" and self.spec.name in rule)


class Toolset(Struct, frozen=True, kw_only=True):
    """The tools of ours in one turn: ``knowledge`` are the names of those that look into its stores. ``missing`` are
    the sources that could not be reached.
    """

    knowledge: frozenset[str] = frozenset()
    remote: tuple[RemoteTool, ...] = ()
    missing: tuple[ToolsMissing, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """What the model calls them."""
        return self.knowledge | {tool.name for tool in self.remote}


NO_TOOLS = Toolset()


class Toolsets:
    """Finds the tools of turns. ``always_looks`` offers those of knowledge stores to every turn that has a store."""

    def __init__(self, host: ToolHost | None, *, always_looks: bool) -> None:
        self.host = host
        self.always_looks = always_looks

    async def find(
        self, tenant_id: UUID, tools: Sequence[Tool], fields: Mapping[str, Raw], *, has_stores: bool
    ) -> tuple[Toolset, Mapping[str, Raw]]:
        """The tools of a turn, and the fields of its request with them behind those that the client sent.

        A client's tool goes before one of ours by the same name. A source that cannot be reached is told as missing.
        """
        looks = has_stores and (self.always_looks or any(isinstance(tool, KnowledgeTool) for tool in tools))
        if not tools and not looks:
            return NO_TOOLS, fields
        theirs = read_tools(fields)
        taken = {name_of(tool) for tool in theirs}
        functions = [tool for tool in tools if isinstance(tool, FunctionTool) and tool.name not in taken]
        taken |= {tool.name for tool in functions}
        knowledge = frozenset(TOOLS) - taken if looks else frozenset()
        remote, missing = await self._list_remote(tenant_id, tools)
        named = name_remote(remote, taken | knowledge)
        ours = [describe(tool.name, tool.description, tool.parameters) for tool in functions]
        ours += [tool for tool in describe_tools() if tool["function"]["name"] in knowledge]
        ours += [describe(tool.name, tool.spec.description, tool.spec.parameters) for tool in named]
        toolset = Toolset(knowledge=knowledge, remote=named, missing=missing)
        if not ours:
            return toolset, fields
        return toolset, {**fields, "tools": Raw(msgspec.json.encode([*theirs, *ours]))}

    async def _list_remote(
        self, tenant_id: UUID, tools: Sequence[Tool]
    ) -> tuple[list[tuple[RemoteTools, ToolSpec]], tuple[ToolsMissing, ...]]:
        """The tools of every source, asked at once, in the order in which the agent names them."""
        sources = [tool for tool in tools if isinstance(tool, McpTools | HttpTools)]
        answers = await asyncio.gather(*(self._list(tenant_id, source) for source in sources))
        found: list[tuple[RemoteTools, ToolSpec]] = []
        missing: list[ToolsMissing] = []
        for source, answer in zip(sources, answers, strict=True):
            if isinstance(answer, ToolsMissing):
                missing.append(answer)
            else:
                found += [(source, spec) for spec in answer]
        return found, tuple(missing)

    async def _list(self, tenant_id: UUID, source: RemoteTools) -> Sequence[ToolSpec] | ToolsMissing:
        if self.host is None:
            return ToolsMissing(label=source.label, reason="This server calls no tools.")
        try:
            return await self.host.list_tools(tenant_id, source)
        except (Unavailable, InvalidRequest) as error:
            return ToolsMissing(label=source.label, reason=error.message)


def name_remote(
    found: Sequence[tuple[RemoteTools, ToolSpec]], taken: frozenset[str] | set[str]
) -> tuple[RemoteTool, ...]:
    """Tools with the names that the model knows them by, each once; sorted: the same tools are the same bytes."""
    named: dict[str, RemoteTool] = {}
    for source, spec in found:
        name = NO_NAME.sub("_", f"{source.label}__{spec.name}")[:NAME_CHARS_MAX]
        number = 1
        while name in named or name in taken:
            number += 1
            tail = f"_{number}"
            name = name[: NAME_CHARS_MAX - len(tail)].removesuffix(f"_{number - 1}") + tail
        named[name] = RemoteTool(name=name, source=source, spec=spec)
    return tuple(named[name] for name in sorted(named))


def describe(name: str, description: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """A tool as a model is told of it."""
    function = {"name": name, "description": description, "parameters": parameters or ANY_OBJECT}
    return {"type": "function", "function": function}


def tell_missing(missing: Sequence[ToolsMissing]) -> str:
    """What the model is told of tools that are not there."""
    labels = ", ".join(f"'{one.label}'" for one in missing)
    return f"The tools of {labels} cannot be reached now. Say so where the answer would need them."


def read_tools(fields: Mapping[str, Raw]) -> list[Any]:
    """The tools of a request; what is none of them is for the provider to refuse."""
    tools = msgspec.json.decode(fields["tools"]) if "tools" in fields else []
    return tools if isinstance(tools, list) else []


def name_of(tool: Any) -> str:
    """The name of a tool."""
    said = tool.get(tool.get("type")) if isinstance(tool, dict) else None
    return str(said.get("name")) if isinstance(said, dict) else ""
