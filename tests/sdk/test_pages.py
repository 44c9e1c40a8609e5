"""Listings: page after page, by whatever the server says is next."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from multiturn_client import AsyncMultiturn
from tests.sdk.answering import Answering, Client, tell


def page(*names: str, next_: Any = None, has_more: bool = True) -> httpx.Response:
    return tell(body={"data": [{"id": name} for name in names], "has_more": has_more, "next": next_})


def last_page() -> httpx.Response:
    return page("c", has_more=False)


def test_listing_goes_on_over_pages() -> None:
    client = Client(page("a", "b", next_="b"), last_page())
    assert [session.id for session in client.sessions.list(limit=2)] == ["a", "b", "c"]
    assert client.asked == ["GET /v1/sessions?limit=2", "GET /v1/sessions?limit=2&before=b"]


def test_first_page_is_there_at_once() -> None:
    client = Client(page("a", "b", next_="b"), last_page())
    sessions = client.sessions.list(limit=2)
    assert ([one.id for one in sessions.data], len(sessions), sessions[0].id) == (["a", "b"], 2, "a")
    assert sessions.has_more
    assert len(client.asked) == 1


@pytest.mark.parametrize("next_", [2, None])
def test_offset_goes_on_where_there_is_no_cursor(next_: int | None) -> None:
    client = Client(page("a", "b", next_=next_), last_page())
    assert len(list(client.sessions.list(limit=2, offset=0, sort_by="active_at"))) == 3
    assert client.asked[1] == "GET /v1/sessions?limit=2&sort_by=active_at&offset=2"


def test_cursor_of_items_is_a_number() -> None:
    client = Client(page("a", next_=7), last_page())
    assert len(list(client.sessions.items("s"))) == 2
    assert client.asked[1] == "GET /v1/sessions/s/items?order=asc&branch=active&cursor=7"


def test_empty_page_ends_a_listing_that_says_it_goes_on() -> None:
    assert list(Client(page(next_="x")).agents.list()) == []


def test_history_is_in_the_order_in_which_it_was_said() -> None:
    body = {"data": [{"seq": 4}, {"seq": 3}], "has_more": True, "next": 3}
    history = Client(tell(body=body)).sessions.history("s", limit=2)
    assert [item.seq for item in history] == [3, 4] == [item.seq for item in history.entries]
    assert history.has_more


async def test_listing_is_awaited_or_gone_over() -> None:
    handler = Answering(page("a", next_="a"), last_page(), page("a", next_="a"))
    http = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    async with http, AsyncMultiturn("key", http_client=http) as client:
        assert [session.id async for session in client.sessions.list()] == ["a", "c"]
        first = await client.sessions.list()
        assert ([one.id for one in first], first.has_more) == (["a"], True)
