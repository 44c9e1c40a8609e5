"""Assets and their transcripts as the native API writes them."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.requests import Request

from multiturn.api.media_links import absolute
from multiturn.api.native.assets_wire import AssetBody, AssetExtraBody, PhraseBody, TranscriptBody
from multiturn.engine.links import Links
from multiturn.engine.speech import Transcript
from multiturn.model.asset import Asset
from multiturn.model.segment import Segment


def render_asset(request: Request, links: Links, asset: Asset) -> AssetBody:
    """An asset, with links that work without a key."""
    has_thumbnail, has_hls = asset.thumbnail == "ready", asset.hls == "ready"
    return AssetBody(
        id=str(asset.id),
        short_id=asset.alias,
        status=asset.status,
        error=asset.error,
        method=asset.method,
        filename=asset.filename,
        kind=asset.kind,
        mime=asset.mime,
        size_bytes=asset.size_bytes,
        duration_s=asset.duration_s,
        pages=asset.pages,
        sha256=asset.digest,
        source_url=asset.url,
        technical=asset.technical,
        metadata=asset.metadata,
        purpose=asset.purpose,
        created_at=asset.created_at,
        updated_at=asset.updated_at,
        url=absolute(request, links.file(asset)) if asset.digest else None,
        thumbnail=AssetExtraBody(
            status=asset.thumbnail,
            url=absolute(request, links.thumbnail(asset)) if has_thumbnail else None,
            error=None,
        ),
        hls=AssetExtraBody(
            status=asset.hls, url=absolute(request, links.hls(asset)) if has_hls else None, error=asset.hls_error
        ),
    )


def render_transcript(asset: Asset, transcript: Transcript) -> TranscriptBody:
    """A transcript, phrase by phrase."""
    return TranscriptBody(
        asset_id=str(asset.id),
        status=transcript.status,
        error=transcript.error,
        text="\n".join(segment.text for segment in transcript.segments),
        phrases=list(list_phrases(transcript)),
    )


def list_phrases(transcript: Transcript) -> Iterator[PhraseBody]:
    """The phrases of a transcript, each with its time; a segment whose phrases are not known is one."""
    for segment in transcript.segments:
        place, marks = segment.place, segment.place.marks
        if not marks:
            yield PhraseBody(start_s=place.start_s or 0, end_s=place.end_s or 0, text=segment.text)
            continue
        ends = [*(mark.start for mark in marks[1:]), len(segment.text)]
        for mark, end in zip(marks, ends, strict=True):
            if text := segment.text[mark.start : end].strip():
                yield PhraseBody(start_s=mark.start_s, end_s=mark.end_s, text=text)


def write_text(segments: tuple[Segment, ...]) -> str:
    """A transcript as plain text."""
    return "".join(f"{segment.text}\n" for segment in segments)


def write_srt(phrases: Iterator[PhraseBody]) -> str:
    """A transcript as SubRip subtitles."""
    return "".join(
        f"{number}\n{write_time(phrase.start_s, ',')} --> {write_time(phrase.end_s, ',')}\n{one_line(phrase.text)}\n\n"
        for number, phrase in enumerate(phrases, start=1)
    )


def write_vtt(phrases: Iterator[PhraseBody]) -> str:
    """A transcript as WebVTT subtitles; what would be markup is escaped."""
    cues = (
        f"{write_time(phrase.start_s, '.')} --> {write_time(phrase.end_s, '.')}\n{escape(one_line(phrase.text))}\n\n"
        for phrase in phrases
    )
    return "WEBVTT\n\n" + "".join(cues)


def write_time(time_s: float, point: str) -> str:
    """A time as subtitles write it."""
    ms = round(time_s * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"


def one_line(text: str) -> str:
    """A text without line breaks: an empty line would end a subtitle."""
    return " ".join(text.split())


def escape(text: str) -> str:
    """A text in which nothing is markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
