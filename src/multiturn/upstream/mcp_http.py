"""What the MCP client library calls servers with: aiohttp, behind the guard of outgoing calls and within limits.

What fails is answered as a JSON-RPC error, not raised: the library would end every call of the connection with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType

import aiohttp
import httpx2
import mcp_types
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import streamable_http_client

from multiturn.upstream.http import NETWORK_ERRORS
from multiturn.upstream.mcp_delivery import delivery, note_sent
from multiturn.upstream.mcp_places import Endpoint
from multiturn.upstream.tool_calls import describe, is_compressed, read_head

# Codes of our own, from the range that JSON-RPC leaves to implementations.
UNREACHABLE = -32097
SESSION_GONE = -32098
SESSION = "mcp-session-id"
# A server may say how soon a stream that ended is asked for again, 0 included.
STREAM_EVERY_S = 1.0
REFUSAL_BYTES_MAX = 64 * 1024
GRACE_S = 5.0
# Set by the library's own client for its own transport; aiohttp writes what it needs.
LEFT_OUT = ("host", "connection", "accept-encoding", "content-length", "transfer-encoding", "user-agent")


class HttpTransport:
    """A server at a URL, as the streams that the client library speaks through; ``end`` as of GuardedTransport."""

    def __init__(self, place: Endpoint, session: aiohttp.ClientSession, end: asyncio.Event, *, bytes_max: int) -> None:
        self.reason, self.said = "the server has forgotten the session", ""
        self._place = place
        self._guarded = GuardedTransport(place, session, end, bytes_max=bytes_max)
        self._bytes_max = bytes_max
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> TransportStreams:
        """Nothing is sent yet."""
        sender = httpx2.AsyncClient(transport=self._guarded, trust_env=False, timeout=None)
        await self._stack.enter_async_context(sender)
        streams = streamable_http_client(self._place.url, http_client=sender, max_sse_event_size=self._bytes_max)
        return await self._stack.enter_async_context(streams)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Take leave of the server, and close what was opened."""
        return await self._stack.__aexit__(kind, error, trace)


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends the requests of one connection through a session of aiohttp that many share.

    ``end`` is set when the server has forgotten the session: a new one must begin.
    """

    def __init__(self, place: Endpoint, session: aiohttp.ClientSession, end: asyncio.Event, *, bytes_max: int) -> None:
        self._session = session
        self._headers, self._title = place.headers, place.title
        self._end = end
        self._bytes_max = bytes_max
        self._streamed_at = -STREAM_EVERY_S

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request."""
        body = await request.aread()
        headers = [(name, value) for name, value in request.headers.multi_items() if name.lower() not in LEFT_OUT]
        taken = {name.lower() for name, _ in headers}
        headers += [(name, value) for name, value in self._headers.items() if name.lower() not in taken]
        if request.method == "GET":
            await asyncio.sleep(self._streamed_at + STREAM_EVERY_S - time.monotonic())
            self._streamed_at = time.monotonic()
        timeout = self._limit(request)
        note_sent()
        try:
            response = await self._session.request(
                request.method,
                str(request.url),
                data=body or None,
                headers=headers,
                allow_redirects=False,
                timeout=timeout,
            )
        except (*NETWORK_ERRORS, ValueError) as error:
            if isinstance(error, aiohttp.ClientConnectorError | ValueError):
                note_sent(has_left=False)
            return refuse(UNREACHABLE, describe(error, self._title))
        return await self._answer(request, response)

    def _limit(self, request: httpx2.Request) -> aiohttp.ClientTimeout:
        """A call ends with its own limit, what is sent behind it (that it is given up) soon; a stream has no end."""
        current = delivery.get()
        if request.method != "POST" or current is None:
            return aiohttp.ClientTimeout(total=None if request.method in ("GET", "POST") else GRACE_S)
        return aiohttp.ClientTimeout(total=GRACE_S if current.has_left else current.timeout_s + GRACE_S)

    async def _answer(self, request: httpx2.Request, response: aiohttp.ClientResponse) -> httpx2.Response:
        """An answer as the library reads it."""
        if response.status == 404 and SESSION in request.headers:
            response.close()
            note_sent(has_left=False)
            self._end.set()
            return refuse(SESSION_GONE, "The server has forgotten the session.")
        if is_compressed(response):
            response.close()
            return refuse(UNREACHABLE, "The server compresses its answers; it was asked not to.")
        if response.status >= 400 and request.method == "POST":
            return await read_refusal(response)
        is_stream = response.content_type == "text/event-stream"
        stream = Body(response, None if is_stream else self._bytes_max)
        return httpx2.Response(response.status, headers=list(response.headers.items()), stream=stream)


class Body(httpx2.AsyncByteStream):
    """The bytes of an answer; of a stream each event has its limit elsewhere."""

    def __init__(self, response: aiohttp.ClientResponse, bytes_max: int | None) -> None:
        self._response = response
        self._bytes_max = bytes_max

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Its pieces. Raises StreamError, which the library takes for this call's alone."""
        size = 0
        try:
            while piece := await self._response.content.readany():
                size += len(piece)
                if self._bytes_max is not None and size > self._bytes_max:
                    raise httpx2.StreamError(f"The answer is over {self._bytes_max} bytes.")
                yield piece
        except NETWORK_ERRORS as error:
            raise httpx2.StreamError("The server broke off.") from error

    async def aclose(self) -> None:
        """Close the connection, or give it back where all was read."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


async def read_refusal(response: aiohttp.ClientResponse) -> httpx2.Response:
    """A refusal as it is where it is a message of the protocol, else one that tells the status."""
    try:
        body, _ = await read_head(response, REFUSAL_BYTES_MAX)
        mcp_types.jsonrpc_message_adapter.validate_json(body, by_name=False)
        return httpx2.Response(response.status, headers={"content-type": "application/json"}, content=body)
    except (*NETWORK_ERRORS, ValueError):
        return refuse(UNREACHABLE, f"The server answered {response.status} {response.reason or ''}".rstrip() + ".")
    finally:
        response.close()


def refuse(code: int, text: str) -> httpx2.Response:
    """An answer that is an error of JSON-RPC."""
    return httpx2.Response(502, json={"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": text}})
