"""Runs, approvals and agents of our client: what is asked of the server, and what its answers become."""

from __future__ import annotations

from datetime import date

import httpx
import pytest

from multiturn_client import ConnectionFailed, RunWaitingError, StepCall, UsageRow
from tests.sdk.answering import Client, fail, tell

PAGE = {"object": "list", "data": [{"id": "r"}], "has_more": False, "next": None}
STEP = {"number": 1, "calls": [{"call_id": "c", "name": "n", "result": "all of it", "duration_ms": 1.5}]}


def test_runs_are_asked_for_by_status_and_agent() -> None:
    client = Client(tell(body=PAGE), tell(body=PAGE))
    assert [run.id for run in client.runs.list(status="failed", agent_id="guide", limit=5)] == ["r"]
    assert [run.id for run in client.sessions.runs("s", status="waiting")] == ["r"]
    assert client.asked == [
        "GET /v1/runs?status=failed&agent_id=guide&limit=5",
        "GET /v1/sessions/s/runs?status=waiting",
    ]


def test_steps_have_their_types() -> None:
    client = Client(tell(body={**PAGE, "data": [STEP]}))
    (step,) = client.runs.steps("r")
    assert step.calls == (StepCall(call_id="c", name="n", result="all of it", duration_ms=1.5),)


def test_word_is_said_of_one_call_of_several_or_of_all() -> None:
    client = Client(*[tell(body={"id": "r", "status": "in_progress"})] * 4)
    assert client.approvals.approve("r").status == "in_progress"
    assert client.sent() == {"approved": True}
    client.approvals.deny("r", reason="no")
    assert client.sent() == {"approved": False, "reason": "no"}
    client.approvals.deny("r", "c", reason="no")
    assert client.sent() == {"decisions": [{"call_id": "c", "approved": False, "reason": "no"}]}
    client.approvals.decide("r", [{"call_id": "c", "approved": True}])
    assert client.sent() == {"decisions": [{"call_id": "c", "approved": True}]}
    assert set(client.asked) == {"POST /v1/runs/r/approvals"}


def test_word_is_not_said_twice() -> None:
    """When its answer is lost, whether it was heard is for the caller to find out: a second one would be refused."""
    client = Client(httpx.ReadError("gone"), fail(409, "run_not_waiting"))
    with pytest.raises(ConnectionFailed):
        client.approvals.approve("r")
    assert len(client.asked) == 1


def test_listings_of_agents_and_users_go_on_by_their_cursor() -> None:
    for kind in ("agents", "users"):
        first = {**PAGE, "has_more": True, "next": "1_ab"}
        client = Client(tell(body=first), tell(body=PAGE))
        listed = client.agents.list() if kind == "agents" else client.users.list()
        assert len(list(listed)) == 2
        assert client.asked == [f"GET /v1/{kind}", f"GET /v1/{kind}?cursor=1_ab"]


def test_waiting_run_has_an_error_of_its_own() -> None:
    client = Client(fail(409, "run_waiting", x_should_retry="false"))
    with pytest.raises(RunWaitingError):
        client.sessions.chat("s", "Hello")


def test_usage_is_asked_for_in_days() -> None:
    report = {"from": "2026-11-01", "to": "2026-11-21", "data": [{"turns": 2, "model": "m"}], "total": {"turns": 3}}
    client = Client(tell(body=report))
    told = client.usage.report(first=date(2026, 11, 1), last="2026-11-21", group_by=["user", "model"], user_id="ann")
    asked = "from=2026-11-01&to=2026-11-21&user=ann&group_by=user%2Cmodel"
    assert client.asked == [f"GET /v1/usage?{asked}"]
    assert (told.first, told.last, told.total.turns) == ("2026-11-01", "2026-11-21", 3)
    assert told.data == (UsageRow(turns=2, model="m"),)
