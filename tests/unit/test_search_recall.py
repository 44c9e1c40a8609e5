"""Recall: what a message brings back of a conversation, and how it is written for the model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.engine.search.index import Hit, SearchIndex
from multiturn.engine.search.ranking import EARLIER_WEIGHTS, ask, describe, find_nearest_min, list_entries, recall
from multiturn.engine.search.segment import build_segment, with_vectors
from multiturn.engine.search.snippets import Said, Snippet, choose_snippets, join_snippets, write_snippets
from multiturn.engine.search.terms import TermReader
from multiturn.engine.window.tokens import count_text

READER = TermReader()
MAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
TALK = [
    ("Ann", "I joined a pottery class in the old harbour."),
    ("Ben", "Sounds lovely! Who teaches it?"),
    ("Ann", "A sculptor from Lisbon."),
    ("Ben", "I adopted a dog called Biscuit last week."),
    ("Ann", "How sweet. Is he a puppy?"),
    ("Ben", "He is four. We walk along the river every morning."),
    *[("Ann", f"The weather report number {number} says rain.") for number in range(12)],
]
SAID = {
    number: Said(text, speaker, MAY + timedelta(days=number // 6))
    for number, (speaker, text) in enumerate(TALK, start=1)
}


def index_of(said: dict[int, Said]) -> SearchIndex:
    index = SearchIndex()
    for number, one in said.items():
        entries = list_entries(number, one.text, speaker=one.speaker, said_at=one.said_at)
        index.add(number, build_segment(entries, READER))
    return index


INDEX = index_of(SAID)


def hit(number: int, *, start: int = 0, end: int | None = None, score: float = 1.0) -> Hit:
    return Hit("", number, start, len(SAID[number].text) if end is None else end, score, 1.0, 0.5)


def write(hits: Sequence[Hit], *, tokens_max: int = 1000, shown: Sequence[tuple[int, int, int]] = ()) -> str:
    return write_snippets(choose_snippets(hits, SAID, tokens_max=tokens_max, count=count_text, shown=shown))


@pytest.mark.parametrize(
    ("question", "number"),
    [
        ("Where is the pottery class?", 1),
        ("What is the name of Ben's dog?", 4),
        ("What did Ann join on 8 May 2023?", 1),
        ("Where do they walk in the mornings?", 6),
    ],
)
def test_question_brings_back_its_answer(question: str, number: int) -> None:
    assert recall(INDEX, ask(READER, question))[0].number == number


def test_answer_is_found_beside_its_question() -> None:
    assert 3 in [hit.number for hit in recall(INDEX, ask(READER, "Who teaches the pottery class?"))[:3]]


@pytest.mark.parametrize("message", ["thanks!", "ok", "Hello there", "Explain congestion control.", ""])
def test_message_about_nothing_said_recalls_nothing(message: str) -> None:
    assert recall(INDEX, ask(READER, message)) == []


def test_thanks_recall_nothing_of_what_was_before() -> None:
    near = {"all-MiniLM-L6-v2-int8": np.array([1, 0], np.float32)}
    index = SearchIndex()
    entries = list_entries(1, "I adopted a dog.", speaker="", said_at=None)
    index.add(1, with_vectors(build_segment(entries, READER), "all-MiniLM-L6-v2-int8", np.array([[1, 0]], np.float32)))
    assert recall(index, ask(READER, "thanks!", earlier=["a dog"], vectors=near)) == []
    assert recall(index, ask(READER, "The dog, thanks!", earlier=["a dog"], vectors=near))


def test_common_words_alone_recall_nothing() -> None:
    assert recall(INDEX, ask(READER, "What does the report say?"), before=7) == []


def test_only_what_was_cut_is_recalled() -> None:
    hits = recall(INDEX, ask(READER, "pottery dog weather rain"), before=4)
    assert {hit.number for hit in hits} <= {1, 2, 3}


def test_limit_bounds_what_is_ranked() -> None:
    assert len(recall(INDEX, ask(READER, "pottery dog"), limit=2)) == 2


def test_far_vectors_recall_nothing() -> None:
    index = SearchIndex()
    entries = list_entries(1, "I adopted a dog.", speaker="", said_at=None)
    vectors = np.array([[1, 0]], np.float32)
    for model in ("all-MiniLM-L6-v2-int8", "unknown"):
        index.add(model, with_vectors(build_segment(entries, READER), model, vectors))
    near, far = np.array([0.8, 0.6], np.float32), np.array([0.3, 0.95], np.float32)
    assert recall(index, ask(READER, "puppy", vectors={"all-MiniLM-L6-v2-int8": near}))
    assert not recall(index, ask(READER, "puppy", vectors={"all-MiniLM-L6-v2-int8": far}))
    assert not recall(index, ask(READER, "puppy", vectors={"unknown": near}))


def test_least_cosine_is_known_by_model() -> None:
    assert find_nearest_min(["sentence-transformers/all-MiniLM-L6-v2"]) is not None
    assert find_nearest_min(["all-MiniLM-L6-v2-int8", "unknown"]) is None
    assert find_nearest_min([]) is None


def test_earlier_turns_weigh_less() -> None:
    query = ask(READER, "And the dog?", earlier=["pottery", "river dog", "harbour river"])
    weights = {word: query.terms.get(READER.read(word)[0]) for word in ("dog", "harbour", "river", "pottery")}
    newest, next_, oldest, *_ = EARLIER_WEIGHTS
    assert weights == {"dog": 1.0, "harbour": newest, "river": newest, "pottery": oldest}
    assert newest > next_ > oldest


def test_entry_is_found_by_speaker_and_day() -> None:
    assert describe("Ann", MAY) == "Ann, 8 May 2023: "
    assert (describe("", MAY), describe("Ann", None), describe("", None)) == ("8 May 2023: ", "Ann: ", "")
    entry = list_entries(5, "Hello.", speaker="Ann", said_at=MAY)[0]
    assert entry == (5, 0, 6, "Ann, 8 May 2023: Hello.", "Ann")


def test_long_item_has_an_entry_for_each_piece() -> None:
    text = "A sentence about nothing in particular. " * 30
    entries = list_entries(5, text, speaker="Ann", said_at=None)
    assert len(entries) > 2
    assert all(entry.text == f"Ann: {text[entry.start : entry.end]}" for entry in entries)


def test_snippets_are_written_in_the_order_said() -> None:
    assert write([hit(7), hit(3), hit(1)]) == (
        "[8 May 2023]\nAnn: I joined a pottery class in the old harbour.\nAnn: A sculptor from Lisbon.\n"
        "[9 May 2023]\nAnn: The weather report number 0 says rain.\n"
    )


def test_nothing_is_written_for_nothing() -> None:
    assert write([]) == ""
    assert write([hit(1)], tokens_max=5) == ""


def test_weak_hits_are_not_worth_their_tokens() -> None:
    assert write([hit(1), hit(2, score=0.39)]) == write([hit(1)])
    assert choose_snippets([hit(1), hit(2, score=0.39)], SAID, tokens_max=99, count=count_text, share_min=0.3)[1:]


def test_weak_hits_stay_weak_when_the_best_is_shown() -> None:
    assert write([hit(1), hit(2, score=0.39)], shown=[(1, 0, 1000)]) == ""


def test_what_is_shown_is_not_repeated() -> None:
    hits = [hit(1, end=8), hit(1, start=9), hit(2)]
    assert [s.start for s in choose_snippets(hits, SAID, tokens_max=99, count=count_text, shown=[(1, 0, 8)])] == [9, 0]


def test_unknown_items_are_passed_over() -> None:
    assert choose_snippets([Hit("", 99, 0, 3, 1.0, 1.0, None)], SAID, tokens_max=99, count=count_text) == []


def test_smaller_piece_may_fit_where_a_larger_did_not() -> None:
    chosen = choose_snippets([hit(1), hit(3)], SAID, tokens_max=12, count=count_text)
    assert [snippet.number for snippet in chosen] == [3]


def test_touching_pieces_become_one() -> None:
    said = Said("First. Second. Third.", "Ann", None)
    pieces = [Snippet(number=1, start=start, end=end, score=1.0, said=said) for start, end in [(7, 14), (0, 6)]]
    joined = join_snippets(pieces)
    assert [(snippet.start, snippet.end) for snippet in joined] == [(0, 14)]
    assert write_snippets(joined) == "Ann: First. Second.…\n"


def test_gaps_are_marked() -> None:
    said = Said("First. Second. Third.", "", None)
    pieces = [Snippet(number=1, start=start, end=end, score=1.0, said=said) for start, end in [(0, 6), (15, 21)]]
    assert write_snippets(join_snippets(pieces)) == "First.…\n…Third.\n"


@given(st.permutations(range(1, 19)), st.integers(0, 300))
def test_block_is_within_its_budget_and_verbatim(order: list[int], tokens_max: int) -> None:
    chosen = choose_snippets([hit(number) for number in order], SAID, tokens_max=tokens_max, count=count_text)
    block = write_snippets(chosen)
    assert count_text(block) <= tokens_max
    assert all(snippet.said.text in block for snippet in chosen)
    assert [snippet.number for snippet in chosen] == sorted(snippet.number for snippet in chosen)


def test_the_same_words_are_recalled_once() -> None:
    said = {number: Said(text="tea, please", speaker="Ann", said_at=None) for number in range(5)}
    hits = [
        Hit(key="k", number=number, start=0, end=11, score=1.0, lexical=1.0, similarity=None) for number in range(5)
    ]
    assert [snippet.number for snippet in choose_snippets(hits, said, tokens_max=100, count=len)] == [0]
