"""Sentences of an answer as it streams in: whole when they are handed on, with their markers, and nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.engine.grounding.sentences import HELD_CHARACTERS_MAX, Sentences


def feed(*pieces: str) -> list[str]:
    """What is handed on before the answer ends."""
    sentences = Sentences()
    return [one for piece in pieces for one in sentences.feed(piece)]


def cut(text: str) -> list[str]:
    """The sentences of a whole answer."""
    sentences = Sentences()
    return [*sentences.feed(text), *sentences.finish()]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("It opened. Then", ["It opened."]),
        ("It opened.", []),
        ("It cost 1.5 million", []),
        ('"Really?" he said', ['"Really?"']),
        ("One line\nand", ["One line\n"]),
        ("橋が開いた。次", ["橋が開いた。"]),
        ("It opened. [1] Then", ["It opened. [1]"]),
        ("It opened. [1][2]. Then", ["It opened. [1][2]."]),
        ("It opened. [", []),
        ("It opened. [1", []),
        ("It opened. [1]", []),
        ("It opened. ", []),
        ("It opened. [a very long bracket that is no marker, as it never ends", ["It opened."]),
    ],
)
def test_sentence_is_told_when_it_is_whole(text: str, told: list[str]) -> None:
    assert feed(text) == told


def test_marker_that_comes_later_belongs_to_its_sentence() -> None:
    assert feed("It opened.", " [", "1", "]", " And") == ["It opened. [1]"]


def test_text_without_end_goes_on_at_a_space() -> None:
    words = "word " * (HELD_CHARACTERS_MAX // 5)
    assert feed(words[:-1]) == []
    assert feed(words) == [words]
    assert feed(words[:-3] + "x" * 50) == [words[:-5]]


def test_word_without_end_goes_on_too() -> None:
    assert feed("x" * (HELD_CHARACTERS_MAX - 1)) == []
    assert feed("x" * (HELD_CHARACTERS_MAX + 100)) == ["x" * HELD_CHARACTERS_MAX]
    assert [len(part) for part in cut("x" * (2 * HELD_CHARACTERS_MAX + 1))] == [HELD_CHARACTERS_MAX] * 2 + [1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("One. Two", ["One.", " Two"]),
        ("One. [1] Two. [2]", ["One. [1]", " Two. [2]"]),
        ("One. [1", ["One.", " [1"]),
        ("One\n", ["One\n"]),
        ("One.", ["One."]),
        ("", []),
    ],
)
def test_rest_is_told_when_the_answer_is_whole(text: str, told: list[str]) -> None:
    assert cut(text) == told


@given(st.lists(st.text(alphabet='ab .!?\n[1],;"。', max_size=30), max_size=12))
def test_nothing_is_lost_or_added(pieces: list[str]) -> None:
    sentences = Sentences()
    told = [one for piece in pieces for one in sentences.feed(piece)]
    assert "".join([*told, *sentences.finish()]) == "".join(pieces)
    assert all(told)
