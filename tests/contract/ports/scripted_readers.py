"""Readers that say what they are told to, file by file, and fail or wait where the script does."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from multiturn.engine.ports_assets import ReadOrder
from multiturn.errors import MultiturnError, UnreadableFile
from multiturn.model.asset import AssetKind, Fetched, Probe
from multiturn.model.segment import Note, Picture, Place, Progress, Reading, Segment, Sound

JPEG = b"\xff\xd8 a picture \xff\xd9"


@dataclass(slots=True)
class ScriptedReaders:
    """Reads a file by its first line, ``kind``, and the lines behind it: each is a segment of its own. A line that
    begins with ``!`` does something else: ``!page 3``, ``!frame 2``, ``!sound``, ``!note …``, ``!title …``.

    ``errors`` are raised by the next calls, in their order, before anything is read; while ``gate`` is set a read waits
    for it behind its first reading. ``calls`` counts probes, reads, thumbnails and hls by file.
    """

    errors: list[MultiturnError | Exception] = field(default_factory=list)
    gate: asyncio.Event | None = None
    calls: Counter[str] = field(default_factory=Counter)
    orders: list[ReadOrder] = field(default_factory=list)

    async def probe(self, path: Path, filename: str) -> Probe:
        """What the first line says."""
        self.calls["probe"] += 1
        self._fail()
        kind = path.read_text("utf-8").split("\n", 1)[0]
        for known in get_args(AssetKind):
            if known == kind:
                title = re.search(r"^!title (.*)$", path.read_text("utf-8"), re.MULTILINE)
                technical = {"video_width": 640, **({"title": title[1]} if title else {})}
                return Probe(kind=known, mime=f"{kind}/x-test", duration_s=60.0, technical=technical)
        raise UnreadableFile(f"'{filename}' is nothing that is read.")

    async def read(self, path: Path, order: ReadOrder) -> AsyncGenerator[Reading]:
        """What the other lines say."""
        self.calls["read"] += 1
        self.orders.append(order)
        self._fail()
        lines = path.read_text("utf-8").splitlines()[1:]
        page = 1
        for number, line in enumerate(lines):
            if line.startswith(("!page ", "!title ")):
                page = int(line.split()[1]) if line.startswith("!page ") else page
                continue
            yield self._say(line, number, page, is_heard=order.probe.kind != "document")
            yield Progress(share=(number + 1) / len(lines))
            if self.gate:
                await self.gate.wait()

    def _say(self, line: str, number: int, page: int, *, is_heard: bool) -> Reading:
        if line.startswith("!frame "):
            shot = int(line.removeprefix("!frame "))
            return Picture(kind="frame", jpeg=JPEG, shot=shot, start_s=shot * 5.0, end_s=shot * 5.0 + 5.0)
        if line == "!sound":
            return Sound(audio=b"RIFF", start_s=number * 5.0, end_s=number * 5.0 + 5.0)
        if line.startswith("!note "):
            return Note(text=line.removeprefix("!note "))
        if is_heard:
            place = Place(start_s=number * 5.0, end_s=number * 5.0 + 5.0)
            return Segment(text=line, modality="speech", place=place)
        return Segment(text=line, place=Place(page=page))

    async def make_thumbnail(self, path: Path, probe: Probe) -> bytes | None:
        """A picture, of what has one."""
        self.calls["thumbnail"] += 1
        self._fail()
        return JPEG if probe.kind in ("video", "image") else None

    async def make_hls(self, path: Path, folder: Path) -> None:
        """A stream of one segment, of a video."""
        self.calls["hls"] += 1
        self._fail()
        if not path.read_text("utf-8").startswith("video"):
            raise UnreadableFile("There is nothing to play in this file.")
        (folder / "stream.m3u8").write_text("#EXTM3U\nstream0.ts\n")
        (folder / "stream0.ts").write_bytes(b"x" * 188)

    def _fail(self) -> None:
        if self.errors:
            raise self.errors.pop(0)


class NoFetcher:
    """Fetches nothing."""

    def fetch(self, url: str, *, bytes_max: int) -> AbstractAsyncContextManager[Fetched]:
        """Refuse."""
        raise UnreadableFile(f"{url} is not fetched.")


class ScriptedDescriber:
    """Describes pictures by their number; ``errors`` are raised by the next calls."""

    def __init__(self, *errors: MultiturnError) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def describe(self, jpeg: bytes, context: str) -> str:
        """Say what is to be seen."""
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return f"Picture {self.calls} of {context}."


class ScriptedTranscriber:
    """Hears the same in every sound; ``errors`` are raised by the next calls."""

    def __init__(self, *errors: MultiturnError) -> None:
        self.errors = list(errors)

    async def transcribe(self, audio: bytes, *, start_s: float) -> Sequence[Segment]:
        """Say what is heard."""
        if self.errors:
            raise self.errors.pop(0)
        place = Place(start_s=start_s, end_s=start_s + 2.0)
        return [Segment(text=f"Heard at {start_s:g} seconds.", modality="speech", place=place)]


class ScriptedExtractor:
    """Says what it was told to of each item; ``errors`` are raised by the next calls."""

    model = "scripted"

    def __init__(self, facts: Sequence[dict[str, Any]] = (), summary: str | None = None) -> None:
        self.facts = list(facts)
        self.summary = summary
        self.errors: list[MultiturnError] = []
        self.schemas: list[dict[str, Any]] = []

    async def extract(self, text: str, schema: dict[str, Any]) -> dict[str, Any]:
        """The next facts."""
        if self.errors:
            raise self.errors.pop(0)
        self.schemas.append(schema)
        return self.facts.pop(0)

    async def make_schema(self, description: str) -> dict[str, Any]:
        """A schema with one property of that name."""
        return {"type": "object", "properties": {description: {"type": "string", "description": description}}}

    async def summarise(self, title: str, text: str) -> str | None:
        """The summary."""
        if self.errors:
            raise self.errors.pop(0)
        return self.summary
