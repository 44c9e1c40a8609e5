"""The head of a context: the instructions, and the summary that stands for what was cut.

Models differ in what they take: many templates know one system message only, at the very front. So the summary stands
at the end of the last of the instructions, or is one itself where there are none.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from multiturn.engine.window.tokens import FRAME_TOKENS, count_text
from multiturn.model.content import Summary

OPENING = "[What was said before the messages below, in short:]"
CLOSING = "[End of the summary.]"

read_instructions = msgspec.json.Decoder(list[dict[str, Any]]).decode


def write_head(instructions: str | None, summary: Summary | None) -> bytes:
    """The messages that stand first, JSON objects joined by commas."""
    if summary is None:
        return instructions[1:-1].encode() if instructions else b""
    messages = read_instructions(instructions) if instructions else []
    text = write_summary(summary)
    last = messages[-1] if messages else None
    if last and isinstance(last.get("content"), str):
        messages[-1] = {**last, "content": f"{last['content']}\n\n{text}"}
    else:
        messages.append({"role": "system", "content": text})
    return b",".join([msgspec.json.encode(message) for message in messages])


def write_summary(summary: Summary) -> str:
    """A summary as the model reads it."""
    return f"{OPENING}\n{summary.text}\n{CLOSING}"


def count_summary(summary: Summary | None) -> int:
    """What a summary takes of a context."""
    return FRAME_TOKENS + count_text(write_summary(summary)) if summary else 0


def digest_head(instructions: str | None, fixed: bytes) -> str:
    """What tells whether instructions and tools are still those of the turn before."""
    return blake2b((instructions or "").encode() + b"\0" + fixed, digest_size=6).hexdigest()
