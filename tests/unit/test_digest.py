"""What an item is about, told by its own sentences: those that say most, as they stand in it, over its whole length."""

from __future__ import annotations

from itertools import accumulate

import pytest

from multiturn.engine.ingestion.chunking import Placed
from multiturn.engine.ingestion.digest import DigestBuilder, find_title
from multiturn.engine.ingestion.sentences import find_paragraphs, find_sentences
from multiturn.model.segment import Mark, Place, Segment
from multiturn.model.store import Digest

WHALES = (
    "Good morning. Humpback whales sing long songs that last up to twenty minutes. I had a coffee.",
    "The song of the whales changes from year to year, and all whales of one ocean sing the same song. Well, yes.",
    "Ships are loud. The noise of ships in the ocean drowns the song of the whales. That is all for now.",
)


def digest_of(*texts: str, title: str = "talk") -> Digest:
    """The digest of parts with these texts."""
    starts = list(accumulate((len(text) for text in texts), initial=0))
    builder = DigestBuilder(starts[-1])
    for start, text in zip(starts, texts, strict=False):
        builder.add(Placed(start, Segment(text=text, place=Place(page=starts.index(start) + 1))))
    return builder.build(title)


def test_sentences_are_the_items_own() -> None:
    whole = "".join(WHALES)
    digest = digest_of(*WHALES)
    assert digest.highlights
    for told in digest.highlights:
        assert whole[told.start : told.end] == told.text


def test_what_says_most_is_told() -> None:
    digest = digest_of(*WHALES)
    assert "all whales of one ocean sing the same song" in digest.summary
    assert "coffee" not in digest.summary
    assert "Good morning" not in digest.summary


def test_key_words_are_those_of_the_matter() -> None:
    keywords = digest_of(*WHALES).keywords
    assert {"whales", "song"} <= set(keywords[:4])
    assert "the" not in keywords


def test_highlights_are_spread_over_the_length() -> None:
    chapters = [
        f"Chapter {number} tells of the kind {word}. " * 40 for number, word in enumerate(["elk", "bee", "cod"])
    ]
    digest = digest_of(*chapters)
    assert [told.place.page for told in digest.highlights] == [1, 2, 3]


def test_a_long_item_is_told_in_few_sentences() -> None:
    digest = digest_of(*(f"Section {number} is about topic {number % 7} of the report. " * 20 for number in range(300)))
    assert len(digest.highlights) == 12
    assert len(digest.summary) <= 700


def test_sentences_go_on_over_the_ends_of_lines() -> None:
    wrapped = (
        "Four score and seven years ago our fathers brought forth on this\n"
        "continent a new nation, conceived in liberty. Now we are engaged in a\n"
        "great civil war.\n\n"
        "# A heading\n"
        "- one entry of a list that is so long that it fills its line whole\n"
        "- another entry\n"
        "ship: Aurora leaves the harbour on time as she always does in spring\n"
        "ship: Borealis"
    )
    found = [wrapped[start:end] for start, end in find_sentences(wrapped, characters_max=300)]
    assert found[0].endswith("brought forth on this\ncontinent a new nation, conceived in liberty.")
    assert found[1:] == [
        "Now we are engaged in a\ngreat civil war.",
        "# A heading",
        "- one entry of a list that is so long that it fills its line whole",
        "- another entry",
        "ship: Aurora leaves the harbour on time as she always does in spring",
        "ship: Borealis",
    ]


def test_what_is_said_has_its_own_time() -> None:
    text = "Welcome to all of you here. The whales sing the song of whales."
    marks = (Mark(0, 0.0, 2.0), Mark(28, 2.0, 6.5))
    builder = DigestBuilder(len(text))
    place = Place(start_s=0.0, end_s=6.5, marks=marks)
    builder.add(Placed(0, Segment(text=text, modality="speech", place=place)))
    told = {moment.text: moment.place.start_s for moment in builder.build("talk").highlights}
    assert told["The whales sing the song of whales."] == 2.0


def test_screens_count_where_nothing_is_said() -> None:
    builder = DigestBuilder(60)
    builder.add(Placed(0, Segment(text="Quarterly report of the harbour", modality="screen")))
    assert builder.build("scan").summary == "Quarterly report of the harbour"
    builder.add(Placed(31, Segment(text="The harbour was quiet.", modality="text")))
    assert builder.build("scan").summary == "The harbour was quiet."


def test_an_empty_item_is_its_title() -> None:
    assert digest_of() == Digest(title="talk", summary="")
    assert digest_of("... !!! ---").highlights == ()


def test_scripts_without_spaces_have_sentences() -> None:
    digest = digest_of("鯨は歌を歌います。鯨の歌は毎年変わります。船の音は大きいです。")
    assert "鯨" in digest.summary


def test_a_title_is_what_the_file_says_of_itself() -> None:
    heading = Placed(0, Segment(text="text", place=Place(heading="Singing Whales")))
    assert find_title("a.pdf", "The Whale Report", [heading]) == "The Whale Report"
    assert find_title("a.pdf", "The\nWhale\u2028Report\x1b[1m", [heading]) == "The Whale Report [1m"
    assert find_title("a.pdf", "   ", [heading]) == "Singing Whales"
    assert find_title("a.pdf", None, [Placed(9, heading.part)]) == "a.pdf"


def test_a_first_slide_names_a_talk() -> None:
    slide = Placed(40, Segment(text="Songs of Whales\nA talk", modality="screen", place=Place(start_s=0.0, shot=0)))
    later = Placed(40, Segment(text="Songs of Whales\nA talk", modality="screen", place=Place(start_s=9.0, shot=3)))
    assert find_title("talk.mp4", None, [slide]) == "Songs of Whales"
    assert find_title("talk.mp4", None, [later]) == "talk.mp4"


@pytest.mark.parametrize(
    ("before", "line", "is_one"),
    [
        ("x" * 49, "Next one", False),
        ("x" * 50, "Next one", True),
        ("short", "goes on", True),
        ("Ends here.", "goes on", False),
        ("It ends,", "then goes on", True),
        ("words " * 10, "- an entry", False),
        ("words " * 10, "2) an entry", False),
        ("words " * 10, "name: a value", False),
    ],
)
def test_line_goes_on_with_the_one_before(before: str, line: str, is_one: bool) -> None:
    text = f"{before}\n{line}"
    assert len(list(find_paragraphs(text))) == (1 if is_one else 2)


def test_empty_line_ends_a_paragraph() -> None:
    text = "first goes\n\non here\nand here"
    assert [text[start:end] for start, end in find_paragraphs(text)] == ["first goes", "on here\nand here"]
    assert list(find_paragraphs("")) == []


def test_sentence_over_the_limit_comes_in_parts() -> None:
    text = "word " * 100 + "end."
    parts = [text[start:end] for start, end in find_sentences(text, characters_max=120)]
    assert all(len(part) <= 120 for part in parts)
    assert " ".join(parts) == text
