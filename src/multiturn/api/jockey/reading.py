"""Reading a request of Jockey's clients: bodies, pages by number, words of a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Raw, Struct
from starlette.datastructures import QueryParams
from starlette.requests import Request

from multiturn.api.auth import authenticate
from multiturn.api.jockey.wire import JockeyPageBody, JockeyPageInfoBody
from multiturn.api.limits import find_param, is_number, read_body, read_json_object
from multiturn.api.services import Services
from multiturn.engine.callers import require_tenant
from multiturn.errors import InvalidRequest
from multiturn.model.store import Sorting
from multiturn.model.tenant import Caller

T = TypeVar("T")
PAGE_LIMIT, PAGE_LIMIT_MAX = 10, 50
# Further than any listing goes, and no further than a database counts.
PAGE_MAX = 10**12
TIMES = ("created_at", "updated_at")
NAMES = (*TIMES, "name")


class Pages(Struct, frozen=True):
    """Which page of a listing is asked for, from 1, and how long it is."""

    number: int
    limit: int

    @property
    def offset(self) -> int:
        """How many stand on the pages before it."""
        return (self.number - 1) * self.limit

    def write_info(self, total: int | None = None) -> JockeyPageInfoBody:
        """What a listing says of its pages; of one that does not count, no totals."""
        pages = None if total is None else -(-total // self.limit)
        return JockeyPageInfoBody(limit_per_page=self.limit, page=self.number, total_page=pages, total_results=total)

    def write(self, data: Sequence[T], total: int | None = None) -> JockeyPageBody[T]:
        """A page."""
        return JockeyPageBody(data=list(data), page_info=self.write_info(total))


def read_pages(query: QueryParams) -> Pages:
    """The page that is asked for. Raises InvalidRequest."""
    number = read_whole(query, "page", 1, high=PAGE_MAX)
    return Pages(number, read_whole(query, "page_limit", PAGE_LIMIT, high=PAGE_LIMIT_MAX))


def read_sorting(query: QueryParams, pages: Pages, fields: tuple[str, ...] = TIMES) -> Sorting:
    """The page and the order of a listing. Raises InvalidRequest."""
    by = cast(Any, read_word(query, "sort_by", fields))
    newest_first = read_word(query, "sort_option", ("desc", "asc")) == "desc"
    return Sorting(by=by, newest_first=newest_first, offset=pages.offset, limit=pages.limit)


def read_whole(query: QueryParams, name: str, default: int, *, high: int) -> int:
    """A number of the query, from 1. Raises InvalidRequest."""
    text = query.get(name)
    if text is None:
        return default
    if not (is_number(text) and 1 <= int(text) <= high):
        raise InvalidRequest(f"'{name}' must be a number from 1 to {high}; it is '{text[:40]}'.", param=name)
    return int(text)


def read_word(query: QueryParams, name: str, words: tuple[str, ...]) -> str:
    """One of a few words, the first when there is none. Raises InvalidRequest."""
    word = query.get(name, words[0])
    if word not in words:
        raise InvalidRequest(f"'{name}' must be one of {', '.join(words)}; it is '{word[:40]}'.", param=name)
    return word


def read_words(query: QueryParams, name: str, words: tuple[str, ...]) -> tuple[Any, ...]:
    """Any of a few words: the parameter is repeated, or they stand behind commas. Raises InvalidRequest."""
    given = [word.strip() for text in query.getlist(name) for word in text.split(",") if word.strip()]
    for word in given:
        if word not in words:
            raise InvalidRequest(f"'{name}' must be of {', '.join(words)}; it is '{word[:40]}'.", param=name)
    return tuple(dict.fromkeys(given))


def read_truth(text: str | None, name: str, *, default: bool) -> bool:
    """A truth value of a form or a query. Raises InvalidRequest."""
    if not text:
        return default
    if text.lower() not in ("true", "false"):
        raise InvalidRequest(f"'{name}' must be true or false; it is '{text[:40]}'.", param=name)
    return text.lower() == "true"


async def read_request(
    services: Services, request: Request, shape: type[T], *, reads: bool = False
) -> tuple[Caller, T]:
    """Who asks, and the body as its struct."""
    caller = await authenticate(services, request, reads=reads)
    body = await read_body(request, bytes_max=services.body_bytes_max)
    return caller, read_wire(read_json_object(body), shape)


async def authenticate_tenant(services: Services, request: Request) -> Caller:
    """Who asks for a change of knowledge stores. Raises Forbidden for one who acts for a user only."""
    caller = await authenticate(services, request)
    require_tenant(caller, "knowledge stores")
    return caller


async def read_tenant_request(services: Services, request: Request, shape: type[T]) -> tuple[Caller, T]:
    """Who asks for a change of knowledge stores, and the body. Raises Forbidden."""
    caller, body = await read_request(services, request, shape)
    require_tenant(caller, "knowledge stores")
    return caller, body


def read_wire(fields: Mapping[str, Raw], shape: type[T]) -> T:
    """A body as its struct; fields that the struct does not know are not looked at.

    Raises InvalidRequest whose ``param`` is the field that is wrong or missing.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(fields), type=shape)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The request is wrong: {error}.", param=find_param(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from error
