"""Words become phrases with a time of their own, and sound keeps its time over gaps."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from faster_whisper.transcribe import Word

from multiturn.ingest.media_probe import probe
from multiturn.ingest.refusal import Refusal
from multiturn.ingest.sounds import RATE, listen, write_wav
from multiturn.ingest.speech import cut_words, open_listener
from multiturn.ingest.thumbnails import make_thumbnail
from tests.media import hold, hum, paint, write_film


def say(*words: tuple[str, float, float]) -> list[Word]:
    return [Word(start_s, end_s, f" {text}", 0.9) for text, start_s, end_s in words]


def cut(*words: tuple[str, float, float], start_s: float = 0.0) -> list[tuple[str, float, float]]:
    return [(phrase.text, phrase.start_s, phrase.end_s) for phrase in cut_words(say(*words), start_s)]


def test_sentences_are_phrases() -> None:
    spoken = cut(("Bees", 0, 0.4), ("fly.", 0.4, 0.8), ("Honey", 0.9, 1.3), ("keeps.", 1.3, 1.8), start_s=100)
    assert spoken == [("Bees fly.", 100, 100.8), ("Honey keeps.", 100.9, 101.8)]


def test_pause_begins_a_phrase() -> None:
    assert [start_s for _, start_s, _ in cut(("Bees", 0, 0.4), ("fly", 0.9, 1.2), ("far", 1.3, 1.6))] == [0, 0.9]


def test_long_clause_ends_at_its_comma() -> None:
    spoken = cut(("Well,", 0, 0.3), ("bees", 0.3, 1.5), ("fly,", 1.5, 2.9), ("and", 2.9, 3.1), ("sleep.", 3.1, 3.5))
    assert [text for text, _, _ in spoken] == ["Well, bees fly,", "and sleep."]


def test_speech_without_an_end_is_cut_by_time() -> None:
    words = [(f"word{number}", number * 0.5, number * 0.5 + 0.5) for number in range(60)]
    spoken = cut(*words)
    assert all(end_s - start_s <= 5.0 for _, start_s, end_s in spoken)
    assert " ".join(text for text, _, _ in spoken) == " ".join(text for text, _, _ in words)
    assert all(one[2] == other[1] for one, other in pairwise(spoken))


def test_gap_in_a_recording_keeps_the_times(tmp_path: Path) -> None:
    """Sound of 2 s, nothing for 20 s, and sound again: the second window begins when it is heard."""
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        audio = out.add_stream("pcm_s16le", rate=RATE)
        assert isinstance(audio, av.AudioStream)
        audio.layout = "mono"
        for begin_s in (0, 22):
            frame = av.AudioFrame.from_ndarray((hum(2) * 20_000).astype(np.int16)[None, :], "s16", "mono")
            frame.sample_rate, frame.pts = RATE, begin_s * RATE
            out.mux(audio.encode(frame))
        out.mux(audio.encode(None))
    windows = [heard.window for heard in listen(tmp_path / "a.mkv")]
    assert [round(window.start_s) for window in windows] == [0, 22]
    assert windows[-1].end_s == pytest.approx(24, abs=0.2)


def test_film_without_sound_is_not_heard(tmp_path: Path) -> None:
    assert list(listen(write_film(tmp_path / "a.mp4", hold(10, 0, 1)))) == []


def test_sound_is_written_as_wav(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(write_wav(hum(1.5)))
    found = probe(tmp_path / "a.wav", "")
    assert (found.technical["audio_sample_rate"], found.technical["audio_channels"], found.duration_s) == (
        16_000,
        1,
        1.5,
    )


def test_missing_speech_model_is_none(tmp_path: Path) -> None:
    assert open_listener(None, threads=1) is None
    assert open_listener(str(tmp_path), threads=1) is None


def test_damaged_speech_model_is_a_passing_refusal(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    with pytest.raises(Refusal, match="cannot be loaded") as refusal:
        open_listener(str(tmp_path), threads=1)
    assert refusal.value.is_passing


def test_cover_of_a_recording_is_its_thumbnail(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp3"), "w") as out:
        sound = out.add_stream("libmp3lame", rate=RATE)
        cover = out.add_stream("mjpeg", rate=1)
        assert isinstance(sound, av.AudioStream)
        assert isinstance(cover, av.VideoStream)
        sound.layout = "mono"
        cover.width, cover.height, cover.pix_fmt = 320, 180, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray((hum(2) * 20_000).astype(np.int16)[None, :], "s16", "mono")
        frame.sample_rate, frame.pts = RATE, 0
        out.mux(cover.encode(av.VideoFrame.from_ndarray(paint(70), "rgb24")))
        out.mux(cover.encode(None))
        out.mux([*sound.encode(frame), *sound.encode(None)])
    found = probe(tmp_path / "a.mp3", "")
    assert found.kind == "audio"
    assert (make_thumbnail(tmp_path / "a.mp3", found) or b"").startswith(b"\xff\xd8")
