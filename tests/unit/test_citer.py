"""Citations of an answer: markers checked, missing ones added, whatever the pieces it streams in."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.engine.grounding.citer import Citer, list_numbers
from multiturn.engine.search.terms import TermReader
from multiturn.model.citation import Citation
from multiturn.model.retrieved import Snippet
from multiturn.model.segment import Mark, Place

BRIDGE = "The bridge was opened in 1932. It cost ten million pounds and took eight years to build."
SOURCES = (
    Snippet(
        source="document",
        text=BRIDGE,
        title="Bridge",
        start=100,
        number=1,
        place=Place(start_s=3, end_s=20, marks=(Mark(0, 3.0, 6.5), Mark(31, 7.0, 12.0))),
    ),
    Snippet(source="document", text="Penguins live in the southern hemisphere and eat krill.", title="Birds", number=4),
)


def cite(text: str, *cuts: int) -> tuple[str, list[Citation]]:
    """The text as it is told, and its citations; it comes in pieces that end at the cuts."""
    citer = Citer(SOURCES, TermReader())
    bounds = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    told = "".join(citer.feed(text[start:end]) for start, end in pairwise(bounds))
    return told + citer.finish(), citer.citations


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Penguins eat krill [4].", "Penguins eat krill [4]."),
        ("Penguins eat krill. [4]", "Penguins eat krill. [4]"),
        ("Penguins eat krill.[4] They do.", "Penguins eat krill. [4] They do."),
        ("Penguins eat krill [4, 1].", "Penguins eat krill [4][1]."),
        ("Both hold it [1-4].", "Both hold it [1][4]."),
        ("Both hold it [source 4].", "Both hold it [4]."),
        ("Nobody knows this [7].", "Nobody knows this."),
        ("Nobody knows this [7, 4].", "Nobody knows this [4]."),
        ("Nobody knows this at all.", "Nobody knows this at all."),
        ("Penguins live in the southern hemisphere.", "Penguins live in the southern hemisphere [4]."),
        ("- **Cost:** it cost ten million pounds\n- more", "- **Cost:** it cost ten million pounds [1]\n- more"),
        ("Read [1](https://example.org/one) first.", "Read [1](https://example.org/one) first."),
        ("Take `penguins[1]` here.", "Take `penguins[1]` here."),
        ("```\nx = penguins[9]\n```\nDone.", "```\nx = penguins[9]\n```\nDone."),
        ("", ""),
    ],
)
def test_markers_are_checked_and_added(said: str, told: str) -> None:
    assert cite(said)[0] == told


@given(st.lists(st.integers(1, 400), max_size=12))
def test_pieces_do_not_change_the_answer(cuts: list[int]) -> None:
    text = (
        "What I found: it cost ten million pounds to build. Penguins eat krill in the south [4, 9]. Not this [77].\n\n"
        '```\nlist[1]\n```\n1. It was opened in 1932.[1] And [1](there). Mr. Smith said so... [4] "Really?" [1]\nend'
    )
    assert cite(text, *cuts) == cite(text)


@given(st.text(alphabet="ab 1[],.!?\n`4-", max_size=200), st.lists(st.integers(1, 200), max_size=6))
def test_citations_name_their_markers(text: str, cuts: list[int]) -> None:
    told, citations = cite(text, *cuts)
    assert [told[one.start : one.end] for one in citations] == [f"[{one.number}]" for one in citations]
    assert all(one.claim_start <= one.start and one.end <= one.claim_end for one in citations)


def test_citation_is_narrowed_to_its_sentence() -> None:
    told, (citation,) = cite("It took eight years to build the thing.")
    assert told == "It took eight years to build the thing [1]."
    assert citation.is_aligned
    assert citation.quote == "It cost ten million pounds and took eight years to build."
    assert (citation.place.start_s, citation.place.end_s) == (7.0, 12.0)
    assert BRIDGE[citation.source_start - 100 : citation.source_end - 100] == citation.quote
    assert told[citation.claim_start : citation.claim_end] == told


def test_sources_found_later_can_be_cited() -> None:
    citer = Citer(SOURCES, TermReader())
    assert citer.feed("A thing about bees [5]. ") + citer.finish() == "A thing about bees. "
    citer.add([Snippet(source="document", text="Bees dance to tell the way.", title="Bees", number=5)])
    assert citer.feed("Bees dance [5].") + citer.finish() == "Bees dance [5]."
    assert citer.citations[-1].title == "Bees"


def test_a_range_without_end_is_bounded() -> None:
    assert len(list(list_numbers("1-99999"))) == 21
