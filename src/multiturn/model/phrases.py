"""Spoken phrases, joined to segments that are long enough to be found and short enough to be cited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from multiturn.model.segment import Mark, Place, Segment

# A segment of speech: some sentences, about what a person says in half a minute.
CHARACTERS_MIN, CHARACTERS_MAX = 200, 600
SEGMENT_S_MAX = 40.0
# After so long a silence another thought begins.
PAUSE_S = 4.0
# A phrase without end is cut, at a space where there is one.
PHRASE_CHARACTERS_MAX = 2000
SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", '."', '!"', '?"')


class Phrase(NamedTuple):
    """What was said from second to second, without a break."""

    text: str
    start_s: float
    end_s: float


def join_phrases(
    phrases: Iterable[Phrase], *, find_shot: Callable[[float], int | None] | None = None
) -> Iterator[Segment]:
    """Join phrases, in their order, to segments of modality speech with a mark for each phrase.

    A segment ends after a sentence once it has 200 characters, before it has more than 600 or lasts more than 40 s,
    and at a long silence. ``find_shot`` tells the shot that is seen at a time.
    """
    held: list[Phrase] = []
    characters = 0
    for phrase in cut_phrases(phrases):
        if held and _is_over(held, characters, phrase):
            yield _make_segment(held, find_shot)
            held, characters = [], 0
        held.append(phrase)
        characters += len(phrase.text) + 1
        if characters >= CHARACTERS_MIN and phrase.text.endswith(SENTENCE_ENDS):
            yield _make_segment(held, find_shot)
            held, characters = [], 0
    if held:
        yield _make_segment(held, find_shot)


def cut_phrases(phrases: Iterable[Phrase]) -> Iterator[Phrase]:
    """Trim phrases, leave out empty ones, and cut those that are too long, each piece with its share of the time."""
    for phrase in phrases:
        text = " ".join(phrase.text.split())
        start_s, end_s = max(phrase.start_s, 0.0), max(phrase.end_s, phrase.start_s, 0.0)
        whole = len(text)
        at = 0
        while at < whole:
            end = whole if whole - at <= PHRASE_CHARACTERS_MAX else _find_break(text, at)
            length_s = end_s - start_s
            yield Phrase(text[at:end].strip(), start_s + length_s * at / whole, start_s + length_s * end / whole)
            at = end


def _find_break(text: str, start: int) -> int:
    end = start + PHRASE_CHARACTERS_MAX
    space = text.rfind(" ", start + 1, end)
    return space if space > 0 else end


def _is_over(held: Sequence[Phrase], characters: int, phrase: Phrase) -> bool:
    return (
        characters + len(phrase.text) > CHARACTERS_MAX
        or phrase.end_s - held[0].start_s > SEGMENT_S_MAX
        or phrase.start_s - held[-1].end_s > PAUSE_S
    )


def _make_segment(phrases: Sequence[Phrase], find_shot: Callable[[float], int | None] | None) -> Segment:
    marks: list[Mark] = []
    start = 0
    for phrase in phrases:
        marks.append(Mark(start, round(phrase.start_s, 3), round(phrase.end_s, 3)))
        start += len(phrase.text) + 1
    place = Place(
        start_s=marks[0].start_s,
        end_s=max(mark.end_s for mark in marks),
        shot=find_shot(phrases[0].start_s) if find_shot else None,
        marks=tuple(marks),
    )
    return Segment(text=" ".join(phrase.text for phrase in phrases), modality="speech", place=place)
