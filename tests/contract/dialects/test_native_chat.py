"""Turns in sessions that are there: what is said is added, and the answer tells what it left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from multiturn.errors import UpstreamError
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = {"messages": [{"role": "user", "content": "hello"}]}


async def make(place: Place, **settings: Any) -> str:
    """Make a session; its id."""
    async with place.http.post("/v1/sessions", json={"model": "m", **settings}) as reply:
        body = await reply.json()
        assert reply.status == 201, body
        return str(body["id"])


async def chat(place: Place, session: str, text: str = "hello", *, status: int = 200, **fields: Any) -> Any:
    """Take a turn; the body of its answer."""
    body = {"messages": [{"role": "user", "content": text}], **fields}
    async with place.http.post(f"/v1/sessions/{session}/chat", json=body) as reply:
        told = await reply.json()
        assert reply.status == status, told
        return told


async def listen(reply: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    """Hear the events of a stream by name."""
    for frame in (await reply.text()).strip().split("\n\n"):
        facts = dict(line.split(": ", 1) for line in frame.split("\n"))
        body = json.loads(facts["data"])
        assert facts.get("id", str(body.get("number"))) == str(body.get("number"))
        yield facts["event"], body


async def test_answer_tells_what_the_turn_added(place: Place) -> None:
    session = await make(place, external_id="s")
    place.will_say("Hello to you.")
    answer = await chat(place, "s")
    assert (answer["text"], answer["status"], answer["finish_reason"]) == ("Hello to you.", "completed", "stop")
    assert answer["session_id"] == session
    assert [(item["seq"], item["role"], item["content"]) for item in answer["items"]] == [
        (1, "user", "hello"),
        (2, "assistant", "Hello to you."),
    ]
    assert (answer["docs"], answer["retrieved"]) == ([], 0)
    run = await place.get(f"/v1/runs/{answer['id']}")
    assert run["usage"] == answer["usage"]


async def test_what_repeats_the_history_is_added_all_the_same(place: Place) -> None:
    await make(place, external_id="s")
    whole = [*HELLO["messages"], {"role": "assistant", "content": "ok"}, {"role": "user", "content": "again"}]
    await chat(place, "s")
    await chat(place, "s", messages=whole)
    assert await place.list_texts() == ["hello", "ok", "hello", "ok", "again", "ok"]


async def test_leading_system_messages_are_the_instructions(place: Place) -> None:
    await make(place, external_id="s")
    brief = {"role": "system", "content": "Be brief."}
    await chat(place, "s", messages=[brief, *HELLO["messages"]])
    await chat(place, "s", "again")
    assert [texts[0] for texts in place.seen_texts] == ["Be brief.", "Be brief."]
    assert await place.list_texts() == ["hello", "ok", "again", "ok"]
    assert (await place.get("/v1/sessions/s"))["instructions"] == [brief]


async def test_unknown_session_is_not_made(place: Place) -> None:
    assert (await chat(place, "nobody", status=404))["error"]["code"] == "session_not_found"
    assert (await place.get("/v1/sessions"))["data"] == []


async def test_session_of_somebody_else_is_not_there(place: Place) -> None:
    session = await make(place)
    other = await place.make_key(tenant="somebody-else")
    headers = {"Authorization": f"Bearer {other}"}
    async with place.http.post(f"/v1/sessions/{session}/chat", json=HELLO, headers=headers) as reply:
        theirs = (reply.status, await reply.json())
    async with place.http.post("/v1/sessions/nobody/chat", json=HELLO, headers=headers) as reply:
        assert theirs == (404, await reply.json())


@pytest.mark.parametrize("by_header", [False, True])
async def test_stream_tells_events_and_then_the_answer(place: Place, by_header: bool) -> None:
    session = await make(place)
    place.will_say("One two")
    body, headers = ({}, {"Accept": "text/event-stream"}) if by_header else ({"stream": True}, {})
    async with place.http.post(f"/v1/sessions/{session}/chat", json={**HELLO, **body}, headers=headers) as reply:
        assert reply.content_type == "text/event-stream"
        run_id = reply.headers["X-Run-Id"]
        events = [event async for event in listen(reply)]
    assert [name for name, _ in events][-1] == "end"
    assert "".join(body.get("text", "") for _, body in events) == "One two"
    answer = events[-1][1]["answer"]
    assert (answer["id"], answer["text"], len(answer["items"])) == (run_id, "One two", 2)
    assert events[-1][1]["run"]["status"] == "completed"


async def test_stream_is_taken_up_behind_any_event(place: Place) -> None:
    session = await make(place)
    place.will_say("One two three")
    async with place.http.post(f"/v1/sessions/{session}/chat", json={**HELLO, "stream": True}) as reply:
        run_id = reply.headers["X-Run-Id"]
        events = [event async for event in listen(reply)]
    path = f"/v1/runs/{run_id}/events?starting_after=2"
    async with place.http.get(path, headers={"Accept": "text/event-stream"}) as reply:
        rest = [event async for event in listen(reply)]
    assert [body["number"] for _, body in rest] == [body["number"] for _, body in events][2:]


async def test_error_before_the_first_word_keeps_its_status(place: Place) -> None:
    session = await make(place)
    place.will_say(UpstreamError("The model is away."))
    assert (await chat(place, session, stream=True, status=502))["error"]["code"] == "upstream_error"


async def test_error_behind_the_first_word_is_the_last_event(place: Place) -> None:
    session = await make(place)
    place.will_say(Script("One two three", pieces_first=2, error=UpstreamError("The model went away.")))
    async with place.http.post(f"/v1/sessions/{session}/chat", json={**HELLO, "stream": True}) as reply:
        *_, (name, body) = [event async for event in listen(reply)]
    assert (reply.status, name, body["error"]["code"]) == (200, "error", "upstream_error")
    assert (await place.get(f"/v1/sessions/{session}"))["items"] == 0


async def test_request_that_is_repeated_gets_the_first_answer(place: Place) -> None:
    session = await make(place)
    headers = {"Idempotency-Key": "once"}
    answers = []
    for _ in range(2):
        async with place.http.post(f"/v1/sessions/{session}/chat", json=HELLO, headers=headers) as reply:
            answers.append(await reply.json())
    assert answers[0] == answers[1]
    assert len(place.seen) == 1
    other = await make(place)
    async with place.http.post(f"/v1/sessions/{other}/chat", json=HELLO, headers=headers) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (409, "idempotency_key_reused")


async def test_documents_that_were_shown_are_told_each_time(place: Place) -> None:
    session = await make(place)
    menu = {"title": "Menu", "content": "Pastéis de nata cost 1.30 €.", "metadata": {"type": "menu"}}
    async with place.http.post(f"/v1/sessions/{session}/docs", json=menu) as reply:
        document = await reply.json()
    body = {"messages": [{"role": "user", "content": "What do pastéis cost?"}]}
    answers = []
    for _ in range(2):
        headers = {"Idempotency-Key": "once"}
        async with place.http.post(f"/v1/sessions/{session}/chat", json=body, headers=headers) as reply:
            answers.append(await reply.json())
    assert answers[0] == answers[1]
    (hit,) = answers[0]["docs"]
    assert (hit["document_id"], hit["text"], answers[0]["retrieved"]) == (document["id"], menu["content"], 1)
    assert hit["owner"] == {"kind": "session", "id": session}
    assert (await chat(place, session, "thanks!", recall=False))["docs"] == []


async def test_stream_that_is_repeated_tells_the_answer_again(place: Place) -> None:
    session = await make(place)
    place.will_say("One two")
    headers = {"Idempotency-Key": "once"}
    told = []
    for _ in range(2):
        body = {**HELLO, "stream": True}
        async with place.http.post(f"/v1/sessions/{session}/chat", json=body, headers=headers) as reply:
            told.append([body["answer"]["text"] async for name, body in listen(reply) if name == "end"])
    assert told == [["One two"], ["One two"]]
    assert len(place.seen) == 1


async def test_turn_that_is_not_saved_leaves_nothing(place: Place) -> None:
    session = await make(place)
    answer = await chat(place, session, save=False)
    assert (answer["text"], answer["items"]) == ("ok", [])
    assert await place.list_items(session) == []


async def test_tools_are_called_and_answered(place: Place) -> None:
    session = await make(place)
    place.will_say(Script(tool_calls=[ScriptedCall("look", '{"at": 1}')]), "Seen.")
    tools = [{"type": "function", "function": {"name": "look"}}]
    answer = await chat(place, session, tools=tools)
    assert (answer["text"], answer["finish_reason"]) == (None, "tool_calls")
    call = answer["items"][-1]
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "look", '{"at": 1}')
    result = {"role": "tool", "tool_call_id": call["call_id"], "content": "a tree"}
    assert (await chat(place, session, messages=[result]))["text"] == "Seen."


async def test_other_fields_reach_the_model(place: Place) -> None:
    session = await make(place)
    await chat(place, session, model="big", temperature=0.5, top_k=7, metadata={"a": 1}, recall=False, save=True)
    seen = place.seen[-1]
    assert (seen["model"], seen["temperature"], seen["top_k"]) == ("big", 0.5, 7)
    assert not {"metadata", "recall", "save"} & set(seen)


async def test_session_that_is_busy_says_so_when_asked(place: Place) -> None:
    session = await make(place)
    hold = asyncio.Event()
    place.will_say(Script("One two", hold=hold))
    first = asyncio.create_task(chat(place, session))
    while not place.upstream.running:
        await asyncio.sleep(0.01)
    told = await chat(place, session, concurrency="reject", status=409)
    assert told["error"]["code"] == "session_busy"
    hold.set()
    assert (await first)["text"] == "One two"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "messages"),
    ({"messages": "hello"}, "messages"),
    ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
    ({"messages": [{"role": "judge", "content": "x"}]}, "messages[0].role"),
    ({"stream": "yes"}, "stream"),
    ({"save": 1}, "save"),
    ({"model": 7}, "model"),
    ({"context_overflow": "forget"}, "context_overflow"),
    ({"token_budget": -1}, "token_budget"),
    ({"recall": "yes"}, "recall"),
    ({"recall_options": {"limit": 0}}, "recall_options"),
    ({"concurrency": "wait"}, "concurrency"),
    ({"on_disconnect": "stop"}, "on_disconnect"),
    ({"metadata": []}, "metadata"),
    ({"agent_id": 7}, "agent_id"),
    ({"max_tokens": 0}, "max_tokens"),
]


@pytest.mark.parametrize(("fields", "param"), BAD)
async def test_bad_field_is_named(place: Place, fields: dict[str, Any], param: str) -> None:
    session = await make(place)
    error = (await chat(place, session, status=400, **fields))["error"]
    assert (error["code"], error["param"]) == ("invalid_request", param)
    assert place.seen == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a": 1}', b'"x"'])
async def test_body_that_is_none_is_refused(place: Place, body: bytes) -> None:
    session = await make(place)
    async with place.http.post(f"/v1/sessions/{session}/chat", data=body) as reply:
        assert reply.status == 400
        assert (await reply.json())["error"]["code"] in ("invalid_json", "invalid_request")


async def test_agent_that_takes_no_part_does_not_answer(place: Place) -> None:
    session = await make(place)
    ours = "01a1fc90-fa6f-7167-9e60-a760fad8ae92"
    assert (await chat(place, session, status=400, agent_id=ours))["error"]["code"] == "agent_not_in_session"
    assert (await chat(place, session, status=404, agent_id="nobody"))["error"]["code"] == "agent_not_found"
