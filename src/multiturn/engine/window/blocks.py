"""Recalled blocks: what was found for a turn, fenced, at the start of that turn's user message, where it stays until
the next cut (DESIGN 8.12).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from multiturn.engine.window.tokens import count_text
from multiturn.model.content import Content, Message

OPENING = "<recalled>"
CLOSING = "</recalled>"
CLOSED = re.compile(r"<\s*/\s*recalled\s*>", re.IGNORECASE)
FENCE_TOKENS = count_text(f"{OPENING}\n{CLOSING}\n\n")


def fence(text: str) -> str:
    """A block of recalled lines; what was said cannot end it."""
    return f"{OPENING}\n{CLOSED.sub('< /recalled>', text).rstrip()}\n{CLOSING}\n\n"


def find_place(input_: Sequence[Content]) -> int | None:
    """The place of the newest thing that a user says in the input; None when only tools answer."""
    for place in range(len(input_) - 1, -1, -1):
        content = input_[place]
        if isinstance(content, Message) and content.role == "user":
            return place
    return None


def put_block(content: Content, block: str) -> Content:
    """The message with the block in front of what it says."""
    if not isinstance(content, Message):
        return content
    if isinstance(content.content, list):
        return Message(content.role, [{"type": "text", "text": block}, *content.content], content.extra)
    return Message(content.role, block + (content.content or ""), content.extra)


def put_blocks(contents: Sequence[Content], blocks: Mapping[int, str]) -> list[Content]:
    """Contents with the blocks that stand at some of their places."""
    return [put_block(content, blocks[place]) if place in blocks else content for place, content in enumerate(contents)]
