"""A call of an HTTP operation, written from the arguments that a model gave."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from multiturn.upstream.openapi import BODY, Operation, Parameter

NOT_IN_HEADERS = re.compile(r"[\x00-\x1f\x7f]")


class WrongArguments(ValueError):
    """The arguments of a call do not fit; the text says which to the model."""


@dataclass(slots=True)
class Draft:
    """A request that is being written."""

    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    cookies: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it is sent. The URL is encoded."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


def write_request(operation: Operation, base: str, arguments: dict[str, Any]) -> Request:
    """The request of a call. Raises WrongArguments."""
    check(operation, arguments)
    draft = Draft(operation.path)
    for parameter in operation.parameters:
        if (value := arguments.get(parameter.key)) is not None:
            WRITERS[parameter.place](draft, parameter, value)
    headers = dict(draft.headers)
    if draft.cookies:
        headers["Cookie"] = "; ".join(draft.cookies)
    body = None
    if operation.body is not None and BODY in arguments:
        headers["Content-Type"] = operation.body_type
        body = msgspec.json.encode(arguments[BODY])
    url = base.rstrip("/") + "/" + quote(draft.path.lstrip("/"), safe="/%:@!$&'()*+,;=~-._")
    return Request(
        method=operation.method,
        url=f"{url}?{urlencode(draft.query)}" if draft.query else url,
        headers=headers,
        body=body,
    )


def check(operation: Operation, arguments: dict[str, Any]) -> None:
    """Raises WrongArguments where one is missing, or is none of the operation's."""
    known = {parameter.key for parameter in operation.parameters}
    if operation.body is not None:
        known.add(BODY)
    needed = [parameter.key for parameter in operation.parameters if parameter.is_required]
    needed += [BODY] if operation.is_body_required else []
    missing = [key for key in needed if arguments.get(key) is None]
    if missing:
        raise WrongArguments(f"Missing arguments: {', '.join(missing)}.")
    unknown = sorted(arguments.keys() - known)
    if unknown:
        raise WrongArguments(f"Unknown arguments: {', '.join(unknown)[:200]}. Known are: {', '.join(sorted(known))}.")


def write_path(draft: Draft, parameter: Parameter, value: Any) -> None:
    """Into the path, as one segment of it: a value cannot lead to another operation."""
    text = write_value(parameter, value)
    if text in ("", ".", ".."):
        raise WrongArguments(f"The argument '{parameter.key}' cannot be '{text}': it is a part of the path.")
    draft.path = draft.path.replace("{" + parameter.name + "}", quote(text, safe=""))


def write_query(draft: Draft, parameter: Parameter, value: Any) -> None:
    """Into the query, several values in the parameter's style (OpenAPI 3.1, "Style Examples")."""
    name = parameter.name
    if isinstance(value, dict) and parameter.style == "deepObject":
        draft.query += [(f"{name}[{key}]", write_text(part)) for key, part in value.items()]
    elif isinstance(value, dict) and parameter.style == "form" and parameter.explodes:
        draft.query += [(key, write_text(part)) for key, part in value.items()]
    elif isinstance(value, list) and parameter.style != "json" and parameter.explodes:
        draft.query += [(name, write_text(part)) for part in value]
    else:
        draft.query.append((name, write_value(parameter, value)))


def write_header(draft: Draft, parameter: Parameter, value: Any) -> None:
    """Into the headers."""
    text = write_value(parameter, value)
    if NOT_IN_HEADERS.search(text):
        raise WrongArguments(f"The argument '{parameter.key}' holds characters that a header cannot.")
    draft.headers[parameter.name] = text


def write_cookie(draft: Draft, parameter: Parameter, value: Any) -> None:
    """Into the cookies."""
    draft.cookies.append(f"{parameter.name}={quote(write_value(parameter, value), safe='')}")


WRITERS = {"path": write_path, "query": write_query, "header": write_header, "cookie": write_cookie}
SEPARATORS = {"pipeDelimited": "|", "spaceDelimited": " "}


def write_value(parameter: Parameter, value: Any) -> str:
    """A value as one text."""
    if parameter.style == "json":
        return msgspec.json.encode(value).decode()
    separator = SEPARATORS.get(parameter.style, ",")
    if isinstance(value, list):
        return separator.join(write_text(part) for part in value)
    if isinstance(value, dict):
        return separator.join(f"{key}{separator}{write_text(part)}" for key, part in value.items())
    return write_text(value)


def write_text(value: Any) -> str:
    """A single value; a text as it is."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
