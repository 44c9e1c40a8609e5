"""Sentences of an answer as it streams in: each is handed on when it is whole, with the markers behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator

# A sentence ends at its sign, its quotation marks and brackets included, before white space; or with its line.
END = re.compile(r"[.!?…][\"'”’)]*(?=\s)|[。！？]|\n")
# What may follow it and still belongs to it: markers, also when they are not whole yet.
MARKERS = re.compile(r"(?:[ \t]*\[[^\[\]\n]{0,40}\])+[.,;:]?")
OPEN_MARKER = re.compile(r"(?:[ \t]*\[[^\[\]\n]{0,40}\])*[ \t]*(?:\[[^\[\]\n]{0,40})?$")
# So much without an end goes on at a space: a model that writes no full stops is not held back for ever.
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
        ending = self.held + "\n"
        start = 0
        while start < len(self.held) and (found := END.search(ending, start)):
            markers = MARKERS.match(ending, found.end()) if found[0] != "\n" else None
            end = min(markers.end() if markers else found.end(), len(self.held))
            yield self.held[start:end]
            start = end
        self.held = ""

    def _find_end(self) -> int | None:
        """Where the first sentence ends; None while that cannot be told."""
        found = END.search(self.held)
        if found is None:
            space = self.held.rfind(" ", 0, HELD_CHARACTERS_MAX)
            return space + 1 if len(self.held) > HELD_CHARACTERS_MAX and space > 0 else None
        end = found.end()
        if found[0] == "\n":
            return end
        if OPEN_MARKER.match(self.held, end):
            return None  # A marker may follow, or go on.
        markers = MARKERS.match(self.held, end)
        return markers.end() if markers else end
