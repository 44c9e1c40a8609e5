"""A conversation that another program kept, as chat messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

NO_PLACE = "it has no place among chat messages"


class Thread(Struct, frozen=True):
    """A conversation under the name that it had there, and what of it is left out and why."""

    name: str
    messages: list[dict[str, Any]]
    left_out: list[str]


class ThreadWriter:
    """Gathers the messages of a conversation, and counts what cannot be one."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.calls: set[str] = set()
        self.left: Counter[str] = Counter()

    def say(self, role: str, content: Any, **facts: Any) -> None:
        """Take over what somebody said; facts that are None are left out."""
        said = {"role": role, "content": content, **facts}
        self.messages.append({name: value for name, value in said.items() if value is not None or name == "content"})

    def call(self, content: Any, calls: Sequence[tuple[str, str, str]], **facts: Any) -> None:
        """Take over calls of tools: id, name and arguments of each."""
        self.calls |= {call_id for call_id, _, _ in calls}
        told = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in calls
        ]
        self.say("assistant", content, tool_calls=told, **facts)

    def answer(self, call_id: str, output: Any, **facts: Any) -> None:
        """Take over the result of a call, unless that call is not there: no model takes one without the other."""
        if call_id in self.calls:
            self.say("tool", output, tool_call_id=call_id, **facts)
        else:
            self.leave("tool result", "no model takes one whose call is not there")

    def leave(self, what: str, why: str = NO_PLACE) -> None:
        """Leave something out."""
        self.left[f"{what}: {why}"] += 1

    def finish(self, name: str) -> Thread:
        """The conversation."""
        return Thread(name, self.messages, [f"{number} × {what}" for what, number in self.left.items()])


def read_parts(content: Any, writer: ThreadWriter, kinds: Mapping[str, str]) -> Any:
    """The parts of a message as chat completions have them: texts as one text where there is nothing else.

    ``kinds`` says which of its types are texts and which are pictures; what is neither is left out.
    """
    if content is None or isinstance(content, str):
        return content
    parts: list[dict[str, Any]] = []
    for part in content if isinstance(content, list) else [content]:
        said = {"type": "text", "text": part} if isinstance(part, str) else part
        kind = kinds.get(str(said.get("type"))) if isinstance(said, dict) else None
        if kind == "text" and isinstance(said.get("text"), str):
            parts.append({"type": "text", "text": said["text"]})
        elif kind == "image_url" and (picture := said.get("image_url")):
            parts.append({"type": "image_url", "image_url": {"url": picture} if isinstance(picture, str) else picture})
        elif kind != "known":
            writer.leave(f"part of type {said.get('type') if isinstance(said, dict) else type(said).__name__}")
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts
