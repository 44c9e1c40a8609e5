"""How a reader says that a file cannot be read."""

from __future__ import annotations


class Refusal(Exception):
    """A file is not what it should be: ``text`` says to a person why. ``is_passing``: it may go well another time."""

    def __init__(self, text: str, *, is_passing: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.is_passing = is_passing
