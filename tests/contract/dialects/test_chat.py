"""Chat completions through the official client: sessions by a header, every field through, both ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

import openai
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from openai import AsyncOpenAI

from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import OpenPlace, Place, enter_shared, open_place

pytestmark = pytest.mark.asyncio(loop_scope="module")

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
# Fields of today, one that does not exist yet, and nothing.
FIELDS: dict[str, Any] = {
    "temperature": 0.1,
    "seed": 7,
    "stop": ["\n"],
    "logprobs": True,
    "top_logprobs": 2,
    "max_completion_tokens": 100,
    "logit_bias": {"5": 1},
    "user": "label",
    "response_format": SCHEMA,
    "tools": [TOOL],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning_effort": "low",
    "service_tier": "flex",
    "store": False,
    "metadata": {"a": "b"},
    "prompt_cache_key": "k",
    "not_yet": {"deep": [1, None, 1.5, 12345678901234567890, "ü"]},
    "nothing": None,
}
CONSUMED: dict[str, Any] = {
    "sessionId": "s",
    "session_id": "s",
    "context_overflow": "truncate",
    "memoryStrategy": "sliding_window",
    "saveToMemory": True,
    "useRAG": False,
    "ragQuery": None,
    "useUserMemory": False,
    "autoMemory": False,
    "summaryThreshold": None,
    "concurrency": "queue",
    "on_disconnect": "finish",
    "idle_expiry_s": 60,
}
LABELS = {
    "x-litellm-session-id": "a",
    "Helicone-Session-Id": "b",
    "x-openwebui-chat-id": "c",
    "x-claude-code-session-id": "d",
    "thread-id": "e",
    "baggage": "session.id=f",
}


async def say(client: AsyncOpenAI, *texts: str, **fields: Any) -> str | None:
    """Send user messages; what the model answers."""
    messages: Any = [{"role": "user", "content": text} for text in texts]
    completion = await client.chat.completions.create(model="m", messages=messages, **fields)
    said: str | None = completion.choices[0].message.content
    return said


@pytest.mark.parametrize("header", ["sessionId", "session-id", "x-session-id", "session_id", "X-SESSION-ID"])
async def test_header_names_the_session(place: Place, header: str) -> None:
    client = place.client({header: "s"})
    await say(client, "one")
    await say(client, "two")
    assert place.seen_texts == [["one"], ["one", "ok", "two"]]


@pytest.mark.parametrize("name", ["session_id", "sessionId"])
async def test_field_names_the_session(place: Place, name: str) -> None:
    await say(place.client(), "one", extra_body={name: "s"})
    await say(place.client({"sessionId": "s"}), "two", extra_body={name: "s"})
    assert place.seen_texts == [["one"], ["one", "ok", "two"]]


async def test_our_id_names_the_session_too(place: Place) -> None:
    await place.ask("one")
    id_ = (await place.get("/v1/sessions/s"))["id"]
    await say(place.client({"sessionId": id_}), "two")
    await say(place.client({"sessionId": "sess_" + id_.replace("-", "")}), "three")
    assert place.seen_texts[2] == ["one", "ok", "two", "ok", "three"]


async def test_sessions_do_not_mix(place: Place) -> None:
    for name in ("a", "b", "A"):
        await say(place.client({"sessionId": name}), "hi")
    assert place.seen_texts == [["hi"]] * 3


@pytest.mark.parametrize("name", ["größe", "会话", "a b", "👩‍👧", "a" * 255, "100%"])
async def test_any_word_may_be_a_name(place: Place, name: str) -> None:
    """A header carries UTF-8, in the request and in the echo."""
    async with place.post("one", session_id=None, headers={"sessionId": name}) as reply:
        assert reply.status == 200, await reply.text()
        assert reply.headers["X-Session-Id"].encode("utf-8", "surrogateescape").decode() == name
    await place.ask("two", session_id=name)
    assert place.seen_texts[1] == ["one", "ok", "two"]


async def test_session_and_run_are_echoed(place: Place) -> None:
    client = place.client({"sessionId": "s"})
    messages: Any = [{"role": "user", "content": "hi"}]
    for stream in (False, True):
        raw = await client.chat.completions.with_raw_response.create(model="m", messages=messages, stream=stream)
        assert raw.headers["X-Session-Id"] == "s"
        assert (await place.get(f"/v1/runs/{raw.headers['X-Run-Id']}"))["status"] in ("in_progress", "completed")


async def test_without_session_nothing_is_stored(place: Place) -> None:
    for headers in (None, LABELS, {"sessionId": ""}):
        client = place.client(headers)
        assert await say(client, "hi") == "ok"
        messages: Any = [{"role": "user", "content": "hi"}]
        raw = await client.chat.completions.with_raw_response.create(model="m", messages=messages)
        assert not {"x-session-id", "x-run-id"} & set(raw.headers)
    assert place.seen_texts == [["hi"]] * 6
    assert (await place.get("/v1/sessions"))["data"] == []


async def test_labels_are_only_recorded(place: Place) -> None:
    await say(place.client({"sessionId": "s", **LABELS}), "hi")
    (run,) = await place.list_runs()
    assert run["labels"] == {name.lower(): value for name, value in LABELS.items()}


@pytest.mark.parametrize("session", [None, "s"])
@pytest.mark.parametrize("stream", [False, True])
async def test_every_field_reaches_the_model(place: Place, session: str | None, stream: bool) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **FIELDS, "stream": stream}
    async with place.http.post("/v1/chat/completions", json=asked | {"session_id": session}) as reply:
        assert reply.status == 200, await reply.text()
        await reply.read()
    if stream:
        asked["stream_options"] = {"include_usage": True}
    else:
        del asked["stream"]
    assert place.seen == [asked]


async def test_consumed_fields_stay_here(place: Place) -> None:
    await place.ask("hi", **CONSUMED)
    assert place.seen == [{"model": "m", "messages": [{"role": "user", "content": "hi"}]}]


MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": [{"type": "text", "text": "Be brief."}], "name": "head"},
    {"role": "developer", "content": "In English."},
    {"role": "user", "content": [{"type": "text", "text": "see"}, PICTURE, {"type": "new", "x": 1}], "name": "Alice"},
    {"role": "assistant", "content": "I see", "refusal": "no", "audio": {"id": "a"}},
    {"role": "system", "content": "now"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "a",
                "type": "function",
                "function": {"name": "look", "arguments": "{ }"},
                "extra_content": {"x": 1},
            },
            {"id": "b", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}},
        ],
    },
    {"role": "tool", "tool_call_id": "a", "content": "sunny"},
    {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "1"}]},
    {"role": "user", "content": "well?"},
]


@pytest.mark.parametrize("session", [None, "s"])
async def test_every_message_reaches_the_model(place: Place, session: str | None) -> None:
    body = {"model": "m", "messages": MESSAGES, "session_id": session}
    async with place.http.post("/v1/chat/completions", json=body) as reply:
        assert reply.status == 200, await reply.text()
    assert place.seen[0]["messages"] == MESSAGES


@dataclass
class Provider:
    """A provider over HTTP: it answers as it is told, and keeps what it was asked; it may hold the end of a stream."""

    status: int = 200
    whole: bytes = b""
    events: list[bytes] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        if not self.asked[-1].get("stream"):
            return web.Response(status=self.status, body=self.whole, content_type="application/json")
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await reply.prepare(request)
        for event in self.events:
            await reply.write(b"data: " + event + b"\n\n")
        await self.hold.wait()
        await reply.write(b"data: [DONE]\n\n")
        return reply


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_relay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Provider, Place]]:
    """A provider, and a server that asks it."""
    provider = Provider()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", provider.answer)
    async with TestServer(app) as server:
        settings = {"upstream_url": str(server.make_url("/v1"))}
        async with open_place(tmp_path_factory.mktemp("relay"), None, **settings) as place:
            yield provider, place


@pytest.fixture
def provider(shared_relay: tuple[Provider, Place]) -> Provider:
    """The provider, which was asked nothing yet and holds nothing."""
    provider, _ = shared_relay
    provider.status, provider.events, provider.asked = 200, [], []
    provider.hold.set()
    return provider


@pytest_asyncio.fixture(loop_scope="module")
async def relaying(shared_relay: tuple[Provider, Place]) -> AsyncIterator[Place]:
    """The server that asks it, for a tenant that nobody was before."""
    async with enter_shared(shared_relay[1]) as place:
        yield place


def write_chunk(*choices: dict[str, Any], **fields: Any) -> bytes:
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "real", "choices": choices, **fields}
    return json.dumps(body).encode()


def write_choice(text: str | None, finish: str | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    return {"index": index, "delta": delta, "finish_reason": finish, **fields}


ODD = {"system_fingerprint": "fp", "service_tier": "flex", "big": 12345678901234567890, "none": None, "ü": "ü"}
LOGPROBS = {"content": [{"token": "ok", "logprob": -0.1, "bytes": [111], "top_logprobs": []}], "refusal": None}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}}
WHOLE = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "real",
    "choices": [
        {"index": 1, "message": {"role": "assistant", "content": "other"}, "finish_reason": "stop"},
        {
            "index": 0,
            "message": {"role": "assistant", "content": "ok", "reasoning_content": "hm", "annotations": [{"x": 1}]},
            "finish_reason": "stop",
            "logprobs": LOGPROBS,
            "odd": True,
        },
    ],
    "usage": USAGE | {"cost": 0.1},
    **ODD,
}
CHUNKS = [
    write_chunk(prompt_filter_results=[{"x": 1}]),
    write_chunk(write_choice("o", logprobs=LOGPROBS), **ODD),
    write_chunk(write_choice("other", index=1), write_choice("k"), usage=None),
    write_chunk(write_choice(None, "stop"), write_choice(None, "stop", index=1)),
]


@pytest.mark.parametrize("session", [None, "s"])
async def test_every_field_of_the_answer_comes_back(relaying: Place, provider: Provider, session: str | None) -> None:
    provider.whole = json.dumps(WHOLE).encode()
    async with relaying.post("hi", session_id=session, n=2) as reply:
        assert await reply.json() == WHOLE
        assert reply.content_type == "application/json"


@pytest.mark.parametrize("session", [None, "s"])
@pytest.mark.parametrize("options", [None, {"include_usage": True}, {"include_usage": False, "new": 1}])
async def test_every_chunk_comes_back(
    relaying: Place, provider: Provider, session: str | None, options: dict[str, Any] | None
) -> None:
    usage = write_chunk(usage=USAGE)
    provider.events = [*CHUNKS, usage]
    async with relaying.post("hi", session_id=session, n=2, stream=True, stream_options=options) as reply:
        frames = (await reply.read()).split(b"\n\n")
        assert reply.content_type == "text/event-stream"
    shown = [*CHUNKS, usage] if options and options["include_usage"] else CHUNKS
    assert frames == [*(b"data: " + chunk for chunk in shown), b"data: [DONE]", b""]
    assert provider.asked[0]["stream_options"] == {**(options or {}), "include_usage": True}


@pytest.mark.parametrize("stream", [False, True])
async def test_first_choice_enters_the_history(relaying: Place, provider: Provider, stream: bool) -> None:
    provider.whole, provider.events = json.dumps(WHOLE).encode(), [*CHUNKS, write_chunk(usage=USAGE)]
    async with relaying.post("hi", n=2, stream=stream) as reply:
        await reply.read()
    said = [item.get("content") or item.get("text") for item in await relaying.list_items()]
    assert said == (["hi", "ok"] if stream else ["hi", "hm", "ok"])
    (run,) = await relaying.list_runs()
    assert run["usage"]["cached_tokens"] == 1


@pytest.mark.parametrize("session", [None, "s"])
async def test_chunks_come_at_once(relaying: Place, provider: Provider, session: str | None) -> None:
    """Also from providers that send the usage so far with every chunk."""
    provider.events = [write_chunk(write_choice(word), usage=USAGE) for word in "ok"]
    provider.hold.clear()
    async with relaying.post("hi", session_id=session, stream=True) as reply:
        frames = [json.loads((await reply.content.readuntil(b"\n\n")).removeprefix(b"data: ")) for _ in "ok"]
        provider.hold.set()
        assert (await reply.read()).endswith(b"data: [DONE]\n\n")
    assert [frame["choices"][0]["delta"]["content"] for frame in frames] == ["o", "k"]
    assert not any("usage" in frame for frame in frames)


@pytest.mark.parametrize("session", [None, "s"])
async def test_provider_refusal_comes_back(relaying: Place, provider: Provider, session: str | None) -> None:
    error = {"message": "bad seed", "type": "invalid_request_error", "param": "seed", "code": "x", "more": 1}
    provider.status, provider.whole = 422, json.dumps({"error": error}).encode()
    async with relaying.post("hi", session_id=session) as reply:
        assert (reply.status, await reply.json()) == (422, {"error": error})


@pytest.mark.parametrize("asks", [False, True])
async def test_usage_is_shown_to_who_asked(place: Place, asks: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if asks else {}
    messages: Any = [{"role": "user", "content": "hi"}]
    client = place.client({"sessionId": "s"})
    stream = await client.chat.completions.create(model="m", messages=messages, stream=True, **options)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "ok"
    assert [chunk.usage is not None for chunk in chunks if not chunk.choices] == [True] * asks
    (run,) = await place.list_runs()
    assert run["usage"]["output_tokens"] == 1


async def call_tools(client: AsyncOpenAI, *messages: Any) -> Any:
    """Take a streamed turn with tools; the model's message."""
    async with client.chat.completions.stream(model="m", messages=messages, tools=[TOOL]) as stream:  # type: ignore[list-item]
        return (await stream.get_final_completion()).choices[0].message


async def test_tool_result_alone_continues_the_call(place: Place) -> None:
    client = place.client({"sessionId": "s"})
    place.will_say(Script("I look.", [ScriptedCall("look", '{"city":"Paris"}', "call_a")]), "Sunny, it says.", "Yes.")
    asked = await call_tools(client, {"role": "user", "content": "weather?"})
    assert asked.tool_calls[0].function.arguments == '{"city":"Paris"}'
    answer = await call_tools(client, {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": "sunny"})
    assert answer.content == "Sunny, it says."
    await say(client, "sure?")
    call = {"id": "call_a", "type": "function", "function": {"name": "look", "arguments": '{"city":"Paris"}'}}
    assert place.seen[2]["messages"] == [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_a", "content": "sunny"},
        {"role": "assistant", "content": "Sunny, it says."},
        {"role": "user", "content": "sure?"},
    ]


@pytest.mark.parametrize("indexes", [(0, 1), (0, 0)])
async def test_parallel_calls_stay_apart(relaying: Place, provider: Provider, indexes: tuple[int, int]) -> None:
    """Also from providers that give all of them one index."""
    for index, id_ in zip(indexes, "ab", strict=True):
        call = {"index": index, "id": id_, "type": "function", "function": {"name": "look", "arguments": "{}"}}
        provider.events.append(write_chunk({"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}))
    provider.events.append(write_chunk(write_choice(None, "tool_calls")))
    async with relaying.post("hi", stream=True) as reply:
        await reply.read()
    calls = [(item["call_id"], item["name"], item["arguments"]) for item in (await relaying.list_items())[1:]]
    assert calls == [("a", "look", "{}"), ("b", "look", "{}")]


async def test_parallel_calls_are_answered_in_any_order(place: Place) -> None:
    client = place.client({"sessionId": "s"})
    place.will_say(Script("", [ScriptedCall("look", id="a"), ScriptedCall("look", id="b")]))
    await call_tools(client, {"role": "user", "content": "weather?"})
    await call_tools(client, *({"role": "tool", "tool_call_id": id_, "content": id_} for id_ in "ba"))
    assert [message.get("tool_call_id") for message in place.seen[1]["messages"]] == [None, None, "a", "b"]


async def test_whole_array_adds_only_the_new(place: Place) -> None:
    """As a chat UI does it: what the client dumps of its own objects is what it sends again."""
    client = place.client({"sessionId": "s"})
    place.will_say(Script("I look.", [ScriptedCall("look", id="a")]), "Sunny.", "Yes.")
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "weather?"}]
    messages.append((await call_tools(client, *messages)).model_dump())
    messages.append({"role": "tool", "tool_call_id": "a", "content": "sunny"})
    messages.append((await call_tools(client, *messages)).model_dump(exclude_none=True))
    messages.append({"role": "user", "content": [{"type": "text", "text": "sure?"}]})
    await call_tools(client, *messages)
    kinds = [item["role"] or item["type"] for item in await place.list_items()]
    assert kinds == ["user", "assistant", "function_call", "function_call_output", "assistant", "user", "assistant"]
    assert [message["role"] for message in place.seen[2]["messages"]] == [
        *("system", "user", "assistant", "tool", "assistant", "user")
    ]


async def test_edit_and_regeneration_branch(place: Place) -> None:
    client = place.client({"sessionId": "s"})
    place.will_say("one", "two", "three", "four")
    await say(client, "a")
    await say(client, "b")
    head: list[Any] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "one"}]
    for last in ("b", "c"):
        await client.chat.completions.create(model="m", messages=[*head, {"role": "user", "content": last}])
    assert place.seen_texts[2:] == [["a", "one", "b"], ["a", "one", "c"]]
    assert await place.list_texts() == ["a", "one", "c", "four"]
    assert await place.list_texts(branch="all") == ["a", "one", "b", "two", "three", "c", "four"]


@pytest.mark.parametrize("seed", range(3))
async def test_model_sees_just_what_a_chat_ui_shows(place: Place, seed: int) -> None:
    """However its user edits and regenerates, behind the first answer."""
    chance, shown = Random(seed), list[Any]()
    for turn in range(30):
        place.will_say(f"answer {turn}")
        last = chance.choice(range(2, len(shown) + 1, 2)) if len(shown) > 2 and chance.random() < 0.5 else len(shown)
        again = last < len(shown) and chance.random() < 0.5
        shown = [*shown[:last], shown[last] if again else {"role": "user", "content": f"question {turn}"}]
        async with place.post("", messages=shown) as reply:
            said = (await reply.json())["choices"][0]["message"]
        assert place.seen[-1]["messages"] == shown
        shown.append(said if chance.random() < 0.5 else {"role": "assistant", "content": said["content"]})
        assert await place.list_texts() == [message["content"] for message in shown]
    everything = (await place.get("/v1/sessions/s"))["items"]
    assert [item["seq"] for item in await place.list_items(branch="all")] == list(range(1, everything + 1))


async def test_instructions_are_kept_until_replaced(place: Place) -> None:
    heads: list[list[dict[str, str]]] = [
        [{"role": "system", "content": "first"}, {"role": "developer", "content": "too"}],
        [],
        [{"role": "system", "content": "second"}],
        [],
    ]
    for head in heads:
        messages = [*head, {"role": "user", "content": "hi"}]
        async with place.post("", messages=messages) as reply:
            assert reply.status == 200
    said = ["hi", "ok"] * 3 + ["hi"]
    assert place.seen_texts == [
        ["first", "too", "hi"],
        ["first", "too", *said[:3]],
        ["second", *said[:5]],
        ["second", *said],
    ]
    assert len(await place.list_items()) == 8


@pytest.mark.parametrize("restarts", [False, True])
async def test_each_request_begins_with_the_last(opening: OpenPlace, restarts: bool) -> None:
    """Byte for byte, so that the provider's prefix cache holds; also by a server that knows the session from disk."""
    shown: list[str] = []
    texts = ["hi", "größe 👩‍👧", 'quotes " and \\', "", "last"]
    for text in texts:
        async with opening() as place:
            for turn in (text,) if restarts else texts:
                place.will_say(f"answer to {turn}")
                await place.ask("", messages=[{"role": "user", "content": turn, "name": "Alice"}])
            shown += [json.dumps(request["messages"]) for request in place.seen]
        if not restarts:
            break
    assert len(shown) == len(texts)
    for before, after in pairwise(shown):
        assert after.startswith(before[:-1] + ", ")


async def test_not_saved_is_not_remembered(place: Place) -> None:
    await place.ask("one")
    await place.ask("secret", saveToMemory=False)
    await place.ask("two")
    assert place.seen_texts == [["one"], ["one", "ok", "secret"], ["one", "ok", "two"]]
    run = (await place.list_runs())[1]
    assert (run["status"], run["input"], run["output"], run["settings"]) == ("completed", [], [], {})
    assert run["usage"]["output_tokens"] == 1


async def test_keys_of_one_user_share_sessions(place: Place) -> None:
    for user in (None, "user-1"):
        keys = [await place.make_key(user=user) for _ in range(2)]
        place.seen.clear()
        for key in keys:
            await say(place.client({"sessionId": "s"}, key=key), "hi")
        assert place.seen_texts == [["hi"], ["hi", "ok", "hi"]]


async def test_strangers_with_equal_ids_never_meet(place: Place) -> None:
    keys = [
        place.key,
        await place.make_key(tenant=f"{place.tenant}-other"),
        await place.make_key(user="user-1"),
        await place.make_key(user="user-2"),
    ]
    for key in keys:
        await say(place.client({"sessionId": "s"}, key=key), "hi")
    assert place.seen_texts == [["hi"]] * 4


async def test_our_id_opens_no_strangers_session(place: Place) -> None:
    await place.ask("hi")
    id_ = (await place.get("/v1/sessions/s"))["id"]
    for key in (await place.make_key(tenant=f"{place.tenant}-other"), await place.make_key(user="user-1")):
        await say(place.client({"sessionId": id_}, key=key), "whose?")
        assert place.seen_texts[-1] == ["whose?"]
    assert await place.list_texts() == ["hi", "ok"]


async def test_key_may_act_for_users(place: Place) -> None:
    key = await place.make_key(scopes=("users",))
    for user in ("user-1", "user-2", "user-1"):
        await say(place.client({"sessionId": "s", "X-User-Id": user}, key=key), "hi")
    assert place.seen_texts == [["hi"], ["hi"], ["hi", "ok", "hi"]]
    with pytest.raises(openai.PermissionDeniedError):
        await say(place.client({"sessionId": "s", "X-User-Id": "user-1"}), "hi")


async def test_user_in_the_body_is_a_label(place: Place) -> None:
    await place.ask("one", user="user-1")
    await place.ask("two", user="user-2")
    assert place.seen_texts[1] == ["one", "ok", "two"]
    assert [request["user"] for request in place.seen] == ["user-1", "user-2"]


@pytest.mark.parametrize("header", ["superAgentKey", "x-api-key", "apikey"])
async def test_key_may_come_beside_the_providers(place: Place, header: str) -> None:
    client = place.client({"sessionId": "s", header: place.key}, key="sk-or-v1-of-the-provider", base="/api/v1")
    assert await say(client, "hi") == "ok"


@pytest.mark.parametrize("key", ["mt-wrong", "sk-or-v1-of-the-provider"])
async def test_wrong_key_is_refused(place: Place, key: str) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        await say(place.client({"sessionId": "s"}, key=key), "hi")
    assert (refused.value.code, refused.value.type) == ("invalid_api_key", "authentication_error")
    assert key not in str(refused.value)


@pytest.mark.parametrize("path", ["/api/publicLLM", "/api/publicLLM/chat/completions", "/api/v1/chat/completions"])
async def test_every_path_is_the_same_dialect(place: Place, path: str) -> None:
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    for _ in range(2):
        async with place.http.post(path, json=body, headers={"session-id": "s"}) as reply:
            assert (await reply.json())["choices"][0]["message"]["content"] == "ok"
    await place.ask("hi")
    assert place.seen_texts[2] == ["hi", "ok", "hi", "ok", "hi"]
    async with place.http.post(path, json={}) as reply:
        assert set((await reply.json())["error"]) == {"message", "type", "param", "code"}


async def test_models_are_listed_and_got(place: Place) -> None:
    for base in ("/v1", "/api/publicLLM", "/api/v1"):
        client = place.client(base=base)
        assert [model.id async for model in client.models.list()] == ["scripted"]
        assert (await client.models.retrieve("scripted")).owned_by == "multiturn"
        with pytest.raises(openai.NotFoundError, match="scripted") as missing:
            await client.models.retrieve("org/other")
        assert missing.value.code == "model_not_found"


async def test_browsers_may_ask_and_read(place: Place) -> None:
    origin = {"Origin": "https://app.example"}
    wanted = "authorization,content-type,sessionid,session-id,x-session-id,session_id,superagentkey,idempotency-key"
    preflight = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": wanted}
    async with place.http.options("/api/publicLLM", headers=preflight) as reply:
        assert reply.status == 200
        assert set(wanted.split(",")) <= {
            name.strip() for name in reply.headers["Access-Control-Allow-Headers"].split(",")
        }
    async with place.post("hi", headers=origin) as reply:
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert {"X-Session-Id", "X-Run-Id"} <= set(reply.headers["Access-Control-Expose-Headers"].split(", "))
    async with place.http.post("/v1/chat/completions", headers=origin) as reply:
        assert reply.status == 400
        assert reply.headers["Access-Control-Allow-Origin"] == "*"


async def test_model_of_the_settings_stands_in(opening: OpenPlace) -> None:
    async with opening(model="house") as place:
        await place.ask("hi", model=None)
        assert place.seen[0]["model"] == "house"


async def test_context_too_long_is_refused_or_cut(opening: OpenPlace) -> None:
    async with opening(context_tokens=400) as place:
        await place.ask("word " * 200, context_overflow="truncate")
        async with place.post("word " * 200, context_overflow="error") as reply:
            error = (await reply.json())["error"]
            assert (reply.status, error["code"]) == (400, "context_length_exceeded")
        await place.ask("word " * 200, memoryStrategy="truncate")
        assert [len(texts) for texts in place.seen_texts] == [1, 1]
        assert len(await place.list_items()) == 4
