"""The tools of other servers: who knows them and calls them."""

from __future__ import annotations

from contextlib import AsyncExitStack

from multiturn.config import McpServer, Settings
from multiturn.engine.ports_tools import ToolHost
from multiturn.upstream.addresses import is_public
from multiturn.upstream.guard import Guard
from multiturn.upstream.mcp import McpHost, Sessions
from multiturn.upstream.mcp_places import Command, Endpoint, Place
from multiturn.upstream.tool_calls import open_guarded
from multiturn.upstream.tool_limits import ToolLimits
from multiturn.upstream.tools import RemoteToolHost
from multiturn.upstream.tools_http import HttpToolHost


async def open_tool_host(settings: Settings, stack: AsyncExitStack) -> ToolHost:
    """Open what agents' tools are called through. Nothing is connected to before it is asked for."""
    limits = ToolLimits(
        connect_s=settings.mcp_connect_s,
        idle_s=settings.mcp_idle_s,
        result_bytes_max=settings.tool_result_bytes_max,
    )
    guard = Guard(allow_all if settings.fetch_private else is_public)
    guarded = await stack.enter_async_context(open_guarded(guard))
    # Who names a server in the settings may reach all of this machine anyway.
    trusted = await stack.enter_async_context(open_guarded(Guard(allow_all)))
    servers = {name: make_place(name, server) for name, server in settings.mcp_servers.items()}
    mcp = McpHost(servers, Sessions(guarded=guarded, trusted=trusted), limits)
    stack.push_async_callback(mcp.close)
    return RemoteToolHost(mcp, HttpToolHost(guarded, limits))


def allow_all(address: str) -> bool:
    """Any address may be connected to."""
    return True


def make_place(name: str, server: McpServer) -> Place:
    """Where a server of the settings is."""
    if server.url:
        return Endpoint(url=server.url, name=name, headers=server.headers, is_trusted=True)
    return Command(title=name, command=server.command or "", args=server.args, env=server.env)
