"""Runs in Powabase's dialect: whole and streamed, with tools, approvals, thoughts and failures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import requests

from multiturn.errors import UpstreamError
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import Place, open_place
from tests.contract.dialects.powabase_clients import Api, kinds_of, open_api, pick
from tests.unit.tool_hosts import ScriptedHost, echo

pytestmark = pytest.mark.asyncio(loop_scope="module")

DESK = {"name": "desk", "url": "https://desk.example/mcp"}
SAY = ScriptedCall("desk__echo", '{"text": "one"}')
HOOK = {"event": "PreToolUse", "type": "approval", "matcher": "desk__echo", "config": {}}
SOON_S = 10.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """The server of this module: its agents' tools are in memory."""
    host = ScriptedHost({"echo": echo})
    async with open_place(tmp_path_factory.mktemp("server"), None, tool_host=host) as place:
        yield place


@pytest_asyncio.fixture(loop_scope="module")
async def api(place: Place) -> Api:
    return open_api(place)


async def make_clerk(api: Api, *, asks: bool = False) -> str:
    """An agent with a tool, for which a person is asked where that is wanted."""
    agent = await api.make_agent()
    await api.post(f"{agent}/mcp-servers", DESK, status=201)
    if asks:
        await api.post(f"{agent}/hooks", HOOK, status=201)
    return agent


async def status_of(api: Api, run_id: str, status: str) -> Any:
    """A run, once it has this status."""
    async with asyncio.timeout(SOON_S):
        while (run := await api.get(f"/agents/runs/{run_id}"))["status"] != status:
            await asyncio.sleep(0.01)
    return run


async def test_run_makes_a_session_and_goes_on_in_it(place: Place, api: Api) -> None:
    agent = await api.make_agent(system_prompt="Be brief.")
    place.will_say("Hello.", "Again.")
    first = await api.run(agent, "hi")
    assert (first["content"], first["status"], first["is_new_session"]) == ("Hello.", "completed", True)
    assert first["usage"]["total_tokens"] == first["usage"]["prompt_tokens"] + first["usage"]["completion_tokens"]
    second = await api.run(agent, "and now?", session_id=first["session_id"])
    assert (second["session_id"], second["is_new_session"]) == (first["session_id"], False)
    assert place.seen_texts[-1][1:] == ["hi", "Hello.", "and now?"]
    assert "Be brief." in place.seen_texts[-1][0]


async def test_stream_starts_first_and_completes_last(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    place.will_say("One two.")
    events = await api.stream(agent)
    told = [kind for kind in kinds_of(events) if kind != "content_delta"]
    assert told == ["start", "step_started", "step_completed", "chunk", "complete"]
    text = "".join(event["delta"] for event in events if event["event"] == "content_delta")
    start, end = events[0], events[-1]
    assert text == pick(events, "chunk")["content"] == end["content"] == "One two."
    assert {name: start[name] for name in ("run_id", "session_id")} == {
        name: end[name] for name in ("run_id", "session_id")
    }
    assert (end["status"], end["error"], end["steps"], end["tool_calls"]) == ("completed", None, 1, [])
    run = await api.get(f"/agents/runs/{start['run_id']}")
    assert (run["status"], run["content"]) == ("completed", "One two.")


async def test_session_and_run_are_stored_before_the_start_is_told(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    hold = asyncio.Event()
    place.will_say(Script("Hello.", hold=hold))

    def begin() -> tuple[requests.Response, dict[str, Any]]:
        reply = requests.post(
            f"{place.url}/api{agent}/run/stream", json={"message": "hi"}, headers=api.headers, stream=True
        )
        return reply, json.loads(next(reply.iter_lines()).removeprefix(b"data: "))

    reply, start = await asyncio.to_thread(begin)
    with reply:
        assert start["event"] == "start"
        session = await api.get(f"/sessions/{start['session_id']}")
        assert session["session_id"] == start["session_id"]
        (run,) = (await api.get(f"/sessions/{start['session_id']}/runs"))["runs"]
        assert (run["run_id"], run["status"]) == (start["run_id"], "running")
        assert not (await api.get(f"/sessions/{start['session_id']}/messages"))["messages"]
        hold.set()
    await status_of(api, start["run_id"], "completed")


async def test_session_is_made_under_a_name_of_the_clients(api: Api) -> None:
    agent = await api.make_agent()
    first = await api.run(agent, session_id="chat of Ada")
    assert (first["session_id"], first["is_new_session"]) == ("chat of Ada", True)
    assert not (await api.run(agent, session_id="chat of Ada"))["is_new_session"]
    assert (await api.get("/sessions/chat of Ada"))["session_id"] == "chat of Ada"


async def test_id_of_ours_that_is_not_there_makes_no_session(api: Api) -> None:
    agent = await api.make_agent()
    body = {"message": "hi", "session_id": "sess_" + "0" * 32}
    assert await api.refuse("POST", f"{agent}/run", body) == (404, "Session not found")
    assert (await api.get(f"{agent}/sessions"))["total"] == 0


async def test_tools_are_told_as_they_run(place: Place, api: Api) -> None:
    agent = await make_clerk(api)
    place.will_say(Script("Let me ask.", tool_calls=[SAY]), "It said one.")
    events = await api.stream(agent)
    told = [kind for kind in kinds_of(events) if kind != "content_delta"]
    steps = ["step_started", "tool_call", "tool_result", "step_completed", "step_started", "step_completed"]
    assert told == ["start", *steps, "chunk", "complete"]
    called, returned = pick(events, "tool_call"), pick(events, "tool_result")
    assert (called["tool_name"], called["arguments"]) == ("desk__echo", {"text": "one"})
    assert (returned["call_id"], returned["result_preview"]) == (called["call_id"], "You said one.")
    (call,) = events[-1]["tool_calls"]
    assert (call["step"], call["result"], call["is_error"]) == (1, "You said one.", False)
    assert call["duration_ms"] >= 0
    messages = (await api.get(f"/sessions/{events[0]['session_id']}/messages"))["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[1]["tool_calls"] == [call]
    (run,) = (await api.get(f"/sessions/{events[0]['session_id']}/runs"))["runs"]
    assert (run["steps"], run["tool_calls"]) == (2, [call])
    assert [event["event"] for event in run["events"]] == ["tool_call", "tool_result"]
    assert run["reasoning_steps"][0] == {"step": 1, "content": "Let me ask.", "tool_calls": ["desk__echo"]}


async def test_approval_is_asked_and_the_run_goes_on(place: Place, api: Api) -> None:
    agent = await make_clerk(api, asks=True)
    place.will_say(Script(tool_calls=[SAY]), "It said one.")
    asked = await api.run(agent)
    assert asked["status"] == "waiting_for_approval"
    body = {"message": "hurry", "session_id": asked["session_id"]}
    assert (await api.refuse("POST", f"{agent}/run", body))[0] == 409
    path = f"/agents/runs/{asked['run_id']}/approve"
    assert await api.post(path, {"approved": True}) == {"status": "resumed"}
    run = await status_of(api, asked["run_id"], "completed")
    assert run["content"] == "It said one."
    assert run["tool_calls"][0]["approved"]
    assert await api.refuse("POST", path, {"approved": True}) == (404, "Run not found or not waiting for approval")


async def test_denied_tool_does_not_run(place: Place, api: Api) -> None:
    agent = await make_clerk(api, asks=True)
    place.will_say(Script(tool_calls=[SAY]), "Then not.")
    following = asyncio.create_task(api.stream(agent))
    session = ""
    async with asyncio.timeout(SOON_S):
        while not session:
            rows = (await api.get(f"{agent}/sessions", min_runs=1))["sessions"]
            session = rows[0]["session_id"] if rows else ""
    (run,) = (await api.get(f"/sessions/{session}/runs"))["runs"]
    await status_of(api, run["run_id"], "waiting_for_approval")
    await api.post(f"/agents/runs/{run['run_id']}/approve", {"approved": False, "reason": "Not today."})
    events = await following
    asked = pick(events, "approval_requested")
    assert (asked["tool_name"], asked["tool_input"]) == ("desk__echo", {"text": "one"})
    assert run["run_id"] in asked["message"]
    assert pick(events, "hook_result")["reason"] == "Not today."
    assert events[-1]["content"] == "Then not."
    assert not events[-1]["tool_calls"][0]["approved"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "Request body must include 'approved' (boolean)"),
        ({"approved": "yes"}, "'approved' must be a boolean"),
        ({"approved": None}, "'approved' must be a boolean"),
    ],
)
async def test_approval_is_a_truth_value(api: Api, body: Any, text: str) -> None:
    assert await api.refuse("POST", "/agents/runs/run_1/approve", body) == (400, text)


async def test_run_of_nobody_waits_for_nothing(api: Api) -> None:
    text = "Run not found or not waiting for approval"
    for run_id in ("run_1", "run_" + "0" * 32):
        assert await api.refuse("POST", f"/agents/runs/{run_id}/approve", {"approved": True}) == (404, text)
        assert await api.refuse("GET", f"/agents/runs/{run_id}") == (404, "Run not found")


async def test_thoughts_are_told_apart_and_kept(place: Place, api: Api) -> None:
    agent = await api.make_agent(settings={"reasoning_effort": "low"})
    place.will_say(Script("Yes.", thoughts="Let me think."))
    events = await api.stream(agent)
    assert events[0]["reasoning_requested"]
    told = "".join(event["delta"] for event in events if event["event"] == "reasoning_delta")
    assert told == pick(events, "reasoning")["content"] == "Let me think."
    assert "".join(event["delta"] for event in events if event["event"] == "content_delta") == "Yes."
    answer = (await api.get(f"/sessions/{events[0]['session_id']}/messages"))["messages"][-1]
    assert answer["reasoning"] == {"source": "thinking", "content": "Let me think."}
    assert answer["reasoning_requested"]


async def test_run_says_whether_the_model_thinks(api: Api) -> None:
    agent = await api.make_agent()
    events = await api.stream(agent, reasoning_requested=True, session_id="s")
    assert events[0]["reasoning_requested"]
    events = await api.stream(agent, reasoning_requested=False, session_id="s")
    assert not events[0]["reasoning_requested"]
    runs = (await api.get("/sessions/s/runs"))["runs"]
    asked = [run["output_messages"][0].get("reasoning_requested", False) for run in runs]
    assert asked == [True, False]


async def test_fields_of_a_run_reach_the_model(place: Place, api: Api) -> None:
    agent = await api.make_agent(settings={"temperature": 0.9, "seed": 7, "color": "blue"})
    await api.run(agent, temperature=0.1, response_format={"type": "json_object"})
    seen = place.seen[-1]
    assert (seen["temperature"], seen["seed"], seen["response_format"]) == (0.1, 7, {"type": "json_object"})
    assert "color" not in seen


async def test_run_that_fails_names_itself(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    place.will_say(UpstreamError("The model is on fire."), UpstreamError("The model is on fire."))
    status, failed = await api.send("POST", f"{agent}/run", {"message": "hi", "session_id": "s"})
    assert (status, failed["error"]) == (502, "Agent run failed: The model is on fire.")
    run = await api.get(f"/agents/runs/{failed['run_id']}")
    assert (run["status"], run["error"]) == ("failed", "The model is on fire.")
    events = await api.stream(agent, session_id="s")
    assert kinds_of(events) == ["start", "error", "complete"]
    assert events[1]["error"] == events[1]["message"] == events[2]["error"] == "The model is on fire."
    assert events[2]["status"] == "failed"
    assert (await api.get("/sessions/s/messages"))["messages"] == []
    runs = (await api.get("/sessions/s/runs"))["runs"]
    assert [run["status"] for run in runs] == ["failed", "failed"]


@pytest.mark.parametrize("has_tools", [True, False])
async def test_time_of_a_run_is_limited(place: Place, api: Api, *, has_tools: bool) -> None:
    agent = await (make_clerk(api) if has_tools else api.make_agent())
    place.will_say(Script("Slow.", hold=asyncio.Event()))
    status, failed = await api.send("POST", f"{agent}/run", {"message": "hi", "timeout_seconds": 0.05})
    assert status == 413
    assert "0.05 seconds" in failed["error"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "message is required"),
        ({"message": "  "}, "message is required"),
        ({"message": "hi", "timeout_seconds": 0}, "`float` > 0.0"),
        ({"message": "hi", "session_id": "a" * 256}, "255"),
        ({"message": 7}, "Expected `str`"),
    ],
)
async def test_run_that_is_wrong_says_what(api: Api, body: Any, text: str) -> None:
    agent = await api.make_agent()
    status, said = await api.refuse("POST", f"{agent}/run", body)
    assert status == 400
    assert text in said
    assert (await api.get(f"{agent}/sessions"))["total"] == 0


async def test_refused_run_leaves_no_session(api: Api) -> None:
    agent = await api.make_agent(model=None)
    status, text = await api.refuse("POST", f"{agent}/run", {"message": "hi"})
    assert status == 400
    assert "model" in text
    assert (await api.get(f"{agent}/sessions"))["total"] == 0


async def test_repeated_key_is_the_same_run(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    keyed = Api(api.url, {**api.headers, "Idempotency-Key": "k1"})
    first, second = await keyed.run(agent), await keyed.run(agent)
    assert (first["run_id"], first["session_id"]) == (second["run_id"], second["session_id"])
    assert len(place.seen) == 1
    assert (await api.get(f"{agent}/sessions"))["total"] == 1


async def test_two_keys_that_differ_are_refused(place: Place, api: Api) -> None:
    other = await place.make_key()
    mixed = Api(api.url, {"apikey": place.key, "Authorization": f"Bearer {other}"})
    assert (await mixed.refuse("GET", "/agents"))[0] == 401
    for headers in ({"apikey": place.key}, {"Authorization": f"Bearer {place.key}"}):
        assert (await Api(api.url, headers).get("/agents"))["total"] == 0
    assert await Api(api.url, {}).refuse("GET", "/agents") == (401, "Authorization header required")


async def test_what_is_not_there_says_so(api: Api) -> None:
    for method, path in (("GET", "/orchestrations/x/sessions"), ("POST", "/orchestrations/x/run/stream")):
        status, text = await api.refuse(method, path)
        assert status == 501
        assert "orchestrations" in text
    assert (await api.refuse("GET", "/nothing"))[0] == 404
    assert (await api.refuse("PUT", "/agents"))[0] == 405
    assert await api.refuse("POST", "/agents/none/run", {"message": "hi"}) == (404, "Agent not found")
