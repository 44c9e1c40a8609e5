"""A server that is killed at any moment loses no turn that was acknowledged, doubles none, and leaves none by halves.

Eight sessions are busy, two of them with two clients, streaming and not. What the native API shows is checked after the
server was started again (SQLite), or at the server beside it (PostgreSQL). ``CRASH_SEED`` repeats a run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.mock import mock_upstream
from tests.e2e.serving import KEY, Serving, serving

WORDS = 12
WORD_MS = 4
WHOLE = "".join(f"word{number} " for number in range(WORDS))
DONE = b"data: [DONE]\n\n"
# Who has read the end of the answer may rely on it; many clients read no further.
STOP = b'"finish_reason": "stop"'
SESSIONS = 8
SHARED_SESSIONS = 2
# So many crowds of clients take turns at the server that is killed: each has the length of a lease to recover.
CROWDS = 10
KILL_AFTER_S = (0.05, 0.4)
# On SQLite a session is usable at once; on PostgreSQL when its lease lapsed (10 s) and another server looked (2.5 s).
AT_ONCE_S = 5.0
LEASE_S = 15.0
LOOK_BACK_S = 1.0


class Cut(Exception):
    """The connection broke before the end of the answer: nothing was acknowledged."""


@dataclass(slots=True)
class Talk:
    """One client's side of a session: what it sent, which answers it has whole, and the message that was cut last.

    What it repeats is known by an ``Idempotency-Key``, or else by the header with which OpenAI's clients count retries.
    """

    session: str
    name: str
    is_keyed: bool
    sent: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    cut: str | None = None

    async def say(self, http: aiohttp.ClientSession, url: str, *, again: str | None = None) -> None:
        """Say the next thing, or something again, and have the answer whole. Raises Cut."""
        text = again or f"{self.name} says {len(self.sent)}"
        if again is None:
            self.sent.append(text)
        known_by = {"Idempotency-Key": text} if self.is_keyed else {"x-stainless-retry-count": str(int(bool(again)))}
        headers = {"X-Session-Id": self.session, **known_by}
        try:
            answer = await ask(http, url, text, headers, is_streamed=len(self.sent) % 2 > 0, is_retry=bool(again))
        except Cut:
            self.cut = text
            raise
        assert answer == WHOLE
        self.acknowledged.add(text)
        self.cut = None

    async def go_on(self, http: aiohttp.ClientSession, url: str, killed: asyncio.Event) -> None:
        """Say one thing after the other until the server is killed, or the one beside it was."""
        with suppress(Cut):
            while not killed.is_set():
                await self.say(http, url)

    async def resume(self, http: aiohttp.ClientSession, url: str, *, repeats: bool) -> None:
        """Use the session again after a crash, with what was cut or with something new."""
        again = self.cut if repeats else None
        while True:
            with suppress(Cut):
                return await self.say(http, url, again=again)


def make_talks(crowd: str) -> list[Talk]:
    """Eight sessions with a client each, and a second one in some of them."""
    numbers = [*range(SESSIONS), *range(SHARED_SESSIONS)]
    return [
        Talk(
            session=f"{crowd}-{number}",
            name=f"{crowd}-{number} {'two' if place >= SESSIONS else 'one'}",
            is_keyed=bool(place % 2),
        )
        for place, number in enumerate(numbers)
    ]


async def ask(
    http: aiohttp.ClientSession, url: str, text: str, headers: Mapping[str, str], *, is_streamed: bool, is_retry: bool
) -> str:
    """Send a message and take the whole answer.

    Raises Cut when the connection broke, or the run that this is a retry of had been cut.
    """
    body = {"model": "mock", "stream": is_streamed, "messages": [{"role": "user", "content": text}]}
    data = b""
    try:
        async with http.post(f"{url}/v1/chat/completions", json=body, headers=headers) as response:
            async for piece in response.content.iter_any():
                data += piece
    except (aiohttp.ClientError, OSError) as error:
        if not (is_streamed and STOP in data):
            raise Cut from error
    if is_retry and b'"interrupted"' in data:
        raise Cut
    assert response.status == 200, data
    if is_streamed:
        assert STOP in data, f"a stream without its end: {data[-500:]!r}"
        return "".join(read_deltas(data))
    return str(json.loads(data)["choices"][0]["message"]["content"])


def read_deltas(data: bytes) -> list[str]:
    """The texts in the frames of a stream, as far as they came."""
    frames = [frame.removeprefix(b"data: ") for frame in data.split(b"\n\n")[:-1] if frame + b"\n\n" != DONE]
    chunks = [json.loads(frame) for frame in frames]
    return [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]


@asynccontextmanager
async def open_http() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections to any server, with the key; a client of its own for every request that is on its way."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Bearer {KEY}"}) as http:
        yield http


async def read_all(http: aiohttp.ClientSession, path: str) -> list[dict[str, Any]]:
    """Every row of a listing."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        async with http.get(f"{path}{cursor}") as response:
            page = await response.json()
            assert response.status == 200, page
        rows += page["data"]
        if not page["has_more"]:
            return rows
        cursor = f"&cursor={page['next']}"


async def check_sessions(http: aiohttp.ClientSession, url: str, talks: Sequence[Talk]) -> Counter[str]:
    """Check every session that these clients used; how many runs ended in which way."""
    counts: Counter[str] = Counter()
    for session in {talk.session: None for talk in talks}:
        async with http.get(f"{url}/v1/sessions/{session}") as response:
            stored = await response.json()
        items = await read_all(http, f"{url}/v1/sessions/{session}/items?order=asc&limit=100")
        runs = await read_all(http, f"{url}/v1/sessions/{session}/runs?limit=100")
        own = [talk for talk in talks if talk.session == session]
        assert (stored["items"], stored["running"]) == (len(items), None)
        check_history(items, own)
        check_runs(items, runs, own)
        counts.update(run["status"] for run in runs)
    return counts


def check_history(items: Sequence[Mapping[str, Any]], talks: Sequence[Talk]) -> None:
    """Every turn is whole, none is there twice or missing, and each client's are in the order in which it spoke."""
    assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
    asked, answers = items[::2], items[1::2]
    assert [item["role"] for item in asked] == ["user"] * len(answers)
    assert {(item["role"], item["status"], item["content"]) for item in answers} <= {("assistant", "completed", WHOLE)}
    assert [item["run_id"] for item in asked] == [item["run_id"] for item in answers]
    said = [item["content"] for item in asked]
    for talk in talks:
        own = [text for text in said if text.startswith(talk.name)]
        stored = set(own)
        assert own == [text for text in talk.sent if text in stored], "twice, or out of order"
        assert talk.acknowledged <= stored, f"lost: {talk.acknowledged - stored}"
    assert set(said) <= {text for talk in talks for text in talk.sent}


def check_runs(items: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]], talks: Sequence[Talk]) -> None:
    """Every run has ended: it names its turn in the history, or was interrupted and keeps what it was asked."""
    places = sorted(run["input_items"] + run["output_items"] for run in runs if run["status"] == "completed")
    assert places == [[seq, seq, seq + 1, seq + 1] for seq in range(1, len(items), 2)]
    for run in runs:
        if run["status"] == "completed":
            continue
        assert (run["status"], run["error"]["code"]) == ("failed", "interrupted")
        (asked,) = run["input"]
        assert asked["content"] in {text for talk in talks for text in talk.sent}
        assert all(said["content"] and WHOLE.startswith(said["content"]) for said in run["output"])


async def kill_while_talking(
    victim: Serving, clients: Sequence[asyncio.Task[None]], killed: asyncio.Event, chance: random.Random
) -> None:
    """Kill a server some moment after its clients began, and wait until they have noticed."""
    await asyncio.sleep(chance.uniform(*KILL_AFTER_S))
    for client in clients:
        assert not client.done(), f"it stopped talking before the kill: {client.exception()}"
    victim.process.kill()
    killed.set()
    await victim.process.wait()
    await asyncio.gather(*clients)


async def resume(http: aiohttp.ClientSession, url: str, talks: Sequence[Talk], chance: random.Random) -> None:
    """Use the sessions again after a crash: half of the clients repeat what was cut, the others say something new."""
    repeats = [chance.random() < 0.5 for _ in talks]
    await asyncio.gather(*(talk.resume(http, url, repeats=again) for talk, again in zip(talks, repeats, strict=True)))


async def crash_alone(data_dir: Path, *, rounds: int) -> None:
    """Kill the server of a data directory and start it again, round after round."""
    chance, talks = seed_chance(), make_talks("sqlite")
    async with mock_upstream(tokens=WORDS, tpot_ms=WORD_MS) as upstream, open_http() as http:
        for number in range(rounds + 1):
            async with serving(data_dir, upstream_url=upstream) as server, asyncio.TaskGroup() as group:
                async with asyncio.timeout(AT_ONCE_S):
                    await resume(http, server.url, talks, chance)
                counts = await check_sessions(http, server.url, talks)
                if number < rounds:
                    killed = asyncio.Event()
                    clients = [group.create_task(talk.go_on(http, server.url, killed)) for talk in talks]
                    await kill_while_talking(server, clients, killed, chance)
    tell(rounds, talks, counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A server that stays, beside which others are killed."""

    http: aiohttp.ClientSession
    url: str
    folder: Path
    settings: Mapping[str, Any]
    chance: random.Random

    async def crash(self, talks: Sequence[Talk], killed: asyncio.Event) -> None:
        """Kill another server, and go on with its sessions at this one as soon as they can be had."""
        async with asyncio.TaskGroup() as group:
            async with serving(self.folder / "victim", **self.settings) as victim:
                urls = [victim.url] * SESSIONS + [self.url] * SHARED_SESSIONS
                clients = [
                    group.create_task(talk.go_on(self.http, url, killed)) for talk, url in zip(talks, urls, strict=True)
                ]
                await kill_while_talking(victim, clients[:SESSIONS], killed, self.chance)
            async with asyncio.timeout(LEASE_S):
                await resume(self.http, self.url, talks[:SESSIONS], self.chance)
                await asyncio.gather(*clients)
        await check_sessions(self.http, self.url, talks)


async def crash_beside_another(folder: Path, database_url: str, *, rounds: int) -> None:
    """Kill one of two servers round after round; its sessions go on at the other one, which shares two of them."""
    chance, crowds = seed_chance(), [make_talks(f"postgres-{number}") for number in range(min(rounds, CROWDS))]
    everybody = [talk for crowd in crowds for talk in crowd]
    async with mock_upstream(tokens=WORDS, tpot_ms=WORD_MS) as upstream, open_http() as http:
        settings = {"upstream_url": upstream, "database_url": database_url}
        async with serving(folder / "steady", **settings) as steady:
            beside = Beside(http=http, url=steady.url, folder=folder, settings=settings, chance=chance)
            await crash_by_turns(beside, crowds, rounds)
            tell(rounds, everybody, await check_sessions(http, steady.url, everybody))


async def crash_by_turns(beside: Beside, crowds: Sequence[Sequence[Talk]], rounds: int) -> None:
    """Let one crowd of clients after the other see its server die; meanwhile the sessions of the others recover."""
    async with asyncio.TaskGroup() as group:
        crashes: list[asyncio.Task[None]] = []
        for number in range(rounds):
            if number >= len(crowds):
                await crashes[number - len(crowds)]
            killed = asyncio.Event()
            crashes.append(group.create_task(beside.crash(crowds[number % len(crowds)], killed)))
            await killed.wait()


def seed_chance() -> random.Random:
    seed = int(os.environ.get("CRASH_SEED") or time.time_ns() % 2**32)
    print(f"CRASH_SEED={seed}")
    return random.Random(seed)


def tell(rounds: int, talks: Sequence[Talk], counts: Mapping[str, int]) -> None:
    """Print what came of it; a kill that cut nothing would have shown nothing."""
    sent, whole = sum(len(talk.sent) for talk in talks), sum(len(talk.acknowledged) for talk in talks)
    print(f"{rounds} kills: {sent} messages, {whole} answers acknowledged, runs {dict(counts)}")
    assert counts["failed"] >= rounds
    assert whole >= rounds * SESSIONS


async def test_kills_lose_no_turn_on_sqlite(tmp_path: Path) -> None:
    await crash_alone(tmp_path / "data", rounds=5)


@pytest.mark.postgres
async def test_kills_lose_no_turn_on_postgres(tmp_path: Path, postgres_database: str) -> None:
    await crash_beside_another(tmp_path, postgres_database, rounds=5)


@pytest.mark.crash_long
@pytest.mark.timeout(1800)
async def test_hundred_kills_lose_no_turn_on_sqlite(tmp_path: Path) -> None:
    await crash_alone(tmp_path / "data", rounds=100)


@pytest.mark.crash_long
@pytest.mark.postgres
@pytest.mark.timeout(1800)
async def test_hundred_kills_lose_no_turn_on_postgres(tmp_path: Path, postgres_database: str) -> None:
    await crash_beside_another(tmp_path, postgres_database, rounds=100)


async def test_a_cut_stream_keeps_what_it_said(tmp_path: Path) -> None:
    """Up to a second before the kill (DESIGN section 2)."""
    heard: list[tuple[float, str]] = []
    async with mock_upstream(tokens=1000, tpot_ms=5) as upstream, open_http() as http:
        async with serving(tmp_path, upstream_url=upstream) as server:
            listening = asyncio.create_task(listen(http, server.url, heard))
            await asyncio.sleep(2.2)
            server.process.kill()
            killed_at = time.monotonic()
            await listening
        async with serving(tmp_path, upstream_url=upstream) as server:
            (run,) = await read_all(http, f"{server.url}/v1/sessions/long/runs?limit=100")
            assert not await read_all(http, f"{server.url}/v1/sessions/long/items?limit=100")
    assert (run["status"], run["error"]["code"]) == ("failed", "interrupted")
    assert run["input"][0]["content"] == "Tell me all."
    said = run["output"][0]["content"]
    assert said.startswith("".join(text for heard_at, text in heard if heard_at < killed_at - LOOK_BACK_S))
    assert "".join(f"word{number} " for number in range(1000)).startswith(said)


async def listen(http: aiohttp.ClientSession, url: str, heard: list[tuple[float, str]]) -> None:
    """Hear a stream until it breaks, noting when each piece came."""
    body = {"model": "mock", "stream": True, "messages": [{"role": "user", "content": "Tell me all."}]}
    with suppress(aiohttp.ClientError):
        async with http.post(f"{url}/v1/chat/completions", json=body, headers={"X-Session-Id": "long"}) as response:
            while piece := await response.content.readany():
                heard.append((time.monotonic(), "".join(read_deltas(piece))))
