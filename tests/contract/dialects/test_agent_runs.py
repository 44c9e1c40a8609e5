"""Runs of agents with tools, as clients see them: what is streamed, what is kept, and what waits for a person."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from multiturn.errors import ContextTooLong
from multiturn.model.tool import ToolAnswer
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import OpenPlace, Place, open_place
from tests.contract.dialects.knowing import make
from tests.unit.tool_hosts import ScriptedHost, echo

pytestmark = pytest.mark.asyncio(loop_scope="module")

DESK = {"type": "mcp", "label": "desk", "url": "https://desk.example/mcp"}
ASKED = {**DESK, "approval": "always"}
SAY = ScriptedCall("desk__echo", '{"text": "one"}')
SOON_S = 10.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """The server of this module: its agents' tools are in memory."""
    host = ScriptedHost({"echo": echo, "long": lambda arguments: ToolAnswer(text="word " * 50_000)})
    async with open_place(tmp_path_factory.mktemp("server"), None, tool_host=host) as place:
        yield place


async def make_session(place: Place, **agent: Any) -> str:
    """A session with an agent that has tools; its id."""
    made = await make(place, "/v1/agents", {"name": "clerk", "model": "m", "tools": [DESK], **agent})
    return str((await make(place, "/v1/sessions", {"agents": [made["id"]]}))["id"])


async def chat(place: Place, session: str, text: str = "Do it.", **fields: Any) -> Any:
    """Take a turn."""
    return await make(
        place, f"/v1/sessions/{session}/chat", {"messages": [{"role": "user", "content": text}], **fields}
    )


async def run_of(place: Place, session: str, *, status: str) -> dict[str, Any]:
    """The newest run of a session, once it has this status."""
    async with asyncio.timeout(SOON_S):
        while True:
            runs = await place.list_runs(session)
            if runs and runs[-1]["status"] == status:
                return runs[-1]
            await asyncio.sleep(0.01)


async def decide(place: Place, run_id: str, *, expected: int = 200, **body: Any) -> Any:
    """Say a person's word."""
    async with place.http.post(f"/v1/runs/{run_id}/approvals", json=body) as reply:
        assert reply.status == expected, await reply.text()
        return await reply.json()


async def test_tools_run_and_the_history_has_them(place: Place) -> None:
    session = await make_session(place)
    place.will_say(Script("Let me ask.", tool_calls=[SAY]), "It said one.")
    answer = await chat(place, session)
    assert answer["text"] == "Let me ask.\n\nIt said one."
    items = await place.list_items(session)
    assert [item["type"] for item in items] == ["message", "function_call", "function_call_output", "message"]
    assert items[2]["output"] == "You said one."
    (run,) = await place.list_runs(session)
    assert run["status"] == "completed"
    assert run["agent"]["version"] == 1
    assert run["usage"]["input_tokens"] > 0


async def test_the_next_turn_shows_the_calls_with_the_same_bytes(place: Place) -> None:
    session = await make_session(place)
    place.will_say(Script(tool_calls=[SAY]), "It said one.", "Again.")
    await chat(place, session)
    await chat(place, session, "And now?")
    first, second, third = [json.dumps(seen["messages"])[:-1] for seen in place.seen]
    assert second.startswith(first)
    assert third.startswith(second)
    assert place.seen[0]["tools"] == place.seen[2]["tools"]


async def test_steps_are_told_between_the_words(place: Place) -> None:
    session = await make_session(place)
    place.will_say(Script("Wait.", tool_calls=[SAY]), "Done.")
    await chat(place, session)
    (run,) = await place.list_runs(session)
    events = (await place.get(f"/v1/runs/{run['id']}/events"))["data"]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    steps = [event["step"]["type"] for event in events if event["type"] == "step"]
    assert steps == ["step_started", "tool_called", "tool_returned", "step_ended", "step_started", "step_ended"]
    assert [event["type"] for event in events][-2:] == ["answer", "end"]
    behind = (await place.get(f"/v1/runs/{run['id']}/events?starting_after=3"))["data"]
    assert behind == events[3:]


async def test_chat_completions_stream_only_words_and_calls_for_the_client(place: Place) -> None:
    session = await make_session(place)
    place.will_say(Script("Wait.", tool_calls=[SAY]), "Done.")
    stream = await place.client().chat.completions.create(
        model="m", stream=True, messages=[{"role": "user", "content": "Go."}], extra_body={"session_id": session}
    )
    chunks = [chunk async for chunk in stream]
    told = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in told) == "Wait.\n\nDone."
    assert not any(delta.tool_calls for delta in told)
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]


async def test_a_call_waits_for_a_person_and_the_turn_with_it(place: Place) -> None:
    session = await make_session(place, tools=[ASKED])
    place.will_say(Script("May I?", tool_calls=[SAY]), "Thanks.")
    asking = asyncio.create_task(chat(place, session))
    run = await run_of(place, session, status="waiting")
    assert (await place.get(f"/v1/sessions/{session}"))["running"] is None
    async with place.http.post(
        f"/v1/sessions/{session}/chat", json={"messages": [{"role": "user", "content": "Hello?"}]}
    ) as reply:
        assert reply.status == 409, await reply.text()
        assert (await reply.json())["error"]["code"] == "run_waiting"
    await decide(place, run["id"], approved=True)
    answer = await asking
    assert answer["text"] == "May I?\n\nThanks."
    items = await place.list_items(session)
    assert [item["type"] for item in items] == ["message", "function_call", "function_call_output", "message"]
    refused = await decide(place, run["id"], expected=409, approved=True)
    assert refused["error"]["code"] == "run_not_waiting"


async def test_a_stream_goes_on_behind_the_persons_word(place: Place) -> None:
    session = await make_session(place, tools=[ASKED])
    place.will_say(Script("May I?", tool_calls=[SAY]), "No? Fine.")
    body = {"messages": [{"role": "user", "content": "Go."}], "model": "m", "stream": True, "session_id": session}
    async with place.http.post("/v1/chat/completions", json=body) as reply:
        run = await run_of(place, session, status="waiting")
        await decide(place, run["id"], approved=False, reason="Too dear.")
        frames = (await reply.read()).decode().strip().split("\n\n")
    told = [json.loads(frame.removeprefix("data: ")) for frame in frames if frame.startswith("data: {")]
    words = [choice["delta"].get("content") or "" for chunk in told for choice in chunk["choices"]]
    assert "".join(words) == "May I?\n\nNo? Fine."
    assert "Too dear." in place.seen[-1]["messages"][-1]["content"]
    events = (await place.get(f"/v1/runs/{run['id']}/events?limit=1000"))["data"]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    steps = [event["step"]["type"] for event in events if event["type"] == "step"]
    assert steps.index("approval_asked") < steps.index("approval_given") < steps.index("tool_returned")


async def test_a_run_that_waits_can_be_cancelled(place: Place) -> None:
    session = await make_session(place, tools=[ASKED])
    place.will_say(Script("May I?", tool_calls=[SAY]), "Next.")
    asking = asyncio.create_task(chat_fails(place, session))
    run = await run_of(place, session, status="waiting")
    async with place.http.post(f"/v1/runs/{run['id']}/cancel") as reply:
        assert (await reply.json())["status"] == "cancelled"
    assert await asking == "run_cancelled"
    assert await place.list_texts(session) == ["Do it.", "May I?\n\n"]
    assert (await chat(place, session, "Next?"))["text"] == "Next."


async def chat_fails(place: Place, session: str, **fields: Any) -> str:
    """Take a turn that fails; the code of its error."""
    body = {"messages": [{"role": "user", "content": "Do it."}], **fields}
    async with place.http.post(f"/v1/sessions/{session}/chat", json=body) as reply:
        said = await reply.json()
        assert reply.status >= 400, said
        return str(said["error"]["code"])


async def test_a_run_over_its_limit_fails_and_keeps_what_it_did(place: Place) -> None:
    session = await make_session(place, limits={"tokens": 1})
    place.will_say(Script("Wait.", tool_calls=[SAY]))
    assert await chat_fails(place, session) == "run_limit_reached"
    assert await place.list_items(session) == []
    (run,) = await place.list_runs(session)
    assert run["status"] == "failed"
    steps = (await place.get(f"/v1/runs/{run['id']}/steps"))["data"]
    assert steps[0]["calls"][0]["result"] == "You said one."


async def test_an_agent_deleted_while_its_run_waits_still_answers(place: Place) -> None:
    session = await make_session(place, tools=[ASKED])
    place.will_say(Script("May I?", tool_calls=[SAY]), "Thanks.")
    asking = asyncio.create_task(chat(place, session))
    run = await run_of(place, session, status="waiting")
    (agent,) = (await place.get(f"/v1/sessions/{session}"))["agents"]
    async with place.http.delete(f"/v1/agents/{agent}") as reply:
        assert reply.status == 200
    await decide(place, run["id"], approved=True)
    assert (await asking)["text"] == "May I?\n\nThanks."


async def test_results_for_calls_that_were_never_made_are_refused(place: Place) -> None:
    session = await make_session(place)
    place.will_say("Hello.")
    await chat(place, session)
    body = {"messages": [{"role": "tool", "tool_call_id": "never", "content": "1"}]}
    async with place.http.post(f"/v1/sessions/{session}/chat", json=body) as reply:
        assert reply.status == 400
        assert (await reply.json())["error"]["code"] == "unknown_tool_call"


async def test_huge_results_are_kept_whole(place: Place) -> None:
    session = await make_session(place)
    place.will_say(Script(tool_calls=[ScriptedCall("desk__long")]), "Long.")
    await chat(place, session)
    (run,) = await place.list_runs(session)
    (call,) = (await place.get(f"/v1/runs/{run['id']}/steps"))["data"][0]["calls"]
    assert len(call["result"]) == 250_000
    shown = (await place.list_items(session))[2]["output"]
    assert len(shown) < 60_000
    assert "left out here" in shown


async def test_a_run_that_waits_goes_on_behind_a_restart(opening: OpenPlace) -> None:
    async with opening(tool_host=ScriptedHost({"echo": echo})) as place:
        session = await make_session(place, tools=[ASKED])
        place.will_say(Script("May I?", tool_calls=[SAY]))
        asking = asyncio.create_task(chat_fails(place, session))
        run = await run_of(place, session, status="waiting")
    with suppress(aiohttp.ClientError):
        assert await asking == "interrupted"
    host = ScriptedHost({"echo": echo})
    async with opening(tool_host=host) as place:
        (again,) = await place.list_runs(session)
        assert (again["id"], again["status"]) == (run["id"], "waiting")
        place.will_say("Thanks.")
        await decide(place, run["id"], approved=True)
        await run_of(place, session, status="completed")
        assert host.calls == [("echo", {"text": "one"})]
        assert await place.list_texts(session) == ["Do it.", None, None, "May I?\n\nThanks."]


async def test_nobodys_word_in_time_is_a_no(opening: OpenPlace) -> None:
    async with opening(tool_host=ScriptedHost({"echo": echo}), approval_s=0.0) as place:
        session = await make_session(place, tools=[ASKED])
        place.will_say(Script("May I?", tool_calls=[SAY]), "Nobody said yes.")
        assert (await chat(place, session))["text"] == "May I?\n\nNobody said yes."
        assert "Nobody answered in time" in place.seen[-1]["messages"][-1]["content"]


async def test_a_run_that_waited_longer_than_its_events_live_can_be_cancelled(opening: OpenPlace) -> None:
    changes: dict[str, Any] = {"events_life_s": 0.0, "sweep_every_s": 0.02}
    async with opening(tool_host=ScriptedHost({"echo": echo}), **changes) as place:
        session = await make_session(place, tools=[ASKED])
        place.will_say(Script("May I?", tool_calls=[SAY]))
        asking = asyncio.create_task(chat_fails(place, session))
        run = await run_of(place, session, status="waiting")
        await asyncio.sleep(0.1)
        told = (await place.get(f"/v1/runs/{run['id']}/events"))["data"]
        assert [event["number"] for event in told] == list(range(1, len(told) + 1))
        assert told[-1]["step"]["type"] == "approval_asked"
        async with place.http.post(f"/v1/runs/{run['id']}/cancel") as reply:
            assert (await reply.json())["status"] == "cancelled"
        assert await asking == "run_cancelled"


async def test_a_run_that_is_not_saved_leaves_nothing_of_its_waiting(place: Place) -> None:
    session = await make_session(place, tools=[ASKED])
    place.will_say(Script("May I?", tool_calls=[SAY]), Script("Again?", tool_calls=[SAY]), "Thanks.")
    asking = asyncio.create_task(chat(place, session, save=False))
    for _ in range(2):
        run = await run_of(place, session, status="waiting")
        assert (await place.get(f"/v1/runs/{run['id']}/steps"))["data"] == []
        await decide(place, run["id"], approved=True)
    assert (await asking)["text"] == "May I?\n\nAgain?\n\nThanks."
    assert await place.list_items(session) == []
    (run,) = await place.list_runs(session)
    assert (run["status"], run["usage"]["output_tokens"] > 0) == ("completed", True)
    assert (await place.get(f"/v1/runs/{run['id']}/steps"))["data"] == []
    events = (await place.get(f"/v1/runs/{run['id']}/events"))["data"]
    assert [event["type"] for event in events] == ["end"]


async def test_a_run_that_is_cancelled_keeps_the_calls_that_ran(place: Place) -> None:
    tools = [DESK, {**ASKED, "label": "ask"}]
    session = await make_session(place, tools=tools)
    asked = ScriptedCall("ask__echo", '{"text": "two"}', id="call_2")
    place.will_say(Script("May I?", tool_calls=[SAY, asked]))
    asking = asyncio.create_task(chat_fails(place, session))
    run = await run_of(place, session, status="waiting")
    async with place.http.post(f"/v1/runs/{run['id']}/cancel") as reply:
        assert (await reply.json())["status"] == "cancelled"
    assert await asking == "run_cancelled"
    (step,) = (await place.get(f"/v1/runs/{run['id']}/steps"))["data"]
    assert [call.get("result") for call in step["calls"]] == ["You said one.", None]
    items = await place.list_items(session)
    assert [item["type"] for item in items] == ["message", "function_call", "function_call_output", "message"]


async def test_a_context_that_is_too_long_for_the_provider_is_cut_once_with_tools_too(place: Place) -> None:
    session = await make_session(place)
    place.will_say(ContextTooLong("Too long.", status=400), Script("Wait.", tool_calls=[SAY]), "Done.")
    assert (await chat(place, session))["text"] == "Wait.\n\nDone."
    (run,) = await place.list_runs(session)
    events = (await place.get(f"/v1/runs/{run['id']}/events"))["data"]
    steps = [event["step"]["type"] for event in events if event["type"] == "step"]
    assert steps == ["step_started", "tool_called", "tool_returned", "step_ended", "step_started", "step_ended"]
