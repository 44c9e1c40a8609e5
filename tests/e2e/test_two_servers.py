"""Two servers on one PostgreSQL are one: turns, queues, cancellation, keys and repeated requests reach across."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
import pytest_asyncio
from aiohttp import web

from tests.conftest import make_database
from tests.e2e.mock import find_port
from tests.e2e.serving import Serving, serving

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

TENANTS = count()
DONE = b"data: [DONE]\n\n"
WORD_S = 0.05
WORDS = 120
STORY = [f"word{number} " for number in range(WORDS)]
SHORT_WORDS = 30
SOON_S = 5.0
# A lease lasts 10 s, another server looks every 2.5 s, and the turn itself takes its time.
LEASE_S = 15.0
RECONNECT_S = 2.0
BREAK_CONNECTIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class SeeingModel:
    """A model that answers with what its users said to it, and keeps what it was shown.

    It tells a text that begins with ``Tell`` as a story of many words, of few when ``briefly`` is asked for, and waits
    with the answer to ``Wait`` until ``gate`` is open.
    """

    def __init__(self) -> None:
        self.shown: list[list[dict[str, Any]]] = []
        self.gate = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.shown.append(body["messages"])
        asked = [message["content"] for message in body["messages"] if message["role"] == "user"]
        if asked[-1].startswith("Wait"):
            await self.gate.wait()
        words = STORY[: SHORT_WORDS if "briefly" in asked[-1] else None] if asked[-1].startswith("Tell") else None
        if not body.get("stream"):
            return web.json_response(write_answer(words or [say_seen(asked)]))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for word in words or [say_seen(asked)]:
            await response.write(write_chunk({"content": word}, None))
            await asyncio.sleep(WORD_S if words else 0)
        await response.write(write_chunk({}, "stop") + DONE)
        return response

    async def list_models(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "seeing", "object": "model"}]})


def say_seen(asked: Sequence[str]) -> str:
    return "I have seen: " + " | ".join(asked)


def write_answer(words: Sequence[str]) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(words)}
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def write_chunk(delta: dict[str, Any], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "chatcmpl-1", "choices": [choice]}).encode() + b"\n\n"


def read_text(stream: bytes) -> str:
    frames = [frame.removeprefix(b"data: ") for frame in stream.removesuffix(DONE).split(b"\n\n")[:-1]]
    return "".join(json.loads(frame)["choices"][0]["delta"].get("content", "") for frame in frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer, or the error in its place."""

    status: int
    body: dict[str, Any]
    run_id: str

    @property
    def text(self) -> str:
        return str(self.body["choices"][0]["message"]["content"])

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


@dataclass(frozen=True, slots=True)
class Line:
    """A client of one of the servers."""

    http: aiohttp.ClientSession
    serving: Serving

    async def say(self, text: str, *, key: str | None = None, **fields: Any) -> Reply:
        """Say something in the session ``shared``."""
        body = {"model": "seeing", "messages": [{"role": "user", "content": text}], **fields}
        headers = {"X-Session-Id": "shared"} | ({"Idempotency-Key": key} if key else {})
        async with self.http.post(f"{self.serving.url}/v1/chat/completions", json=body, headers=headers) as response:
            return Reply(
                status=response.status, body=await response.json(), run_id=response.headers.get("X-Run-Id", "")
            )

    @asynccontextmanager
    async def hear(self, text: str, *, key: str | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        """Say something, and hear the answer as it comes."""
        body = {"model": "seeing", "stream": True, "messages": [{"role": "user", "content": text}]}
        headers = {"X-Session-Id": "shared"} | ({"Idempotency-Key": key} if key else {})
        async with self.http.post(f"{self.serving.url}/v1/chat/completions", json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
            yield response

    async def hear_whole(self, text: str, *, key: str | None = None) -> bytes:
        async with self.hear(text, key=key) as response:
            return await response.read()

    async def follow(self, run_id: str, *, after: int = 0) -> list[dict[str, Any]]:
        """Hear the events of a run behind a number until its end."""
        path = f"{self.serving.url}/v1/runs/{run_id}/events?starting_after={after}"
        async with self.http.get(path, headers={"Accept": "text/event-stream"}) as response:
            frames = (await response.read()).split(b"\n\n")[:-1]
        return [json.loads(frame.partition(b"data: ")[2]) for frame in frames]

    async def get(self, path: str) -> Any:
        async with self.http.get(f"{self.serving.url}/v1/{path}") as response:
            return await response.json()

    async def post(self, path: str, **body: Any) -> Any:
        async with self.http.post(f"{self.serving.url}/v1/{path}", json=body) as response:
            return await response.json()

    async def read_history(self) -> list[tuple[str, str]]:
        items = (await self.get("sessions/shared/items?order=asc&limit=100"))["data"]
        assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
        return [(item["role"], item["content"]) for item in items]

    async def read_runs(self) -> list[dict[str, Any]]:
        """The session's runs, oldest first."""
        return list(reversed((await self.get("sessions/shared/runs?limit=100")).get("data", [])))

    async def wait_runs(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many turns have begun or wait."""
        async with asyncio.timeout(SOON_S):
            while len(runs := await self.read_runs()) < count:
                await asyncio.sleep(0.01)
        return runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two servers on one database, the model that they share, and a client of each, both with one key."""

    model: SeeingModel
    servings: Sequence[Serving]
    database_url: str
    http: aiohttp.ClientSession

    @property
    def lines(self) -> Sequence[Line]:
        return [Line(self.http, serving) for serving in self.servings]

    @property
    def left(self) -> Line:
        return self.lines[0]

    @property
    def right(self) -> Line:
        return self.lines[1]


@asynccontextmanager
async def open_pair(folder: Path, database_url: str) -> AsyncIterator[Pair]:
    """Two servers that are started at the same time on an empty database, for its first tenant."""
    model = SeeingModel()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(open_model(model))
        settings = {"upstream_url": url, "database_url": database_url, "stop_s": 1}
        starting = [stack.enter_async_context(serving(folder / name, **settings)) for name in ("left", "right")]
        servings = await asyncio.gather(*starting)
        http = await stack.enter_async_context(open_http(servings[0].headers))
        yield Pair(model=model, servings=servings, database_url=database_url, http=http)


def open_http(headers: Mapping[str, str]) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers)


@pytest_asyncio.fixture(loop_scope="module")
async def own_pair(tmp_path: Path, postgres_database: str) -> AsyncIterator[Pair]:
    """Two servers of a test that stops one of them, or breaks what it has."""
    async with open_pair(tmp_path, postgres_database) as pair:
        yield pair


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_pair(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> AsyncIterator[Pair]:
    """Two servers that tests share which leave them as they are."""
    with make_database(postgres_url) as url:
        async with open_pair(tmp_path_factory.mktemp("pair"), url) as pair:
            yield pair


@pytest_asyncio.fixture(loop_scope="module")
async def pair(shared_pair: Pair) -> AsyncIterator[Pair]:
    """The shared servers, for a tenant that nobody was before, and a model that has seen nothing."""
    made = await shared_pair.left.post("keys", tenant=f"tenant-{next(TENANTS)}")
    shared_pair.model.shown.clear()
    shared_pair.model.gate.clear()
    async with open_http({"Authorization": f"Bearer {made['secret']}"}) as http:
        yield replace(shared_pair, http=http)


@asynccontextmanager
async def open_model(model: SeeingModel) -> AsyncIterator[str]:
    """Serve a model to the servers; its base URL."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", model.answer)
    app.router.add_get("/v1/models", model.list_models)
    runner, port = web.AppRunner(app, shutdown_timeout=0), find_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await runner.cleanup()


async def test_ten_concurrent_turns_see_each_other(pair: Pair) -> None:
    texts = [f"message {number}" for number in range(10)]
    replies = await asyncio.gather(*(pair.lines[n % 2].say(text) for n, text in enumerate(texts)))
    history = await pair.left.read_history()
    said = [content for role, content in history if role == "user"]
    assert sorted(said) == texts
    assert history == [
        turn for n, text in enumerate(said) for turn in (("user", text), ("assistant", say_seen(said[: n + 1])))
    ]
    shown = [[(message["role"], message["content"]) for message in request] for request in pair.model.shown]
    assert shown == [history[: 2 * n + 1] for n in range(10)]
    assert {reply.text for reply in replies} == {say_seen(said[: n + 1]) for n in range(10)}
    assert await pair.right.read_history() == history


async def test_queue_across_servers_keeps_ticket_order(pair: Pair) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(pair.left.say("Wait, number 0"))
        await pair.left.wait_runs(1)
        for number in range(1, 9):
            group.create_task(pair.lines[number % 2].say(f"number {number}"))
            await pair.left.wait_runs(number + 1)
        pair.model.gate.set()
    said = [content for role, content in await pair.right.read_history() if role == "user"]
    assert said == ["Wait, number 0", *(f"number {number}" for number in range(1, 9))]


async def test_run_is_cancelled_through_other_server(pair: Pair) -> None:
    async with pair.left.hear("Tell a story.") as response:
        await response.content.readuntil(b"word9 ")
        cancelled = await pair.right.post(f"runs/{response.headers['X-Run-Id']}/cancel")
        rest = await response.read()
    assert cancelled["status"] == "cancelled"
    assert b"run_cancelled" in rest
    assert not rest.endswith(DONE)
    asked, said = await pair.right.read_history()
    assert asked == ("user", "Tell a story.")
    assert said[1].startswith("".join(STORY[:10]))
    assert (await pair.right.say("And now?")).text == say_seen(["Tell a story.", "And now?"])


async def test_waiting_run_is_cancelled_through_other_server(pair: Pair) -> None:
    async with asyncio.TaskGroup() as group:
        first = group.create_task(pair.left.say("Wait for me"))
        await pair.left.wait_runs(1)
        second = group.create_task(pair.left.say("second"))
        waiting = (await pair.left.wait_runs(2))[1]
        assert waiting["status"] == "queued"
        assert (await pair.right.post(f"runs/{waiting['id']}/cancel"))["status"] == "cancelled"
        assert (await second).code == "run_cancelled"
        pair.model.gate.set()
    assert await pair.left.read_history() == [("user", "Wait for me"), ("assistant", first.result().text)]


async def test_run_is_followed_through_other_server(pair: Pair) -> None:
    async with pair.left.hear("Tell me briefly.") as response:
        run_id = response.headers["X-Run-Id"]
        while not (begun := await pair.right.get(f"runs/{run_id}/events"))["data"]:
            await asyncio.sleep(0.05)
        assert begun["has_more"], "nothing was told before the end"
        told = begun["data"] + await pair.right.follow(run_id, after=begun["next"])
        assert (await response.read()).endswith(DONE)
    assert [event["number"] for event in told] == list(range(1, len(told) + 1))
    assert "".join(event.get("text", "") for event in told) == "".join(STORY[:SHORT_WORDS])
    assert (told[-1]["type"], told[-1]["run"]["status"]) == ("end", "completed")


async def test_revoked_key_stops_on_every_server(shared_pair: Pair) -> None:
    made = await shared_pair.left.post("keys", label="to be revoked")
    headers = {"Authorization": f"Bearer {made['secret']}"}
    urls = [f"{line.serving.url}/v1/sessions" for line in shared_pair.lines]
    assert [await read_status(shared_pair.http, url, headers) for url in urls] == [200, 200]
    async with shared_pair.http.delete(f"{shared_pair.left.serving.url}/v1/keys/{made['id']}") as response:
        assert response.status == 200
    async with asyncio.timeout(SOON_S):
        while [await read_status(shared_pair.http, url, headers) for url in urls] != [401, 401]:
            await asyncio.sleep(0.05)


async def read_status(http: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> int:
    async with http.get(url, headers=headers) as response:
        return response.status


async def test_busy_session_rejects_on_other_server(pair: Pair) -> None:
    async with asyncio.TaskGroup() as group:
        first = group.create_task(pair.left.say("Wait for me"))
        await pair.left.wait_runs(1)
        refused = await pair.http.post(
            f"{pair.right.serving.url}/v1/chat/completions",
            json={"model": "seeing", "concurrency": "reject", "messages": [{"role": "user", "content": "now"}]},
            headers={"X-Session-Id": "shared"},
        )
        assert (refused.status, (await refused.json())["error"]["code"]) == (409, "session_busy")
        pair.model.gate.set()
    assert await pair.right.read_history() == [("user", "Wait for me"), ("assistant", first.result().text)]


async def test_other_server_interrupts_a_turn(pair: Pair) -> None:
    async with pair.left.hear("Tell a story.") as response:
        await response.content.readuntil(b"word9 ")
        async with asyncio.timeout(SOON_S):
            reply = await pair.right.say("Stop!", concurrency="interrupt")
        assert b"run_cancelled" in await response.read()
    assert reply.text == say_seen(["Tell a story.", "Stop!"])
    assert [role for role, _ in await pair.left.read_history()] == ["user", "assistant", "user", "assistant"]


async def test_key_repeated_elsewhere_asks_model_once(pair: Pair) -> None:
    whole = [await line.say("Tell me briefly.", key="one") for line in pair.lines]
    assert whole[0].body == whole[1].body
    streams = [await line.hear_whole("Tell me briefly.", key="two") for line in pair.lines]
    assert streams[0] == streams[1]
    assert len(pair.model.shown) == 2
    assert len(await pair.left.read_history()) == 4


@pytest.mark.parametrize("is_new", [True, False], ids=["new session", "old session"])
async def test_key_sent_everywhere_at_once_asks_once(pair: Pair, is_new: bool) -> None:
    if not is_new:
        await pair.left.say("Hello")
    asked = len(pair.model.shown)
    replies = await asyncio.gather(*(pair.lines[n % 2].say("Tell me briefly.", key="one") for n in range(8)))
    assert {reply.text for reply in replies} == {"".join(STORY[:SHORT_WORDS])}
    assert len({reply.run_id for reply in replies}) == 1
    assert len(pair.model.shown) == asked + 1


async def test_broken_connections_lose_no_turn(own_pair: Pair) -> None:
    """All of them at once, as when PostgreSQL is started anew; soon afterwards nobody notices."""
    await asyncio.gather(*(own_pair.lines[n % 2].say(f"number {n}") for n in range(10)))
    async with own_pair.left.hear("Tell me briefly.") as response:
        await response.content.readuntil(b"word2 ")
        async with await psycopg.AsyncConnection.connect(own_pair.database_url, autocommit=True) as connection:
            await connection.execute(BREAK_CONNECTIONS)
        assert (await response.read()).endswith(DONE)
    await asyncio.sleep(RECONNECT_S)
    replies = await asyncio.gather(*(own_pair.lines[n % 2].say(f"again {n}") for n in range(10)))
    assert [reply.status for reply in replies] == [200] * 10
    assert len(await own_pair.right.read_history()) == 42


async def test_stopped_server_hands_its_sessions_on(own_pair: Pair) -> None:
    """At once: nobody waits for a lease."""
    async with own_pair.left.hear("Tell a story.") as response:
        await response.content.readuntil(b"word0 ")
        own = asyncio.create_task(own_pair.left.say("waits here"))
        await own_pair.left.wait_runs(2)
        others = asyncio.create_task(own_pair.right.say("waits there"))
        await own_pair.left.wait_runs(3)
        own_pair.left.serving.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SOON_S):
            assert (await others).text == say_seen(["waits there"])
            assert (await own).code == "interrupted"
            assert b'"interrupted"' in await response.read()
    assert [run["status"] for run in await own_pair.right.read_runs()] == ["failed", "failed", "completed"]


async def test_stopped_server_tells_those_who_follow(own_pair: Pair) -> None:
    """They joined a run of the other server, which goes on; asked again, they hear all of it."""
    async with own_pair.left.hear("Tell a story.", key="one") as response:
        await response.content.readuntil(b"word0 ")
        async with own_pair.right.hear("Tell a story.", key="one") as joined:
            await joined.content.readuntil(b"word0 ")
            own_pair.right.serving.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(SOON_S):
                assert b'"interrupted"' in await joined.read()
                await own_pair.right.serving.process.wait()
        assert (await response.read()).endswith(DONE)
    assert read_text(await own_pair.left.hear_whole("Tell a story.", key="one")) == "".join(STORY)
    assert len(own_pair.model.shown) == 1


async def test_killed_server_gives_up_its_sessions(own_pair: Pair) -> None:
    """Whoever waits for it elsewhere, for a turn or for the end of a run, waits for the length of a lease at most."""
    async with own_pair.left.hear("Tell a story.") as response:
        following = asyncio.create_task(own_pair.right.follow(response.headers["X-Run-Id"]))
        waiting = []
        for number, line in enumerate((own_pair.right, own_pair.left, own_pair.right)):
            waiting.append(asyncio.create_task(line.say(f"number {number}")))
            await own_pair.right.wait_runs(number + 2)
        await response.content.readuntil(b"word40 ")
        own_pair.left.serving.process.kill()
        with pytest.raises(aiohttp.ClientError):
            await response.read()
    with pytest.raises(aiohttp.ClientError):
        await waiting.pop(1)
    async with asyncio.timeout(LEASE_S):
        assert [reply.text for reply in await asyncio.gather(*waiting)] == [
            say_seen(["number 0"]),
            say_seen(["number 0", "number 2"]),
        ]
    told, *others = await own_pair.right.read_runs()
    events = await following
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert (events[-1]["type"], events[-1]["run"]) == ("end", told)
    assert "".join(event.get("text", "") for event in events) == told["output"][0]["content"]
    assert [(run["status"], run["error"]["code"]) for run in (told, others[1])] == [("failed", "interrupted")] * 2
    assert told["output"][0]["content"].startswith("".join(STORY[:20])), "more than a second is lost"


async def test_paused_server_cannot_end_its_turn(own_pair: Pair) -> None:
    """Its lease has lapsed: what it says afterwards is refused by the fencing number."""
    late = asyncio.create_task(own_pair.left.say("Wait for me"))
    await own_pair.right.wait_runs(1)
    own_pair.left.serving.process.send_signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(LEASE_S):
            assert (await own_pair.right.say("Are you there?")).text == say_seen(["Are you there?"])
    finally:
        own_pair.model.gate.set()
        own_pair.left.serving.process.send_signal(signal.SIGCONT)
    reply = await late
    assert (reply.status, reply.code) == (409, "turn_conflict")
    assert len(await own_pair.right.read_history()) == 2
    assert [run["status"] for run in await own_pair.right.read_runs()] == ["failed", "completed"]
    assert (await own_pair.left.say("And now?")).text == say_seen(["Are you there?", "And now?"])
