"""The operations of HTTP APIs as tools, by their OpenAPI descriptions."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit
from uuid import UUID

import aiohttp
import msgspec
from yarl import URL

from multiturn.errors import InvalidRequest, MultiturnError, Unavailable, UpstreamError, UpstreamTimeout
from multiturn.model.tool import HttpTools, ToolAnswer, ToolSpec
from multiturn.upstream.fetch import REDIRECTS, REDIRECTS_MAX
from multiturn.upstream.http import NETWORK_ERRORS
from multiturn.upstream.openapi import Api, WrongDescription, find_base
from multiturn.upstream.openapi_request import Request, write_request
from multiturn.upstream.tool_calls import describe, is_compressed, read_head, require_url
from multiturn.upstream.tool_limits import ToolLimits, require_allowed, too_many

# Descriptions that are kept as they were read, by the bytes that they came in.
KEPT_BYTES_MAX = 16 * 1024 * 1024
TEXTS = ("text/", "application/json", "application/xml", "application/javascript", "application/x-www-form-urlencoded")
SUFFIXES = ("+json", "+xml")


class Kept(NamedTuple):
    """A description that was read, or why it could not be; ``size`` is in bytes."""

    read_at: float
    size: int
    api: Api | MultiturnError


class HttpToolHost:
    """Knows and runs the operations of HTTP APIs."""

    def __init__(self, session: aiohttp.ClientSession, limits: ToolLimits) -> None:
        self._session = session
        self._limits = limits
        self._kept: OrderedDict[tuple[Any, ...], Kept] = OrderedDict()
        self._reading: dict[tuple[Any, ...], asyncio.Lock] = {}

    async def list_tools(self, tenant_id: UUID, source: HttpTools) -> Sequence[ToolSpec]:
        """List the operations that a source allows. Raises Unavailable, InvalidRequest."""
        api = await self._read(tenant_id, source)
        return await asyncio.to_thread(self._describe, api, source)

    def _describe(self, api: Api, source: HttpTools) -> Sequence[ToolSpec]:
        """What is allowed of an API."""
        allowed = source.allowed
        chosen = [
            operation
            for operation in api.operations.values()
            if (allowed is None or operation.name in allowed) and len(operation.name) <= self._limits.name_chars_max
        ]
        if len(chosen) > self._limits.tools_max:
            raise too_many(source.label, f"has {len(chosen)} operations", self._limits.tools_max)
        for operation in chosen:
            require_base(find_base(api, operation, source.base_url, source.url))
        specs = [self._limits.shorten(api.describe(operation)) for operation in chosen]
        return sorted(specs, key=lambda spec: spec.name)

    async def call(self, tenant_id: UUID, source: HttpTools, name: str, arguments: dict[str, Any]) -> ToolAnswer:
        """Call an operation. Raises UpstreamError, Unavailable, InvalidRequest."""
        require_allowed(source.label, name, source.allowed)
        api = await self._read(tenant_id, source)
        operation = api.operations.get(name)
        if operation is None:
            return ToolAnswer(text=f"There is no operation '{name}'.", is_error=True)
        base = require_base(find_base(api, operation, source.base_url, source.url))
        try:
            request = write_request(operation, base, arguments)
        except ValueError as error:  # WrongArguments, or a text that is none.
            return ToolAnswer(text=str(error), is_error=True)
        try:
            async with asyncio.timeout(source.timeout_s):
                return await self._send(request, source.headers)
        except TimeoutError as error:
            text = f"'{name}' of '{source.label}' did not answer within {source.timeout_s:g} seconds; it may have run."
            raise UpstreamTimeout(text, code="tool_timeout") from error
        except (*NETWORK_ERRORS, ValueError) as error:
            host = urlsplit(request.url).hostname or "?"
            raise UpstreamError(describe(error, host), code="tool_failed") from error

    async def _send(self, request: Request, headers: Mapping[str, str]) -> ToolAnswer:
        """Send a request, over redirects within its host; the source's headers go before those of a model."""
        ours = {name.lower() for name in headers}
        sent = {name: value for name, value in request.headers.items() if name.lower() not in ours} | dict(headers)
        method, url, body = request.method, request.url, request.body
        for _ in range(REDIRECTS_MAX + 1):
            async with self._session.request(
                method, URL(url, encoded=True), data=body, headers=sent, allow_redirects=False, timeout=self._timeout
            ) as response:
                target = find_redirect(response)
                if target is None:
                    return await self._write_answer(response)
                if not is_same_host(url, target):
                    text = f"The server redirects to another host ('{urlsplit(target).hostname}'), which is not called."
                    return ToolAnswer(text=text, is_error=True)
                if response.status in (301, 302, 303) and method not in ("GET", "HEAD"):
                    method, body = "GET", None
                url = target
        return ToolAnswer(text=f"The server redirects more than {REDIRECTS_MAX} times.", is_error=True)

    @property
    def _timeout(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=None, sock_connect=self._limits.connect_s)

    async def _write_answer(self, response: aiohttp.ClientResponse) -> ToolAnswer:
        """A body as a text; JSON stays as it is."""
        status = f"HTTP {response.status} {response.reason or ''}".rstrip()
        if is_compressed(response):
            return ToolAnswer(text=f"{status}: the server compresses its answers; it was asked not to.", is_error=True)
        data, is_cut = await read_head(response, self._limits.result_bytes_max)
        text = read_text(response, data) or (status if response.status < 400 else "")
        if response.status >= 400:
            text = f"{status}\n{text}".rstrip()
        return self._limits.answer(text, is_error=response.status >= 400, bytes_cut=int(is_cut))

    async def _read(self, tenant_id: UUID, source: HttpTools) -> Api:
        """The description of a source, as long as it is kept. Raises Unavailable, InvalidRequest."""
        if source.document is not None:
            data = msgspec.json.encode(source.document)
            key: tuple[Any, ...] = (hashlib.sha256(data).digest(),)
            life_s = float("inf")
        else:
            require_url(source.url)
            data, life_s = b"", self._limits.listing_s
            key = (tenant_id, source.url, source.base_url, frozenset(source.headers.items()))
        lock = self._reading.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                kept = self._find_kept(key, life_s) or self._keep(key, await self._read_anew(source, len(data)))
        finally:
            if not lock.locked():
                self._reading.pop(key, None)
        if isinstance(kept.api, MultiturnError):
            raise kept.api
        return kept.api

    def _find_kept(self, key: tuple[Any, ...], life_s: float) -> Kept | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        limit_s = self._limits.retry_s if isinstance(kept.api, MultiturnError) else life_s
        return kept if time.monotonic() - kept.read_at < limit_s else None

    def _keep(self, key: tuple[Any, ...], kept: Kept) -> Kept:
        """Keep a description, and forget those that were used longest ago."""
        self._kept[key] = kept
        self._kept.move_to_end(key)
        size = sum(one.size for one in self._kept.values())
        while size > KEPT_BYTES_MAX and len(self._kept) > 1:
            size -= self._kept.popitem(last=False)[1].size
        return kept

    async def _read_anew(self, source: HttpTools, size: int) -> Kept:
        """Read a description, or fetch it first. What goes wrong is kept, too."""
        now = time.monotonic()
        try:
            if source.document is not None:
                return Kept(now, size, await asyncio.to_thread(Api, source.document))
            data = await self._fetch(source)
            return Kept(now, len(data), await asyncio.to_thread(read_api, data))
        except WrongDescription as error:
            if source.document is not None:
                refusal = InvalidRequest(f"{error}.", code="tool_source_refused", param="document")
                return Kept(now, size, refusal)
            return Kept(now, size, self._unavailable(source, f"{error}."))
        except Unavailable as error:
            return Kept(now, size, error)

    async def _fetch(self, source: HttpTools) -> bytes:
        """The bytes of a description. Raises Unavailable."""
        url = require_url(source.url)
        try:
            async with asyncio.timeout(self._limits.connect_s):
                return await self._follow(source, url)
        except (*NETWORK_ERRORS, ValueError) as error:
            raise self._unavailable(source, describe(error, urlsplit(url).hostname or "?")) from error

    async def _follow(self, source: HttpTools, url: str) -> bytes:
        """Fetch a description over redirects; the source's headers, which may hold a key, go to its own host only."""
        home = source.base_url or url
        for _ in range(REDIRECTS_MAX + 1):
            headers = source.headers if is_same_host(home, url) else {}
            async with self._session.get(
                url, headers=headers, allow_redirects=False, timeout=self._timeout
            ) as response:
                target = find_redirect(response)
                if target is None:
                    return await self._read_document(source, response)
                url = target
        raise self._unavailable(source, f"The URL is redirected more than {REDIRECTS_MAX} times.")

    async def _read_document(self, source: HttpTools, response: aiohttp.ClientResponse) -> bytes:
        if response.status != 200:
            raise self._unavailable(
                source, f"The server answered {response.status} {response.reason or ''}".rstrip() + "."
            )
        data, is_cut = await read_head(response, self._limits.document_bytes_max)
        if is_cut:
            raise self._unavailable(source, f"The description is over {self._limits.document_bytes_max} bytes.")
        return data

    def _unavailable(self, source: HttpTools, reason: str) -> Unavailable:
        return Unavailable(f"The tools of '{source.label}' cannot be used: {reason}", code="tools_unavailable")


def read_api(data: bytes) -> Api:
    """A description in JSON. Raises WrongDescription."""
    try:
        return Api(msgspec.json.decode(data))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WrongDescription("The description is no JSON") from error


def require_base(url: str) -> str:
    """Where an API is. Raises InvalidRequest (``tool_source_refused``)."""
    return require_url(url, param="base_url")


def find_redirect(response: aiohttp.ClientResponse) -> str | None:
    """Where an answer leads to."""
    if response.status in REDIRECTS and "Location" in response.headers:
        return urljoin(str(response.url), response.headers["Location"])
    return None


def is_same_host(url: str, other: str) -> bool:
    """Whether two URLs are of one server; https in place of http is."""
    here, there = urlsplit(url), urlsplit(other)
    if here.hostname != there.hostname:
        return False
    is_upgrade = (here.scheme, there.scheme) == ("http", "https") and here.port is None and there.port is None
    return is_upgrade or (here.scheme, here.port) == (there.scheme, there.port)


def read_text(response: aiohttp.ClientResponse, data: bytes) -> str:
    """A body as a text, a word where it is none."""
    kind = response.content_type.lower() if "Content-Type" in response.headers else "text/plain"
    if not kind.startswith(TEXTS) and not kind.endswith(SUFFIXES):
        return f"[{kind}, not shown]" if data else ""
    try:
        return data.decode(response.charset or "utf-8", errors="replace")
    except LookupError:
        return data.decode(errors="replace")
