"""HTTP APIs as tools: a real server is called as its description says, and whatever it does has an end."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from aiohttp import web

from multiturn.errors import InvalidRequest, Unavailable, UpstreamError, UpstreamTimeout
from multiturn.model.tool import HttpTools
from multiturn.upstream.guard import Guard
from multiturn.upstream.tool_calls import open_guarded
from multiturn.upstream.tool_limits import ToolLimits
from multiturn.upstream.tools_http import HttpToolHost

TENANT = uuid4()
LIMITS = ToolLimits(connect_s=2, retry_s=0, result_bytes_max=10_000, document_bytes_max=6_000_000)
LINE = {"name": "line", "in": "path", "required": True, "schema": {"type": "integer"}}
PATHS = ("fare", "fail", "hang", "die", "endless", "picture", "empty", "zipped", "nonsense", "away", "round", "near")
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Trams", "version": "1"},
    "paths": {
        "/lines/{line}": {
            "post": {
                "operationId": "ride",
                "parameters": [LINE],
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
            }
        },
        **{f"/{name}": {"get": {"operationId": name}} for name in PATHS},
    },
}


class Trams:
    """An API, and its description; ``asked`` are the requests that came."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[web.Request] = []
        self.description: Any = DOCUMENT

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.asked.append(request)
        answer: Any = getattr(self, request.path.split("/")[1])(request)
        said: web.StreamResponse = await answer if asyncio.iscoroutine(answer) else answer
        return said

    def spec(self, request: web.Request) -> web.Response:
        said = self.description
        return web.Response(body=said if isinstance(said, bytes) else msgspec.json.encode(said))

    def moved(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/spec"})

    async def lines(self, request: web.Request) -> web.Response:
        said = {"path": request.path, "key": request.headers.get("X-Key"), "body": await request.json()}
        return web.json_response(said)

    def fare(self, request: web.Request) -> web.Response:
        return web.Response(text='{"euros":  3}', content_type="application/json")

    def fail(self, request: web.Request) -> web.Response:
        return web.json_response({"error": "no such tram"}, status=404)

    async def hang(self, request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    def die(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async def endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        while True:
            await response.write(b"tram " * 1000)

    def picture(self, request: web.Request) -> web.Response:
        return web.Response(body=b"\x89PNG", content_type="image/png")

    def empty(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    def zipped(self, request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"x" * 1_000_000), headers={"Content-Encoding": "gzip"})

    def nonsense(self, request: web.Request) -> web.Response:
        return web.Response(body=b"\xff\xfe tram", headers={"Content-Type": "text/plain; charset=klingon"})

    def away(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"})

    def round(self, request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "/round"})

    def near(self, request: web.Request) -> web.Response:
        return web.Response(status=308, headers={"Location": "/fare"})


@pytest.fixture
async def trams() -> AsyncIterator[Trams]:
    api = Trams()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    await runner.cleanup()


@asynccontextmanager
async def opening(limits: ToolLimits = LIMITS, *, is_private_allowed: bool = True) -> AsyncIterator[HttpToolHost]:
    guard = Guard(lambda _: True) if is_private_allowed else Guard()
    async with open_guarded(guard) as session:
        yield HttpToolHost(session, limits)


def source(trams: Trams, **fields: Any) -> HttpTools:
    """The API, by its description."""
    return HttpTools(label="trams", **({"document": DOCUMENT, "base_url": trams.url} | fields))


async def call(trams: Trams, name: str, limits: ToolLimits = LIMITS, **fields: Any) -> tuple[str, bool]:
    async with opening(limits) as host:
        answer = await host.call(TENANT, source(trams, **fields), name, {})
        return answer.text, answer.is_error


async def test_operations_are_listed_and_called(trams: Trams) -> None:
    async with opening() as host:
        ours = source(trams, headers={"X-Key": "k"})
        names = [spec.name for spec in await host.list_tools(TENANT, ours)]
        assert names == sorted((*PATHS, "ride"))
        ridden = await host.call(TENANT, ours, "ride", {"line": 28, "body": {"zones": 1}})
        assert msgspec.json.decode(ridden.text) == {"path": "/lines/28", "key": "k", "body": {"zones": 1}}


async def test_only_what_is_allowed_is_listed_and_called(trams: Trams) -> None:
    async with opening() as host:
        few = source(trams, allowed=("fare", "tow"))
        assert [spec.name for spec in await host.list_tools(TENANT, few)] == ["fare"]
        with pytest.raises(InvalidRequest, match="not among those allowed"):
            await host.call(TENANT, few, "ride", {})
        assert (await host.call(TENANT, few, "tow", {})).is_error
    assert not trams.asked


@pytest.mark.parametrize(
    ("name", "text", "is_error"),
    [
        ("fare", '{"euros":  3}', False),
        ("fail", 'HTTP 404 Not Found\n{"error": "no such tram"}', True),
        ("picture", "[image/png, not shown]", False),
        ("empty", "HTTP 204 No Content", False),
        ("zipped", "HTTP 200 OK: the server compresses its answers; it was asked not to.", True),
        ("nonsense", "\ufffd\ufffd tram", False),
        ("away", "The server redirects to another host ('169.254.169.254'), which is not called.", True),
        ("round", "The server redirects more than 5 times.", True),
        ("near", '{"euros":  3}', False),
        ("ride", "Missing arguments: line.", True),
    ],
)
async def test_what_a_server_answers_is_told(trams: Trams, name: str, text: str, is_error: bool) -> None:
    assert await call(trams, name) == (text, is_error)


async def test_an_answer_without_end_is_cut_and_says_so(trams: Trams) -> None:
    text, is_error = await call(trams, "endless")
    assert text.startswith("tram " * 2000 + "\n[Cut off: only the first 10000 bytes")
    assert not is_error


async def test_a_server_that_hangs_times_out(trams: Trams) -> None:
    with pytest.raises(UpstreamTimeout, match="it may have run") as slow:
        await call(trams, "hang", timeout_s=0.1)
    assert slow.value.code == "tool_timeout"


@pytest.mark.parametrize(
    ("name", "base_url", "reason"),
    [
        ("die", None, "broke off"),
        ("fare", "http://127.0.0.1:9", "cannot be reached"),
        ("fare", "http://nowhere.invalid", "is not known"),
        ("fare", "http://a b", "none that can be called|not known"),
    ],
)
async def test_a_server_that_is_not_there_is_a_failure(
    trams: Trams, name: str, base_url: str | None, reason: str
) -> None:
    with pytest.raises(UpstreamError, match=reason) as failed:
        await call(trams, name, base_url=base_url or trams.url)
    assert failed.value.code == "tool_failed"
    assert await call(trams, "fare") == ('{"euros":  3}', False)


async def test_the_private_network_is_neither_called_nor_read(trams: Trams) -> None:
    async with opening(is_private_allowed=False) as host:
        with pytest.raises(UpstreamError, match="not on the public Internet"):
            await host.call(TENANT, source(trams), "fare", {})
        with pytest.raises(Unavailable, match="not on the public Internet"):
            await host.list_tools(TENANT, source(trams, document=None, url=f"{trams.url}/spec"))
    assert not trams.asked


async def test_a_description_is_fetched_once_for_each_who_asks(trams: Trams) -> None:
    async with opening() as host:
        ours = source(trams, document=None, url=f"{trams.url}/moved", base_url=None, headers={"X-Key": "k"})
        await asyncio.gather(*(host.list_tools(TENANT, ours) for _ in range(5)))
        assert (await host.call(TENANT, ours, "fare", {})).text == '{"euros":  3}'
        assert [request.path for request in trams.asked] == ["/moved", "/spec", "/fare"]
        assert {request.headers["X-Key"] for request in trams.asked} == {"k"}
        await host.list_tools(uuid4(), ours)
        assert len(trams.asked) == 5


async def test_a_description_elsewhere_gets_no_key(trams: Trams) -> None:
    async with opening() as host:
        url = trams.url.replace("127.0.0.1", "localhost")
        await host.list_tools(TENANT, source(trams, document=None, url=f"{url}/spec", headers={"X-Key": "k"}))
    assert "X-Key" not in trams.asked[0].headers


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        (b"openapi: 3.1.0", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"\xff", "is no JSON"),
        ({"swagger": "2.0"}, "Swagger 2.0"),
        (b"x" * 6_000_001, "over 6000000 bytes"),
    ],
)
async def test_a_description_that_is_none_is_told_as_missing(trams: Trams, description: Any, reason: str) -> None:
    trams.description = description
    async with opening() as host:
        with pytest.raises(Unavailable, match=reason) as missing:
            await host.list_tools(TENANT, source(trams, document=None, url=f"{trams.url}/spec"))
        assert missing.value.code == "tools_unavailable"
        trams.description = DOCUMENT
        assert await host.list_tools(TENANT, source(trams, document=None, url=f"{trams.url}/spec"))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"document": {"swagger": "2.0"}}, "document"),
        ({"base_url": None}, "base_url"),
        ({"base_url": "ftp://a"}, "base_url"),
        ({"document": None}, "url"),
        ({"document": None, "url": "file:///etc/passwd"}, "url"),
    ],
)
async def test_a_source_that_is_wrong_names_its_field(trams: Trams, fields: dict[str, Any], param: str) -> None:
    async with opening() as host:
        with pytest.raises(InvalidRequest) as refused:
            await host.list_tools(TENANT, source(trams, **fields))
        assert (refused.value.code, refused.value.param) == ("tool_source_refused", param)


async def test_a_description_of_5_mb_is_read_and_asks_to_be_narrowed(trams: Trams) -> None:
    words = {"description": "tram " * 100, "parameters": [{"name": "a", "in": "query", "schema": {"type": "string"}}]}
    trams.description = {
        **DOCUMENT,
        "paths": {f"/p{n}": {"get": {**words, "operationId": f"p{n}"}} for n in range(9000)},
    }
    assert len(msgspec.json.encode(trams.description)) > 5_000_000
    async with opening() as host:
        big = source(trams, document=None, url=f"{trams.url}/spec")
        with pytest.raises(InvalidRequest, match="has 9000 operations; at most 128") as many:
            await host.list_tools(TENANT, big)
        assert many.value.code == "too_many_tools"
        few = msgspec.structs.replace(big, allowed=("p7999",))
        assert [spec.name for spec in await host.list_tools(TENANT, few)] == ["p7999"]
    assert len(trams.asked) == 1
