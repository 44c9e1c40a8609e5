"""Reading the fields of a turn's body that several dialects share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Raw

from multiturn.api.auth import check_id
from multiturn.api.limits import read_field
from multiturn.errors import InvalidRequest

EXPIRY_MAX_S = 10 * 365 * 86400


def read_optional(fields: Mapping[str, Raw], name: str, type_: Any) -> Any:
    """A field that may be left out."""
    return read_field(fields[name], name, type_) if name in fields else None


def read_choice(fields: Mapping[str, Raw], name: str, choices: tuple[str, ...]) -> Any:
    """A field with a few possible values."""
    value = read_optional(fields, name, str | None)
    if value is not None and value not in choices:
        raise InvalidRequest(f"'{name}' must be one of {', '.join(choices)}; it is '{value[:40]}'.", param=name)
    return value


def read_model(fields: Mapping[str, Raw], default_model: str | None) -> str:
    """The model that is asked for, else the server's default."""
    model = read_optional(fields, "model", str | None) or default_model
    if not model:
        raise InvalidRequest("'model' is missing and the server has no default model (MULTITURN_MODEL).", param="model")
    return check_id(str(model), "model")


def read_output_max(fields: Mapping[str, Raw]) -> int | None:
    """How long the answer may be, in tokens."""
    limits: list[int | None] = []
    for name in ("max_completion_tokens", "max_tokens"):
        value = read_optional(fields, name, int | None)
        if value is not None and value < 1:
            raise InvalidRequest(f"'{name}' must be at least 1; it is {value}.", param=name)
        limits.append(value)
    return limits[0] or limits[1]


def read_expiry(fields: Mapping[str, Raw]) -> int | None:
    """After how many seconds without use the session is to be forgotten."""
    value: int | None = read_optional(fields, "idle_expiry_s", int | None)
    if value is not None and not 1 <= value <= EXPIRY_MAX_S:
        raise InvalidRequest(f"'idle_expiry_s' must be from 1 to {EXPIRY_MAX_S} seconds.", param="idle_expiry_s")
    return value
