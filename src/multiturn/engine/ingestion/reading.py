"""The step that reads: what comes out of a reader becomes the parts of an item, stored as they come."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import aclosing

import msgspec

from multiturn.engine.ingestion.asset_work import probe_of
from multiturn.engine.ingestion.attempt import Attempt
from multiturn.engine.ingestion.captions import Captions
from multiturn.engine.ingestion.equipment import WAITING_CODE
from multiturn.engine.ports_assets import ReadOrder
from multiturn.errors import Unavailable, UnreadableFile
from multiturn.model.segment import Note, Picture, Progress, Reading, Segment, Sound

# Parts are stored in batches of so many, and each second: a restart reads anew, but a person sees them come.
PARTS_PER_BATCH, BATCH_CHARACTERS, BATCH_S = 64, 200_000, 1.0
# Characters are numbers of 32 bits in the index, and so much text is a library, not a file.
CHARACTERS_MAX = 100_000_000
NOTHING_READ = "Nothing to read was found in this file: no text and no speech. It is found by its name alone."


async def read_item(attempt: Attempt) -> None:
    """Read the item's file into parts, instead of those that are there. Raises what the reader raises."""
    equipment = attempt.equipment
    asset = attempt.asset
    hears = asset.kind in ("audio", "video") and asset.technical.get("has_audio", True)
    if hears and equipment.transcriber is None and equipment.is_speech_coming():
        raise Unavailable("The speech model is being fetched; reading begins when it is there.", code=WAITING_CODE)
    attempt.check(await equipment.parts.clear_parts(attempt.job, attempt.item))
    order = ReadOrder(
        probe=probe_of(asset),
        pictures=asset.kind == "video" or (asset.kind == "image" and equipment.describer is not None),
        sounds=equipment.transcriber is not None,
    )
    text = ItemText(attempt)
    try:
        async with equipment.files.open_local(asset) as path, aclosing(equipment.readers.read(path, order)) as readings:
            async for reading in readings:
                await text.take(reading)
        await text.finish()
    finally:
        await text.close()


class ItemText:
    """The text of an item as it grows: parts behind one another, each stored with its first character."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        describer = attempt.equipment.describer
        self.captions = Captions(describer, attempt.item.title) if describer else None
        self.waiting: list[tuple[int, Segment]] = []
        self.characters = 0
        self.stored_at = time.monotonic()
        attempt.item = msgspec.structs.replace(attempt.item, notes=(), characters=0)

    async def take(self, reading: Reading) -> None:
        """Take what a reader found."""
        match reading:
            case Segment():
                await self._add([reading])
            case Picture():
                await self._take_picture(reading)
            case Sound(audio=audio, start_s=start_s):
                transcriber = self.attempt.equipment.transcriber
                await self._add(await transcriber.transcribe(audio, start_s=start_s) if transcriber else [])
            case Progress(share=share):
                await self.attempt.advance(share)
            case Note(text=text):
                self.attempt.note(text)

    async def _take_picture(self, picture: Picture) -> None:
        """Keep a key frame, which is the still of a citation, and have it described."""
        number = picture.page if picture.shot is None else picture.shot
        if picture.kind == "frame" and number is not None:
            await self.attempt.equipment.files.save_frame(self.attempt.asset, number, picture.jpeg)
        if picture.kind == "frame" and self.captions:
            await self._add(await self.captions.add(picture))

    async def _add(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            if segment.text.strip():
                self.waiting.append((self.characters, segment))
                self.characters += len(segment.text)
        if self.characters > CHARACTERS_MAX:
            raise UnreadableFile(f"The file holds more than {CHARACTERS_MAX} characters of text. Cut it into several.")
        held = self.characters - self.waiting[0][0] if self.waiting else 0
        is_time = time.monotonic() - self.stored_at >= BATCH_S
        if len(self.waiting) >= PARTS_PER_BATCH or held >= BATCH_CHARACTERS or (self.waiting and is_time):
            await self._store()

    async def _store(self) -> None:
        attempt, parts = self.attempt, self.waiting
        self.waiting, self.stored_at = [], time.monotonic()
        attempt.check(await attempt.equipment.parts.add_parts(attempt.job, attempt.item, parts))

    async def finish(self) -> None:
        """Store what is left, and say what is missing."""
        if self.captions:
            await self._add(await self.captions.finish())
            if self.captions.missing:
                text = f"{self.captions.missing} pictures have no caption: {self.captions.error}"
                self.attempt.note(text)
        if self.waiting:
            await self._store()
        if not self.characters:
            self.attempt.note(NOTHING_READ)
        self.attempt.item = msgspec.structs.replace(self.attempt.item, characters=self.characters)

    async def close(self) -> None:
        """Leave nothing running."""
        if self.captions:
            await self.captions.close()
