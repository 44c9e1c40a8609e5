"""Sessions in Powabase's dialect: messages with what they rest on, runs, listings, seeds; and in the other dialects."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from multiturn.errors import UpstreamError
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import Place
from tests.contract.dialects.knowing import make, make_store, put
from tests.contract.dialects.powabase_clients import Api, open_api

pytestmark = pytest.mark.asyncio(loop_scope="module")

BRIDGES = (
    "# Bridges\n\nThe iron bridge was opened in 1781.\n\nIt cost six thousand pounds and took three years to build.\n"
)
TOOK = "It took three years to build."


@pytest_asyncio.fixture(loop_scope="module")
async def api(place: Place) -> Api:
    return open_api(place)


async def make_expert(place: Place, api: Api) -> tuple[str, dict[str, Any], str]:
    """An agent whose answers rest on a document: its path, the document's item, and its knowledge base."""
    store = await make_store(place, "things")
    item = await put(place, store, "bridges.md", BRIDGES, metadata={"shelf": "7"})
    agent, store_id = await api.make_agent(), store.rpartition("/")[2]
    await api.post(f"{agent}/knowledge-bases", {"knowledge_base_id": store_id}, status=201)
    return agent, item, store_id


async def list_messages(api: Api, session: str, **query: Any) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await api.get(f"/sessions/{session}/messages", **query))["messages"]
    return messages


async def test_session_is_shown(api: Api) -> None:
    agent = await api.make_agent()
    run = await api.run(agent)
    session = await api.get(f"/sessions/{run['session_id']}")
    assert (session["session_id"], session["agent_id"]) == (run["session_id"], agent.rpartition("/")[2])
    assert (session["session_data"], session["metadata"]) == ({}, {})
    assert session["created_at"] <= session["updated_at"]
    assert (await api.get(f"/sessions/{session['id']}")) == session


async def test_answer_message_and_context_agree(place: Place, api: Api) -> None:
    agent, item, store_id = await make_expert(place, api)
    place.will_say(f"{TOOK} Nobody knows more [77].")
    run = await api.run(agent, "How long did the bridge take?")
    assert run["content"] == "It took three years to build [1]. Nobody knows more."
    (citation,) = run["citations"]
    assert (citation["key"], citation["source_id"], citation["source_name"]) == ("1", item["asset_id"], "Bridges")
    assert citation["text_excerpt"] == "It cost six thousand pounds and took three years to build."
    assert citation["meta"]["heading"] == "Bridges"
    asked, answered = await list_messages(api, run["session_id"])
    assert (asked["role"], answered["role"]) == ("user", "assistant")
    assert answered["citations"] == run["citations"]
    path = f"/sessions/{run['session_id']}/runs/{run['run_id']}/retrieved-context"
    diagnostics, *chunks = (await api.get(path))["retrieved_context"]
    assert diagnostics["_type"] == "retrieval_diagnostics"
    assert (diagnostics["total_items"], diagnostics["items_included"]) == (len(chunks), run["retrieved_items"])
    assert chunks == answered["retrieved_context"]
    (cited,) = [chunk for chunk in chunks if chunk.get("key") == "1"]
    assert (cited["id"], cited["source_id"]) == (citation["item_id"], citation["source_id"])
    assert (cited["knowledge_base_id"], cited["kb_name"]) == (store_id, "things")
    assert cited["included_in_context"]
    assert cited["score"] == cited["retrieval_score"]
    assert "three years" in cited["text"]
    (kept,) = (await api.get(f"/sessions/{run['session_id']}/runs"))["runs"]
    assert kept["citations"] == run["citations"]
    assert "retrieved_context" not in kept


async def test_stream_cites_as_the_messages_do(place: Place, api: Api) -> None:
    agent, *_ = await make_expert(place, api)
    place.will_say(TOOK)
    events = await api.stream(agent, "How long did the bridge take?")
    text = "".join(event["delta"] for event in events if event["event"] == "content_delta")
    assert text == events[-1]["content"] == "It took three years to build [1]."
    answered = (await list_messages(api, events[0]["session_id"]))[-1]
    assert answered["content"] == text
    assert answered["citations"] == events[-1]["citations"]


async def test_what_a_tool_found_is_in_the_context(place: Place, api: Api) -> None:
    agent, item, _ = await make_expert(place, api)
    await api.post(f"{agent}/tools", {"tool_type": "knowledge", "tool_name": "knowledge"}, status=201)
    look = ScriptedCall("search_knowledge", '{"query": "opened in 1781"}')
    place.will_say(Script(tool_calls=[look]), "The iron bridge was opened in 1781.")
    events = await api.stream(agent, "Hm?")
    (call,) = events[-1]["tool_calls"]
    assert (call["tool_name"], call["arguments"]) == ("search_knowledge", {"query": "opened in 1781"})
    assert "1781" in call["result"]
    (citation,) = events[-1]["citations"]
    assert citation["source_id"] == item["asset_id"]
    answered = (await list_messages(api, events[0]["session_id"]))[-1]
    assert answered["citations"] == [citation]
    assert answered["tool_calls"] == [call]
    chunks = {chunk["key"]: chunk for chunk in answered["retrieved_context"] if "key" in chunk}
    assert chunks[citation["key"]]["id"] == citation["item_id"]


async def test_citations_outlive_their_source(place: Place, api: Api) -> None:
    agent, _, store_id = await make_expert(place, api)
    place.will_say(TOOK)
    run = await api.run(agent, "How long did the bridge take?")
    async with place.http.delete(f"/v1/stores/{store_id}") as reply:
        assert reply.status < 300
    answered = (await list_messages(api, run["session_id"]))[-1]
    assert answered["citations"] == run["citations"]
    assert {chunk["kb_name"] for chunk in answered["retrieved_context"]} == {None}


async def test_context_of_another_sessions_run_is_not_there(api: Api) -> None:
    agent = await api.make_agent()
    first, second = await api.run(agent), await api.run(agent)
    for run_id in (second["run_id"], "run_nothing"):
        path = f"/sessions/{first['session_id']}/runs/{run_id}/retrieved-context"
        assert await api.refuse("GET", path) == (404, "Run not found")
    path = f"/sessions/sess_1/runs/{first['run_id']}/retrieved-context"
    assert await api.refuse("GET", path) == (404, "Session not found")


async def test_newest_messages_come_page_by_page(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    place.will_say(*[f"answer {number}" for number in range(5)])
    for number in range(5):
        await api.run(agent, f"question {number}", session_id="s")
    newest = await api.get("/sessions/s/messages", limit=2)
    assert [message["content"] for message in newest["messages"]] == [
        "question 3",
        "answer 3",
        "question 4",
        "answer 4",
    ]
    assert newest["has_more"]
    older = await api.get("/sessions/s/messages", limit=3, before=newest["next_cursor"])
    assert [message["content"] for message in older["messages"]][::2] == ["question 0", "question 1", "question 2"]
    assert (older["has_more"], older["next_cursor"]) == (False, None)


async def test_page_without_a_limit_has_two_hundred_messages(api: Api, place: Place) -> None:
    said = [{"role": role, "content": str(number)} for number in range(125) for role in ("user", "assistant")]
    session = (await make(place, "/v1/sessions", {"items": [{"type": "message", **one} for one in said]}))["id"]
    page = await api.get(f"/sessions/{session}/messages")
    assert len(page["messages"]) == 200
    assert [message["content"] for message in page["messages"][:3]] == ["25", "25", "26"]
    older = await list_messages(api, session, before=page["next_cursor"])
    assert [message["content"] for message in older[-2:]] == ["24", "24"]
    assert older[0]["run_id"] is None


async def test_failed_runs_are_runs_and_no_messages(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    place.will_say("one", UpstreamError("No."), "three")
    await api.run(agent, "1", session_id="s")
    await api.refuse("POST", f"{agent}/run", {"message": "2", "session_id": "s"})
    await api.run(agent, "3", session_id="s")
    assert [message["content"] for message in await list_messages(api, "s")] == ["1", "one", "3", "three"]
    runs = (await api.get("/sessions/s/runs"))["runs"]
    assert [run["input_messages"][0]["content"] for run in runs] == ["1", "2", "3"]
    assert [(run["status"], run["error"]) for run in runs] == [
        ("completed", None),
        ("failed", "No."),
        ("completed", None),
    ]
    assert [run["content"] for run in runs] == ["one", None, "three"]
    page = await api.get("/sessions/s/runs", limit=1, offset=1)
    assert (page["limit"], page["offset"], page["runs"]) == (1, 1, runs[1:2])


async def test_session_is_deleted_with_its_runs(api: Api) -> None:
    agent = await api.make_agent()
    run = await api.run(agent)
    session = f"/sessions/{run['session_id']}"
    assert await api.delete(session) == {"success": True, "message": "Session deleted"}
    for path in (session, f"{session}/messages", f"{session}/runs"):
        assert await api.refuse("GET", path) == (404, "Session not found")
    assert await api.refuse("DELETE", session) == (404, "Session not found")
    assert (await api.refuse("GET", f"/agents/runs/{run['run_id']}"))[0] == 404


async def test_sessions_of_an_agent_are_listed_and_found(place: Place, api: Api) -> None:
    agent, other = await api.make_agent(), await api.make_agent()
    place.will_say("Belém.", "Alfama.", "Chiado.")
    first = await api.run(agent, "Where are the cakes? " + "x" * 100)
    second = await api.run(agent, "Where is fado sung?")
    await api.run(agent, "And shops?", session_id=first["session_id"])
    await api.run(other, "cakes")
    listing = await api.get(f"{agent}/sessions")
    rows = listing["sessions"]
    assert [row["session_id"] for row in rows] == [first["session_id"], second["session_id"]]
    assert [row["run_count"] for row in rows] == [2, 1]
    assert len(rows[0]["first_message"]) == 100
    assert (listing["total"], listing["limit"], listing["offset"]) == (2, 50, 0)

    async def find(**query: Any) -> list[int]:
        found = await api.get(f"{agent}/sessions", **query)
        assert len(found["sessions"]) == found["total"]
        ids = [row["session_id"] for row in rows]
        return [ids.index(row["session_id"]) for row in found["sessions"]]

    assert await find(search="cakes") == [0]
    assert await find(search="ALFAMA") == [1]
    assert await find(min_runs=2) == [0]
    assert await find(max_runs=1) == [1]
    assert await find(created_after=rows[1]["created_at"]) == [1]
    assert await find(created_before=rows[1]["created_at"]) == [0]
    assert await find(created_before=rows[1]["created_at"][:10], search="") == [0, 1]
    assert await find(created_before="2020-01-01") == []
    page = await api.get(f"{agent}/sessions", limit=1, offset=1)
    assert ([row["session_id"] for row in page["sessions"]], page["total"]) == ([second["session_id"]], 2)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"offset": -1}, "offset"),
        ({"min_runs": "many"}, "min_runs"),
        ({"created_after": "yesterday"}, "created_after"),
    ],
)
async def test_filter_that_is_wrong_is_named(api: Api, query: dict[str, Any], named: str) -> None:
    agent = await api.make_agent()
    status, text = await api.refuse("GET", f"{agent}/sessions", params=query)
    assert status == 400
    assert f"'{named}'" in text


async def test_seeded_session_goes_on(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    seed = [
        {"role": "user", "content": "I am Ada.", "name": "dropped"},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": "I like trams."},
        {"role": "assistant", "content": "So do I."},
    ]
    made = await api.post(f"{agent}/sessions", {"initial_messages": seed}, status=201)
    session = made["session_id"]
    messages = await list_messages(api, session)
    assert [message["content"] for message in messages] == [one["content"] for one in seed]
    assert len({message["run_id"] for message in messages}) == 2
    runs = (await api.get(f"/sessions/{session}/runs"))["runs"]
    assert [(run["status"], run["content"]) for run in runs] == [("completed", "Hello Ada."), ("completed", "So do I.")]
    await api.run(agent, "Who am I?", session_id=session)
    assert place.seen_texts[-1][-5:] == ["I am Ada.", "Hello Ada.", "I like trams.", "So do I.", "Who am I?"]
    (row,) = (await api.get(f"{agent}/sessions"))["sessions"]
    assert (row["run_count"], row["first_message"]) == (3, "I am Ada.")


async def test_empty_session_is_made_and_deleted(api: Api) -> None:
    agent, other = await api.make_agent(), await api.make_agent()
    session = (await api.post(f"{agent}/sessions", status=201))["session_id"]
    assert await list_messages(api, session) == []
    assert await api.refuse("DELETE", f"{other}/sessions/{session}") == (404, "Session not found")
    assert await api.delete(f"{agent}/sessions/{session}", status=204) is None
    assert (await api.refuse("GET", f"/sessions/{session}"))[0] == 404


async def test_session_is_made_for_a_user(place: Place) -> None:
    api = open_api(place, key=await place.make_key(scopes=("users",)))
    agent = await api.make_agent()
    user = "0f0e4a52-6a8e-4d5b-9a3e-2f1d0c9b8a77"
    made = await api.post(f"{agent}/sessions", {"user_id": user}, status=201)
    theirs = Api(api.url, {**api.headers, "X-User-Id": user})
    assert (await theirs.get(f"{agent}/sessions"))["total"] == 1
    stranger = Api(api.url, {**api.headers, "X-User-Id": "somebody else"})
    assert (await stranger.get(f"{agent}/sessions"))["total"] == 0
    plain = open_api(place)
    refused = await plain.refuse("POST", f"{agent}/sessions", {"user_id": user})
    assert refused == (403, "Service role required to set user_id")
    assert await api.refuse("POST", f"{agent}/sessions", {"user_id": "Ada"}) == (400, "user_id must be a uuid")
    assert (await theirs.get(f"/sessions/{made['session_id']}"))["session_id"] == made["session_id"]


async def test_anothers_session_is_as_one_that_is_not_there(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    ada, bob = [open_api(place, key=await place.make_key(user=user)) for user in ("ada", "bob")]
    run = await ada.run(agent)
    session = f"/sessions/{run['session_id']}"
    missing = f"/sessions/sess_{'0' * 32}"
    for tail in ("", "/messages", "/runs", f"/runs/{run['run_id']}/retrieved-context"):
        assert await bob.send("GET", session + tail) == await bob.send("GET", missing + tail)
    assert await bob.send("DELETE", session) == await bob.send("DELETE", missing)
    body = {"message": "hi", "session_id": run["session_id"]}
    assert await bob.refuse("POST", f"{agent}/run", body) == (404, "Session not found")
    assert (await bob.refuse("GET", f"/agents/runs/{run['run_id']}"))[0] == 404
    assert (await bob.get("/agents"))["agents"][0]["session_count"] == 0
    assert (await ada.get("/agents"))["agents"][0]["session_count"] == 1
    assert len(await list_messages(ada, run["session_id"])) == 2


async def test_session_goes_on_in_every_dialect(place: Place, api: Api) -> None:
    agent, *_ = await make_expert(place, api)
    place.will_say(TOOK, "Yes.", "No.", "Again.")
    run = await api.run(agent, "How long did the bridge take?")
    session_id = (await api.get(f"/sessions/{run['session_id']}"))["id"]
    await place.ask("In chat?", session_id=session_id)
    turn = {"messages": [{"role": "user", "content": "In Julep's?"}]}
    await make(place, f"/julep/api/sessions/{session_id}/chat", turn)
    await api.run(agent, "And here?", session_id=session_id)
    said = [message["content"] for message in await list_messages(api, session_id)]
    asked = ["How long did the bridge take?", "In chat?", "In Julep's?", "And here?"]
    assert said[::2] == asked
    entries = (await place.get(f"/julep/api/sessions/{session_id}/history"))["entries"]
    told = [part["text"] for entry in entries for part in entry["content"]]
    assert [text for text in told if text in asked] == asked
    items = [item for item in await place.list_items(session_id) if item["type"] == "message"]
    assert [item["content"] for item in items] == said
    assert items[1]["citations"][0]["number"] == int(run["citations"][0]["key"])


async def test_session_of_another_dialect_is_read_and_deleted(place: Place, api: Api) -> None:
    agent = await api.make_agent()
    place.will_say("Belém.")
    await place.ask("Where are the cakes?")
    assert (await api.get("/sessions/s"))["agent_id"] is None
    assert [message["content"] for message in await list_messages(api, "s")] == ["Where are the cakes?", "Belém."]
    await api.run(agent, "And then?", session_id="s")
    assert (await api.get("/sessions/s"))["agent_id"] == agent.rpartition("/")[2]
    assert (await api.get(f"{agent}/sessions"))["total"] == 1
    await api.delete("/sessions/s")
    async with place.http.get("/v1/sessions/s") as reply:
        assert reply.status == 404
