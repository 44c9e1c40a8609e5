"""An answer that does not fit its schema, mended where it is plain what is meant."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from typing import Any

import msgspec

from multiturn.engine.structured.fitting import Fitting
from multiturn.engine.structured.lenient import NotJson, read_leniently
from multiturn.engine.structured.validation import read_json

ANSWER_CHARS_MAX = 1_000_000
CANDIDATES_MAX = 8
THOUGHTS = "</think>"
FENCE = re.compile(r"```[a-zA-Z0-9]*[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)


def repair(text: str, schema: Mapping[str, Any]) -> str | None:
    """The answer as JSON that fits a schema that was checked and tightened; None where that would take guessing."""
    fitting = Fitting(schema)
    # Halves of characters are in no JSON.
    whole = text[:ANSWER_CHARS_MAX].encode("utf-8", "replace").decode()
    for value in read_candidates(whole):
        fitted = fitting.fit(value)
        if fitting.fits(fitted):
            return msgspec.json.encode(fitted).decode()
    return None


def read_candidates(text: str) -> Generator[Any]:
    """What the JSON of an answer may be, the likeliest first: as it stands, then with its faults put up with."""
    sources = list_sources(text)
    for source in sources:
        try:
            yield read_json(source)
        except ValueError:
            continue
    for source in sources:
        try:
            yield read_leniently(source)
        except NotJson:
            continue


def list_sources(text: str) -> list[str]:
    """The parts of an answer that may be JSON: code blocks, what stands from the first bracket on, all of it."""
    said = text.rpartition(THOUGHTS)[2].strip()
    sources = [block[1].strip() for block in FENCE.finditer(said)][:CANDIDATES_MAX]
    for opening in ("{", "["):
        start, end = said.find(opening), said.rfind("}" if opening == "{" else "]")
        if start >= 0:
            sources.append(said[start : end + 1] if end > start else said[start:])
            sources.append(said[start:])
    return list(dict.fromkeys(source for source in (said, *sources) if source))
