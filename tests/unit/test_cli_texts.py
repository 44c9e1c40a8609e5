"""What the commands show: progress, tables, sizes, the start text; and where their options may stand."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console
from typer.testing import CliRunner

from multiturn import cli
from multiturn.cli import make_app
from multiturn.cli.listening import take_address, write_url
from multiturn.cli.place import hoist
from multiturn.cli.progress import Meter, ModelState, follow_model
from multiturn.cli.sessions import read_text
from multiturn.cli.tables import show_size, without_controls
from multiturn.cli.welcome import describe_database
from multiturn.config import Settings
from multiturn.errors import SettingsError, Unavailable

MIB = 1 << 20


def open_page(*, is_terminal: bool = False) -> tuple[Console, io.StringIO]:
    page = io.StringIO()
    return Console(file=page, force_terminal=is_terminal, width=100), page


async def follow(states: Sequence[ModelState | None], *, is_patient: bool) -> tuple[ModelState | None, list[str]]:
    """Follow a model through states; the last one, and the lines that were shown."""
    left = iter(states)

    async def read_state() -> ModelState | None:
        return next(left)

    console, page = open_page()
    return await follow_model(read_state, console, is_patient=is_patient), page.getvalue().splitlines()


def test_piped_progress_is_a_line_every_tenth() -> None:
    console, page = open_page()
    with Meter(console, "model") as meter:
        for done in range(0, 201):
            meter.show(done * MIB, 200 * MIB, "from packages")
    lines = page.getvalue().splitlines()
    assert lines == [f"model: {tenth * 10} % of 200 MB from packages" for tenth in range(11)]


def test_progress_on_a_terminal_is_a_bar() -> None:
    console, page = open_page(is_terminal=True)
    with Meter(console, "model") as meter:
        meter.show(50 * MIB, 100 * MIB, "from packages")
    assert "model, from packages" in page.getvalue()
    assert "━" in page.getvalue()


async def test_pulled_model_is_followed_until_ready() -> None:
    states = [
        ModelState(name="m", state="pulling", detail="it begins"),
        ModelState(name="m", state="pulling", detail="50 of 100 MB (from packages, 1 of 2)"),
        ModelState(name="m", state="loading"),
        ModelState(name="m", state="ready"),
    ]
    last, lines = await follow(states, is_patient=False)
    assert last == states[-1]
    assert lines == ["m: 50 % of 100 MB from packages, 1 of 2", "The model m is ready."]


async def test_failed_model_is_told_once() -> None:
    failed = ModelState(name="m", state="failed", detail="No memory.")
    last, lines = await follow([failed, failed, ModelState(name="m", state="ready")], is_patient=True)
    assert last
    assert last.state == "ready"
    assert lines == ["The model m is not ready: No memory.", "The model m is ready."]


async def test_impatient_one_leaves_a_failed_model() -> None:
    failed = ModelState(name="m", state="missing", detail="No network.")
    last, lines = await follow([failed], is_patient=False)
    assert last == failed
    assert lines == []


@pytest.mark.parametrize("states", [[None], [ModelState(name="m", state="ready")]])
async def test_ready_model_needs_no_words(states: Sequence[ModelState | None]) -> None:
    last, lines = await follow(states, is_patient=True)
    assert last == states[0]
    assert lines == []


@pytest.mark.parametrize(
    ("words", "hoisted"),
    [
        ("keys list", "keys list"),
        ("keys list --url http://a", "--url http://a keys list"),
        ("serve --config=x.toml --port 0", "--config=x.toml serve --port 0"),
        ("--data-dir d chat --model m --key k", "--data-dir d --key k chat --model m"),
        ("keys list --key", "--key keys list"),
        ("model use -- --config", "model use -- --config"),
    ],
)
def test_shared_options_stand_anywhere(words: str, hoisted: str) -> None:
    assert hoist(words.split()) == hoisted.split()


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (491_400_064, "491 MB"),
        (1_117_320_768, "1.1 GB"),
        (3e15, "3000.0 TB"),
    ],
)
def test_size_has_a_unit(size_bytes: float, text: str) -> None:
    assert show_size(size_bytes) == text


def test_shown_text_cannot_command_the_terminal() -> None:
    assert without_controls("a\x1b]0;title\x07b\tc\n\x9b2Jd\r") == "a]0;titleb\tc\n2Jd"


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"type": "message", "content": "hello"}, "hello"),
        ({"type": "message", "content": [{"type": "text", "text": "see"}, {"type": "image_url"}]}, "see [image_url]"),
        ({"type": "message", "content": None}, ""),
        ({"type": "function_call", "name": "add", "arguments": "{}"}, "add({})"),
        ({"type": "function_call_output", "output": "3"}, "3"),
        ({"type": "reasoning", "text": "hm"}, "hm"),
    ],
)
def test_item_reads_as_text(item: dict[str, object], text: str) -> None:
    assert read_text(item) == text


def test_database_is_shown_without_password() -> None:
    settings = Settings(database_url="postgresql://me:secret@db:5432/chat?sslmode=require")
    assert describe_database(settings) == "postgresql://db:5432/chat"


@pytest.mark.parametrize(("host", "start"), [("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://127.0.0.1:")])
def test_free_port_is_named_in_the_url(host: str, start: str) -> None:
    with take_address(host, 0) as taken:
        assert write_url(taken).startswith(start)
        assert not write_url(taken).endswith(":0")


def test_taken_port_is_refused() -> None:
    with take_address("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(Unavailable, match="Address already in use"):
            take_address("127.0.0.1", taken.getsockname()[1])


def test_unknown_host_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="MULTITURN_HOST"):
        take_address("no.such.host.invalid", 0)


COMMANDS = {
    "serve": [""],
    "chat": [""],
    "ingest": [""],
    "ask": [""],
    "stores": ["list", "show", "items", "delete"],
    "work": [""],
    "keys": ["list", "make", "revoke"],
    "sessions": ["list", "show", "items", "runs", "delete"],
    "quotas": ["list", "show", "set", "remove"],
    "approvals": ["list", "approve", "deny"],
    "usage": [""],
    "export": [""],
    "import": [""],
    "model": ["list", "pull", "use", "path"],
    "migrate": [""],
    "doctor": [""],
}


@pytest.mark.parametrize("words", [f"{group} {name}".split() for group, names in COMMANDS.items() for name in names])
def test_every_command_tells_its_exit_codes(words: list[str]) -> None:
    told = CliRunner().invoke(make_app(words), [*words, "--help"])
    assert told.exit_code == 0
    assert "Exit codes: 0" in told.output


def test_test_knows_every_command() -> None:
    assert set(COMMANDS) == set(cli.COMMANDS)
