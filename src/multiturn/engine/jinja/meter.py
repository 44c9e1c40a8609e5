"""What a template may spend: steps, characters, time. Whatever it says, it ends here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from jinja2 import Undefined
from jinja2.exceptions import UndefinedError

# One step is about one operation of the template, or 32 characters, or a few elements that are looked at.
STEPS_MAX = 150_000
OUTPUT_BYTES_MAX = 256 * 1024
# Of a text or a list that a template makes for itself.
STRING_CHARS_MAX = 256 * 1024
LIST_LENGTH_MAX = 10_000
INTEGER_BITS_MAX = 1024
DEPTH_MAX = 50
# CPU time of this thread: a machine that is busy with something else makes no template fail. The steps end before it
# on any machine that is not very slow.
CPU_S_MAX = 0.06
STEPS_BETWEEN_LOOKS = 4096


class TemplateFault(Exception):
    """What is wrong with a template, and in which line."""

    def __init__(self, text: str, *, line: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.line = line


class Meter:
    """One rendering: what it may still spend, and what it has written."""

    __slots__ = ("chars", "look_at", "pieces", "steps", "until_s")

    def __init__(self) -> None:
        self.steps = STEPS_MAX
        self.look_at = STEPS_MAX - STEPS_BETWEEN_LOOKS
        self.chars = OUTPUT_BYTES_MAX
        self.until_s = time.thread_time() + CPU_S_MAX
        self.pieces: list[str] = []

    def spend(self, steps: int) -> None:
        """Pay for what is about to be done. Raises TemplateFault."""
        self.steps -= steps
        if self.steps < self.look_at:
            self.look()

    def look(self) -> None:
        """Raise TemplateFault when the steps or the time are used up."""
        if self.steps < 0 or time.thread_time() > self.until_s:
            raise TemplateFault("it takes too many steps (endless or huge loops?)")
        self.look_at = self.steps - STEPS_BETWEEN_LOOKS

    def write(self, text: str) -> None:
        """Put out a piece of text. Raises TemplateFault."""
        self.chars -= len(text)
        if self.chars < 0:
            raise TemplateFault(f"its output is longer than {OUTPUT_BYTES_MAX} bytes")
        self.pieces.append(text)

    def read_text(self, text: str) -> None:
        """Pay for reading a text through once."""
        self.spend(1 + (len(text) >> 5))

    def make_text(self, chars: int) -> None:
        """Pay for a text that is about to be made. Raises TemplateFault when it would be too long."""
        if chars > STRING_CHARS_MAX:
            raise TemplateFault(f"it makes a text of more than {STRING_CHARS_MAX} characters")
        self.spend(1 + (chars >> 5))

    def make_list(self, length: int) -> None:
        """Pay for a list that is about to be made. Raises TemplateFault when it would be too long."""
        if length > LIST_LENGTH_MAX:
            raise TemplateFault(f"it makes a list of more than {LIST_LENGTH_MAX} elements")
        self.spend(1 + (length >> 2))

    def weigh(self, value: Any) -> int:
        """Pay for looking at a value through and through, at each place where it stands; the steps that it takes.

        Raises TemplateFault, also for one that is nested too deep.
        """
        before = self.steps
        self._weigh(value, DEPTH_MAX)
        return before - self.steps

    def _weigh(self, value: Any, depth: int) -> None:
        if isinstance(value, str):
            self.spend(1 + (len(value) >> 5))
            return
        self.spend(1)
        if not isinstance(value, dict | list | tuple):
            require_plain(value)
            return
        if not depth:
            raise TemplateFault(f"a value is nested deeper than {DEPTH_MAX} levels")
        self.spend(len(value))
        for part in value:
            self._weigh(part, depth - 1)
        if isinstance(value, dict):
            for part in value.values():
                self._weigh(part, depth - 1)


def require_plain(value: Any) -> None:
    """Raise TemplateFault for what is no value of JSON, UndefinedError for one that is not there."""
    if isinstance(value, Undefined):
        raise UndefinedError(value._undefined_message)
    if value is not None and not isinstance(value, int | float | range):
        raise TemplateFault(f"a {kind_of(value)} cannot be used here")


def kind_of(value: Any) -> str:
    """What a value is, in the words of the template's author."""
    for types, name in KINDS:
        if isinstance(value, types):
            return name
    return "value of the template"


KINDS: Sequence[tuple[type | tuple[type, ...], str]] = (
    (Undefined, "value that is not defined"),
    (type(None), "none"),
    (bool, "boolean"),
    ((int, float), "number"),
    (str, "text"),
    ((list, tuple, range), "list"),
    (dict, "mapping"),
)
