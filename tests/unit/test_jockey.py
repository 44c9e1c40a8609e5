"""Jockey's dialect without a server: frames, silences, times of words, page tokens, older requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from starlette.datastructures import Headers

from multiturn.api.envelopes import find_envelope
from multiturn.api.jockey.citations import render_citation
from multiturn.api.jockey.media import Media
from multiturn.api.jockey.names import read_given, read_path
from multiturn.api.jockey.parse_response import parse_question, write_selected
from multiturn.api.jockey.render_assets import render_transcription
from multiturn.api.jockey.render_response import Frame, Shown
from multiturn.api.jockey.search import read_search, read_token, write_token
from multiturn.api.jockey.store_wire import JockeySearchBody
from multiturn.api.jockey.stream import ResponseWriter, write_frame
from multiturn.api.sse import with_silences
from multiturn.engine.speech import Transcript
from multiturn.errors import InvalidRequest, MultiturnError, NotFound, RateLimited, TooLarge, Unavailable
from multiturn.model.citation import Citation
from multiturn.model.completion import Delta
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message
from multiturn.model.event import Ended, Event, Spoke
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.run import Run, RunStatus
from multiturn.model.segment import Mark, Place, Segment

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ID = UUID("01a1fc90-fa6f-7167-9e60-a75f4edb5903")
NO_MEDIA = cast(Media, None)


def make_run(status: RunStatus = "completed", **facts: Any) -> Run:
    named: Any = {"id": ID, "tenant_id": ID, "session_id": ID, "ticket": 3, "created_at": NOW, "model": "m"}
    return Run(status=status, **named, **facts)


def make_frame(**facts: Any) -> Frame:
    return Frame(run=make_run("in_progress"), store_id=ID, session="sess_s", **facts)


async def write_all(
    events: Sequence[Event | None],
    *,
    with_steps: bool = False,
    steps: Sequence[Content] = (),
    retrieved: RetrievedContext | None = None,
) -> list[dict[str, Any]]:
    """The events of a stream as a client reads them."""

    async def tell() -> AsyncGenerator[Event | None]:
        for event in events:
            yield event

    async def find_shown(_: Ended) -> Shown:
        return Shown({}, NO_MEDIA)

    writer = ResponseWriter(make_frame(with_steps=with_steps), lambda: (steps, retrieved), find_shown)
    frames = [frame async for frame in writer.write(tell())]
    assert frames.pop() == b"data: [DONE]\n\n"
    return [json.loads(frame.split(b"\ndata: ")[1]) for frame in frames]


def speak(text: str) -> Spoke:
    return Spoke(1, [Delta(raw=b"", text=text)])


def end(*output: Content, status: RunStatus = "completed", **facts: Any) -> Ended:
    return Ended(9, make_run(status, **facts), output or (Message("assistant", "Yes."),))


def list_types(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


# Frames.


@pytest.mark.parametrize("text", ["\u2028", "\u2029", "\x85", "é𝄞", "[DONE]", "x[DONE]y", "\\u2028"])
async def test_frame_is_ascii_and_comes_back(text: str) -> None:
    frame = write_frame("x", msgspec.json.encode({"delta": text}))
    assert frame.isascii()
    assert b"[DONE]" not in frame
    assert json.loads(frame.split(b"data: ")[1]) == {"delta": text}


async def test_silence_is_told_and_nothing_is_lost() -> None:
    async def tell() -> AsyncGenerator[Event]:
        yield speak("a")
        await asyncio.sleep(0.05)
        yield end()

    told = [event async for event in with_silences(tell(), 0.02)]
    assert isinstance(told[0], Spoke)
    assert isinstance(told[-1], Ended)
    assert set(told[1:-1]) == {None}
    assert 1 <= len(told) - 2 <= 3


async def test_first_silence_may_be_shorter() -> None:
    async def tell() -> AsyncGenerator[Event]:
        await asyncio.sleep(0.05)
        yield end()

    told = [event async for event in with_silences(tell(), 60, first_s=0.01)]
    assert [type(event) for event in told] == [type(None), Ended]


async def test_silences_end_with_who_listens() -> None:
    closed = asyncio.Event()

    async def tell() -> AsyncGenerator[Event]:
        try:
            yield speak("a")
            await asyncio.sleep(60)
        finally:
            closed.set()

    events = with_silences(tell(), 0.01)
    await anext(events)
    assert await anext(events) is None
    await events.aclose()
    assert closed.is_set()


async def test_keepalives_take_numbers_of_their_own() -> None:
    events = await write_all([None, speak("Yes."), None, end()])
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert list_types(events)[2] == "keepalive"
    assert events[2] == {"type": "keepalive", "sequence_number": 2}
    assert events[6]["type"] == "keepalive"


async def test_whole_answer_is_streamed_as_one_piece() -> None:
    events = await write_all([end(Message("assistant", "Yes, indeed."))])
    assert [event["delta"] for event in events if "delta" in event] == ["Yes, indeed."]


async def test_answer_without_words_is_an_empty_message() -> None:
    events = await write_all([end(FunctionCall("c", "look"))])
    assert events[-1]["response"]["output"][0]["content"] == [{"type": "output_text", "text": "", "annotations": []}]


@pytest.mark.parametrize(
    ("status", "finish_reason", "reason"),
    [
        ("incomplete", "length", "max_output_tokens"),
        ("incomplete", "content_filter", "content_filter"),
        ("cancelled", None, "cancelled"),
    ],
)
async def test_answer_that_broke_off_is_completed_as_incomplete(
    status: RunStatus, finish_reason: str | None, reason: str
) -> None:
    events = await write_all([speak("Yes."), end(status=status, finish_reason=finish_reason)])
    response = events[-1]["response"]
    assert (events[-1]["type"], response["status"]) == ("response.completed", "incomplete")
    assert response["incomplete_details"] == {"reason": reason}
    assert response["output"][0]["status"] == "incomplete"


CALL, RESULT = FunctionCall("c1", "look", '{"a": 1}'), FunctionCallOutput("c1", "found")


async def test_steps_that_are_known_stand_before_the_answer() -> None:
    output = (CALL, RESULT, Message("assistant", "Yes."))
    events = await write_all([speak("Yes."), end(*output)], with_steps=True, steps=(CALL, RESULT))
    items = events[-1]["response"]["output"]
    assert [item["type"] for item in items] == ["function_call", "function_call_output", "message"]
    assert (items[0]["name"], items[0]["arguments"], items[1]["output"]) == ("look", '{"a": 1}', "found")
    assert [event["output_index"] for event in events if event["type"] == "response.output_item.done"] == [0, 1, 2]


async def test_steps_that_come_late_stand_behind_it() -> None:
    output = (CALL, RESULT, Message("assistant", "Yes."))
    events = await write_all([speak("Yes."), end(*output)], with_steps=True)
    items = events[-1]["response"]["output"]
    assert [item["type"] for item in items] == ["message", "function_call", "function_call_output"]


async def test_retrieval_is_shown_where_nothing_was_called() -> None:
    snippets = (
        Snippet(source="document", text="Trams.", item_id=ID, number=1, title="T", place=Place(start_s=1, end_s=2)),
        Snippet(source="session", text="before"),
    )
    retrieved = RetrievedContext(query="trams", snippets=snippets)
    for said in ((speak("Yes."),), ()):
        told = await write_all([*said, end()], with_steps=True, retrieved=retrieved)
        call, result, _ = told[-1]["response"]["output"]
        assert json.loads(call["arguments"])["query"] == "trams"
        (source,) = json.loads(result["output"])["sources"]
        assert source == {
            **{"number": 1, "item_id": f"ksi_{ID}", "title": "T", "start_sec": 1.0, "end_sec": 2.0},
            **{"text": "Trams.", "score": 0.0},
        }


async def test_steps_are_not_shown_unasked() -> None:
    events = await write_all([speak("Yes."), end(CALL, RESULT, Message("assistant", "Yes."))], steps=(CALL, RESULT))
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["message"]


# Citations.


def cite(**facts: Any) -> dict[str, Any]:
    base: Any = {"number": 1, "start": 4, "end": 7, "claim_start": 0, "claim_end": 4, "title": "T", "quote": "q"}
    rendered = render_citation(Citation(**{**base, **facts}), None, NO_MEDIA)
    wire: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(rendered))
    return wire


async def test_citation_of_a_file_that_is_gone_can_be_read() -> None:
    place = Place(start_s=0.0, end_s=9.5, shot=2)
    assert cite(item_id=ID, asset_id=ID, kind="video", modality="speech", place=place) == {
        **{"type": "video_citation", "start_index": 4, "end_index": 6, "item_id": f"ksi_{ID}"},
        **{"start_sec": 0.0, "end_sec": 9.5, "title": "T", "thumbnail_url": None, "hls_url": None},
        **{"quote": "q", "modality": "speech"},
    }


async def test_times_are_there_together_or_not_at_all() -> None:
    whole = cite(item_id=ID, kind="video")
    assert {"start_sec", "end_sec"}.isdisjoint(whole)
    point = cite(item_id=ID, kind="audio", place=Place(start_s=3.0))
    assert (point["type"], point["start_sec"], point["end_sec"]) == ("audio_citation", 3.0, 3.0)


async def test_citations_of_other_kinds_have_no_times() -> None:
    document = cite(item_id=ID, kind="document", place=Place(page=4, start_s=1.0))
    assert (document["type"], document["page"], "start_sec" in document) == ("document_citation", 4, False)
    collection = cite(collection_id=ID)
    assert (collection["type"], collection["collection_id"]) == ("collection_citation", f"ksic_{ID}")
    assert "item_id" not in collection


# Requests.


def parse(**fields: Any) -> Any:
    body = {"input": [{"type": "message", "role": "user", "content": "hi"}], **fields}
    return parse_question(msgspec.json.encode(body), Headers())


async def test_store_is_named_in_one_of_two_places() -> None:
    tool = {"type": "knowledge_store", "knowledge_store_id": "ks_a"}
    assert parse(knowledge_store_id="ks_a").store == "ks_a"
    assert parse(tools=[{"type": "function"}, tool]).store == "ks_a"
    assert parse(tools=[tool], knowledge_store_id="ks_a").store == "ks_a"
    wrong: list[dict[str, Any]] = [{}, {"tools": []}, {"tools": [tool], "knowledge_store_id": "ks_b"}]
    for fields in wrong:
        with pytest.raises(InvalidRequest) as caught:
            parse(**fields)
        assert caught.value.param == "knowledge_store_id"


async def test_selected_titles_stand_in_quotes() -> None:
    assert write_selected("In {{sel:1}} and {{ sel:0 }}.", ["A", "B {{sel:0}}"]) == 'In "B {{sel:0}}" and "A".'


async def test_ids_are_read_in_any_form() -> None:
    for text in (f"ks_{ID}", str(ID), ID.hex, f"ks_{ID.hex}"):
        assert read_path(text, "knowledge-stores") == ID
    with pytest.raises(NotFound, match=r"ks_x does not exist in knowledge-stores"):
        read_path("ks_x", "knowledge-stores")
    with pytest.raises(InvalidRequest):
        read_given(str(ID), "id", prefix="ksi_")


async def test_page_token_belongs_to_its_search() -> None:
    body = msgspec.convert({"query": {"text": "a"}, "page_size": 3}, JockeySearchBody)
    search = read_search(body, NOW)
    token = write_token(search, NOW)
    assert read_token(token, search.digest, NOW) == 3
    with pytest.raises(InvalidRequest):
        read_token(token, "other", NOW)
    with pytest.raises(InvalidRequest) as caught:
        read_token(token, search.digest, NOW + timedelta(hours=2))
    assert caught.value.code == "page_token_expired"


# What is said.


async def test_words_have_times_between_those_of_their_phrases() -> None:
    place = Place(start_s=1.0, end_s=5.0, marks=(Mark(0, 1.0, 2.0), Mark(10, 3.0, 5.0)))
    transcript = Transcript(status="ready", segments=(Segment(text="One, two. Three four.", place=place),))
    told = render_transcription(transcript, ("words", "sentences", "utterances"))
    assert [(word.value, word.start) for word in told.words or []] == [
        *(("One,", 1.0), ("two.", 1.5)),
        *(("Three", 3.0), ("four.", 4.091)),
    ]
    assert [(one.value, one.start, one.end) for one in told.sentences or []] == [
        *(("One, two.", 1.0, 1.9), ("Three four.", 3.0, 5.0)),
    ]
    assert [(one.start, one.end) for one in told.utterances or []] == [(1.0, 5.0)]


# Errors.


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidRequest("'name' is wrong."), 400, "parameter_invalid"),
        (InvalidRequest("Object missing required field `name`."), 400, "parameter_not_provided"),
        (InvalidRequest("no", code="ingestion_config_invalid"), 422, "parameter_invalid"),
        (InvalidRequest("no", code="page_token_expired"), 410, "page_token_expired"),
        (TooLarge("too much"), 400, "parameter_invalid"),
        (NotFound("gone"), 404, "resource_not_exist"),
        (RateLimited("slowly"), 429, "too_many_requests"),
        (Unavailable("away", code="storage_failed"), 503, "storage_failed"),
    ],
)
async def test_errors_are_told_as_twelvelabs_tells_them(error: MultiturnError, status: int, code: str) -> None:
    envelope = find_envelope("/v1.3/responses")
    assert envelope is not None
    assert (envelope.status_of(error), envelope.write(error)["code"]) == (status, code)
    assert find_envelope("/v1.33/responses") is None
