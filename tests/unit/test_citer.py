"""Citations of an answer: markers checked, missing ones added, whatever the pieces it streams in."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.engine.grounding.alignment import Aligner, SourceReader
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
    citer = Citer(SOURCES, SourceReader(TermReader()))
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
        ("In the year [2024] it ended.", "In the year [2024] it ended."),
        ("arr[7] = 5 and arr[8] = 6.", "arr[7] = 5 and arr[8] = 6."),
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
    citer = Citer(SOURCES, SourceReader(TermReader()))
    assert citer.feed("A thing about bees [5]. ") + citer.finish() == "A thing about bees. "
    citer.add([Snippet(source="document", text="Bees dance to tell the way.", title="Bees", number=5)])
    assert citer.feed("Bees dance [5].") + citer.finish() == "Bees dance [5]."
    assert citer.citations[-1].title == "Bees"


@pytest.mark.parametrize("text", ["x" * 40_000, "\t" * 20_000 + "x", "_" * 20_000, "[" * 20_000, "1. " * 9_000])
def test_odd_texts_take_no_time(text: str) -> None:
    began = time.process_time()
    told, _ = cite(text, *range(0, len(text), 40))
    assert told == text
    assert time.process_time() - began < 1


def test_pauses_stand_once() -> None:
    citer = Citer(SOURCES, SourceReader(TermReader()))
    assert citer.feed("Let me see.") + citer.pause() + citer.pause() + citer.feed("Yes.") + citer.finish() == (
        "Let me see.\n\nYes."
    )


def test_a_range_without_end_is_bounded() -> None:
    assert len(list(list_numbers("1-99999"))) == 21


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1", [1]),
        ("1, 3-5, 9", [1, 3, 4, 5, 9]),
        ("2; 7 – 8", [2, 7, 8]),
        ("5-3", []),
        ("4-4", [4]),
        ("source 3, source 4", [3, 4]),
    ],
)
def test_numbers_of_a_marker_are_listed(text: str, numbers: list[int]) -> None:
    assert list(list_numbers(text)) == numbers


def test_wrong_marker_is_not_replaced_by_a_guess() -> None:
    told, citations = cite("Penguins live in the southern hemisphere [7].")
    assert (told, citations) == ("Penguins live in the southern hemisphere.", [])


def test_code_is_told_as_it_is() -> None:
    for text in ("```\nlist [9]\n``` [9]\n", "~~~\nPenguins live in the southern hemisphere\n~~~\n"):
        assert cite(text) == (text, [])


def test_code_ends_with_its_fence() -> None:
    told, citations = cite("```\nx\n```\nPenguins eat krill [4].")
    assert told.endswith("krill [4].")
    assert [one.number for one in citations] == [4]


def test_claim_is_the_sentence_without_its_blanks() -> None:
    told, citations = cite("Nobody knows. Penguins eat krill [4]. It cost ten million pounds. ")
    assert [told[one.claim_start : one.claim_end] for one in citations] == [
        "Penguins eat krill [4].",
        "It cost ten million pounds [1].",
    ]
    assert [one.is_aligned for one in citations] == [False, True]


def test_item_that_is_named_is_cited_whole() -> None:
    item = Snippet(source="item", title="On iron bridges", text="What arches hold, and why.", number=8, start=5)
    citer = Citer([*SOURCES, item], SourceReader(TermReader()))
    assert citer.feed("Start with On iron bridges there.") + citer.finish() == "Start with On iron bridges there [8]."
    (citation,) = citer.citations
    assert (citation.quote, citation.source_start, citation.source_end) == (item.text, 5, 5 + len(item.text))


def test_quote_of_a_long_source_is_cut() -> None:
    source = Snippet(source="document", title="Long", text="word " * 300, number=2, start=10)
    citer = Citer([source], SourceReader(TermReader()))
    citer.feed("Zebras graze [2].")
    citer.finish()
    (citation,) = citer.citations
    assert len(citation.quote) == citation.source_end - citation.source_start == 600


def test_source_counts_once_and_needs_a_number() -> None:
    citer = Citer(SOURCES, SourceReader(TermReader()))
    citer.add([SOURCES[0], Snippet(source="document", text="Without a number, without a citation.", title="None")])
    assert [source.number for source in citer.sources] == [1, 4]


def test_what_is_said_after_a_pause_is_a_paragraph() -> None:
    citer = Citer(SOURCES, SourceReader(TermReader()))
    assert citer.pause() == ""
    told = citer.feed("I look it up") + citer.pause()
    assert told == "I look it up\n\n"
    told += citer.feed("Penguins eat krill [4].") + citer.finish()
    (citation,) = citer.citations
    assert told[citation.start : citation.end] == "[4]"


def test_two_sentences_of_a_source_have_the_time_of_both() -> None:
    told, (citation,) = cite("It was opened in 1932 and cost ten million pounds to build.")
    assert told.endswith("[1].")
    assert (citation.place.start_s, citation.place.end_s, citation.place.marks) == (3.0, 12.0, ())


def test_marker_without_support_has_the_place_of_its_source() -> None:
    _, (citation,) = cite("Zebras graze at night [1].")
    assert (citation.place.start_s, citation.place.end_s, citation.quote) == (3.0, 20.0, BRIDGE)


def align(sentence: str, *texts: str) -> str | None:
    """The piece of these sources that a sentence rests on."""
    aligner = Aligner(SourceReader(TermReader()))
    aligner.add([Snippet(source="document", text=text, title="") for text in texts])
    support = aligner.align(sentence)
    return texts[support.source][support.start : support.end] if support else None


def test_figures_weigh_more_than_words() -> None:
    texts = "The mayor opened noon.", "The mayor opened 1932."
    assert align("The mayor opened 1932 noon.", *texts) == texts[1]
    assert align("The mayor opened 1932 noon.", *texts[::-1]) == texts[1]


def test_two_words_are_enough_and_one_is_not() -> None:
    assert align("Penguins swim.", "Penguins swim well.") == "Penguins swim well."
    assert align("Penguins.", "Penguins swim well.") is None


def test_sentence_that_shares_less_than_half_is_left_alone() -> None:
    source = "Herons stand still beside ponds."
    assert align("Herons stand beside ponds.", source) == source
    assert align("Herons stand, dive, paddle, whistle, quarrel and migrate.", source) is None


def test_two_sentences_are_one_piece_only_where_both_are_needed() -> None:
    source = "The iron bridge opened. Boats carried coal upstream."
    assert align("The iron bridge opened.", source) == "The iron bridge opened."
    assert align("The bridge opened and boats carried coal.", source) == source


def test_long_source_is_cited_by_a_piece_of_it() -> None:
    source = "Otters sleep afloat. " + "Nothing else is said here. " * 40 + "Badgers dig tunnels."
    assert align("Badgers dig tunnels.", source) == "Badgers dig tunnels."
    assert len(align("Otters sleep afloat.", source) or "") <= 400


def test_numbering_of_a_line_is_no_word_of_it() -> None:
    source = "Seals rest on rocks."
    assert align("3. 0:14 Seals rest on rocks", source) == source
    assert align("- 12) Whales", source) is None


def test_rare_words_weigh_more_than_common_ones() -> None:
    texts = "Harbour ferry.", "Harbour ferry.", "Harbour ferry.", "Zebra maps."
    assert align("Harbour ferry zebra maps.", *texts) == "Zebra maps."


def test_marked_sentence_rests_on_the_source_that_it_names() -> None:
    _, (citation,) = cite("It cost ten million pounds to build [4].")
    assert (citation.number, citation.quote) == (4, SOURCES[1].text)


def test_a_phrase_is_cited_at_its_own_time() -> None:
    text = "honeybees dance to show the flowers in the summer the bees make golden honey"
    marks = (Mark(0, 0.3, 4.2), Mark(text.index("in the summer"), 4.6, 7.1))
    place = Place(start_s=0.3, end_s=7.1, marks=marks)
    source = Snippet(source="document", text=text, title="Bees", number=1, place=place)
    citer = Citer([source], SourceReader(TermReader()))
    told = (
        citer.feed("In the summer the bees make golden honey. Honeybees dance to show the flowers. ") + citer.finish()
    )
    assert told.count("[1]") == 2
    assert [(one.place.start_s, one.place.end_s) for one in citer.citations] == [(4.6, 7.1), (0.3, 4.2)]
    whole = Citer([source], SourceReader(TermReader()))
    whole.feed("Honeybees dance to show the flowers in the summer and make golden honey.\n")
    assert [(one.place.start_s, one.place.end_s) for one in whole.citations] == [(0.3, 7.1)]


def test_answer_that_names_no_sources_has_no_markers() -> None:
    citer = Citer(SOURCES, SourceReader(TermReader()), cites=False)
    citer.add(SOURCES)
    told = citer.feed("The bridge was opened in 1932 [1]. Penguins eat krill [4].") + citer.finish()
    assert (told, citer.citations) == ("The bridge was opened in 1932. Penguins eat krill.", [])
