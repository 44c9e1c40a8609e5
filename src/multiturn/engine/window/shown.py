"""What a session's model is still shown: the part of the history behind the cut, with what was recalled in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from multiturn.engine.window.cache import CachedWindow
from multiturn.engine.window.head import count_summary
from multiturn.engine.window.tokens import count_text
from multiturn.model.content import Content, FunctionCallOutput, Message, Reasoning, Summary
from multiturn.model.context import Said, WindowState
from multiturn.model.item import Item, Range
from multiturn.model.retrieved import RetrievedContext, Snippet

# What a turn may be about was said in the last messages (contracts/julep.md 1.4: num_search_messages).
RECENT_MESSAGES = 8
RECENT_CHARS = 2000


class Shown(Struct, frozen=True, kw_only=True):
    """The history as it is shown: either as the ``body`` of the context before, or as contents with their tokens.

    ``own`` is that body for each provider that made artefacts in it. ``tokens`` count the summary too, and the blocks
    that were recalled, which take ``block_tokens``; ``blocks`` has them by the place of their message in ``contents``.
    """

    cut: int
    state: WindowState
    tokens: int
    block_tokens: int = 0
    summary: Summary | None = None
    is_new_summary: bool = False
    body: bytes | None = None
    own: Mapping[str, bytes] = {}
    history: Sequence[Item] = ()
    contents: Sequence[Content] = ()
    counts: Sequence[int] = ()
    blocks: dict[int, str] = {}
    recent: tuple[Said, ...] = ()
    recalled: tuple[Snippet, ...] = ()


def show_cached(window: CachedWindow, state: WindowState) -> Shown:
    """The history as the context before has it."""
    return Shown(
        cut=window.key.cut,
        state=state,
        tokens=window.tokens + count_summary(window.summary),
        block_tokens=window.block_tokens,
        summary=window.summary,
        body=window.body,
        own=window.own,
        recent=window.recent,
        recalled=window.recalled,
    )


def show_items(
    history: Sequence[Item],
    retrieved: dict[int, RetrievedContext],
    *,
    cut: int,
    state: WindowState,
    summary: Summary | None,
) -> Shown:
    """The history as the store has it, with the blocks that were recalled since the last cut."""
    items = [item for item in history if not isinstance(item.content, Summary)]
    blocks = {seq: found.block for seq, found in retrieved.items() if seq >= state.blocks_from and found.block}
    placed = {place: blocks[item.seq] for place, item in enumerate(items) if item.seq in blocks}
    counts = [item.tokens for item in items]
    block_tokens = sum(map(count_text, placed.values()))
    return Shown(
        cut=cut,
        state=state,
        tokens=sum(counts) + block_tokens + count_summary(summary),
        block_tokens=block_tokens,
        summary=summary,
        history=items,
        contents=[item.content for item in items],
        counts=counts,
        blocks=placed,
        recent=list_recent([item.content for item in items[-RECENT_MESSAGES * 2 :]]),
        recalled=tuple(
            snippet
            for item in items
            if item.seq in blocks
            for snippet in retrieved[item.seq].snippets
            if snippet.omitted is None
        ),
    )


def list_recent(contents: Sequence[Content]) -> tuple[Said, ...]:
    """The last messages, oldest first, each shortened to its end."""
    said = [
        Said(read_speaker(content), text[-RECENT_CHARS:])
        for content in contents
        if isinstance(content, Message) and content.role in ("user", "assistant") and (text := read_text(content))
    ]
    return tuple(said[-RECENT_MESSAGES:])


def read_speaker(content: Content) -> str:
    """Who says it: the name that the message carries, else its role; a tool's result has no speaker."""
    if not isinstance(content, Message):
        return "tool" if isinstance(content, FunctionCallOutput) else ""
    return read_name(content) or content.role


def read_name(content: Content) -> str:
    """The name that a message carries; empty where it has none."""
    extra = content.extra if isinstance(content, Message) else None
    name = extra.get("name") if extra else None
    return name if isinstance(name, str) else ""


def read_text(content: Content) -> str:
    """What can be read in an item: a message's or a result's text; nothing of calls, reasoning and pictures."""
    if isinstance(content, Message):
        return join_text(content.content)
    if isinstance(content, FunctionCallOutput):
        return join_text(content.output)
    return content.text if isinstance(content, Reasoning | Summary) else ""


def join_text(said: str | list[dict[str, Any]] | None) -> str:
    """A text, or the texts of the parts."""
    if said is None or isinstance(said, str):
        return said or ""
    return "\n".join(part["text"] for part in said if isinstance(part.get("text"), str))


def is_on(path: Sequence[Range], seq: int) -> bool:
    """Whether an item is on a path."""
    return any(range_.first <= seq <= range_.last for range_ in path)


def clip(path: Sequence[Range], cut: int) -> list[Range]:
    """The part of a path from ``cut`` on."""
    return [Range(max(range_.first, cut), range_.last, range_.session_id) for range_ in path if range_.last >= cut]


def until(path: Sequence[Range], last: int) -> list[Range]:
    """The part of a path up to ``last``."""
    return [Range(range_.first, min(range_.last, last), range_.session_id) for range_ in path if range_.first <= last]
