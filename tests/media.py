"""Films and recordings that are made to a purpose, and reading them without the process around."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import msgspec
import numpy as np
from numpy.typing import NDArray

from multiturn.ingest.media_probe import probe
from multiturn.ingest.options import Options
from multiturn.model.segment import Modality, Reading, Segment
from multiturn.upstream.catalogue import DEFAULTS
from multiturn.upstream.model_files import ModelFiles, find_shared_dir

Pixels = NDArray[np.uint8]
RATE = 16_000


@cache
def find_speech_model() -> str:
    """The folder of the default speech model, which is fetched when this machine has none."""
    files = ModelFiles(Path(os.devnull), shared_dir=find_shared_dir(os.environ))
    return str(asyncio.run(files.pull(DEFAULTS["speech"])).parent)


def paint(shade: int, size: tuple[int, int] = (320, 180)) -> Pixels:
    """A picture with structure, another one for each shade."""
    width, height = size
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    wave = (np.sin(across / (4 + shade % 7)) + np.cos(down / (3 + shade % 5))) * 50
    colours = np.stack([wave + shade, wave + 255 - shade, wave + (shade * 3) % 256], axis=2)
    pixels: Pixels = np.clip(colours, 0, 255).astype(np.uint8)
    return pixels


def write_film(
    path: Path,
    frames: Iterable[tuple[Pixels, float]],
    *,
    sound: NDArray[np.float32] | None = None,
    codec: str = "mpeg4",
    rotation: int = 0,
) -> Path:
    """Write pictures, each from its second on, and sound beside them."""
    shown = list(frames)
    height, width = shown[0][0].shape[:2]
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=30)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt, video.bit_rate = width, height, "yuv420p", 800_000
        video.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            video.set_display_rotation(rotation)
        audio = _add_sound(out, sound)
        for pixels, at_s in shown:
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = round(at_s * 1000), Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio is not None and sound is not None:
            out.mux(_encode_sound(audio, sound))
    return path


def write_sound(path: Path, sound: NDArray[np.float32]) -> Path:
    """Write sound of 16 kHz alone."""
    with av.open(str(path), "w") as out:
        audio = _add_sound(out, sound, codec="libmp3lame" if path.suffix == ".mp3" else "pcm_s16le")
        assert audio is not None
        out.mux(_encode_sound(audio, sound))
    return path


def _add_sound(
    out: av.container.OutputContainer, sound: NDArray[np.float32] | None, codec: str = "aac"
) -> av.AudioStream | None:
    if sound is None:
        return None
    audio = out.add_stream(codec, rate=RATE)
    assert isinstance(audio, av.AudioStream)
    audio.layout = "mono"
    return audio


def _encode_sound(audio: av.AudioStream, sound: NDArray[np.float32]) -> list[av.Packet[av.AudioStream]]:
    frame = av.AudioFrame.from_ndarray((sound * 32767).astype(np.int16)[None, :], "s16", "mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
    return [*audio.encode(frame), *audio.encode(None)]


def hold(shade: int, start_s: float, end_s: float, *, fps: float = 10) -> Iterator[tuple[Pixels, float]]:
    """One picture that stands."""
    for number in range(round((end_s - start_s) * fps)):
        yield paint(shade), start_s + number / fps


def hum(seconds: float) -> NDArray[np.float32]:
    """Chords without a voice."""
    times = np.arange(int(seconds * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * pitch * times * (1 + 0.1 * np.floor(times))) for pitch in (220, 277, 330))
    return (np.asarray(tones) * 0.2).astype(np.float32)


def read_file(path: Path, *, speech_model: str | None = None, **flags: bool) -> list[Reading]:
    """Read a film, a recording or an image as the reader process would."""
    found = probe(path, path.name)
    options = msgspec.structs.replace(Options(probe=found, speech_model=speech_model, threads=2), **flags)
    return list(importlib.import_module(f"multiturn.ingest.{found.kind}").read(path, options))


def list_segments(readings: Sequence[Reading], modality: Modality) -> list[Segment]:
    """The segments of one modality."""
    return [reading for reading in readings if isinstance(reading, Segment) and reading.modality == modality]
