"""Reads subtitles that are inside a film: somebody wrote what is said, better than a model hears it."""

from __future__ import annotations

import re
from pathlib import Path

import av
from av.subtitles.stream import SubtitleStream

from multiturn.ingest.media import find_begin, list_packets, open_media
from multiturn.model.phrases import Phrase

# Other codecs hold pictures of text.
TEXT_CODECS = {"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"}
CUES_MAX = 100_000
# Nine fields stand before the text of an ASS event; FFmpeg turns every format into it.
FIELDS_BEFORE = 8
STYLE = re.compile(r"\{[^}]*\}|<[^>]*>")
# What is not said but described, whole cues of it.
DESCRIBED = re.compile(r"^\s*(\[[^\]]*\]|\([^)]*\)|♪.*)\s*$", re.DOTALL)


def list_subtitles(path: Path) -> list[Phrase]:
    """The cues of the subtitles that players would choose; nothing where there are none of text."""
    with open_media(path) as container:
        stream = _choose(container)
        if stream is None:
            return []
        begin_s = find_begin(container)
        phrases: list[Phrase] = []
        for packet in list_packets(container, stream):
            if packet.pts is None or packet.time_base is None or len(phrases) >= CUES_MAX:
                continue
            start_s = float(packet.pts * packet.time_base) - begin_s
            end_s = start_s + float((packet.duration or 0) * packet.time_base)
            if text := _read_text(packet):
                phrases.append(Phrase(text, start_s, end_s))
        return sorted(phrases, key=lambda phrase: phrase.start_s)


def _choose(container: av.container.InputContainer) -> SubtitleStream | None:
    """The subtitles that are on by default, else the first; never those of a few foreign words (forced)."""
    streams = [
        stream
        for stream in container.streams.subtitles
        if stream.codec_context.name in TEXT_CODECS and av.stream.Disposition.forced not in stream.disposition
    ]
    chosen = [stream for stream in streams if av.stream.Disposition.default in stream.disposition]
    return next(iter(chosen or streams), None)


def _read_text(packet: av.Packet[SubtitleStream]) -> str:
    try:
        cues = [cue for cue in packet.decode() if cue is not None]
    except (av.error.FFmpegError, UnicodeDecodeError):
        return ""
    texts = [_strip(cue) for cue in cues]
    return " ".join(text for text in texts if text)


def _strip(cue: object) -> str:
    line = getattr(cue, "ass", b"").decode("utf-8", "replace")
    text = line.split(",", FIELDS_BEFORE)[-1]
    text = STYLE.sub("", text.replace(r"\N", " ").replace(r"\n", " ").replace(r"\h", " "))
    return "" if DESCRIBED.match(text) else " ".join(text.split())
