"""The description of the API as OpenAPI 3.1, made of the operations and the wire structs they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn import __version__
from multiturn.api.description import ANY, FORM, JSON, PROVIDER, SSE, Body, Link, Operation, Parameter, Reply, regroup
from multiturn.api.docs import HEADERS as PAGE_HEADERS
from multiturn.api.docs import write_page
from multiturn.api.envelopes import JOCKEY, JULEP, MCP, POWABASE, Envelope
from multiturn.api.error_codes import CODES
from multiturn.api.errors import write_openai
from multiturn.api.operations import OPERATIONS, TAGS
from multiturn.api.schemas import write_schemas, write_shape
from multiturn.api.shapes import ErrorBody
from multiturn.errors import MultiturnError

INFO = """Keeps the state of conversations with language models, so that applications do not have to: send the new \
message and the name of a session, and the model is shown the history.

A key is needed for all but the paths under *Server*. Every error is in OpenAI's envelope, also for paths (404) and \
methods (405) that do not exist, but below `/julep/api`, where it is in Julep's, below `/v1.3`, where it is in \
TwelveLabs', and below `/api`, where it is in Powabase's (chat completions there keep OpenAI's); the codes are listed \
in docs/errors.md. Times are in UTC (RFC 3339). Listings are paged: send `next` of a page as the cursor \
of the one behind it."""

SECURITY: Mapping[str, Mapping[str, str]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "`Authorization: Bearer <key>`, as OpenAI's clients do.",
    },
    "xApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "apikey": {"type": "apiKey", "in": "header", "name": "apikey"},
    "superAgentKey": {
        "type": "apiKey",
        "in": "header",
        "name": "superAgentKey",
        "description": "Goes before all others, for clients that send a provider's key as the bearer token.",
    },
}
RESPONSE_HEADERS: Mapping[str, Mapping[str, Any]] = {
    "X-Request-Id": {
        "description": "The id of the request; the server's log has it.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "X-Session-Id": {
        "description": "With a session: its name as the client sent it, in UTF-8.",
        "schema": {"type": "string"},
    },
    "X-Run-Id": {"description": "With a session: the id of the run.", "schema": {"type": "string", "format": "uuid"}},
    "Retry-After": {
        "description": "Seconds after which to try again, where waiting helps.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}},
}
ERROR_HEADERS: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    **dict.fromkeys((409, 429, 502, 503, 504), ("Retry-After",)),
}

# The failures that many operations have in common, and what they are called.
SHARED: Mapping[tuple[Envelope | None, int, tuple[str, ...]], str] = {
    **{(None, status, codes): f"Error{status}" for status, codes in {**ANY, **PROVIDER}.items()},
    **{
        (envelope, status, codes): f"{name}Error{status}"
        for name, envelope in (("Julep", JULEP), ("Jockey", JOCKEY), ("Powabase", POWABASE), ("Mcp", MCP))
        for status, codes in regroup(envelope, {**ANY, **PROVIDER}).items()
    },
}


class DocsRoutes:
    """The description, for programs and for people."""

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/openapi.json", self.describe, methods=["GET"]),
            Route("/docs", self.document, methods=["GET"]),
        ]

    async def describe(self, _request: Request) -> Response:
        """The description for programs."""
        return Response(write_documents().description, media_type=JSON)

    async def document(self, _request: Request) -> Response:
        """The description for people."""
        return Response(write_documents().page, headers=PAGE_HEADERS, media_type="text/html")


@dataclass(frozen=True, slots=True)
class Documents:
    """The description as it is sent."""

    description: bytes
    page: bytes


@cache
def write_documents() -> Documents:
    """Write both forms, once, when somebody first asks: it takes 50 ms, which a start has better use for."""
    description = write_description()
    return Documents(msgspec.json.encode(description), write_page(OPERATIONS, description))


def write_description() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        for path in operation.paths:
            paths.setdefault(path, {})[operation.method] = write_operation(operation, path)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Multiturn",
            "version": __version__,
            "description": INFO,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "security": [{name: []} for name in SECURITY],
        "paths": paths,
        "components": {
            "schemas": write_schemas(
                [
                    *(ErrorBody, JULEP.shape, JOCKEY.shape, POWABASE.shape, MCP.shape),
                    *(shape for operation in OPERATIONS for shape in operation.shapes()),
                ]
            ),
            "responses": {name: write_error(*failure) for failure, name in SHARED.items()},
            "securitySchemes": SECURITY,
            "headers": RESPONSE_HEADERS,
        },
    }


def write_operation(operation: Operation, path: str) -> dict[str, Any]:
    """One operation on one of its paths; a second path has a name of its own."""
    place = operation.paths.index(path)
    described: dict[str, Any] = {
        "operationId": operation.name + (str(place + 1) if place else ""),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [shown for parameter in operation.parameters for shown in write_parameter(parameter)],
        "responses": {
            **{str(reply.status): write_reply(reply, operation.envelope) for reply in operation.replies},
            **write_errors(operation),
        },
    }
    text = operation.text if not place else f"The same as `{operation.method.upper()} {operation.paths[0]}`."
    if text:
        described["description"] = text
    if operation.body:
        described["requestBody"] = write_body(operation.body)
    if operation.is_open:
        described["security"] = []
    return described


def write_parameter(parameter: Parameter) -> list[dict[str, Any]]:
    """A parameter under each of its names."""
    shown: dict[str, Any] = {"in": parameter.place, "description": parameter.text, "schema": dict(parameter.schema)}
    if parameter.place == "path":
        shown["required"] = True
    if parameter.example is not None:
        shown["example"] = parameter.example
    return [{"name": name, **shown} for name in parameter.names]


def write_body(body: Body) -> dict[str, Any]:
    """The body of a request."""
    content: dict[str, Any] = {}
    if body.shape is not None:
        shown = {example.name: {"summary": example.title, "value": example.body} for example in body.examples}
        content[JSON] = {"schema": write_shape(body.shape), "examples": shown}
    if body.form is not None:
        content[FORM] = {"schema": write_shape(body.form), "examples": {}}
    if body.raw is not None:
        content[body.raw] = {"schema": {"type": "string", "format": "binary"}, "examples": {}}
    return {"required": body.is_required, "content": content}


def write_reply(reply: Reply, envelope: Envelope | None) -> dict[str, Any]:
    """A response that is no error."""
    content: dict[str, Any] = {}
    if reply.shape is None and reply.media:
        content[reply.media] = {"schema": {"type": "string"}}
    elif reply.shape is not None:
        content[JSON] = {"schema": write_shape(reply.shape), "example": reply.example}
    if reply.events:
        content[SSE] = {"schema": write_event(reply, envelope), "example": reply.events_example}
    shown = {"description": reply.text, "headers": write_headers(reply.headers), "content": content}
    links = {link.operation: write_link(link) for link in reply.links}
    return {**shown, "links": links} if links else shown


def write_event(reply: Reply, envelope: Envelope | None) -> dict[str, Any]:
    """One event of a stream, as OpenAPI 3.2 came to describe them; 3.1 has no word of its own for it."""
    shapes = {"anyOf": [write_shape(reply.events), write_shape(envelope.shape if envelope else ErrorBody)]}
    data: dict[str, Any] = {"type": "string", "contentMediaType": JSON, "contentSchema": shapes}
    if reply.last_event:
        data = {"anyOf": [{"const": reply.last_event}, data]}
    properties = {"id": {"type": "string"}, "event": {"type": "string"}, "data": data}
    return {"type": "object", "properties": properties, "required": ["data"]}


def write_link(link: Link) -> dict[str, Any]:
    """Where a value of a response leads to."""
    return {"operationId": link.operation, "parameters": {link.parameter: link.source}}


def write_errors(operation: Operation) -> dict[str, Any]:
    """The failures of an operation by status. One that has a reply of its own keeps that."""
    own = {reply.status for reply in operation.replies}
    errors = {
        str(status): refer_to_error(operation.envelope, status, codes)
        for status, codes in sorted(operation.failures().items())
        if status not in own
    }
    if operation.passes_refusals:
        text = "The provider refused the request: its own status, and its own error where that is in OpenAI's envelope."
        content = {JSON: {"schema": write_shape(ErrorBody)}}
        errors["4XX"] = {"description": text, "headers": write_headers(("Retry-After",)), "content": content}
    return errors


def refer_to_error(envelope: Envelope | None, status: int, codes: tuple[str, ...]) -> dict[str, Any]:
    """The failures with one status, by reference where many operations share them."""
    name = SHARED.get((envelope, status, codes))
    return {"$ref": f"#/components/responses/{name}"} if name else write_error(envelope, status, codes)


def write_error(envelope: Envelope | None, status: int, codes: tuple[str, ...]) -> dict[str, Any]:
    """The failures with one status: their codes, what each means, and one as it looks."""
    example = MultiturnError(CODES[codes[0]].meaning, code=codes[0])
    lines = [f"- `{name}`: {CODES[name].meaning} {CODES[name].advice}" for name in codes]
    return {
        "description": "\n".join(lines),
        "headers": write_headers(ERROR_HEADERS.get(status, ())),
        "content": {
            JSON: {
                "schema": write_shape(envelope.shape if envelope else ErrorBody),
                "example": envelope.write(example) if envelope else write_openai(example),
            }
        },
    }


def write_headers(names: tuple[str, ...]) -> dict[str, Any]:
    """Headers of a response, beside the one that every response has."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}
