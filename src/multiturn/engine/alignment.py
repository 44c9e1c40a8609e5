"""Reconciles a client that resends the whole conversation with what is stored (DESIGN 8.1).

Both sides are compared item by item in a normal form. What the request adds behind the history is appended; where it
leaves the history, an edit or a regeneration begins a branch; a client that trimmed the front is aligned with the
part it still has.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from multiturn.engine.grounding.tools import LOOK_UP
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning, Summary
from multiturn.model.context import Plan
from multiturn.model.item import Item, Range

# What two forms of the same item have in common; it begins with the kind.
Form = tuple[str, ...]
ANSWERS = ("assistant", "call")
SILENCE = ("assistant", "")


def may_repeat(input_: Sequence[Content]) -> bool:
    """Whether a request may hold what is stored already: only one that brings an assistant's words or calls."""
    return any(
        isinstance(content, FunctionCall) or (isinstance(content, Message) and content.role == "assistant")
        for content in input_
    )


def align(input_: tuple[Content, ...], history: Sequence[Item], path: tuple[Range, ...]) -> Plan:
    """Find where the request meets the active branch, and what it adds."""
    stored, sent = list_told([item.content for item in history]), list_told(input_)
    start, common = find_overlap([form for _, form in sent], [form for _, form in stored])
    if common == 0:
        return Plan(path=path, input=input_)
    new = input_[sent[common - 1][0] + 1 :]
    kept = history[: stored[start + common - 1][0] + 1]
    if not new:
        return regenerate(kept, path)
    if start + common == len(stored):
        return Plan(path=path, input=new)
    return Plan(path=path_before(path, kept[-1].seq + 1), input=new, is_branch=True)


def list_told(contents: Sequence[Content]) -> list[tuple[int, Form]]:
    """Place and normal form of what both sides have: thoughts, and an assistant's message without words in front of
    its calls, clients leave out or add; summaries are ours alone, and so is what a model looked up in a store.
    """
    told: list[tuple[int, Form]] = []
    for place, content in enumerate(contents):
        if isinstance(content, FunctionCall | FunctionCallOutput) and content.call_id.startswith(LOOK_UP):
            continue
        if isinstance(content, FunctionCall) and told and told[-1][1] == SILENCE:
            told.pop()
        if not isinstance(content, Reasoning | Summary):
            told.append((place, normal(content)))
    return told


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
    return tuple(
        Range(range_.first, min(range_.last, seq - 1), range_.session_id) for range_ in path if range_.first < seq
    )


def find_overlap(sent: Sequence[Form], stored: Sequence[Form]) -> tuple[int, int]:
    """Where in the stored items the request begins, and how many they have in common; (0, 0) for nothing.

    A request that holds the end of the history, and nothing but new input behind it, continues the history, however
    often the same was said before. Else the longest common run wins; of equal ones the newest.
    """
    answered = max((place for place, form in enumerate(sent, start=1) if form[0] in ANSWERS), default=0)
    if 0 < answered < len(sent) and sent[:answered] == stored[-answered:]:
        return len(stored) - answered, answered
    best = (0, -1)
    for start in range(len(stored)):
        if stored[start] != sent[0]:
            continue
        common = 0
        while common < len(sent) and start + common < len(stored) and sent[common] == stored[start + common]:
            common += 1
        best = max(best, (common, start))
    return max(best[1], 0), best[0]


def normal(content: Content) -> Form:
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
    except (msgspec.DecodeError, RecursionError):
        return text
