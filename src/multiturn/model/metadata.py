"""What metadata hold: the containment of JSON values by which things are filtered."""

from __future__ import annotations


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
