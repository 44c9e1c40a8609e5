"""Reading a request: its body within a limit, its JSON with an error that says where it is wrong."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request

from multiturn.errors import InvalidRequest, TooLarge

read_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


async def read_body(request: Request, *, bytes_max: int) -> bytes:
    """The body of a request. Raises TooLarge as soon as it is over the limit, InvalidRequest when it breaks off."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > bytes_max:
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
    """A JSON object, its fields as they came. Raises InvalidRequest."""
    try:
        return read_object(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from error


def read_field(raw: msgspec.Raw, name: str, type_: Any) -> Any:
    """One field of a body. Raises InvalidRequest naming it."""
    try:
        return msgspec.json.decode(raw, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"'{name}': {error}.", param=name) from error


def read_limit(request: Request, *, default: int, maximum: int) -> int:
    """The ``limit`` of a listing. Raises InvalidRequest."""
    text = request.query_params.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= maximum):
        raise InvalidRequest(f"'limit' must be a number from 1 to {maximum}; it is '{text[:40]}'.", param="limit")
    return int(text)
