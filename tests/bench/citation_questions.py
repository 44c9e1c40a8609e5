"""Questions over talks and documents whose answers have a known place: a sentence that is said, or a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

# A line each: file, words of the talk's sentence or the page, question, what a model answers in words of its own.
QUESTIONS = Path(__file__).with_suffix(".tsv")
TOWNS = [
    *("Ashford", "Brinley", "Corwen", "Dalby", "Elmsworth", "Farrow"),
    *("Glenside", "Hartwell", "Ilmore", "Kelby", "Linton", "Marwick"),
]
PEOPLE = [
    *("Adams", "Barlow", "Chester", "Denholm", "Emery", "Fielding"),
    *("Garrick", "Hollis", "Irwin", "Jessop", "Kendall", "Lambert"),
]
THINGS = (
    ("mill", "was built of red brick", "grinds oats"),
    ("bridge", "was built of grey stone", "carries the road to the coast"),
    ("library", "was given by a merchant", "holds nine thousand books"),
    ("chapel", "was painted white", "seats two hundred people"),
    ("market hall", "was roofed with slate", "opens on Thursdays"),
)
ASKED_A_TOWN = 2


class Question(Struct, frozen=True, kw_only=True):
    """A question, what a model answers in words of its own, and where the answer stands.

    That is a sentence of a talk, by some of its ``words``, or a page.
    """

    file: str
    text: str
    answer: str
    words: str = ""
    page: int = 0


def list_questions() -> Iterator[Question]:
    """All questions."""
    for line in QUESTIONS.read_text("utf-8").splitlines()[1:]:
        file, place, text, answer = line.split("\t")
        if place.isdigit():
            yield Question(file=file, text=text, answer=answer, page=int(place))
        else:
            yield Question(file=file, text=text, answer=answer, words=place)
    yield from list_register_questions()


def list_register_questions() -> Iterator[Question]:
    """Two questions about each town of the register."""
    for row, town in enumerate(TOWNS):
        for number in range(ASKED_A_TOWN):
            place = (row + 2 * number) % len(THINGS)
            thing, made, _ = THINGS[place]
            text = f"Who stands behind the {thing} of {town}?"
            answer = f"The {thing} of {town} {made} by {name_person(row, place)}."
            yield Question(file="register.pdf", text=text, page=row + 1, answer=answer)


def write_register() -> tuple[tuple[str, ...], ...]:
    """A register of buildings, a town a page: sixty facts that resemble each other."""
    return tuple((town, *(describe(row, place) for place in range(len(THINGS)))) for row, town in enumerate(TOWNS))


def describe(row: int, place: int) -> str:
    """What the register says of a building."""
    thing, made, use = THINGS[place]
    return (
        f"The {thing} of {TOWNS[row]} {made} in {1700 + 17 * row + 5 * place} by {name_person(row, place)}. It {use}."
    )


def name_person(row: int, place: int) -> str:
    """Who made a building."""
    return PEOPLE[(row + 3 * place) % len(PEOPLE)]
