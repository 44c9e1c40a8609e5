"""Reading a message of the protocol: one JSON-RPC request or notification, of a revision that we speak."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Raw, Struct
from starlette.datastructures import Headers

from multiturn.api.limits import read_field, read_json_object
from multiturn.api.mcp.wire import (
    CAPABILITIES_META,
    HANDSHAKE_VERSIONS,
    METHOD_HEADER,
    MODERN_VERSIONS,
    NAME_HEADER,
    VERSION_HEADER,
    VERSION_META,
    VERSIONS,
)
from multiturn.errors import InvalidRequest

ENCODED = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)
ID_CHARS_MAX = 255
METHOD_CHARS_MAX = 255


class Asked(Struct, frozen=True, kw_only=True):
    """A message: its ``id`` is None for a notification. ``params`` are as they came, ``meta`` is their ``_meta``."""

    id: int | str | None
    method: str
    params: Mapping[str, Raw]
    meta: Mapping[str, Any]
    is_modern: bool = False

    @property
    def progress_token(self) -> int | str | None:
        """What progress is told under, where the client wants to hear of it."""
        token = self.meta.get("progressToken")
        return token if isinstance(token, int | str) and not isinstance(token, bool) else None


def read_envelope(body: bytes) -> tuple[Mapping[str, Raw], int | str | None]:
    """The fields of a message and its id. Raises InvalidRequest (``invalid_json``, ``mcp_message_wrong``)."""
    if body.lstrip()[:1] == b"[":
        raise wrong("Batches are not part of the protocol (since 2025-06-18). Send one message a request.", None)
    fields = read_json_object(body)
    if "id" not in fields:
        return fields, None
    id_ = read_or_wrong(fields["id"], "id", int | str)
    if isinstance(id_, str) and len(id_) > ID_CHARS_MAX:
        raise wrong(f"'id' must have at most {ID_CHARS_MAX} characters.", "id")
    return fields, id_


def read_message(fields: Mapping[str, Raw], id_: int | str | None, headers: Headers) -> Asked:
    """A message. Raises InvalidRequest: ``mcp_message_wrong``, and what ``check_version`` raises."""
    if "jsonrpc" not in fields or read_or_wrong(fields["jsonrpc"], "jsonrpc", str) != "2.0":
        raise wrong("'jsonrpc' must be \"2.0\".", "jsonrpc")
    if "method" not in fields:
        raise wrong("'method' is missing. The server asks its clients nothing, so it takes no answers.", "method")
    method = read_or_wrong(fields["method"], "method", str)
    if not 1 <= len(method) <= METHOD_CHARS_MAX:
        raise wrong(f"'method' must have 1 to {METHOD_CHARS_MAX} characters.", "method")
    params = read_field(fields["params"], "params", dict[str, Raw]) if "params" in fields else {}
    meta = read_field(params["_meta"], "params._meta", dict[str, Any]) if "_meta" in params else {}
    asked = Asked(id=id_, method=method, params=params, meta=meta)
    return check_version(asked, headers)


def check_version(asked: Asked, headers: Headers) -> Asked:
    """The message with the revision that it is of: one of before the header is 2025-03-26, as the protocol has it.

    Raises InvalidRequest: ``mcp_version_unsupported``; ``mcp_header_mismatch`` where headers and body disagree;
    ``invalid_request`` for a request that does not say what it has to.
    """
    version = headers.get(VERSION_HEADER)
    if version is not None and version not in VERSIONS:
        raise InvalidRequest(
            f"'{VERSION_HEADER}' must be one of {', '.join(VERSIONS)}; it is '{version[:40]}'.",
            code="mcp_version_unsupported",
            param=VERSION_HEADER,
        )
    if version in HANDSHAKE_VERSIONS or (version is None and VERSION_META not in asked.meta):
        return asked
    if asked.id is not None:
        check_self_contained(asked, headers)
    return Asked(id=asked.id, method=asked.method, params=asked.params, meta=asked.meta, is_modern=True)


def check_self_contained(asked: Asked, headers: Headers) -> None:
    """Raise InvalidRequest for a request of revision 2026-07-28 whose headers do not say what its body says."""
    for name in (VERSION_META, CAPABILITIES_META):
        if name not in asked.meta:
            raise InvalidRequest(f"'params._meta' must have '{name}'.", param=f"params._meta.{name}")
    said = {VERSION_HEADER: asked.meta[VERSION_META], METHOD_HEADER: asked.method}
    if asked.method == "tools/call" and "name" in asked.params:
        said[NAME_HEADER] = read_field(asked.params["name"], "params.name", Any)
    for header, value in said.items():
        sent = [read_header(text) for text in headers.getlist(header)]
        if sent != [value]:
            raise InvalidRequest(
                f"The header '{header}' must be there once and say what the body says.",
                code="mcp_header_mismatch",
                param=header,
            )
    if asked.meta[VERSION_META] not in MODERN_VERSIONS:
        raise InvalidRequest(
            f"'{VERSION_META}' must be one of {', '.join(MODERN_VERSIONS)}.",
            code="mcp_version_unsupported",
            param=f"params._meta.{VERSION_META}",
        )


def read_header(text: str) -> str | None:
    """A header's value, which may be in base64 (``=?base64?…?=``); None for one that is not what it should be."""
    found = ENCODED.fullmatch(text)
    if found is None:
        return text
    try:
        return base64.b64decode(found[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def read_or_wrong(raw: Raw, name: str, type_: Any) -> Any:
    """A field of the envelope. Raises InvalidRequest (``mcp_message_wrong``) naming it."""
    try:
        return read_field(raw, name, type_)
    except InvalidRequest as error:
        raise wrong(error.message, name) from error


def wrong(text: str, param: str | None) -> InvalidRequest:
    """The error of what is no message of JSON-RPC."""
    return InvalidRequest(text, code="mcp_message_wrong", param=param)
