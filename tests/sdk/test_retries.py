"""What the client sends again, when, and under which name."""

from __future__ import annotations

from email.utils import formatdate
from time import time
from typing import Any

import httpx
import pytest

from multiturn_client import ApiError, ConnectionFailed, MultiturnError, RateLimitError, RequestTimeout, ServerError
from multiturn_client.retries import find_pause_s, may_retry
from tests.sdk.answering import Client, fail, tell

BROKEN = httpx.ReadError("broken")
REFUSED = httpx.ConnectError("refused")
ANSWER = {"id": "r", "object": "answer", "session_id": "s", "text": "hi", "status": "completed"}


@pytest.mark.parametrize("failure", [BROKEN, REFUSED, fail(408), fail(429), fail(500), fail(502), fail(503)])
def test_what_passes_is_tried_again(failure: Any) -> None:
    client = Client(failure, tell(body={"id": "s"}))
    assert client.sessions.get("s").id == "s"
    assert len(client.pauses) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413])
def test_what_does_not_pass_is_raised_at_once(status: int) -> None:
    client = Client(fail(status))
    with pytest.raises(ApiError) as raised:
        client.sessions.get("s")
    assert (raised.value.status, client.pauses) == (status, [])


def test_after_the_last_try_the_error_is_raised() -> None:
    client = Client(*[fail(503)] * 3, max_retries=2)
    with pytest.raises(ServerError):
        client.sessions.get("s")
    assert len(client.asked) == 3


def test_broken_connections_are_told_apart_from_slow_ones() -> None:
    with pytest.raises(ConnectionFailed):
        Client(REFUSED, max_retries=0).sessions.get("s")
    with pytest.raises(RequestTimeout):
        Client(httpx.ReadTimeout("slow"), max_retries=0).sessions.get("s")


def test_turn_keeps_its_key_over_all_tries() -> None:
    client = Client(fail(503), BROKEN, tell(body=ANSWER))
    assert client.sessions.chat("s", "hello") == "hi"
    keys = {request.headers["idempotency-key"] for request in client.server.requests}
    assert len(keys) == 1


def test_turns_have_keys_of_their_own() -> None:
    client = Client(tell(body=ANSWER), tell(body=ANSWER), tell(body=ANSWER))
    for options in ({}, {}, {"idempotency_key": "mine"}):
        client.sessions.chat("s", "hello", **options)  # type: ignore[arg-type]
    first, second, third = (request.headers["idempotency-key"] for request in client.server.requests)
    assert first != second
    assert third == "mine"
    assert "idempotency_key" not in client.sent()


def test_making_things_is_not_repeated_once_it_was_sent() -> None:
    """A session may have been made though its answer broke off."""
    client = Client(BROKEN, tell(201, {"id": "s"}))
    with pytest.raises(ConnectionFailed):
        client.sessions.create()
    client = Client(REFUSED, tell(201, {"id": "s"}))
    assert client.sessions.create().id == "s"


def test_the_server_says_how_long_to_wait() -> None:
    client = Client(fail(429, retry_after="7"), tell(body={"id": "s"}))
    client.sessions.get("s")
    assert client.pauses == [7.0]


def test_nobody_waits_for_an_hour() -> None:
    client = Client(fail(429, retry_after="3600"))
    with pytest.raises(RateLimitError):
        client.sessions.get("s")


def test_the_server_has_the_last_word() -> None:
    with pytest.raises(ServerError):
        Client(fail(500, x_should_retry="false")).sessions.get("s")
    assert Client(fail(404, x_should_retry="true"), tell(body={"id": "s"})).sessions.get("s").id == "s"


@pytest.mark.parametrize(
    ("status", "headers", "wanted"),
    [
        (409, {}, False),
        (409, {"retry-after": "1"}, True),
        (409, {"retry-after": "1", "x-should-retry": "false"}, False),
    ],
)
def test_conflict_is_tried_again_when_the_server_says_after_how_long(
    status: int, headers: dict[str, str], wanted: bool
) -> None:
    assert may_retry(status, headers) is wanted


def test_pauses_grow_and_differ() -> None:
    assert [find_pause_s(tries, {}, chance=0.5) for tries in (1, 2, 3, 4, 5, 9)] == [0.5, 1, 2, 4, 8, 8]
    assert (find_pause_s(1, {}, chance=0), find_pause_s(1, {}, chance=1)) == (0.375, 0.625)


def test_date_to_wait_for_is_understood() -> None:
    pause_s = find_pause_s(1, {"retry-after": formatdate(time() + 30, usegmt=True)})
    assert pause_s is not None
    assert 27 < pause_s < 31
    assert find_pause_s(1, {"retry-after": "soon"}, chance=0.5) == 0.5


def test_somebody_else_than_the_server_is_told_so() -> None:
    with pytest.raises(MultiturnError, match="no JSON"):
        Client(httpx.Response(200, text="<html>")).sessions.get("s")
