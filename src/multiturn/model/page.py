"""A page of a listing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True):
    """Some rows of a listing and whether there are more behind them."""

    data: Sequence[T]
    has_more: bool = False
