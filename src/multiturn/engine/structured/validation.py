"""Whether an answer fits a schema, and what is said to the model when it does not."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from msgspec import Struct

from multiturn.engine.structured.patterns import Matching

ERRORS_MAX = 20
ERROR_CHARS_MAX = 300
# The reading of JSON and the checking of it go down by recursion.
LEVELS_MAX = 64


class Validated(Struct, frozen=True):
    """An answer's value (None when it is no JSON), and what is wrong with it; nothing, when it fits."""

    value: Any
    errors: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether it fits."""
        return not self.errors


def validate(text: str, schema: Mapping[str, Any]) -> Validated:
    """Read an answer as JSON and hold it to a schema that was checked."""
    try:
        value = read_json(text)
    except ValueError as error:
        return Validated(None, (f"The answer is not JSON: {error}",))
    return Validated(value, tuple(list_errors(value, schema)))


def read_json(text: str) -> Any:
    """Read JSON, strictly. Raises ValueError."""
    if measure_levels(text) > LEVELS_MAX:
        raise ValueError(f"it goes deeper than {LEVELS_MAX} levels")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(str(error)) from error


def measure_levels(text: str) -> int:
    """How deep a text's brackets go at most, those in strings counted too."""
    level = deepest = 0
    for mark in text:
        if mark in "[{":
            level += 1
            deepest = max(deepest, level)
        elif mark in "]}":
            level -= 1
    return deepest


def list_errors(value: object, schema: Mapping[str, Any]) -> list[str]:
    """What is wrong with a value, each with its place, the first twenty at most."""
    found = make_validators()(schema).iter_errors(value)
    return [write_error(error) for error in islice(found, ERRORS_MAX)]


def make_validators() -> Any:
    """A class of validators, each of one schema, whose patterns share one limit of time."""
    matching = Matching()

    def match(_: Any, pattern: str, value: object, __: Any) -> Generator[ValidationError]:
        if isinstance(value, str) and not matching.matches(pattern, value):
            yield ValidationError(f"does not match the pattern {pattern}")

    return extend(Draft202012Validator, {"pattern": match})


def write_error(error: ValidationError) -> str:
    """An error with its place, as ``themes[0].title: ...``."""
    message = error.message
    if len(message) > ERROR_CHARS_MAX:
        # The library's own messages begin with the value, however long that is.
        message = f"{message[:120]} … {message[-150:]}"
    return f"{write_place(error.absolute_path)}: {message}"


def write_place(parts: Iterable[str | int]) -> str:
    """A path into a value."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".") or "the answer"


def write_correction(errors: Sequence[str]) -> str:
    """What tells a model that its answer did not fit, so that it answers anew."""
    listed = "\n".join(f"- {error}" for error in errors)
    return (
        f"Your answer does not fit the JSON schema:\n{listed}\n"
        "Answer again, whole and corrected, with JSON alone, without any other words."
    )
