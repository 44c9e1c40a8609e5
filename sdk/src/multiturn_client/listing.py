"""What is looked for in listings and histories, as requests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, TypedDict

from multiturn_client import requests
from multiturn_client.pages import Page, read_page
from multiturn_client.records import Item
from multiturn_client.requests import Request

Place = int | datetime


class SessionFilter(TypedDict, total=False):
    """Which sessions are listed, and in which order.

    ``agent_id``, ``user_id``: who takes part (an id or a name of yours). ``metadata``: what their metadata contain.
    ``active_after``, ``active_before``: when they were last used; a time without a zone is this machine's local time.
    ``text``: words that an item, the external id or the metadata hold, case aside. ``sort_by``: created_at (default)
    or active_at. ``order``: desc (default: newest first) or asc.

    >>> found: SessionFilter = {"metadata": {"channel": "web"}, "sort_by": "active_at"}
    >>> client.sessions.list(**found).data
    ()
    """

    agent_id: str
    user_id: str
    metadata: Mapping[str, Any]
    active_after: datetime
    active_before: datetime
    text: str
    sort_by: Literal["created_at", "active_at"]
    order: Literal["desc", "asc"]


def write_filter(filter: Mapping[str, Any]) -> dict[str, Any]:
    """A filter in the server's words."""
    return {name.removesuffix("_id"): value for name, value in filter.items()}


def write_history(session_id: str, *, limit: int | None, before: Place | None, after: Place | None) -> Request:
    """The newest items of a history."""
    return requests.get("sessions", session_id, "items", order="desc", limit=limit, before=before, after=after)


def read_history(body: Mapping[str, Any]) -> Page[Item]:
    """A page that was told from its newest item on, in the order in which it was said."""
    page = read_page(body, Item.read)
    return replace(page, data=page.data[::-1])


def write_lines(lines: str | bytes | Iterable[Mapping[str, Any]]) -> bytes:
    """JSON Lines as they travel."""
    if isinstance(lines, bytes):
        return lines
    if isinstance(lines, str):
        return lines.encode()
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
