"""Filters by metadata in a query: ``metadata.author.name=Ann``, a list by repetition."""

from __future__ import annotations

import re
from typing import Any

from starlette.datastructures import QueryParams

from multiturn.errors import InvalidRequest

PREFIX = "metadata."
# Longer paths into metadata, or more of them, are no filter that somebody means.
DEPTH_MAX, FILTERS_MAX = 16, 20
NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?", re.ASCII)
WORDS: dict[str, Any] = {"true": True, "false": False}


def read_metadata(query: QueryParams) -> dict[str, Any]:
    """What metadata must contain. Numbers, true and false are read as such; a name with dots goes down into objects.

    Raises InvalidRequest.
    """
    names = [name for name in dict.fromkeys(query.keys()) if name.startswith(PREFIX)]
    if len(names) > FILTERS_MAX:
        raise InvalidRequest(f"At most {FILTERS_MAX} keys of metadata can be asked for.", param=names[-1][:80])
    wanted: dict[str, Any] = {}
    for name in names:
        values = [read_value(text, name) for text in query.getlist(name)]
        place(wanted, name, values if len(values) > 1 else values[0])
    return wanted


def place(wanted: dict[str, Any], name: str, value: Any) -> None:
    """Put a value where its name says. Raises InvalidRequest for a name that says nothing, or goes into a value."""
    *path, last = name.removeprefix(PREFIX).split(".")
    if not all((*path, last)) or len(path) >= DEPTH_MAX or "\0" in name:
        raise InvalidRequest(
            f"'{name[:80]}' must be 'metadata.' and 1 to {DEPTH_MAX} names with dots.", param=name[:80]
        )
    inner = wanted
    for key in path:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            raise InvalidRequest(f"'{name[:80]}' goes into what another filter says is a value.", param=name[:80])
    if last in inner:
        raise InvalidRequest(f"'{name[:80]}' is a value here and an object in another filter.", param=name[:80])
    inner[last] = value


def read_value(text: str, name: str) -> Any:
    """A number, true or false as such; any other text as it is. Raises InvalidRequest."""
    if "\0" in text:
        raise InvalidRequest(f"'{name[:80]}' must not hold a NUL character.", param=name[:80])
    if NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return WORDS.get(text, text)
