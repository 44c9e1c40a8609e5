"""What a question over a knowledge store aims at, by its words, and how sources stand in front of the model."""

from __future__ import annotations

from uuid import UUID

import pytest
from msgspec.structs import replace

from multiturn.engine.grounding.aims import find_aim
from multiturn.engine.grounding.block import describe_place, write_source, write_sources, write_time
from multiturn.engine.grounding.sources import Room, interleave
from multiturn.engine.ingestion.chunking import Placed
from multiturn.engine.ingestion.sampling import WINDOW_CHARACTERS, WINDOWS_MAX, Sample
from multiturn.engine.window.tokens import count_text
from multiturn.model.asset import AssetKind
from multiturn.model.retrieved import Snippet
from multiturn.model.segment import Place, Segment

# Aims.


@pytest.mark.parametrize(
    "question",
    [
        "What are the main themes in these videos?",
        "Which of the documents are about trams?",
        "Give me an overview.",
        "Summarise the collection",
        "How many talks are there?",
        "What do the recordings cover?",
        "What is this video about?",
    ],
)
def test_question_about_the_whole_is_known(question: str) -> None:
    assert find_aim(question).is_corpus


@pytest.mark.parametrize(
    "question",
    ["Give me timestamps for the key moments", "When does he say that?", "At what minute?", "The highlights, please"],
)
def test_question_for_moments_is_known(question: str) -> None:
    assert find_aim(question).is_moments


@pytest.mark.parametrize(
    ("question", "is_back"),
    [
        ("Which videos best represent the first theme?", True),
        ("And what does she say about it?", True),
        ("Tell me more", True),
        ("What does a tram ticket cost?", False),
        ("Wer hat die Brücke gebaut?", False),
    ],
)
def test_question_that_takes_up_what_was_said_is_known(question: str, is_back: bool) -> None:
    assert find_aim(question).is_back is is_back


def test_question_for_a_detail_aims_at_nothing_else() -> None:
    aim = find_aim("What does a tram ticket cost?")
    assert (aim.is_corpus, aim.is_moments, aim.is_back, aim.kinds) == (False, False, False, frozenset())


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("Which clips show penguins?", {"video"}),
        ("Is it in a lecture?", {"video", "audio"}),
        ("Which podcasts?", {"audio", "video"}),
        ("Show me photos.", {"image"}),
        ("On which page?", {"document"}),
        ("Which videos and pictures?", {"video", "image"}),
        ("Is there a shortage?", set()),
    ],
)
def test_kinds_are_those_that_a_question_names(question: str, kinds: set[AssetKind]) -> None:
    assert find_aim(question).kinds == kinds


# Sources as the model reads them.


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0:00"), (9.99, "0:09"), (60, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (36_061, "10:01:01")],
)
def test_time_is_told_as_people_write_it(seconds: float, told: str) -> None:
    assert write_time(seconds) == told


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (Place(), ""),
        (Place(page=4), "page 4"),
        (Place(start_s=12.0), "0:12"),
        (Place(start_s=0.0, end_s=31.4, page=2), "0:00–0:31"),
    ],
)
def test_place_is_told_by_time_or_page(place: Place, told: str) -> None:
    assert describe_place(place) == told


def test_source_is_one_line_behind_its_number() -> None:
    source = Snippet(source="document", text=" It opened. \n", title="t" * 300, number=7, kind="video", place=Place())
    assert write_source(source) == f"[7] {'t' * 100} (video): It opened.\n"
    assert write_source(Snippet(source="document", text="x", number=1)) == "[1] : x\n"


def test_what_is_left_out_is_not_written() -> None:
    shown = Snippet(source="document", text="Seen.", number=1)
    left_out = Snippet(source="document", text="Unseen.", number=2, omitted="budget")
    assert write_sources([shown, left_out]) == "[Sources]\n[1] : Seen.\n"
    assert "Nothing in the knowledge store" in write_sources([left_out])
    assert write_sources([], earlier=[3, 5]) == "[Sources]\nSee also [3], [5] above.\n"


# The room that sources have.


def make_source(number: int, *, text: str = "Trams climb hills.", shown: int | None = None) -> Snippet:
    """A source; ``shown`` is the number by which the model knows it already."""
    return Snippet(source="document", text=text, start=number * 100, item_id=UUID(int=1), chunk=number, number=shown)


def cost_of(*sources: Snippet) -> int:
    """The tokens of these sources behind the numbers from 1 on, their heading included."""
    return count_text("[Sources]\n") + sum(
        count_text(write_source(Snippet(source="document", text=one.text, number=number)))
        for number, one in enumerate(sources, 1)
    )


def test_room_takes_what_fits_to_the_token() -> None:
    two = [make_source(1), make_source(2)]
    for spare, taken in ((0, 2), (-1, 1)):
        room = Room((), cost_of(*two) + spare)
        room.take(two)
        assert len(room.taken) == taken
        assert [one.omitted for one in room.close().snippets] == [None] * taken + ["budget"] * (2 - taken)


def test_share_of_a_room_leaves_the_rest() -> None:
    sources = [make_source(number) for number in range(1, 5)]
    room = Room((), cost_of(*sources))
    room.take(sources[:3], share=0.5)
    assert len(room.taken) == 2
    room.take(sources[2:])
    assert [one.number for one in room.taken] == [1, 2, 3, 4]


def test_small_source_is_taken_behind_one_that_is_too_large() -> None:
    small = make_source(2)
    room = Room((), cost_of(small))
    room.take([make_source(1, text="words " * 500), small])
    assert [one.chunk for one in room.taken] == [2]
    assert room.taken[0].number == 1


def test_source_that_is_shown_keeps_its_number() -> None:
    shown = make_source(1, shown=6)
    room = Room([shown], 1000)
    room.take([make_source(1), make_source(1), make_source(2)])
    assert list(room.earlier) == [6]
    assert [one.number for one in room.taken] == [7]
    assert "See also [6] above." in room.close().lines


def test_source_that_was_just_taken_is_no_earlier_one() -> None:
    room = Room((), 1000)
    room.take([make_source(1), make_source(1)])
    chosen = room.close([replace(make_source(9), omitted="below_threshold")])
    assert "See also" not in chosen.lines
    assert [(one.chunk, one.omitted) for one in chosen.snippets] == [(1, None), (9, "below_threshold")]


def test_few_of_those_left_out_are_remembered() -> None:
    room = Room((), 1000)
    assert len(room.close([make_source(number) for number in range(30)]).snippets) == 10


def test_two_lists_are_taken_in_turn() -> None:
    one, two, three = (make_source(number) for number in range(3))
    assert list(interleave([one, two], [three])) == [one, three, two]


# What a model reads of a long item.


def sample(*texts: str) -> Sample:
    """The sample of an item with these parts."""
    taken, start = Sample(sum(map(len, texts))), 0
    for text in texts:
        taken.add(Placed(start, Segment(text=text, place=Place())))
        start += len(text)
    return taken


def test_short_item_is_read_whole() -> None:
    assert sample("One.", "Two.").list_windows() == ["One.\nTwo."]
    assert sample("One.", "Two.").write() == "One.\nTwo."
    assert sample().list_windows() == []


def test_item_of_one_window_is_one_window() -> None:
    assert len(sample("x" * WINDOW_CHARACTERS).list_windows()) == 1
    windows = sample("x" * WINDOW_CHARACTERS, "y").list_windows()
    assert [len(window) for window in windows] == [WINDOW_CHARACTERS, 1]


def test_long_item_is_read_evenly() -> None:
    parts = [f"{number:04} ".ljust(1000, "x") for number in range(200)]
    taken = sample(*parts)
    windows = taken.list_windows()
    assert len(windows) == WINDOWS_MAX
    assert [int(window[:4]) for window in windows] == [0, 25, 50, 75, 100, 125, 150, 175]
    assert all(WINDOW_CHARACTERS <= len(window) <= WINDOW_CHARACTERS + len(parts) for window in windows)
    written = taken.write().split("\n…\n")
    assert [len(share) for share in written] == [WINDOW_CHARACTERS // WINDOWS_MAX] * WINDOWS_MAX
