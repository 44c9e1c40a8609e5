"""The interface of tools that are somewhere else; the upstreams fit it by shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from multiturn.model.tool import RemoteTools, ToolAnswer, ToolSpec


class ToolHost(Protocol):
    """Knows and runs the tools of MCP servers and HTTP APIs."""

    async def list_tools(self, tenant_id: UUID, source: RemoteTools) -> Sequence[ToolSpec]:
        """List the tools that a source allows, sorted by name; what is known is told again without asking.

        Raises Unavailable (``tools_unavailable``) when the source cannot be reached or talks nonsense, InvalidRequest
        for a source that may not be used.
        """
        ...

    async def call(self, tenant_id: UUID, source: RemoteTools, name: str, arguments: dict[str, Any]) -> ToolAnswer:
        """Call a tool. A failure that the tool tells of itself is an answer.

        Raises UpstreamError (``tool_failed``, ``tool_timeout``) when it hangs, dies or talks nonsense.
        """
        ...
