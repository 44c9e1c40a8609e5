"""Questions over talks and documents whose answers have a known place: a sentence that is said, or a page."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct


# What a talk says is looked up by words of it (third), a page by its number.
TALK_QUESTIONS = (
    ("tides", "What makes the water of the sea rise towards the Moon?", "moon pulls the water", "The Moon attracts the sea's water."),
    ("tides", "What happens to the water on the other side of the Earth?", "far side of the earth", "The water rises on the far side too."),
    ("tides", "How often is there high tide on most coasts?", "two high tides", "Most coasts have high tide twice, two high tides each day."),
    ("tides", "When is the tide strongest?", "in line", "The tide is strongest when Sun and Moon stand in line."),
    ("tides", "What is the name of the strongest tide?", "spring tide", "It is called a spring tide."),
    ("tides", "When do Sun and Moon pull at right angles?", "right angles", "A week later they pull at right angles, with a weak neap tide."),
    ("tides", "When do sailors leave the harbour?", "falling tide", "Sailors leave on the falling tide, which carries the ship out."),
    ("lighthouses", "What does a lighthouse warn of?", "warns ships", "A lighthouse warns ships of rocks."),
    ("lighthouses", "What were the first lighthouses?", "open fires", "The first ones were open fires on a hill."),
    ("lighthouses", "What did lighthouses burn after the open fires?", "burned oil", "Later they burned oil."),
    ("lighthouses", "Who built a lens of many rings of glass?", "rings of glass", "The engineer Fresnel built the lens out of rings of glass."),
    ("lighthouses", "From how far away could the beam be seen?", "thirty kilometres", "Sailors could see the beam from thirty kilometres."),
    ("lighthouses", "How does a captain know which lighthouse it is?", "rhythm of its own", "Each lighthouse has its own rhythm; the captain counts the flashes."),
    ("moon-landing", "Where did the rocket start?", "florida", "The rocket left the coast of Florida in July 1969."),
    ("moon-landing", "When did the spacecraft reach its orbit around the Moon?", "orbit around", "Three days later the spacecraft was in orbit around the Moon."),
    ("moon-landing", "Why did Armstrong steer by hand?", "steered by hand", "Armstrong steered by hand because the computer headed for rocks."),
    ("moon-landing", "How much fuel was left at the landing?", "fuel for less", "There was fuel for less than a minute when it touched the ground."),
    ("moon-landing", "How much rock did the crew bring home?", "kilograms of rock", "The crew brought home twenty one kilograms of rock."),
    ("moon-landing", "What did the crew leave behind on the Moon?", "mirror behind", "They left a mirror, by which the distance to the Moon is measured."),
)  # fmt: skip
GUIDE_QUESTIONS = (
    ("By how much is high water later each day?", 1, "High water is about fifty minutes later each day."),
    ("How far does the water in this harbour rise at a spring tide?", 1, "At a spring tide it rises by five metres."),
    ("When may boats that draw three metres come in?", 1, "They enter two hours before high water at the earliest."),
    ("How often does the light on the north pier flash?", 2, "The north pier's light flashes white every ten seconds."),
    ("On which side is the red light when coming in?", 2, "Keep the red light to your left."),
    ("What does the horn do in fog?", 2, "The horn on the pier sounds twice a minute."),
    ("On which channel does the harbour master listen?", 3, "The harbour master listens on channel sixteen."),
    ("What is every boat's first duty?", 3, "A person in the water is the first duty of every boat."),
    ("How quickly does the lifeboat leave?", 3, "The lifeboat leaves eight minutes after an alarm."),
)
TOWNS = "Ashford Brinley Corwen Dalby Elmsworth Farrow Glenside Hartwell Ilmore Kelby Linton Marwick".split()
THINGS = (
    ("mill", "was built of red brick", "grinds oats"),
    ("bridge", "was built of grey stone", "carries the road to the coast"),
    ("library", "was given by a merchant", "holds nine thousand books"),
    ("chapel", "was painted white", "seats two hundred people"),
    ("market hall", "was roofed with slate", "opens on Thursdays"),
)
PEOPLE = "Adams Barlow Chester Denholm Emery Fielding Garrick Hollis Irwin Jessop Kendall Lambert".split()


class Question(Struct, frozen=True, kw_only=True):
    """A question, what a model answers in words of its own, and where the answer stands: ``words`` of a talk's sentence,
    or a page.
    """

    file: str
    text: str
    answer: str
    words: str = ""
    page: int = 0


def write_register() -> tuple[tuple[str, ...], ...]:
    """A register of buildings, a town a page: sixty facts that resemble each other."""
    return tuple(
        (
            f"{town}",
            *(
                f"The {thing} of {town} {made} in {1700 + 17 * row + 5 * place} by {PEOPLE[(row + 3 * place) % 12]}. It {use}."
                for place, (thing, made, use) in enumerate(THINGS)
            ),
        )
        for row, town in enumerate(TOWNS)
    )


def list_questions() -> Iterator[Question]:
    """All questions."""
    for file, text, words, answer in TALK_QUESTIONS:
        yield Question(file=f"{file}.webm", text=text, words=words, answer=answer)
    for text, page, answer in GUIDE_QUESTIONS:
        yield Question(file="harbour-guide.pdf", text=text, page=page, answer=answer)
    for row, town in enumerate(TOWNS):
        for place in (row % 5, (row + 2) % 5):
            thing, made, _ = THINGS[place]
            who = PEOPLE[(row + 3 * place) % 12]
            text = f"Who stands behind the {thing} of {town}?"
            answer = f"The {thing} of {town} {made} by {who}."
            yield Question(file="register.pdf", text=text, page=row + 1, answer=answer)
