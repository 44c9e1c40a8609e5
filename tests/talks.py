"""Talks whose words and slides are known to the second: spoken by espeak-ng, shown as plain slides.

They are encoded with MPEG-4 part 2, VP9, AAC and Opus: what the wheel of PyAV has without the GPL's encoders.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import av
import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tests.system import need_espeak

CACHE = Path(tempfile.gettempdir()) / "multiturn-talks"
MADE = 2  # Counted up when the same words would make another file.
RATE = 22_050
FPS = 10
HUSH_S = 0.4
"""The silence behind a sentence, and before the first one."""
TURN_S = 0.6
"""The silence before a new slide, beyond that of the sentence."""
VOICE = ("-v", "en-us+m3", "-s", "130")  # Of its voices the one that a small speech model understands best.
VIDEO_CODECS = {".mp4": "mpeg4", ".mov": "mpeg4", ".webm": "libvpx-vp9", ".mkv": "mpeg4"}
AUDIO_CODECS = {
    **{".mp4": "aac", ".mov": "aac", ".webm": "libopus", ".mkv": "aac"},
    **{".m4a": "aac", ".mp3": "libmp3lame", ".ogg": "libopus", ".flac": "flac", ".wav": "pcm_s16le"},
}

Sound = NDArray[np.int16]


class Slide(Struct, frozen=True):
    """What a slide shows, and what is said over it, sentence by sentence. One without sentences stands 2 s."""

    title: str
    lines: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()


class Said(Struct, frozen=True):
    """A sentence, from the first sound of it to the last."""

    text: str
    start_s: float
    end_s: float


class Shown(Struct, frozen=True):
    """A slide, and when it stands."""

    title: str
    start_s: float
    end_s: float


class Talk(Struct, frozen=True, kw_only=True):
    """What is true of a talk."""

    duration_s: float
    said: tuple[Said, ...]
    slides: tuple[Shown, ...] = ()

    def find_said(self, words: str) -> Said:
        """The sentence that holds these words."""
        return next(said for said in self.said if words.lower() in said.text.lower())


def make_talk(path: Path, slides: Sequence[Slide], *, size: tuple[int, int] = (640, 360)) -> Talk:
    """Write a video (by its name MP4, MOV, MKV or WebM) of slides that are talked over, and tell what is in it.

    The same talk is made once and copied from then on.
    """
    return _make(path, ["talk", msgspec.to_builtins(slides), size], lambda file: _write_talk(file, slides, size))


def make_speech(path: Path, sentences: Sequence[str]) -> Talk:
    """Write a recording (by its name M4A, MP3, Ogg, FLAC or WAV) of sentences, and tell what is in it."""
    return _make(path, ["speech", *sentences], lambda file: _write_speech(file, sentences))


def draw_slide(slide: Slide, size: tuple[int, int] = (640, 360)) -> Image.Image:
    """Draw a slide: black on white, the title larger."""
    width, height = size
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    unit = min(width, height) / 12
    draw.text((unit, unit), slide.title, "black", ImageFont.load_default(unit * 1.2))
    for number, line in enumerate(slide.lines):
        draw.text((unit, unit * (3.4 + 1.6 * number)), line, (40, 40, 40), ImageFont.load_default(unit * 0.8))
    return image


def speak(text: str) -> Sound:
    """Have a sentence spoken: samples at ``RATE``, without the silence around them."""
    command = [str(need_espeak()), *VOICE, "--stdout", text]
    spoken = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        # espeak-ng does not know how long a stream will be and says that it is endless.
        samples = np.frombuffer(spoken[44:], np.int16)
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 300)
    return samples[loud[0] : loud[-1] + 1]


def _speak(slides: Sequence[Slide]) -> tuple[Sound, Talk]:
    """Speak all slides one behind the other."""
    pieces, said, shown = [_hush(HUSH_S)], list[Said](), list[Shown]()
    begin_s = 0.0
    for number, slide in enumerate(slides):
        pieces += [_hush(TURN_S)] if number else []
        begin_s = _count_s(pieces) if number else 0.0
        for sentence in slide.sentences:
            start_s = _count_s(pieces)
            pieces += [speak(sentence)]
            said.append(Said(sentence, start_s, _count_s(pieces)))
            pieces += [_hush(HUSH_S)]
        pieces += [] if slide.sentences else [_hush(2.0)]
        shown.append(Shown(slide.title, begin_s, _count_s(pieces) + TURN_S))
    duration_s = _count_s(pieces)
    shown[-1] = msgspec.structs.replace(shown[-1], end_s=duration_s)
    return np.concatenate(pieces), Talk(duration_s=duration_s, said=tuple(said), slides=tuple(shown))


def _hush(seconds: float) -> Sound:
    return np.zeros(int(seconds * RATE), np.int16)


def _count_s(pieces: Sequence[Sound]) -> float:
    return round(sum(len(piece) for piece in pieces) / RATE, 3)


def _encode(path: Path, sound: Sound, pictures: Sequence[tuple[Image.Image, Shown]]) -> None:
    with av.open(str(path), "w") as out:
        # A stream has to be there before the first packet is written.
        video = _add_video(out, path.suffix, pictures[0][0].size) if pictures else None
        audio = out.add_stream(AUDIO_CODECS[path.suffix], rate=48_000 if path.suffix in (".ogg", ".webm") else RATE)
        assert isinstance(audio, av.AudioStream)
        audio.layout = "mono"
        for second in range(0, len(sound), RATE):
            start = second // RATE
            for image in _list_frames(pictures, start) if video else ():
                frame = av.VideoFrame.from_ndarray(np.asarray(image), "rgb24")
                out.mux(video.encode(frame) if video else [])
            frame_of_sound = av.AudioFrame.from_ndarray(sound[None, second : second + RATE], "s16", "mono")
            frame_of_sound.sample_rate, frame_of_sound.pts = RATE, second
            frame_of_sound.time_base = Fraction(1, RATE)
            out.mux(audio.encode(frame_of_sound))
        for stream in (video, audio):
            out.mux(stream.encode(None) if stream else [])


def _add_video(out: av.container.OutputContainer, suffix: str, size: tuple[int, int]) -> av.VideoStream:
    options = {"deadline": "realtime", "cpu-used": "8"} if suffix == ".webm" else {}
    video = out.add_stream(VIDEO_CODECS[suffix], rate=FPS, options=options)
    assert isinstance(video, av.VideoStream)
    video.width, video.height = size
    video.pix_fmt, video.bit_rate = "yuv420p", 400_000
    return video


def _list_frames(pictures: Sequence[tuple[Image.Image, Shown]], second: int) -> Iterator[Image.Image]:
    """The frames of a second, as far as the talk goes."""
    for number in range(FPS):
        at_s = second + number / FPS
        if at_s < pictures[-1][1].end_s:
            yield next(image for image, shown in reversed(pictures) if shown.start_s <= at_s)


def _write_talk(path: Path, slides: Sequence[Slide], size: tuple[int, int]) -> Talk:
    sound, talk = _speak(slides)
    _encode(path, sound, [(draw_slide(slide, size), shown) for slide, shown in zip(slides, talk.slides, strict=True)])
    return talk


def _write_speech(path: Path, sentences: Sequence[str]) -> Talk:
    sound, talk = _speak([Slide("", (), tuple(sentences))])
    _encode(path, sound, [])
    return msgspec.structs.replace(talk, slides=())


def _make(path: Path, what: object, write: Callable[[Path], Talk]) -> Talk:
    """Have a file written into the cache unless it is there, and copy it; the truth lies beside it."""
    name = sha256(json.dumps([MADE, what]).encode()).hexdigest()[:24]
    file, truth = CACHE / (name + path.suffix), CACHE / f"{name}{path.suffix}.json"
    if not truth.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            draft = Path(folder) / file.name
            made = msgspec.json.encode(write(draft))
            draft.rename(file)
            # Last, and whole: who sees it may use the file.
            (Path(folder) / "truth").write_bytes(made)
            (Path(folder) / "truth").rename(truth)
    shutil.copyfile(file, path)
    return msgspec.json.decode(truth.read_bytes(), type=Talk)
