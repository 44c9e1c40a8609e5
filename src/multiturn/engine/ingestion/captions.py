"""Captions of key frames, asked of a model while the file is read on."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from multiturn.engine.ports_ingestion import Describer
from multiturn.errors import MultiturnError
from multiturn.model.segment import Picture, Place, Segment

log = logging.getLogger(__name__)

AT_ONCE_MAX = 4
# A model that failed so often in a row is not asked for the rest of the file.
FAILURES_MAX = 3


class Asked(NamedTuple):
    """A picture that the model is looking at."""

    picture: Picture
    answer: asyncio.Task[str | None]


class Captions:
    """The captions of one file's pictures, in the order of the pictures. A picture without one costs nothing but that:
    ``missing`` counts them, and ``error`` is what the model said last.
    """

    def __init__(self, describer: Describer, context: str) -> None:
        self.describer = describer
        self.context = context
        self.asked: deque[Asked] = deque()
        self.failures = 0
        self.missing = 0
        self.error = ""

    async def add(self, picture: Picture) -> Sequence[Segment]:
        """Have a picture described; the captions that are there by now. Waits while too many are not."""
        if self.failures >= FAILURES_MAX:
            self.missing += 1
            return list(self._take())
        self.asked.append(Asked(picture, asyncio.create_task(self._describe(picture))))
        if len(self.asked) > AT_ONCE_MAX:
            await asyncio.wait([self.asked[0].answer])
        return list(self._take())

    async def finish(self) -> Sequence[Segment]:
        """The captions that are left."""
        if self.asked:
            await asyncio.wait([asked.answer for asked in self.asked])
        return list(self._take())

    async def close(self) -> None:
        """Ask for no more."""
        tasks = [asked.answer for asked in self.asked]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _describe(self, picture: Picture) -> str | None:
        try:
            text = await self.describer.describe(picture.jpeg, self.context)
        except MultiturnError as error:
            log.info("a picture has no caption: %s", error)
            self.failures += 1
            self.missing += 1
            self.error = error.message
            return None
        self.failures = 0
        return text.strip()

    def _take(self) -> Iterator[Segment]:
        """Take the captions from the front that are there."""
        while self.asked and self.asked[0].answer.done():
            picture, answer = self.asked.popleft()
            if text := answer.result():
                yield Segment(text=text, modality="caption", place=place_of(picture))


def place_of(picture: Picture) -> Place:
    """Where a picture is seen: as long as its shot lasts."""
    start_s = picture.at_s if picture.start_s is None else picture.start_s
    return Place(page=picture.page, shot=picture.shot, start_s=start_s, end_s=picture.end_s or start_s)
