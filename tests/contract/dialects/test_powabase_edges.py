"""The edges of Powabase's dialect: clients that go away, tools of the client's, forks, cancels, users with one name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import requests

from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import Place, open_place
from tests.contract.dialects.knowing import make, make_store, put
from tests.contract.dialects.powabase_clients import Api, kinds_of, open_api, pick
from tests.unit.tool_hosts import ScriptedHost, echo

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON_S = 10.0
FORECAST = {"tool_type": "function", "tool_name": "forecast", "config_override": {"description": "The weather"}}
ASK = ScriptedCall("forecast", '{"day": "Monday"}')


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    host = ScriptedHost({"echo": echo}, missing=("away",))
    async with open_place(tmp_path_factory.mktemp("server"), None, tool_host=host) as place:
        yield place


@pytest_asyncio.fixture(loop_scope="module")
async def api(place: Place) -> Api:
    return open_api(place)


async def status_of(api: Api, run_id: str, *statuses: str) -> Any:
    """A run, once it has one of these statuses."""
    async with asyncio.timeout(SOON_S):
        while (run := await api.get(f"/agents/runs/{run_id}"))["status"] not in statuses:
            await asyncio.sleep(0.01)
    return run


async def list_messages(api: Api, session: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await api.get(f"/sessions/{session}/messages"))["messages"]
    return messages


async def begin(place: Place, agent: str, session: str, text: str = "hi") -> tuple[str, asyncio.Event]:
    """A run that has said "one" and stands still, and what makes it go on. Its client went away."""
    hold = asyncio.Event()
    place.will_say(Script("one two", pieces_first=1, hold=hold))
    headers = {"apikey": place.key}

    def ask() -> str:
        url, body = f"{place.url}/api{agent}/run/stream", {"message": text, "session_id": session}
        with requests.post(url, json=body, headers=headers, stream=True) as reply:
            run_id = reply.headers["X-Run-Id"]
            assert next(reply.iter_lines()).startswith(b"data: ")
            return run_id

    return await asyncio.to_thread(ask), hold


async def test_client_that_goes_away_does_not_stop_the_run(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    run_id, hold = await begin(place, agent, "s")
    assert (await api.get(f"/agents/runs/{run_id}"))["status"] == "running"
    hold.set()
    run = await status_of(api, run_id, "completed")
    assert run["content"] == "one two"
    assert [message["content"] for message in await list_messages(api, "s")] == ["hi", "one two"]


async def test_cancelled_run_says_so_and_keeps_what_was_said(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    run_id, _ = await begin(place, agent, "s")
    async with place.http.post(f"/v1/runs/{run_id}/cancel") as reply:
        assert reply.status == 200
    run = await status_of(api, run_id, "failed")
    assert run["error"] == "The run was cancelled."
    (kept,) = (await api.get("/sessions/s/runs"))["runs"]
    assert (kept["status"], kept["error"]) == ("failed", "The run was cancelled.")


async def test_deleted_session_takes_its_run_along(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    run_id, _ = await begin(place, agent, "s")
    await api.delete("/sessions/s")
    assert await api.refuse("GET", f"/agents/runs/{run_id}") == (404, "Run not found")
    assert (await api.get(f"{agent}/sessions"))["total"] == 0


async def test_call_for_the_client_ends_the_run(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    await api.post(f"{agent}/tools", FORECAST, status=201)
    place.will_say(Script(tool_calls=[ASK]), "Take a coat.")
    run = await api.run(agent, "Will it rain?", session_id="s")
    assert run["status"] == "completed"
    (call,) = run["tool_calls"]
    assert (call["tool_name"], call["arguments"], call["result"]) == ("forecast", {"day": "Monday"}, None)
    answered = (await list_messages(api, "s"))[-1]
    assert (answered["role"], answered["content"]) == ("assistant", "")
    assert answered["tool_calls"] == [call]
    result = {"role": "tool", "tool_call_id": call["call_id"], "content": "12 mm"}
    await make(place, "/v1/chat/completions", {"model": "m", "session_id": "s", "messages": [result]})
    asked, called, told = await list_messages(api, "s")
    assert (asked["content"], told["content"]) == ("Will it rain?", "Take a coat.")
    assert called["tool_calls"][0]["result"] == "12 mm"
    (kept, _) = (await api.get("/sessions/s/runs"))["runs"]
    assert kept["output_messages"][0]["tool_calls"][0]["function"]["name"] == "forecast"


async def test_tools_that_are_away_are_told_and_the_run_goes_on(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    await api.post(f"{agent}/mcp-servers", {"name": "away", "url": "https://away.example/mcp"}, status=201)
    place.will_say("Without them, then.")
    events = await api.stream(agent)
    missing = pick(events, "tools_missing")
    assert missing["source"] == "away"
    assert "away" in missing["message"]
    assert kinds_of(events)[-1] == "complete"
    assert events[-1]["content"] == "Without them, then."


async def test_fork_shows_what_it_shares(place: Place, api: Api) -> None:
    store = await make_store(place, "things")
    await put(place, store, "bridges.md", "# Bridges\n\nThe iron bridge was opened in 1781.\n")
    agent = await api.make_agent()
    await api.post(f"{agent}/knowledge-bases", {"knowledge_base_id": store.rpartition("/")[2]}, status=201)
    place.will_say("The iron bridge was opened in 1781.", "Yes.")
    run = await api.run(agent, "When was the iron bridge opened?", session_id="s")
    fork = (await make(place, "/v1/sessions/s/fork", {}))["id"]
    assert await list_messages(api, fork) == await list_messages(api, "s")
    path = f"/runs/{run['run_id']}/retrieved-context"
    shared, own = await api.get(f"/sessions/{fork}{path}"), await api.get(f"/sessions/s{path}")
    assert shared["retrieved_context"] == own["retrieved_context"]
    await api.run(agent, "Sure?", session_id=fork)
    assert len(await list_messages(api, fork)) == 4
    assert len(await list_messages(api, "s")) == 2


async def test_users_with_one_name_for_their_sessions_have_their_own(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    ada, bob = [open_api(place, key=await place.make_key(user=user)) for user in ("ada", "bob")]
    place.will_say("Hello Ada.", "Hello Bob.")
    assert (await ada.run(agent, session_id="home"))["is_new_session"]
    assert (await bob.run(agent, session_id="home"))["is_new_session"]
    assert [message["content"] for message in await list_messages(ada, "home")] == ["hi", "Hello Ada."]
    assert [message["content"] for message in await list_messages(bob, "home")] == ["hi", "Hello Bob."]
    listed = [(await one.get(f"{agent}/sessions"))["total"] for one in (ada, bob, api)]
    assert listed == [1, 1, 2]
    for row in (await api.get(f"{agent}/sessions"))["sessions"]:
        assert len(await list_messages(api, row["session_id"])) == 2


async def test_session_outlives_its_agent(place: Place, api: Api) -> None:
    agent, other = await api.make_agent(), await api.make_agent(system_prompt="Be kind.")
    await api.run(agent, "first", session_id="s")
    await api.delete(agent)
    assert len(await list_messages(api, "s")) == 2
    assert await api.refuse("POST", f"{agent}/run", {"message": "x", "session_id": "s"}) == (404, "Agent not found")
    await api.run(other, "second", session_id="s")
    assert [message["content"] for message in await list_messages(api, "s")][::2] == ["first", "second"]
    assert "Be kind." in place.seen_texts[-1][0]


async def test_two_agents_answer_in_one_session(place: Place, api: Api) -> None:
    first, second = await api.make_agent(system_prompt="Be brief."), await api.make_agent(system_prompt="Be kind.")
    for agent in (first, second, first):
        await api.run(agent, session_id="s")
    told = [texts[0] for texts in place.seen_texts]
    assert ["Be kind." in text for text in told] == [False, True, False]
    runs = (await api.get("/sessions/s/runs"))["runs"]
    assert [f"/agents/{run['agent_id']}" for run in runs] == [first, second, first]


async def test_first_runs_of_one_name_at_once_share_a_session(api: Api) -> None:
    agent = await api.make_agent()
    ran = await asyncio.gather(*[api.run(agent, f"hi {number}", session_id="s") for number in range(4)])
    assert [run["is_new_session"] for run in ran].count(True) == 1
    assert len(await list_messages(api, "s")) == 8
    assert (await api.get(f"{agent}/sessions"))["total"] == 1


async def test_run_of_a_session_that_waits_in_line_is_pending(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    first, hold = await begin(place, agent, "s")
    second, _ = await begin(place, agent, "s", "and then?")
    assert [run["status"] for run in (await api.get("/sessions/s/runs"))["runs"]] == ["running", "pending"]
    assert (await api.get(f"/agents/runs/{second}"))["steps"] == 0
    hold.set()
    await status_of(api, first, "completed")
    await status_of(api, second, "running")
    await api.delete("/sessions/s")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"null"])
async def test_body_that_is_no_object_is_refused(api: Api, body: bytes) -> None:
    agent = await api.make_agent()
    for path in ("/agents", f"{agent}/run", f"{agent}/run/stream", f"{agent}/hooks"):
        status, text = await api.refuse("POST", path, data=body)
        assert (status, text) == (400, "Request body must be valid JSON")
