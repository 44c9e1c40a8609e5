"""JSON as models write it: read to its end in one pass, whatever is wrong with it.

What is put up with: missing commas and closing brackets, commas too many, names and texts without quotes or with
others, line breaks and quotes within texts, comments, and Python's names for true, false and null.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

LEVELS_MAX = 64
BLANK = re.compile(r"(?:\s+|//[^\n]*|/\*.*?(?:\*/|\Z))+", re.DOTALL)
SPACE = re.compile(r"\s*")
PLAIN = re.compile(r"[^\\\"'”]+")
BARE_NAME = re.compile(r"[^\s:,{}\[\]\"']+")
BARE_TEXT = re.compile(r"[^\n,{}\[\]]+")
NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,300})(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?")
WORDS = {"true": True, "false": False, "null": None, "none": None, "undefined": None, "nan": None}
QUOTES = {'"': '"', "'": "'", "“": "”"}
# What a value begins with, or a bracket that closes one.
BEGINNINGS = {*QUOTES, *"{[}],-0123456789tfnTFN"}
MEMBER = re.compile(r"\w{1,60} ?:")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
LOW_HALF = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})")
HEXADECIMAL = re.compile(r"u([0-9a-fA-F]{4})")


class NotJson(ValueError):
    """There is no value in the text, or it goes too deep."""


def read_leniently(text: str) -> Any:
    """Read the value at the beginning of a text; what stands behind it is left. Raises NotJson."""
    return _Reading(text).read_value(0)


class _Reading:
    """One text, and how far it has been read. Each step goes on by a character at least."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def read_value(self, level: int) -> Any:
        if level > LEVELS_MAX:
            raise NotJson(f"it goes deeper than {LEVELS_MAX} levels")
        mark = self._see()
        if mark == "{":
            return self._read_object(level)
        if mark == "[":
            return self._read_array(level)
        if mark in QUOTES:
            return self._read_text(QUOTES[mark])
        return self._read_bare()

    def _see(self) -> str:
        """The next character that counts; empty at the end."""
        if blank := BLANK.match(self.text, self.at):
            self.at = blank.end()
        return self.text[self.at : self.at + 1]

    def _read_object(self, level: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        while (mark := self._see()) not in ("", "}", "]"):
            name = self._read_name(mark)
            if name is None:
                self.at += 1
            elif self._see() == ":":
                self.at += 1
                found[name] = None if self._see() in ("", ",", "}", "]") else self.read_value(level + 1)
        # A bracket that closes something further out is left to it.
        self.at += mark == "}"
        return found

    def _read_name(self, mark: str) -> str | None:
        if mark in QUOTES:
            return self._read_text(QUOTES[mark])
        bare = BARE_NAME.match(self.text, self.at)
        if bare is None:
            return None
        self.at = bare.end()
        return bare[0]

    def _read_array(self, level: int) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        while (mark := self._see()) not in ("", "]", "}"):
            if mark in ",:":
                self.at += 1
            else:
                found.append(self.read_value(level + 1))
        self.at += mark == "]"
        return found

    def _read_text(self, quote: str) -> str:
        """Read a text up to the quote that ends it: one behind which the value goes on as values do."""
        pieces: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            if plain := PLAIN.match(self.text, self.at):
                pieces.append(plain[0])
                self.at = plain.end()
                continue
            mark = self.text[self.at]
            self.at += 1
            if mark == "\\":
                pieces.append(self._read_escape())
            elif mark == quote and self._is_end():
                break
            else:
                pieces.append(mark)
        return "".join(pieces)

    def _read_escape(self) -> str:
        if code := HEXADECIMAL.match(self.text, self.at):
            return self._read_code(code)
        mark = self.text[self.at : self.at + 1]
        self.at += 1
        return ESCAPES.get(mark, mark)

    def _read_code(self, code: re.Match[str]) -> str:
        """Read a character by its number; two halves make one, and a half alone is none."""
        self.at = code.end()
        number = int(code[1], 16)
        if not 0xD800 <= number < 0xE000:
            return chr(number)
        other = LOW_HALF.match(self.text, self.at)
        if other is None or number >= 0xDC00:
            return "\ufffd"
        self.at = other.end()
        return chr(0x10000 + ((number - 0xD800) << 10) + int(other[1], 16) - 0xDC00)

    def _is_end(self) -> bool:
        behind = self._skip_space(self.at)
        mark = self.text[behind : behind + 1]
        if mark != ",":
            return mark in ("", ":", "}", "]") or (mark in QUOTES and behind > self.at)
        following = self._skip_space(behind + 1)
        after = self.text[following : following + 1]
        return not after or after in BEGINNINGS or MEMBER.match(self.text, following) is not None

    def _skip_space(self, at: int) -> int:
        space = SPACE.match(self.text, at)
        return space.end() if space else at

    def _read_bare(self) -> Any:
        """Read a number, a name of a constant, or words without quotes."""
        bare = BARE_TEXT.match(self.text, self.at)
        if bare is None:
            raise NotJson("there is no value in it")
        self.at = bare.end()
        words = bare[0].strip()
        return read_number(words) if NUMBER.fullmatch(words) else WORDS.get(words.lower(), words)


def read_number(words: str) -> Any:
    """A number, or the words of one that is beyond all numbers."""
    try:
        return msgspec.json.decode(words)
    except msgspec.DecodeError:
        return words
