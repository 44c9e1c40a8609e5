"""Reading the parameters of a listing: numbers, choices, times, and what metadata are to contain."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from starlette.requests import Request

from multiturn.errors import InvalidRequest

NUMBER_MAX = 2**53
# Longer paths into metadata, or more of them, are no filter that somebody means.
KEYS_MAX, FILTERS_MAX = 10, 20
PREFIX = "metadata."
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?", re.ASCII)
WORDS: dict[str, Any] = {"true": True, "false": False}
# A plus sign that was not encoded arrives as a space.
ZONE = re.compile(r" (?=\d\d:?\d\d$)")


def read_choice(request: Request, name: str, choices: tuple[str, ...]) -> str:
    """A parameter with a few possible values, the first of them the default. Raises InvalidRequest."""
    value = request.query_params.get(name, choices[0])
    if value not in choices:
        raise InvalidRequest(f"'{name}' must be one of {', '.join(choices)}; it is '{value[:40]}'.", param=name)
    return value


def read_number(request: Request, name: str) -> int | None:
    """A parameter that is a number from 0. Raises InvalidRequest."""
    text = request.query_params.get(name)
    return None if text is None else as_number(text, name)


def as_number(text: str, name: str) -> int:
    """A number from 0. Raises InvalidRequest."""
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= NUMBER_MAX):
        raise InvalidRequest(f"'{name}' must be a number from 0; it is '{text[:40]}'.", param=name)
    return int(text)


def read_time(request: Request, name: str) -> datetime | None:
    """A parameter that is a time with its zone, ISO 8601. Raises InvalidRequest."""
    text = request.query_params.get(name)
    return None if text is None else as_time(text, name)


def as_time(text: str, name: str) -> datetime:
    """A time with its zone. Raises InvalidRequest."""
    try:
        time = datetime.fromisoformat(ZONE.sub("+", text))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        wanted = f"'{name}' must be a time with its zone, as 2026-11-21T09:30:00Z; it is '{text[:40]}'."
        raise InvalidRequest(wanted, param=name)
    return time


def read_place(request: Request, name: str) -> int | datetime | None:
    """A parameter that is a ``seq`` or a time. Raises InvalidRequest."""
    text = request.query_params.get(name)
    if text is None:
        return None
    return as_number(text, name) if text.isdigit() else as_time(text, name)


def read_metadata_filter(request: Request) -> dict[str, Any]:
    """What metadata are to contain: ``metadata.<key>=value`` with dots into objects, a repeated one as a list.

    Raises InvalidRequest.
    """
    query = request.query_params
    names = [name for name in query if name.startswith(PREFIX)]
    if len(names) > FILTERS_MAX:
        raise InvalidRequest(f"At most {FILTERS_MAX} keys of metadata can be asked for.", param=names[-1][:80])
    wanted: dict[str, Any] = {}
    for name in names:
        values = [read_value(text) for text in query.getlist(name)]
        put(wanted, name, values if len(values) > 1 else values[0])
    return wanted


def read_value(text: str) -> Any:
    """A value as it is meant: true, false and numbers are read as such."""
    if NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return WORDS.get(text, text)


def put(wanted: dict[str, Any], name: str, value: Any) -> None:
    """Put a value at the place that a parameter names. Raises InvalidRequest."""
    *parents, last = name.removeprefix(PREFIX).split(".")
    if len(parents) >= KEYS_MAX or not all((*parents, last)):
        raise InvalidRequest(f"'{name[:80]}' names no key of metadata.", param=name[:80])
    place: Any = wanted
    for key in parents:
        place = place.setdefault(key, {})
        if not isinstance(place, dict):
            raise InvalidRequest(f"'{name[:80]}' goes into what another filter says is a value.", param=name[:80])
    if last in place:
        raise InvalidRequest(f"'{name[:80]}' is a value here and an object in another filter.", param=name[:80])
    place[last] = value
