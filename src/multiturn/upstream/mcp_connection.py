"""One connection to an MCP server, through the official client library.

It is loaded when a first server is connected to: the library takes 57 MB and a second (docs/decisions/dependencies.md).
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from typing import Any

import anyio
import mcp_types
from aiohttp import ClientSession as HttpSession
from mcp.client import Client, ClientSession, IncomingMessage
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter

from multiturn import __version__
from multiturn.errors import Unavailable, UpstreamError, UpstreamTimeout
from multiturn.model.tool import ToolAnswer, ToolSpec
from multiturn.upstream.mcp_delivery import Delivery, delivery
from multiturn.upstream.mcp_http import SESSION_GONE, UNREACHABLE, HttpTransport
from multiturn.upstream.mcp_places import Command, Place
from multiturn.upstream.mcp_results import read_tools, write_result
from multiturn.upstream.mcp_stdio import StdioTransport
from multiturn.upstream.tool_limits import ToolLimits, too_many

log = logging.getLogger(__name__)

INFO = mcp_types.Implementation(name="multiturn", version=__version__)
RESULT: TypeAdapter[Any] = TypeAdapter(mcp_types.CallToolResult | mcp_types.InputRequiredResult)
# Those with which the library itself says that there is no answer; any other is the server's own word.
NO_ANSWER = (mcp_types.CONNECTION_CLOSED, mcp_types.REQUEST_TIMEOUT, mcp_types.PARSE_ERROR, UNREACHABLE, SESSION_GONE)
REASON_CHARS_MAX = 300
NONSENSE = "it does not speak the protocol"


class Connection:
    """A connection that is opened at once, and closed when it was idle for long or its server went away.

    It lives in a task of its own, which opens and closes everything: the client library's scopes belong to the task
    that entered them. Calls are made from any task.
    """

    def __init__(self, place: Place, http: HttpSession, limits: ToolLimits) -> None:
        self.title = place.title
        self.active = 0
        self.used_at = time.monotonic()
        self.failure: Unavailable | None = None
        self._limits = limits
        self._end = asyncio.Event()
        self._transport = self._make_transport(place, http)
        self._changes = 0
        self._listing: tuple[int, float, Sequence[ToolSpec]] | None = None
        self._listing_lock = asyncio.Lock()
        self._opened: asyncio.Future[ClientSession] = asyncio.get_running_loop().create_future()
        # It outlives the request that asked first, and knows nothing of it.
        self._owner = asyncio.create_task(self._own(), name="MCP connection", context=Context())
        self._owner.add_done_callback(self._conclude)

    def _make_transport(self, place: Place, http: HttpSession) -> StdioTransport | HttpTransport:
        bytes_max = self._limits.message_bytes_max
        if isinstance(place, Command):
            return StdioTransport(place, self._end, line_bytes_max=bytes_max)
        return HttpTransport(place, http, self._end, bytes_max=bytes_max)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more can be asked of it."""
        return self._end.is_set()

    async def close(self) -> None:
        """Close it, and wait until it is closed."""
        self._end.set()
        await asyncio.wait([self._owner])

    async def list_tools(self) -> Sequence[ToolSpec]:
        """The server's tools, asked for again when they changed or are old. Raises Unavailable, InvalidRequest."""
        async with self._using() as session, self._listing_lock:
            if self._listing is None or not self._is_fresh(self._listing):
                changes, began = self._changes, time.monotonic()
                self._listing = (changes, began, await self._ask_for_tools(session))
            return self._listing[2]

    def _is_fresh(self, listing: tuple[int, float, Sequence[ToolSpec]]) -> bool:
        changes, began, _ = listing
        return changes == self._changes and time.monotonic() - began < self._limits.listing_s

    async def _ask_for_tools(self, session: ClientSession) -> Sequence[ToolSpec]:
        """All pages of the listing."""
        try:
            async with asyncio.timeout(self._limits.connect_s):
                return await self._read_pages(session)
        except TimeoutError as error:
            raise self._unavailable("it did not list its tools in time") from error
        except MCPError as error:
            raise self._unavailable(self._tell(error)) from error
        except (ValueError, RuntimeError) as error:
            raise self._unavailable(NONSENSE) from error

    async def _read_pages(self, session: ClientSession) -> Sequence[ToolSpec]:
        specs: list[ToolSpec] = []
        size, cursor = 0, None
        while True:
            page = await session.list_tools(params=mcp_types.PaginatedRequestParams(cursor=cursor))
            found = list(read_tools(page.tools, self._limits))
            size += sum(len(spec.description) + len(str(spec.parameters)) for spec in found)
            specs += found
            if len(specs) > self._limits.listed_max or size > self._limits.listed_bytes_max:
                raise too_many(self.title, f"lists more than {self._limits.listed_max} tools", self._limits.tools_max)
            if page.next_cursor is None or not found:
                return specs
            cursor = page.next_cursor

    async def call(self, name: str, arguments: dict[str, Any], sent: Delivery) -> ToolAnswer:
        """Call a tool. ``sent`` tells afterwards whether the call may have run, whatever came of it.

        Raises UpstreamError (``tool_failed``, ``tool_timeout``), Unavailable.
        """
        request = mcp_types.CallToolRequest(params=mcp_types.CallToolRequestParams(name=name, arguments=arguments))
        async with self._using() as session:
            token = delivery.set(sent)
            try:
                async with asyncio.timeout(sent.timeout_s):
                    result = await session.send_request(request, RESULT)
            except TimeoutError as error:
                raise self._timed_out(name, sent) from error
            except MCPError as error:
                if error.code in NO_ANSWER:
                    raise self._failed(self._tell(error)) from error
                return self._limits.answer(error.message, is_error=True)
            except (ValueError, RuntimeError) as error:
                raise self._failed(NONSENSE) from error
            finally:
                delivery.reset(token)
        if isinstance(result, mcp_types.InputRequiredResult):
            raise self._failed(f"the tool '{name}' asks for a person's input, which this server cannot give")
        return write_result(result, self._limits)

    @asynccontextmanager
    async def _using(self) -> AsyncGenerator[ClientSession]:
        """The session, as soon as it is open; it does not rest meanwhile. Raises Unavailable."""
        self.active += 1
        try:
            yield await self._find_session()
        finally:
            self.active -= 1
            self.used_at = time.monotonic()

    async def _find_session(self) -> ClientSession:
        """The session, as soon as it is open. Raises Unavailable."""
        try:
            async with asyncio.timeout(self._limits.connect_s):
                return await asyncio.shield(self._opened)
        except TimeoutError as error:
            raise self._unavailable("it did not answer in time") from error

    async def _own(self) -> None:
        """Open the connection, hold it, close it."""
        with anyio.fail_after(self._limits.connect_s) as limit:
            async with Client(self._transport, client_info=INFO, message_handler=self._hear, cache=None) as client:
                limit.deadline = math.inf
                self._opened.set_result(client.session)
                async with anyio.create_task_group() as group:
                    group.start_soon(self._follow_changes, client)
                    await self._wait_end()
                    group.cancel_scope.cancel()

    async def _wait_end(self) -> None:
        """Until the server goes away, the connection is closed, or nobody has used it for long."""
        while not self._end.is_set() and (left_s := self._time_left()) > 0:
            with anyio.move_on_after(left_s):
                await self._end.wait()
        self._end.set()

    def _time_left(self) -> float:
        passed_s = 0.0 if self.active else time.monotonic() - self.used_at
        return self._limits.idle_s - passed_s

    async def _follow_changes(self, client: Client) -> None:
        """Hear of changes where they are subscribed to (protocol 2026-07-28); before that they come by themselves."""
        tools = client.server_capabilities.tools
        if tools is None or not tools.list_changed:
            return
        with suppress(MCPError, RuntimeError, TimeoutError):  # Without it the listing grows old, and is renewed.
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._changes += 1

    async def _hear(self, message: IncomingMessage) -> None:
        """A notification of the server."""
        if isinstance(message, mcp_types.ToolListChangedNotification):
            self._changes += 1

    def _conclude(self, owner: asyncio.Task[None]) -> None:
        """The connection is closed: who waits for it is told why."""
        self._end.set()
        error = None if owner.cancelled() else owner.exception()
        if self._opened.done():
            return
        self.used_at = time.monotonic()
        self.failure = self._unavailable(self._tell(error))
        facts = {"server": self.title, "error": repr(find_leaf(error)), "said": self._transport.said}
        log.warning("an MCP server cannot be used", extra={"facts": facts})
        self._opened.set_exception(self.failure)
        self._opened.exception()

    def _tell(self, error: BaseException | None) -> str:
        """Why a server does not answer, for a person."""
        match find_leaf(error):
            case TimeoutError():
                return "it did not answer in time"
            case MCPError(code=mcp_types.CONNECTION_CLOSED) as closed:
                return self._transport.reason if self.has_ended else shorten(closed.message)
            case MCPError(code=mcp_types.PARSE_ERROR):
                return f"{NONSENSE}, or sent more than {self._limits.message_bytes_max} bytes"
            case MCPError() as refusal:
                return shorten(refusal.message)
            case OSError() as failed:
                return f"it cannot be started: {failed.strerror or type(failed).__name__}"
            case None:
                return "it was closed"
            case _:
                return NONSENSE

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(f"The MCP server '{self.title}' cannot be used: {reason}.", code="tools_unavailable")

    def _failed(self, reason: str) -> UpstreamError:
        return UpstreamError(f"The MCP server '{self.title}' gave no answer: {reason}.", code="tool_failed")

    def _timed_out(self, name: str, sent: Delivery) -> UpstreamTimeout:
        text = f"The tool '{name}' of '{self.title}' did not answer within {sent.timeout_s:g} seconds; it may have run."
        return UpstreamTimeout(text, code="tool_timeout")


def find_leaf(error: BaseException | None) -> BaseException | None:
    """The first error of a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def shorten(text: str) -> str:
    """A server's own words, within a line."""
    return " ".join(text.split())[:REASON_CHARS_MAX].rstrip(".")
