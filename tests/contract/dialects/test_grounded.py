"""Turns over knowledge stores in the native and the chat dialect: sources, citations, tools; on real files."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import OpenPlace, Place
from tests.contract.dialects.knowing import make, make_store, put
from tests.documents import make_scanned_pdf

pytestmark = pytest.mark.asyncio(loop_scope="module")

BRIDGES = (
    "# Bridges\n\nThe iron bridge was opened in 1781.\n\nIt cost six thousand pounds and took three years to build.\n"
)
BIRDS = "Penguins live in the south.\n\nThey eat krill and fish. A colony may hold a million birds.\n"


async def fill(place: Place, files: Mapping[str, str | bytes]) -> str:
    """A store with these files, ready to be asked; its id."""
    store = await make_store(place, "things")
    for name, content in files.items():
        await put(place, store, name, content)
    return store.rpartition("/")[2]


async def chat(place: Place, session: str, text: str, **fields: Any) -> Any:
    """Take a turn."""
    return await make(
        place, f"/v1/sessions/{session}/chat", {"model": "m", "messages": [{"role": "user", "content": text}], **fields}
    )


@pytest_asyncio.fixture(loop_scope="module")
async def session(place: Place) -> str:
    """A session over a store with two documents."""
    store = await fill(place, {"bridges.md": BRIDGES, "birds.txt": BIRDS})
    return str((await make(place, "/v1/sessions", {"stores": [store]}))["id"])


async def test_answer_is_cited_where_the_model_cited_nothing(place: Place, session: str) -> None:
    place.will_say("It took three years to build. Nobody knows more [77].")
    answer = await chat(place, session, "How long did the bridge take?")
    assert answer["text"] == "It took three years to build [1]. Nobody knows more."
    (citation,) = answer["citations"]
    assert answer["text"][citation["start"] : citation["end"]] == "[1]"
    assert citation["quote"] == "It cost six thousand pounds and took three years to build."
    assert citation["place"] == {"heading": "Bridges"}
    assert citation["is_aligned"]
    shown = place.seen[-1]["messages"]
    assert shown[0]["role"] == "system"
    assert "knowledge store" in shown[0]["content"]
    assert "[1] Bridges (document): " in shown[-1]["content"]


async def test_citations_stay_with_the_message(place: Place, session: str) -> None:
    place.will_say("Penguins eat krill and fish.")
    answer = await chat(place, session, "What do penguins eat?")
    stored = (await place.list_items(session))[-1]
    assert stored["content"] == answer["text"]
    async with place.http.get(answer["citations"][0].pop("url")) as reply:
        assert await reply.text() == BIRDS
    assert stored["citations"] == answer["citations"]
    store = (await place.get(f"/v1/sessions/{session}"))["stores"][0]
    async with place.http.delete(f"/v1/stores/{store}") as reply:
        assert reply.status in (200, 204)
    kept = (await place.list_items(session))[-1]["citations"]
    assert kept[0]["quote"].startswith("They eat krill")


async def test_stream_tells_what_is_stored(place: Place, session: str) -> None:
    place.will_say("Penguins eat krill and fish. They live in the south [1]. And [42] more.")
    client = place.client()
    pieces: list[Any] = []
    stream = await client.chat.completions.create(
        model="m", stream=True, messages=[{"role": "user", "content": "Penguins?"}], extra_body={"session_id": session}
    )
    async for chunk in stream:
        pieces += [choice.delta.model_dump() for choice in chunk.choices]
    told = "".join(piece["content"] or "" for piece in pieces)
    stored = (await place.list_items(session))[-1]
    assert told == stored["content"]
    annotations = next(piece["annotations"] for piece in pieces if piece.get("annotations"))
    assert [one["file_citation"]["number"] for one in annotations] == [one["number"] for one in stored["citations"]]


async def test_whole_completion_has_annotations(place: Place, session: str) -> None:
    place.will_say("Penguins eat krill and fish.")
    async with place.post("Penguins?", session_id=session) as reply:
        message = (await reply.json())["choices"][0]["message"]
    assert message["annotations"][0]["file_citation"]["title"] == "birds.txt"


async def test_retrieved_context_is_kept_with_numbers_and_places(place: Place, session: str) -> None:
    answer = await chat(place, session, "When was the iron bridge opened?")
    retrieved = await place.get(f"/v1/runs/{answer['id']}/retrieved-context")
    numbered = [one for one in retrieved["snippets"] if one["omitted"] is None]
    assert [one["number"] for one in numbered] == list(range(1, len(numbered) + 1))
    assert numbered[0]["title"] == "Bridges"
    assert numbered[0]["place"] == {"heading": "Bridges"}


async def test_what_was_shown_keeps_its_number(place: Place, session: str) -> None:
    await chat(place, session, "When was the iron bridge opened?")
    place.will_say("It took three years to build.")
    answer = await chat(place, session, "And how long did the bridge take to build?")
    assert answer["citations"][0]["number"] == 1
    assert "[1] Bridges" not in place.seen[-1]["messages"][-1]["content"]


async def test_store_is_named_for_one_turn(place: Place) -> None:
    await fill(place, {"birds.txt": BIRDS})
    session = (await make(place, "/v1/sessions", {}))["id"]
    place.will_say("They eat krill and fish.", "They eat krill and fish.")
    assert (await chat(place, session, "What do penguins eat?", store="things"))["citations"]
    assert not (await chat(place, session, "Thanks."))["citations"]


async def test_empty_store_says_so_to_the_model(place: Place) -> None:
    store = (await make(place, "/v1/stores", {"name": "empty"}))["id"]
    session = (await make(place, "/v1/sessions", {"stores": [store]}))["id"]
    place.will_say("It was not found.")
    answer = await chat(place, session, "What do penguins eat?")
    assert answer["text"] == "It was not found."
    assert "Nothing in the knowledge store matches" in place.seen[-1]["messages"][-1]["content"]


async def test_unknown_store_is_refused(place: Place) -> None:
    async with place.http.post("/v1/sessions", json={"stores": ["nothing"]}) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (404, "store_not_found")
    session = (await make(place, "/v1/sessions", {}))["id"]
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "store": "nothing"}
    async with place.http.post(f"/v1/sessions/{session}/chat", json=body) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (404, "store_not_found")


async def test_cancelled_answer_keeps_what_was_told(place: Place, session: str) -> None:
    hold = asyncio.Event()
    place.will_say(Script("Penguins eat krill and fish. They live in", pieces_first=8, hold=hold))
    body = {"model": "m", "messages": [{"role": "user", "content": "Penguins?"}], "stream": True}
    async with place.http.post(f"/v1/sessions/{session}/chat", json=body) as reply:
        await reply.content.readuntil(b"\n\n")
        async with place.http.post(f"/v1/runs/{reply.headers['X-Run-Id']}/cancel") as cancelled:
            assert cancelled.status == 200
    stored = (await place.list_items(session))[-1]
    assert stored["content"] == "Penguins eat krill and fish [1]."[: len(stored["content"])]
    assert [stored["content"][one["start"] : one["end"]] for one in stored["citations"]] == [
        f"[{one['number']}]" for one in stored["citations"]
    ]
    hold.set()


async def test_json_is_told_as_it_is(place: Place, session: str) -> None:
    said = json.dumps({"answer": "Penguins eat krill and fish. They live in the south [77]."})
    for wanted in ({"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}):
        place.will_say(said)
        answer = await chat(place, session, "What do penguins eat?", response_format=wanted)
        assert (answer["text"], answer["citations"]) == (said, [])


async def test_numbers_go_on_behind_a_cut_and_a_restart(opening: OpenPlace) -> None:
    async with opening() as place:
        store = await fill(place, {"bridges.md": BRIDGES, "birds.txt": BIRDS})
        body = {"stores": [store], "context_overflow": "truncate", "token_budget": 900}
        session = (await make(place, "/v1/sessions", body))["id"]
        await chat(place, session, "When was the iron bridge opened?")
        await chat(place, session, "And the penguins? " + "Really. " * 400)
        await chat(place, session, "And the krill?")
        numbers = await list_numbers(place)
    async with opening() as place:
        await chat(place, session, "And the iron bridge? " + "Really. " * 400)
        await chat(place, session, "When was the iron bridge opened, once more?")
        numbers += await list_numbers(place)
    assert len(numbers) > 2
    assert numbers == sorted(set(numbers))


async def list_numbers(place: Place) -> list[int]:
    """The numbers of the sources that runs were shown anew, run by run."""
    shown = [message["content"] for request in place.seen for message in request["messages"][-1:]]
    return [int(number) for text in shown for number in re.findall(r"^\[(\d+)\] \S+ \(", text, re.MULTILINE)]


async def test_scanned_page_is_found_by_its_words_and_cited_by_its_number(place: Place, tmp_path: Path) -> None:
    pages = [["The harbour has three piers."], ["The lighthouse was built in 1859", "of granite from the island."]]
    scan = make_scanned_pdf(tmp_path / "scan.pdf", pages).read_bytes()
    store = await fill(place, {"scan.pdf": scan})
    session = (await make(place, "/v1/sessions", {"stores": [store]}))["id"]
    place.will_say("The lighthouse was built in 1859.")
    answer = await chat(place, session, "When was the lighthouse built?")
    (citation,) = answer["citations"]
    assert citation["place"]["page"] == 2
    assert citation["url"].endswith("/scan.pdf#page=2")


async def test_steps_enter_the_history_and_are_not_the_clients(opening: OpenPlace) -> None:
    async with opening(knowledge_tools=True) as place:
        store = await fill(place, {"birds.txt": BIRDS})
        session = (await make(place, "/v1/sessions", {"stores": [store]}))["id"]
        look = ScriptedCall("search_knowledge", json.dumps({"query": "krill"}), id="look_1")
        place.will_say(Script(tool_calls=[look]), "They eat krill and fish.")
        async with place.post("Hm?", session_id=session) as reply:
            choice = (await reply.json())["choices"][0]
        assert not choice["message"].get("tool_calls")
        assert choice["finish_reason"] == "stop"
        items = await place.list_items(session)
        assert [item["type"] for item in items] == ["message", "function_call", "function_call_output", "message"]
        run = (await place.list_runs(session))[-1]
        assert run["usage"]["input_tokens"] > 0
        # A client that sends everything again has never seen the steps.
        place.will_say("A million.")
        messages = [
            {"role": "user", "content": "Hm?"},
            {"role": "assistant", "content": choice["message"]["content"]},
            {"role": "user", "content": "How many birds?"},
        ]
        body = {"model": "m", "session_id": session, "messages": messages}
        async with place.http.post("/v1/chat/completions", json=body) as reply:
            assert reply.status == 200
        assert len(await place.list_items(session)) == 6
