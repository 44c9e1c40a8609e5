"""Streams: frames however they are cut, connections that break, answers at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from multiturn_client import ConnectionFailed, MultiturnError, UpstreamError
from multiturn_client.frames import Frame, FrameReader
from tests.sdk.answering import Client, fail, tell

RUN = {"id": "r", "session_id": "s", "status": "completed", "model": "m", "finish_reason": "stop"}
ANSWER = {"id": "r", "session_id": "s", "text": "One two", "status": "completed", "items": [{"seq": 1}], "retrieved": 2}


def frame(number: int, type_: str, **facts: Any) -> bytes:
    body = json.dumps({"number": number, "type": type_, **facts})
    return f"id: {number}\nevent: {type_}\ndata: {body}\n\n".encode()


ONE, TWO = frame(1, "delta", text="One "), frame(2, "delta", text="two", finish_reason="stop")
END = frame(3, "end", run=RUN, answer=ANSWER)


class Pieces(httpx.SyncByteStream):
    """A body that comes in pieces, and then breaks if it is told to."""

    def __init__(self, pieces: tuple[bytes, ...], *, breaks: bool) -> None:
        self.pieces = pieces
        self.breaks = breaks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.breaks:
            raise httpx.ReadError("broken")


def stream(*pieces: bytes, breaks: bool = False) -> httpx.Response:
    headers = {"content-type": "text/event-stream", "x-run-id": "r"}
    return httpx.Response(200, headers=headers, stream=Pieces(pieces, breaks=breaks))


def tell_found() -> httpx.Response:
    shown = [{"source": "document", "title": "Menu"}, {"source": "session"}, {"source": "session", "omitted": "budget"}]
    return tell(body={"snippets": shown})


def hear(client: Client) -> tuple[list[str], Any]:
    with client.sessions.stream("s", "hello") as heard:
        return list(heard), heard.answer


def test_answer_comes_in_pieces_and_whole() -> None:
    client = Client(stream(ONE, TWO, END))
    texts, answer = hear(client)
    assert texts == ["One ", "two"]
    assert (answer, answer.run_id, answer.retrieved, len(answer.items)) == ("One two", "r", 2, 1)
    assert client.sent()["stream"] is True
    assert client.server.requests[0].headers["accept"] == "text/event-stream"


@pytest.mark.parametrize("breaks", [True, False])
def test_broken_stream_is_taken_up_behind_what_was_heard(breaks: bool) -> None:
    end = frame(3, "end", run={**RUN, "input_items": [4, 5], "output_items": [6, 7]})
    items = tell(body={"data": [{"seq": 4}, {"seq": 7}]})
    client = Client(stream(ONE, TWO[:20], breaks=breaks), stream(TWO, end), items, tell_found())
    texts, answer = hear(client)
    assert texts == ["One ", "two"]
    assert (answer, answer.finish_reason, answer.retrieved) == ("One two", "stop", 2)
    assert [item.seq for item in answer.items] == [4, 7]
    assert [hit.title for hit in answer.docs] == ["Menu"]
    assert client.asked == [
        "POST /v1/sessions/s/chat",
        "GET /v1/runs/r/events?starting_after=1",
        "GET /v1/sessions/s/items?order=asc&limit=100&after=3&before=8",
        "GET /v1/runs/r/retrieved-context",
    ]


def test_answer_that_was_heard_is_there_whatever_cannot_be_looked_up() -> None:
    client = Client(stream(ONE), stream(frame(2, "end", run=RUN)), fail(404))
    assert hear(client)[1] == "One "


def test_stream_that_breaks_again_and_again_is_given_up() -> None:
    client = Client(stream(ONE), stream(), stream(), max_retries=2)
    with pytest.raises(ConnectionFailed):
        hear(client)
    assert len(client.asked) == 3
    assert len(client.pauses) == 1


def test_stream_that_gets_on_is_not_given_up() -> None:
    pieces = [frame(number, "delta", text=str(number)) for number in range(1, 8)]
    told = [stream(piece, breaks=True) for piece in pieces]
    client = Client(*told, stream(frame(8, "end", run=RUN)), tell_found(), max_retries=1)
    assert hear(client)[1] == "1234567"


def test_request_of_a_stream_is_repeated_under_its_name() -> None:
    client = Client(fail(503), stream(ONE, TWO, END))
    assert hear(client)[1] == "One two"
    assert len({request.headers["idempotency-key"] for request in client.server.requests}) == 1


def test_answer_of_an_earlier_run_comes_whole() -> None:
    texts, answer = hear(Client(stream(frame(1, "end", run=RUN, answer=ANSWER))))
    assert texts == ["One two"] == [answer]


def test_error_in_mid_stream_is_raised() -> None:
    told = {"error": {"message": "It went away.", "type": "upstream_error", "code": "upstream_cut_off"}}
    client = Client(stream(ONE, b"event: error\ndata: %s\n\n" % json.dumps(told).encode()))
    with pytest.raises(UpstreamError, match="went away"):
        hear(client)
    failed = {**RUN, "status": "failed", "error": {"code": "upstream_error", "message": "It failed."}}
    with pytest.raises(UpstreamError, match="It failed"):
        hear(Client(stream(ONE, frame(2, "end", run=failed))))


def test_events_tell_reasoning_and_tool_calls() -> None:
    calls = [
        frame(1, "delta", reasoning="Hm.", tool_calls=[{"index": 0, "call_id": "c", "name": "f", "arguments": "{"}]),
        frame(2, "delta", tool_calls=[{"index": 0, "call_id": None, "name": None, "arguments": "}"}]),
        frame(3, "end", run={**RUN, "finish_reason": "tool_calls"}),
    ]
    with Client(stream(*calls), tell_found()).sessions.stream("s", "hello") as heard:
        assert [event.reasoning for event in heard.events()] == ["Hm.", "", ""]
    call = heard.answer.tool_calls[0]
    assert (call.call_id, call.name, call.arguments) == ("c", "f", "{}")
    assert heard.answer.choices[0].message.content is None
    assert heard.answer.choices[0].finish_reason == "tool_calls"


def test_answer_is_not_there_before_the_end() -> None:
    with Client(stream(ONE, TWO, END)).sessions.stream("s", "hello") as heard:
        next(iter(heard))
        with pytest.raises(MultiturnError, match="when the stream has ended"):
            _ = heard.answer
    with pytest.raises(MultiturnError, match="'with' block"):
        list(Client().sessions.stream("s", "hello"))


def test_events_of_a_run_are_taken_up_too() -> None:
    client = Client(stream(TWO, breaks=True), stream(END))
    with client.runs.events("r", starting_after=1) as events:
        assert [event.number for event in events] == [2, 3]
    assert client.asked[1] == "GET /v1/runs/r/events?starting_after=2"


TEXTS = {
    "one": (b"data: a\n\n", [Frame("message", "a")]),
    "names": (b"event: end\nid: 3\ndata: a\n\n", [Frame("end", "a", "3")]),
    "lines": (b"data: a\ndata:b\n\n", [Frame("message", "a\nb")]),
    "returns": (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [Frame("message", text) for text in "abc"]),
    "comment": (b": alive\n\ndata: a\n\n", [Frame("message", "a")]),
    "no data": (b"event: x\n\ndata: a\n\n", [Frame("message", "a")]),
    "separators": ("data: a\u2028b\x85c\n\n".encode(), [Frame("message", "a\u2028b\x85c")]),
    "unfinished": (b"data: a", []),
}


@pytest.mark.parametrize(("sent", "wanted"), TEXTS.values(), ids=TEXTS)
def test_frames_are_read_however_the_bytes_are_cut(sent: bytes, wanted: list[Frame]) -> None:
    for size in range(1, len(sent) + 1):
        reader = FrameReader()
        chunks = [sent[at : at + size] for at in range(0, len(sent), size)]
        assert [found for chunk in chunks for found in reader.feed(chunk)] == wanted, size


def test_response_that_is_no_stream_is_no_answer() -> None:
    with pytest.raises(ConnectionFailed):
        hear(Client(tell(body=ANSWER), max_retries=0))
