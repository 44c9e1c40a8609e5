"""What a knowledge item has where: its sections, and pieces of its text with their places."""

from __future__ import annotations

from msgspec import Struct

from multiturn.model.segment import Modality, Place
from multiturn.model.store import Highlight


class Section(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stretch of an item, characters ``start`` to ``end`` of its text: a heading, a page, a shot, or a minute. The
    ``label`` is the heading, or its first words.
    """

    label: str
    start: int
    end: int
    place: Place = Place()


class ItemOutline(Struct, frozen=True, kw_only=True):
    """What an item is about, and where. ``is_complete`` is False where it has more sections than are told."""

    title: str
    summary: str = ""
    sections: tuple[Section, ...] = ()
    highlights: tuple[Highlight, ...] = ()
    is_complete: bool = True


class Excerpt(Struct, frozen=True, kw_only=True):
    """A piece of an item's text, from character ``start`` on."""

    start: int
    text: str
    modality: Modality = "text"
    place: Place = Place()

    @property
    def end(self) -> int:
        """Behind its last character."""
        return self.start + len(self.text)
