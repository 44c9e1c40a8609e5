"""The command line: a server that starts, says how it is reached and stops; and the commands that look after it."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from multiturn import __version__
from tests.e2e.mock import find_port, mock_upstream
from tests.e2e.serving import KEY, Serving, command, serving, start, stop, wait_ready, write_environ
from tests.house.tree import PACKAGE

SMALL_MODEL = "SmolLM2-135M-Instruct"
SOON_S = 5.0
LOOK_S = 0.02
GONE = "http://127.0.0.1:9/v1"  # Nobody listens on this port.

SHOW_MODULES = """
import sys
from multiturn.cli import main
sys.argv[1:] = ["--help"]
try:
    main()
finally:
    print(sorted(sys.modules))
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[str]:
    async with mock_upstream(tokens=4) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    """A server that the tests of this file share; each of them has sessions and keys of its own."""
    async with serving(tmp_path_factory.mktemp("running"), upstream_url=upstream) as server:
        yield server


async def say(server: Serving, text: str, *, session: str) -> None:
    body = {"model": "mock", "session_id": session, "messages": [{"role": "user", "content": text}]}
    async with (
        aiohttp.ClientSession(headers=server.headers) as http,
        http.post(f"{server.url}/v1/chat/completions", json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def get_status(url: str, key: str) -> int:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as http, http.get(url) as answer:
        return answer.status


@asynccontextmanager
async def streaming(server: Serving) -> AsyncIterator[aiohttp.ClientResponse]:
    """An answer that has begun."""
    body = {"model": "mock", "stream": True, "session_id": "s", "messages": [{"role": "user", "content": "Hi."}]}
    async with (
        aiohttp.ClientSession(headers=server.headers) as http,
        http.post(f"{server.url}/v1/chat/completions", json=body) as answer,
    ):
        assert b"word0" in await answer.content.readany()
        yield answer


async def read_welcome(server: Serving) -> str:
    """What it says at its start, when it has said it."""
    while "-d '{" not in (text := server.read_output().partition(f"listens on {server.url}\n")[2]):
        await asyncio.sleep(LOOK_S)
    return text


def read_curl(output: str) -> tuple[str, dict[str, str], str]:
    """The printed command, as a shell reads it: URL, headers, body."""
    words = shlex.split(output[output.index("curl") :].replace("\\\n", " "))
    headers = [words[place + 1] for place, word in enumerate(words) if word == "-H"]
    pairs = [header.partition(": ") for header in headers]
    return words[1], {name: value for name, _, value in pairs}, words[words.index("-d") + 1]


async def test_first_start_prints_a_working_request(tmp_path: Path, upstream: str) -> None:
    async with serving(tmp_path, upstream_url=upstream, api_key="") as server:
        welcome = await read_welcome(server)
        url, headers, body = read_curl(welcome)
        async with aiohttp.ClientSession(headers=headers) as http, http.post(url, data=body) as answer:
            assert answer.status == 200
            assert answer.headers["X-Session-Id"] == headers["sessionId"]
        assert f"{server.url}/docs" in welcome
        assert str(tmp_path / "multiturn.db") in welcome
    assert await get_secret_of_second_start(tmp_path, upstream) == "$MULTITURN_API_KEY"
    key = headers["Authorization"].removeprefix("Bearer ")
    assert key.startswith("mt-")
    assert server.read_output().count(key) == 2
    assert key not in server.read_log()


async def get_secret_of_second_start(data_dir: Path, upstream: str) -> str:
    async with serving(data_dir, upstream_url=upstream, api_key="") as server:
        welcome = await read_welcome(server)
    assert "multiturn keys make" in welcome
    return read_curl(welcome)[1]["Authorization"].removeprefix("Bearer ")


async def test_set_key_works_and_stays_unshown(running: Serving) -> None:
    assert await get_status(f"{running.url}/v1/models", KEY) == 200
    assert await get_status(f"{running.url}/v1/models", "mt-wrong") == 401
    assert KEY not in await read_welcome(running) + running.read_log()


async def test_server_file_is_private_and_goes(tmp_path: Path, upstream: str) -> None:
    path = tmp_path / "server.json"
    async with serving(tmp_path, upstream_url=upstream) as server:
        announced = json.loads(path.read_bytes())
        assert path.stat().st_mode & 0o777 == 0o600
        assert announced["pid"] == server.process.pid
        assert await get_status(f"{server.url}/v1/keys", announced["key"]) == 200
    assert server.process.returncode == 0
    assert not path.exists()
    with sqlite3.connect(tmp_path / "multiturn.db") as database:
        assert database.execute("SELECT label FROM api_keys").fetchall() == [("first key",)]


async def test_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    async with (
        mock_upstream(tokens=1000, tpot_ms=100) as url,
        serving(tmp_path, upstream_url=url) as server,
        streaming(server),
    ):
        server.process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.3)
        assert server.process.returncode is None
        server.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(server.process.wait(), SOON_S) == 130
    assert not (tmp_path / "server.json").exists()


async def test_taken_port_is_one_line(tmp_path: Path, running: Serving) -> None:
    port = running.url.rpartition(":")[2]
    second = await command(tmp_path, "serve", "--port", port)
    assert second.status == 1
    assert second.err.startswith(f"multiturn: The server cannot listen on 127.0.0.1:{port}: Address already in use.")
    assert second.err.count("\n") == 1
    assert second.out == ""


@pytest.mark.parametrize(
    ("words", "settings", "named"),
    [
        (("serve", "--config", "/nowhere.toml"), {}, "/nowhere.toml cannot be read"),
        (("keys", "list"), {"database_url": "postgresql://127.0.0.1:9/none"}, "PostgreSQL cannot be reached"),
    ],
)
async def test_wrong_setting_is_one_line(
    tmp_path: Path, words: tuple[str, ...], settings: dict[str, Any], named: str
) -> None:
    refused = await command(tmp_path, *words, **settings)
    assert refused.status == 2
    assert refused.err.startswith("multiturn: ")
    assert named in refused.err
    assert refused.err.count("\n") == 1


async def test_changed_source_starts_it_anew(tmp_path: Path, upstream: str) -> None:
    sources = tmp_path / "src" / "multiturn"
    shutil.copytree(PACKAGE, sources, ignore=shutil.ignore_patterns("__pycache__", ".ruff_cache"))
    settings = {"data_dir": tmp_path, "api_key": KEY, "port": 0, "upstream_url": upstream}
    environ = write_environ(settings) | {"PYTHONPATH": str(sources.parent)}
    process = await start(tmp_path, "serve", "--reload", environ=environ)
    try:
        url = await wait_ready(tmp_path, process)
        first = read_pid(tmp_path)
        assert first != process.pid
        await wait_for_new_pid(tmp_path, first, sources / "__init__.py")
        assert await wait_ready(tmp_path, process) == url
    finally:
        await stop(process)


def read_pid(data_dir: Path) -> int | None:
    path = data_dir / "server.json"
    return int(json.loads(path.read_bytes())["pid"]) if path.exists() else None


async def wait_for_new_pid(data_dir: Path, old: int | None, source: Path) -> None:
    """Touch a source until another process serves; the supervisor looks four times a second."""
    deadline = time.monotonic() + 10 * SOON_S
    while read_pid(data_dir) in (old, None):
        assert time.monotonic() < deadline, "nothing started anew"
        if read_pid(data_dir) == old:
            os.utime(source)
        await asyncio.sleep(0.3)


async def test_help_loads_no_server() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SHOW_MODULES, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    for name in ("serve", "chat", "keys", "sessions", "usage", "model", "migrate", "doctor"):
        assert f"  {name} " in out.decode()
    for module in ("aiohttp", "apsw", "psycopg", "starlette", "uvicorn", "multiturn.app"):
        assert f"'{module}'" not in out.decode()


async def test_version_is_told(tmp_path: Path) -> None:
    assert (await command(tmp_path, "--version")).out == f"multiturn {__version__}\n"


async def test_keys_are_managed_without_a_server(tmp_path: Path) -> None:
    made = await command(tmp_path, "keys", "make", "--user", "alice", "--label", "phone", "--scope", "users")
    secret = made.out.strip()
    assert made.status == 0
    assert secret.startswith("mt-")
    listed = await command(tmp_path, "keys", "list")
    _, row = listed.out.splitlines()
    assert {"alice", "phone", "users"} <= set(row.split())
    assert secret not in listed.out
    assert (await command(tmp_path, "keys", "revoke", row.split()[0])).status == 0
    again = await command(tmp_path, "keys", "revoke", row.split()[0])
    assert (again.status, again.err.count("\n")) == (1, 1)


async def test_keys_of_a_running_server_work_at_once(running: Serving) -> None:
    key = json.loads((await command(running.data_dir, "keys", "make", "--tenant", "acme", "--json")).out)
    assert await get_status(f"{running.url}/v1/models", key["secret"]) == 200
    revoked, refused = await asyncio.gather(
        command(running.data_dir, "keys", "revoke", key["id"], "--tenant", "acme"),
        command(running.data_dir, "keys", "make", "--scope", "root"),
    )
    assert revoked.status == 0
    assert await get_status(f"{running.url}/v1/models", key["secret"]) == 401
    assert refused.status == 1
    assert "root" in refused.err


async def test_sessions_are_seen_and_deleted(running: Serving) -> None:
    for number in range(55):
        await say(running, f"Question [b]{number}", session="tea talk")
    items, newest, runs, shown = await asyncio.gather(
        command(running.data_dir, "sessions", "items", "tea talk", "--all", "--json"),
        command(running.data_dir, "sessions", "items", "tea talk", "--limit", "3"),
        command(running.data_dir, "sessions", "runs", "tea talk"),
        command(running.data_dir, "sessions", "show", "tea talk", "--url", running.url, "--key", KEY),
    )
    assert [item["seq"] for item in json.loads(items.out)] == list(range(1, 111))
    assert [line.split()[0] for line in newest.out.splitlines()] == ["seq", "108", "109", "110"]
    assert "Question [b]54" in newest.out
    assert len(runs.out.splitlines()) == 21
    assert "110" in shown.out
    assert (await command(running.data_dir, "sessions", "delete", "tea talk", typed="n\n")).status == 1
    assert (await command(running.data_dir, "sessions", "delete", "tea talk", "--yes")).status == 0
    gone = await command(running.data_dir, "sessions", "show", "tea talk")
    assert (gone.status, gone.err) == (1, "multiturn: There is no such session.\n")


async def test_sessions_of_a_user_are_hers(running: Serving) -> None:
    await say(running, "Hello.", session="mine")
    others, own = await asyncio.gather(
        command(running.data_dir, "sessions", "--user", "bob", "list"),
        command(running.data_dir, "sessions", "list", "--json"),
    )
    assert others.out == "No sessions.\n"
    assert "mine" in [session["external_id"] for session in json.loads(own.out)]


async def test_usage_is_shown_with_bars(running: Serving) -> None:
    await say(running, "Hello.", session="paid")
    table, sessions, told, refused = await asyncio.gather(
        command(running.data_dir, "usage", "--by", "model"),
        command(running.data_dir, "usage", "--per", "all", "--by", "session", "--by", "model"),
        command(running.data_dir, "usage", "--per", "month", "--json"),
        command(running.data_dir, "usage", "--from", "yesterday"),
    )
    head, row, total, note = table.out.splitlines()
    assert head.split() == ["day", "model", "turns", "in", "cached", "out", "thought", "$", "tokens", "in"]
    assert (row.split()[1], row.split()[-1]) == ("mock", "█" * 24)
    assert total.startswith("all")
    assert "MULTITURN_PRICES" in note
    assert sessions.out.splitlines()[0].split()[:2] == ["session", "model"]
    assert json.loads(told.out)["total"]["unpriced_turns"] > 0
    assert (refused.status, refused.err.count("\n")) == (1, 1)


async def test_missing_server_is_one_line(tmp_path: Path) -> None:
    refused = await command(tmp_path, "sessions", "list", "--url", "http://127.0.0.1:9")
    assert refused.status == 1
    assert refused.err == "multiturn: The server at http://127.0.0.1:9 does not answer: Connection refused.\n"


async def test_left_over_server_file_is_no_server(tmp_path: Path, upstream: str) -> None:
    async with serving(tmp_path, upstream_url=upstream) as server:
        server.process.kill()
        await server.process.wait()
        assert (tmp_path / "server.json").exists()
        assert (await command(tmp_path, "keys", "list")).status == 0


async def test_migrate_says_what_it_applied(tmp_path: Path) -> None:
    first, second = [await command(tmp_path, "migrate") for _ in range(2)]
    assert first.out.startswith("Applied 1")
    assert "nothing was to be done" in second.out
    with sqlite3.connect(tmp_path / "multiturn.db") as database:
        database.execute("PRAGMA user_version = 999")
    newer = await command(tmp_path, "migrate")
    assert newer.status == 2
    assert "The database is at version 999" in newer.err


@pytest.mark.postgres
async def test_commands_work_on_postgres(tmp_path: Path, postgres_database: str) -> None:
    migrated = await command(tmp_path, "migrate", database_url=postgres_database)
    assert migrated.out.startswith("Applied 1")
    assert (await command(tmp_path, "keys", "make", database_url=postgres_database)).status == 0
    found = await command(tmp_path, "doctor", database_url=postgres_database, upstream_url=GONE)
    assert "✓ database        PostgreSQL is at version" in found.out
    assert "✓ clock" in found.out


async def test_doctor_finds_all_good(running: Serving, upstream: str) -> None:
    port = running.url.rpartition(":")[2]
    found = await command(running.data_dir, "doctor", upstream_url=upstream, model="mock", port=port)
    assert found.status == 0, found.out
    assert "✗" not in found.out
    for name in ("settings", "data directory", "disk", "database", "upstream", "server", "port", "clock"):
        assert f"✓ {name} " in found.out
    assert f"{running.url} (process {running.process.pid}) takes turns" in found.out


async def test_doctor_names_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "multiturn.db").write_bytes(b"this is no database" * 100)
    found = await command(tmp_path, "doctor", "--json", upstream_url=GONE, port=find_port())
    findings = {finding["name"]: finding for finding in json.loads(found.out)}
    assert found.status == 1
    assert {name for name, finding in findings.items() if not finding["is_good"]} == {"database", "upstream"}
    assert "cannot be reached" in findings["upstream"]["detail"]
    assert "URL" in findings["upstream"]["advice"]


async def test_doctor_changes_nothing(tmp_path: Path) -> None:
    await command(tmp_path, "migrate")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert (await command(tmp_path, "doctor", model=SMALL_MODEL, port=find_port())).status == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


async def test_doctor_names_a_wrong_setting(tmp_path: Path) -> None:
    found = await command(tmp_path, "doctor", prot=1)
    assert found.status == 1
    assert found.out.startswith("✗ settings        MULTITURN_PROT is not a setting")


async def test_models_are_listed_chosen_and_found(tmp_path: Path) -> None:
    pulled = await command(tmp_path, "model", "pull", SMALL_MODEL)
    assert pulled.status == 0, pulled.err
    assert (await command(tmp_path, "model", "use", SMALL_MODEL.lower())).status == 0
    listed, path, unknown = await asyncio.gather(
        command(tmp_path, "model", "list", "--json"),
        command(tmp_path, "model", "path"),
        command(tmp_path, "model", "use", "gpt-5"),
    )
    models = json.loads(listed.out)
    default, embedding = (
        next(model for model in models if model["kind"] == kind and model["is_default"])
        for kind in ("chat", "embedding")
    )
    assert (default["name"], default["path"]) == (SMALL_MODEL, path.out.strip())
    assert Path(path.out.strip()).stat().st_size == default["size_bytes"]
    assert embedding["name"] == "all-MiniLM-L6-v2-int8"
    assert unknown.status == 1
    assert SMALL_MODEL in unknown.err
