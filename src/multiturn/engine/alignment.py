"""Reconciles a client that resends the whole conversation with what is stored (DESIGN 8.1).

Both sides are compared item by item in a normal form. What the request adds behind the history is appended; where it
leaves the history, an edit or a regeneration begins a branch; a client that trimmed the front is aligned with the
part it still has.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import msgspec

from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning
from multiturn.model.context import Plan
from multiturn.model.item import Item, Range


def may_repeat(input_: Sequence[Content]) -> bool:
    """Whether a request may hold what is stored already: only one that brings an assistant's words or calls."""
    return any(
        isinstance(content, FunctionCall) or (isinstance(content, Message) and content.role == "assistant")
        for content in input_
    )


def align(input_: tuple[Content, ...], history: Sequence[Item], path: tuple[Range, ...]) -> Plan:
    """Find where the request meets the active branch, and what it adds."""
    stored = [item for item in history if not isinstance(item.content, Reasoning)]
    sent = [content for content in input_ if not isinstance(content, Reasoning)]
    start, common = find_overlap([normal(content) for content in sent], [normal(item.content) for item in stored])
    if common == 0:
        return Plan(path=path, input=input_)
    new = tuple(sent[common:])
    end = start + common
    if end == len(stored) and new:
        return Plan(path=path, input=new)
    if new:
        return Plan(path=path_before(path, stored[end].seq), input=new, is_branch=True)
    return regenerate(stored[:end], path)


def regenerate(kept: Sequence[Item], path: tuple[Range, ...]) -> Plan:
    """Nothing is new: the last thing said is answered again, on a branch of its own."""
    last = len(kept)
    while last and not is_input(kept[last - 1].content):
        last -= 1
    first = last
    while first and is_input(kept[first - 1].content):
        first -= 1
    if not last:
        return Plan(path=path, input=())
    asked = Range(kept[first].seq, kept[last - 1].seq)
    return Plan(path=path_before(path, kept[last - 1].seq + 1), input=(), asked=asked, is_branch=True)


def is_input(content: Content) -> bool:
    """Whether this is what a model answers: a user's words or a tool's result."""
    return isinstance(content, FunctionCallOutput) or (isinstance(content, Message) and content.role != "assistant")


def path_before(path: Sequence[Range], seq: int) -> tuple[Range, ...]:
    """The part of a path before ``seq``."""
    return tuple(Range(range_.first, min(range_.last, seq - 1)) for range_ in path if range_.first < seq)


def find_overlap(sent: Sequence[Hashable], stored: Sequence[Hashable]) -> tuple[int, int]:
    """Where in the stored items the request begins, and how many they have in common; (0, 0) for nothing.

    The longest common run wins; of equal ones the one that reaches the end of the history, then the newest.
    """
    best = (0, False, -1)
    for start in range(len(stored)):
        if stored[start] != sent[0]:
            continue
        common = 0
        while common < len(sent) and start + common < len(stored) and sent[common] == stored[start + common]:
            common += 1
        best = max(best, (common, start + common == len(stored), start))
    return max(best[2], 0), best[0]


def normal(content: Content) -> Hashable:
    """What two forms of the same item have in common: clients drop fields they do not know and trim what they show."""
    if isinstance(content, FunctionCall):
        return ("call", content.call_id, content.name, normal_json(content.arguments))
    if isinstance(content, FunctionCallOutput):
        return ("result", content.call_id, normal_said(content.output))
    if isinstance(content, Message):
        return ("developer" if content.role == "system" else content.role, normal_said(content.content))
    return ("reasoning",)


def normal_said(said: object) -> str:
    """A text as it is, parts that are all text joined, anything else as JSON."""
    if said is None or isinstance(said, str):
        return (said or "").strip()
    parts = said if isinstance(said, list) else [said]
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    if len(texts) == len(parts) and all(isinstance(text, str) for text in texts):
        return "".join(str(text) for text in texts).strip()
    return msgspec.json.encode(said, order="deterministic").decode()


def normal_json(text: str) -> str:
    """JSON whatever its spaces and the order of its keys; other text as it is."""
    try:
        return msgspec.json.encode(msgspec.json.decode(text), order="deterministic").decode()
    except msgspec.DecodeError:
        return text
