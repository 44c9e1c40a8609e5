"""Calls to sources of tools over HTTP: their session, their answers, and why they fail, in words for a person."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, suppress
from urllib.parse import urlsplit

import aiohttp

from multiturn.errors import InvalidRequest
from multiturn.upstream.guard import Guard, PrivateAddress

DNS_CACHE_S = 60


def open_guarded(guard: Guard) -> AbstractAsyncContextManager[aiohttp.ClientSession]:
    """A session that opens its sockets through a guard. It keeps no cookies, takes no proxy, undoes no compression."""
    connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=DNS_CACHE_S, socket_factory=guard.open_socket)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "multiturn", "Accept-Encoding": "identity"},
        auto_decompress=False,
    )


def require_url(url: str | None, *, param: str = "url") -> str:
    """A URL that can be called. Raises InvalidRequest (``tool_source_refused``)."""
    with suppress(ValueError):
        parts = urlsplit(url or "")
        if url and parts.scheme in ("http", "https") and parts.hostname:
            return url
    text = f"'{param}' must be a URL that begins with http:// or https://."
    raise InvalidRequest(text, code="tool_source_refused", param=param)


async def read_head(response: aiohttp.ClientResponse, bytes_max: int) -> tuple[bytes, bool]:
    """The beginning of a body, and whether there is more; that is not fetched."""
    pieces, size = [], 0
    while size <= bytes_max and (piece := await response.content.readany()):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)[:bytes_max], size > bytes_max


def is_compressed(response: aiohttp.ClientResponse) -> bool:
    """Whether a server compresses although it was asked not to: what is small here may be large there."""
    return response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity")


def describe(error: Exception, host: str) -> str:
    """What went wrong with a call to a host. No address is told: a name's are not everybody's business."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"The host '{host}' is not known."
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return f"The connection to '{host}' is not secure: its certificate cannot be trusted."
        case aiohttp.ClientConnectorError(os_error=PrivateAddress()):
            return (
                f"'{host}' is not on the public Internet: tools of this machine or its network are not called "
                "(MULTITURN_FETCH_PRIVATE)."
            )
        case TimeoutError():
            return f"The host '{host}' did not answer in time."
        case aiohttp.ClientConnectorError():
            return f"The host '{host}' cannot be reached."
        case aiohttp.InvalidURL() | ValueError():
            return "The URL is none that can be called."
        case _:
            return f"The connection to '{host}' broke off."
