"""Runs of agents in the native API: their steps, what waits for a word, the word, and lists beyond one session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import Place, enter_shared, open_place
from tests.contract.dialects.knowing import make_store, put
from tests.contract.dialects.test_native_agents import make, refuse, send
from tests.unit.tool_hosts import ScriptedHost, echo

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG_S = 10.0
SOURCE = {"type": "mcp", "label": "files", "url": "http://127.0.0.1:9/mcp", "approval": ["write"]}
READ, WRITE = "files__read", "files__write"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    host = ScriptedHost({"read": echo, "write": echo})
    async with open_place(tmp_path_factory.mktemp("server"), None, model="scripted", tool_host=host) as place:
        yield place


def calling(*names: str) -> Script:
    """A model that calls tools."""
    return Script("", tool_calls=[ScriptedCall(name, '{"text": "a"}') for name in names])


async def begin(place: Place, *, session: str = "s", agent: str = "guide") -> None:
    """Make an agent with tools, and a session in which it answers."""
    status, _ = await send(place, "GET", f"/v1/agents/{agent}")
    if status == 404:
        await make(place, "agents", name="Guide", canonical_name=agent, tools=[SOURCE])
    await make(place, "sessions", external_id=session, agent_id=agent)


async def start(place: Place, *, session: str = "s", **fields: Any) -> tuple[asyncio.Task[Any], str]:
    """Take a turn that waits for a word: the turn, and its run."""
    body = {"messages": [{"role": "user", "content": "Write it."}], **fields}
    turn = asyncio.create_task(send(place, "POST", f"/v1/sessions/{session}/chat", body))
    async with asyncio.timeout(LONG_S):
        while True:
            waiting = [one["run"] for one in (await place.get("/v1/approvals"))["data"]]
            found = [run["id"] for run in waiting]
            known = {run["id"] for run in await place.list_runs(session)}
            if here := [id_ for id_ in found if id_ in known]:
                return turn, here[-1]
            assert not turn.done(), turn.result()
            await asyncio.sleep(0.01)


async def test_steps_are_told_with_whole_results(place: Place) -> None:
    await begin(place)
    place.will_say(calling(READ, READ), "Done.")
    status, answer = await send(
        place, "POST", "/v1/sessions/s/chat", {"messages": [{"role": "user", "content": "Read it."}]}
    )
    assert (status, answer["text"]) == (200, "Done.")
    first, last = (await place.get(f"/v1/runs/{answer['id']}/steps"))["data"]
    assert [(call["name"], call["source"], call["result"], call["is_error"]) for call in first["calls"]] == [
        (READ, "files", "You said a.", False)
    ] * 2
    assert all(call["duration_ms"] >= 0 and call["approved"] is None for call in first["calls"])
    assert (first["number"], last["number"], last["text"], last["calls"]) == (1, 2, "Done.", [])
    assert last["usage"]["output_tokens"] > 0


async def test_plain_run_has_no_steps(place: Place) -> None:
    await place.ask("hi")
    (run,) = await place.list_runs()
    assert (await place.get(f"/v1/runs/{run['id']}/steps"))["data"] == []
    approvals = await place.get(f"/v1/runs/{run['id']}/approvals")
    assert (approvals["run"]["id"], approvals["data"], approvals["asked_at"]) == (run["id"], [], None)


async def test_run_waits_for_a_word_and_goes_on(place: Place) -> None:
    await begin(place)
    place.will_say(calling(READ, WRITE), "Written.")
    turn, run_id = await start(place)
    waiting = await place.get(f"/v1/runs/{run_id}/approvals")
    (call,) = waiting["data"]
    assert (call["name"], call["source"], call["arguments"]) == (WRITE, "files", '{"text": "a"}')
    assert waiting["run"]["status"] == "waiting"
    assert waiting["run"]["agent"]["version"] == 1
    assert waiting["asked_at"] < waiting["expires_at"]
    assert (await place.get("/v1/approvals"))["data"] == [waiting]
    assert [run["id"] for run in (await place.get("/v1/runs?status=waiting&agent_id=guide"))["data"]] == [run_id]
    again = {"messages": [{"role": "user", "content": "And now?"}]}
    await refuse(place, "POST", "/v1/sessions/s/chat", again, status=409, code="run_waiting")
    decided = {"decisions": [{"call_id": call["call_id"], "approved": True, "reason": "Why not."}]}
    status, run = await send(place, "POST", f"/v1/runs/{run_id}/approvals", decided)
    assert (status, run["id"]) == (200, run_id)
    async with asyncio.timeout(LONG_S):
        status, answer = await turn
    assert (status, answer["id"], answer["text"]) == (200, run_id, "Written.")
    steps = (await place.get(f"/v1/runs/{run_id}/steps"))["data"]
    kept = {one["name"]: (one["approved"], one["reason"], one["result"]) for one in steps[0]["calls"]}
    assert kept == {READ: (None, None, "You said a."), WRITE: (True, "Why not.", "You said a.")}
    await refuse(place, "POST", f"/v1/runs/{run_id}/approvals", decided, status=409, code="run_not_waiting")
    assert (await place.get("/v1/approvals"))["data"] == []


async def test_no_is_told_to_the_model(place: Place) -> None:
    await begin(place)
    place.will_say(calling(WRITE, WRITE), "Then not.")
    turn, run_id = await start(place)
    status, _ = await send(
        place, "POST", f"/v1/runs/{run_id}/approvals", {"approved": False, "reason": "It is Sunday."}
    )
    assert status == 200
    async with asyncio.timeout(LONG_S):
        assert (await turn)[1]["text"] == "Then not."
    told = [message["content"] for message in place.seen[-1]["messages"] if message["role"] == "tool"]
    assert len(told) == 2
    assert all("It is Sunday." in text for text in told)


async def test_cancelled_run_waits_no_more(place: Place) -> None:
    await begin(place)
    place.will_say(calling(WRITE))
    turn, run_id = await start(place)
    status, run = await send(place, "POST", f"/v1/runs/{run_id}/cancel")
    assert (status, run["status"]) == (200, "cancelled")
    async with asyncio.timeout(LONG_S):
        assert (await turn)[0] == 409
    await refuse(place, "POST", f"/v1/runs/{run_id}/approvals", {"approved": True}, status=409, code="run_not_waiting")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "decisions"),
        ({"approved": True, "decisions": [{"call_id": "a", "approved": True}]}, "decisions"),
        ({"decisions": []}, "decisions"),
        ({"decisions": [{"call_id": "a"}]}, "decisions[0].approved"),
        ({"decisions": [{"call_id": "a", "approved": "yes"}]}, "decisions[0].approved"),
        ({"decisions": [{"call_id": "a", "approved": True}] * 2}, "decisions[1].call_id"),
        ({"decisions": [{"call_id": "a", "approved": True}], "reason": "b"}, "reason"),
        ({"approved": True, "reason": "x" * 2001}, "reason"),
        ({"approved": True, "reason": "\0"}, "reason"),
        ({"approved": True, "who": "me"}, "who"),
    ],
)
async def test_wrong_word_is_named(place: Place, body: dict[str, Any], param: str) -> None:
    await place.ask("hi")
    (run,) = await place.list_runs()
    await refuse(place, "POST", f"/v1/runs/{run['id']}/approvals", body, param=param)


async def test_word_about_no_call_is_not_found(place: Place) -> None:
    await begin(place)
    place.will_say(calling(WRITE, WRITE), "Done.")
    turn, run_id = await start(place)
    path = f"/v1/runs/{run_id}/approvals"
    unknown = {"decisions": [{"call_id": "nobody", "approved": True}]}
    await refuse(place, "POST", path, unknown, status=404, code="call_not_found")
    first, second = [call["call_id"] for call in (await place.get(path))["data"]]
    for approved, expected in ((True, 200), (True, 200), (False, 409)):
        body = {"decisions": [{"call_id": first, "approved": approved}]}
        status, said = await send(place, "POST", path, body)
        assert status == expected, said
    assert said["error"]["code"] == "approval_given"
    assert [call["call_id"] for call in (await place.get(path))["data"]] == [second]
    await send(place, "POST", path, {"approved": True})
    async with asyncio.timeout(LONG_S):
        assert (await turn)[0] == 200


async def test_strangers_see_nothing_that_waits(shared: Place, place: Place) -> None:
    await begin(place)
    place.will_say(calling(WRITE), "Done.")
    turn, run_id = await start(place)
    bound = await place.make_key(user="ann")
    async with enter_shared(shared) as stranger:
        for key in ("", bound):
            assert (await send(stranger, "GET", "/v1/approvals", key=key))[1]["data"] == []
            assert (await send(stranger, "GET", "/v1/runs", key=key))[1]["data"] == []
            for method, body in (("GET", None), ("POST", {"approved": True})):
                path = f"/v1/runs/{run_id}/approvals"
                await refuse(stranger, method, path, body, key=key, status=404, code="run_not_found")
    await send(place, "POST", f"/v1/runs/{run_id}/approvals", {"approved": True})
    async with asyncio.timeout(LONG_S):
        assert (await turn)[0] == 200


async def test_runs_are_listed_beyond_one_session(place: Place) -> None:
    await begin(place)
    place.will_say("one", "two")
    await send(place, "POST", "/v1/sessions/s/chat", {"messages": [{"role": "user", "content": "a"}]})
    await place.ask("b", session_id="t")
    listed = (await place.get("/v1/runs"))["data"]
    first = await place.get("/v1/runs?limit=1")
    second = await place.get(f"/v1/runs?limit=1&cursor={first['next']}")
    assert [*first["data"], *second["data"]] == listed
    assert (len(listed), first["has_more"], second["next"]) == (2, True, None)
    for query in ("/v1/runs?agent_id=guide", "/v1/sessions/s/runs?agent_id=guide&status=completed"):
        (mine,) = (await place.get(query))["data"]
        assert mine["agent"]["version"] == 1
    for query in ("/v1/runs?status=failed", "/v1/sessions/s/runs?status=in_progress"):
        assert (await place.get(query))["data"] == []
    for query, param in (("status=done", "status"), ("status=queued", "status"), ("cursor=1", "cursor")):
        await refuse(place, "GET", f"/v1/runs?{query}", param=param)
    await refuse(place, "GET", "/v1/runs?agent_id=nobody", status=404, code="agent_not_found")


async def test_turn_says_how_much_to_think(place: Place) -> None:
    await begin(place)
    asked = {"messages": [{"role": "user", "content": "a"}], "reasoning": {"effort": "high"}}
    status, answer = await send(place, "POST", "/v1/sessions/s/chat", asked)
    assert status == 200, answer
    assert (await place.get(f"/v1/runs/{answer['id']}"))["reasoning"] == {"effort": "high"}
    for wrong in ({"effort": "much"}, {"budget_tokens": 0}, "high"):
        await refuse(place, "POST", "/v1/sessions/s/chat", {**asked, "reasoning": wrong}, status=400)


async def test_what_tools_found_is_in_the_retrieved_context(place: Place) -> None:
    """The turn's own search finds only what the store is about; what the model finds is numbered, cited and kept."""
    store = await make_store(place, "birds")
    await put(place, store, "birds.txt", "Penguins live in the south. They eat krill and fish.")
    await make(place, "agents", name="Guide", canonical_name="guide", tools=[{"type": "knowledge"}], stores=["birds"])
    await make(place, "sessions", external_id="s", agent_id="guide")
    search = Script("", tool_calls=[ScriptedCall("search_knowledge", '{"query": "What do penguins eat?"}')])
    place.will_say(search, "They eat krill and fish.")
    asked = {"messages": [{"role": "user", "content": "Zzyzx?"}]}
    status, answer = await send(place, "POST", "/v1/sessions/s/chat", asked)
    assert status == 200, answer
    found = await place.get(f"/v1/runs/{answer['id']}/retrieved-context")
    (snippet,) = [one for one in found["snippets"] if one["source"] == "document"]
    assert (snippet["omitted"], snippet["title"]) == (None, "birds.txt")
    (citation,) = answer["citations"]
    assert citation["number"] == snippet["number"]
    (call,) = (await place.get(f"/v1/runs/{answer['id']}/steps"))["data"][0]["calls"]
    assert (call["name"], call["source"]) == ("search_knowledge", "knowledge")
    assert "krill" in call["result"]
    context = await place.get(f"/v1/runs/{answer['id']}/context")
    assert context["retrieved"]["snippets"] == found["snippets"]
    assert "tools" in [part["kind"] for part in context["parts"]]
