"""The filters of templates that go through lists and mappings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Undefined
from jinja2.exceptions import UndefinedError

from multiturn.engine.jinja.meter import Meter, TemplateFault, kind_of
from multiturn.engine.jinja.values import Items, as_items, check_key, read_path

Filter = Callable[..., Any]
NOTHING = Undefined("the list is empty")


def take_list(meter: Meter, value: Any) -> list[Any]:
    """``list``."""
    items = as_items(meter, value)
    meter.make_list(len(items))
    return list(items)


def list_items(meter: Meter, value: Any) -> list[tuple[Any, Any]]:
    """``items``: the keys and values of a mapping."""
    if isinstance(value, Undefined):
        return []
    if not isinstance(value, dict):
        raise TemplateFault(f"'items' needs a mapping, not a {kind_of(value)}")
    meter.make_list(len(value))
    return list(value.items())


def first(meter: Meter, value: Any) -> Any:
    """``first``."""
    items = as_items(meter, value)
    return items[0] if items else NOTHING


def last(meter: Meter, value: Any) -> Any:
    """``last``."""
    items = as_items(meter, value)
    return items[-1] if items else NOTHING


def reverse(meter: Meter, value: Any) -> Any:
    """``reverse``."""
    if isinstance(value, str):
        meter.make_text(len(value))
        return value[::-1]
    items = as_items(meter, value)
    meter.make_list(len(items))
    return list(items)[::-1]


def order_key(meter: Meter, case_sensitive: bool, attribute: str | int | None) -> Callable[[Any], Any]:
    """What values are ordered by: themselves or something in them, their case aside unless it counts."""

    def read(value: Any) -> Any:
        found = value if attribute is None else read_path(meter, value, attribute)
        if isinstance(found, Undefined):
            raise UndefinedError(found._undefined_message)
        if isinstance(found, str) and not case_sensitive:
            meter.read_text(found)
            return found.lower()
        return found

    return read


def order(meter: Meter, keys: list[Any]) -> None:
    """Pay for ordering by these keys: each is compared about as often as the number of them has digits."""
    meter.spend(meter.weigh(keys) * len(keys).bit_length())


def sort(
    meter: Meter, value: Any, reverse: bool = False, case_sensitive: bool = False, attribute: str | int | None = None
) -> list[Any]:
    """``sort``; ``attribute`` may name several, with commas between them."""
    items = as_items(meter, value)
    meter.make_list(len(items))
    names = attribute.split(",") if isinstance(attribute, str) else [attribute]
    readers = [order_key(meter, case_sensitive, name) for name in names]
    keys = [[read(item) for read in readers] for item in items]
    order(meter, keys)
    places = sorted(range(len(items)), key=keys.__getitem__, reverse=bool(reverse))
    return [items[place] for place in places]


def sort_mapping(
    meter: Meter, value: Any, case_sensitive: bool = False, by: str = "key", reverse: bool = False
) -> list[tuple[Any, Any]]:
    """``dictsort``."""
    if by not in ("key", "value"):
        raise TemplateFault("'dictsort' sorts by 'key' or by 'value'")
    items = list_items(meter, value)
    place = 0 if by == "key" else 1
    sorted_ = sort(meter, items, reverse=reverse, case_sensitive=case_sensitive, attribute=place)
    return [(key, found) for key, found in sorted_]


def find_most(sign: int) -> Filter:
    """``min`` and ``max``."""

    def find(meter: Meter, value: Any, case_sensitive: bool = False, attribute: str | int | None = None) -> Any:
        items = as_items(meter, value)
        meter.make_list(len(items))
        keys = [order_key(meter, case_sensitive, attribute)(item) for item in items]
        order(meter, keys)
        choose = max if sign > 0 else min
        return items[choose(range(len(keys)), key=keys.__getitem__)] if keys else NOTHING

    return find


def unique(meter: Meter, value: Any, case_sensitive: bool = False, attribute: str | int | None = None) -> list[Any]:
    """``unique``."""
    read = order_key(meter, case_sensitive, attribute)
    seen: set[Any] = set()
    kept = []
    for item in take_list(meter, value):
        key = read(item)
        check_key(meter, key)
        meter.spend(1)
        if key not in seen:
            seen.add(key)
            kept.append(item)
    return kept


def add_up(meter: Meter, value: Any, attribute: str | int | None = None, start: Any = 0) -> Any:
    """``sum``, of numbers."""
    total = start
    for item in take_list(meter, value):
        meter.spend(1)
        found = item if attribute is None else read_path(meter, item, attribute)
        if isinstance(found, Undefined):
            raise UndefinedError(found._undefined_message)
        if not isinstance(found, int | float) or not isinstance(total, int | float):
            raise TemplateFault(f"'sum' cannot add a {kind_of(found)}")
        total += found
    return total


def map_(
    meter: Meter,
    value: Any,
    filter_: Callable[[Any], Any] | None = None,
    *,
    attribute: str | int | None = None,
    default: Any = None,
) -> list[Any]:
    """``map``, with an attribute or with a filter that the compiler has looked up."""
    if filter_ is None and attribute is None:
        raise TemplateFault("'map' needs the name of a filter, or attribute=")
    items = take_list(meter, value)
    meter.spend(len(items))
    if filter_ is not None:
        return [filter_(item) for item in items]
    found = [read_path(meter, item, attribute or 0) for item in items]
    return [default if default is not None and isinstance(one, Undefined) else one for one in found]


def keep(meter: Meter, value: Any, holds: Callable[[Any], Any], *, wanted: bool, attribute: Any = None) -> list[Any]:
    """``select`` and its kind: the elements for which a test holds, or does not."""
    items: Items = take_list(meter, value)
    meter.spend(len(items))
    return [
        item
        for item in items
        if bool(holds(item if attribute is None else read_path(meter, item, attribute))) is wanted
    ]


SEQUENCE_FILTERS: Mapping[str, Filter] = {
    "dictsort": sort_mapping,
    "first": first,
    "items": list_items,
    "last": last,
    "list": take_list,
    "map": map_,
    "max": find_most(1),
    "min": find_most(-1),
    "reverse": reverse,
    "sort": sort,
    "sum": add_up,
    "unique": unique,
}
