"""What calling a model promises, whoever is called, and how it bears providers that misbehave.

The misbehaving provider is a real HTTP server that plays what a test wrote for it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from multiturn.engine.ports import Upstream
from multiturn.errors import MultiturnError, UpstreamError, UpstreamRefused, UpstreamTimeout
from multiturn.model.completion import Delta, ModelInfo, ModelRequest
from multiturn.upstream.http import CallLimits, open_session
from multiturn.upstream.openai_chat import Habits, OpenAIChatUpstream, StreamedAnswer
from multiturn.upstream.router import RetryLimits, Route, Router
from multiturn.upstream.scripted import Script, ScriptedUpstream

Act = Callable[[web.Request], Awaitable[web.StreamResponse]]

LIMITS = CallLimits(connect_s=0.5, first_token_s=0.4, idle_s=0.4, answer_s=0.4, answer_bytes_max=100_000)
DONE = b"data: [DONE]\n\n"
SSE = "text/event-stream"


def event(delta: Any, finish_reason: str | None = None, **body: Any) -> bytes:
    """One event of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"choices": [choice], **body}, ensure_ascii=False).encode() + b"\n\n"


def word(text: str) -> bytes:
    """An event that says something."""
    return event({"content": text})


END = event({}, "stop")
OUT_OF_MEMORY = b'data: {"error":{"message":"out of memory"}}'
HELLO = word("Hel") + word("lo") + END + DONE
WHOLE = json.dumps(
    {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
).encode()


def ask(model: str = "m", **fields: Any) -> ModelRequest:
    """A request."""
    raw = {name: Raw(json.dumps(value).encode()) for name, value in fields.items()}
    return ModelRequest(model=model, messages=Raw(b'[{"role":"user","content":"Hi"}]'), fields=raw)


async def listen(upstream: Upstream, request: ModelRequest | None = None) -> list[Delta]:
    """The whole of a streamed answer."""
    async with aclosing(upstream.stream(request or ask())) as stream:
        return [delta async for deltas in stream for delta in deltas]


def join(deltas: Sequence[Delta]) -> str:
    """The text of pieces."""
    return "".join(delta.text for delta in deltas)


class Provider:
    """A provider that plays one act a call, the last one again and again; ``seen`` are the calls."""

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.seen: list[web.Request] = []
        self.bodies: list[Any] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        self.bodies.append(await request.json() if request.can_read_body else None)
        return await (self.acts.pop(0) if len(self.acts) > 1 else self.acts[0])(request)


def reply(body: bytes, *, status: int = 200, kind: str = "application/json", **headers: str) -> Act:
    """Answer at once."""

    async def act(_request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=body, status=status, headers={"Content-Type": kind, **named})

    return act


def stream(*pieces: bytes | float | None) -> Act:
    """Answer in pieces; a number waits so many seconds, None cuts the connection."""

    async def act(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": SSE})
        await response.prepare(request)
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            elif piece is None:
                assert request.transport is not None
                request.transport.abort()
            else:
                await response.write(piece)
        return response

    return act


async def say_nothing(_request: web.Request) -> web.StreamResponse:
    """Take the request, and be silent."""
    await asyncio.sleep(3)
    return web.Response()


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Take the request, and leave."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.fixture
async def provider() -> Provider:
    return Provider()


@pytest.fixture
async def session() -> AsyncGenerator[aiohttp.ClientSession]:
    async with open_session(connections_max=100) as session:
        yield session


@pytest.fixture
async def url(provider: Provider) -> AsyncGenerator[str]:
    app = web.Application(client_max_size=10_000_000)
    app.router.add_route("*", "/v1/{path:.*}", provider.handle)
    async with TestServer(app, handler_cancellation=True) as server:
        yield str(server.make_url("/v1"))


@pytest.fixture
async def upstream(url: str, session: aiohttp.ClientSession) -> OpenAIChatUpstream:
    return OpenAIChatUpstream(url, "sk-server", session, limits=LIMITS)


# What every upstream promises


@pytest.fixture(params=["scripted", "http", "router"])
async def anyone(request: pytest.FixtureRequest, upstream: OpenAIChatUpstream, provider: Provider) -> Upstream:
    """Each kind of upstream, about to answer "Hello" or to fail when asked for more than it has."""

    async def act(call: web.Request) -> web.StreamResponse:
        if call.method == "GET":
            return await reply(b'{"data":[{"id":"m","max_model_len":512}]}')(call)
        body = await call.json()
        if body["model"] == "broken":
            return await reply(b"no", status=500)(call)
        usage = event({}, usage={"prompt_tokens": 3, "completion_tokens": 2})
        return await (stream(word("Hel"), word("lo"), END, usage, DONE) if "stream" in body else reply(WHOLE))(call)

    def write(body: dict[str, Any]) -> Script:
        return Script(error=UpstreamError("no")) if body["model"] == "broken" else Script("Hello")

    provider.acts = [act]
    scripted = ScriptedUpstream(write, models=[ModelInfo(id="m", context_tokens=512)])
    router = Router([Route(name="one", upstream=scripted)], {}, RetryLimits(retries=0))
    kinds: dict[str, Upstream] = {"scripted": scripted, "http": upstream, "router": router}
    return kinds[request.param]


async def test_a_whole_answer_tells_its_usage(anyone: Upstream) -> None:
    answer = await anyone.complete(ask())
    assert (answer.text, answer.finish_reason) == ("Hello", "stop")
    assert answer.usage is not None
    assert answer.usage.output_tokens


async def test_pieces_join_to_the_answer(anyone: Upstream) -> None:
    deltas = await listen(anyone)
    assert join(deltas) == "Hello"
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]
    assert deltas[-1].usage is not None
    assert all(json.loads(delta.raw) for delta in deltas)


async def test_a_failure_comes_before_any_piece(anyone: Upstream) -> None:
    with pytest.raises(UpstreamError):
        await anyone.complete(ask("broken"))
    with pytest.raises(UpstreamError):
        await anext(anyone.stream(ask("broken")))


async def test_a_window_is_told_or_unknown(anyone: Upstream) -> None:
    assert [model.id for model in await anyone.list_models()] == ["m"]
    assert await anyone.find_context_tokens("m") == 512


# What is sent


async def test_a_request_goes_out_as_it_is(upstream: OpenAIChatUpstream, provider: Provider) -> None:
    provider.acts = [reply(WHOLE)]
    await upstream.complete(ask(temperature=0.5, future={"a": [1]}))
    [seen], [body] = provider.seen, provider.bodies
    messages = [{"role": "user", "content": "Hi"}]
    assert body == {"model": "m", "messages": messages, "temperature": 0.5, "future": {"a": [1]}}
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["Authorization"] == "Bearer sk-server"
    assert seen.headers["Accept-Encoding"] == "identity"


async def test_headers_pass_but_never_a_key(upstream: OpenAIChatUpstream, provider: Provider) -> None:
    provider.acts = [reply(WHOLE)]
    headers = {"x-trace": "7", "authorization": "Bearer sk-client"}
    await upstream.complete(ModelRequest(model="m", messages=Raw(b"[]"), headers=headers))
    [seen] = provider.seen
    assert seen.headers.getall("Authorization") == ["Bearer sk-server"]
    assert seen.headers["X-Trace"] == "7"


@pytest.mark.parametrize(("key", "sent"), [("sk-server", "Bearer sk-server"), (None, "Basic dTpw")])
async def test_a_url_may_hold_credentials(
    key: str | None, sent: str, url: str, session: aiohttp.ClientSession, provider: Provider
) -> None:
    provider.acts = [reply(WHOLE)]
    upstream = OpenAIChatUpstream(url.replace("//", "//u:p@"), key, session, limits=LIMITS)
    await upstream.complete(ask())
    assert provider.seen[0].headers["Authorization"] == sent


async def test_a_large_request_arrives_whole(upstream: OpenAIChatUpstream, provider: Provider) -> None:
    provider.acts = [reply(WHOLE)]
    await upstream.complete(ask(padding="x" * 3_000_000))
    assert len(provider.bodies[0]["padding"]) == 3_000_000


@pytest.mark.parametrize(("takes", "sent"), [(True, "s1"), (False, None), (None, None)])
async def test_a_cache_key_needs_a_taker(
    takes: bool | None, sent: str | None, url: str, session: aiohttp.ClientSession, provider: Provider
) -> None:
    provider.acts = [reply(WHOLE)]
    upstream = OpenAIChatUpstream(f"{url}/", None, session, limits=LIMITS, habits=Habits(takes_cache_key=takes))
    await upstream.complete(ModelRequest(model="m", messages=Raw(b"[]"), cache_key="s1"))
    assert provider.bodies[0].get("prompt_cache_key") == sent
    assert "Authorization" not in provider.seen[0].headers


async def test_connections_are_used_again(upstream: OpenAIChatUpstream, provider: Provider) -> None:
    provider.acts = [
        stream(HELLO),
        stream(word("a"), END, DONE, 0.01),
        reply(WHOLE),
        reply(b"{}", status=400),
    ]
    await listen(upstream)
    await listen(upstream)
    await upstream.complete(ask())
    with pytest.raises(UpstreamRefused):
        await upstream.complete(ask())
    assert len({seen.transport for seen in provider.seen}) == 1


async def test_who_stops_listening_ends_the_stream(upstream: OpenAIChatUpstream, provider: Provider) -> None:
    gone = asyncio.Event()

    async def speak(request: web.Request) -> web.StreamResponse:
        try:
            return await stream(word("a"), 3.0)(request)
        finally:
            gone.set()

    provider.acts = [speak]
    async with aclosing(upstream.stream(ask())) as answer:
        assert join(await anext(answer)) == "a"
    await asyncio.wait_for(gone.wait(), 1)


# How streams may come


@pytest.mark.parametrize(
    "body",
    [
        HELLO,
        HELLO.replace(b"\n", b"\r\n"),
        HELLO.replace(b"\n", b"\r"),
        HELLO.replace(b"data: ", b"data:"),
        b"\xef\xbb\xbf" + HELLO,
        b": waiting\n\n" + HELLO.replace(b"data: {", b"id: 4\nevent: message\ndata: {"),
        HELLO.replace(b'"choices": ', b'\ndata: "choices":\ndata:'),
        HELLO.removesuffix(DONE),
        HELLO.removesuffix(b"\n\n"),
        HELLO.removesuffix(b"\n\n" + DONE),
        HELLO + b"data: not json, and of no interest\n\n",
    ],
    ids=[
        "lf",
        "crlf",
        "cr",
        "no space",
        "bom",
        "fields",
        "lines",
        "no done",
        "bare done",
        "bare end",
        "more",
    ],
)
async def test_a_stream_may_be_written_in_many_ways(
    body: bytes, upstream: OpenAIChatUpstream, provider: Provider
) -> None:
    provider.acts = [stream(body)]
    deltas = await listen(upstream)
    assert (join(deltas), deltas[-1].finish_reason) == ("Hello", "stop")
    assert not any(b"\n" in delta.raw for delta in deltas)


MIXED = (
    b": hello\r\n\r\n" + word("Grüße \N{WATER WAVE}") + b"\n\nevent: x\n\n"
    b'data: {"choices":\r\ndata: []}\r\n\r\n' + word("\\n\n\r\x00") + b"retry: 5\rdata:" + END[5:] + DONE
)


def read_pieces(pieces: Sequence[bytes]) -> list[Delta]:
    """What an answer that arrives in these pieces says."""
    answer = StreamedAnswer(10_000)
    deltas = [delta for piece in pieces for delta in answer.feed(piece)]
    return deltas + answer.end()


@given(st.sets(st.integers(1, len(MIXED) - 1)))
def test_where_a_stream_is_cut_means_nothing(places: set[int]) -> None:
    bounds = [0, *sorted(places), len(MIXED)]
    pieces = [MIXED[start:end] for start, end in pairwise(bounds)]
    assert read_pieces(pieces) == read_pieces([MIXED])
    assert join(read_pieces(pieces)).startswith("Grüße")


async def test_pieces_that_arrive_together_come_together(upstream: OpenAIChatUpstream, provider: Provider) -> None:
    provider.acts = [stream(word("a") * 50, 0.05, word("b") * 2 + END)]
    batches = [join(deltas) async for deltas in upstream.stream(ask())]
    assert batches == ["a" * 50, "bb"]


async def test_an_end_is_not_waited_for_long(upstream: OpenAIChatUpstream, provider: Provider) -> None:
    provider.acts = [stream(HELLO, 3.0)]
    began = time.monotonic()
    assert join(await listen(upstream)) == "Hello"
    assert time.monotonic() - began < 0.4


async def test_a_whole_answer_serves_as_a_stream(upstream: OpenAIChatUpstream, provider: Provider) -> None:
    provider.acts = [reply(WHOLE)]
    said, told = await listen(upstream)
    assert (said.text, said.finish_reason) == ("Hello", "stop")
    assert told.usage is not None
    assert provider.bodies[0]["stream"] is True


# How providers misbehave


async def fail(upstream: Upstream, *, streamed: bool) -> tuple[str, MultiturnError]:
    """What is said before the failure, and the failure."""
    said = ""

    async def hear() -> None:
        nonlocal said
        if not streamed:
            await upstream.complete(ask())
        async for deltas in upstream.stream(ask()):
            said += join(deltas)

    with pytest.raises(MultiturnError) as caught:
        await hear()
    return said, caught.value


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("act", "code"),
    [
        (say_nothing, "upstream_timeout"),
        (hang_up, "upstream_cut_off"),
        (reply(b"<html>hello</html>", kind="text/html"), "upstream_invalid"),
        (reply(b'{"choices": 5}'), "upstream_invalid"),
        (reply(b'{"error": {"message": "no slot"}}'), "upstream_error"),
        (reply(b" " * 100_001), "upstream_too_large"),
        (reply(b"no slot", status=503), "upstream_error"),
        (reply(b"no slot", status=302, Location="/v1/elsewhere"), "upstream_error"),
        (reply(b"{}", status=401), "upstream_unauthorized"),
        (reply(b"{}", status=418), "upstream_refused"),
        (reply(b'{"error":{"message":"too big","code":"context_length_exceeded"}}', status=400),
         "context_length_exceeded"),
        (reply(b'{"error":{"message":"Model Not Exist"}}', status=400), "model_not_found"),
    ],
    ids=["silent", "leaves", "html", "wrong", "error", "large", "503", "302", "401", "418", "long", "model"],
)  # fmt: skip
async def test_a_bad_answer_has_a_clear_name(
    act: Act, code: str, streamed: bool, upstream: OpenAIChatUpstream, provider: Provider
) -> None:
    provider.acts = [act]
    began = time.monotonic()
    said, error = await fail(upstream, streamed=streamed)
    assert (said, error.code) == ("", code)
    assert isinstance(error, UpstreamError)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("act", "said", "code"),
    [
        (stream(), "", "upstream_cut_off"),
        (stream(word("a")), "a", "upstream_cut_off"),
        (stream(word("a"), word("b")[:-9]), "a", "upstream_cut_off"),
        (stream(word("a"), OUT_OF_MEMORY), "a", "upstream_error"),
        (stream(word("a"), b"event: error\n" + OUT_OF_MEMORY + b"\n\n"), "a", "upstream_error"),
        (stream(word("a"), 0.02, None), "a", "upstream_cut_off"),
        (stream(word("a"), 3.0), "a", "upstream_timeout"),
        (stream(b": waiting\n\n", 3.0), "", "upstream_timeout"),
        (stream(word("a") + b"data: nonsense\n\n" + word("b")), "a", "upstream_invalid"),
        (stream(word("a") + b'data: {"error":"no slot"}\n\n' + HELLO), "a", "upstream_error"),
        (stream(word("a"), 0.02, word("b" * 100_000)), "a", "upstream_too_large"),
    ],
    ids=["empty", "no end", "half", "error", "event", "cut", "stops", "waits", "nonsense", "text", "large"],
)  # fmt: skip
async def test_a_stream_that_breaks_says_why(
    act: Act, said: str, code: str, upstream: OpenAIChatUpstream, provider: Provider
) -> None:
    provider.acts = [act]
    before, error = await fail(upstream, streamed=True)
    assert (before, error.code) == (said, code)


async def test_a_server_that_is_down_is_unreachable(session: aiohttp.ClientSession) -> None:
    upstream = OpenAIChatUpstream(f"http://127.0.0.1:{unused_port()}/v1", None, session, limits=LIMITS)
    _, error = await fail(upstream, streamed=False)
    assert error.code == "upstream_unreachable"
    assert "127.0.0.1" not in error.message


async def test_a_server_that_speaks_no_http_is_invalid(session: aiohttp.ClientSession) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail ready\r\n")
        await writer.drain()
        writer.close()

    port = unused_port()
    async with await asyncio.start_server(greet, "127.0.0.1", port):
        upstream = OpenAIChatUpstream(f"http://127.0.0.1:{port}/v1", None, session, limits=LIMITS)
        _, error = await fail(upstream, streamed=False)
    assert error.code == "upstream_invalid"


async def test_slow_streams_live_while_they_speak(upstream: OpenAIChatUpstream, provider: Provider) -> None:
    pieces = [piece for text in "abcdef" for piece in (word(text), 0.1)]
    provider.acts = [stream(*pieces, END)]
    assert join(await listen(upstream)) == "abcdef"


async def test_a_first_token_has_its_own_time(url: str, session: aiohttp.ClientSession, provider: Provider) -> None:
    limits = CallLimits(first_token_s=2, idle_s=0.1)
    upstream = OpenAIChatUpstream(url, None, session, limits=limits)
    provider.acts = [stream(0.3, word("a"), 3.0)]
    said, error = await fail(upstream, streamed=True)
    assert said == "a"
    assert isinstance(error, UpstreamTimeout)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("7", 7), ("0.5", 0.5), ("Wed, 21 Oct 2015 07:28:30 GMT", 30), ("soon", None), ("-1", None), ("", None)],
)
async def test_retry_after_is_seconds_or_a_date(
    value: str, expected: float | None, upstream: OpenAIChatUpstream, provider: Provider
) -> None:
    body = b'{"error":{"message":"Slow down"}}'
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    provider.acts = [reply(body, status=429, Retry_After=value, Date=date)]
    _, error = await fail(upstream, streamed=True)
    assert isinstance(error, UpstreamRefused)
    assert (error.status, error.body, error.retry_after_s) == (429, body, expected)


# Lists of models


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_list_of_models_is_kept_a_minute(url: str, session: aiohttp.ClientSession, provider: Provider) -> None:
    clock = Clock()
    upstream = OpenAIChatUpstream(url, None, session, limits=LIMITS, clock=clock)
    provider.acts = [reply(b'{"data":[{"id":"a","context_length":9},{"id":"b"}]}'), reply(b"", status=500)]
    await asyncio.gather(*(upstream.find_context_tokens("a") for _ in range(5)))
    clock.now = 59
    assert [await upstream.find_context_tokens(name) for name in ("a", "b", "c")] == [9, None, None]
    assert len(provider.seen) == 1
    clock.now = 61
    assert await upstream.find_context_tokens("a") == 9
    assert len(provider.seen) == 2


async def test_a_provider_without_a_list_delays_little(
    url: str, session: aiohttp.ClientSession, provider: Provider
) -> None:
    clock = Clock()
    upstream = OpenAIChatUpstream(url, None, session, limits=LIMITS, clock=clock)
    provider.acts = [reply(b"", status=404), reply(b'[{"id":"only","meta":{"n_ctx":4096}}]')]
    assert [await upstream.find_context_tokens("x") for _ in range(3)] == [None] * 3
    with pytest.raises(UpstreamError):
        await upstream.list_models()
    assert len(provider.seen) == 1
    clock.now = 5
    assert await upstream.find_context_tokens("any name") == 4096
