"""Makes the picture that stands for a film or an image, and the cover of a recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av

from multiturn.ingest.media import find_begin, find_duration, find_video, list_packets, open_media
from multiturn.ingest.pictures import SIDE_MAX, load_image, open_image, read_frame, write_jpeg
from multiturn.ingest.shots import EMPTY_SCORE, make_small, rate
from multiturn.model.asset import Probe

# Where in a film its picture is looked for, the first that shows something.
PLACES = (0.1, 0.3, 0.5, 0.0)
PACKETS_MAX = 600


def make_thumbnail(path: Path, probe: Probe) -> bytes | None:
    """A JPEG of at most 640 pixels a side; None for what has no picture. Raises Refusal."""
    if probe.kind == "image":
        image = open_image(path)
        if image is None:
            return None
        with image:
            return write_jpeg(load_image(image, side_max=SIDE_MAX))
    with open_media(path) as container:
        frame = _find_cover(container) if probe.kind == "audio" else _find_frame(container)
        return write_jpeg(read_frame(frame, side_max=SIDE_MAX)) if frame is not None else None


def _find_frame(container: av.container.InputContainer) -> av.VideoFrame | None:
    """The first frame of some places that is neither black nor of one colour, else the first one."""
    stream = find_video(container)
    if stream is None:
        return None
    duration_s, found = find_duration(container) or 0.0, None
    for place in PLACES:
        for frame in _seek(container, stream, duration_s * place):
            if rate(make_small(frame)) >= EMPTY_SCORE:
                return frame
            found = found or frame
    return found


def _seek(container: av.container.InputContainer, stream: av.VideoStream, at_s: float) -> Iterator[av.VideoFrame]:
    """The frame of the key frame before a time; nothing when there is none that can be read."""
    try:
        container.seek(int((at_s + find_begin(container)) * av.time_base))
    except av.error.FFmpegError:
        return
    for number, packet in enumerate(list_packets(container, stream)):
        try:
            frames = [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
        except av.error.FFmpegError:
            frames = []
        if frames or number > PACKETS_MAX:
            yield from frames[:1]
            return


def _find_cover(container: av.container.InputContainer) -> av.VideoFrame | None:
    """The cover that is inside a recording."""
    for stream in container.streams.video:
        for frame in _seek(container, stream, 0.0):
            return frame
    return None
