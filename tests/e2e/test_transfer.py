"""Sessions that are exported and imported by commands: beside a running server, without one, and when it is killed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.mock import mock_upstream
from tests.e2e.serving import Serving, command, serving

FOREIGN = Path(__file__).with_name("foreign")
FACT = "My grandmother's parrot is called Galileo."
QUESTION = "What is the name of my grandmother's parrot?"
SMALL = {"context_tokens": 1000, "embedding_model": "none", "sweep_every_s": 0.2}
SOON_S = 10.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[str]:
    async with mock_upstream(tokens=4) as url:
        yield url


def open_http(server: Serving) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(server.url, headers=server.headers)


async def ask(http: aiohttp.ClientSession, text: str, *, session: str = "s") -> str:
    """Take a turn; the run's id."""
    body = {"model": "mock", "session_id": session, "messages": [{"role": "user", "content": text}]}
    async with http.post("/v1/chat/completions", json=body) as reply:
        assert reply.status == 200, await reply.text()
        return reply.headers["X-Run-Id"]


def restore(name: str, folder: Path) -> Path:
    """A SQLite file as another program wrote it."""
    path = folder / f"{name}.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript((FOREIGN / f"{name}.sql").read_text("utf-8"))
    return path


async def list_names(http: aiohttp.ClientSession) -> list[str]:
    """The names of all sessions."""
    async with http.get("/v1/sessions?limit=100") as reply:
        return [one["external_id"] for one in (await reply.json())["data"]]


def holds(data_dir: Path, text: str) -> bool:
    """Whether a byte search of the database finds a text."""
    files = [path for path in data_dir.rglob("*") if path.is_file() and path.name.startswith("multiturn.db")]
    assert files
    return any(text.encode() in path.read_bytes() for path in files)


@pytest.mark.asyncio(loop_scope="module")
async def test_session_that_was_exported_and_deleted_comes_back(upstream: str, tmp_path: Path) -> None:
    data_dir, file = tmp_path / "data", tmp_path / "s.jsonl"
    async with serving(data_dir, upstream_url=upstream, **SMALL) as server, open_http(server) as http:
        await ask(http, FACT)
        for number in range(30):
            await ask(http, f"Step {number}: " + "water the plants and sweep the floor. " * 4)
        exported = await command(data_dir, "export", "s", "--documents", "-o", str(file))
        assert (exported.status, exported.out, exported.err) == (0, "", "")
        assert holds(data_dir, FACT)
        assert (await command(data_dir, "sessions", "delete", "s", "--yes")).status == 0
        assert not holds(data_dir, FACT)
        imported = await command(data_dir, "import", str(file))
        assert imported.status == 0, imported.err
        assert "1 session imported" in imported.out
        run_id = await ask(http, QUESTION)
        async with http.get(f"/v1/runs/{run_id}/context") as reply:
            snippets = (await reply.json())["retrieved"]["snippets"]
    assert (1, FACT) in [(one["seq"], one["text"]) for one in snippets if one["omitted"] is None]


@pytest.mark.asyncio(loop_scope="module")
async def test_import_that_is_killed_leaves_nothing(upstream: str, tmp_path: Path) -> None:
    arrived = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        for number in range(500):
            yield json.dumps({"role": "user", "content": f"{FACT} {number}"}).encode() + b"\n"
        arrived.set()
        await asyncio.sleep(60)

    async with serving(tmp_path, upstream_url=upstream, **SMALL) as server, open_http(server) as http:
        importing = asyncio.create_task(send(http, slowly()))
        await arrived.wait()
        async with asyncio.timeout(SOON_S):
            while not holds(tmp_path, FACT):
                await asyncio.sleep(0.05)
        assert await list_names(http) == []
        server.process.kill()
        await server.process.wait()
        assert isinstance((await asyncio.gather(importing, return_exceptions=True))[0], aiohttp.ClientError)
    async with serving(tmp_path, upstream_url=upstream, **SMALL) as server, open_http(server) as http:
        assert await list_names(http) == []
        async with http.get("/v1/sessions/x") as reply:
            assert reply.status == 404
        assert await send(http, b'{"role":"user","content":"Hello"}') == 201
        assert await list_names(http) == ["x"]
        async with asyncio.timeout(SOON_S):
            while holds(tmp_path, FACT):
                await asyncio.sleep(0.1)


async def send(http: aiohttp.ClientSession, lines: Any) -> int:
    """Import messages as the session x; the status."""
    async with http.post("/v1/sessions/import?external_id=x", data=lines) as reply:
        return reply.status


@pytest.mark.asyncio(loop_scope="module")
async def test_error_reaches_who_still_sends(upstream: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.jsonl"
    line = json.dumps({"role": "user", "content": "x" * 1000})
    file.write_text("\n".join([line, "nonsense", *[line] * 30_000]))
    async with serving(tmp_path / "data", upstream_url=upstream, **SMALL):
        outcome = await command(tmp_path / "data", "import", str(file))
    assert outcome.status == 1
    assert "Line 2: it is not valid JSON" in outcome.err


async def test_threads_of_langgraph_are_imported_without_a_server(tmp_path: Path) -> None:
    file = restore("langgraph", tmp_path)
    outcome = await command(tmp_path, "import", str(file), embedding_model="none")
    assert outcome.status == 0, outcome.err
    assert "lisbon: 1 session imported" in outcome.out
    items = json.loads((await command(tmp_path, "sessions", "items", "lisbon", "--json")).out)
    said = [(item.get("role") or item["type"], item.get("content") or item.get("output")) for item in items]
    assert said == [
        ("user", "Where does tram 28 begin?"),
        ("assistant", "It begins at Martim Moniz."),
        ("user", "And where does it end?"),
        ("assistant", "It ends in Campo de Ourique."),
        ("user", "What is its timetable?"),
        ("function_call", None),
        ("function_call_output", "every 11 minutes"),
        ("assistant", "Every 11 minutes."),
    ]
    assert [(items[place]["extra"] or {}).get("name") for place in (0, 1)] == ["ann", "guide"]
    assert (items[5]["name"], items[5]["arguments"]) == ("look_up", '{"line":28}')
    assert items[0]["created_at"].startswith("2026-11-21T")
    session = json.loads((await command(tmp_path, "sessions", "show", "lisbon", "--json")).out)
    assert session["instructions"] == [{"role": "system", "content": "You know the trams."}]
    again = await command(tmp_path, "import", str(file))
    assert (again.status, again.out) == (1, "")
    assert "lisbon: There is a session 'lisbon' already." in again.err


async def test_sessions_of_openai_agents_are_imported(tmp_path: Path) -> None:
    outcome = await command(tmp_path, "import", str(restore("agents", tmp_path)))
    assert outcome.status == 0, outcome.err
    assert "left out: 1 × item of type reasoning: it has no place among chat messages" in outcome.out
    assert "left out: 1 × item of type web_search_call" in outcome.out
    items = json.loads((await command(tmp_path, "sessions", "items", "belem", "--json")).out)
    assert [item.get("content") or item.get("output") or item["type"] for item in items] == [
        *("Which tram goes to Belem?", "function_call", "15E", "The tram 15E.")
    ]


async def test_several_files_are_imported_and_a_broken_one_keeps_none_out(tmp_path: Path) -> None:
    good, broken, other = tmp_path / "good.jsonl", tmp_path / "broken.jsonl", tmp_path / "other.sqlite"
    good.write_text('{"role":"user","content":"Hello"}\n')
    broken.write_text('{"role":"user"')
    other.write_bytes(b"SQLite format 3\0nonsense")
    outcome = await command(tmp_path / "data", "import", str(broken), str(other), str(good))
    assert outcome.status == 1
    assert outcome.out.startswith(f"{good}: 1 session imported")
    assert "broken.jsonl: Line 1: it is not valid JSON" in outcome.err
    assert "other.sqlite: It cannot be read" in outcome.err


async def test_export_of_no_session_leaves_no_file(tmp_path: Path) -> None:
    outcome = await command(tmp_path / "data", "export", "nobody", "-o", str(tmp_path / "out.jsonl"))
    assert (outcome.status, outcome.out) == (1, "")
    assert "There is no such session." in outcome.err
    assert not list(tmp_path.glob("out*"))


async def test_export_and_import_go_through_pipes(tmp_path: Path) -> None:
    file = tmp_path / "talk.jsonl"
    file.write_text('{"role":"user","content":"Hello"}\n{"role":"assistant","content":"Hi"}\n')
    assert (await command(tmp_path / "data", "import", str(file), "--external-id", "talk")).status == 0
    exported = await command(tmp_path / "data", "export", "talk")
    assert [json.loads(line)["type"] for line in exported.out.splitlines()] == ["session", "item", "item", "end"]
