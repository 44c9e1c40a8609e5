"""The description for people: one page that needs no network and runs no script."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import msgspec

from multiturn.api import beginning
from multiturn.api.description import Body, Operation, Parameter, Reply
from multiturn.api.docs_fields import refer, separate, write_fields, write_row
from multiturn.api.error_codes import CODES
from multiturn.api.html import Html, code_block, inline, join, prose, tag
from multiturn.api.parameters import USER
from multiturn.api.schemas import find_shape, write_shape

STYLE = files("multiturn.api").joinpath("docs.css").read_text("utf-8")
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def write_page(operations: Sequence[Operation], description: Mapping[str, Any]) -> bytes:
    """The whole page. The operations tell what is asked, the OpenAPI document the shapes and the headers."""
    schemas = description["components"]["schemas"]
    tags = description["tags"]
    main = tag(
        "main",
        tag("a", "Contents", href="#contents", class_="jump"),
        tag("h1", "Multiturn ", tag("small", description["info"]["version"])),
        write_beginning(),
        write_caller(),
        *(write_tag(shown, operations, schemas) for shown in tags),
        write_codes(),
        write_shapes(schemas),
        id="top",
    )
    head = tag(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", "Multiturn: the API"),
        tag("style", Html(STYLE)),
    )
    body = tag("body", main, write_contents(operations, tags))
    return f"<!doctype html>{tag('html', head, body, lang='en')}".encode()


def write_beginning() -> Html:
    """What the server is, and the first five lines."""
    return tag(
        "section",
        prose(beginning.WHAT),
        tag("h2", "How to begin"),
        prose(beginning.WHERE),
        *(
            join(tag("h4", language), code_block(text))
            for language, text in (
                ("curl", beginning.CURL),
                ("Python", beginning.PYTHON),
                ("JavaScript", beginning.JAVASCRIPT),
            )
        ),
        prose(beginning.LATER),
        id="begin",
    )


def write_caller() -> Html:
    """How a request says who asks."""
    rows = [
        write_row(names, {"type": "string"}, text=text, is_required=False)
        for names, text in ((("Authorization",), beginning.BEARER), (("x-api-key", "apikey"), beginning.KEY_HEADERS))
    ]
    user = write_row(USER.names, USER.schema, text=USER.text, is_required=False)
    return tag("section", tag("h2", "Who asks"), prose(beginning.CALLER), tag("dl", *rows, user), id="caller")


def write_contents(operations: Sequence[Operation], tags: Sequence[Mapping[str, str]]) -> Html:
    """The table of contents."""
    entries = [
        tag("li", tag("a", "How to begin", href="#begin")),
        tag("li", tag("a", "Who asks", href="#caller")),
    ]
    for shown in tags:
        links = [
            tag("li", tag("a", operation.summary, href=f"#{operation.name}"))
            for operation in operations
            if operation.tag == shown["name"]
        ]
        entries.append(tag("li", tag("a", shown["name"], href=f"#{anchor(shown['name'])}"), tag("ul", *links)))
    entries.append(tag("li", tag("a", "Errors", href="#errors")))
    entries.append(tag("li", tag("a", "Shapes", href="#shapes")))
    entries.append(tag("li", tag("a", "OpenAPI 3.1", href="openapi.json")))
    return tag("nav", tag("ul", *entries), id="contents", aria_label="Contents")


def write_tag(shown: Mapping[str, str], operations: Sequence[Operation], schemas: Mapping[str, Any]) -> Html:
    """The operations of one kind."""
    articles = (write_operation(one, schemas) for one in operations if one.tag == shown["name"])
    heading = tag("h2", shown["name"])
    return tag("section", heading, prose(shown["description"]), *articles, id=anchor(shown["name"]))


def write_operation(operation: Operation, schemas: Mapping[str, Any]) -> Html:
    """One operation: what is sent, what comes back, and a line to try it."""
    first, *others = operation.paths
    method = tag("span", operation.method.upper(), class_=f"method {operation.method}")
    return tag(
        "article",
        tag("h3", operation.summary),
        tag("div", method, first, class_="path"),
        *(tag("div", tag("span", "", class_="method"), path, class_="path also") for path in others),
        prose(operation.text) if operation.text else "",
        write_parameters(operation.parameters),
        write_body(operation, schemas),
        tag("h4", "Responses"),
        tag("dl", *(write_reply(reply) for reply in operation.replies), *write_errors(operation)),
        tag("h4", "Try it"),
        code_block(write_curl(operation)),
        id=operation.name,
    )


def write_parameters(parameters: Sequence[Parameter]) -> Html:
    """The parameters, by where they stand; the user, whom every operation knows, is described once."""
    parts: list[Html] = []
    for place, title in (("path", "In the path"), ("query", "In the query"), ("header", "Headers")):
        rows = [
            write_row(one.names, one.schema, text=one.text, is_required=place == "path")
            for one in parameters
            if one.place == place and one is not USER
        ]
        if rows:
            parts += [tag("h4", title), tag("dl", *rows)]
    return join(*parts)


def write_body(operation: Operation, schemas: Mapping[str, Any]) -> Html:
    """The fields of the body, and bodies as they may look."""
    if operation.body is None:
        return Html()
    body, parts = operation.body, []
    if body.shape is not None:
        shown = [tag("details", tag("summary", one.title), code_block(write_json(one.body))) for one in body.examples]
        parts += [tag("h4", "Body"), write_fields(schemas[find_shape(body.shape)]), *shown]
    if body.form is not None:
        parts += [tag("h4", "Body as a form"), write_fields(schemas[find_shape(body.form)])]
    if body.raw is not None:
        parts += [tag("h4", "Body"), prose(f"The bytes as they are (`{body.raw}`).")]
    return join(*parts)


def write_reply(reply: Reply) -> Html:
    """A response that is no error, with an example."""
    shape = refer(write_shape(reply.shape)["$ref"]) if reply.shape not in (None, dict) else join(reply.media)
    events = join(", or events of ", refer(write_shape(reply.events)["$ref"])) if reply.events else ""
    head = tag("dt", tag("code", str(reply.status)), tag("span", shape, events, class_="type"))
    body = [prose(reply.text)]
    if reply.headers:
        names = separate([tag("code", name) for name in reply.headers], ", ")
        body.append(tag("p", "Headers: ", names))
    if reply.example is not None:
        body.append(tag("details", tag("summary", "As it looks"), code_block(write_json(reply.example))))
    if reply.events_example:
        body.append(tag("details", tag("summary", "As a stream"), code_block(reply.events_example)))
    return tag("div", head, tag("dd", *body))


def write_errors(operation: Operation) -> Iterator[Html]:
    """The failures of an operation: their codes, which the table of errors explains."""
    own = {reply.status for reply in operation.replies}
    for status, codes in sorted(operation.failures().items()):
        if status not in own:
            links = separate([tag("a", code, href=f"#error-{code}") for code in codes], ", ")
            yield tag("div", tag("dt", tag("code", str(status))), tag("dd", links), class_="failure")
    if operation.passes_refusals:
        text = "The provider refused the request: its own status and its own error."
        yield tag("div", tag("dt", tag("code", "4XX")), tag("dd", text), class_="failure")


def write_curl(operation: Operation) -> str:
    """A line that asks for the operation."""
    path, query, headers = operation.paths[0], "", []
    for one in operation.parameters:
        if one.place == "path":
            path = path.replace(f"{{{one.name}}}", str(one.example))
        elif one.is_tried and one.place == "header":
            headers.append(f"{one.name}: {one.example}")
        elif one.is_tried:
            query = f"?{one.name}={one.example}"
    verb = "" if operation.method == "get" else f"-X {operation.method.upper()} "
    lines = [f"curl {verb}{beginning.ADDRESS}{path}{query}"]
    lines += [] if operation.is_open else ['-H "Authorization: Bearer $KEY"']
    lines += [f'-H "{header}"' for header in headers]
    lines += write_curl_body(operation.body) if operation.body else []
    return " \\\n  ".join(lines)


def write_curl_body(body: Body) -> list[str]:
    """What curl sends along."""
    if body.raw is not None:
        return [f'-H "Content-Type: {body.raw}"', "--data-binary @file"]
    if body.shape is None:
        return [f"-F {shlex.quote(f'{name}={value}')}" for name, value in body.form_example.items()]
    text = msgspec.json.encode(body.examples[0].body).decode()
    return ['-H "Content-Type: application/json"', f"-d {shlex.quote(text)}"]


def write_codes() -> Html:
    """The table of error codes."""
    head = tag("thead", tag("tr", *(tag("th", title) for title in ("code", "status", "what it means", "what to do"))))
    rows = [
        tag(
            "tr",
            tag("td", tag("code", code.name)),
            tag("td", str(code.status)),
            tag("td", inline(code.meaning)),
            tag("td", inline(code.advice)),
            id=f"error-{code.name}",
        )
        for code in CODES.values()
        if code.status
    ]
    table = tag("table", head, tag("tbody", *rows), class_="errors")
    return tag("section", tag("h2", "Errors"), prose(beginning.ERRORS), table, id="errors")


def write_shapes(schemas: Mapping[str, Any]) -> Html:
    """Every shape with its fields."""
    articles = [
        tag("article", tag("h3", name), prose(schema["description"]), write_fields(schema), id=f"shape-{name}")
        for name, schema in sorted(schemas.items())
    ]
    return tag("section", tag("h2", "Shapes"), prose(beginning.SHAPES), *articles, id="shapes")


def write_json(value: object) -> str:
    """A value as JSON that a person can read."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def anchor(name: str) -> str:
    """A heading as the name of a place in the page."""
    return name.lower().replace(" ", "-")
