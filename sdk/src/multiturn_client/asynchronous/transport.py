"""Carries requests to the server and answers back, and sends again what a second try may mend."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from multiturn_client.errors import ApiError, ConnectionFailed, MultiturnError, RequestTimeout, read_error
from multiturn_client.files import Upload
from multiturn_client.requests import Request
from multiturn_client.retries import PassingError, find_pause_s, may_retry
from multiturn_client.version import VERSION

BASE_URL = "http://127.0.0.1:8000"
CONNECT_TIMEOUT_S = 5.0


class AsyncTransport:
    """Sends requests with the client's key, user and headers."""

    def __init__(
        self,
        *,
        api_key: str | None,
        base_url: str | None,
        timeout: float,
        max_retries: int,
        headers: Mapping[str, str | None],
        http_client: httpx.AsyncClient | None,
    ) -> None:
        key = api_key or os.environ.get("MULTITURN_API_KEY")
        self.base_url = (base_url or os.environ.get("MULTITURN_BASE_URL") or BASE_URL).rstrip("/").removesuffix("/v1")
        self.timeout = timeout
        self.max_retries = max_retries
        self.sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.is_own = http_client is None
        self.http = http_client or httpx.AsyncClient()
        given = {"User-Agent": f"multiturn-client/{VERSION}", "Authorization": f"Bearer {key}" if key else None}
        self.headers = {name: value for name, value in {**given, **headers}.items() if value is not None}

    async def close(self) -> None:
        """Close the connections, unless they are those of a client that was handed in."""
        if self.is_own:
            await self.http.aclose()

    async def send(self, request: Request) -> Any:
        """The JSON that answers a request. Raises MultiturnError."""
        response = await self.open(request)
        return read_json(response)

    async def fetch(self, request: Request) -> str:
        """The text that answers a request. Raises MultiturnError."""
        response = await self.open(request)
        return response.text

    async def open(self, request: Request, *, is_streamed: bool = False) -> httpx.Response:
        """The response to a request, read unless it ``is_streamed``; sent again where that may help.

        Raises ApiError for an error of the server, ConnectionFailed and RequestTimeout.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return await self.attempt(request, is_streamed=is_streamed)
            except PassingError as passing:
                pause_s = find_pause_s(tries, passing.headers)
                if tries > self.max_retries or pause_s is None:
                    raise passing.error from passing.__cause__
            await self.sleep(pause_s)

    async def attempt(self, request: Request, *, is_streamed: bool) -> httpx.Response:
        """One try. Raises PassingError for an error that another try may mend, MultiturnError for the others."""
        try:
            response = await self.http.send(self.build(request), stream=is_streamed)
            if response.status_code < 400:
                return response
            await response.aread()
            await response.aclose()
        except httpx.TransportError as error:
            failed = translate(error)
            if request.is_repeatable or isinstance(error, NEVER_ARRIVED):
                raise PassingError(failed, {}) from error
            raise failed from error
        told = tell_error(response)
        if may_retry(response.status_code, response.headers):
            raise PassingError(told, response.headers)
        raise told

    def build(self, request: Request) -> httpx.Request:
        """The request as it goes over the wire."""
        headers = [(name, value.encode()) for name, value in {**self.headers, **request.headers}.items()]
        content = request.content
        if request.body is not None:
            content = json.dumps(request.body, ensure_ascii=False).encode()
            headers.append(("Content-Type", b"application/json"))
        timeout = self.timeout if request.timeout is None else request.timeout
        return self.http.build_request(
            request.method,
            self.base_url + request.path,
            params=list(request.query) or None,
            content=content,
            **write_form(request.upload),
            headers=[(name.encode(), value) for name, value in headers],
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT_S)),
        )


def write_form(upload: Upload | None) -> dict[str, Any]:
    """A file and its fields as httpx takes them."""
    return {"files": {"file": (upload.filename, upload.stream)}, "data": dict(upload.fields)} if upload else {}


# What is raised before the server can have seen the request.
NEVER_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def translate(error: httpx.TransportError) -> MultiturnError:
    """What kept a request from its answer."""
    if isinstance(error, httpx.TimeoutException):
        return RequestTimeout(f"The server did not answer in time ({type(error).__name__}).")
    return ConnectionFailed(f"There is no connection to the server: {error or type(error).__name__}.")


def tell_error(response: httpx.Response) -> ApiError:
    """The error that a response tells."""
    request_id = response.headers.get("x-request-id")
    try:
        body = response.json()
    except ValueError:
        body = None
    return read_error(response.status_code, body, request_id=request_id)


def read_json(response: httpx.Response) -> Any:
    """The JSON of a response. Raises ApiError for one that has none: something else than the server answered."""
    try:
        return response.json()
    except ValueError as error:
        text = f"{response.url} answered with something that is no JSON. Is it a Multiturn server?"
        raise ApiError(text, status=response.status_code) from error
