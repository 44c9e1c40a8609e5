"""Places of chunks within parts of files."""

from __future__ import annotations

import pytest

from multiturn.engine.places import narrow
from multiturn.model.segment import Mark, Place

SPOKEN = Place(
    shot=4,
    start_s=1.0,
    end_s=9.0,
    marks=(Mark(0, 1.0, 2.0), Mark(10, 2.5, 5.0), Mark(20, 5.0, 7.5), Mark(30, 8.0, 9.0)),
)


@pytest.mark.parametrize(
    ("start", "length", "times", "marks"),
    [
        (0, 40, (1.0, 9.0), [0, 10, 20, 30]),
        (10, 10, (2.5, 5.0), [0]),
        (12, 10, (2.5, 7.5), [0, 8]),
        (35, 5, (8.0, 9.0), [0]),
        (5, 5, (1.0, 2.0), [0]),
        (5, 6, (1.0, 5.0), [0, 5]),
    ],
)
def test_time_is_that_of_the_phrases_in_it(
    start: int, length: int, times: tuple[float, float], marks: list[int]
) -> None:
    place = narrow(SPOKEN, start, length)
    assert (place.start_s, place.end_s) == times
    assert [mark.start for mark in place.marks] == marks
    assert place.shot == 4


def test_what_is_not_spoken_stays_where_its_part_is() -> None:
    place = Place(page=3, heading="Sea")
    assert narrow(place, 100, 20) is place


@pytest.mark.parametrize(("start", "length"), [(0, 5), (4, 0)])
def test_what_stands_before_the_first_phrase_has_the_time_of_its_part(start: int, length: int) -> None:
    place = Place(start_s=1.0, end_s=9.0, marks=(Mark(10, 2.5, 5.0),))
    assert narrow(place, start, length) == Place(start_s=1.0, end_s=9.0)


def test_phrases_that_overlap_last_to_the_latest_end() -> None:
    place = Place(start_s=0.0, end_s=9.0, marks=(Mark(0, 0.0, 9.0), Mark(10, 1.0, 2.0)))
    assert (narrow(place, 0, 20).start_s, narrow(place, 0, 20).end_s) == (0.0, 9.0)
