"""The tools of other servers, whatever their kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from multiturn.model.tool import McpTools, RemoteTools, ToolAnswer, ToolSpec
from multiturn.upstream.mcp import McpHost
from multiturn.upstream.tools_http import HttpToolHost


class RemoteToolHost:
    """Knows and runs the tools of MCP servers and HTTP APIs."""

    def __init__(self, mcp: McpHost, http: HttpToolHost) -> None:
        self._mcp = mcp
        self._http = http

    async def list_tools(self, tenant_id: UUID, source: RemoteTools) -> Sequence[ToolSpec]:
        """List the tools that a source allows. Raises Unavailable, InvalidRequest."""
        if isinstance(source, McpTools):
            return await self._mcp.list_tools(tenant_id, source)
        return await self._http.list_tools(tenant_id, source)

    async def call(self, tenant_id: UUID, source: RemoteTools, name: str, arguments: dict[str, Any]) -> ToolAnswer:
        """Call a tool. Raises UpstreamError, Unavailable, InvalidRequest."""
        if isinstance(source, McpTools):
            return await self._mcp.call(tenant_id, source, name, arguments)
        return await self._http.call(tenant_id, source, name, arguments)
