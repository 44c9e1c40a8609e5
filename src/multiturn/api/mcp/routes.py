"""The path of the Model Context Protocol: one message a request, nothing kept between two (streamable HTTP)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from multiturn.api.auth import authenticate, require_write
from multiturn.api.envelopes import MCP
from multiturn.api.limits import find_param, read_body, read_field
from multiturn.api.mcp.asking import Asking, Telling
from multiturn.api.mcp.messages import Asked, read_envelope, read_message
from multiturn.api.mcp.render import SERVER_INFO, write_failure, write_outcome, write_refusal, write_result
from multiturn.api.mcp.tools import Tool, Tools
from multiturn.api.mcp.wire import HANDSHAKE_VERSIONS, VERSION_HEADER, VERSIONS
from multiturn.api.services import Services
from multiturn.api.sse import EventStream, watch_client
from multiturn.api.turns import note_turn, write_headers
from multiturn.errors import Forbidden, InvalidRequest, MultiturnError, NotFound
from multiturn.model.tenant import Caller

CAPABILITIES: Mapping[str, Any] = {"tools": {}}
INSTRUCTIONS = (
    "This server keeps conversations (sessions) and knowledge stores: documents, recordings, videos and pictures. "
    "search_knowledge finds passages in a store, ask has a model answer from a store with citations or go on with a "
    "session, list_sessions and read_session show what was said before."
)
# What is listed here changes with the server's version only.
TOOLS_LIVE_MS = 3_600_000


class McpRoutes:
    """Tools for the models of others."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.tools = {tool.name: tool for tool in Tools(services).list_tools()}

    def routes(self) -> list[Route]:
        """The routes."""
        return [Route("/mcp", self.hear, methods=["POST"])]

    async def hear(self, request: Request) -> ASGIApp:
        """Answer one message."""
        check_origin(self.services, request)
        caller = await authenticate(self.services, request, reads=True)
        body = await read_body(request, bytes_max=self.services.body_bytes_max)
        id_: int | str | None = None
        asked: Asked | None = None
        try:
            fields, id_ = read_envelope(body)
            asked = read_message(fields, id_, request.headers)
            if asked.id is None:
                return Response(status_code=202)
            return await self._answer(request, caller, asked)
        except (InvalidRequest, NotFound) as error:
            # Before 2026-07-28 a request that was understood is answered 200, whatever the answer says.
            status = MCP.status_of(error) if asked is None or asked.is_modern else 200
            refusal = write_refusal(error, id_, version=request.headers.get(VERSION_HEADER))
            return Response(refusal, status, media_type="application/json")

    async def _answer(self, request: Request, caller: Caller, asked: Asked) -> ASGIApp:
        """Answer a request. Raises InvalidRequest, NotFound (``mcp_method_unknown``)."""
        match asked.method, asked.is_modern:
            case "tools/call", _:
                return await self._call(request, caller, asked)
            case "tools/list", _:
                result = self._list_tools(asked)
            case "initialize", False:
                result = begin(asked)
            case "ping", False:
                result = {}
            case "server/discover", True:
                result = {"supportedVersions": VERSIONS, **introduce(), **live()}
            case _:
                text = f"There is no method '{asked.method}' here. There are tools: tools/list, tools/call."
                raise NotFound(text, code="mcp_method_unknown", param="method")
        return answer(asked, result)

    def _list_tools(self, asked: Asked) -> dict[str, Any]:
        """The tools, on one page."""
        if asked.params.get("cursor") not in (None, b"null"):
            raise InvalidRequest("'params.cursor' is none of ours: there is one page.", param="params.cursor")
        listed = {"tools": [tool.describe() for tool in self.tools.values()]}
        return {**listed, **live()} if asked.is_modern else listed

    async def _call(self, request: Request, caller: Caller, asked: Asked) -> ASGIApp:
        """Call a tool. What it cannot do it tells the model that called it."""
        tool, arguments = self._find_tool(asked)
        try:
            order = read_arguments(arguments, tool)
            if tool.call is None:
                require_write(caller)
                return await self._ask(request, Asking(self.services, caller), asked, order)
            outcome = await tool.call(request, caller, order)
        except MultiturnError as error:
            return answer(asked, write_failure(error))
        return answer(asked, write_outcome([outcome.text], outcome.body))

    def _find_tool(self, asked: Asked) -> tuple[Tool, msgspec.Raw]:
        """The tool that is called, and its arguments as they came. Raises InvalidRequest."""
        if "name" not in asked.params:
            raise InvalidRequest("'params.name' is missing: the tool to call.", param="params.name")
        name = read_field(asked.params["name"], "params.name", str)
        if name not in self.tools:
            known = ", ".join(self.tools)
            raise InvalidRequest(f"There is no tool '{name[:80]}'. There are {known}.", param="params.name")
        return self.tools[name], asked.params.get("arguments", msgspec.Raw(b"{}"))

    async def _ask(self, request: Request, asking: Asking, asked: Asked, order: Any) -> ASGIApp:
        """Take a turn, and tell it: as a stream to who takes one, so that nobody takes a long silence for an end."""
        turn = await asking.take(order)
        note_turn(turn)
        watch = None
        if turn.live:
            watch = asyncio.create_task(watch_client(request.receive, partial(self.services.runs.abandon, turn.live)))
        name = turn.session.external_id or str(turn.session.id)
        headers = write_headers(turn, name)
        telling = Telling(self.services, request, asked, turn)
        if "text/event-stream" in request.headers.get("accept", ""):
            return EventStream(telling.write_stream(), headers=headers, watch=watch)
        try:
            return Response(await telling.write_whole(), 200, headers, "application/json")
        finally:
            if watch:
                watch.cancel()


def read_arguments(raw: msgspec.Raw, tool: Tool) -> Any:
    """The arguments of a tool. Raises InvalidRequest naming the one that is wrong."""
    if raw == b"null":
        raw = msgspec.Raw(b"{}")
    try:
        return msgspec.json.decode(raw, type=tool.arguments)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        named = find_param(str(error).replace("required field", "field"))
        raise InvalidRequest(f"The arguments of {tool.name} are wrong: {error}.", param=named) from error


def begin(asked: Asked) -> dict[str, Any]:
    """The handshake: the revision that the client asked for, else the newest that has one. Raises InvalidRequest."""
    for name, type_ in (("protocolVersion", str), ("capabilities", dict), ("clientInfo", dict)):
        if name not in asked.params:
            raise InvalidRequest(f"'params.{name}' is missing.", param=f"params.{name}")
        read_field(asked.params[name], f"params.{name}", type_)
    wanted = read_field(asked.params["protocolVersion"], "params.protocolVersion", str)
    version = wanted if wanted in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
    return {"protocolVersion": version, "serverInfo": SERVER_INFO, **introduce()}


def introduce() -> dict[str, Any]:
    """What this server can do, and what it is for."""
    return {"capabilities": CAPABILITIES, "instructions": INSTRUCTIONS}


def live() -> dict[str, Any]:
    """For how long a client may keep what it was told: it is the same for everybody."""
    return {"ttlMs": TOOLS_LIVE_MS, "cacheScope": "public"}


def answer(asked: Asked, result: Mapping[str, Any]) -> Response:
    """The answer to a request, in one piece."""
    return Response(write_result(asked, result), media_type="application/json")


def check_origin(services: Services, request: Request) -> None:
    """Refuse web pages of origins that may not call: a page that a name was bound to this machine for (DNS rebinding)
    would else be let in where no key is needed. Raises Forbidden (``origin_refused``).
    """
    origin = request.headers.get("origin")
    if origin is None or origin in services.web_origins or is_loopback(origin):
        return
    if "*" in services.web_origins and services.open_caller is None:
        return
    raise Forbidden(
        f"Pages of '{origin[:80]}' may not call this server. MULTITURN_CORS_ORIGINS names those that may.",
        code="origin_refused",
        param="origin",
    )


def is_loopback(origin: str) -> bool:
    """Whether an origin is on this machine."""
    try:
        host = urlsplit(origin).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
