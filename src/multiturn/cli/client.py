"""A server as the commands ask it, over HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from multiturn.errors import MultiturnError, Unavailable

CONNECT_S = 10.0
PAGE_MAX = 100


class Client:
    """Asks one server with one key; what it refuses is raised with its own words."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url

    async def get(self, path: str, **parameters: Any) -> Any:
        """Get a JSON body. Raises MultiturnError."""
        return await self._ask("GET", path, params=parameters)

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Post a JSON body and get one. Raises MultiturnError."""
        return await self._ask("POST", path, json=body or {})

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Patch with a JSON body and get one. Raises MultiturnError."""
        return await self._ask("PATCH", path, json=body)

    async def put(self, path: str, body: Mapping[str, Any], **parameters: Any) -> Any:
        """Put a JSON body and get one. Raises MultiturnError."""
        return await self._ask("PUT", path, json=body, params=parameters)

    async def delete(self, path: str, **parameters: Any) -> Any:
        """Delete. Raises MultiturnError."""
        return await self._ask("DELETE", path, params=parameters)

    async def list_all(self, path: str, *, cursor: str, most: int | None, **parameters: Any) -> list[dict[str, Any]]:
        """List the first ``most`` of a paged listing, or all of it; ``cursor`` is its parameter for the next page."""
        found: list[dict[str, Any]] = []
        place: dict[str, Any] = {}
        while most is None or len(found) < most:
            limit = PAGE_MAX if most is None else min(PAGE_MAX, most - len(found))
            page = await self.get(path, limit=limit, **parameters, **place)
            found += page["data"]
            if not page.get("has_more"):
                break
            place = {cursor: page["next"]}
        return found

    @asynccontextmanager
    async def stream(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Post a JSON body and read the answer as it comes. Raises MultiturnError."""
        async with self.open("POST", path, json=body) as answer:
            yield answer

    @asynccontextmanager
    async def open(self, method: str, path: str, **options: Any) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Ask, and read the answer as it comes. Raises MultiturnError."""
        try:
            async with self.http.request(method, f"{self.url}{path}", **options) as answer:
                if answer.status >= 400:
                    raise read_refusal(answer.status, await answer.read())
                yield answer
        except (aiohttp.ClientError, OSError) as error:
            raise self._lost(error) from error

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            async with self.http.request(method, f"{self.url}{path}", **options) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._lost(error) from error
        if answer.status >= 400:
            raise read_refusal(answer.status, body)
        return read_json(body)

    def _lost(self, error: Exception) -> Unavailable:
        number = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(number) if number and number > 0 else str(error) or type(error).__name__
        return Unavailable(f"The server at {self.url} does not answer: {reason}.", code="server_unreachable")


def read_json(body: bytes) -> Any:
    """A JSON body. Raises Unavailable for one that is none: there is another program behind the URL."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable("The server's answer is not JSON: is the URL that of Multiturn?") from error


def read_refusal(status: int, body: bytes) -> MultiturnError:
    """What the server said when it refused, in OpenAI's envelope."""
    try:
        said = msgspec.json.decode(body)["error"]
        return MultiturnError(str(said["message"]), code=said.get("code"), param=said.get("param"))
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return MultiturnError(f"The server answered with status {status}: is the URL that of Multiturn?")


def path_of(*parts: str) -> str:
    """A path below ``/v1``, its parts quoted."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)
