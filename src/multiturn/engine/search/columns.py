"""Columns: arrays that grow at their end without being copied each time; a view of one stays as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

CAPACITY_MIN = 64


class Column:
    """Numbers, or rows of ``width`` numbers, with room for more."""

    def __init__(self, dtype: DTypeLike, *, width: int = 0) -> None:
        self.room: NDArray[Any] = np.empty((0, width) if width else 0, dtype)
        self.view = self.room

    @property
    def size_bytes(self) -> int:
        """The memory it takes, with the room."""
        return self.room.nbytes

    def append(self, values: NDArray[Any]) -> None:
        """Put values behind the others; a first batch takes no more room than it needs."""
        old, new = len(self.view), len(self.view) + len(values)
        if new > len(self.room):
            capacity = new if not old else max(new + new // 4, CAPACITY_MIN)
            room = np.empty((capacity, *self.room.shape[1:]), self.room.dtype)
            room[:old] = self.view
            self.room = room
        self.room[old:new] = values
        self.view = self.room[:new]

    def clear(self) -> None:
        """Hold nothing; who has a view of it keeps that."""
        self.room = self.view = self.room[:0].copy()

    def replace(self, values: NDArray[Any]) -> None:
        """Hold these values instead."""
        self.room = self.view = np.ascontiguousarray(values, self.room.dtype)
