"""A turn is whole or absent, answered once, and never stuck: whatever the model, the client or the server does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import openai
import pytest

from multiturn.errors import ContextTooLong, MultiturnError, Unavailable, UpstreamError, UpstreamTimeout
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import OpenPlace, Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON_S = 10.0
# What a server needs to notice that a client went away, and to note it.
NOTICE_S = 0.3


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    return str(request.param)


async def until(holds: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(SOON_S):
        while not (found if isinstance(found := holds(), bool) else await found):
            await asyncio.sleep(0.01)


async def until_ended(place: Place, session: str = "s") -> list[dict[str, Any]]:
    """Wait until no turn of the session runs or waits; its runs."""

    async def is_over() -> bool:
        return not {"queued", "in_progress"} & {run["status"] for run in await place.list_runs(session)}

    await until(is_over)
    return await place.list_runs(session)


async def until_queued(place: Place, count: int) -> None:
    """Wait until so many turns of the session wait."""

    async def are_queued() -> bool:
        return [run["status"] for run in await place.list_runs()].count("queued") == count

    await until(are_queued)


async def read_frame(reply: aiohttp.ClientResponse) -> Any:
    """The next chunk of a stream."""
    return json.loads((await reply.content.readuntil(b"\n\n")).removeprefix(b"data: "))


def texts_of(frames: bytes) -> str:
    """What the chunks of a stream say."""
    whole = frames.decode().split("\n\n")
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in whole if frame not in ("", "data: [DONE]")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", ()))


@asynccontextmanager
async def held_turn(
    place: Place, text: str = "hi", *, said: int = 2, **fields: Any
) -> AsyncGenerator[tuple[aiohttp.ClientResponse, asyncio.Event]]:
    """A streamed turn that stops behind ``said`` words until the event is set, which happens at the latest here."""
    hold = asyncio.Event()
    place.will_say(Script("one two three", pieces_first=said, hold=hold))
    try:
        async with place.post(text, stream=True, **fields) as reply:
            assert reply.status == 200, await reply.text()
            for _ in range(said):
                await read_frame(reply)
            yield reply, hold
    finally:
        hold.set()


@asynccontextmanager
async def asking(place: Place, text: str, **fields: Any) -> AsyncGenerator[asyncio.Task[tuple[int, Any]]]:
    """A request that is under way: its status and body."""

    async def ask() -> tuple[int, Any]:
        async with place.post(text, **fields) as reply:
            return reply.status, await reply.json()

    async with asyncio.TaskGroup() as group:
        yield group.create_task(ask())


FAILURES: dict[str, tuple[MultiturnError, int, str]] = {
    "down": (UpstreamError("It is down.", code="upstream_unreachable"), 502, "upstream_unreachable"),
    "slow": (UpstreamTimeout("It is slow."), 504, "upstream_timeout"),
    "left alone": (
        Unavailable("It failed.", code="upstream_unavailable", retry_after_s=7),
        503,
        "upstream_unavailable",
    ),
    "too long": (ContextTooLong("It is too long.", status=400), 400, "context_length_exceeded"),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("stream", [False, True])
async def test_failure_before_the_first_token_leaves_no_turn(place: Place, failure: str, stream: bool) -> None:
    await place.ask("first")
    error, status, code = FAILURES[failure]
    place.will_say(*[error] * 2 if failure == "too long" else [error])
    async with place.post("lost", stream=stream) as reply:
        body = await reply.json()
        assert (reply.status, body["error"]["code"], body["error"]["message"]) == (status, code, error.message)
        assert reply.headers.get("Retry-After") == ("7" if error.retry_after_s else None)
        assert reply.headers["X-Session-Id"] == "s"
    place.scripts.clear()
    await place.ask("second")
    assert place.seen_texts[-1] == ["first", "ok", "second"]
    run = (await place.list_runs())[1]
    assert (run["status"], run["error"]["code"], run["output"]) == ("failed", code, [])
    assert run["input"] == [{"type": "message", "role": "user", "content": "lost"}]


async def test_failure_in_mid_stream_leaves_no_turn(place: Place) -> None:
    client = place.client({"sessionId": "s"})
    place.will_say("ok", Script("one two three", pieces_first=2, error=UpstreamError("It broke.")))
    await place.ask("first")
    messages: Any = [{"role": "user", "content": "lost"}]
    stream = await client.chat.completions.create(model="m", messages=messages, stream=True)
    assert [(await anext(stream)).choices[0].delta.content for _ in range(2)] == ["one ", "two "]
    with pytest.raises(openai.APIError, match="It broke"):
        await anext(stream)
    run = (await place.list_runs())[1]
    assert (run["status"], run["error"]["message"]) == ("failed", "It broke.")
    assert [item["content"] for item in (*run["input"], *run["output"])] == ["lost", "one two "]
    assert await place.list_texts() == ["first", "ok"]


async def test_too_long_is_cut_once_and_tried_again(opening: OpenPlace) -> None:
    async with opening(context_tokens=4000, context_overflow="truncate") as place:
        for _ in range(8):
            await place.ask("word " * 200)
        place.will_say(ContextTooLong("too long", status=400, tokens_max=1500), "cut")
        assert await place.ask("word " * 200) == "cut"
        assert len(place.seen[-1]["messages"]) < len(place.seen[-2]["messages"]) / 2
        assert [run["status"] for run in await place.list_runs()] == ["completed"] * 9
        assert len(await place.list_items()) == 18


async def vanish(place: Place, text: str, **fields: Any) -> asyncio.Event:
    """Ask, and go away when the model has said two words; it goes on when the event is set."""
    hold = asyncio.Event()
    place.will_say(Script("one two three", pieces_first=2, hold=hold))
    async with asking(place, text, **fields) as asked:
        await until(lambda: place.upstream.running == 1)
        await asyncio.sleep(NOTICE_S)
        asked.cancel()
    await asyncio.sleep(NOTICE_S)
    return hold


@pytest.mark.parametrize("stream", [False, True])
async def test_turn_ends_without_its_client(place: Place, stream: bool) -> None:
    hold = await vanish(place, "hi", stream=stream)
    assert place.upstream.running == 1
    hold.set()
    assert [run["status"] for run in await until_ended(place)] == ["completed"]
    assert await place.list_texts() == ["hi", "one two three"]


async def test_turn_may_end_with_its_client(place: Place) -> None:
    await vanish(place, "hi", stream=True, on_disconnect="cancel")
    assert [run["status"] for run in await until_ended(place)] == ["cancelled"]
    assert place.upstream.running == 0
    assert [(item["content"], item["status"]) for item in await place.list_items()] == [
        ("hi", "completed"),
        ("one two ", "incomplete"),
    ]


async def test_all_turns_may_end_with_their_clients(opening: OpenPlace) -> None:
    async with opening(on_disconnect="cancel") as place:
        await vanish(place, "hi")
        assert [run["status"] for run in await until_ended(place)] == ["cancelled"]
        for stream in (False, True):
            await vanish(place, "hi", session_id=None, stream=stream)
            assert place.upstream.running == 0


@pytest.mark.parametrize("is_over", [False, True])
async def test_same_body_joins_the_turn_of_a_vanished_client(place: Place, is_over: bool) -> None:
    hold = await vanish(place, "hi", stream=True)
    if is_over:
        hold.set()
        await until_ended(place)
    async with place.post("hi", stream=True) as reply:
        hold.set()
        assert texts_of(await reply.read()) == "one two three"
    assert len(place.seen) == 1
    assert await place.list_texts() == ["hi", "one two three"]


async def test_other_body_waits_for_the_vanished_turn(place: Place) -> None:
    hold = await vanish(place, "hi")
    async with asking(place, "other") as asked:
        await until_queued(place, 1)
        hold.set()
    assert asked.result()[0] == 200
    assert place.seen_texts[1] == ["hi", "one two three", "other"]


async def test_cancelled_stream_keeps_what_was_said(place: Place) -> None:
    async with held_turn(place) as (reply, _):
        run_id = reply.headers["X-Run-Id"]
        async with place.http.post(f"/v1/runs/{run_id}/cancel") as cancelled:
            assert (await cancelled.json())["status"] == "cancelled"
        assert (await read_frame(reply))["error"]["code"] == "run_cancelled"
        assert await reply.read() == b""
    assert place.upstream.running == 0
    assert [(item["content"], item["status"]) for item in await place.list_items()] == [
        ("hi", "completed"),
        ("one two ", "incomplete"),
    ]
    await place.ask("go on")
    assert place.seen_texts[1] == ["hi", "one two ", "go on"]


async def cancel(place: Place, run: dict[str, Any]) -> dict[str, Any]:
    """Cancel a run; the run as it stands then."""
    async with place.http.post(f"/v1/runs/{run['id']}/cancel") as reply:
        stands: dict[str, Any] = await reply.json()
        assert reply.status == 200, stands
        return stands


async def test_cancelled_before_a_word_leaves_no_turn(place: Place) -> None:
    place.will_say(Script("one", hold=asyncio.Event()))
    async with asking(place, "hi") as asked:
        await until(lambda: place.upstream.running == 1)
        stands = await cancel(place, (await place.list_runs())[0])
    assert (stands["status"], stands["input"][0]["content"]) == ("cancelled", "hi")
    status, body = asked.result()
    assert (status, body["error"]["code"]) == (409, "run_cancelled")
    assert await place.list_items() == []
    assert await place.ask("again") == "ok"


async def test_half_a_call_is_not_kept(place: Place) -> None:
    place.will_say(Script("I look.", [ScriptedCall("look", '{"city":"Paris"}')], pieces_first=3, hold=asyncio.Event()))
    async with place.post("hi", stream=True) as reply:
        for _ in range(3):
            await read_frame(reply)
        await cancel(place, (await place.list_runs())[0])
        await reply.read()
    assert [item["type"] for item in await place.list_items()] == ["message", "message"]


async def test_cancelled_in_the_queue_never_runs(place: Place) -> None:
    async with held_turn(place) as (_, hold), asking(place, "second") as second, asking(place, "third") as third:
        await until_queued(place, 2)
        runs = {run["input"][0]["content"]: run for run in await place.list_runs() if run["input"]}
        assert (await cancel(place, runs["second"]))["status"] == "cancelled"
        hold.set()
    status, body = second.result()
    assert (status, body["error"]["code"]) == (409, "run_cancelled")
    assert third.result()[0] == 200
    assert place.seen_texts[1] == ["hi", "one two three", "third"]


@pytest.mark.parametrize("answer", ["ok", Unavailable("It failed.")])
async def test_ended_run_stays_as_it_is(place: Place, answer: str | MultiturnError) -> None:
    place.will_say(answer)
    async with place.post("hi"):
        pass
    (run,) = await place.list_runs()
    assert await cancel(place, run) == run


async def test_turns_wait_in_order_and_see_each_other(place: Place) -> None:
    texts = [f"turn {number}" for number in range(6)]
    async with held_turn(place, "hi") as (_, hold), asyncio.TaskGroup() as group:
        for place_in_line, text in enumerate(texts, start=1):
            group.create_task(place.ask(text))
            await until_queued(place, place_in_line)
        hold.set()
    shown = ["hi", "one two three"]
    for text, seen in zip(texts, place.seen_texts[1:], strict=True):
        shown.append(text)
        assert seen == shown
        shown.append("ok")
    assert [item["seq"] for item in await place.list_items()] == list(range(1, 15))


async def test_racing_turns_are_all_kept(place: Place) -> None:
    await asyncio.gather(*(place.ask(f"turn {number}") for number in range(20)))
    assert [len(texts) for texts in place.seen_texts] == list(range(1, 40, 2))
    assert len(set(await place.list_texts())) == 21


async def test_sessions_do_not_wait_for_each_other(place: Place) -> None:
    async with held_turn(place, session_id="busy"):
        assert await place.ask("hi", session_id="free") == "ok"


async def test_reject_refuses_while_a_turn_runs(place: Place) -> None:
    async with held_turn(place), place.post("second", concurrency="reject") as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (409, "session_busy")
        assert reply.headers["x-should-retry"] == "false"
    assert [run["status"] for run in await until_ended(place)] == ["completed"]
    assert await place.ask("third", concurrency="reject") == "ok"


async def test_interrupt_cancels_and_goes(place: Place) -> None:
    async with held_turn(place) as (reply, _):
        assert await place.ask("stop", concurrency="interrupt") == "ok"
        assert (await read_frame(reply))["error"]["code"] == "run_cancelled"
    assert place.seen_texts[1] == ["hi", "one two ", "stop"]
    assert [run["status"] for run in await place.list_runs()] == ["cancelled", "completed"]


async def test_interrupt_waits_its_turn_in_the_queue(place: Place) -> None:
    async with held_turn(place) as (_, hold), asking(place, "second") as second:
        await until_queued(place, 1)
        assert await place.ask("stop", concurrency="interrupt") == "ok"
        hold.set()
    assert second.result()[0] == 200
    assert place.seen_texts[1:] == [["hi", "one two ", "second"], ["hi", "one two ", "second", "ok", "stop"]]


async def test_client_may_vanish_from_the_queue(place: Place) -> None:
    async with held_turn(place) as (_, hold):
        for text, wish in (("stays", "finish"), ("goes", "cancel")):
            async with asking(place, text, on_disconnect=wish) as asked:
                await until_queued(place, 2 if wish == "cancel" else 1)
                asked.cancel()
        await until_queued(place, 1)
        async with asking(place, "stays", on_disconnect="finish") as again:
            await asyncio.sleep(NOTICE_S)
            hold.set()
        assert again.result()[0] == 200
    assert [run["status"] for run in await until_ended(place)] == ["completed", "completed", "cancelled"]
    assert await place.list_texts() == ["hi", "one two three", "stays", "ok"]


async def test_queue_has_a_length(opening: OpenPlace) -> None:
    async with opening(queue_max=1) as place, held_turn(place) as (_, hold), asking(place, "second") as second:
        await until_queued(place, 1)
        async with place.post("third") as reply:
            assert (reply.status, (await reply.json())["error"]["code"]) == (429, "queue_full")
            assert reply.headers["Retry-After"]
        hold.set()
        assert (await second)[0] == 200
        assert len(await place.list_runs()) == 2


async def test_waiting_has_a_limit(opening: OpenPlace) -> None:
    async with opening(queue_wait_s=0.2) as place:
        async with held_turn(place), place.post("second") as reply:
            assert (reply.status, (await reply.json())["error"]["code"]) == (503, "queue_timeout")
        await until_ended(place)
        assert await place.ask("third") == "ok"
        assert place.seen_texts[1] == ["hi", "one two three", "third"]


async def test_turn_has_a_limit(opening: OpenPlace) -> None:
    async with opening(turn_s=0.5) as place:
        async with held_turn(place) as (reply, _):
            assert (await read_frame(reply))["error"]["code"] == "turn_timeout"
        (run,) = await place.list_runs()
        assert (run["status"], run["output"][0]["content"]) == ("failed", "one two ")
        assert await place.ask("again") == "ok"


async def post_twice(place: Place, headers: dict[str, str], **fields: Any) -> list[bytes]:
    """Send one request two times; both answers."""
    answers = []
    for _ in range(2):
        async with place.post("hi", headers=headers, **fields) as reply:
            assert reply.status == 200, await reply.text()
            answers.append(await reply.read())
    return answers


@pytest.mark.parametrize("fields", [{}, {"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}])
async def test_idempotency_key_repeats_the_answer(place: Place, fields: dict[str, Any]) -> None:
    place.will_say("one two three", "other")
    first, again = await post_twice(place, {"Idempotency-Key": "k"}, **fields)
    assert first == again
    assert len(place.seen) == 1
    assert await place.list_texts() == ["hi", "one two three"]


async def test_idempotency_key_joins_what_runs(place: Place) -> None:
    key = {"Idempotency-Key": "k"}
    async with held_turn(place, headers=key) as (reply, hold), place.post("hi", headers=key, stream=True) as again:
        assert again.headers["X-Run-Id"] == reply.headers["X-Run-Id"]
        hold.set()
        assert texts_of(await again.read()) == "one two three"
    assert len(place.seen) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_key_repeats_the_answer_without_its_events(opening: OpenPlace, stream: bool) -> None:
    key = {"Idempotency-Key": "k"}
    async with opening(events_life_s=0.01, sweep_every_s=0.05) as place:
        place.will_say(Script("I look.", [ScriptedCall("look", '{"city":"Paris"}', "a")]))
        fields: Any = {"stream": stream, "stream_options": {"include_usage": True} if stream else None}
        async with place.post("hi", headers=key, **fields) as reply:
            first = await reply.text()
        (run,) = await place.list_runs()

        async def are_gone() -> bool:
            events = (await place.get(f"/v1/runs/{run['id']}/events"))["data"]
            return [event["type"] for event in events] == ["end"]

        await until(are_gone)
        async with place.post("hi", headers=key, **fields) as reply:
            again = await reply.text()
        assert gist(again) == gist(first)
        assert len(place.seen) == 1


def gist(answer: str) -> Any:
    """What an answer says, whole or in however many chunks."""
    whole = [
        json.loads(frame.removeprefix("data: ")) for frame in answer.split("\n\n") if frame not in ("", "data: [DONE]")
    ]
    choices = [choice for part in whole for choice in part["choices"]]
    said = [choice.get("message") or choice["delta"] for choice in choices]
    calls = [call for part in said for call in part.get("tool_calls") or ()]
    return {
        "text": "".join(part.get("content") or "" for part in said),
        "ids": {call["id"] for call in calls if "id" in call},
        "arguments": "".join(call["function"]["arguments"] for call in calls),
        "finish": [choice["finish_reason"] for choice in choices][-1],
        "usage": whole[-1]["usage"]["total_tokens"],
    }


@pytest.mark.parametrize("failure", ["down", "slow", "left alone"])
async def test_key_of_a_failure_may_be_tried_again(place: Place, failure: str) -> None:
    error, status, code = FAILURES[failure]
    place.will_say(error)
    async with place.post("hi", headers={"Idempotency-Key": "k"}) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (status, code)
    for _ in range(2):
        async with place.post("hi", headers={"Idempotency-Key": "k"}) as reply:
            assert reply.status == 200
    assert len(place.seen) == 2
    assert await place.list_texts() == ["hi", "ok"]


async def test_key_with_another_body_is_refused(place: Place) -> None:
    key = {"Idempotency-Key": "k"}
    async with place.post("hi", headers=key), place.post("other", headers=key) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (409, "idempotency_key_reused")
    assert await place.list_texts() == ["hi", "ok"]


async def test_key_belongs_to_its_user(place: Place) -> None:
    headers = {"Idempotency-Key": "k", "Authorization": f"Bearer {await place.make_key(user='user-1')}"}
    async with place.post("hi", headers={"Idempotency-Key": "k"}), place.post("other", headers=headers) as reply:
        assert reply.status == 200


async def test_retry_of_the_client_joins(place: Place) -> None:
    await place.ask("hi")
    async with place.post("hi", headers={"x-stainless-retry-count": "1"}) as reply:
        assert reply.status == 200
    assert len(place.seen) == 1
    async with place.post("hi", headers={"x-stainless-retry-count": "0"}) as reply:
        assert reply.status == 200
    assert place.seen_texts == [["hi"], ["hi", "ok", "hi"]]


async def test_retry_of_a_failure_is_tried_again(place: Place) -> None:
    client = place.client({"sessionId": "s"}).with_options(max_retries=1)
    place.will_say(UpstreamError("It is down."), "ok")
    completion = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert completion.choices[0].message.content == "ok"
    assert [run["status"] for run in await place.list_runs()] == ["failed", "completed"]
    assert await place.list_texts() == ["hi", "ok"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("header", [{"Idempotency-Key": "k"}, {"x-stainless-retry-count": "1"}])
async def test_answer_that_was_not_saved_is_not_made_up(place: Place, header: dict[str, str], stream: bool) -> None:
    async with place.post("hi", headers=header, saveToMemory=False, stream=stream) as reply:
        assert reply.status == 200
        await reply.read()
    async with place.post("hi", headers=header, saveToMemory=False, stream=stream) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (409, "conflict")


async def list_events(place: Place, run_id: str, after: int, *, stream: bool) -> list[dict[str, Any]]:
    """The events of a run behind a number, as a page or as a stream."""
    path = f"/v1/runs/{run_id}/events?starting_after={after}"
    if not stream:
        events: list[dict[str, Any]] = (await place.get(path))["data"]
        return events
    async with place.http.get(path, headers={"Accept": "text/event-stream"}) as reply:
        return [read_event(frame) for frame in (await reply.text()).split("\n\n") if frame]


def read_event(frame: str) -> dict[str, Any]:
    """One event of a stream, its number in both places."""
    id_, kind, data = frame.split("\n")
    event: dict[str, Any] = json.loads(data.removeprefix("data: "))
    assert (id_, kind) == (f"id: {event['number']}", f"event: {event['type']}")
    return event


@pytest.mark.parametrize("stream", [False, True])
async def test_events_are_replayed_from_any_number(place: Place, stream: bool) -> None:
    place.will_say("one two three")
    async with place.post("hi", stream=True) as reply:
        await reply.read()
    run_id = reply.headers["X-Run-Id"]
    events = await list_events(place, run_id, 0, stream=stream)
    assert [event["number"] for event in events] == list(range(1, 7))
    assert "".join(event.get("text", "") for event in events) == "one two three"
    assert (events[-1]["type"], events[-1]["run"]["status"]) == ("end", "completed")
    for after in range(6):
        assert await list_events(place, run_id, after, stream=stream) == events[after:]


async def test_whole_answer_is_one_event(place: Place) -> None:
    await place.ask("hi")
    (run,) = await place.list_runs()
    for stream in (False, True):
        events = await list_events(place, run["id"], 0, stream=stream)
        assert [(event["number"], event["type"]) for event in events] == [(1, "answer"), (2, "end")]
        assert await list_events(place, run["id"], 1, stream=stream) == events[1:]


async def test_events_are_heard_while_the_run_goes_on(place: Place) -> None:
    async with held_turn(place) as (reply, hold):
        run_id = reply.headers["X-Run-Id"]
        page = await place.get(f"/v1/runs/{run_id}/events")
        assert [event["text"] for event in page["data"]] == ["one ", "two "]
        assert (page["has_more"], page["next"]) == (True, 2)
        await asyncio.sleep(1.2)  # By now they are stored, and read from there.
        async with asyncio.TaskGroup() as group:
            heard = [group.create_task(list_events(place, run_id, after, stream=True)) for after in range(3)]
            await asyncio.sleep(0.05)
            hold.set()
    for after, task in enumerate(heard):
        events = task.result()
        assert [event["number"] for event in events] == list(range(after + 1, 7))
        assert events[-1]["type"] == "end"


async def test_reconnect_by_the_last_event_id(place: Place) -> None:
    async with held_turn(place) as (reply, hold):
        path, asked = (
            f"/v1/runs/{reply.headers['X-Run-Id']}/events",
            {"Accept": "text/event-stream", "Last-Event-ID": "1"},
        )
        async with place.http.get(path, headers=asked) as events:
            assert read_event((await events.content.readuntil(b"\n\n")).decode().strip())["text"] == "two "
            hold.set()
            assert (await events.text()).count("event: end") == 1


async def test_strangers_hear_no_events(place: Place) -> None:
    await place.ask("hi")
    (run,) = await place.list_runs()
    for key in (await place.make_key(tenant=f"{place.tenant}-other"), await place.make_key(user="user-1")):
        for path, method in ((f"/v1/runs/{run['id']}/events", "GET"), (f"/v1/runs/{run['id']}/cancel", "POST")):
            async with place.http.request(method, path, headers={"Authorization": f"Bearer {key}"}) as reply:
                assert reply.status == 404


async def listen_to_the_end(http: aiohttp.ClientSession, place: Place, text: str) -> str:
    """Take a streamed turn with a client that outlives the server; all that it hears."""
    body = {"model": "m", "session_id": "s", "stream": True, "messages": [{"role": "user", "content": text}]}
    headers = {"Authorization": f"Bearer {place.key}"}
    async with http.post(f"{place.url}/v1/chat/completions", json=body, headers=headers) as reply:
        return await reply.text()


async def test_stop_leaves_no_session_stuck(opening: OpenPlace) -> None:
    """The turn that runs fails with what it had said, the one that waits without a word, and both clients are told."""
    async with aiohttp.ClientSession() as http:
        async with opening() as place:
            place.will_say(Script("one two three", pieces_first=2, hold=asyncio.Event()))
            first = asyncio.create_task(listen_to_the_end(http, place, "first"))
            await until(lambda: place.upstream.running == 1)
            second = asyncio.create_task(listen_to_the_end(http, place, "second"))
            await until_queued(place, 1)
        assert ["interrupted" in said for said in (await first, await second)] == [True, True]
    async with opening() as place:
        runs = await place.list_runs()
        assert [(run["status"], run["error"]["code"]) for run in runs] == [("failed", "interrupted")] * 2
        assert [texts_in(run["input"] + run["output"]) for run in runs] == [["first", "one two "], ["second"]]
        assert await place.ask("third") == "ok"
        assert place.seen_texts == [["third"]]


def texts_in(contents: list[dict[str, Any]]) -> list[Any]:
    return [content["content"] for content in contents]


async def test_deleted_session_ends_its_turns(place: Place) -> None:
    async with held_turn(place) as (reply, _), asking(place, "second") as second:
        await until_queued(place, 1)
        async with place.http.delete("/v1/sessions/s") as deleted:
            assert deleted.status == 200
        assert (await read_frame(reply))["error"]["code"] == "turn_conflict"
        assert await reply.read() == b""
    assert second.result()[0] == 409
    assert place.upstream.running == 0
    async with place.http.get("/v1/sessions/s") as gone:
        assert gone.status == 404
    assert await place.ask("anew") == "ok"
    assert place.seen_texts[1] == ["anew"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_deleted_session_leaves_no_byte(opening: OpenPlace, tmp_path: Path) -> None:
    """Nor does the turn that runs meanwhile, which writes down what was said every half second."""
    async with opening() as place:
        async with held_turn(place, "a quiet secret"):
            await asyncio.sleep(0.7)
            async with place.http.delete("/v1/sessions/s") as deleted:
                assert deleted.status == 200
            await asyncio.sleep(0.7)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert not [path for path in files if b"quiet secret" in path.read_bytes() or b"one two" in path.read_bytes()]


async def test_expired_session_starts_anew(opening: OpenPlace) -> None:
    async with opening(session_idle_expiry_s=1) as place:
        await place.ask("one")
        first = await place.get("/v1/sessions/s")
        await asyncio.sleep(1.1)
        async with place.http.get("/v1/sessions/s") as gone:
            assert gone.status == 404
        assert (await place.get("/v1/sessions"))["data"] == []
        await place.ask("two")
        assert place.seen_texts[1] == ["two"]
        assert (await place.get("/v1/sessions/s"))["id"] != first["id"]
        assert [item["seq"] for item in await place.list_items()] == [1, 2]


async def behave_oddly(place: Place, chance: Random) -> None:
    """Do one of the things that clients do."""
    wish: dict[str, Any] = chance.choice(
        [{}, {}, {"concurrency": "interrupt"}, {"concurrency": "reject"}, {"on_disconnect": "cancel"}]
    )
    await asyncio.sleep(chance.random())
    runs = await place.list_runs() if chance.random() < 0.3 else []
    if runs:
        await cancel(place, chance.choice(runs))
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(chance.choice([0.1, 0.3, SOON_S])):
            async with place.post(f"text {chance.random()}", stream=chance.random() < 0.7, **wish) as reply:
                await reply.read()


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_happens_turns_are_whole_or_absent(place: Place, seed: int) -> None:
    chance = Random(seed)
    await place.ask("first")
    error = UpstreamError("It broke.")
    for _ in range(40):
        breaks = error if chance.random() < 0.2 else None
        pause_s = chance.choice([0, 0.01, 0.05])
        place.will_say(Script("one two three four", pause_s=pause_s, pieces_first=chance.randint(0, 4), error=breaks))
    async with asyncio.TaskGroup() as group:
        for _ in range(40):
            group.create_task(behave_oddly(place, chance))
    runs = await until_ended(place)
    assert place.upstream.running == 0
    assert (await place.get("/v1/sessions/s"))["running"] is None
    texts = await place.list_texts()
    assert [item["seq"] for item in await place.list_items()] == list(range(1, len(texts) + 1))
    ranges = sorted(taken for run in runs for taken in (run["input_items"], run["output_items"]) if taken)
    assert [seq for first, last in ranges for seq in range(first, last + 1)] == list(range(1, len(texts) + 1))
    assert all(run["input_items"] for run in runs if run["status"] == "completed")
    assert all(texts[: len(seen) - 1] == seen[:-1] for seen in place.seen_texts)
