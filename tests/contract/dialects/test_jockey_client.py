"""The real TwelveLabs client against the real server: questions over several turns, whole and as a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio
from twelvelabs.core.api_error import ApiError
from twelvelabs.errors import BadRequestError

from multiturn.errors import UpstreamError
from multiturn.upstream.scripted import Script
from tests.contract.dialects.jockey_clients import (
    Library,
    facts_of,
    open_client,
    open_library,
    open_sync_client,
    user,
)

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PEACOCKS = "Peacocks live in the castle gardens."
TRAM = "Tram 28 runs from Martim Moniz to Campo de Ourique."
CALLS: Any = ["intermediate_outputs"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Library]:
    async with open_library(tmp_path_factory.mktemp("library")) as library:
        yield library


@pytest.fixture
def library(opened: Library) -> Library:
    """The library, before a model that has said and seen nothing."""
    opened.place.scripts.clear()
    opened.place.upstream.requests.clear()
    return opened


def part_of(response: Any) -> Any:
    """What a response says."""
    return response.output[0].content[0]


def text_of(response: Any) -> str:
    return str(part_of(response).text)


# Answers.


async def test_answer_has_the_shape_of_jockey(library: Library) -> None:
    response = await library.ask("Where do peacocks live?", PEACOCKS)
    facts = facts_of(response)
    assert (facts["type"], facts["object"], facts["status"]) == ("response", "response", "completed")
    assert facts["id"].startswith("resp_")
    assert facts["session_id"].startswith("sess_")
    assert facts["knowledge_store_id"] == library.store_id
    assert (facts["usage"]["input_tokens"] > 0, facts["usage"]["output_tokens"]) == (True, 6)
    (message,) = response.output
    assert (message.type, message.status, message.role, message.phase) == (
        "message",
        "completed",
        "assistant",
        "final_answer",
    )
    assert message.id == f"msg_{response.session_id}_0"


async def test_keys_that_must_be_there_are_there(library: Library) -> None:
    library.place.will_say(PEACOCKS, "I do not know.")
    answered, unknown = [
        await post(library, {"knowledge_store_id": library.store_id, "input": user(text)})
        for text in ("Where do peacocks live?", "Who built the moon?")
    ]
    assert answered["incomplete_details"] is None
    annotation = answered["output"][0]["content"][0]["annotations"][0]
    assert {"title", "thumbnail_url", "hls_url"} <= set(annotation)
    assert "collection_id" not in annotation
    assert unknown["output"][0]["content"][0]["annotations"] == []
    assert unknown["usage"].keys() == {"input_tokens", "output_tokens"}


async def test_video_is_cited_where_the_words_are(library: Library) -> None:
    response = await library.ask("Where do peacocks live?", f"Look here: é𝄞. {PEACOCKS}")
    part = part_of(response)
    (cited,) = [one for one in part.annotations if one.type == "video_citation"]
    assert part.text[cited.start_index : cited.end_index + 1].strip("[]").isdigit()
    assert part.text.index("[") == cited.start_index
    assert (cited.item_id, cited.asset_id) == (library.video.id, library.video.asset_id)
    assert 1.5 < cited.start_sec < cited.end_sec
    assert f"#t={cited.start_sec:g}" in cited.clip_url
    assert "Peacocks" in cited.quote
    assert cited.title == library.video.title
    async with library.place.http.get(cited.thumbnail_url, headers={"Authorization": ""}) as reply:
        assert (reply.status, reply.content_type) == (200, "image/jpeg")


async def test_image_and_document_are_cited_without_times(library: Library) -> None:
    response = await library.ask("Who performs in Alfama?", f"Singers perform in Alfama. {TRAM}")
    cited = {one.type: one for one in part_of(response).annotations}
    assert set(cited) == {"image_citation", "document_citation"}
    assert (cited["image_citation"].item_id, cited["image_citation"].start_sec) == (library.image.id, None)
    assert cited["document_citation"].item_id == library.document.id
    assert cited["document_citation"].quote == TRAM


async def test_markers_of_the_model_are_checked(library: Library) -> None:
    response = await library.ask("Where do peacocks live?", "They live in gardens [1] and on roofs [77].")
    part = part_of(response)
    assert "[77]" not in part.text
    assert [part.text[one.start_index : one.end_index + 1] for one in part.annotations] == ["[1]"]


# Turns.


async def test_session_goes_on_with_its_history(library: Library) -> None:
    first = await library.ask("What are the main themes?", "Ferries and gardens.")
    second = await library.ask("Which is the second?", "Gardens.", session_id=first.session_id)
    assert (second.session_id, second.id != first.id) == (first.session_id, True)
    assert second.output[0].id == f"msg_{first.session_id}_1"
    said = [str(message["content"]) for message in library.place.seen[-1]["messages"]]
    assert any("What are the main themes?" in text for text in said)
    assert any(text.startswith("Ferries and gardens") for text in said)


async def test_each_first_question_begins_a_session(library: Library) -> None:
    first, second = await library.ask("one", "ok"), await library.ask("two", "ok")
    assert first.session_id != second.session_id


async def test_session_is_known_by_every_form_of_its_id(library: Library) -> None:
    first = await library.ask("one", "ok")
    plain = first.session_id.removeprefix("sess_")
    for name in (plain, plain.replace("-", ""), f"conv_{plain}"):
        again = await library.ask("again", "ok", session_id=name)
        assert again.session_id == name
    _, total = await list_messages(library, first.session_id)
    assert total == 8


async def test_session_stays_with_its_store(library: Library) -> None:
    first = await library.ask("one", "ok")
    other = await library.client.knowledge_stores.create(name="Other")
    with pytest.raises(BadRequestError) as caught:
        await library.client.responses.create(
            knowledge_store_id=other.id, session_id=first.session_id, input=user("two")
        )
    assert caught.value.body["reason"] == "session_store_mismatch"
    assert library.store_id in caught.value.body["message"]
    _, total = await list_messages(library, first.session_id)
    assert total == 2


async def test_unknown_session_is_a_400(library: Library) -> None:
    for name in ("sess_01a1fc90-fa6f-7167-9e60-a760fad8ae92", "sess_nothing"):
        with pytest.raises(BadRequestError) as caught:
            await library.client.responses.create(
                knowledge_store_id=library.store_id, session_id=name, input=user("hi")
            )
        assert (caught.value.body["code"], caught.value.body["reason"]) == ("parameter_invalid", "unknown_session")


async def test_unknown_store_is_a_404(library: Library) -> None:
    for store in ("ks_01a1fc90-fa6f-7167-9e60-a760fad8ae92", "nothing"):
        with pytest.raises(ApiError) as caught:
            await library.client.responses.create(knowledge_store_id=store, input=user("hi"))
        assert (caught.value.status_code, caught.value.body["code"]) == (404, "resource_not_exist")


async def test_instructions_are_for_one_turn(library: Library) -> None:
    first = await library.ask("one", "ok", instructions="Speak like a pirate.")
    await library.ask("two", "ok", session_id=first.session_id)
    pirate, plain = [str(request["messages"][0]) for request in library.place.seen[-2:]]
    assert ("pirate" in pirate, "pirate" in plain) == (True, False)


async def test_failed_turn_leaves_the_session_as_it_was(library: Library) -> None:
    first = await library.ask("one", "ok")
    library.place.will_say(UpstreamError("The model is away."))
    with pytest.raises(ApiError) as caught:
        await library.client.responses.create(
            knowledge_store_id=library.store_id, session_id=first.session_id, input=user("two")
        )
    assert (caught.value.status_code, "away" in caught.value.body["message"]) == (502, True)
    _, total = await list_messages(library, first.session_id)
    assert total == 2


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_failed_first_turn_leaves_no_session(library: Library, is_streamed: bool) -> None:
    before = await get(library, "/v1.3/sessions")
    library.place.will_say(UpstreamError("The model is away."))
    body = {"knowledge_store_id": library.store_id, "input": user("one"), "stream": is_streamed}
    async with library.place.http.post("/v1.3/responses", json=body) as reply:
        assert reply.status == 502
    assert await get(library, "/v1.3/sessions") == before


async def test_session_of_another_api_is_bound_on_its_first_question(library: Library) -> None:
    library.place.will_say("Hello.")
    async with library.place.post("Hi", session_id="from-chat") as reply:
        assert reply.status == 200
    answer = await library.ask("Where do peacocks live?", PEACOCKS, session_id="from-chat")
    assert answer.session_id == "from-chat"
    session = await get(library, "/v1.3/sessions/from-chat")
    assert session["knowledge_store_id"] == library.store_id
    texts = [str(text) for text in await library.place.list_texts("from-chat")]
    assert [texts[0], len(texts), "Peacocks live" in texts[3]] == ["Hi", 4, True]


# Selections, structure, steps.


async def test_selection_is_named_by_its_title_and_stays(library: Library) -> None:
    selected = [{"kind": "item", "id": library.image.id}]
    first = await library.ask("Who sings in {{sel:0}}?", "ok", selections=selected)
    assert f'Who sings in "{library.image.title}"?' in str(library.place.seen[-1]["messages"][-1]["content"])
    collection = await library.client.knowledge_store_item_collections.create(library.store_id, name="Boats")
    later = [{"kind": "collection", "id": collection.id}, *selected]
    await library.ask("And in {{sel:0}}?", "ok", session_id=first.session_id, selections=later)
    assert 'And in "Boats"?' in str(library.place.seen[-1]["messages"][-1]["content"])
    session = await get(library, f"/v1.3/sessions/{first.session_id}")
    assert session["selections"] == [*selected, later[0]]


@pytest.mark.parametrize(
    ("selections", "text", "status"),
    [
        ([{"kind": "item", "id": "ksic_01a1fc90-fa72-7d1e-9d0c-6a1f0f3f2a12"}], "hi", 400),
        ([{"kind": "shelf", "id": "ksi_01a1fc90-fa72-7d1e-9d0c-6a1f0f3f2a12"}], "hi", 400),
        ([{"kind": "item", "id": "ksi_01a1fc90-fa72-7d1e-9d0c-6a1f0f3f2a12"}], "hi", 404),
        ([], "What is in {{sel:0}}?", 400),
    ],
)
async def test_wrong_selections_are_refused(library: Library, selections: Any, text: str, status: int) -> None:
    with pytest.raises(ApiError) as caught:
        await library.client.responses.create(
            knowledge_store_id=library.store_id, input=user(text), selections=selections
        )
    assert caught.value.status_code == status


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"theme": {"type": "string"}, "minutes": {"type": "integer"}},
}


async def test_structured_answer_fits_its_schema(library: Library) -> None:
    wanted: Any = {"format": {"type": "json_schema", "name": "theme", "schema": SCHEMA, "strict": True}}
    response = await library.ask("The theme?", 'Here it is: {"theme": "ferries", "minutes": 20,}', text=wanted)
    assert json.loads(text_of(response)) == {"theme": "ferries", "minutes": 20}
    assert part_of(response).annotations == []


async def test_schema_outside_the_subset_is_refused_before_the_turn(library: Library) -> None:
    wanted: Any = {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object", "$ref": "http://a/b"}}}
    with pytest.raises(BadRequestError) as caught:
        await library.ask("The theme?", "{}", text=wanted)
    assert caught.value.body["reason"] == "schema_not_supported"
    assert library.place.seen == []


async def test_steps_are_shown_where_they_are_asked_for(library: Library) -> None:
    response = await library.ask("Where do peacocks live?", PEACOCKS, include=CALLS)
    call, result, message = response.output
    assert (call.type, call.name, call.status) == ("function_call", "search_knowledge_store", "completed")
    assert json.loads(call.arguments) == {
        "query": "Where do peacocks live?",
        "knowledge_store_id": library.store_id,
    }
    assert (result.type, result.call_id) == ("function_call_output", call.call_id)
    sources = json.loads(result.output)["sources"]
    assert library.video.id in {source["item_id"] for source in sources}
    assert (message.type, message.phase) == ("message", "final_answer")


async def test_answer_that_breaks_off_says_so(library: Library) -> None:
    body = {"knowledge_store_id": library.store_id, "input": user("Where?"), "max_output_tokens": 5}
    library.place.upstream.choose, choose = (lambda _: Script("They live")), library.place.upstream.choose
    try:
        response = await post(library, body)
    finally:
        library.place.upstream.choose = choose
    assert library.place.seen[-1]["max_tokens"] == 5
    assert response["status"] == "completed"


# Streams.


async def stream(library: Library, text: str, answer: str, **fields: Any) -> list[Any]:
    library.place.will_say(answer)
    events = library.client.responses.create_stream(knowledge_store_id=library.store_id, input=user(text), **fields)
    return [event async for event in events]


def check_stream(events: Sequence[Any]) -> str:
    """Check what is true of every stream; the answer's text."""
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert (events[0].response.status, events[0].response.output, events[0].response.usage) == ("in_progress", [], None)
    last = events[-1]
    assert last.type == "response.completed"
    done = next(event for event in events if event.type == "response.output_text.done")
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    message = next(item for item in last.response.output if item.type == "message")
    assert deltas == done.text == message.content[0].text
    part = next(event.part for event in events if event.type == "response.content_part.done")
    assert part == message.content[0]
    return deltas


async def test_stream_tells_everything_in_its_order(library: Library) -> None:
    events = await stream(library, "Where do peacocks live?", f"Here. {PEACOCKS}")
    text = check_stream(events)
    assert text.startswith("Here. Peacocks live in the castle gardens [")
    types = [event.type.removeprefix("response.") for event in events]
    deltas = types.count("output_text.delta")
    assert types == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *["output_text.delta"] * deltas,
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    added = events[2].item
    assert (added.status, added.phase, added.content[0].text, added.content[0].annotations) == (
        "in_progress",
        "final_answer",
        "",
        [],
    )
    response = events[-1].response
    assert (response.status, response.usage.output_tokens) == ("completed", 7)
    assert response.output[0].content[0].annotations[0].item_id == library.video.id
    assert {event.item_id for event in events if "text" in event.type or "part" in event.type} == {added.id}


async def test_streamed_answer_is_the_stored_one(library: Library) -> None:
    events = await stream(library, "Where do peacocks live?", PEACOCKS)
    response = events[-1].response
    stored = await get(library, f"/v1.3/responses/{response.id}")
    assert stored["output"] == [facts_of_wire(item) for item in response.output]
    said, _ = await list_messages(library, response.session_id)
    assert said[-1]["content"][0]["text"] == text_of(response)
    assert said[-1]["id"] == response.output[0].id


def facts_of_wire(item: Any) -> dict[str, Any]:
    """An item as it came over the wire: nullable fields of citations are there."""
    facts = facts_of(item)
    for part in facts.get("content", []):
        for annotation in part["annotations"]:
            for name in ("title", "thumbnail_url", "hls_url"):
                annotation.setdefault(name, None)
    return facts


async def test_steps_are_streamed_before_the_answer(library: Library) -> None:
    events = await stream(library, "Where do peacocks live?", PEACOCKS, include=CALLS)
    check_stream(events)
    types = [event.type.removeprefix("response.") for event in events[2:9]]
    assert types == [
        *("output_item.added", "function_call_arguments.done", "output_item.done"),
        *("output_item.added", "output_item.done"),
        *("output_item.added", "content_part.added"),
    ]
    assert [item.type for item in events[-1].response.output] == ["function_call", "function_call_output", "message"]
    assert events[3].item_id == events[2].item.id
    assert {event.output_index for event in events if event.type == "response.output_text.delta"} == {2}


async def test_error_before_the_first_byte_has_its_own_status(library: Library) -> None:
    library.place.will_say(UpstreamError("The model is away."))
    events = library.client.responses.create_stream(knowledge_store_id=library.store_id, input=user("hi"))
    with pytest.raises(ApiError) as caught:
        await anext(events)
    assert (caught.value.status_code, caught.value.body["reason"]) == (502, "upstream_error")


async def test_slow_answer_begins_before_it_is_there(library: Library) -> None:
    hold = asyncio.Event()
    library.place.will_say(Script("Slowly.", hold=hold))
    events = library.client.responses.create_stream(knowledge_store_id=library.store_id, input=user("hi"))
    first = await anext(events)
    assert (first.type, first.response.status) == ("response.created", "in_progress")
    hold.set()
    assert check_stream([first, *[event async for event in events]]) == "Slowly."


async def test_failure_in_mid_stream_is_told(library: Library) -> None:
    library.place.will_say(
        Script("One sentence. Another sentence.", pieces_first=3, error=UpstreamError("The model went away."))
    )
    events = [
        event
        async for event in library.client.responses.create_stream(knowledge_store_id=library.store_id, input=user("hi"))
    ]
    last = events[-1]
    assert (last.type, last.response.status) == ("response.failed", "failed")
    assert last.response.error["message"] == "The model went away."
    assert last.sequence_number == len(events) - 1
    stored = await get(library, f"/v1.3/responses/{last.response.id}")
    assert (stored["status"], stored["error"]["code"]) == ("failed", "upstream_error")


async def test_run_goes_on_without_its_client(library: Library) -> None:
    hold = asyncio.Event()
    library.place.will_say(Script("One sentence. Another sentence.", pieces_first=3, hold=hold))
    events = library.client.responses.create_stream(knowledge_store_id=library.store_id, input=user("hi"))
    first = await anext(events)
    await events.aclose()
    hold.set()
    async with asyncio.timeout(10):
        while (stored := await get(library, f"/v1.3/responses/{first.response.id}"))["status"] == "in_progress":
            await asyncio.sleep(0.02)
    assert (stored["status"], text_in(stored)) == ("completed", "One sentence. Another sentence.")


def text_in(response: dict[str, Any]) -> str:
    return str(response["output"][0]["content"][0]["text"])


# The other ways in.


async def test_client_that_does_not_await_works_as_well(library: Library) -> None:
    client = open_sync_client(library.place)
    library.place.will_say(PEACOCKS, PEACOCKS)

    def ask() -> tuple[Any, list[Any]]:
        asked: Any = {"knowledge_store_id": library.store_id, "input": user("Where do peacocks live?")}
        first = client.responses.create(**asked)
        return first, list(client.responses.create_stream(session_id=first.session_id, **asked))

    response, events = await asyncio.to_thread(ask)
    assert text_of(response).startswith("Peacocks live in the castle gardens [")
    assert check_stream(events).startswith("Peacocks live in the castle gardens [")


@pytest.mark.parametrize("generation", ["tools", "model"])
async def test_older_generations_are_understood(library: Library, generation: str) -> None:
    tool = {"type": "knowledge_store", "knowledge_store_id": library.store_id}
    named = {"tools": [tool]} if generation == "tools" else {"knowledge_store_id": library.store_id}
    library.place.will_say(PEACOCKS)
    response = await post(
        library, {"model": "jockey1.0", "input": user("Where?"), "metadata": {"a": "b"}, "future": 1, **named}
    )
    assert (response["model"], response["knowledge_store_id"]) == ("jockey1.0", library.store_id)
    assert text_in(response).startswith("Peacocks live")


async def test_sessions_are_listed_read_and_deleted(library: Library) -> None:
    first = await library.ask("Where do peacocks live?", PEACOCKS)
    sessions = await get(library, "/v1.3/sessions?page_limit=1&sort_by=updated_at")
    assert sessions["data"][0]["id"] == first.session_id
    said, total = await list_messages(library, first.session_id)
    assert (total, [message["role"] for message in said]) == (2, ["user", "assistant"])
    assert said[1]["content"][0]["annotations"][0]["item_id"] == library.video.id
    assert said[1]["response_id"] == first.id
    async with library.place.http.delete(f"/v1.3/sessions/{first.session_id}") as reply:
        assert reply.status == 204
    for path in (f"/v1.3/sessions/{first.session_id}", f"/v1.3/responses/{first.id}"):
        async with library.place.http.get(path) as reply:
            assert (reply.status, (await reply.json())["code"]) == (404, "resource_not_exist")


async def test_repeated_key_gives_the_first_answer(library: Library) -> None:
    body = {"knowledge_store_id": library.store_id, "input": user("Where?")}
    library.place.will_say(PEACOCKS, "Another answer.")
    headers = {"Idempotency-Key": "once"}
    first, second = [await post(library, body, headers=headers) for _ in range(2)]
    assert (second["id"], second["session_id"], second["output"]) == (first["id"], first["session_id"], first["output"])
    sessions = await get(library, "/v1.3/sessions?page_limit=1")
    assert sessions["data"][0]["id"] == first["session_id"]


async def test_other_tenants_ask_in_vain(library: Library) -> None:
    first = await library.ask("one", "ok")
    other = open_client(library.place, key=await library.place.make_key(tenant="stranger"))
    own = await other.knowledge_stores.create(name="Own")
    with pytest.raises(ApiError) as store:
        await other.responses.create(knowledge_store_id=library.store_id, input=user("hi"))
    with pytest.raises(BadRequestError) as session:
        await other.responses.create(knowledge_store_id=own.id, session_id=first.session_id, input=user("hi"))
    assert (store.value.status_code, session.value.body["reason"]) == (404, "unknown_session")


async def post(library: Library, body: dict[str, Any], *, headers: dict[str, str] | None = None) -> Any:
    async with library.place.http.post("/v1.3/responses", json=body, headers=headers) as reply:
        assert reply.status == 200, await reply.text()
        return await reply.json()


async def get(library: Library, path: str) -> Any:
    async with library.place.http.get(path) as reply:
        assert reply.status == 200, await reply.text()
        return await reply.json()


async def list_messages(library: Library, session: str) -> tuple[list[Any], int]:
    page = await get(library, f"/v1.3/sessions/{session}/messages?page_limit=50")
    return page["data"], page["page_info"]["total_results"]
