"""HTML by construction: whatever is not made here is escaped when it goes in."""

from __future__ import annotations

import re
from html import escape

CODE = re.compile(r"`([^`]+)`")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *inside: str, **attributes: str) -> Html:
    """An element. Attributes that are Python's words end in an underscore: ``class_``."""
    facts = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{facts}>{join(*inside)}</{name}>")


def join(*parts: str) -> Html:
    """Several parts as one."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def prose(text: str) -> Html:
    """Paragraphs and lists of CommonMark, with code in backticks; nothing else of it is understood."""
    return join(*(write_block(block) for block in text.split("\n\n")))


def write_block(block: str) -> Html:
    """A paragraph, or a list where the lines begin with a dash."""
    lines = block.split("\n")
    if all(line.startswith("- ") for line in lines):
        return tag("ul", *(tag("li", inline(line.removeprefix("- "))) for line in lines))
    return tag("p", inline(block))


def inline(text: str) -> Html:
    """A line with code in backticks."""
    pieces = CODE.split(text)  # Every second piece stood in backticks.
    return join(*(tag("code", piece) if place % 2 else piece for place, piece in enumerate(pieces)))


def code_block(text: str) -> Html:
    """Code of several lines; it can be reached with the keyboard, for it may scroll."""
    return tag("pre", tag("code", text), tabindex="0")
