"""Films, recordings and images are known by their content, and what is wrong with them is said in words."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multiturn.ingest.media_probe import probe
from multiturn.ingest.refusal import Refusal
from tests.media import hold, hum, paint, write_film, write_sound


def test_film_tells_its_technical_facts(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.bin.mp4", hold(40, 0, 3), sound=hum(3))
    found = probe(path, "holiday.pdf")
    assert (found.kind, found.mime) == ("video", "video/mp4")
    assert found.duration_s == pytest.approx(3.0, abs=0.15)
    facts = found.technical
    assert facts["file_size_bytes"] == path.stat().st_size
    assert facts["file_container_format"] == "mov,mp4,m4a,3gp,3g2,mj2"
    assert (facts["video_codec"], facts["video_width"], facts["video_height"]) == ("mpeg4", 320, 180)
    assert facts["video_fps"] == pytest.approx(10, abs=0.5)
    assert (facts["audio_codec"], facts["audio_sample_rate"], facts["audio_channels"]) == ("aac", 16_000, 1)
    assert (facts["has_audio"], facts["is_hdr"], facts["is_variable_frame_rate"]) == (True, False, False)
    assert (facts["total_video_streams"], facts["total_audio_streams"]) == (1, 1)
    assert facts["video_streams"][0]["codec"] == "mpeg4"
    assert facts["video_bitrate_bps"] > 0


def test_rotated_film_has_the_size_that_is_seen(tmp_path: Path) -> None:
    facts = probe(write_film(tmp_path / "a.mp4", hold(40, 0, 1), rotation=90), "").technical
    assert (facts["video_width"], facts["video_height"]) == (180, 320)
    assert facts["video_rotation"] in (90, 270)


def test_uneven_frames_are_a_variable_rate(tmp_path: Path) -> None:
    times = [number / 30 for number in range(30)] + [1 + number / 5 for number in range(10)]
    path = write_film(tmp_path / "a.mp4", [(paint(9), at_s) for at_s in times])
    assert probe(path, "").technical["is_variable_frame_rate"] is True


@pytest.mark.parametrize(
    ("name", "mime"), [("a.webm", "video/webm"), ("a.mkv", "video/x-matroska"), ("a.mov", "video/quicktime")]
)
def test_containers_are_told_apart(tmp_path: Path, name: str, mime: str) -> None:
    codec = "libvpx-vp9" if name == "a.webm" else "mpeg4"
    assert probe(write_film(tmp_path / name, hold(40, 0, 0.5), codec=codec), "").mime == mime


@pytest.mark.parametrize(("name", "mime"), [("a.mp3", "audio/mpeg"), ("a.wav", "audio/wav")])
def test_recording_has_no_picture(tmp_path: Path, name: str, mime: str) -> None:
    found = probe(write_sound(tmp_path / name, hum(2)), "")
    assert (found.kind, found.mime) == ("audio", mime)
    assert found.duration_s == pytest.approx(2, abs=0.15)
    assert "video_width" not in found.technical


def test_image_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(paint(3)).save(tmp_path / "a.jpg", exif=exif)
    found = probe(tmp_path / "a.jpg", "")
    assert (found.kind, found.mime, found.duration_s) == ("image", "image/jpeg", None)
    assert (found.technical["image_width"], found.technical["image_height"]) == (180, 320)


def cut_mp4(folder: Path) -> bytes:
    data = write_film(folder / "whole.mp4", hold(40, 0, 3)).read_bytes()
    return data[: len(data) * 2 // 3]


def drop_streams(folder: Path) -> bytes:
    """A RIFF with a head and no sound."""
    return write_sound(folder / "whole.wav", hum(0.1)).read_bytes()[:44]


def cut_png(folder: Path) -> bytes:
    Image.fromarray(np.asarray(random.Random(1).choices(range(256), k=90_000), np.uint8).reshape(150, 200, 3)).save(
        folder / "whole.png"
    )
    return (folder / "whole.png").read_bytes()[:40_000]


def bomb(folder: Path) -> bytes:
    Image.new("1", (10_000, 10_001)).save(folder / "bomb.png")
    return (folder / "bomb.png").read_bytes()


def protect(folder: Path) -> bytes:
    """A film with the marks of an encryption, as rented ones have."""
    data = write_film(folder / "whole.mp4", hold(40, 0, 1)).read_bytes()
    return data + b"\x00\x00\x00\x20free" + b"sinf" + b"encv" + b"\x00" * 16


def cut_head(folder: Path) -> bytes:
    return write_film(folder / "whole.webm", hold(40, 0, 1), codec="libvpx-vp9").read_bytes()[:300]


def be_empty(folder: Path) -> bytes:
    return b""


def make_noise(folder: Path) -> bytes:
    return random.Random(2).randbytes(200_000)


def name_others(folder: Path) -> bytes:
    """A playlist, with which FFmpeg would open other files of the machine."""
    return b"#EXTM3U\n#EXTINF:9,\n/etc/passwd\n#EXT-X-ENDLIST\n"


def join_others(folder: Path) -> bytes:
    return b"ffconcat version 1.0\nfile /etc/passwd\n"


def begin_heic(folder: Path) -> bytes:
    return b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(200)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (be_empty, "empty"),
        (cut_mp4, "the index at its end is missing"),
        (drop_streams, "cut off|nothing in it|no duration|no recording"),
        (make_noise, "no recording and no film"),
        (name_others, "no recording and no film"),
        (join_others, "no recording and no film"),
        (cut_png, "cut off or damaged"),
        (cut_head, "ends within its head"),
        (bomb, "more than 100 megapixels"),
        (protect, "encrypted"),
        (begin_heic, "save the image as JPEG"),
    ],
)
def test_bad_file_is_refused_with_its_reason(tmp_path: Path, make: Callable[[Path], bytes], reason: str) -> None:
    (tmp_path / "bad").write_bytes(make(tmp_path))
    with pytest.raises(Refusal, match=reason):
        probe(tmp_path / "bad", "talk.mp4")
