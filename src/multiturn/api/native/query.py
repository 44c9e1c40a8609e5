"""Reading the parameters of a listing: numbers, choices, times."""

from __future__ import annotations

import re
from datetime import datetime

from starlette.requests import Request

from multiturn.errors import InvalidRequest

NUMBER_MAX = 2**53
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
