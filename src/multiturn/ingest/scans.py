"""Reads the pictures of pages, where there are any: only then is the recognition loaded."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multiturn.ingest.readers import INGEST

OCR = f"{INGEST}.ocr"


class ScanReader:
    """Reads the pictures of pages. The libraries for it take half a second and 60 MB, which most documents spare."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._reader: Any = None

    @property
    def has_read(self) -> bool:
        """Whether there was a picture so far."""
        return self._reader is not None

    def read(self, picture: NDArray[np.uint8]) -> str:
        """What is written in a picture (rows of RGB pixels)."""
        ocr = importlib.import_module(OCR)
        if self._reader is None:
            self._reader = ocr.PageReader(self._threads)
        text: str = ocr.join_lines(self._reader.read(picture))
        return text
