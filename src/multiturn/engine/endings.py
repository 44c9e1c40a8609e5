"""How a turn enters the history: its items, its place on the session's path, and what the model was shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from multiturn.engine.window.head import count_summary
from multiturn.model.content import Content
from multiturn.model.context import Context, Plan
from multiturn.model.item import Item, ItemStatus, Range
from multiturn.model.session import Session
from multiturn.model.turn import Ending


class Output(NamedTuple):
    """What the model said, and the tokens of each item."""

    contents: Sequence[Content]
    tokens: tuple[int, ...]


class Entry(Struct, frozen=True, kw_only=True):
    """What a turn brings into the history: what was ``said`` to its input, in this ``context``."""

    run_id: UUID
    said: Output
    context: Context | None


def enter_history(ending: Ending, session: Session, plan: Plan, entry: Entry) -> Ending:
    """The ending with the turn's items, where they stand, and where the session's window stands from then on."""
    said, context, head = entry.said, entry.context, session.head
    summary = context.summary if context and context.is_new_summary else None
    status: ItemStatus = "incomplete" if ending.status == "cancelled" else "completed"

    def number(behind: int, contents: Sequence[Content], tokens: Sequence[int]) -> list[Item]:
        return number_items(entry.run_id, behind, contents, tokens, ending.ended_at)

    items = number(head, (summary,), (count_summary(summary),)) if summary else []
    first_input = head + len(items) + 1
    items += number(first_input - 1, plan.input, context.input_tokens if context else ())
    first_output = first_input + len(plan.input)
    items += [replace(item, status=status) for item in number(first_output - 1, said.contents, said.tokens)]
    is_plain = not plan.is_branch and is_whole(session)
    ending = replace(
        ending,
        items=items,
        path=None if is_plain else extend(plan.path, head, len(items)),
        input_items=Range(first_input, first_output - 1) if plan.input else plan.asked,
        output_items=Range(first_output, head + len(items)),
        summary=summary,
    )
    return note_window(ending, session, context, first_input) if context else ending


def number_items(
    run_id: UUID, head: int, contents: Sequence[Content], tokens: Sequence[int], now: datetime
) -> list[Item]:
    """Contents as the items behind ``head``."""
    return [
        Item(seq=seq, run_id=run_id, content=content, tokens=count, created_at=now)
        for seq, (content, count) in enumerate(zip(contents, tokens, strict=True), start=head + 1)
    ]


def note_window(ending: Ending, session: Session, context: Context, first_input: int) -> Ending:
    """The ending with what the model was shown, and where the session's window stands from then on."""
    retrieved = context.retrieved
    return replace(
        ending,
        cut=context.cut if context.cut != session.cut else None,
        shown=context.shown if context.shown != session.shown else None,
        context=context.record,
        retrieved=retrieved,
        retrieved_at=None if context.block_at is None else first_input + context.block_at,
    )


def is_whole(session: Session) -> bool:
    """Whether the session's path is everything that is stored: it never branched."""
    return not session.head or session.path == (Range(1, session.head),)


def extend(path: tuple[Range, ...], head: int, added: int) -> tuple[Range, ...]:
    """A path with the items behind ``head`` added."""
    if not added:
        return path
    if path and path[-1].last == head and path[-1].session_id is None:
        return (*path[:-1], Range(path[-1].first, head + added))
    return (*path, Range(head + 1, head + added))
