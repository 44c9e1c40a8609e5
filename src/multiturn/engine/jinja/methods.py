"""What a template may call: a few functions, and methods of texts and mappings that change nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Undefined
from jinja2.exceptions import UndefinedError

from multiturn.engine.jinja.filters import join, replace, trim
from multiturn.engine.jinja.meter import LIST_LENGTH_MAX, Meter, TemplateFault, kind_of
from multiturn.engine.jinja.values import LoopState, Namespace, check_key

Method = Callable[..., Any]


def of_text(work: Callable[..., Any]) -> Method:
    """A method that reads a text through once, and makes nothing that is longer."""

    def call(meter: Meter, text: str, *arguments: Any) -> Any:
        for argument in (text, *arguments):
            if isinstance(argument, str):
                meter.make_text(len(argument))
            elif argument is not None and not isinstance(argument, int):
                raise TemplateFault(f"a {kind_of(argument)} cannot be given to this method")
        return work(text, *arguments)

    return call


def split(meter: Meter, text: str, separator: str | None = None, maxsplit: int = -1) -> list[str]:
    """``split``."""
    meter.read_text(text)
    # One part more than may be: the list below is refused then, and no longer one is made.
    parts = text.split(separator, min(maxsplit, LIST_LENGTH_MAX) if maxsplit >= 0 else LIST_LENGTH_MAX)
    meter.make_list(len(parts))
    return parts


def split_lines(meter: Meter, text: str) -> list[str]:
    """``splitlines``."""
    meter.spend(1 + (len(text) >> 2))
    lines = text.splitlines()
    meter.make_list(len(lines))
    return lines


def strip_end(work: Callable[[str, str | None], str]) -> Method:
    """``lstrip`` and ``rstrip``, which cost as much as ``trim``."""

    def call(meter: Meter, text: str, chars: str | None = None) -> str:
        meter.spend(1 + (len(text) * (1 + len(chars or "")) >> 5))
        return work(text, chars)

    return call


def get(meter: Meter, mapping: dict[Any, Any], key: Any, default: Any = None) -> Any:
    """``get``."""
    check_key(meter, key)
    return mapping.get(key, default)


def listing(work: Callable[[dict[Any, Any]], Any]) -> Method:
    """``keys``, ``values``, ``items``."""

    def call(meter: Meter, mapping: dict[Any, Any]) -> list[Any]:
        meter.make_list(len(mapping))
        return list(work(mapping))

    return call


TEXT_METHODS: Mapping[str, Method] = {
    "capitalize": of_text(str.capitalize),
    "count": of_text(str.count),
    "endswith": of_text(str.endswith),
    "find": of_text(str.find),
    "isalnum": of_text(str.isalnum),
    "isalpha": of_text(str.isalpha),
    "isdigit": of_text(str.isdigit),
    "islower": of_text(str.islower),
    "isspace": of_text(str.isspace),
    "isupper": of_text(str.isupper),
    "join": lambda meter, text, items: join(meter, items, text),
    "lower": of_text(str.lower),
    "lstrip": strip_end(str.lstrip),
    "removeprefix": of_text(str.removeprefix),
    "removesuffix": of_text(str.removesuffix),
    "replace": replace,
    "rstrip": strip_end(str.rstrip),
    "split": split,
    "splitlines": split_lines,
    "startswith": of_text(str.startswith),
    "strip": trim,
    "swapcase": of_text(str.swapcase),
    "title": of_text(str.title),
    "upper": of_text(str.upper),
}
MAPPING_METHODS: Mapping[str, Method] = {
    "get": get,
    "items": listing(lambda mapping: mapping.items()),
    "keys": listing(lambda mapping: mapping),
    "values": listing(lambda mapping: mapping.values()),
}


def call_method(meter: Meter, value: Any, name: str, arguments: list[Any]) -> Any:
    """``value.name(…)``. Raises TemplateFault for what is not on the lists above."""
    meter.spend(1)
    if isinstance(value, Undefined):
        raise UndefinedError(value._undefined_message)
    if isinstance(value, LoopState) and name == "cycle" and arguments:
        return arguments[value.index0 % len(arguments)]
    table = TEXT_METHODS if isinstance(value, str) else MAPPING_METHODS if isinstance(value, dict) else {}
    if name not in table:
        raise TemplateFault(f"a {kind_of(value)} has no method '{name}' here")
    return table[name](meter, value, *arguments)


def make_range(meter: Meter, *bounds: Any) -> range:
    """``range``."""
    if not all(isinstance(bound, int) for bound in bounds):
        raise TemplateFault("'range' needs whole numbers")
    numbers = range(*bounds)
    try:
        meter.make_list(len(numbers))
    except OverflowError as error:
        raise TemplateFault(f"it makes a list of more than {LIST_LENGTH_MAX} elements") from error
    return numbers


def make_dict(_meter: Meter, **values: Any) -> dict[str, Any]:
    """``dict``."""
    return values


def make_namespace(_meter: Meter, **values: Any) -> Namespace:
    """``namespace``."""
    return Namespace(values)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {"dict": make_dict, "namespace": make_namespace, "range": make_range}
