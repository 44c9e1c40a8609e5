"""Reads a film: its shots with a key frame each, what is written on the screen, and what is said in it."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import msgspec

from multiturn.ingest.media import find_begin, find_video, list_packets, open_media
from multiturn.ingest.ocr import PageReader
from multiturn.ingest.options import Options
from multiturn.ingest.pictures import read_frame, write_jpeg
from multiturn.ingest.screens import Screens
from multiturn.ingest.shots import Sample, Shot, find_shots, make_small
from multiturn.ingest.speaking import Speech
from multiturn.model.segment import Note, Picture, Progress, Reading, Segment

# So often a frame is looked at.
STEP_S = 0.2
# Where there is no frame for long, as in recordings of a screen, the last one stands.
STAND_S = 5.0
# Frames that no other one is made from are not decoded where there are more of them than are looked at.
FPS_PLENTY = 15
FRAME_SIDE_MAX = 640
# Two threads that read one slide wait for each other: on idle cores it takes 0.37 s instead of 0.63 s, on busy ones, as
# a server's are, 3 s instead of 1 s.
SCREEN_THREADS = 1
# Of the work: pictures, against all of it.
PICTURES_SHARE = 0.5
# A time that far behind the end of the film is a damaged one.
BEYOND_S = 60.0
# A file that ends so much before its end says that it is cut off.
MISSING_SHARE, MISSING_S = 0.05, 5.0


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read a film. Raises Refusal when it cannot be opened, or the speech model is not there."""
    speech = Speech(path, options)
    watched = _Watched(path, options)
    share = PICTURES_SHARE if speech.is_wanted else 1.0
    for reading in watched.read():
        yield _scale(reading, 0.0, share)
    for reading in speech.read(watched.find_slide):
        placed = watched.place(reading) if isinstance(reading, Segment) else reading
        yield _scale(placed, share, 1.0)


def _scale(reading: Reading, start: float, end: float) -> Reading:
    if isinstance(reading, Progress):
        return Progress(share=start + (end - start) * reading.share, doing=reading.doing)
    return reading


class _Watched:
    """The pictures of a film. Once they were read it knows which shot, and which slide, is seen at a time."""

    def __init__(self, path: Path, options: Options) -> None:
        self._path = path
        self._options = options
        self._screens = Screens(PageReader(SCREEN_THREADS))
        self._starts: list[float] = []
        self._seen_s = 0.0

    def read(self) -> Iterator[Reading]:
        """Read shots, key frames and what is written in them."""
        duration_s = self._options.probe.duration_s or 0.0
        doing = "reading what is on the screen" if self._options.screens else "looking for shots"
        with open_media(self._path) as container:
            for shot in find_shots(self._list_samples(container, duration_s), end_s=duration_s):
                self._starts.append(shot.start_s)
                yield from self._read_shot(shot)
                yield Progress(share=min(shot.end_s / duration_s, 1.0) if duration_s else 0.0, doing=doing)
        if ended := self._screens.finish():
            yield ended
        if duration_s - self._seen_s > max(MISSING_S, MISSING_SHARE * duration_s):
            yield Note(text=f"The pictures end after {self._seen_s:.0f} of {duration_s:.0f} s: the file is cut off.")

    def _read_shot(self, shot: Shot) -> Iterator[Reading]:
        if self._options.pictures:
            yield _make_picture(shot)
        if self._options.screens and (ended := self._screens.read(shot)):
            yield ended

    def _list_samples(self, container: av.container.InputContainer, duration_s: float) -> Iterator[Sample]:
        """Decode the film and pick the frames that are looked at; where there is a gap, the last one again."""
        last: Sample | None = None
        for frame, at_s in _list_frames(container, self._options.threads):
            is_beyond = duration_s > 0 and at_s > duration_s + BEYOND_S
            if is_beyond or (last is not None and at_s < last.at_s + STEP_S - 1e-3):
                continue
            if last is not None:
                yield from _stand(last, at_s)
            last = Sample(at_s, frame, make_small(frame))
            self._seen_s = at_s
            yield last
        if last is not None and self._seen_s < duration_s <= self._seen_s + BEYOND_S:
            yield from _stand(last, duration_s)

    def find_slide(self, at_s: float) -> str | None:
        """The title of the slide that is seen at a time."""
        return self._screens.titles.get(self._find_shot(at_s))

    def place(self, segment: Segment) -> Segment:
        """Give what is said the shot that is seen with its first phrase, and the title of the slide there."""
        if not self._starts or not segment.place.marks:
            return segment
        first = segment.place.marks[0]
        middle_s = (first.start_s + first.end_s) / 2
        shot, heading = self._find_shot(middle_s), self.find_slide(middle_s)
        return msgspec.structs.replace(
            segment, place=msgspec.structs.replace(segment.place, shot=shot, heading=heading)
        )

    def _find_shot(self, at_s: float) -> int:
        return max(bisect.bisect_right(self._starts, at_s) - 1, 0)


def _stand(last: Sample, end_s: float) -> Iterator[Sample]:
    """The frame that stands until another one comes."""
    at_s = last.at_s + STAND_S
    while at_s < end_s:
        yield last._replace(at_s=at_s)
        at_s += STAND_S


def _list_frames(container: av.container.InputContainer, threads: int) -> Iterator[tuple[av.VideoFrame, float]]:
    """Decode frames with their times, over places that are damaged."""
    stream = find_video(container)
    if stream is None:
        return
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = threads
    rate = float(stream.average_rate or stream.guessed_rate or 25)
    if rate >= FPS_PLENTY:
        stream.codec_context.skip_frame = "NONREF"
    begin_s, at_s = find_begin(container), 0.0
    for packet in list_packets(container, stream):
        for frame in _decode(packet):
            at_s = frame.time - begin_s if frame.time is not None else at_s + 1 / rate
            yield frame, max(at_s, 0.0)


def _decode(packet: av.Packet[av.VideoStream]) -> Sequence[av.VideoFrame]:
    try:
        return [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame) and not frame.is_corrupt]
    except av.error.FFmpegError:
        return []


def _make_picture(shot: Shot) -> Picture:
    jpeg = write_jpeg(read_frame(shot.key.frame, side_max=FRAME_SIDE_MAX))
    at_s = round(shot.key.at_s, 3)
    return Picture(kind="frame", jpeg=jpeg, at_s=at_s, start_s=shot.start_s, end_s=shot.end_s, shot=shot.number)
