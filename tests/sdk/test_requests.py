"""What the client sends: paths, parameters, times, bodies, headers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import unquote

import pytest

from multiturn_client import AsyncMultiturn, Multiturn
from multiturn_client.julep import AsyncClient, AsyncJulep, Julep
from multiturn_client.julep import Client as JulepClient
from tests.sdk.answering import Client, tell

EMPTY = {"data": [], "has_more": False, "next": None}


@pytest.fixture
def far_away() -> Iterator[None]:
    """This machine stands where the clock is five hours behind UTC."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "XYZ+05"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("far_away")
def test_time_without_a_zone_is_local() -> None:
    client = Client(tell(body=EMPTY))
    client.sessions.history("s", limit=10, before=datetime(2026, 11, 21, 9, 30))
    assert "before=2026-11-21T14%3A30%3A00Z" in client.asked[0]


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=2))])
def test_time_with_a_zone_is_sent_in_utc(zone: timezone) -> None:
    client = Client(tell(body=EMPTY))
    at = datetime(2026, 11, 21, 9, 30, tzinfo=zone)
    client.sessions.history("s", before=at, after=7)
    query = client.server.requests[0].url.params
    assert datetime.fromisoformat(query["before"]) == at
    assert query["before"].endswith("Z")
    assert query["after"] == "7"


def test_filters_are_written_with_dots_and_repetition() -> None:
    client = Client(tell(body=EMPTY))
    client.sessions.list(
        agent_id="a", user_id="u", metadata={"a": {"b": 1}, "on": True, "l": ["x", "y"]}, limit=10, offset=0
    )
    query = client.server.requests[0].url.params.multi_items()
    assert sorted(query) == [
        ("agent", "a"),
        ("limit", "10"),
        ("metadata.a.b", "1"),
        ("metadata.l", "x"),
        ("metadata.l", "y"),
        ("metadata.on", "true"),
        ("offset", "0"),
        ("user", "u"),
    ]


@pytest.mark.parametrize("name", ["a/b", "a b", "?x=1#y", "ã", "..", "100%"])
def test_any_name_stands_in_a_path(name: str) -> None:
    client = Client(tell(body={"id": "s"}))
    client.sessions.get(name)
    path = client.server.requests[0].url.raw_path.decode()
    assert path.count("/") == 3
    assert unquote(path) == f"/v1/sessions/{name}"


def test_text_is_a_message_of_the_user() -> None:
    client = Client(tell(body={"text": "hi"}), tell(body={"text": "hi"}))
    client.sessions.chat("s", "hello", temperature=0.2, extra_body={"top_k": 5})
    assert client.sent() == {"messages": [{"role": "user", "content": "hello"}], "temperature": 0.2, "top_k": 5}
    client.sessions.chat("s", [{"role": "tool", "tool_call_id": "c", "content": "x"}])
    assert client.sent()["messages"][0]["role"] == "tool"


def test_what_is_left_out_is_not_sent() -> None:
    client = Client(tell(201, {"id": "s"}), tell(body={"id": "s"}))
    client.sessions.create()
    assert client.sent() == {}
    client.sessions.update("s", model=None, metadata={"a": None})
    assert client.sent() == {"model": None, "metadata": {"a": None}}


def test_key_user_and_headers_go_with_every_request() -> None:
    client = Client(tell(body={"status": "ok"}), X_Trace="ü")
    assert client.health().status == "ok"
    headers = client.server.requests[0].headers
    assert headers["authorization"] == "Bearer key"
    assert headers["user-agent"].startswith("multiturn-client/")
    assert dict(headers.raw)[b"X_Trace"] == "ü".encode()


def test_environment_says_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTITURN_API_KEY", "from the environment")
    monkeypatch.setenv("MULTITURN_BASE_URL", "http://elsewhere:1/v1/")
    client = Multiturn()
    assert client.base_url == "http://elsewhere:1"
    assert client._transport.headers["Authorization"] == "Bearer from the environment"
    assert Multiturn(base_url="http://here").base_url == "http://here"
    monkeypatch.delenv("MULTITURN_BASE_URL")
    assert Multiturn().base_url == "http://127.0.0.1:8000"


def test_names_of_the_other_client_are_there() -> None:
    assert Julep is JulepClient is Multiturn
    assert AsyncJulep is AsyncClient is AsyncMultiturn


@pytest.mark.parametrize("owner", [{}, {"agent_id": "a"}, {"session_id": ""}, {"session_id": "s", "agent_id": "a"}])
def test_documents_have_one_owner_of_their_kind(owner: Any) -> None:
    with pytest.raises(TypeError, match="session_id="):
        Client().sessions.docs.get("d", **owner)
