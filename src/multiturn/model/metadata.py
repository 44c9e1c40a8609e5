"""What metadata hold: the containment of JSON values, and the comparisons, by which things are filtered."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct

Scalar = str | int | float | bool | None
ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def contains(value: object, wanted: object) -> bool:
    """Whether a JSON value contains another, as PostgreSQL's ``@>`` says: an object with its keys, a list with all its
    members, or the same.
    """
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(key in value and contains(value[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(contains(one, part) for one in value) for part in wanted)
    return (type(value) is type(wanted) and value == wanted) or is_same_number(value, wanted)


def is_same_number(value: object, wanted: object) -> bool:
    """Whether both are numbers and equal: 1 and 1.0 are, 1 and true are not."""
    numbers = (int, float)
    return (
        isinstance(value, numbers)
        and isinstance(wanted, numbers)
        and not isinstance(value, bool)
        and not isinstance(wanted, bool)
        and value == wanted
    )


class Comparison(Struct, frozen=True, kw_only=True):
    """One value compared: that of ``key`` with ``value``, which is a list for ``in`` and ``nin``."""

    op: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: str
    value: Scalar | tuple[Scalar, ...]


class Compound(Struct, frozen=True, kw_only=True):
    """Several filters of which all hold, or any."""

    op: Literal["and", "or"]
    filters: tuple[Filter, ...]


Filter = Comparison | Compound


def matches(metadata: Mapping[str, object], wanted: Filter) -> bool:
    """Whether metadata pass a filter. A key that is not there is unequal to everything, and neither more nor less."""
    if isinstance(wanted, Compound):
        held = (matches(metadata, one) for one in wanted.filters)
        return all(held) if wanted.op == "and" else any(held)
    value = metadata.get(wanted.key)
    if wanted.op in ("gt", "gte", "lt", "lte"):
        return is_ordered(value, wanted.op, wanted.value)
    known = wanted.value if isinstance(wanted.value, tuple) else (wanted.value,)
    is_one = any(is_equal(value, one) for one in known)
    return is_one == (wanted.op in ("eq", "in"))


def is_equal(value: object, other: object) -> bool:
    """Whether two plain values are the same."""
    return (type(value) is type(other) and value == other) or is_same_number(value, other)


def is_ordered(value: object, op: str, other: object) -> bool:
    """Whether two numbers, or two texts, stand in this order."""
    if isinstance(value, bool) or isinstance(other, bool):
        return False
    if isinstance(value, int | float) and isinstance(other, int | float):
        return ORDERS[op](value, other)
    return isinstance(value, str) and isinstance(other, str) and ORDERS[op](value, other)
