"""The sound of a recording as 16 kHz mono, in windows that are cut where nobody speaks: memory stays the same
whatever the length.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps
from numpy.typing import NDArray

from multiturn.ingest.media import find_audio, find_begin, list_packets, open_media

RATE = 16_000
WINDOW_S = 120.0
# What a speech model hears at once is 30 s.
PIECE_S = 28.0
SILENCE_MS, PAD_MS, SPEECH_MS_MIN = 400, 200, 150
# Times that jump by more than this are a gap in the recording; smaller ones are rounding.
JUMP_S = 0.25
# A gap up to here is filled with silence; behind a longer one a new window begins.
FILL_S = 5.0

Samples = NDArray[np.float32]


class Stretch(NamedTuple):
    """Sound without a break, from a time on."""

    samples: Samples
    start_s: float

    @property
    def end_s(self) -> float:
        """When it ends."""
        return self.start_s + len(self.samples) / RATE

    def cut(self, begin: int, end: int) -> Stretch:
        """The samples from ``begin`` to before ``end``."""
        return Stretch(self.samples[begin:end], self.start_s + begin / RATE)


class Heard(NamedTuple):
    """A window, and the pieces of it in which somebody speaks: each at most 28 s."""

    window: Stretch
    pieces: list[Stretch]


def listen(path: Path) -> Iterator[Heard]:
    """Find where somebody speaks, window by window. Raises Refusal when the file cannot be opened."""
    kept: Stretch | None = None
    for stretch in _list_stretches(path):
        if kept is not None and abs(stretch.start_s - kept.end_s) < JUMP_S:
            window = Stretch(np.concatenate((kept.samples, stretch.samples)), kept.start_s)
        else:
            if kept is not None:
                yield Heard(kept, _find_pieces(kept)[0])
            window = stretch
        if len(stretch.samples) < WINDOW_S * RATE:
            kept = window
            continue
        pieces, spoken_to = _find_pieces(window, goes_on=True)
        kept = window.cut(spoken_to, len(window.samples))
        yield Heard(window.cut(0, spoken_to), pieces)
    if kept is not None and len(kept.samples):
        yield Heard(kept, _find_pieces(kept)[0])


def _find_pieces(window: Stretch, *, goes_on: bool = False) -> tuple[list[Stretch], int]:
    """Find the pieces with speech, and the sample up to which the window is dealt with: of one that goes on, what is
    spoken at its end is left for the next.
    """
    options = VadOptions(
        max_speech_duration_s=PIECE_S,
        min_silence_duration_ms=SILENCE_MS,
        speech_pad_ms=PAD_MS,
        min_speech_duration_ms=SPEECH_MS_MIN,
    )
    spans = [(span["start"], span["end"]) for span in get_speech_timestamps(window.samples, options)]
    done = len(window.samples)
    if goes_on:
        # The end may cut a word, or the silence behind it.
        if spans and spans[-1][1] > done - RATE:
            done = spans.pop()[0]
        else:
            done -= RATE
    return [window.cut(begin, end) for begin, end in _join(spans)], done


def _join(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join spans of speech, with the silences between them, to pieces that a model hears at once."""
    joined: list[tuple[int, int]] = []
    for begin, end in spans:
        if joined and end - joined[-1][0] <= PIECE_S * RATE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


def _list_stretches(path: Path) -> Iterator[Stretch]:
    """Decode the sound into stretches of at most a window; where the recording has a gap, a new one begins."""
    blocks: list[Samples] = []
    start_s, length = 0.0, 0
    for samples, at_s in _list_blocks(path):
        gap_s = at_s - (start_s + length / RATE)
        if blocks and (gap_s > FILL_S or length >= WINDOW_S * RATE):
            yield Stretch(np.concatenate(blocks), start_s)
            blocks, length = [], 0
        if not blocks:
            start_s = at_s
        elif gap_s > JUMP_S:
            blocks.append(np.zeros(int(gap_s * RATE), np.float32))
            length += len(blocks[-1])
        blocks.append(samples)
        length += len(samples)
    if blocks:
        yield Stretch(np.concatenate(blocks), start_s)


def _list_blocks(path: Path) -> Iterator[tuple[Samples, float]]:
    """Decode the sound frame by frame, with the time of each, over places that are damaged."""
    with open_media(path) as container:
        stream = find_audio(container)
        if stream is None:
            return
        begin_s, resampler = find_begin(container), _make_resampler()
        at_s = 0.0
        for packet in list_packets(container, stream):
            for frame in _decode(packet):
                said_s = frame.time - begin_s if frame.time is not None else at_s
                try:
                    blocks = [block.to_ndarray()[0] for block in resampler.resample(frame)]
                except (ValueError, av.error.FFmpegError):
                    # The recording changed its format here.
                    resampler = _make_resampler()
                    blocks = [block.to_ndarray()[0] for block in resampler.resample(frame)]
                # Time does not go back: what claims it is a damaged place.
                at_s = max(said_s, at_s - JUMP_S, 0.0)
                for block in blocks:
                    yield block, at_s
                    at_s += len(block) / RATE


def _decode(packet: av.Packet[av.AudioStream]) -> list[av.AudioFrame]:
    try:
        return [frame for frame in packet.decode() if isinstance(frame, av.AudioFrame)]
    except av.error.FFmpegError:
        return []


def _make_resampler() -> av.AudioResampler:
    return av.AudioResampler(format="flt", layout="mono", rate=RATE)


def write_wav(samples: Samples) -> bytes:
    """Write sound as a WAV file of 16 bits."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()
