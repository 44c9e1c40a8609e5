"""An embedder for tests: the same words make the same vector, and it fails or is slow when told to."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from multiturn.errors import MultiturnError


class ScriptedEmbedder:
    """Turns texts into vectors of their hashed words: the more words two share, the more alike they are.

    While ``error`` is set each call raises it, and each call takes ``pause_s``. ``calls`` are the texts that it
    saw, each with whether they were queries.
    """

    def __init__(self, *, model: str = "scripted", dimensions: int = 64) -> None:
        self.model = model
        self.dimensions = dimensions
        self.error: MultiturnError | None = None
        self.pause_s = 0.0
        self.calls: list[tuple[tuple[str, ...], bool]] = []

    async def embed(self, texts: Sequence[str], *, is_query: bool = False) -> NDArray[np.float32]:
        """Turn each text into a row of length 1."""
        self.calls.append((tuple(texts), is_query))
        await asyncio.sleep(self.pause_s)
        if self.error is not None:
            raise self.error
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()) or [""]:
                row[zlib.crc32(word.encode("utf-8", "replace")) % self.dimensions] += 1
        normal: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return normal
