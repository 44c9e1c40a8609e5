"""Sentences of an answer as it streams in: each is handed on when it is whole, with the markers behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator

# A sentence ends at its sign, its quotation marks and brackets included, before white space; or with its line.
END = re.compile(r"[.!?…][\"'”’)]*(?=\s)|[。！？]|\n")
# What may follow it and still belongs to it: markers, also when they are not whole yet.
MARKERS = re.compile(r"(?:[ \t]*\[[^\[\]\n]{0,40}\])+[.,;:]?")
OPEN_MARKER = re.compile(r"(?:[ \t]*\[[^\[\]\n]{0,40}\])*[ \t]*(?:\[[^\[\]\n]{0,40})?\Z")
# So much without an end goes on, at a space if there is one: a model that writes no full stops is not held back.
HELD_CHARACTERS_MAX = 1000


class Sentences:
    """Cuts a text that comes in pieces; what it hands on, joined, is what it was given."""

    def __init__(self) -> None:
        self.held = ""

    def feed(self, text: str) -> Iterator[str]:
        """Take a piece of the text, and hand on the sentences that are whole now."""
        self.held += text
        while (end := self._find_end()) is not None:
            yield self.held[:end]
            self.held = self.held[end:]

    def finish(self) -> Iterator[str]:
        """Hand on the rest: sentences, as if a line ended behind the text."""
        text, self.held = self.held, ""
        ending = text + "\n"
        start = 0
        while start < len(text) and (found := END.search(ending, start, start + HELD_CHARACTERS_MAX)):
            markers = MARKERS.match(ending, found.end()) if found[0] != "\n" else None
            end = min(markers.end() if markers else found.end(), len(text))
            yield text[start:end]
            start = end
        while start < len(text):
            yield text[start : start + HELD_CHARACTERS_MAX]
            start += HELD_CHARACTERS_MAX

    def _find_end(self) -> int | None:
        """Where the first sentence ends; None while that cannot be told."""
        found = END.search(self.held, 0, HELD_CHARACTERS_MAX)
        if found is None:
            if len(self.held) < HELD_CHARACTERS_MAX:
                return None
            space = self.held.rfind(" ", 0, HELD_CHARACTERS_MAX)
            return space + 1 if space > 0 else HELD_CHARACTERS_MAX
        end = found.end()
        if found[0] == "\n":
            return end
        if OPEN_MARKER.match(self.held, end):
            return None  # A marker may follow, or go on.
        markers = MARKERS.match(self.held, end)
        return markers.end() if markers else end
