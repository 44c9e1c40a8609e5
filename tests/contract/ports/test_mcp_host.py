"""MCP servers on pipes and over HTTP: real ones answer, and whatever a bad one does has an end and a reason."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import uvicorn
from aiohttp import web

from multiturn.errors import InvalidRequest, MultiturnError, Unavailable, UpstreamError, UpstreamTimeout
from multiturn.model.tool import McpTools
from multiturn.upstream.guard import Guard
from multiturn.upstream.mcp import McpHost, Sessions
from multiturn.upstream.mcp_places import Command, Endpoint, Place
from multiturn.upstream.mcp_stdio import StdioTransport
from multiturn.upstream.tool_calls import open_guarded
from multiturn.upstream.tool_limits import ToolLimits
from tests.contract.ports.mcp_plain import make_server

HERE = Path(__file__).parent
TENANT = uuid4()
LIMITS = ToolLimits(connect_s=10, retry_s=0, result_bytes_max=100_000, message_bytes_min=400_000)


def stumbling(mode: str = "calls", notes: Path | None = None, **settings: Any) -> Place:
    """The server that does wrong things."""
    args = (str(HERE / "mcp_stumbling.py"), mode, *([str(notes)] if notes else []))
    return Command(title="trams", command=sys.executable, args=args, **settings)


@asynccontextmanager
async def opening(
    place: Place | None = None, limits: ToolLimits = LIMITS, *, is_private_allowed: bool = False
) -> AsyncIterator[McpHost]:
    """A host whose settings name one server, ``trams``."""
    async with AsyncExitStack() as stack:
        guarded = await stack.enter_async_context(
            open_guarded(Guard(lambda _: True) if is_private_allowed else Guard())
        )
        trusted = await stack.enter_async_context(open_guarded(Guard(lambda _: True)))
        host = McpHost({"trams": place} if place else {}, Sessions(guarded, trusted), limits)
        stack.push_async_callback(host.close)
        yield host


def source(**fields: Any) -> McpTools:
    """The tools of the server that the settings name, or of another."""
    return McpTools(label="t", **({} if "url" in fields else {"server": "trams"}) | fields)


async def list_names(host: McpHost, **fields: Any) -> list[str]:
    return [spec.name for spec in await host.list_tools(TENANT, source(**fields))]


async def call(host: McpHost, name: str, arguments: dict[str, Any] | None = None, **fields: Any) -> str:
    return (await host.call(TENANT, source(**fields), name, arguments or {})).text


@asynccontextmanager
async def serving_plain() -> AsyncIterator[str]:
    """The real server over HTTP, on this event loop; its URL."""
    config = uvicorn.Config(make_server().streamable_http_app(), port=0, log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    with server.capture_signals():
        running = asyncio.create_task(server._serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            server.should_exit = True
            server.force_exit = True
            await running


async def test_a_real_server_on_pipes_answers() -> None:
    place = Command(title="trams", command=sys.executable, args=("-m", "tests.contract.ports.mcp_plain"))
    async with opening(place) as host:
        specs = {spec.name: spec for spec in await host.list_tools(TENANT, source())}
        assert list(specs) == ["fail", "fare", "open_line", "picture", "stops"]
        assert specs["fare"].description == "What a ride costs."
        assert specs["fare"].parameters["properties"]["line"]["type"] == "integer"
        assert await call(host, "fare", {"line": 28, "zones": 2}) == "Tram 28: 6 euros"


async def test_a_real_server_over_http_answers() -> None:
    async with serving_plain() as url, opening(Endpoint(url=url, is_trusted=True)) as host:
        assert "fare" in await list_names(host)
        assert await call(host, "fare", {"line": 28}) == "Tram 28: 3 euros"
        assert json.loads(await call(host, "stops", {"line": 28})) == {"stops": ["Estrela", "Graça"]}
        assert await call(host, "picture") == "a tram\n[image, not shown: image/png]"
        failed = await host.call(TENANT, source(), "fail", {})
        assert failed.is_error
        wrong = await host.call(TENANT, source(), "fare", {"line": "many"})
        assert wrong.is_error
        assert "integer" in wrong.text
        assert (await host.call(TENANT, source(), "tow", {})).is_error


async def test_a_new_tool_is_listed_when_the_server_says_so() -> None:
    async with serving_plain() as url, opening(Endpoint(url=url, is_trusted=True)) as host:
        assert "ring" not in await list_names(host)
        await call(host, "open_line")
        async with asyncio.timeout(5):
            while "ring" not in await list_names(host):
                await asyncio.sleep(0.01)
    async with opening(stumbling()) as host:
        assert "more" not in await list_names(host)
        await call(host, "grow")
        assert "more" in await list_names(host)


async def test_calls_at_once_share_one_connection() -> None:
    async with opening(stumbling()) as host:
        said = await asyncio.gather(*(call(host, "count") for _ in range(20)))
        assert len(set(said)) == 1


async def test_tenants_share_no_connection() -> None:
    async with opening(stumbling()) as host:
        theirs = await host.call(uuid4(), source(), "count", {})
        assert theirs.text != await call(host, "count")


async def test_only_what_is_allowed_is_listed_and_called() -> None:
    async with opening(stumbling()) as host:
        assert await list_names(host, allowed=("count", "tow")) == ["count"]
        with pytest.raises(InvalidRequest, match="not among those allowed") as refused:
            await call(host, "refuse", allowed=("count",))
        assert refused.value.code == "tool_source_refused"


async def test_a_server_that_the_settings_do_not_name_is_refused() -> None:
    async with opening() as host:
        with pytest.raises(InvalidRequest, match="name no MCP server 'trams'") as refused:
            await list_names(host)
        assert refused.value.code == "tool_source_refused"


async def test_a_server_gets_nothing_of_our_environment_but_a_few() -> None:
    os.environ["MULTITURN_TEST_SECRET"] = "28"
    try:
        program = "import os, sys; sys.exit(' '.join(sorted(os.environ)))"
        place = Command(title="trams", command=sys.executable, args=("-c", program), env={"TRAM": "28"})
        async with opening(place) as host:
            with pytest.raises(Unavailable):
                await list_names(host)
            (connection,) = host._connections.values()
            said = connection._transport.said.split()
    finally:
        del os.environ["MULTITURN_TEST_SECRET"]
    assert "TRAM" in said
    assert "PATH" in said
    assert "MULTITURN_TEST_SECRET" not in said


async def test_a_tool_that_hangs_times_out_and_the_next_answers() -> None:
    async with opening(stumbling()) as host:
        with pytest.raises(UpstreamTimeout, match=r"within 0\.1 seconds; it may have run") as slow:
            await call(host, "hang", timeout_s=0.1)
        assert slow.value.code == "tool_timeout"
        assert await call(host, "count")


async def test_a_server_that_dies_in_mid_call_is_not_asked_twice(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with opening(stumbling(notes=notes)) as host:
        with pytest.raises(UpstreamError, match="its process has ended") as failed:
            await call(host, "die")
        assert failed.value.code == "tool_failed"
        assert await call(host, "count")
    assert [line.split()[0] for line in notes.read_text().splitlines()] == ["die", "count"]


async def test_a_server_that_went_away_is_opened_again_for_the_next_call(tmp_path: Path) -> None:
    async with opening(stumbling()) as host:
        first = int(await call(host, "count"))
        os.kill(first, signal.SIGKILL)
        (connection,) = host._connections.values()
        async with asyncio.timeout(5):
            await connection._end.wait()
        assert int(await call(host, "count")) != first
        assert await call(host, "sleep") == "good night"
        assert "count" in await list_names(host)


async def test_a_large_answer_is_cut_and_says_so() -> None:
    async with opening(stumbling()) as host:
        answer = await host.call(TENANT, source(), "big", {"chars": 60_000})
        assert answer.text.startswith("é" * 50_000 + "\n[Cut off: only the first 100000 bytes")
        assert answer.meta == {"cut": True}


async def test_an_answer_of_100_mb_ends_the_connection_not_the_server() -> None:
    async with opening(stumbling()) as host:
        with pytest.raises(UpstreamError, match="more than 400000 bytes"):
            await call(host, "huge")
        assert await call(host, "count")


@pytest.mark.parametrize(("name", "reason"), [("nonsense", "no message of the protocol"), ("wrong", "does not speak")])
async def test_nonsense_is_a_failure(name: str, reason: str) -> None:
    async with opening(stumbling()) as host:
        with pytest.raises(UpstreamError, match=reason) as failed:
            await call(host, name)
        assert failed.value.code == "tool_failed"
        assert await call(host, "count")


async def test_a_refusal_of_the_server_is_an_answer() -> None:
    async with opening(stumbling()) as host:
        answer = await host.call(TENANT, source(), "refuse", {})
        assert (answer.text, answer.is_error) == ("There is no tram 29.", True)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (Command(title="trams", command="/no/such/program"), "cannot be started"),
        (stumbling("leaves"), "its process has ended"),
        (stumbling("mute"), "did not answer in time"),
        (stumbling("garbled"), "does not speak the protocol"),
        (Command(title="trams", command=sys.executable, args=("-c", "print('ho\\n' * 200)")), "no message"),
        (Endpoint(url="http://127.0.0.1:9/mcp", name="trams", is_trusted=True), "'trams' cannot be reached"),
    ],
)
async def test_a_server_that_is_none_is_told_as_missing(place: Place, reason: str) -> None:
    limits = ToolLimits(connect_s=0.3) if place == stumbling("mute") else ToolLimits()
    async with opening(place, limits) as host:
        with pytest.raises(Unavailable, match=reason) as missing:
            await list_names(host)
        assert missing.value.code == "tools_unavailable"


async def test_a_server_that_could_not_be_reached_is_left_alone_for_a_while(tmp_path: Path) -> None:
    program = "import pathlib, sys; pathlib.Path(sys.argv[1]).open('a').write('x')"
    place = Command(title="trams", command=sys.executable, args=("-c", program, str(tmp_path / "starts")))
    async with opening(place, ToolLimits(retry_s=60)) as host:
        for _ in range(3):
            with pytest.raises(Unavailable):
                await list_names(host)
    assert (tmp_path / "starts").read_text() == "x"


async def test_10_000_tools_are_too_many_unless_some_are_named() -> None:
    async with opening(stumbling("many"), ToolLimits()) as host:
        with pytest.raises(InvalidRequest, match="has 10000 tools; at most 128") as many:
            await list_names(host)
        assert many.value.code == "too_many_tools"
        assert await list_names(host, allowed=("tool9999", "tool7")) == ["tool7", "tool9999"]


async def test_listings_are_read_to_their_end_and_made_fit() -> None:
    async with opening(stumbling("pages")) as host:
        assert await list_names(host) == ["tool0", "tool1", "tool2"]
    async with opening(stumbling("twice")) as host:
        assert [spec.description for spec in await host.list_tools(TENANT, source())] == ["one"]
    async with opening(stumbling("long"), ToolLimits()) as host:
        wide, wordy = await host.list_tools(TENANT, source())
        assert wide.parameters == {"type": "object"}
        assert "too long to be told" in wide.description
        assert len(wordy.description) == 4096


async def test_a_connection_is_closed_when_nobody_uses_it() -> None:
    async with opening(stumbling(), ToolLimits(idle_s=0.05)) as host:
        first = int(await call(host, "count"))
        (connection,) = host._connections.values()
        async with asyncio.timeout(5):
            await asyncio.wait([connection._owner])
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        assert int(await call(host, "count")) != first


async def test_closing_ends_servers_that_would_not_leave() -> None:
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(60)"
    place = Command(title="trams", command=sys.executable, args=("-c", program))
    async with opening(place, ToolLimits(connect_s=0.2)) as host:
        with pytest.raises(Unavailable):
            await list_names(host)
        (connection,) = host._connections.values()
        assert isinstance(connection._transport, StdioTransport)
        process = connection._transport._process
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode is not None


async def test_a_url_into_the_private_network_is_not_called() -> None:
    async with serving_plain() as url, opening(Endpoint(url=url, is_trusted=True)) as host:
        assert "fare" in await list_names(host)
        # Not even one that the settings have a connection to.
        for private in (url, url.replace("127.0.0.1", "localhost"), "http://169.254.169.254/mcp", "http://[::1]/mcp"):
            with pytest.raises(Unavailable, match="not on the public Internet"):
                await list_names(host, url=private)
    async with serving_plain() as url, opening(is_private_allowed=True) as host:
        assert "fare" in await list_names(host, url=url)


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "trams", "http://", "http://[::1"])
async def test_a_url_that_is_none_is_refused(url: str) -> None:
    async with opening() as host:
        with pytest.raises(InvalidRequest, match="http://") as refused:
            await list_names(host, url=url)
        assert refused.value.code == "tool_source_refused"


class Forgetful:
    """A server over HTTP, written by hand, with sessions that it forgets; ``answers`` are what calls get."""

    def __init__(self) -> None:
        self.session = 0
        self.calls = 0
        self.keys: list[str | None] = []
        self.answer: web.StreamResponse | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if request.method != "POST":
            return web.Response(status=405)
        message = await request.json()
        method, number = message["method"], message.get("id")
        if method == "initialize":
            self.keys.append(request.headers.get("X-Key"))
            self.session += 1
            info = {"name": "forgetful", "version": "1"}
            version = message["params"]["protocolVersion"]
            result: Any = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
            headers = {"Mcp-Session-Id": str(self.session)}
            return web.json_response({"jsonrpc": "2.0", "id": number, "result": result}, headers=headers)
        if method == "server/discover":
            return web.Response(status=404)
        if request.headers.get("Mcp-Session-Id") != str(self.session):
            return web.Response(status=404)
        if number is None:
            return web.Response(status=202)
        self.calls += method == "tools/call"
        if self.answer is not None:
            return self.answer
        content = [{"type": "text", "text": f"session {self.session}"}]
        result = (
            {"tools": [{"name": "ask", "inputSchema": {"type": "object"}}]}
            if "list" in method
            else {"content": content}
        )
        return web.json_response({"jsonrpc": "2.0", "id": number, "result": result})


@pytest.fixture
async def forgetful() -> AsyncIterator[tuple[Forgetful, Place]]:
    server = Forgetful()
    app = web.Application()
    app.router.add_route("*", "/mcp", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    yield server, Endpoint(url=url, headers={"X-Key": "k"}, is_trusted=True)
    await runner.cleanup()


async def test_a_forgotten_session_begins_anew_and_the_call_is_sent_once_more(
    forgetful: tuple[Forgetful, Place],
) -> None:
    server, place = forgetful
    async with opening(place) as host:
        assert await call(host, "ask") == "session 1"
        server.session += 1
        assert await call(host, "ask") == "session 3"
        server.session += 1
        assert await list_names(host) == ["ask"]
    assert server.calls == 2


async def test_headers_of_the_settings_stand_before_those_of_an_agent(forgetful: tuple[Forgetful, Place]) -> None:
    server, place = forgetful
    async with opening(place) as host:
        await call(host, "ask", headers={"x-key": "mine", "X-Zone": "2"})
    assert server.keys == ["k"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (web.Response(status=401, text="no"), "answered 401 Unauthorized"),
        (web.Response(status=500, text='{"a": 1}', content_type="application/json"), "answered 500"),
        (web.Response(text="<html>", content_type="text/html"), "content type"),
        (web.Response(text="tram", content_type="application/json"), "does not speak"),
        (web.Response(body=b"x" * 2_000_000, content_type="application/json"), "more than 400000 bytes"),
        (web.Response(body=b"data: " + b"x" * 2_000_000, content_type="text/event-stream"), "SSE stream failed"),
        (web.Response(body=b"x", headers={"Content-Encoding": "br"}), "compresses"),
        (web.Response(status=302, headers={"Location": "http://169.254.169.254/"}), "not followed"),
    ],
)
async def test_an_answer_over_http_that_is_none_fails_that_call(
    forgetful: tuple[Forgetful, Place], answer: web.Response, reason: str
) -> None:
    server, place = forgetful
    async with opening(place) as host:
        assert await call(host, "ask") == "session 1"
        server.answer = answer
        try:
            said = await call(host, "ask")
        except MultiturnError as error:
            said = error.message
        assert reason in said
        server.answer = None
        assert await call(host, "ask") == "session 1"


async def test_the_library_is_loaded_with_the_first_server_only() -> None:
    program = (
        "import sys, multiturn.app.server as s; sys.exit(any(m in sys.modules for m in ('mcp', 'httpx2', 'pydantic')))"
    )
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == 0, time.monotonic() - began
