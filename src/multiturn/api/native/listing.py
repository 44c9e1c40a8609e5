"""What the listings of agents and of users ask for: an order, a filter by metadata, a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

from starlette.requests import Request

from multiturn.api.description import Parameter
from multiturn.api.limits import read_limit
from multiturn.api.native.metadata import read_metadata
from multiturn.api.native.query import read_choice, read_number
from multiturn.errors import InvalidRequest
from multiturn.model.agent import Agent, Listing, User
from multiturn.model.ids import find_id
from multiturn.model.page import Page

LIMIT, LIMIT_MAX = 20, 100
OFFSET_MAX = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
Sort = Literal["created_at", "updated_at"]

NEXT = Parameter(
    name="cursor",
    place="query",
    schema={"type": "string", "pattern": "^[0-9]{1,14}_[0-9a-f]{32}$"},
    text="`next` of the page before: those behind it.",
)

OFFSET = Parameter(
    name="offset",
    place="query",
    schema={"type": "integer", "minimum": 0, "maximum": OFFSET_MAX, "default": 0},
    text="How many to leave out; `cursor` is quicker.",
)

SORT = Parameter(
    name="sort_by",
    place="query",
    schema={"type": "string", "enum": ["created_at", "updated_at"], "default": "created_at"},
    text="Sort by when they were made or by when they were changed last.",
)

FILTER = Parameter(
    name="metadata.<name>",
    place="query",
    schema={"type": "string"},
    text="Only those whose metadata contain this: `metadata.team=travel`, with dots into objects, a list by "
    "repetition; `true`, `false` and numbers are read as such.",
)


def read_listing(request: Request) -> Listing:
    """What is listed. Raises InvalidRequest."""
    offset = read_number(request, "offset") or 0
    if offset > OFFSET_MAX:
        raise InvalidRequest(f"'offset' must be a number from 0 to {OFFSET_MAX}.", param="offset")
    return Listing(
        metadata=read_metadata(request.query_params),
        sort=cast(Sort, read_choice(request, "sort_by", ("created_at", "updated_at"))),
        newest_first=read_choice(request, "order", ("desc", "asc")) == "desc",
        after=read_cursor(request.query_params.get("cursor")),
        offset=offset,
        limit=read_limit(request, default=LIMIT, maximum=LIMIT_MAX),
    )


def read_cursor(text: str | None) -> tuple[datetime, UUID] | None:
    """Where the page before ended. Raises InvalidRequest."""
    if text is None:
        return None
    at, _, _ = text.partition("_")
    id_ = find_id(text)
    if id_ is None or not (at.isascii() and at.isdigit() and len(at) < 15):
        raise InvalidRequest("'cursor' must be the 'next' of the page before.", param="cursor")
    return EPOCH + int(at) * MILLISECOND, id_


def write_cursor(page: Page[Any], listing: Listing) -> str | None:
    """Where this page ends; None on the last."""
    if not page.has_more:
        return None
    last: Agent | User = page.data[-1]
    at = last.created_at if listing.sort == "created_at" else last.updated_at
    return f"{(at - EPOCH) // MILLISECOND}_{last.id.hex}"
