"""What an application keeps with a thing of ours: merged key by key, and bounded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from multiturn.errors import InvalidRequest

JSON_BYTES_MAX = 16 * 1024
LABEL_CHARS_MAX = 255
CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
# What ends a line, or cannot be shown in one.
IN_NO_LABEL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# A NUL as JSON writes it, and not a backslash before the letters: PostgreSQL's jsonb cannot hold one.
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def merge(metadata: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata with a change merged in, key by key; a key whose value is None goes."""
    return {name: value for name, value in {**metadata, **change}.items() if value is not None}


def check_object(value: Mapping[str, Any], param: str, *, bytes_max: int = JSON_BYTES_MAX) -> None:
    """Raise InvalidRequest when an object is over the limit of what is kept as JSON, or holds a NUL character."""
    written = msgspec.json.encode(value)
    size = len(written)
    if NUL.search(written):
        raise InvalidRequest(f"'{param}' must not hold a NUL character.", param=param)
    if size > bytes_max:
        raise InvalidRequest(f"'{param}' must be at most {bytes_max} bytes of JSON; it is {size}.", param=param)


def check_text(value: str | None, param: str, *, chars_max: int) -> None:
    """Raise InvalidRequest for a text that is too long, or that holds control characters that are
    no white space."""
    if value is None:
        return
    if len(value) > chars_max:
        raise InvalidRequest(f"'{param}' must have at most {chars_max} characters; it has {len(value)}.", param=param)
    if CONTROL.search(value):
        raise InvalidRequest(f"'{param}' must not hold control characters.", param=param)


def check_label(value: str | None, param: str, *, chars_max: int = LABEL_CHARS_MAX) -> None:
    """Raise InvalidRequest for a name that is too long, blank, or holds the end of a line or any control character."""
    if value is None:
        return
    if not value.strip() or len(value) > chars_max:
        text = f"'{param}' must have 1 to {chars_max} characters; it has {len(value)}."
        raise InvalidRequest(text, param=param)
    if IN_NO_LABEL.search(value):
        raise InvalidRequest(f"'{param}' must not hold control characters.", param=param)
