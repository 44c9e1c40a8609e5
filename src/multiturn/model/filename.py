"""Names of files as they are kept: of what a client or a URL calls it, the last part, without what cannot be shown."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

NAME_CHARS_MAX = 255
NAMELESS = "file"
# Control characters, ends of lines, lone surrogates, and those that turn the direction of what stands behind them.
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
SLASHES = re.compile(r"[/\\]")


def clean_filename(name: str | None) -> str:
    """A name without folders, control characters and blanks at its ends; a long one keeps its ending."""
    last = SLASHES.split(UNSEEN.sub("", name or "").strip(" ./\\"))[-1].strip()
    if len(last) > NAME_CHARS_MAX:
        stem, dot, ending = last.rpartition(".")
        tail = dot + ending if dot and len(ending) <= 16 else ""
        last = (stem if tail else last)[: NAME_CHARS_MAX - len(tail)] + tail
    return last or NAMELESS


def find_url_filename(url: str) -> str:
    """What a URL calls its file."""
    try:
        return clean_filename(unquote(urlsplit(url).path, errors="replace"))
    except ValueError:
        return NAMELESS
