"""What the settings make of tools: each kind is called by who knows it, and the private network is the operator's."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from multiturn.app.tools import open_tool_host
from multiturn.config import McpServer, Settings
from multiturn.engine.ports_tools import ToolHost
from multiturn.errors import InvalidRequest, Unavailable, UpstreamError
from multiturn.model.tool import HttpTools, McpTools

STUMBLING = str(Path(__file__).with_name("mcp_stumbling.py"))
TENANT = uuid4()
DOCUMENT = {"openapi": "3.1.0", "paths": {"/fare": {"get": {"operationId": "fare"}}}}


@asynccontextmanager
async def opening(**settings: Any) -> AsyncIterator[ToolHost]:
    async with AsyncExitStack() as stack:
        yield await open_tool_host(Settings(**settings), stack)


async def tell_fare(request: web.Request) -> web.Response:
    return web.Response(text="3 euros")


@pytest.fixture
async def private() -> AsyncIterator[str]:
    """An API on this machine; its URL."""
    app = web.Application()
    app.router.add_get("/fare", tell_fare)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_each_kind_of_source_is_called_by_who_knows_it(private: str) -> None:
    servers = {"trams": McpServer(command=sys.executable, args=(STUMBLING, "calls"))}
    async with opening(mcp_servers=servers, fetch_private=True, tool_result_bytes_max=100) as host:
        mcp = McpTools(label="a", server="trams", allowed=("big",))
        assert [spec.name for spec in await host.list_tools(TENANT, mcp)] == ["big"]
        assert "first 100 bytes" in (await host.call(TENANT, mcp, "big", {"chars": 200})).text
        http = HttpTools(label="b", document=DOCUMENT, base_url=private)
        assert [spec.name for spec in await host.list_tools(TENANT, http)] == ["fare"]
        assert (await host.call(TENANT, http, "fare", {})).text == "3 euros"


async def test_agents_do_not_reach_the_private_network_but_settings_do(private: str) -> None:
    async with opening(mcp_servers={"trams": McpServer(url=f"{private}/mcp")}) as host:
        with pytest.raises(UpstreamError, match="not on the public Internet"):
            await host.call(TENANT, HttpTools(label="b", document=DOCUMENT, base_url=private), "fare", {})
        with pytest.raises(Unavailable, match="not on the public Internet"):
            await host.list_tools(TENANT, McpTools(label="a", url=f"{private}/mcp"))
        with pytest.raises(Unavailable, match="'trams' cannot be used: The server answered 404"):
            await host.list_tools(TENANT, McpTools(label="a", server="trams"))


async def test_with_no_setting_there_is_no_server_to_start() -> None:
    async with opening() as host:
        with pytest.raises(InvalidRequest, match="MULTITURN_MCP_SERVERS"):
            await host.list_tools(TENANT, McpTools(label="a", server="sh"))
