"""Sources as the model reads them, behind their numbers, and what it is told to do with them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from multiturn.model.retrieved import Snippet
from multiturn.model.segment import Place

# Stands in the instructions of every turn over a knowledge store: always the same bytes.
# An example of a marker, such as [1], has small models answer with nothing but one.
INSTRUCTIONS = (
    "You answer from a knowledge store. What it holds on a question stands between <recalled> and </recalled> in front "
    "of the question: sources, each behind its number. Answer in words, in whole sentences, and behind each sentence "
    "write the number of its source in square brackets. Use no other numbers and no other knowledge. When the sources "
    "do not hold the answer, say that it was not found."
)
# The same where the answer is not to name its sources.
UNCITED = (
    "You answer from a knowledge store. What it holds on a question stands between <recalled> and </recalled> in front "
    "of the question. Answer in words, in whole sentences, and name no numbers of sources. Use no other knowledge. "
    "When the sources do not hold the answer, say that it was not found."
)
SOURCES = "[Sources]\n"
NOTHING = "[Sources]\nNothing in the knowledge store matches this question.\n"
AWAY = "[Sources]\nThe knowledge store cannot be searched at this moment.\n"
# What looks like a source in a source's own text: a file must not make up others.
MARKED_LINE = re.compile(r"^([ \t]*)\[(\d{1,5})\]", re.MULTILINE)
TITLE_CHARACTERS_MAX = 100


def write_sources(sources: Sequence[Snippet], *, earlier: Sequence[int] = ()) -> str:
    """The sources that are shown anew; ``earlier`` are numbers of those above that matter again."""
    lines = "".join(write_source(source) for source in sources if source.omitted is None)
    if earlier:
        lines += f"See also {', '.join(f'[{number}]' for number in earlier)} above.\n"
    return SOURCES + lines if lines else NOTHING


def write_source(source: Snippet) -> str:
    """One source: its number, the title of its item, what and where it is, and its text."""
    facts = ", ".join(fact for fact in (source.kind or "", describe_place(source.place)) if fact)
    title = (source.title or "")[:TITLE_CHARACTERS_MAX]
    text = MARKED_LINE.sub(r"\1(\2)", source.text.strip())
    return f"[{source.number}] {' '.join(title.split())}{f' ({facts})' if facts else ''}: {text}\n"


def describe_place(place: Place) -> str:
    """A place as people write it: ``page 4``, ``0:12–0:31``."""
    if place.start_s is not None:
        until = f"–{write_time(place.end_s)}" if place.end_s is not None else ""
        return write_time(place.start_s) + until
    return f"page {place.page}" if place.page is not None else ""


def write_time(seconds: float) -> str:
    """Seconds as ``m:ss``, or ``h:mm:ss``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
