"""What is said and shown in films and recordings is found where it is, whatever the file is like."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from multiturn.ingest.hls import make_hls
from multiturn.ingest.media_probe import probe
from multiturn.ingest.refusal import Refusal
from multiturn.ingest.sounds import listen
from multiturn.ingest.thumbnails import make_thumbnail
from multiturn.model.segment import Note, Picture, Progress, Reading, Segment, Sound
from tests.media import find_speech_model, hold, hum, list_segments, paint, read_file, write_film, write_sound
from tests.talks import Said, Slide, Talk, draw_slide, make_speech, make_talk

pytestmark = pytest.mark.slow

NEAR_S = 1.5
SLIDES = (
    Slide(
        "Growing tomatoes",
        ("Water every morning", "Six hours of sun"),
        ("Welcome to this short course about the garden.", "Tomatoes want six hours of sun every day."),
    ),
    Slide(
        "Bees and honey",
        ("A hive has one queen", "Honey keeps for years"),
        ("The second part is about bees.", "A healthy hive has one queen and many workers."),
    ),
    Slide(
        "Compost",
        ("Brown and green", "Turn it each month"),
        ("Good soil begins with compost.", "Turn the heap once a month until it smells like a forest."),
    ),
)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Talk, list[Reading]]:
    """A talk, what is true of it, and what is read in it."""
    path = tmp_path_factory.mktemp("talk") / "talk.mp4"
    truth = make_talk(path, SLIDES)
    return path, truth, read_file(path, speech_model=find_speech_model(), pictures=True)


def find_mark(segments: list[Segment], word: str) -> float:
    """The time of the phrase that holds a word."""
    for segment in segments:
        place = segment.text.lower().find(word)
        if place >= 0:
            return max(mark.start_s for mark in segment.place.marks if mark.start <= place)
    raise AssertionError(f"'{word}' is not said: {segments}")


def check_times(segments: list[Segment], said: tuple[Said, ...], words: dict[str, str]) -> None:
    """Each word is heard when its sentence is said."""
    for word, sentence in words.items():
        truth = next(one for one in said if sentence in one.text)
        assert find_mark(segments, word) == pytest.approx(truth.start_s, abs=NEAR_S), word


def test_words_are_found_when_they_are_said(talk: tuple[Path, Talk, list[Reading]]) -> None:
    _, truth, readings = talk
    words = {"welcome": "Welcome", "tomatoes": "Tomatoes want", "second": "second part", "hive": "hive", "soil": "soil"}
    check_times(list_segments(readings, "speech"), truth.said, words)


def test_speech_has_the_slide_that_is_seen(talk: tuple[Path, Talk, list[Reading]]) -> None:
    _, truth, readings = talk
    segments = list_segments(readings, "speech")
    assert [segment.place.heading for segment in segments] == [slide.title for slide in SLIDES]
    assert [segment.place.shot for segment in segments] == [0, 1, 2]
    for segment, shown in zip(segments, truth.slides, strict=True):
        assert (
            shown.start_s - NEAR_S <= (segment.place.start_s or 0) <= (segment.place.end_s or 0) <= shown.end_s + NEAR_S
        )


def test_slides_are_read_while_they_stand(talk: tuple[Path, Talk, list[Reading]]) -> None:
    _, truth, readings = talk
    screens = list_segments(readings, "screen")
    assert [screen.text for screen in screens] == ["\n".join((slide.title, *slide.lines)) for slide in SLIDES]
    for screen, shown in zip(screens, truth.slides, strict=True):
        assert screen.place.start_s == pytest.approx(shown.start_s, abs=0.5)
        assert screen.place.end_s == pytest.approx(shown.end_s, abs=0.5)


def test_each_shot_has_its_picture(talk: tuple[Path, Talk, list[Reading]]) -> None:
    pictures = [reading for reading in talk[2] if isinstance(reading, Picture)]
    assert [picture.shot for picture in pictures] == [0, 1, 2]
    for picture in pictures:
        assert picture.at_s is not None
        assert picture.start_s is not None
        assert picture.start_s <= picture.at_s
        assert Image.open(io.BytesIO(picture.jpeg)).size == (640, 360)


def test_progress_grows_to_the_end(talk: tuple[Path, Talk, list[Reading]]) -> None:
    shares = [reading.share for reading in talk[2] if isinstance(reading, Progress)]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg"])
def test_recordings_are_heard(tmp_path: Path, name: str) -> None:
    said = make_speech(tmp_path / name, [*SLIDES[0].sentences, *SLIDES[1].sentences]).said
    readings = read_file(tmp_path / name, speech_model=find_speech_model())
    check_times(list_segments(readings, "speech"), said, {"tomatoes": "Tomatoes want", "second": "second part"})


def test_windows_are_cut_where_nobody_speaks(tmp_path: Path) -> None:
    make_speech(tmp_path / "a.wav", SLIDES[0].sentences)
    (once,) = [window.samples for window, _ in listen(tmp_path / "a.wav")]
    write_sound(tmp_path / "long.wav", np.tile(once, 300 * 16_000 // len(once)))
    heard = list(listen(tmp_path / "long.wav"))
    assert len(heard) == 3
    assert all(len(window.samples) <= 130 * 16_000 for window, _ in heard)
    for one, other in pairwise(heard):
        assert one.window.end_s == pytest.approx(other.window.start_s)
        assert len(other.pieces[0].samples) > 16_000
    assert all(piece.end_s - piece.start_s <= 30 for _, pieces in heard for piece in pieces)


def test_sound_is_handed_out_instead(tmp_path: Path) -> None:
    make_speech(tmp_path / "a.mp3", SLIDES[0].sentences)
    (sound,) = [reading for reading in read_file(tmp_path / "a.mp3", sounds=True) if isinstance(reading, Sound)]
    assert sound.audio[:4] == b"RIFF"
    assert 0 <= sound.start_s < 0.5
    assert len(sound.audio) == pytest.approx((sound.end_s - sound.start_s) * 32_000, abs=100)


@pytest.mark.parametrize("sound", [np.zeros(16_000 * 10, np.float32), hum(10)])
def test_silence_and_music_say_nothing(tmp_path: Path, sound: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    readings = read_file(write_sound(tmp_path / "a.wav", sound), speech_model=find_speech_model())
    assert list_segments(readings, "speech") == []
    assert Note(text="Nobody speaks in it.") in readings


def test_speech_without_a_model_is_noted(tmp_path: Path) -> None:
    make_speech(tmp_path / "a.mp3", SLIDES[0].sentences)
    (note,) = read_file(tmp_path / "a.mp3")
    assert isinstance(note, Note)
    assert "no speech model" in note.text


def test_film_without_sound_has_its_screens(tmp_path: Path) -> None:
    slide = np.asarray(draw_slide(SLIDES[1], (640, 360)))
    path = write_film(tmp_path / "a.mp4", [(slide, number / 5) for number in range(20)])
    readings = read_file(path, speech_model=find_speech_model())
    assert [screen.text.split("\n")[0] for screen in list_segments(readings, "screen")] == ["Bees and honey"]
    assert not any(isinstance(reading, Note) for reading in readings)


@pytest.mark.parametrize("size", [(360, 640), (640, 360)])
def test_rotated_and_portrait_films_are_read_upright(tmp_path: Path, size: tuple[int, int]) -> None:
    slide = np.asarray(draw_slide(Slide("Honey bees"), size))
    rotation = 90 if size[0] > size[1] else 0
    if rotation:
        slide = np.ascontiguousarray(np.rot90(slide, -rotation // 90))
    path = write_film(tmp_path / "a.mp4", [(slide, number / 5) for number in range(15)], rotation=rotation)
    assert [screen.text for screen in list_segments(read_file(path), "screen")] == ["Honey bees"]
    with Image.open(io.BytesIO(make_thumbnail(path, probe(path, "")) or b"")) as thumbnail:
        assert thumbnail.size == size


def test_slide_that_is_one_frame_for_a_minute_stands(tmp_path: Path) -> None:
    slides = [np.asarray(draw_slide(slide, (320, 180))) for slide in SLIDES[:2]]
    path = write_film(tmp_path / "a.mkv", [(slides[0], 0), (slides[1], 60), (slides[1], 64)])
    screens = list_segments(read_file(path), "screen")
    assert [(screen.place.start_s, screen.place.shot) for screen in screens] == [(0, 0), (60, 2)]


def test_damaged_middle_is_passed_over(tmp_path: Path) -> None:
    frames = [*hold(10, 0, 4), *hold(200, 4, 8), *hold(90, 8, 12)]
    data = bytearray(write_film(tmp_path / "a.mkv", frames, sound=hum(12)).read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 10] = bytes(len(data) // 10)
    (tmp_path / "a.mkv").write_bytes(data)
    pictures = [reading for reading in read_file(tmp_path / "a.mkv", pictures=True) if isinstance(reading, Picture)]
    assert {0, 8} <= {round(picture.start_s or 0) for picture in pictures}


def test_film_that_is_cut_off_is_read_and_noted(tmp_path: Path) -> None:
    frames = [*hold(10, 0, 10), *hold(200, 10, 20)]
    data = write_film(tmp_path / "a.mkv", frames).read_bytes()
    (tmp_path / "a.mkv").write_bytes(data[: len(data) // 2])
    notes = [reading.text for reading in read_file(tmp_path / "a.mkv") if isinstance(reading, Note)]
    assert any("cut off" in note for note in notes)


CUES = """1
00:00:01,000 --> 00:00:01,900
[music]

2
00:00:02,000 --> 00:00:03,500
<i>Bees</i> fly.

3
00:00:04,000 --> 00:00:05,500
Honey keeps.
"""


def test_subtitles_go_before_listening(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(CUES)
    write_film(tmp_path / "a.mkv", hold(10, 0, 6), sound=hum(6))
    with av.open(str(tmp_path / "b.mkv"), "w") as target:
        sources = [av.open(str(tmp_path / name)) for name in ("a.mkv", "a.srt")]
        copies = [[target.add_stream_from_template(part) for part in source.streams] for source in sources]
        for source, parts in zip(sources, copies, strict=True):
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = parts[packet.stream.index]
                    target.mux(packet)
            source.close()
    (segment,) = list_segments(read_file(tmp_path / "b.mkv", speech_model=find_speech_model()), "speech")
    assert segment.text == "Bees fly. Honey keeps."
    assert [mark.start_s for mark in segment.place.marks] == [2, 4]


def test_image_is_read_and_shown(tmp_path: Path) -> None:
    draw_slide(SLIDES[0]).save(tmp_path / "a.png")
    readings = read_file(tmp_path / "a.png", pictures=True)
    assert list_segments(readings, "screen")[0].text.startswith("Growing tomatoes")
    assert [reading.kind for reading in readings if isinstance(reading, Picture)] == ["frame"]


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "I;16", "CMYK", "1"])
def test_images_of_all_modes_have_a_thumbnail(tmp_path: Path, mode: str) -> None:
    name = "a.jpg" if mode == "CMYK" else "a.png"
    Image.fromarray(paint(70, (900, 500))).convert("L" if mode == "I;16" else mode).convert(mode).save(tmp_path / name)
    jpeg = make_thumbnail(tmp_path / name, probe(tmp_path / name, ""))
    assert jpeg is not None
    assert Image.open(io.BytesIO(jpeg)).size == (640, 356)


def test_thumbnail_of_a_film_is_not_black(tmp_path: Path) -> None:
    black = [(np.zeros((180, 320, 3), np.uint8), number / 10) for number in range(40)]
    path = write_film(tmp_path / "a.mp4", [*black, *hold(70, 4, 12)])
    jpeg = make_thumbnail(path, probe(path, ""))
    assert jpeg is not None
    assert np.asarray(Image.open(io.BytesIO(jpeg))).mean() > 50


def test_recording_without_a_cover_has_no_thumbnail(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mp3", hum(1))
    assert make_thumbnail(path, probe(path, "")) is None


def test_streamed_film_plays_as_long_as_the_file(tmp_path: Path) -> None:
    make_talk(tmp_path / "a.webm", SLIDES)
    (tmp_path / "hls").mkdir()
    make_hls(tmp_path / "a.webm", tmp_path / "hls")
    text = (tmp_path / "hls" / "stream.m3u8").read_text()
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in text
    assert "/" not in text
    lengths = [float(line[8:-1]) for line in text.splitlines() if line.startswith("#EXTINF:")]
    assert sum(lengths) == pytest.approx(probe(tmp_path / "a.webm", "").duration_s or 0, abs=0.5)
    with av.open(str(tmp_path / "hls" / "stream.m3u8")) as played:
        assert {stream.codec_context.name for stream in played.streams} == {"vp9", "opus"}


def test_film_that_players_cannot_stream_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"cannot stream its video \(mpeg4\)"):
        make_hls(write_film(tmp_path / "a.mp4", hold(10, 0, 1)), tmp_path)
