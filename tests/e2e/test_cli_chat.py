"""`multiturn chat`: a conversation at a terminal, or through a pipe, with a server or one of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.mock import mock_upstream
from tests.e2e.serving import Serving, command, serving, write_environ
from tests.e2e.terminal import CTRL_C, CTRL_D, terminal

GONE = "http://127.0.0.1:9/v1"  # Nobody listens on this port.
WORDS = 8
# An answer of so many words takes so long that nobody waits for its end.
ENDLESS, WORD_MS = 1000, 30
LEAVE_S = 10.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[str]:
    async with mock_upstream(tokens=WORDS) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    async with serving(tmp_path_factory.mktemp("running"), upstream_url=upstream) as server:
        yield server


async def list_items(data_dir: Path, session: str) -> list[dict[str, str]]:
    listed = await command(data_dir, "sessions", "items", session, "--json")
    items: list[dict[str, str]] = json.loads(listed.out)
    return items


async def test_each_piped_line_is_a_turn(running: Serving) -> None:
    words = ("chat", "--session", "piped", "--system", "Be brief.")
    first = await command(running.data_dir, *words, typed="One.\n\nTwo.\n")
    assert first.status == 0
    assert [line.split()[-1] for line in first.out.splitlines()] == [f"word{WORDS - 1}"] * 2
    assert first.err == "Session piped\n"
    await command(running.data_dir, "chat", "--session", "piped", typed="/help\n")
    items = await list_items(running.data_dir, "piped")
    assert [item["content"] for item in items if item["role"] == "user"] == ["One.", "Two.", "/help"]
    shown = await command(running.data_dir, "sessions", "show", "piped", "--json")
    assert json.loads(shown.out)["instructions"] == [{"role": "system", "content": "Be brief."}]


async def test_failed_piped_turn_is_one_line(tmp_path: Path) -> None:
    failed = await command(tmp_path, "chat", typed="Hello.\n", upstream_url=GONE, model="m", upstream_retries=0)
    assert failed.status == 1
    assert failed.out == ""
    assert failed.err.splitlines()[-1].startswith("error: The upstream cannot be reached")


async def test_person_talks_stops_and_looks_back(tmp_path: Path) -> None:
    async with mock_upstream(tokens=ENDLESS, tpot_ms=WORD_MS) as upstream:
        environ = write_environ({"data_dir": tmp_path, "upstream_url": upstream}) | {"TERM": "xterm"}
        async with terminal("chat", "--session", "typed", "--no-color", environ=environ) as seat:
            assert "Session typed (new)." in await seat.expect("you> ")
            for words in ("Hello.\r", "Go on \\\r", "please.\r"):
                seat.type(words)
                if words.endswith("\\\r"):
                    await seat.expect(r"\.\.\.> ")
                    continue
                await seat.expect("word3 ")
                seat.type(CTRL_C)
                await seat.expect(r"\(stopped\)\r\nyou> ")
            seat.type("/history\r")
            history = await seat.expect("you> ")
            seat.type("/sing\r")
            assert "error: There is no command /sing" in await seat.expect("you> ")
            seat.type("half a line" + CTRL_C)
            await seat.expect("you> ")
            seat.type(CTRL_D)
            await seat.expect(r"To go on later: multiturn chat --session typed")
            assert await asyncio.wait_for(seat.process.wait(), LEAVE_S) == 0
    assert "user> Hello." in history
    assert "assistant> word0 word1 word2 word3 " in history
    assert "\x1b" not in seat.shown.replace("\x1b[K", "").replace("\x1b[?2004", "")
    items = await list_items(tmp_path, "typed")
    assert [(item["role"], item["status"]) for item in items] == [
        ("user", "completed"),
        ("assistant", "incomplete"),
        ("user", "completed"),
        ("assistant", "incomplete"),
    ]
    assert items[2]["content"] == "Go on \nplease."


async def test_person_forgets_a_session(tmp_path: Path, upstream: str) -> None:
    """With no server running: the conversation has one of its own, which other commands find."""
    environ = write_environ({"data_dir": tmp_path, "upstream_url": upstream}) | {"TERM": "xterm"}
    async with terminal("chat", "--session", "secret", environ=environ) as seat:
        await seat.expect("you> ")
        seat.type("The password is fish.\r")
        await seat.expect(f"word{WORDS - 1} ")
        assert len(await list_items(tmp_path, "secret")) == 2
        seat.type("/forget\r")
        await seat.expect(r"\[y/N\] ")
        seat.type("y\r")
        await seat.expect(r"It is deleted\.")
        await seat.expect("you> ")
        assert (await command(tmp_path, "sessions", "list")).out == "No sessions.\n"
        seat.type("/quit\r")
        assert await asyncio.wait_for(seat.process.wait(), LEAVE_S) == 0
    assert not (tmp_path / "server.json").exists()
    assert b"fish" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
