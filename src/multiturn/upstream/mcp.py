"""The tools of MCP servers: a connection is opened when it is first asked for, and kept."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import aiohttp

from multiturn.errors import InvalidRequest, Unavailable, UpstreamError
from multiturn.model.tool import McpTools, ToolAnswer, ToolSpec
from multiturn.upstream.mcp_delivery import Delivery
from multiturn.upstream.mcp_places import Command, Endpoint, Place
from multiturn.upstream.tool_calls import require_url
from multiturn.upstream.tool_limits import ToolLimits, require_allowed

if TYPE_CHECKING:
    from multiturn.upstream.mcp_connection import Connection

Make = Callable[[Place, aiohttp.ClientSession, ToolLimits], "Connection"]
CONNECTIONS_MAX = 256
# The official client library: loaded when it is first needed, which many servers never do.
LIBRARY = "multiturn.upstream.mcp_connection"


class Key(NamedTuple):
    """Whose connection it is, and where to: two tenants share none, nor do two who name themselves otherwise."""

    tenant_id: UUID
    kind: str
    place: str
    headers: frozenset[tuple[str, str]]


class Sessions(NamedTuple):
    """What servers are called with over HTTP: those that an agent names, and those that the settings name."""

    guarded: aiohttp.ClientSession
    trusted: aiohttp.ClientSession


class McpHost:
    """Knows and runs the tools of MCP servers. ``servers`` are those of the settings: no other is ever started."""

    def __init__(self, servers: Mapping[str, Place], sessions: Sessions, limits: ToolLimits) -> None:
        self._servers = servers
        self._sessions = sessions
        self._limits = limits
        self._connections: dict[Key, Connection] = {}
        self._make: Make | None = None

    async def close(self) -> None:
        """Close every connection, and end the servers that were started."""
        await asyncio.gather(*(connection.close() for connection in self._connections.values()))
        self._connections.clear()

    async def list_tools(self, tenant_id: UUID, source: McpTools) -> Sequence[ToolSpec]:
        """List the tools that a source allows. Raises Unavailable, InvalidRequest."""
        place = self._find_place(source)
        connection = await self._connect(tenant_id, place)
        try:
            specs = await connection.list_tools()
        except Unavailable:
            if not connection.has_ended or connection.failure:
                raise
            # It went away meanwhile; to ask twice does no harm.
            specs = await (await self._connect(tenant_id, place)).list_tools()
        return self._limits.offer(source.label, specs, source.allowed)

    async def call(self, tenant_id: UUID, source: McpTools, name: str, arguments: dict[str, Any]) -> ToolAnswer:
        """Call a tool; a second time only when it is certain that the first never ran.

        Raises UpstreamError, Unavailable, InvalidRequest.
        """
        require_allowed(source.label, name, source.allowed)
        place = self._find_place(source)
        sent = Delivery(source.timeout_s)
        connection = await self._connect(tenant_id, place)
        try:
            return await connection.call(name, arguments, sent)
        except UpstreamError:
            if sent.has_left or not connection.has_ended:
                raise
        connection = await self._connect(tenant_id, place)
        return await connection.call(name, arguments, Delivery(source.timeout_s))

    def _find_place(self, source: McpTools) -> Place:
        """Where a source's server is. Raises InvalidRequest (``tool_source_refused``)."""
        if source.server is None:
            return Endpoint(url=require_url(source.url), headers=source.headers)
        place = self._servers.get(source.server)
        if place is None:
            known = ", ".join(sorted(self._servers)) or "none"
            text = f"This server's settings name no MCP server '{source.server}' (MULTITURN_MCP_SERVERS): {known}."
            raise InvalidRequest(text, code="tool_source_refused", param="server")
        if isinstance(place, Endpoint) and source.headers:
            # What the settings say of a header stands.
            theirs = {name.lower() for name in place.headers}
            ours = {name: value for name, value in source.headers.items() if name.lower() not in theirs}
            return replace(place, headers={**ours, **place.headers})
        return place

    async def _connect(self, tenant_id: UUID, place: Place) -> Connection:
        """The connection to a place, a new one where there is none. Raises Unavailable."""
        key = make_key(tenant_id, place)
        make = await self._load_library()
        connection = self._connections.get(key)
        if connection is None or (connection.has_ended and not self._rests(connection)):
            await self._make_room(key)
            connection = self._connections.get(key)  # Another may have made it meanwhile.
        if connection is None:
            http = (
                self._sessions.trusted if isinstance(place, Endpoint) and place.is_trusted else self._sessions.guarded
            )
            connection = self._connections[key] = make(place, http, self._limits)
        if connection.failure and connection.has_ended:
            raise connection.failure
        return connection

    def _rests(self, connection: Connection) -> bool:
        """Whether a server that could not be reached is left alone for a while."""
        return connection.failure is not None and time.monotonic() - connection.used_at < self._limits.retry_s

    async def _make_room(self, key: Key) -> None:
        """Forget what has ended, and close the connection unused for longest where there are too many."""
        for known, connection in list(self._connections.items()):
            if connection.has_ended and not self._rests(connection):
                del self._connections[known]
        if len(self._connections) < CONNECTIONS_MAX:
            return
        idle = [(one.used_at, known) for known, one in self._connections.items() if not one.active]
        if not idle:
            text = f"{CONNECTIONS_MAX} connections to MCP servers are in use. Try again later."
            raise Unavailable(text, code="tools_unavailable")
        await self._connections.pop(min(idle, key=lambda one: one[0])[1]).close()

    async def _load_library(self) -> Make:
        """Load the client library beside the event loop: it takes a second, and turns go on."""
        if self._make is None:
            self._make = (await asyncio.to_thread(importlib.import_module, LIBRARY)).Connection
        return self._make


def make_key(tenant_id: UUID, place: Place) -> Key:
    """Under what a connection is kept."""
    if isinstance(place, Command):
        return Key(tenant_id, "command", place.title, frozenset())
    # What the settings trust is not reached by its mere URL.
    kind = "trusted" if place.is_trusted else "guarded"
    return Key(tenant_id, kind, place.url, frozenset(place.headers.items()))
