"""The whole description asked of the real server by schemathesis: never a 5xx, and every response as described."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
import pytest
import schemathesis.openapi
import uvloop
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from multiturn.api.jockey.described import TAGS as JOCKEY_TAGS
from multiturn.api.julep.described import TAGS as JULEP_TAGS
from multiturn.api.openapi import write_description
from multiturn.api.powabase.described import TAGS as POWABASE_TAGS
from multiturn.app import open_caller, open_server
from multiturn.cli.listening import listen, take_address
from multiturn.config import Settings
from multiturn.model.tenant import OPERATOR
from multiturn.upstream.scripted import Script, ScriptedCall, ScriptedUpstream
from multiturn.upstream.scripted_embedder import ScriptedEmbedder

KEY = "mt-fuzz"
SPELLINGS = ("session-id", "sessionId", "x-session-id", "session_id")
EXAMPLES = 4
SEARCHES = [f"/v1/{owner}/docs/search" for owner in ("agents/{agent_id}", "users/{user_id}", "sessions/{session_id}")]
PUT_INTO = "/api/knowledge-bases/{knowledge_base_id}/sources"
NOT_THERE = ("/api/sources/import-from-storage", "/api/agents/{agent_id}/mcp-servers/{server_id}/tools")
# Putting a file into a store waits up to 30 s (READY_S) until the file was looked at; the fuzzer sends many files.
WAIT_S = 60


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
        async with open_server(self.settings, upstream=upstream, embedder=ScriptedEmbedder()) as server:
            caller = await open_caller(server.keys)
            server.keys.trust(KEY, msgspec.structs.replace(caller, scopes=OPERATOR))
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

    A session has many spellings and two of them at once are refused, so each path keeps one. A user's sessions are
    nobody else's, so one path alone names users, and so with idempotency keys. A search needs a text or a vector. What
    a provider would refuse, the scripted one takes. A provider's own refusals do not happen, so no 4XX passes for one.
    """
    described: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(write_description()))
    chats = [path for path, methods in described["paths"].items() if "completion" in path or path == "/api/publicLLM"]
    spelt = dict(zip(chats, SPELLINGS, strict=True))
    for path, methods in described["paths"].items():
        for operation in methods.values():
            operation["responses"].pop("4XX", None)
            is_last = path == chats[-1]
            left_out = {*SPELLINGS, *(() if is_last else ("X-User-Id", "Idempotency-Key"))} - {spelt.get(path)}
            operation["parameters"] = [
                one for one in operation["parameters"] if one["in"] != "header" or one["name"] not in left_out
            ]
    for schema in described["components"]["schemas"].values():
        fields = schema["properties"].items()
        schema["properties"] = {name: field for name, field in fields if not field.get("x-goes-to-model")}
    for name in ("session_id", "sessionId"):
        del described["components"]["schemas"]["CompletionRequest"]["properties"][name]
    search = described["components"]["schemas"]["Search"]
    require_value(search, "text")
    narrow_access(described)
    return described


def narrow_access(described: dict[str, Any]) -> None:
    """A key's end lies in the future, and one for tokens has no user; a quota limits something, in periods of its
    kind.
    """
    schemas = described["components"]["schemas"]
    del schemas["NewKey"]["properties"]["expires_at"]
    schemas["NewKey"]["properties"]["scopes"]["items"]["enum"].remove("jwt")
    del schemas["QuotaOrder"]["properties"]["life"]
    require_value(schemas["QuotaOrder"], "day")
    require_value(schemas["AllowanceOrder"], "turns")
    for path, kind in (("/v1/quotas/{kind}", "tenant"), ("/v1/quotas/{kind}/{subject_id}", "users")):
        for operation in described["paths"][path].values():
            for parameter in operation["parameters"]:
                if parameter["name"] == "kind":
                    parameter["schema"]["enum"], parameter["example"] = [kind], kind


def require_value(schema: dict[str, Any], name: str) -> None:
    """Have a field there, and not null."""
    schema["required"] = [*schema.get("required", ()), name]
    schema["properties"][name] = next(one for one in schema["properties"][name]["anyOf"] if one != {"type": "null"})


def give_run(served: Served, described: dict[str, Any]) -> None:
    """Take a turn, and name its run as the example of one."""
    asked = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    headers = {"Authorization": f"Bearer {KEY}", "session-id": "kept"}
    told = httpx2.post(f"{served.url}/v1/chat/completions", json=asked, headers=headers)
    for methods in described["paths"].values():
        for operation in methods.values():
            for parameter in operation["parameters"]:
                if parameter["name"] == "run_id":
                    parameter["example"] = told.headers["X-Run-Id"]


def fuzz(served: Served, settings: dict[str, Any]) -> tuple[int, list[str]]:
    """Ask for everything; how many responses there were, and what was wrong with them."""
    generation = {"deterministic": True, "max-examples": EXAMPLES, "database": "none"}
    generation |= {"with-security-parameters": False}
    how = {"base-url": served.url, "generation": generation, "request-timeout": WAIT_S, "continue-on-failure": True}
    config = SchemathesisConfig.from_dict(settings | how)
    described = write_narrowed()
    give_run(served, described)
    load_all_checks()
    answered, wrong = 0, []
    for event in from_schema(schemathesis.openapi.from_dict(described, config=config)).execute():
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


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_answer_is_as_described(served: Served) -> None:
    # No schema tells which tool calls a session has, nor that instructions alone are nothing to answer.
    # Nor at which item a session can be forked, nor that 5.0 is no whole number here.
    # Nor which files there are, which filters are whole, and what can be extracted of an item.
    # Nor that a file comes with its bytes or by its address and not by both, nor which names metadata may have.
    # Nor which agents there are, without which Julep's dialect makes no session, nor what waits for a word.
    tags = (
        "Chat completions",
        "Sessions",
        "Runs",
        "Contexts",
        "Documents",
        "Assets",
        "Knowledge stores",
        "Files (OpenAI)",
        "Vector stores (OpenAI)",
        "Agents",
        "Users",
        "Tenant",
        *JULEP_TAGS,
        *JOCKEY_TAGS,
        *POWABASE_TAGS,
    )
    untold = [{"include-tag": tag, "checks": {"positive_data_acceptance": {"enabled": False}}} for tag in tags]
    # What Powabase has and this server has not is a 501 there; an MCP server that is not there is a 503.
    untold += [{"include-path": path, "checks": {"not_a_server_error": {"enabled": False}}} for path in NOT_THERE]
    # What is put into a knowledge base may not be there, though the knowledge base is.
    untold += [{"include-path": PUT_INTO, "checks": {"ensure_resource_availability": {"enabled": False}}}]
    # A search may have a vector instead of the text that the fuzzer is told to send.
    untold += [{"include-path": path, "checks": {"negative_data_rejection": {"enabled": False}}} for path in SEARCHES]
    # A quota need not have what the fuzzer is told that it has; and 2.0 turns are no whole number here.
    lenient = {name: {"enabled": False} for name in ("negative_data_rejection", "positive_data_acceptance")}
    untold += [{"include-tag": "Quotas", "checks": lenient}]
    config = {
        "headers": {"Authorization": f"Bearer {KEY}"},
        "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409"]}},
        "operations": untold,
    }
    answered, wrong = fuzz(served, config)
    assert not wrong, "\n\n".join(wrong)
    assert answered > 1000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_without_a_key_nothing_is_told(served: Served) -> None:
    is_on = {"enabled": True}
    checks = {"enabled": False, "not_a_server_error": is_on, "response_schema_conformance": is_on}
    # The key is looked for first: in which words something is asked for makes no difference.
    phases = {name: {"enabled": False} for name in ("coverage", "fuzzing", "stateful")}
    answered, wrong = fuzz(served, {"checks": checks, "phases": phases})
    assert not wrong, "\n\n".join(wrong)
    assert answered > 200


BODY = b'{"messages": [{"role": "user", "content": "hi"}]}'
HEAD = b"Host: x\r\nAuthorization: Bearer mt-fuzz\r\n"
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\n" + HEAD
UNUSUAL = {
    "no HTTP": b"\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n",
    "old HTTP": b"GET /v1/sessions HTTP/1.0\r\nAuthorization: Bearer mt-fuzz\r\n\r\n",
    "no host": b"GET /v1/sessions HTTP/1.1\r\nAuthorization: Bearer mt-fuzz\r\nConnection: close\r\n\r\n",
    "other method": b"PROPFIND /v1/sessions HTTP/1.1\r\n" + HEAD + b"\r\n",
    "invented method": b"JUMP /v1/sessions HTTP/1.1\r\n" + HEAD + b"\r\n",
    "method to a tunnel": b"CONNECT /v1/sessions HTTP/1.1\r\n" + HEAD + b"\r\n",
    "whole URL": b"GET http://x/v1/sessions HTTP/1.1\r\n" + HEAD + b"\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\n" + HEAD + b"\r\n",
    "bytes in the path": b"GET /v1/sessions/\xff\xfe HTTP/1.1\r\n" + HEAD + b"\r\n",
    "broken escape in the path": b"GET /v1/sessions/%ff%zz%c3 HTTP/1.1\r\n" + HEAD + b"\r\n",
    "dots in the path": b"GET /v1/sessions/../../etc HTTP/1.1\r\n" + HEAD + b"\r\n",
    "long path": b"GET /v1/sessions/" + b"x" * 60_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
    "broken escape in the query": b"GET /v1/sessions?limit=%ff&limit=%zz&&=%00 HTTP/1.1\r\n" + HEAD + b"\r\n",
    "length in words": CHAT + b"Content-Length: many\r\n\r\n" + BODY,
    "length below nothing": CHAT + b"Content-Length: -5\r\n\r\n" + BODY,
    "length without end": CHAT + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + BODY,
    "two lengths": CHAT + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + BODY,
    "length and pieces": CHAT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "broken pieces": CHAT + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "unknown coding": CHAT + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "compressed body": CHAT + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
    "other kind of body": CHAT + b"Content-Type: text/xml; charset=utf-16\r\nContent-Length: 4\r\n\r\n<a/>",
    "form": CHAT + b"Content-Type: multipart/form-data\r\nContent-Length: 4\r\n\r\n----",
    "strange expectation": CHAT + b"Expect: miracles\r\nContent-Length: 2\r\n\r\n{}",
    "upgrade": b"GET /v1/sessions HTTP/1.1\r\n" + HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "newline in a header": b"GET /v1/sessions HTTP/1.1\r\n" + HEAD + b"X-User-Id: a\n b\r\n\r\n",
    "nothing in a header": b"GET /v1/sessions HTTP/1.1\r\n" + HEAD + b"X-User-Id:\r\n\r\n",
    "NUL in a header": b"GET /v1/sessions HTTP/1.1\r\n" + HEAD + b"X-User-Id: a\x00b\r\n\r\n",
    "bytes in a header": b"GET /v1/sessions HTTP/1.1\r\n" + HEAD + b"X-User-Id: \xff\xfe\xb2\r\n\r\n",
    "many headers": b"GET /v1/sessions HTTP/1.1\r\n" + HEAD + b"X-A: b\r\n" * 3000 + b"\r\n",
    "keys that differ": b"GET /v1/sessions HTTP/1.1\r\n" + HEAD + b"x-api-key: \xff\r\n\r\n",
    "strange origin": b"OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: x\r\nOrigin: null\r\n"
    b"Access-Control-Request-Method: BREW\r\nAccess-Control-Request-Headers: \xff, a b\r\n\r\n",
}


@pytest.mark.parametrize("sent", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_request_is_answered(served: Served, sent: bytes) -> None:
    """With a refusal or as any other, never with a 5xx; and the next request is answered as ever."""
    address = urlsplit(served.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(sent)
        told = connection.recv(65536)
    assert re.match(rb"HTTP/1\.1 [24]\d\d ", told), told
    assert httpx2.get(f"{served.url}/readyz").json() == {"status": "ready"}
