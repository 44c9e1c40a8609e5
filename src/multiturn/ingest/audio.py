"""Reads a recording: what is said in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from multiturn.ingest.options import Options
from multiturn.ingest.speaking import Speech
from multiturn.model.segment import Reading


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read a recording. Raises Refusal when it cannot be opened, or the speech model is not there."""
    yield from Speech(path, options).read()
