"""Spoken phrases become segments that can be found and cited to the second."""

from __future__ import annotations

from itertools import pairwise

import pytest

from multiturn.model.phrases import CHARACTERS_MAX, SEGMENT_S_MAX, Phrase, cut_phrases, join_phrases
from multiturn.model.segment import Mark, Segment

SENTENCE = "The lamp was lit at dusk by the keeper."


def say(count: int, *, text: str = SENTENCE, length_s: float = 3.0, pause_s: float = 0.2) -> list[Phrase]:
    step_s = length_s + pause_s
    return [Phrase(f"{number} {text}", number * step_s, number * step_s + length_s) for number in range(count)]


def test_marks_lie_at_their_phrases() -> None:
    phrases = say(40)
    segments = list(join_phrases(phrases))
    marked = [
        (segment.text[mark.start :].startswith(phrase.text), mark.start_s, mark.end_s)
        for segment, mark, phrase in zip(
            [segment for segment in segments for _ in segment.place.marks],
            [mark for segment in segments for mark in segment.place.marks],
            phrases,
            strict=True,
        )
    ]
    assert marked == [(True, round(phrase.start_s, 3), round(phrase.end_s, 3)) for phrase in phrases]


def test_segments_are_neither_short_nor_long() -> None:
    segments = list(join_phrases(say(40)))
    assert all(200 <= len(segment.text) <= CHARACTERS_MAX for segment in segments[:-1])
    assert all(length_of(segment) <= SEGMENT_S_MAX for segment in segments)
    assert all(segment.modality == "speech" for segment in segments)


def length_of(segment: Segment) -> float:
    place = segment.place
    assert place.start_s is not None
    assert place.end_s is not None
    return place.end_s - place.start_s


def test_slow_speech_is_parted_by_time() -> None:
    segments = list(join_phrases(say(10, text="and then", length_s=15.0)))
    assert all(length_of(segment) <= SEGMENT_S_MAX for segment in segments)
    assert len(segments) == 5


def test_silence_parts_segments() -> None:
    first, second = join_phrases([Phrase("Before.", 0, 1), Phrase("After.", 9, 10)])
    assert (first.text, second.text) == ("Before.", "After.")


def test_phrases_without_end_share_their_time() -> None:
    segments = list(join_phrases([Phrase("word " * 2000, 0.0, 100.0)]))
    assert len(segments) == 6
    for before, after in pairwise(segments):
        assert before.place.end_s == after.place.start_s
    assert segments[-1].place.end_s == 100.0


def test_empty_phrases_and_turned_times_do_no_harm() -> None:
    (segment,) = join_phrases([Phrase(" \n", 0, 1), Phrase("Said  twice.", 2.0, 1.0), Phrase("Early.", -1.0, 0.5)])
    assert segment.text == "Said twice. Early."
    assert segment.place.marks == (Mark(0, 2.0, 2.0), Mark(12, 0.0, 0.5))
    assert list(join_phrases([])) == []


def test_shots_are_those_of_the_beginning() -> None:
    (segment,) = join_phrases([Phrase("A.", 5.0, 6.0), Phrase("B.", 7.0, 8.0)], find_shot=int)
    assert segment.place.shot == 5


@pytest.mark.parametrize(("characters", "count"), [(198, 1), (199, 2)])
def test_sentence_ends_a_segment_that_is_long_enough(characters: int, count: int) -> None:
    first = "x" * (characters - 1) + "."
    segments = list(join_phrases([Phrase(first, 0, 1), Phrase("Next.", 1, 2)]))
    assert len(segments) == count
    assert " ".join(segment.text for segment in segments) == f"{first} Next."


@pytest.mark.parametrize(("characters", "count"), [(299, 1), (300, 2)])
def test_long_segment_takes_no_more(characters: int, count: int) -> None:
    assert len(list(join_phrases([Phrase("x" * 300, 0, 1), Phrase("y" * characters, 1, 2)]))) == count


@pytest.mark.parametrize(("end_s", "count"), [(40.0, 1), (40.001, 2)])
def test_segment_lasts_no_longer_than_it_may(end_s: float, count: int) -> None:
    assert len(list(join_phrases([Phrase("so", 0, 38), Phrase("and so", 39, end_s)]))) == count


@pytest.mark.parametrize(("start_s", "count"), [(5.0, 1), (5.001, 2)])
def test_pause_parts_only_when_it_is_long(start_s: float, count: int) -> None:
    assert len(list(join_phrases([Phrase("so", 0, 1), Phrase("and so", start_s, 6)]))) == count


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("a " + "b" * 2500, [1, 1999, 501]),
        ("a" * 10 + " " + "b" * 2500, [10, 1999, 501]),
        ("b" * 2000, [2000]),
        ("b" * 2001, [2000, 1]),
    ],
)
def test_endless_phrase_is_cut_at_spaces_where_it_has_some(text: str, lengths: list[int]) -> None:
    pieces = list(cut_phrases([Phrase(text, 0.0, 100.0)]))
    assert [len(piece.text) for piece in pieces] == lengths
    assert "".join(piece.text for piece in pieces) == text.replace(" ", "")
    assert (pieces[0].start_s, pieces[-1].end_s) == (0.0, 100.0)
    assert all(before.end_s == after.start_s for before, after in pairwise(pieces))
