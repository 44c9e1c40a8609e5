"""Reading a request: its body within a limit, its JSON with an error that says where it is wrong."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from multiturn.errors import InvalidRequest, TooLarge

# JSON is read and written by recursion, at different depths of the stack: what was let in must come out again.
DEPTH_MAX = 100
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
PAIR = re.compile(rb"\[\]|\{\}")
NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# Longer ones are no number that we could mean, and Python refuses to read thousands of digits.
DIGITS_MAX = 16
# How msgspec says which field is wrong: "Object contains unknown field `a` - at `$.b`".
NAMED = re.compile(r"field `([^`]+)`")
PLACE = re.compile(r" - at `\$\.([^`]+)`")

T = TypeVar("T")

read_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


async def read_body(request: Request, *, bytes_max: int) -> bytes:
    """The body of a request. Raises TooLarge as soon as it is over the limit, InvalidRequest when it breaks off."""
    declared = request.headers.get("content-length", "")
    if is_number(declared) and int(declared) > bytes_max:
        raise too_large(bytes_max)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > bytes_max:
                raise too_large(bytes_max)
            chunks.append(chunk)
    except ClientDisconnect as error:
        raise InvalidRequest("The body broke off.", code="incomplete_body") from error
    return b"".join(chunks)


def too_large(bytes_max: int) -> TooLarge:
    """The error of a body over the limit."""
    return TooLarge(f"The body is over the limit of {bytes_max} bytes (MULTITURN_BODY_BYTES_MAX).")


def read_json_object(body: bytes) -> dict[str, msgspec.Raw]:
    """A JSON object, its fields as they came.

    Raises InvalidRequest, also for what is valid JSON and could not be stored: nesting without end.
    """
    try:
        fields = read_object(body)
        if not body.isascii():
            body.decode()  # The fields that are not decoded here go to a model, and into the store.
    except msgspec.ValidationError as error:
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from error
    if is_deep(body):
        raise InvalidRequest(f"The body is nested deeper than {DEPTH_MAX} levels.", code="invalid_json")
    return fields


def is_deep(body: bytes) -> bool:
    """Whether valid JSON is nested deeper than we take: take its innermost brackets away, level by level."""
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return False
    brackets = STRING.sub(b"", body).translate(None, NOT_BRACKETS)
    for _ in range(DEPTH_MAX):
        brackets = PAIR.sub(b"", brackets)
    return bool(brackets)


def is_number(text: str) -> bool:
    """Whether this is a number from 0 in digits, of a length that can be meant."""
    return text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX


def read_field(raw: msgspec.Raw, name: str, type_: Any) -> Any:
    """One field of a body. Raises InvalidRequest naming it."""
    try:
        return msgspec.json.decode(raw, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"'{name}': {error}.", param=name) from error


def read_struct(body: bytes, type_: type[T]) -> T:
    """A body of a known shape. Raises InvalidRequest naming the field that is wrong."""
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The body is wrong: {error}.", param=find_param(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from error


def find_param(text: str) -> str | None:
    """The field that an error of msgspec is about."""
    place, named = PLACE.search(text), NAMED.search(text)
    path = [found[1] for found in (place, named) if found]
    return ".".join(path) or None


def read_limit(request: Request, *, default: int, maximum: int) -> int:
    """The ``limit`` of a listing. Raises InvalidRequest."""
    text = request.query_params.get("limit")
    if text is None:
        return default
    if not (is_number(text) and 1 <= int(text) <= maximum):
        raise InvalidRequest(f"'limit' must be a number from 1 to {maximum}; it is '{text[:40]}'.", param="limit")
    return int(text)
