"""Requests of OpenAI's files and vector stores as the engine takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeVar
from uuid import UUID

from starlette.requests import Request

from multiturn.api.files.wire import ChunkingBody
from multiturn.api.limits import is_number, read_body, read_json_object, read_struct
from multiturn.api.services import Services
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.ids import find_id
from multiturn.model.metadata import Comparison, Compound, Filter
from multiturn.model.store import ItemStatus

T = TypeVar("T")

COMPARISONS: Mapping[str, Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]] = {
    "eq": "eq",
    "ne": "ne",
    "gt": "gt",
    "gte": "gte",
    "lt": "lt",
    "lte": "lte",
    "in": "in",
    "nin": "nin",
}
FILTER_DEPTH_MAX, FILTERS_MAX = 5, 100
AT_WORK: tuple[ItemStatus, ...] = ("queued", "pending", "processing")
# What a status of OpenAI's means here; a file that was cancelled is no item any more.
STATUSES: Mapping[str, tuple[ItemStatus, ...]] = {
    "in_progress": AT_WORK,
    "completed": ("ready",),
    "failed": ("failed",),
    "cancelled": (),
}


class PageOrder(NamedTuple):
    """A page of a listing: behind ``after``, or in front of ``before``, as they were sent."""

    after: str | None
    before: str | None
    limit: int
    newest_first: bool


async def read_order(services: Services, request: Request, shape: type[T]) -> T:
    """A body as its struct; fields that are not known are let be. Raises TooLarge, InvalidRequest."""
    body = await read_body(request, bytes_max=services.body_bytes_max)
    read_json_object(body)
    return read_struct(body, shape)


def read_page(request: Request, *, limit: int = 20, limit_max: int = 100) -> PageOrder:
    """Which page is asked for. Raises InvalidRequest."""
    query = request.query_params
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidRequest(f"'order' must be asc or desc; it is '{order[:40]}'.", param="order")
    text = query.get("limit")
    if text is not None and not (is_number(text) and 1 <= int(text) <= limit_max):
        raise InvalidRequest(f"'limit' must be a number from 1 to {limit_max}; it is '{text[:40]}'.", param="limit")
    if query.get("after") and query.get("before"):
        raise InvalidRequest("Send 'after' or 'before', not both.", param="before")
    wanted = limit if text is None else int(text)
    return PageOrder(query.get("after") or None, query.get("before") or None, wanted, order == "desc")


def read_status(request: Request) -> tuple[ItemStatus, ...] | None:
    """The statuses that are asked for; None where all are. Raises InvalidRequest."""
    text = request.query_params.get("filter")
    if text is None:
        return None
    if text not in STATUSES:
        raise InvalidRequest(f"'filter' must be one of {', '.join(STATUSES)}; it is '{text[:40]}'.", param="filter")
    return STATUSES[text]


def read_store_id(text: str) -> UUID:
    """The id of a vector store. Raises NotFound for what is none."""
    id_ = find_id(text)
    if id_ is None:
        raise NotFound("There is no such vector store.", code="store_not_found", param="vector_store_id")
    return id_


def read_batch_id(text: str) -> UUID:
    """The id of a file batch. Raises NotFound for what is none."""
    id_ = find_id(text)
    if id_ is None:
        raise NotFound("There is no such file batch.", code="collection_not_found", param="batch_id")
    return id_


def check_chunking(chunking: ChunkingBody | None) -> None:
    """Raise InvalidRequest for a way of cutting that is not ours."""
    if chunking and chunking.type == "static":
        text = "Files are cut at headings, paragraphs and sentences: leave 'chunking_strategy' out, or send 'auto'."
        raise InvalidRequest(text, code="not_implemented", param="chunking_strategy")


def check_expiry(expiry: Any) -> None:
    """Raise InvalidRequest for an expiry: what is put in stays."""
    if expiry:
        text = "What is put in stays until it is deleted: leave 'expires_after' out."
        raise InvalidRequest(text, code="not_implemented", param="expires_after")


def read_filter(wanted: Mapping[str, Any] | None) -> Filter | None:
    """A filter by attributes. Raises InvalidRequest naming the place."""
    return None if wanted is None else read_condition(wanted, "filters", depth=1)


def read_condition(wanted: object, place: str, *, depth: int) -> Filter:
    """One filter, and those within it. Raises InvalidRequest."""
    if not isinstance(wanted, Mapping) or depth > FILTER_DEPTH_MAX:
        raise InvalidRequest(f"'{place}' must be a filter, at most {FILTER_DEPTH_MAX} deep.", param=place)
    op = wanted.get("type")
    if op in ("and", "or"):
        inner = wanted.get("filters")
        if not isinstance(inner, list) or not 1 <= len(inner) <= FILTERS_MAX:
            text = f"'{place}.filters' must be a list of 1 to {FILTERS_MAX} filters."
            raise InvalidRequest(text, param=f"{place}.filters")
        parts = [read_condition(one, f"{place}.filters[{n}]", depth=depth + 1) for n, one in enumerate(inner)]
        return Compound(op="and" if op == "and" else "or", filters=tuple(parts))
    if not isinstance(op, str) or op not in COMPARISONS:
        known = ", ".join((*COMPARISONS, "and", "or"))
        raise InvalidRequest(f"'{place}.type' must be one of {known}.", param=f"{place}.type")
    key = wanted.get("key")
    if not isinstance(key, str) or not key:
        raise InvalidRequest(f"'{place}.key' must name an attribute.", param=f"{place}.key")
    return Comparison(op=COMPARISONS[op], key=key, value=read_value(wanted.get("value"), op, place))


def read_value(value: object, op: str, place: str) -> str | float | bool | tuple[str | float | bool, ...]:
    """What an attribute is compared with. Raises InvalidRequest."""
    if op in ("in", "nin") and isinstance(value, list) and len(value) <= FILTERS_MAX:
        plain = [one for one in value if isinstance(one, str | int | float | bool)]
        if len(plain) == len(value):
            return tuple(plain)
    elif op not in ("in", "nin") and isinstance(value, str | int | float | bool):
        return value
    wanted = "a list of texts and numbers" if op in ("in", "nin") else "a text, a number, true or false"
    raise InvalidRequest(f"'{place}.value' must be {wanted}.", param=f"{place}.value")
