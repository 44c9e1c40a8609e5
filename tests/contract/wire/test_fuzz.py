"""The whole description asked of the real server by schemathesis: never a 5xx, and every response as described."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import schemathesis.openapi
import uvloop
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from multiturn.api.openapi import write_description
from multiturn.app import open_caller, open_server
from multiturn.cli.listening import listen, take_address
from multiturn.config import Settings
from multiturn.model.tenant import SCOPES
from multiturn.upstream.scripted import Script, ScriptedCall, ScriptedUpstream

KEY = "mt-fuzz"
SPELLINGS = ("session-id", "sessionId", "x-session-id", "session_id")
EXAMPLES = 25


class Served(threading.Thread):
    """The real server on a port of this machine, in a thread with a loop of its own."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(name="served", daemon=True)
        self.settings = Settings(data_dir=data_dir, model="scripted", stop_s=1, log_level="error")
        self.is_up = threading.Event()
        self.url = ""
        self.loop = uvloop.new_event_loop()
        self.wanted_down = asyncio.Event()

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self.serve())

    async def serve(self) -> None:
        """Answer until it is told to stop, with a key that cannot be revoked: the fuzzer revokes those it finds."""
        upstream = ScriptedUpstream(answer)
        async with open_server(self.settings, upstream=upstream) as server:
            caller = await open_caller(server.keys)
            server.keys.trust(KEY, msgspec.structs.replace(caller, scopes=SCOPES))
            async with listen(server, self.settings, take_address("127.0.0.1", 0)) as listening:
                self.url = listening.url
                self.is_up.set()
                await self.wanted_down.wait()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.wanted_down.set)
        self.join(timeout=20)


def answer(seen: dict[str, Any]) -> Script:
    """Call a tool when there are any, else say something."""
    return Script("Yes.", tool_calls=[ScriptedCall("look")]) if seen.get("tools") else Script("Belém and Alfama.")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("served"))
    served.start()
    assert served.is_up.wait(20)
    yield served
    served.stop()
    assert not served.is_alive()


def write_narrowed() -> dict[str, Any]:
    """The description without what the fuzzer cannot know.

    A session has many spellings and two of them at once are refused, so each path keeps one. What a model's provider
    would refuse, the scripted one takes. A provider's own refusals do not happen, so no 4XX passes for one.
    """
    described: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(write_description()))
    chats = [path for path, methods in described["paths"].items() if "completion" in path or path == "/api/publicLLM"]
    for path, kept in zip(chats, SPELLINGS, strict=True):
        chat = described["paths"][path]["post"]
        chat["parameters"] = [one for one in chat["parameters"] if one["name"] == kept or one["name"] not in SPELLINGS]
    fields = described["components"]["schemas"]["CompletionRequest"]["properties"]
    for name in [name for name, field in fields.items() if field.get("x-goes-to-model") or name.startswith("session")]:
        del fields[name]
    for methods in described["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("4XX", None)
    return described


def fuzz(served: Served, headers: dict[str, str], checks: dict[str, Any]) -> tuple[int, list[str]]:
    """Ask for everything; how many responses there were, and what was wrong with them."""
    generation = {
        "deterministic": True,
        "max-examples": EXAMPLES,
        "with-security-parameters": False,
        "database": "none",
    }
    config = SchemathesisConfig.from_dict(
        {
            "headers": headers,
            "base-url": served.url,
            "generation": generation,
            "checks": checks,
            "request-timeout": 20,
            "continue-on-failure": True,
        }
    )
    load_all_checks()
    answered, wrong = 0, []
    for event in from_schema(schemathesis.openapi.from_dict(write_narrowed(), config=config)).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            wrong.append(repr(event))
        elif isinstance(event, events.ScenarioFinished):
            answered += len(event.recorder.interactions)
            wrong += describe_failures(event)
    return answered, wrong


def describe_failures(scenario: events.ScenarioFinished) -> list[str]:
    """Say what was wrong, with a command that shows it again."""
    found = [node.failure_info for nodes in scenario.recorder.checks.values() for node in nodes if node.failure_info]
    return [f"{scenario.recorder.label}: {info.failure}\n{info.code_sample}" for info in found]


def test_every_answer_is_as_described(served: Served) -> None:
    checks = {
        "missing_required_header": {"enabled": False},  # None is required.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "401", "403", "404", "409", "429"]},
    }
    answered, wrong = fuzz(served, {"Authorization": f"Bearer {KEY}"}, checks)
    assert not wrong, "\n\n".join(wrong)
    assert answered > 1000


def test_without_a_key_nothing_is_told(served: Served) -> None:
    checks = {
        "enabled": False,
        "not_a_server_error": {"enabled": True},
        "response_schema_conformance": {"enabled": True},
    }
    answered, wrong = fuzz(served, {}, checks)
    assert not wrong, "\n\n".join(wrong)
    assert answered > 500
