"""Opens recordings and films: only containers that hold their own bytes, with words for what is wrong with them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet

from multiturn.ingest.refusal import Refusal

# A playlist (HLS, DASH, concat) would have FFmpeg open other files, or addresses in the network.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,nut,rm,ivf,m4v,h264,hevc,obu,dv,gif,"
    "wav,w64,rf64,mp3,aac,ac3,eac3,flac,aiff,amr,amrnb,amrwb,caf,au,ape,tta,wv,mpc,mpc8,dts,truehd,loas"
)
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
# Damaged packets are passed over, up to so many one behind the other.
BROKEN_MAX = 2000
MARKS_BYTES = 1 << 20
DRM_MARKS = (b"encv", b"enca", b"pssh")
CUT_OFF = "The file is cut off or damaged: {reason}."


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open a recording or a film. Raises Refusal when it is none, cut off, or encrypted."""
    try:
        container = av.open(str(path), options=OPTIONS, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise Refusal(_explain(path, error)) from error
    except UnicodeDecodeError as error:
        raise Refusal(CUT_OFF.format(reason="its description is no text")) from error
    with container:
        yield container


def _explain(path: Path, error: av.error.FFmpegError) -> str:
    if path.stat().st_size == 0:
        return "The file is empty."
    if _has_index_missing(path):
        return CUT_OFF.format(reason="the index at its end is missing")
    if isinstance(error, av.error.InvalidDataError | av.error.ArgumentError):  # The latter: a format not listed above.
        return "The file is no recording and no film that can be read, or it is damaged."
    if error.errno == errno.EIO:
        return CUT_OFF.format(reason="it ends within its head, before any picture or sound")
    return CUT_OFF.format(reason=error.strerror or type(error).__name__)


def _has_index_missing(path: Path) -> bool:
    """Whether this is an MP4 or MOV whose boxes end before its index (``moov``)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        place, is_known = 0, False
        while place + 8 <= size:
            file.seek(place)
            head = file.read(16)
            length, name = int.from_bytes(head[:4]), head[4:8]
            if name == b"moov":
                return place + length > size
            is_known = is_known or name in (b"ftyp", b"mdat", b"wide")
            if not is_known:
                return False
            length = int.from_bytes(head[8:16]) if length == 1 else length
            if length < 8:
                return True
            place += length
    return is_known


def is_protected(path: Path) -> bool:
    """Whether a file names an encryption of its streams, as rented films do."""
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(MARKS_BYTES)
        file.seek(max(0, size - MARKS_BYTES))
        ends = begin + file.read(MARKS_BYTES)
    return begin[4:8] == b"ftyp" and b"sinf" in ends and any(mark in ends for mark in DRM_MARKS)


def list_packets(container: InputContainer, *streams: av.stream.Stream) -> Iterator[Packet[Any]]:
    """The packets of some streams, over places that are damaged, to the end or to where nothing more can be read."""
    packets = container.demux(*streams)
    broken = 0
    while broken < BROKEN_MAX:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.EOFError, av.error.BlockingIOError):
            return
        except av.error.FFmpegError:
            # The demuxer itself gave up here; another try goes on behind the place where it can.
            broken += 1
            packets = container.demux(*streams)
            continue
        broken = 0
        yield packet


def find_duration(container: InputContainer) -> float | None:
    """How long a file says that it is, in seconds."""
    if container.duration is not None and container.duration > 0:
        return container.duration / av.time_base
    lengths = [
        float(stream.duration * stream.time_base)
        for stream in container.streams
        if stream.duration is not None and stream.time_base is not None
    ]
    return max(lengths, default=0.0) or None


def find_begin(container: InputContainer) -> float:
    """The time of a file's beginning: some begin at another time than 0, and players show them from 0."""
    return container.start_time / av.time_base if container.start_time else 0.0


def find_video(container: InputContainer) -> av.VideoStream | None:
    """The first stream of moving pictures; a cover picture is none."""
    streams = [stream for stream in container.streams.video if not _is_cover(stream)]
    return streams[0] if streams else None


def find_audio(container: InputContainer) -> av.AudioStream | None:
    """The stream of sound that players choose."""
    streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
    chosen = [stream for stream in streams if av.stream.Disposition.default in stream.disposition]
    return next(iter(chosen or streams), None)


def _is_cover(stream: av.VideoStream) -> bool:
    return stream.codec_context is None or av.stream.Disposition.attached_pic in stream.disposition
