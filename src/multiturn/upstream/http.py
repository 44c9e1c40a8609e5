"""The one HTTP session towards providers: how long they may take, and what their failures are called here."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp

from multiturn.errors import UpstreamError, UpstreamTimeout

DNS_CACHE_S = 60
KEEP_ALIVE_S = 55  # The usual load balancer drops an idle connection after 60 s.
READ_BUFFER_BYTES = 16_384  # A reader that falls behind holds at most twice this; thousands may be open.

NETWORK_ERRORS = (aiohttp.ClientError, OSError)
"""What aiohttp raises when a call fails; a TimeoutError is an OSError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """How long a provider may take, and how much it may say.

    A stream must begin within ``first_token_s`` and then never be silent for ``idle_s``; an answer that is
    not streamed begins when all of it has been made, within ``answer_s``. There is no limit on the whole.
    """

    connect_s: float = 10
    first_token_s: float = 300
    idle_s: float = 120
    answer_s: float = 600
    answer_bytes_max: int = 64 * 1024 * 1024

    def silence(self, first_byte_s: float) -> aiohttp.ClientTimeout:
        """Limit the time to connect and the silence of a call."""
        return aiohttp.ClientTimeout(total=None, connect=self.connect_s, sock_read=first_byte_s)


@asynccontextmanager
async def open_session(*, connections_max: int) -> AsyncGenerator[aiohttp.ClientSession]:
    """Open the session that all upstreams share, and close it; 0 connections means any number.

    It keeps no cookies, reads no proxy or netrc from the environment, and asks for answers uncompressed:
    a provider that compresses a stream holds it back.
    """
    connector = aiohttp.TCPConnector(limit=connections_max, ttl_dns_cache=DNS_CACHE_S, keepalive_timeout=KEEP_ALIVE_S)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "multiturn", "Accept-Encoding": "identity"},
        read_bufsize=READ_BUFFER_BYTES,
    ) as session:
        yield session


def allow_silence(response: aiohttp.ClientResponse, idle_s: float) -> None:
    """Limit from now on the silence between two pieces of an answer that has begun.

    aiohttp knows one such limit a call, and a first token may take longer than any later one. Its own timer
    is used because a second one would cost more than reading the piece.
    """
    connection = response.connection
    if connection is not None and connection.protocol is not None:
        connection.protocol.read_timeout = idle_s
        connection.protocol.start_timeout()


async def read_whole(response: aiohttp.ClientResponse, *, bytes_max: int) -> bytes:
    """Read a body to its end. Raises UpstreamError (``upstream_too_large``) when it is over the limit."""
    pieces, size = [], 0
    while piece := await response.content.readany():
        pieces.append(piece)
        size += len(piece)
        if size > bytes_max:
            raise too_large(bytes_max)
    return b"".join(pieces)


def too_large(bytes_max: int) -> UpstreamError:
    """Say that an answer went over the limit."""
    return UpstreamError(f"The upstream's answer is over {bytes_max} bytes.", code="upstream_too_large")


def translate(error: Exception) -> UpstreamError:
    """Name a failed call; the addresses that aiohttp tells stay in the cause, for the log."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return UpstreamTimeout("The upstream could not be connected to in time.")
        case TimeoutError():
            return UpstreamTimeout("The upstream was silent for too long.")
        case aiohttp.ClientSSLError():
            return UpstreamError("The upstream's TLS cannot be trusted.", code="upstream_unreachable")
        case aiohttp.ClientConnectorDNSError():
            return UpstreamError("The upstream's host is not known.", code="upstream_unreachable")
        case aiohttp.ClientConnectorError():
            reason = os.strerror(error.os_error.errno or errno.ECONNREFUSED)
            return UpstreamError(f"The upstream cannot be reached: {reason}.", code="upstream_unreachable")
        case aiohttp.InvalidURL():
            return UpstreamError("The upstream's URL is wrong.", code="upstream_unreachable")
        case aiohttp.ClientResponseError():
            text = f"The upstream does not speak HTTP: {error.message}"
            return UpstreamError(text, code="upstream_invalid")
        case _:
            return UpstreamError("The upstream broke off.", code="upstream_cut_off")


def read_retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Read how many seconds the provider asks us to wait; a date counts from the provider's own clock."""
    value = response.headers.get("Retry-After", "")
    if value.replace(".", "", 1).isdigit():
        return float(value)
    try:
        until, now = parsedate_to_datetime(value), parsedate_to_datetime(response.headers.get("Date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):  # No dates, or one with a zone and one without.
        return None
