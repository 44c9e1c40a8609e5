"""Reads documents in the test's own process, as a reader process would."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from multiturn.ingest.options import Options
from multiturn.ingest.probing import probe
from multiturn.ingest.readers import DOCUMENTS
from multiturn.model.segment import Reading, Segment


def read_all(path: Path, *, screens: bool = True) -> list[Reading]:
    """Everything that a file's reader says of it."""
    found = probe(path, path.name)
    readings: Iterator[Reading] = importlib.import_module(DOCUMENTS[found.mime]).read(
        path, Options(probe=found, screens=screens)
    )
    return list(readings)


def read_segments(path: Path) -> list[Segment]:
    """The segments of a file."""
    return [found for found in read_all(path) if isinstance(found, Segment)]


def read_places(path: Path) -> list[tuple[int | None, str | None, str]]:
    """The page, the heading and the text of each segment."""
    return [(found.place.page, found.place.heading, found.text) for found in read_segments(path)]
