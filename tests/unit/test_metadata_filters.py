"""Filters that compare values of metadata."""

from __future__ import annotations

from typing import Any

import pytest

from multiturn.model.metadata import Comparison, Compound, matches

METADATA = {"year": 2020, "name": "whale", "rate": 0.5, "is_new": True, "none": None}


@pytest.mark.parametrize(
    ("op", "key", "value", "passes"),
    [
        ("eq", "year", 2020, True),
        ("eq", "year", 2020.0, True),
        ("eq", "year", "2020", False),
        ("eq", "is_new", True, True),
        ("eq", "is_new", 1, False),
        ("ne", "year", 2021, True),
        ("ne", "absent", 1, True),
        ("eq", "absent", 1, False),
        ("gt", "year", 2019, True),
        ("gt", "year", 2020, False),
        ("gte", "year", 2020, True),
        ("lt", "rate", 1, True),
        ("lte", "rate", 0.4, False),
        ("gt", "name", "wren", False),
        ("lt", "name", "wren", True),
        ("gt", "name", 3, False),
        ("gt", "absent", 0, False),
        ("lt", "is_new", 5, False),
        ("in", "name", ("whale", "wren"), True),
        ("in", "name", (), False),
        ("nin", "name", ("wren",), True),
        ("nin", "year", (2020,), False),
    ],
)
def test_value_is_compared(op: Any, key: str, value: Any, passes: bool) -> None:
    assert matches(METADATA, Comparison(op=op, key=key, value=value)) is passes


def test_filters_are_put_together() -> None:
    new, old = Comparison(op="gte", key="year", value=2020), Comparison(op="lt", key="year", value=2020)
    assert matches(METADATA, Compound(op="or", filters=(old, new)))
    assert not matches(METADATA, Compound(op="and", filters=(old, new)))
    nested = Compound(op="and", filters=(new, Compound(op="or", filters=(old, new))))
    assert matches(METADATA, nested)
