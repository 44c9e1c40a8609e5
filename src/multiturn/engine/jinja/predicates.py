"""The tests of templates: ``is defined``, ``is string`` and so on.

Jinja's documentation ("List of Builtin Tests") says what each does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Undefined

from multiturn.engine.jinja.meter import Meter
from multiturn.engine.jinja.values import COMPARISONS

Test = Callable[..., Any]


def of_value(holds: Callable[[Any], bool]) -> Test:
    """A test that looks at the value itself only."""
    return lambda _meter, value: holds(value)


def is_divisible(_meter: Meter, value: Any, number: Any) -> bool:
    """``divisibleby``."""
    return bool(value % number == 0) if isinstance(value, int) and isinstance(number, int) else False


def has_case(wanted: Callable[[str], bool]) -> Test:
    """``upper`` and ``lower``."""

    def holds(meter: Meter, value: Any) -> bool:
        meter.read_text(value if isinstance(value, str) else "")
        return wanted(str(value)) if isinstance(value, str | int | float) else False

    return holds


def is_whole(value: Any) -> bool:
    """Whether this is a whole number: true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


TESTS: Mapping[str, Test] = {
    "boolean": of_value(lambda value: isinstance(value, bool)),
    "defined": of_value(lambda value: not isinstance(value, Undefined)),
    "divisibleby": is_divisible,
    "even": of_value(lambda value: is_whole(value) and value % 2 == 0),
    "false": of_value(lambda value: value is False),
    "float": of_value(lambda value: isinstance(value, float)),
    "integer": of_value(is_whole),
    "iterable": of_value(lambda value: isinstance(value, str | list | tuple | dict | range | Undefined)),
    "lower": has_case(str.islower),
    "mapping": of_value(lambda value: isinstance(value, dict)),
    "none": of_value(lambda value: value is None),
    "number": of_value(lambda value: isinstance(value, int | float)),
    "odd": of_value(lambda value: is_whole(value) and value % 2 == 1),
    "sameas": lambda _meter, value, other: value is other,
    "sequence": of_value(lambda value: isinstance(value, str | list | tuple | dict | range | Undefined)),
    "string": of_value(lambda value: isinstance(value, str)),
    "true": of_value(lambda value: value is True),
    "undefined": of_value(lambda value: isinstance(value, Undefined)),
    "upper": has_case(str.isupper),
    **dict.fromkeys(("eq", "equalto", "=="), COMPARISONS["eq"]),
    **dict.fromkeys(("ne", "!="), COMPARISONS["ne"]),
    **dict.fromkeys(("lt", "lessthan", "<"), COMPARISONS["lt"]),
    **dict.fromkeys(("gt", "greaterthan", ">"), COMPARISONS["gt"]),
    **dict.fromkeys(("le", "<="), COMPARISONS["lteq"]),
    **dict.fromkeys(("ge", ">="), COMPARISONS["gteq"]),
    "in": COMPARISONS["in"],
}
