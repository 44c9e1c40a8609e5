"""The description of the API: valid OpenAPI 3.1, of all routes and of nothing else, and its examples are true."""

from __future__ import annotations

import ast
import asyncio
import base64
import hashlib
import io
import re
import shlex
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import redirect_stdout
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import aiohttp
import jsonschema_rs
import msgspec
import pytest
import pytest_asyncio
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from starlette.routing import Route

from multiturn import errors
from multiturn.api import beginning
from multiturn.api.chat.operations import SESSION_HEADER
from multiturn.api.chat.shapes import CompletionRequest
from multiturn.api.chat.wire import CONSUMED_FIELDS, MISSING_FIELDS, SESSION_HEADERS
from multiturn.api.description import SSE
from multiturn.api.docs import HEADERS, STYLE, write_curl, write_page
from multiturn.api.error_codes import CODES
from multiturn.api.error_codes import write_page as write_errors_page
from multiturn.api.errors import TYPES
from multiturn.api.openapi import write_description
from multiturn.api.operations import OPERATIONS, TAGS
from multiturn.api.policy import OVERFLOW_NAMES
from multiturn.api.routes import list_routes
from multiturn.api.services import Services
from tests.contract.dialects.conftest import Place, open_place
from tests.house.tree import PACKAGE, ROOT

DESCRIPTION: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(write_description()))
SCHEMAS: dict[str, Any] = DESCRIPTION["components"]["schemas"]
PAGE = write_page(OPERATIONS, write_description()).decode()
METHODS = ("get", "post", "delete")
# What an example may meet that is asked of a server that has just begun: what it names is not there, or there already.
ABSENT = re.compile(
    r'"(code|reason)":"((session|run|key|quota|model|agent|user|document|asset|transcript|store|item|'
    r"collection|upload|file|tool|context_handler)_not_found|link_invalid|not_implemented|run_not_waiting|"
    r'(session|agent|user|document)_exists|invalid_participant|embeddings_unavailable)"'
)
# The statuses that the kinds of errors have; a code of its own kind may differ where this says so.
KINDS = {
    "invalid": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "missing": 404,
    "conflict": 409,
    "too_large": 413,
    "limited": 429,
    "upstream": 502,
    "unavailable": 503,
}
OTHERWISE = {
    "context_length_exceeded": 400,
    "model_not_found": 404,
    "upstream_timeout": 504,
    "tool_timeout": 504,
    "internal_error": 500,
}


def list_operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DESCRIPTION["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def check(value: Any, schema: Mapping[str, Any]) -> None:
    """Validate a value against a schema of the description."""
    document = {**schema, "components": {"schemas": {name: SCHEMAS[name] for name in find_named(schema)}}}
    jsonschema_rs.Draft202012Validator(document, validate_formats=True).validate(value)


def find_named(schema: Mapping[str, Any]) -> set[str]:
    """The schemas that one refers to, and those that they do: all of them would be compiled for every value."""
    named: set[str] = set()
    left = [msgspec.json.encode(schema).decode()]
    while left:
        for name in set(re.findall(r'"#/components/schemas/([^"]+)"', left.pop())) - named:
            named.add(name)
            left.append(msgspec.json.encode(SCHEMAS[name]).decode())
    return named


def test_description_is_valid_openapi() -> None:
    assert DESCRIPTION["openapi"] == "3.1.0"
    assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(DESCRIPTION)] == []


def test_every_route_is_described_and_nothing_else() -> None:
    """Routes need their services only when they are asked."""
    routed = {
        (re.sub(r":\w+\}", "}", route.path), method.lower())
        for route in list_routes(cast(Services, None))
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert routed == {(path, method) for path, method, _ in list_operations()}


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in list_operations()]
    assert sorted(set(names)) == sorted(names)
    assert {operation.tag for operation in OPERATIONS} == set(TAGS)


def test_parts_of_a_path_are_parameters() -> None:
    for path, _, operation in list_operations():
        named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path))


def test_links_lead_to_operations_that_have_the_parameter() -> None:
    parameters = {one["operationId"]: {p["name"] for p in one["parameters"]} for _, _, one in list_operations()}
    links = [link for operation in OPERATIONS for reply in operation.replies for link in reply.links]
    assert links
    for link in links:
        assert link.parameter in parameters[link.operation]


def test_everything_has_a_text() -> None:
    for path, method, operation in list_operations():
        assert operation["summary"], (path, method)
        for parameter in operation["parameters"]:
            assert parameter["description"].endswith("."), parameter
    for name, schema in SCHEMAS.items():
        assert schema["description"].endswith("."), name
        for field, shown in schema["properties"].items():
            assert shown.get("description", "x.").endswith((".", "…")), (name, field)


def test_fields_that_the_server_takes_are_described_as_its_own() -> None:
    fields = SCHEMAS["CompletionRequest"]["properties"]
    ours = {name for name, field in fields.items() if not field.get("x-goes-to-model")}
    assert ours == CONSUMED_FIELDS - set(MISSING_FIELDS) | {"stream_options", "max_tokens", "max_completion_tokens"}
    assert SCHEMAS["CompletionRequest"]["additionalProperties"] is True
    assert {name.lower() for name in SESSION_HEADER.names} == set(SESSION_HEADERS)
    for name in ("context_overflow", "memoryStrategy"):
        assert set(fields[name]["anyOf"][0]["enum"]) == set(OVERFLOW_NAMES)


def test_examples_of_requests_fit() -> None:
    examples = [(operation.body, one) for operation in OPERATIONS if operation.body for one in operation.body.examples]
    assert examples
    for body, example in examples:
        msgspec.convert(example.body, body.shape)
    for _, _, operation in list_operations():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for example in content["examples"].values():
                check(example["value"], content["schema"])


def test_examples_of_responses_fit() -> None:
    checked = 0
    for _, _, operation in list_operations():
        for response in operation["responses"].values():
            shown = follow(response)
            for media, content in shown["content"].items():
                values = list(read_events(content["example"])) if media == SSE else [content.get("example")]
                for value in values:
                    if value is not None:
                        check(value, content["schema"])
                        checked += 1
    assert checked > 100


def test_examples_of_streams_hold_what_they_say() -> None:
    streams = [reply for operation in OPERATIONS for reply in operation.replies if reply.events]
    assert streams
    for reply in streams:
        for event in read_events(reply.events_example):
            if event["data"] != reply.last_event:
                msgspec.json.decode(event["data"], type=reply.events)


def read_events(text: str) -> Iterator[dict[str, str]]:
    """Read a stream of events (WHATWG HTML, 9.2)."""
    for block in text.strip().split("\n\n"):
        yield dict(line.split(": ", 1) for line in block.split("\n"))


def follow(response: dict[str, Any]) -> dict[str, Any]:
    """A response, or the one that it refers to."""
    name = response.get("$ref", "").rpartition("/")[2]
    return cast(dict[str, Any], DESCRIPTION["components"]["responses"][name]) if name else response


def test_errors_are_described_with_the_status_they_have() -> None:
    for operation in OPERATIONS:
        for status, codes in operation.errors.items():
            assert {CODES[code].status for code in codes} == {status}, operation.name


def test_a_field_of_ours_that_is_left_out_is_described_so() -> None:
    with pytest.raises(msgspec.ValidationError, match="messages"):
        msgspec.convert({}, CompletionRequest)
    for name in ("Session", "Item", "Run", "Key", "SessionList", "Deleted"):
        assert set(SCHEMAS[name]["required"]) == set(SCHEMAS[name]["properties"]), name
    assert SCHEMAS["Event"]["required"] == ["number", "type"]


# Error codes.


def list_codes(text: str) -> Iterator[tuple[str, str | None]]:
    """List the codes that a file gives its errors, each with the class of the error where that can be seen."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Name(id="RunError"), args=[ast.Constant(value=str(code)), *_]):
                yield code, None
            case ast.Call(func=func, keywords=keywords):
                for keyword in keywords:
                    if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                        yield str(keyword.value.value), func.id if isinstance(func, ast.Name) else None
            case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))):
                yield code, None


def raised_codes() -> set[tuple[str, str | None]]:
    """Every code of the code base, those that error classes have by default among them."""
    found = {code for path in PACKAGE.rglob("*.py") for code in list_codes(path.read_text("utf-8"))}
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.MultiturnError)]
    return found | {(one.default_code, one.__name__) for one in classes if one is not errors.MultiturnError}


def test_every_code_that_is_raised_is_documented() -> None:
    raised = {code for code, _ in raised_codes()} | {"internal_error"}
    assert raised == set(CODES), "docs/errors.md is made of api/error_codes.py"


def test_codes_have_the_status_of_their_kind() -> None:
    for code, name in raised_codes():
        known = getattr(errors, name or "", None)
        if known and CODES[code].status:
            assert CODES[code].status == OTHERWISE.get(code, KINDS[known.kind]), code


def test_every_status_has_a_type() -> None:
    assert {code.status for code in CODES.values() if code.status} == set(TYPES)


def test_page_of_errors_is_the_table() -> None:
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert page == write_errors_page(), "run: python -m multiturn.api.error_codes > docs/errors.md"


# The page for people.


class Reader(HTMLParser):
    """Reads the page: what it links to, what can be linked to, and whether its elements close."""

    EMPTY = ("meta", "link", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.places: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        self.names |= {tag, *facts}
        self.links.append(facts.get("href") or "#top")
        self.places.append(facts.get("id") or "")
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def reader() -> Reader:
    reader = Reader()
    reader.feed(PAGE)
    reader.close()
    return reader


def test_page_is_whole(reader: Reader) -> None:
    assert reader.open == []
    places = [place for place in reader.places if place]
    assert sorted(set(places)) == sorted(places)
    assert {operation.name for operation in OPERATIONS} < set(places)
    assert {f"error-{code.name}" for code in CODES.values() if code.status} < set(places)
    assert {link.removeprefix("#") for link in reader.links if link.startswith("#")} <= set(places)


def test_page_needs_no_network_and_no_script(reader: Reader) -> None:
    assert {link for link in reader.links if not link.startswith("#")} == {"openapi.json"}
    assert not {"script", "img", "iframe", "form", "link", "src", "onclick"} & reader.names
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in HEADERS["Content-Security-Policy"]
    assert f"<style>{STYLE}</style>" in PAGE


def test_page_escapes_what_it_shows() -> None:
    assert "Bearer &lt;key&gt;" in PAGE
    assert "<key>" not in PAGE
    assert "&quot;messages&quot;" in PAGE


# What is described, asked of the server.


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with open_place(tmp_path, None, model="scripted") as place:
        yield place


async def test_description_is_open_to_everybody(place: Place) -> None:
    for path, media in (("/openapi.json", "application/json"), ("/docs", "text/html")):
        async with place.http.get(path, headers={"Authorization": ""}) as reply:
            assert (reply.status, reply.content_type) == (200, media)
            text = await reply.text()
    assert reply.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    assert text == PAGE


async def test_python_of_the_page_runs(place: Place) -> None:
    code = beginning.PYTHON.replace(beginning.ADDRESS, place.url).replace("mt-...", place.key)
    said = io.StringIO()
    with redirect_stdout(said):
        await asyncio.to_thread(exec, code, {})
    assert said.getvalue() == "ok\nok\n"
    assert await place.list_texts("trip-to-lisbon") == ["I have 3 days in Lisbon.", "ok", "How many days have I?", "ok"]


async def test_curl_of_every_operation_is_understood(place: Place) -> None:
    """Each is asked as the page writes it; what it names may not be there."""
    key = await place.make_key(scopes=("admin", "users"))
    for operation in OPERATIONS:
        words = shlex.split(write_curl(operation).replace("\\\n", "").replace("$KEY", key))
        options = dict(pairwise(words))
        url = next(word for word in words if word.startswith("http"))
        headers = dict(word.split(": ", 1) for at, word in enumerate(words) if words[at - 1] == "-H")
        path = url.removeprefix(beginning.ADDRESS)
        data = read_form(words) or options.get("-d") or options.get("--data-binary")
        async with place.http.request(options.get("-X", "GET"), path, headers=headers, data=data) as reply:
            text = await reply.text()
        assert reply.status < 300 or ABSENT.search(text), (
            operation.name,
            text,
        )


def read_form(words: list[str]) -> aiohttp.FormData | None:
    """The form that a line of curl sends; None for another body."""
    fields = [word.split("=", 1) for at, word in enumerate(words) if words[at - 1] == "-F"]
    form = aiohttp.FormData()
    for name, value in fields:
        is_file = value.startswith("@")
        form.add_field(name, b"Tram 28." if is_file else value, filename=value[1:] if is_file else None)
    return form if fields else None
