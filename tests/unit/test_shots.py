"""Shots begin where the picture changes, and their key frames show what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
import numpy as np
import pytest

from multiturn.ingest.ocr import Box, Line
from multiturn.ingest.screens import find_title, is_alike
from multiturn.ingest.shots import Sample, Shot, find_shots, make_small
from tests.media import Pixels, paint
from tests.talks import Slide, draw_slide


def sample(frames: Iterable[tuple[Pixels, float]]) -> Iterator[Sample]:
    for pixels, at_s in frames:
        frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
        yield Sample(at_s, frame, make_small(frame))


def stand(pixels: Pixels, start_s: float, end_s: float) -> Iterator[tuple[Pixels, float]]:
    for number in range(round((end_s - start_s) * 5)):
        yield pixels, start_s + number / 5


def cut(*frames: Iterable[tuple[Pixels, float]]) -> list[Shot]:
    return list(find_shots(sample(pair for part in frames for pair in part)))


def move(shade: int, start_s: float, end_s: float) -> Iterator[tuple[Pixels, float]]:
    """A picture that pans all the time."""
    wide = paint(shade, (2400, 180))
    for number in range(round((end_s - start_s) * 5)):
        yield np.ascontiguousarray(wide[:, number * 2 : number * 2 + 320]), start_s + number / 5


def slide(title: str, *lines: str) -> Pixels:
    return np.asarray(draw_slide(Slide(title, lines), (320, 180)))


def test_hard_cuts_are_found() -> None:
    shots = cut(stand(paint(10), 0, 4), stand(paint(200), 4, 7), stand(paint(90), 7, 10))
    assert [(shot.start_s, shot.end_s) for shot in shots] == [(0, 4), (4, 7), (7, 9.8)]
    assert all(shot.start_s <= shot.key.at_s < shot.end_s + 0.01 for shot in shots)


def test_motion_is_no_cut_and_a_cut_in_motion_is() -> None:
    shots = cut(move(10, 0, 8), move(200, 8, 14))
    assert [shot.start_s for shot in shots] == [0, 8]
    assert not shots[0].is_still


def test_slides_on_one_ground_are_shots() -> None:
    first, second = slide("Bees", "One queen", "Many workers"), slide("Honey", "It keeps for years")
    shots = cut(stand(first, 0, 6), stand(second, 6, 12))
    assert [shot.start_s for shot in shots] == [0, 6]
    assert all(shot.is_still for shot in shots)


def test_dissolve_between_slides_begins_the_next() -> None:
    first, second = slide("Bees", "One queen", "Many workers"), slide("Honey", "It keeps for years")
    mixed = [((first * (1 - share) + second * share).astype(np.uint8), 6 + share) for share in (0.2, 0.4, 0.6, 0.8)]
    shots = cut(stand(first, 0, 6), mixed, stand(second, 7, 12))
    assert len(shots) == 2
    assert shots[1].start_s == pytest.approx(6.3, abs=0.3)
    assert shots[0].key.at_s < 6


def test_moving_corner_does_not_hide_a_slide() -> None:
    def with_corner(pixels: Pixels, start_s: float, end_s: float) -> Iterator[tuple[Pixels, float]]:
        noise = np.random.default_rng(4)
        for same, at_s in stand(pixels, start_s, end_s):
            shown = same.copy()
            shown[120:, 250:] = noise.integers(0, 255, (60, 70, 3))
            yield shown, at_s

    shots = cut(with_corner(slide("Bees", "One queen"), 0, 8), with_corner(slide("Honey", "It keeps"), 8, 16))
    assert [shot.start_s for shot in shots] == [0, 8]


def test_long_shots_are_cut() -> None:
    shots = cut(stand(paint(10), 0, 100))
    assert [shot.start_s for shot in shots] == [0, 30, 60, 90]


def test_flash_belongs_to_the_next_shot() -> None:
    shots = cut(stand(paint(10), 0, 4), stand(np.full((180, 320, 3), 255, np.uint8), 4, 4.4), stand(paint(200), 4.4, 8))
    assert [shot.start_s for shot in shots] == [0, 4]
    assert shots[1].key.at_s > 4.4


def test_key_frame_is_not_black() -> None:
    black = np.zeros((180, 320, 3), np.uint8)
    dim = paint(30) // 2
    fading = [
        ((dim * share).astype(np.uint8), 2 + share * 2) for share in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    ]
    shots = cut(stand(black, 0, 2), fading, stand(dim, 4, 6), stand(black, 6, 6.8))
    assert any(4 <= shot.key.at_s < 6 for shot in shots)


def test_film_without_frames_has_no_shots() -> None:
    assert cut() == []


def test_misread_text_is_the_same_text() -> None:
    assert is_alike("Copytight 2013 Brandon", "Copyright © 2013 Brandon")
    assert is_alike("One queen", "Bees\nOne queen")
    assert not is_alike("Bees\nOne queen\nMany workers", "Bees")
    assert not is_alike("Honey keeps for years", "Bees have one queen")


def test_title_is_the_tallest_line_above() -> None:
    lines = [
        Line("Bees", Box(10, 20, 90, 50), 0.99),
        Line("One queen", Box(10, 80, 90, 100), 0.99),
    ]
    assert find_title(lines, 180) == "Bees"
    assert find_title([Line("www.example.org", Box(10, 160, 90, 175), 0.99)], 180) is None
    assert find_title([Line("smudge", Box(10, 20, 90, 50), 0.65)], 180) is None
