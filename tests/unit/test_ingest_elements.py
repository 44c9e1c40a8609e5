"""Elements become segments of their page and section; rows, lines of pictures and columns find their order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from multiturn.ingest.child import clean, clean_text
from multiturn.ingest.delimiters import find_delimiter
from multiturn.ingest.elements import SEGMENT_CHARACTERS_MAX, Element, Heading, Page, Paragraph, compose, cut_text
from multiturn.ingest.ocr import Box, Line, join_lines, order_lines
from multiturn.ingest.reader_process import describe_s
from multiturn.ingest.rows import list_lines
from multiturn.ingest.sheets import write_cell
from multiturn.model.segment import Note, Place, Progress, Segment


def compose_all(*elements: Element) -> list[tuple[int | None, str | None, str]]:
    found = [reading for reading in compose(elements) if isinstance(reading, Segment)]
    return [(segment.place.page, segment.place.heading, segment.text) for segment in found]


def test_sections_know_the_headings_above_them() -> None:
    assert compose_all(
        Heading(1, "Manual"),
        Heading(2, "Install"),
        Heading(3, "Linux"),
        Heading(4, "Debian"),
        Paragraph("one"),
        Heading(2, " Use\nit "),
        Paragraph("two"),
    ) == [(None, "Install › Linux › Debian", "one"), (None, "Manual › Use it", "two")]


def test_headings_with_nothing_below_are_text() -> None:
    assert compose_all(Heading(1, "One"), Heading(1, "Two"), Heading(2, "Three")) == [
        (None, "One", "One"),
        (None, "Two › Three", "Three"),
    ]


def test_no_segment_goes_over_a_page() -> None:
    assert compose_all(Page(1), Paragraph("a"), Paragraph("b"), Page(2), Paragraph("c")) == [
        (1, None, "a\n\nb"),
        (2, None, "c"),
    ]


def test_a_slide_forgets_the_headings_before() -> None:
    found = compose_all(
        Page(1, "First"), Page(2, "Second"), Heading(2, "Sub"), Paragraph("a"), Page(3, ""), Paragraph("b")
    )
    assert found == [(1, "First", "First"), (2, "Second › Sub", "a"), (3, None, "b")]


def test_rows_stand_close_and_modalities_apart() -> None:
    text, screen = compose([Paragraph("a"), Paragraph("b", is_row=True), Paragraph("c", modality="screen")])
    assert text == Segment(text="a\nb")
    assert screen == Segment(text="c", modality="screen")


def test_segments_end_before_they_are_too_long() -> None:
    texts = [text for _, _, text in compose_all(*(Paragraph("x" * 1500) for _ in range(5)))]
    assert [len(text) for text in texts] == [3002, 3002, 1500]


def test_what_is_no_element_passes() -> None:
    passing: list[Progress | Note] = [Progress(share=0.5), Note(text="a note")]
    assert list(compose(passing)) == passing


@pytest.mark.parametrize(
    "text", ["word " * 3000, "x" * 20_000, "A sentence ends. " * 900, "line\n" * 4000, "あ。" * 6000]
)
def test_long_texts_are_cut_without_loss(text: str) -> None:
    pieces = list(cut_text(text))
    assert all(0 < len(piece) <= SEGMENT_CHARACTERS_MAX for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_sentences_are_cut_at_their_ends() -> None:
    assert all(piece.endswith(".") for piece in cut_text("A sentence that ends here. " * 900))


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([["name", "age"], ["Ada", "36"]], ["name: Ada; age: 36"]),
        ([["1815", "Ada"], ["1906", "Grace"]], ["1815; Ada", "1906; Grace"]),
        ([["Title"], ["", ""], ["name", "age"], ["Ada", ""]], ["Title", "name: Ada"]),
        ([["name"], ["Ada"]], ["name", "Ada"]),
        ([["a", "b"]], ["a; b"]),
        ([["a", "b"], ["1", "2", "3"], [], ["x y\nz"]], ["a: 1; b: 2; 3", "a: x y z"]),
        ([], []),
    ],
)
def test_rows_are_lines_that_name_their_columns(rows: Sequence[Sequence[str]], lines: list[str]) -> None:
    assert [line for line, _ in list_lines(rows)] == lines


@pytest.mark.parametrize(
    ("text", "is_expected", "delimiter"),
    [
        ("a,b\n1,2\n", True, ","),
        ("a;b\n1,5;2\n", True, ";"),
        ("a\tb\n" * 6, False, "\t"),
        ("a,b,c\n" * 6, False, ","),
        ("Yes, he said, and went.\n" * 6, False, None),
        ("one column\n" * 6, True, None),
        ("", True, None),
    ],
)
def test_tables_are_told_from_prose(text: str, is_expected: bool, delimiter: str | None) -> None:
    assert find_delimiter(text, is_expected=is_expected) == delimiter


@pytest.mark.parametrize(
    ("cell", "written"), [(True, "yes"), (2.0, "2"), (0.1 + 0.2, "0.3"), (1e300, "1e+300"), ("x", "x"), (7, "7")]
)
def test_cells_are_written_as_read(cell: bool | float | str | int, written: str) -> None:
    assert write_cell(cell) == written


def draw(text: str, left: float, top: float, width: float = 300) -> Line:
    return Line(text, Box(left, top, left + width, top + 20), 1.0)


def test_columns_are_read_one_after_the_other() -> None:
    lines = [draw("title", 0, 0, 700)]
    lines += [draw(f"{column}{row}", 380 * (column == "r"), 60 + row * 30) for row in range(4) for column in "lr"]
    lines += [draw("foot", 0, 300, 700)]
    ordered = [line.text for line in order_lines(lines)]
    assert ordered == ["title", "l0", "l1", "l2", "l3", "r0", "r1", "r2", "r3", "foot"]


def test_tables_are_read_row_by_row() -> None:
    lines = [
        draw(f"{column}{row}", place * 100, row * 30, 40) for row in range(4) for place, column in enumerate("abc")
    ]
    ordered = list(order_lines(lines[::-1]))
    assert join_lines(ordered) == "\n".join(f"a{row}  b{row}  c{row}" for row in range(4))


def test_gaps_part_paragraphs() -> None:
    assert join_lines([draw("a", 0, 0), draw("b", 0, 30), draw("c", 0, 90)]) == "a\nb\n\nc"
    assert join_lines(order_lines([])) == ""


def test_text_is_cleaned_at_its_length() -> None:
    dirty = "a\0b\udc80c\ud83dé"
    assert clean_text(dirty) == "a b?c?é"
    segment = clean(Segment(text=dirty, place=Place(heading="\0")))
    assert segment == Segment(text="a b?c?é")
    assert clean(Segment(text=" \0\n")) is None


@pytest.mark.parametrize(
    ("seconds", "said"), [(14400, "4 hours"), (5400, "90 minutes"), (90, "90 seconds"), (1.5, "1.5 seconds")]
)
def test_times_are_said_as_people_do(seconds: float, said: str) -> None:
    assert describe_s(seconds) == said
