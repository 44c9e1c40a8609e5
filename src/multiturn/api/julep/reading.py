"""Reading a request of Julep's client: bodies and queries, with errors that say where something is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, get_args
from uuid import UUID

import msgspec
from msgspec import Raw, Struct
from starlette.datastructures import QueryParams
from starlette.requests import Request

from multiturn.api.auth import authenticate
from multiturn.api.limits import is_number, read_body, read_json_object
from multiturn.api.services import Services
from multiturn.errors import InvalidRequest
from multiturn.model.agent import Listing
from multiturn.model.ids import find_id
from multiturn.model.tenant import Caller

T = TypeVar("T")
PLACE = re.compile(r"^(?P<text>.*) - at `\$(?P<path>.*)`$", re.DOTALL)
MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")
NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?")

SortBy = Literal["created_at", "updated_at"]
Direction = Literal["asc", "desc"]
LIMIT, LIMIT_MAX = 100, 1000
OFFSET_MAX = 2**31
FILTER = "metadata_filter"


class ListQuery(Struct, frozen=True, kw_only=True):
    """What a listing asks for."""

    limit: int
    offset: int
    sort_by: SortBy
    direction: Direction
    metadata: dict[str, Any]

    def as_listing(self) -> Listing:
        """The same for agents and users."""
        return Listing(
            metadata=self.metadata,
            sort=self.sort_by,
            newest_first=self.direction == "desc",
            offset=self.offset,
            limit=self.limit,
        )


def read_wire(fields: Mapping[str, Raw], shape: type[T]) -> T:
    """A body as its struct; fields that the struct does not know are not looked at.

    Raises InvalidRequest whose ``param`` is the place that is wrong.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(fields), type=shape)
    except msgspec.ValidationError as error:
        raise wrong_place(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from error


async def read_request(
    services: Services, request: Request, shape: type[T], *, reads: bool = False
) -> tuple[Caller, T]:
    """Who asks, and the body as its struct."""
    caller = await authenticate(services, request, reads=reads)
    body = await read_body(request, bytes_max=services.body_bytes_max)
    return caller, read_wire(read_json_object(body), shape)


def read_uuid(request: Request, name: str) -> UUID:
    """A part of the path that is to be a new thing's id. Raises InvalidRequest."""
    id_ = find_id(request.path_params[name])
    if id_ is None:
        raise InvalidRequest(f"'{name}' must be a UUID.", param=f"path.{name}")
    return id_


def wrong_place(text: str) -> InvalidRequest:
    """What msgspec says as an error that names the place as Julep's server did: ``body.messages.0.role``."""
    found = PLACE.match(text)
    said, path = (found["text"], found["path"]) if found else (text, "")
    missing = MISSING.search(said)
    place = path.replace("[", ".").replace("]", "") + (f".{missing['name']}" if missing else "")
    return InvalidRequest(f"{said}.", param=f"body{place}")


def read_list_query(query: QueryParams) -> ListQuery:
    """The parameters that all listings have. Raises InvalidRequest."""
    return ListQuery(
        limit=read_whole(query, "limit", LIMIT, low=1, high=LIMIT_MAX),
        offset=read_whole(query, "offset", 0, low=0, high=OFFSET_MAX),
        sort_by=read_word(query, "sort_by", get_args(SortBy)),
        direction=read_word(query, "direction", ("desc", "asc")),
        metadata=read_filter(query),
    )


def read_whole(query: QueryParams, name: str, default: int, *, low: int, high: int) -> int:
    """A whole number of the query. Raises InvalidRequest."""
    text = query.get(name)
    if text is None:
        return default
    if not (is_number(text) and low <= int(text) <= high):
        raise InvalidRequest(f"'{name}' must be a number from {low} to {high}.", param=f"query.{name}")
    return int(text)


def read_time(query: QueryParams, name: str) -> datetime | None:
    """A time of the query, of ISO 8601; one without a zone is in UTC. Raises InvalidRequest."""
    text = query.get(name)
    if text is None:
        return None
    try:
        # A plus sign that nobody escaped arrives as a space.
        time = msgspec.convert(text.replace(" ", "+") if "T" in text else text, datetime)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"'{name}' must be a time of ISO 8601.", param=f"query.{name}") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def read_word(query: QueryParams, name: str, words: tuple[Any, ...]) -> Any:
    """One of a few words, the first when there is none. Raises InvalidRequest."""
    word = query.get(name, words[0])
    if word not in words:
        raise InvalidRequest(f"'{name}' must be one of {', '.join(words)}.", param=f"query.{name}")
    return word


def read_filter(query: QueryParams) -> dict[str, Any]:
    """What metadata must contain: nested by dots, lists by repetition, as Julep's client writes it.

    Raises InvalidRequest for a name that is both a value and an object.
    """
    wanted: dict[str, Any] = {}
    for name in dict.fromkeys(query.keys()):
        first, *path = name.split(".")
        if first != FILTER or not path:
            continue
        values = [read_value(text) for text in query.getlist(name)]
        put(wanted, path, values[0] if len(values) == 1 else values, name)
    return wanted


def put(wanted: dict[str, Any], path: list[str], value: Any, name: str) -> None:
    """Put a value at its place in nested objects."""
    *outer, last = path
    place = wanted
    for key in outer:
        place = place.setdefault(key, {})
        if not isinstance(place, dict):
            raise InvalidRequest(f"'{name}' is both a value and an object.", param=f"query.{name}")
    if last in place:
        raise InvalidRequest(f"'{name}' is both a value and an object.", param=f"query.{name}")
    place[last] = value


def read_value(text: str) -> Any:
    """A value of a query: truth values and numbers are read as such, everything else is a text."""
    if text in ("true", "false"):
        return text == "true"
    if NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text
