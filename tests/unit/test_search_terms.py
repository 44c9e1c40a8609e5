"""Terms and pieces: what texts are compared by, and where they are cut."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from multiturn.engine.search.pieces import cut_pieces
from multiturn.engine.search.terms import WORDS_KEPT_MAX, TermReader

READER = TermReader()
SENTENCES = "One sentence stands here. Another one asks something? A third! " * 20


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("running shoes", "Run, shoe!"),
        ("Caroline's paintings", "Caroline painting"),
        ("Caroline’s", "caroline's"),
        ("ÜBER Straßen", "über straßen"),
        ("8 May 2023", "(8) [may] 2023"),
    ],
)
def test_forms_of_a_word_are_one_term(one: str, other: str) -> None:
    assert READER.read(one) == READER.read(other)


@pytest.mark.parametrize("text", ["", "…!?", "thanks!", "What is it that you are?", "_ _"])
def test_text_without_meaning_has_no_terms(text: str) -> None:
    assert READER.read(text) == []


@pytest.mark.parametrize("text", ["2023", "Москва", "Αθήνα", "x9-77b", "שלום"])
def test_numbers_and_other_scripts_are_kept(text: str) -> None:
    assert READER.read(text)


def test_text_without_spaces_is_found_by_parts() -> None:
    whole, part = READER.read("我喜欢在海边画画"), READER.read("海边")
    assert set(part) < set(whole)
    assert len(whole) == 7


def test_scripts_in_one_word_are_told_apart() -> None:
    assert set(READER.read("iPhone")) < set(READER.read("买了iPhone手机"))
    assert len(READER.read("猫")) == 1


def test_repeated_words_are_repeated_terms() -> None:
    assert len(READER.read("tea, tea and teas")) == 3


def test_terms_are_the_same_everywhere() -> None:
    assert READER.read("painting") == [1467646999]


def test_marks_are_not_terms() -> None:
    assert len(READER.read_marks("Anna Smith")) == 2
    assert READER.read_marks("Anna").isdisjoint(READER.read("Anna"))
    assert READER.read_marks("Anna's cat") > READER.read_marks("ANNA")


def test_language_can_be_chosen() -> None:
    german = TermReader("german", stop_words=frozenset({"die"}))
    assert german.read("die Häuser") == german.read("Hauses")
    with pytest.raises(KeyError):
        TermReader("klingon")


def test_memory_of_words_is_bounded() -> None:
    reader = TermReader()
    reader.read(" ".join(map(str, range(WORDS_KEPT_MAX + 10))))
    assert len(reader.known) <= WORDS_KEPT_MAX


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert all(0 <= term < 1 << 32 for term in READER.read(text))


@given(st.text(alphabet=st.sampled_from("ab .!?\n\t。é")) | st.text(), st.integers(1, 40))
@example("a" * 100, 7)
@example("  a b  ", 3)
@example(SENTENCES, 40)
def test_pieces_hold_all_of_a_text(text: str, characters_max: int) -> None:
    pieces = cut_pieces(text, characters_max=characters_max)
    assert all(text[start:end].strip() and end - start <= characters_max for start, end in pieces)
    place = 0
    for start, end in pieces:
        assert not text[place:start].strip()
        place = end
    assert not text[place:].strip()


def test_short_text_is_one_piece_as_it_is() -> None:
    assert cut_pieces(" short \n") == [(0, 8)]
    assert cut_pieces(" \n ") == []


def test_pieces_end_where_sentences_do() -> None:
    pieces = [SENTENCES[start:end] for start, end in cut_pieces(SENTENCES)]
    assert all(piece[-1] in ".?!" for piece in pieces)
    assert max(map(len, pieces)) < 1.5 * min(map(len, pieces))


def test_paragraphs_are_bounds() -> None:
    text = "\n".join(["a line without a stop " * 10] * 4)
    assert [start for start, _ in cut_pieces(text)] == [0, 221, 442, 663]


def test_long_sentence_is_cut_at_words() -> None:
    text = "word " * 200
    assert all(text[start:end].split(" ") == ["word"] * ((end - start + 1) // 5) for start, end in cut_pieces(text))
