"""Chunks: where a document is cut, and what each chunk is found by."""

from __future__ import annotations

import pytest

from multiturn.engine.chunks import CHUNK_CHARACTERS, WINDOW_CHARACTERS, Outline
from multiturn.engine.search.pieces import Span

SENTENCE = "The quick brown fox jumps over the lazy dog beside the river bank. "


def cut(text: str, *more: str) -> list[str]:
    outline = Outline("Title", [text, *more])
    return [outline.text[start:end] for start, end in outline.list_chunks()]


def test_short_text_is_one_chunk() -> None:
    assert cut("  Refunds take 30 days. Ask us.\n\nShipping is free.\n") == [
        "Refunds take 30 days. Ask us.\n\nShipping is free."
    ]


@pytest.mark.parametrize("text", ["", "   ", "\n\n\n", "\t\n \n"])
def test_blank_text_has_no_chunks(text: str) -> None:
    assert cut(text) == []


def test_paragraphs_stay_whole_where_they_fit() -> None:
    paragraphs = [f"Paragraph {number}. {SENTENCE * 5}".strip() for number in range(6)]
    chunks = cut("\n\n".join(paragraphs))
    assert [part for chunk in chunks for part in chunk.split("\n\n")] == paragraphs
    assert len(chunks) == 3


def test_long_paragraph_is_cut_at_sentences() -> None:
    chunks = cut(SENTENCE * 100)
    assert all(chunk.endswith("bank.") for chunk in chunks)
    assert all(len(chunk) <= CHUNK_CHARACTERS for chunk in chunks)


def test_headings_begin_chunks() -> None:
    chunks = cut(f"# One\n{SENTENCE * 5}\n## Two\n{SENTENCE * 5}\nThree\n=====\n{SENTENCE * 5}")
    assert [chunk.split("\n")[0] for chunk in chunks] == ["# One", "## Two", "Three"]


def test_short_sections_are_put_together() -> None:
    text = "".join(f"## Question {number}\nAn answer.\n" for number in range(20))
    assert len(cut(text)) == 2


def test_parts_are_never_joined() -> None:
    assert cut("One.", "Two.", " ", "Three.") == ["One.", "Two.", "Three."]


def test_chunk_is_found_by_title_and_heading_above() -> None:
    outline = Outline("Manual", [f"# Boiler\n{SENTENCE * 30}"])
    first, *_, last = outline.list_chunks()
    assert outline.describe(first).startswith("Manual\n# Boiler\nThe quick")
    assert outline.describe(last).startswith("Manual\nBoiler\nThe quick")


def test_marks_in_a_fence_are_no_headings() -> None:
    outline = Outline("Code", ["# Real\n```python\n# a comment\nx = 1\n```\nText\n~~~\n# another\n"])
    assert [heading.text for heading in outline.headings] == ["Real"]


@pytest.mark.parametrize(
    "text",
    [
        SENTENCE * 3000,
        "x" * 100_000,
        "word " * 20_000,
        "a\n" * 50_000,
        "# \n" * 30_000,
        "```\n" * 25_000,
        "- \n---\n" * 10_000,
        "日本語の文。" * 10_000,
        "\u2028\x85 a" * 20_000,
    ],
)
def test_nothing_is_lost_and_nothing_is_long(text: str) -> None:
    chunks = list(Outline("Title", [text]).list_chunks())
    assert all(0 < chunk.end - chunk.start <= CHUNK_CHARACTERS for chunk in chunks)
    places = [0, *(place for chunk in chunks for place in chunk), len(text)]
    assert places == sorted(places)
    between = zip(places[::2], places[1::2], strict=True)
    assert "".join(text[start:end] for start, end in between).strip() == ""


def test_windows_are_cut_at_spaces() -> None:
    text = "word " * (WINDOW_CHARACTERS // 2)
    assert all(chunk.startswith("word") and chunk.endswith("word") for chunk in cut(text))


def test_heading_of_a_later_part_counts_from_its_part() -> None:
    outline = Outline("Title", ["First part without an end", f"# Second\n{SENTENCE * 30}"])
    start = len("First part without an end")
    assert [heading.start for heading in outline.headings] == [start]
    assert "Second" in outline.describe(Span(start + 1200, start + 1300))
