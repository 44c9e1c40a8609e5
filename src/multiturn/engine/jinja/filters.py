"""The filters of templates: Jinja's own where they are cheap whatever they are given, written again with limits.

Jinja's documentation ("List of Builtin Filters") says what each does.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Undefined
from jinja2.exceptions import UndefinedError
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import escape

from multiturn.engine.jinja.meter import STRING_CHARS_MAX, Meter, TemplateFault, kind_of
from multiturn.engine.jinja.sequences import SEQUENCE_FILTERS
from multiturn.engine.jinja.values import as_items, as_text, concatenate

Filter = Callable[..., Any]

WIDTH_MAX = 1000
JSON_INDENT_MAX = 8
DIGITS_MAX = 300
WORD_BEGINNING = re.compile(r"([-\s({\[<]+)")
WORD = re.compile(r"\w+")


def of_text(work: Callable[[str], Any], *, steps_per_4_chars: int = 0) -> Filter:
    """A filter that reads a text through once and makes one that is about as long."""

    def apply(meter: Meter, value: Any) -> Any:
        text = as_text(meter, value)
        meter.make_text(len(text))
        meter.spend(steps_per_4_chars * len(text) >> 2)
        return work(text)

    return apply


def title(text: str) -> str:
    """``title``: every word begins with a capital."""
    return "".join([part[:1].upper() + part[1:].lower() for part in WORD_BEGINNING.split(text) if part])


def trim(meter: Meter, value: Any, chars: str | None = None) -> str:
    """``trim``."""
    text = as_text(meter, value)
    # Each character may be looked for among all those that are taken away.
    meter.spend(1 + (len(text) * (1 + len(chars or "")) >> 5))
    return text.strip(chars)


def replace(meter: Meter, value: Any, old: Any, new: Any, count: int | None = None) -> str:
    """``replace``."""
    text, old, new = (as_text(meter, part) for part in (value, old, new))
    meter.read_text(text)
    found = len(text) + 1 if not old else text.count(old)
    found = found if count is None or count < 0 else min(found, count)
    meter.make_text(len(text) + found * max(0, len(new) - len(old)))
    return text.replace(old, new, -1 if count is None else count)


def center(meter: Meter, value: Any, width: int = 80) -> str:
    """``center``."""
    text = as_text(meter, value)
    meter.make_text(max(len(text), check_width(width)))
    return text.center(width)


def check_width(width: Any) -> int:
    """A number of characters to fill up with. Raises TemplateFault."""
    if not isinstance(width, int) or not 0 <= width <= WIDTH_MAX:
        raise TemplateFault(f"a width must be a number from 0 to {WIDTH_MAX}")
    return width


def indent(meter: Meter, value: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    """``indent``."""
    text = as_text(meter, value)
    filling = as_text(meter, width) if isinstance(width, str) else " " * check_width(width)
    meter.read_text(text)
    lines_max = text.count("\n") + 1
    meter.make_text(len(text) + len(filling) * lines_max + 1)
    meter.spend(lines_max)
    text += "\n"  # As Jinja does it: the last line counts, and what it ends with is taken away below.
    if blank:
        done = ("\n" + filling).join(text.splitlines())
    else:
        lines = text.splitlines()
        done = lines.pop(0)
        if lines:
            done += "\n" + "\n".join(filling + line if line else line for line in lines)
    return filling + done if first else done


def truncate(
    meter: Meter, value: Any, length: int = 255, killwords: bool = False, end: str = "...", leeway: int = 5
) -> str:
    """``truncate``."""
    text, end = as_text(meter, value), as_text(meter, end)
    if length < len(end):
        raise TemplateFault("the length of 'truncate' must not be less than that of its end")
    if len(text) <= length + leeway:
        return text
    meter.make_text(length)
    kept = text[: length - len(end)]
    return (kept if killwords else kept.rsplit(" ", 1)[0]) + end


def default(_meter: Meter, value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    """``default``."""
    return default_value if isinstance(value, Undefined) or (boolean and not value) else value


def as_integer(meter: Meter, value: Any, default: int = 0, base: int = 10) -> Any:
    """``int``."""
    if isinstance(value, str):
        if len(value) > DIGITS_MAX:
            return default
        meter.spend(len(value))
    try:
        return int(value, base) if isinstance(value, str) else int(value)
    except (TypeError, ValueError, OverflowError):
        return as_whole(value, default)


def as_whole(value: Any, default: Any) -> Any:
    """A number that is written as a float, without what stands behind the point."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return default


def as_float(meter: Meter, value: Any, default: float = 0.0) -> Any:
    """``float``."""
    if isinstance(value, str):
        meter.spend(1 + (len(value) >> 2))
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return default


def round_(_meter: Meter, value: Any, precision: int = 0, method: str = "common") -> Any:
    """``round``."""
    if not isinstance(precision, int) or not -DIGITS_MAX <= precision <= DIGITS_MAX:
        raise TemplateFault(f"the precision of 'round' must be a number up to {DIGITS_MAX}")
    if method == "common":
        return round(value, precision)
    if method not in ("ceil", "floor"):
        raise TemplateFault("the method of 'round' must be common, ceil or floor")
    work = math.ceil if method == "ceil" else math.floor
    return work(value * (10**precision)) / (10**precision)


def absolute(_meter: Meter, value: Any) -> Any:
    """``abs``."""
    return abs(value)


def length(_meter: Meter, value: Any) -> int:
    """``length``."""
    if isinstance(value, str | list | tuple | dict | range):
        return len(value)
    if isinstance(value, Undefined):
        return 0
    raise TemplateFault(f"a {kind_of(value)} has no length")


def write_json(meter: Meter, value: Any, indent: int | None = None) -> str:
    """``tojson``: as Jinja writes it, safe to stand in HTML."""
    if isinstance(value, Undefined):
        raise UndefinedError(value._undefined_message)
    if indent is not None and (not isinstance(indent, int) or not 0 <= indent <= JSON_INDENT_MAX):
        raise TemplateFault(f"the indent of 'tojson' must be a number from 0 to {JSON_INDENT_MAX}")
    if isinstance(value, str):
        meter.make_text(len(value))
    # Characters that are not ASCII become six each.
    meter.spend(6 * meter.weigh(value))
    return check_made(str(htmlsafe_json_dumps(value, dumps=json.dumps, indent=indent, sort_keys=True)))


def check_made(text: str) -> str:
    """A text whose length was not known before. Raises TemplateFault for one that is too long."""
    if len(text) > STRING_CHARS_MAX:
        raise TemplateFault(f"it makes a text of more than {STRING_CHARS_MAX} characters")
    return text


def join(meter: Meter, value: Any, d: Any = "", attribute: str | int | None = None) -> str:
    """``join``."""
    items = SEQUENCE_FILTERS["map"](meter, value, attribute=attribute) if attribute is not None else value
    parts = [as_text(meter, part) for part in as_items(meter, items)]
    between = as_text(meter, d)
    meter.make_text(sum(map(len, parts)) + len(between) * len(parts))
    return between.join(parts)


FILTERS: Mapping[str, Filter] = {
    "abs": absolute,
    "capitalize": of_text(str.capitalize),
    "center": center,
    "count": length,
    "d": default,
    "default": default,
    "e": of_text(lambda text: check_made(str(escape(text)))),
    "escape": of_text(lambda text: check_made(str(escape(text)))),
    "float": as_float,
    "indent": indent,
    "int": as_integer,
    "join": join,
    "length": length,
    "lower": of_text(str.lower),
    "replace": replace,
    "round": round_,
    "safe": lambda meter, value: value,
    "string": lambda meter, value: concatenate(meter, (value,)),
    "title": of_text(title, steps_per_4_chars=3),
    "tojson": write_json,
    "trim": trim,
    "truncate": truncate,
    "upper": of_text(str.upper),
    "wordcount": of_text(lambda text: len(WORD.findall(text)), steps_per_4_chars=1),
    **SEQUENCE_FILTERS,
}
