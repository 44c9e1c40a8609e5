"""Tools of another server, in memory: they answer as they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from multiturn.errors import Unavailable
from multiturn.model.tool import McpTools, RemoteTools, ToolAnswer, ToolSpec

Act = Callable[[dict[str, Any]], ToolAnswer | Awaitable[ToolAnswer]]
DESK = McpTools(label="desk", server="desk")


class ScriptedHost:
    """Tools by name; ``calls`` are those that it saw, ``missing`` the labels of sources that cannot be reached."""

    def __init__(self, tools: Mapping[str, Act], *, missing: Sequence[str] = ()) -> None:
        self.tools = tools
        self.missing = missing
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.running = self.running_most = 0

    async def list_tools(self, tenant_id: UUID, source: RemoteTools) -> Sequence[ToolSpec]:
        """The tools of every source that is not missing."""
        if source.label in self.missing:
            raise Unavailable(f"'{source.label}' is away.", code="tools_unavailable")
        allowed = sorted(self.tools if source.allowed is None else set(self.tools) & set(source.allowed))
        return [ToolSpec(name=name, description=f"Does {name}.") for name in allowed]

    async def call(self, tenant_id: UUID, source: RemoteTools, name: str, arguments: dict[str, Any]) -> ToolAnswer:
        """Act."""
        self.calls.append((name, arguments))
        self.running += 1
        self.running_most = max(self.running, self.running_most)
        try:
            await asyncio.sleep(0)
            said = self.tools[name](arguments)
            return said if isinstance(said, ToolAnswer) else await said
        finally:
            self.running -= 1


def echo(arguments: dict[str, Any]) -> ToolAnswer:
    """Say what was asked."""
    return ToolAnswer(text=f"You said {arguments.get('text', 'nothing')}.")
