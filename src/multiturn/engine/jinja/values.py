"""What can be done with the values of a template: numbers, texts, lists, mappings, and what is not defined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import Undefined
from jinja2.exceptions import UndefinedError

from multiturn.engine.jinja.meter import INTEGER_BITS_MAX, Meter, TemplateFault, kind_of

KEY_MAX = 2**60

Operator = Callable[[Meter, Any, Any], Any]
Items = list[Any] | tuple[Any, ...] | range


class Namespace:
    """What ``namespace()`` makes: variables that a loop may set for what stands behind it."""

    __slots__ = ("values",)

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values


class LoopState:
    """What ``loop`` is inside a loop."""

    __slots__ = ("index0", "items")

    def __init__(self, items: Items) -> None:
        self.items = items
        self.index0 = 0

    def find(self, name: str) -> Any:
        """One of its facts."""
        reader = LOOP_FACTS.get(name)
        return reader(self) if reader else Undefined(f"'loop' has no attribute '{name}'")

    def near(self, step: int) -> Any:
        """The item before or behind this one."""
        index = self.index0 + step
        known = 0 <= index < len(self.items)
        return self.items[index] if known else Undefined("there is no further item")


LOOP_FACTS: Mapping[str, Callable[[LoopState], Any]] = {
    "index": lambda loop: loop.index0 + 1,
    "index0": lambda loop: loop.index0,
    "first": lambda loop: loop.index0 == 0,
    "last": lambda loop: loop.index0 == len(loop.items) - 1,
    "length": lambda loop: len(loop.items),
    "revindex": lambda loop: len(loop.items) - loop.index0,
    "revindex0": lambda loop: len(loop.items) - loop.index0 - 1,
    "previtem": lambda loop: loop.near(-1),
    "nextitem": lambda loop: loop.near(1),
    # A loop cannot be recursive here, and Jinja counts no other.
    "depth": lambda loop: 1,
    "depth0": lambda loop: 0,
}


def as_text(meter: Meter, value: Any) -> str:
    """A value as a template shows it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Undefined):
        return ""
    if value is not None and not isinstance(value, int | float):
        meter.weigh(value)
    return str(value)


def read_attribute(value: Any, name: str) -> Any:
    """``value.name``: a key of a mapping, and nothing of Python's own."""
    if isinstance(value, dict):
        return value[name] if name in value else Undefined(obj=value, name=name)
    if isinstance(value, LoopState):
        return value.find(name)
    if isinstance(value, Namespace):
        return value.values[name] if name in value.values else Undefined(f"the namespace has no '{name}'")
    if isinstance(value, Undefined):
        raise UndefinedError(value._undefined_message)
    return Undefined(obj=value, name=name)


def read_item(meter: Meter, value: Any, key: Any) -> Any:
    """``value[key]``."""
    if isinstance(value, dict):
        check_key(meter, key)
        return value[key] if key in value else Undefined(obj=value, name=key)
    if isinstance(value, Undefined):
        raise UndefinedError(value._undefined_message)
    if isinstance(value, str | list | tuple | range) and isinstance(key, int):
        return value[key] if -len(value) <= key < len(value) else Undefined(f"the list has no element {key}")
    return Undefined(obj=value, name=key if isinstance(key, str) else kind_of(key))


def read_path(meter: Meter, value: Any, path: str | int) -> Any:
    """``value.a.b.0``, as the filters with an attribute name it."""
    for part in path.split(".") if isinstance(path, str) else (path,):
        value = read_item(meter, value, int(part) if isinstance(part, str) and is_digits(part) else part)
    return value


def is_digits(text: str) -> bool:
    """Whether this is the number of an element."""
    return text.isascii() and text.isdigit() and len(text) < 10


def check_key(meter: Meter, key: Any) -> None:
    """Raise TemplateFault for what cannot be a key; a tuple is paid for, as all of it is looked at."""
    if isinstance(key, tuple):
        meter.weigh(key)
    elif isinstance(key, int | float) and abs(key) <= KEY_MAX:
        return
    elif key is not None and not isinstance(key, str):
        # Larger numbers can be chosen so that all of them have one hash: a mapping of them is slow.
        raise TemplateFault(f"this {kind_of(key)} cannot be a key")


def as_items(meter: Meter, value: Any) -> Items:
    """What a loop goes through: the elements of a list, the keys of a mapping, the characters of a text."""
    if isinstance(value, list | tuple | range):
        meter.spend(1)
        return value
    if isinstance(value, Undefined):
        return ()
    if isinstance(value, str | dict):
        meter.spend(1 + (len(value) >> 2))
        return list(value)
    raise TemplateFault(f"a {kind_of(value)} cannot be gone through: it is no list")


def is_number(value: Any) -> bool:
    """Whether this is a number (true and false are 1 and 0)."""
    return isinstance(value, int | float)


def refuse(what: str, left: Any, right: Any) -> TemplateFault:
    """The fault of an operator that cannot be used so."""
    for value in (left, right):
        if isinstance(value, Undefined):
            raise UndefinedError(value._undefined_message)
    return TemplateFault(f"{what} cannot be used with a {kind_of(left)} and a {kind_of(right)}")


def keep_small(value: Any) -> Any:
    """A number, unless it has become too long."""
    if isinstance(value, int) and value.bit_length() > INTEGER_BITS_MAX:
        raise TemplateFault("a number is too large")
    return value


def add(meter: Meter, left: Any, right: Any) -> Any:
    """``left + right``."""
    if isinstance(left, str) and isinstance(right, str):
        meter.make_text(len(left) + len(right))
        return left + right
    if is_number(left) and is_number(right):
        return keep_small(left + right)
    if isinstance(left, list) and isinstance(right, list):
        meter.make_list(len(left) + len(right))
        return left + right
    if isinstance(left, tuple) and isinstance(right, tuple):
        meter.make_list(len(left) + len(right))
        return left + right
    raise refuse("'+'", left, right)


def multiply(meter: Meter, left: Any, right: Any) -> Any:
    """``left * right``."""
    if is_number(left) and is_number(right):
        return keep_small(left * right)
    if isinstance(left, int):
        left, right = right, left
    if isinstance(right, int) and isinstance(left, str):
        meter.make_text(len(left) * max(0, right))
        return left * right
    if isinstance(right, int) and isinstance(left, list | tuple):
        meter.make_list(len(left) * max(0, right))
        return left * right
    raise refuse("'*'", left, right)


def raise_to(_meter: Meter, left: Any, right: Any) -> Any:
    """``left ** right``."""
    if not (is_number(left) and is_number(right)):
        raise refuse("'**'", left, right)
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * right > INTEGER_BITS_MAX:
        raise TemplateFault("a number is too large")
    return left**right


def calculate(sign: str, work: Callable[[Any, Any], Any]) -> Operator:
    """An operator of numbers only."""

    def operate(_meter: Meter, left: Any, right: Any) -> Any:
        if not (is_number(left) and is_number(right)):
            raise refuse(f"'{sign}'", left, right)
        return work(left, right)

    return operate


OPERATORS: Mapping[str, Operator] = {
    "+": add,
    "*": multiply,
    "**": raise_to,
    "-": calculate("-", lambda left, right: keep_small(left - right)),
    "/": calculate("/", lambda left, right: left / right),
    "//": calculate("//", lambda left, right: left // right),
    "%": calculate("%", lambda left, right: left % right),
}


def concatenate(meter: Meter, values: Sequence[Any]) -> str:
    """``a ~ b ~ c``."""
    texts = [as_text(meter, value) for value in values]
    meter.make_text(sum(map(len, texts)))
    return "".join(texts)


def is_flat(value: Any) -> bool:
    """Whether a comparison looks at nothing inside the value."""
    return value is None or isinstance(value, int | float | Undefined)


def is_equal(meter: Meter, left: Any, right: Any) -> bool:
    """``left == right``."""
    weigh_both(meter, left, right)
    return bool(left == right)


def is_less(meter: Meter, left: Any, right: Any) -> bool:
    """``left < right``."""
    weigh_both(meter, left, right)
    return bool(left < right)


def is_in(meter: Meter, value: Any, items: Any) -> bool:
    """``value in items``."""
    if isinstance(items, str) and isinstance(value, str):
        meter.spend(1 + (len(items) + len(value) >> 5))
        return value in items
    if isinstance(items, dict):
        check_key(meter, value)
        return value in items
    if isinstance(items, list | tuple):
        meter.weigh(items)
        return value in items
    if isinstance(items, range):
        return isinstance(value, int) and value in items
    if isinstance(items, Undefined):
        return False
    raise refuse("'in'", value, items)


def weigh_both(meter: Meter, left: Any, right: Any) -> None:
    """Pay for a comparison."""
    for value in (left, right):
        if not is_flat(value):
            meter.weigh(value)


COMPARISONS: Mapping[str, Operator] = {
    "eq": is_equal,
    "ne": lambda meter, left, right: not is_equal(meter, left, right),
    "lt": is_less,
    "gt": lambda meter, left, right: is_less(meter, right, left),
    "lteq": lambda meter, left, right: is_less_or_equal(meter, left, right),
    "gteq": lambda meter, left, right: is_less_or_equal(meter, right, left),
    "in": is_in,
    "notin": lambda meter, left, right: not is_in(meter, left, right),
}


def is_less_or_equal(meter: Meter, left: Any, right: Any) -> bool:
    """``left <= right``."""
    weigh_both(meter, left, right)
    return bool(left <= right)
