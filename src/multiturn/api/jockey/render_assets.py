"""Assets, uploads and transcripts as Jockey's clients expect them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from multiturn.api.jockey.asset_wire import (
    JockeyAssetBody,
    JockeyHlsBody,
    JockeyReasonBody,
    JockeySpokenBody,
    JockeyThumbnailBody,
    JockeyTranscriptionBody,
)
from multiturn.api.jockey.media import Media
from multiturn.engine.speech import Transcript
from multiturn.model.asset import Asset
from multiturn.model.segment import Mark, Segment

SENTENCE = re.compile(r"\S.*?(?:[.!?…]+[\"'”’)]*(?=\s|$)|$)", re.DOTALL)
WORD = re.compile(r"\S+")


def write_time(time: datetime) -> datetime:
    """A time in whole seconds, as everywhere in this dialect."""
    return time.replace(microsecond=0)


def render_asset(asset: Asset, media: Media) -> JockeyAssetBody:
    """An asset with what is known of it by now."""
    is_ready = asset.status == "ready"
    return JockeyAssetBody(
        id=asset.alias,
        method=asset.method,
        status=asset.status,
        filename=asset.filename,
        file_type=asset.mime,
        created_at=write_time(asset.created_at),
        user_metadata=asset.metadata,
        size=asset.size_bytes if is_ready else None,
        duration=asset.duration_s if is_ready else None,
        hls=render_hls(asset, media),
        thumbnail=render_thumbnail(asset, media),
        technical_metadata=asset.technical if is_ready else None,
        error=JockeyReasonBody(message=asset.error or "It could not be read.") if asset.status == "failed" else None,
        asset_type=asset.kind if is_ready else None,
        url=media.file(asset),
    )


def render_hls(asset: Asset, media: Media) -> JockeyHlsBody | None:
    """Video and sound as HLS, where that was asked for; other files have no such thing."""
    if asset.hls == "none" or asset.kind in ("image", "document"):
        return None
    return JockeyHlsBody(status=asset.hls, manifest_url=media.hls(asset))


def render_thumbnail(asset: Asset, media: Media) -> JockeyThumbnailBody | None:
    """A still of an asset, where one was asked for; a sound has none."""
    if asset.thumbnail == "none" or asset.kind == "audio":
        return None
    return JockeyThumbnailBody(status=asset.thumbnail, representative_url=media.thumbnail(asset))


def render_transcription(transcript: Transcript, wanted: Sequence[str]) -> JockeyTranscriptionBody:
    """What is said in an asset, in the units that were asked for."""
    if transcript.status != "ready":
        error = JockeyReasonBody(message=transcript.error or "It was not read.")
        return JockeyTranscriptionBody(status=transcript.status, error=error if transcript.status == "failed" else None)
    segments = transcript.segments
    return JockeyTranscriptionBody(
        status="ready",
        words=list(list_units(segments, WORD)) if "words" in wanted else None,
        sentences=list(list_units(segments, SENTENCE)) if "sentences" in wanted else None,
        utterances=list(list_utterances(segments)) if "utterances" in wanted else None,
    )


def list_utterances(segments: Sequence[Segment]) -> Iterator[JockeySpokenBody]:
    """Stretches that were spoken without a break, as far as it was heard."""
    for segment in segments:
        place = segment.place
        if place.start_s is not None:
            yield JockeySpokenBody(start=place.start_s, end=place.end_s or place.start_s, value=segment.text.strip())


def list_units(segments: Sequence[Segment], unit: re.Pattern[str]) -> Iterator[JockeySpokenBody]:
    """Words or sentences with their times, which lie between those of the phrases around them."""
    for segment in segments:
        place = segment.place
        if place.start_s is None:
            continue
        marks = place.marks or (Mark(0, place.start_s, place.end_s or place.start_s),)
        for found in unit.finditer(segment.text):
            start = find_time(marks, segment.text, found.start())
            # The last character's phrase: the next one may begin where this word ends.
            end = max(start, find_time(marks, segment.text, found.end(), phrase_of=found.end() - 1))
            yield JockeySpokenBody(start=round(start, 3), end=round(end, 3), value=found[0])


def find_time(marks: Sequence[Mark], text: str, character: int, *, phrase_of: int | None = None) -> float:
    """When a character is said, in its own phrase or in that of another: one is taken to be spoken evenly."""
    at = character if phrase_of is None else phrase_of
    number = max((number for number, mark in enumerate(marks) if mark.start <= at), default=0)
    mark = marks[number]
    until = marks[number + 1].start if number + 1 < len(marks) else len(text)
    share = (character - mark.start) / max(1, until - mark.start)
    return mark.start_s + min(1.0, max(0.0, share)) * (mark.end_s - mark.start_s)
