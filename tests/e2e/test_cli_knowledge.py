"""Files go into a store and are asked, from the command line, as a person does it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from multiturn.cli.example import QUESTIONS
from tests.e2e.mock import find_port
from tests.e2e.serving import Serving, command, serving, write_environ

SAID = "The lighthouse on the north pier flashes every ten seconds. Nobody knows more."
GUIDE = "# Lights\n\nThe lighthouse on the north pier flashes every ten seconds.\n\n# Tides\n\nHigh water is at noon.\n"
SETTINGS: dict[str, Any] = {"embedding_model": "none", "speech_model": "none", "model": "saying"}
SOON_S = 30.0
NOTES = 10


async def say(request: web.Request) -> web.StreamResponse:
    """A model that always says the same, and cites nothing."""
    body = await request.json()
    message = {"role": "assistant", "content": SAID}
    if not body.get("stream"):
        return web.json_response({"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for delta, finish in (*(({"content": f"{word} "}, None) for word in SAID.split()), ({}, "stop")):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        await response.write(f"data: {json.dumps({'id': '1', 'choices': [choice]})}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


@asynccontextmanager
async def saying_model() -> AsyncIterator[str]:
    """The model on a port of this machine; its base URL."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", say)
    runner = web.AppRunner(app)
    await runner.setup()
    port = find_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    """A server that the tests of this file share; each of them has a store of its own."""
    async with (
        saying_model() as url,
        serving(tmp_path_factory.mktemp("running"), upstream_url=url, **SETTINGS) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of several kinds, some of which cannot be read."""
    files = tmp_path_factory.mktemp("files")
    (files / "guide.md").write_text(GUIDE)
    (files / "ferries.csv").write_text("ship,leaves\nAurora,08:15\nBorealis,17:40\n")
    (files / "empty.txt").write_text("")
    (files / "renamed.pdf").write_bytes(b"\x00\x01nothing that anybody reads" * 40)
    (files / "program.exe").write_bytes(b"MZ")
    (files / ".hidden").write_text("x")
    return files


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(running: Serving, folder: Path) -> str:
    """The name of a store with the two files that can be read."""
    done = await command(running.data_dir, "ingest", *good(folder), "--store", "filled", "--metadata", "town=Elm")
    assert done.status == 0, done.err
    return "filled"


def good(folder: Path) -> list[str]:
    return [str(folder / "guide.md"), str(folder / "ferries.csv")]


async def ask_server(server: Serving, method: str, path: str, **body: Any) -> Any:
    async with (
        aiohttp.ClientSession(headers=server.headers) as http,
        http.request(method, f"{server.url}/v1/{path}", json=body or None) as answer,
    ):
        return await answer.json()


async def wait_ready(server: Serving, store: str, count: int) -> None:
    async with asyncio.timeout(SOON_S):
        while (await ask_server(server, "GET", f"stores/{store}"))["items"]["ready"] < count:
            await asyncio.sleep(0.1)


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_folder_goes_in_and_failures_stand_at_the_end(running: Serving, folder: Path) -> None:
    done = await command(running.data_dir, "ingest", str(folder), "--store", "mixed")
    assert done.status == 1
    assert f"{folder}/guide.md: ready" in done.out
    assert f"{folder}/.hidden: passed over: hidden" in done.out
    assert f"{folder}/program.exe: passed over: of a kind that is not read" in done.out
    assert f"{folder}/empty.txt: failed: " in done.err
    assert f"{folder}/renamed.pdf: failed: " in done.err
    assert done.out.rstrip().endswith("Store mixed: 2 indexed, 2 failed.")
    names = {asset["filename"] for asset in (await ask_server(running, "GET", "assets"))["data"]}
    assert "guide.md" in names
    assert "renamed.pdf" not in names  # Else each try would leave a copy of it on the server.


async def test_second_run_sends_nothing(running: Serving, filled: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.md").write_text(GUIDE)
    again = await command(running.data_dir, "ingest", str(tmp_path / "copy.md"), *good(folder), "--store", filled)
    assert again.status == 0
    assert "Store filled: 3 there already." in again.out
    items = (await ask_server(running, "GET", "stores/filled/items"))["data"]
    assert [item["metadata"] for item in items] == [{"town": "Elm"}] * 2


async def test_answer_comes_with_what_it_rests_on(running: Serving, filled: str) -> None:
    asked = await command(running.data_dir, "ask", "How often is the flash?", "--store", filled, "--session", "a")
    assert asked.status == 0, asked.err
    assert asked.out.startswith("The lighthouse on the north pier flashes every ten seconds [1].")
    assert "· “The lighthouse on the north pier flashes every ten seconds.”\n    http" in asked.out
    assert "multiturn ask --store filled --session a" in asked.err
    told = await command(running.data_dir, "ask", "And now?", "--store", filled, "--session", "a", "--json")
    answer = json.loads(told.out)
    assert answer["citations"][0]["place"]["heading"] == "Lights"
    items = (await ask_server(running, "GET", "sessions/a/items?order=asc"))["data"]
    assert [item["role"] for item in items] == ["user", "assistant"] * 2


async def test_stores_are_listed_and_deleted(running: Serving, filled: str) -> None:
    await ask_server(running, "POST", "stores", name="gone")
    listed = await command(running.data_dir, "stores", "list")
    rows = {line.split()[0]: line.split()[2:5] for line in listed.out.splitlines()}
    assert rows[filled] == ["2", "0", "0"]
    assert rows["gone"] == ["0", "0", "0"]
    items = await command(running.data_dir, "stores", "items", filled)
    assert items.out.count("ready") == 2
    deleted = await command(running.data_dir, "stores", "delete", "gone", "--yes")
    assert deleted.out.strip() == "Store gone is deleted."
    missing = await command(running.data_dir, "ask", "What?", "--store", "gone")
    assert missing.status == 1
    assert "no such knowledge store" in missing.err
    assert "Traceback" not in missing.err


async def test_not_waiting_leaves_the_rest_to_the_server(running: Serving, folder: Path) -> None:
    sent = await command(running.data_dir, "ingest", *good(folder), "--store", "later", "--no-wait")
    assert sent.status == 0
    await wait_ready(running, "later", 2)


async def test_interrupted_ingest_goes_on(running: Serving, tmp_path: Path) -> None:
    for number in range(NOTES):
        (tmp_path / f"note{number:02}.txt").write_text(f"Note {number} speaks of the number {number * number}.")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "multiturn", "ingest", str(tmp_path), "--store", "interrupted"),
        stdout=asyncio.subprocess.PIPE,
        env=write_environ({"data_dir": running.data_dir}),
    )
    assert process.stdout
    assert b"ready" in await asyncio.wait_for(process.stdout.readline(), SOON_S)
    process.send_signal(signal.SIGINT)
    out, _ = await process.communicate()
    assert process.returncode == 130
    assert b"goes on from here" in out
    again = await command(running.data_dir, "ingest", str(tmp_path), "--store", "interrupted")
    assert again.status == 0, again.err
    counts = (await ask_server(running, "GET", "stores/interrupted"))["items"]
    assert counts["ready"] == counts["total"] == NOTES


async def test_interrupt_while_the_command_is_loaded_is_quiet() -> None:
    words = ("-v", "-m", "multiturn", "ingest", "x", "--store", "x")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=pipe, stderr=pipe)
    assert process.stderr
    async for line in process.stderr:
        if b"import 'aiohttp" in line:
            process.send_signal(signal.SIGINT)
            break
    _, errors = await process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in errors


async def test_without_a_server_the_command_indexes_by_itself(folder: Path, tmp_path: Path) -> None:
    words = ("ingest", *good(folder), "--store", "own", "--no-wait")
    done = await command(tmp_path / "own", *words, embedding_model="none", speech_model="none")
    assert done.status == 0, done.err
    assert "Store own: 2 indexed." in done.out


async def test_server_shows_the_example_once(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "example", ignore=shutil.ignore_patterns("empty.txt", "renamed.pdf"))
    async with saying_model() as url:
        for _ in range(2):
            settings = {"upstream_url": url, "api_key": "mt-key-of-the-tests-0123456789", "port": 0, **SETTINGS}
            shown = await serve_example(tmp_path / "data", tmp_path / "example", settings)
    first, second = shown.split("Try it:")[1:]
    assert [line[2:] for line in first.splitlines() if line.startswith("> ")] == list(QUESTIONS)
    assert len(re.findall(r"^\[\d+\] .* · ", first, re.M)) >= 3, first
    assert "> " not in second
    assert "multiturn ask --store example" in second


async def serve_example(data_dir: Path, folder: Path, settings: dict[str, Any]) -> str:
    """Serve with an example until it was shown; everything that was written so far."""
    data_dir.mkdir(exist_ok=True)
    with (data_dir / "shown.txt").open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "multiturn", "serve", "--example", str(folder)),
            stdout=out,
            env=write_environ({"data_dir": data_dir, **settings}),
        )
    before = (data_dir / "shown.txt").read_text("utf-8").count("Ask the example collection")
    async with asyncio.timeout(SOON_S):
        while (data_dir / "shown.txt").read_text("utf-8").count("Ask the example collection") == before:
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    return (data_dir / "shown.txt").read_text("utf-8")
