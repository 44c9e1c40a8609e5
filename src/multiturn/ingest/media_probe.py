"""Tells what a recording, a film or an image is by its content, and every technical fact that it states."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from multiturn.ingest.media import (
    CUT_OFF,
    find_audio,
    find_duration,
    find_video,
    is_protected,
    list_packets,
    open_media,
)
from multiturn.ingest.pictures import open_image, read_image_facts
from multiturn.ingest.refusal import Refusal
from multiturn.model.asset import Probe

# Containers by FFmpeg's names: the media type of a film, and of sound alone.
MIMES: Mapping[str, tuple[str, str]] = {
    "mov": ("video/mp4", "audio/mp4"),
    "matroska": ("video/x-matroska", "audio/x-matroska"),
    "avi": ("video/x-msvideo", "audio/x-msvideo"),
    "mpegts": ("video/mp2t", "audio/mp2t"),
    "mpeg": ("video/mpeg", "audio/mpeg"),
    "mpegvideo": ("video/mpeg", "audio/mpeg"),
    "flv": ("video/x-flv", "audio/x-flv"),
    "asf": ("video/x-ms-wmv", "audio/x-ms-wma"),
    "ogg": ("video/ogg", "audio/ogg"),
    "mxf": ("application/mxf", "application/mxf"),
    "gif": ("image/gif", "image/gif"),
    "wav": ("video/x-unknown", "audio/wav"),
    "mp3": ("video/x-unknown", "audio/mpeg"),
    "aac": ("video/x-unknown", "audio/aac"),
    "flac": ("video/x-unknown", "audio/flac"),
    "aiff": ("video/x-unknown", "audio/aiff"),
    "amr": ("video/x-unknown", "audio/amr"),
    "caf": ("video/x-unknown", "audio/x-caf"),
}
UNKNOWN = ("video/x-unknown", "audio/x-unknown")
WEBM_CODECS = {"vp8", "libvpx", "vp9", "libvpx-vp9", "av1", "libdav1d", "opus", "libopus", "vorbis", "libvorbis"}
# The transfer functions of HDR: PQ (SMPTE ST 2084) and HLG (ARIB STD-B67).
HDR_TRANSFERS = (16, 18)
# Packets that are looked at for the intervals between frames, and for one that can be decoded.
PACKETS_MAX = 400
# Two intervals between frames that differ by more than this share are not rounding.
RATE_CHANGE = 0.25
STREAMS_MAX = 32
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")


def probe(path: Path, filename: str) -> Probe:
    """Tell what a file is. Raises Refusal with the reason when it cannot be read as image, sound or film."""
    if path.stat().st_size == 0:
        raise Refusal("The file is empty.")
    image = open_image(path)
    if image is not None:
        with image:
            facts = read_image_facts(image)
        return Probe(kind="image", mime=facts["file_mime_type"], technical=_describe_file(path) | facts)
    if _read_brand(path) in HEIF_BRANDS:
        raise Refusal("HEIC images are not read: save the image as JPEG or PNG.")
    with open_media(path) as container:
        return _probe_media(path, container)


def _read_brand(path: Path) -> bytes:
    """The brand of a file of the MP4 family; of others four bytes of no meaning."""
    with path.open("rb") as file:
        return file.read(12)[8:12]


def _probe_media(path: Path, container: InputContainer) -> Probe:
    video, audio = find_video(container), find_audio(container)
    if video is None and audio is None:
        raise Refusal("The file holds neither pictures nor sound.")
    stream = video or audio
    assert stream is not None
    if is_protected(path):
        raise Refusal("The file is encrypted (DRM): its streams cannot be read.")
    seen = _look(container, stream)
    frame = next((frame for frame in seen.frames if isinstance(frame, av.VideoFrame)), None)
    if not seen.frames:
        name = stream.codec_context.name
        raise Refusal(CUT_OFF.format(reason=f"nothing of its {stream.type} ({name}) can be decoded"))
    duration_s = find_duration(container) or _measure_duration(path, stream.index)
    if duration_s <= 0:
        raise Refusal("The file has no duration: there is nothing in it to see or to hear.")
    mime = _choose_mime(path, container)
    technical = _describe_file(path) | {
        "file_mime_type": mime,
        "file_container_format": container.format.name,
        "duration_seconds": round(duration_s, 3),
        **_describe_streams(container),
    }
    if video is not None:
        technical |= _describe_video(video, frame, duration_s) | {"is_variable_frame_rate": seen.is_uneven}
        # The whole file's rate is all that there is where a stream does not tell its own.
        technical.setdefault("video_bitrate_bps", container.bit_rate)
    if audio is not None:
        technical |= _describe_audio(audio)
    return Probe(kind="video" if video else "audio", mime=mime, duration_s=round(duration_s, 3), technical=technical)


class _Seen:
    """What the first packets of a stream tell: a frame, and whether frames come at uneven times."""

    def __init__(self) -> None:
        self.frames: list[av.VideoFrame | av.AudioFrame] = []
        self.times: list[float] = []

    @property
    def is_uneven(self) -> bool:
        """Whether the intervals between frames change by more than a quarter."""
        times = sorted(self.times)
        steps = sorted(b - a for a, b in itertools.pairwise(times) if b > a)
        # The last interval of what was read may lack frames that come later in the file.
        inner = steps[len(steps) // 50 : len(steps) - len(steps) // 50] if len(steps) > 50 else steps
        return len(inner) > 2 and inner[-1] > inner[0] * (1 + RATE_CHANGE) + 0.002


def _look(container: InputContainer, stream: av.VideoStream | av.AudioStream) -> _Seen:
    """Read the first packets of a stream, and decode until something comes of it."""
    seen = _Seen()
    for packet in itertools.islice(list_packets(container, stream), PACKETS_MAX):
        if packet.pts is not None and packet.time_base is not None:
            seen.times.append(float(packet.pts * packet.time_base))
        if seen.frames:
            if stream.type == "audio":
                break
            continue
        try:
            seen.frames += [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame | av.AudioFrame)]
        except av.error.FFmpegError:
            continue
    return seen


def _measure_duration(path: Path, index: int) -> float:
    """Find out how long a stream is by its packets, where the file does not say so."""
    first, last = None, 0.0
    with open_media(path) as container:
        for packet in list_packets(container, container.streams[index]):
            if packet.pts is None or packet.time_base is None:
                continue
            at_s = float(packet.pts * packet.time_base)
            first = at_s if first is None else min(first, at_s)
            last = max(last, at_s + float((packet.duration or 0) * packet.time_base))
    return last - (first or 0.0)


def _choose_mime(path: Path, container: InputContainer) -> str:
    names = container.format.name.split(",")
    has_video = find_video(container) is not None
    if names[0] == "mov" and _read_brand(path) == b"qt  ":
        return "video/quicktime" if has_video else "audio/mp4"
    codecs = {stream.codec_context.name for stream in (*container.streams.video, *container.streams.audio)}
    if names[0] == "matroska" and codecs <= WEBM_CODECS:
        return "video/webm" if has_video else "audio/webm"
    return MIMES.get(names[0], UNKNOWN)[0 if has_video else 1]


def _describe_file(path: Path) -> dict[str, Any]:
    return {"file_size_bytes": path.stat().st_size}


def _describe_streams(container: InputContainer) -> dict[str, Any]:
    videos, audios = container.streams.video, container.streams.audio
    return {
        "has_audio": bool(audios),
        "total_video_streams": len(videos),
        "total_audio_streams": len(audios),
        "total_subtitle_streams": len(container.streams.subtitles),
        "video_streams": [_list_video_facts(stream) for stream in videos[:STREAMS_MAX]],
        "audio_streams": [_list_audio_facts(stream) for stream in audios[:STREAMS_MAX]],
    }


def _list_video_facts(stream: av.VideoStream) -> dict[str, Any]:
    context = stream.codec_context
    rate = float(stream.average_rate) if stream.average_rate else None
    facts = {
        "index": stream.index,
        "codec": context.name,
        "width": context.width,
        "height": context.height,
        "fps": rate,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _list_audio_facts(stream: av.AudioStream) -> dict[str, Any]:
    facts: dict[str, Any] = {"index": stream.index, "codec": stream.codec_context.name}
    facts |= {"sample_rate": stream.codec_context.sample_rate, "channels": stream.codec_context.channels}
    return facts | ({"language": stream.language} if stream.language else {})


def _describe_video(stream: av.VideoStream, frame: av.VideoFrame | None, duration_s: float) -> dict[str, Any]:
    """The facts of the moving pictures; width and height are as players show them, after the rotation."""
    context = stream.codec_context
    rotation = frame.rotation % 360 if frame else 0
    width, height = (context.height, context.width) if rotation in (90, 270) else (context.width, context.height)
    rate = stream.average_rate or stream.guessed_rate
    transfer = int(frame.color_trc) if frame else 0
    facts = {
        "video_codec": context.name,
        "video_width": width,
        "video_height": height,
        "video_fps": round(float(rate), 3) if rate else None,
        "video_duration_seconds": round(duration_s, 3),
        "video_bitrate_bps": context.bit_rate or None,
        "video_rotation": rotation,
        "is_hdr": transfer in HDR_TRANSFERS,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _describe_audio(stream: av.AudioStream) -> dict[str, Any]:
    context = stream.codec_context
    facts = {
        "audio_codec": context.name,
        "audio_sample_rate": context.sample_rate,
        "audio_channels": context.channels,
        "audio_bitrate_bps": context.bit_rate or None,
    }
    return {name: value for name, value in facts.items() if value is not None}
