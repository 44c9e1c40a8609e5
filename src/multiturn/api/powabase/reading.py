"""Reading a request of Powabase's clients: who asks, bodies, and pages by limit and offset."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from msgspec import Struct
from starlette.datastructures import QueryParams
from starlette.requests import Request

from multiturn.api.auth import authenticate
from multiturn.api.limits import find_param, is_number, read_body, read_json_object
from multiturn.api.services import Services
from multiturn.engine.metadata import check_text
from multiturn.errors import InvalidRequest
from multiturn.model.tenant import Caller

T = TypeVar("T")
OFFSET_MAX = 2**31
LIMIT, LIMIT_MAX = 50, 200
SEARCH_CHARS_MAX = 255
MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")


class Window(Struct, frozen=True):
    """Which rows of a listing are asked for."""

    limit: int
    offset: int


async def identify(services: Services, request: Request, *, reads: bool = False) -> Caller:
    """Tell who asks: ``apikey`` and ``Authorization`` may both be sent, with one key, or a user's token as the second
    (DESIGN 8.20). ``reads`` says of a POST that it changes nothing. Raises what ``authenticate`` raises.
    """
    return await authenticate(services, request, reads=reads)


async def read_request(
    services: Services, request: Request, shape: type[T], *, reads: bool = False
) -> tuple[Caller, T]:
    """Who asks, and the body as its struct."""
    caller = await identify(services, request, reads=reads)
    return caller, read_wire(await read_body(request, bytes_max=services.body_bytes_max), shape)


def read_wire(body: bytes, shape: type[T]) -> T:
    """A body as its struct; fields that the struct does not know are not looked at.

    Raises InvalidRequest whose ``param`` is the field that is wrong or missing.
    """
    fields = read_json_object(body)
    try:
        return msgspec.json.decode(msgspec.json.encode(fields), type=shape)
    except msgspec.ValidationError as error:
        said = str(error)
        missing = MISSING.search(said)
        text = f"{missing['name']} is required" if missing and " - at " not in said else f"The body is wrong: {said}."
        raise InvalidRequest(text, param=find_param(said)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from error


def read_search(query: QueryParams, name: str = "search") -> str | None:
    """What is searched for; empty is as if left out. Raises InvalidRequest."""
    text = query.get(name, "").strip()
    check_text(text, name, chars_max=SEARCH_CHARS_MAX)
    return text or None


def read_window(query: QueryParams, *, limit: int = LIMIT, limit_max: int = LIMIT_MAX) -> Window:
    """The rows that a listing asks for. Raises InvalidRequest."""
    return Window(
        read_whole(query, "limit", limit, low=1, high=limit_max),
        read_whole(query, "offset", 0, low=0, high=OFFSET_MAX),
    )


def read_whole(query: QueryParams, name: str, default: int, *, low: int, high: int) -> int:
    """A whole number of the query. Raises InvalidRequest."""
    text = query.get(name)
    if text is None:
        return default
    if not (is_number(text) and low <= int(text) <= high):
        raise InvalidRequest(f"'{name}' must be a number from {low} to {high}; it is '{text[:40]}'.", param=name)
    return int(text)


def read_time(query: QueryParams, name: str) -> datetime | None:
    """A time of the query, of ISO 8601; one without a zone is in UTC. Raises InvalidRequest."""
    text = query.get(name)
    if text is None:
        return None
    try:
        # A plus sign that was not escaped arrives as a blank.
        at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        text = f"'{name}' must be a time of ISO 8601, such as 2026-11-21T09:30:00Z."
        raise InvalidRequest(text, param=name) from error
