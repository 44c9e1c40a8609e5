"""A session's history as Powabase's messages: turn by turn from its end, each answer with what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from multiturn.api.powabase.names import write_run
from multiturn.api.powabase.render_run import (
    Names,
    is_asked,
    list_calls,
    list_chunks,
    read_text,
    read_words,
    render_citations,
    render_thoughts,
)
from multiturn.api.powabase.run_wire import PowabaseToolCallBody
from multiturn.api.powabase.session_wire import PowabaseChatMessageBody
from multiturn.api.powabase.stories import Stories
from multiturn.api.services import Services
from multiturn.model.content import FunctionCall, FunctionCallOutput, Message, Reasoning
from multiturn.model.item import Item
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.run import Run
from multiturn.model.session import Session
from multiturn.model.step import Step

MESSAGES_MAX = 200
# How many items are read at a time: a page of plain messages at once, or of runs that called a tool each.
ITEMS, ITEMS_OF_RUN = 208, 4


class Window(Struct, frozen=True):
    """Which messages are asked for: of so many runs, or so many messages, before the item ``before``."""

    runs: int | None = None
    before: int | None = None


class Told(Struct, frozen=True, kw_only=True):
    """What is known of the runs of a page."""

    runs: Mapping[UUID, Run]
    retrieved: Mapping[UUID, RetrievedContext]
    steps: Mapping[UUID, Sequence[Step]]
    names: Names


class Histories:
    """Reads histories: no more of them than is shown."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.stories = Stories(services)

    async def read(self, session: Session, window: Window) -> tuple[list[PowabaseChatMessageBody], int | None]:
        """The newest messages of a window, oldest first, and the place before which there are more."""
        turns, has_more = await self._load(session, window)
        ids = [turn[0].run_id for turn in turns if turn[0].run_id != session.id]
        overviews = self.services.overviews
        runs, retrieved = await overviews.load_runs(session, ids), await overviews.load_retrieved(session, ids)
        steps = await self.services.runs.load_steps(list(runs.values()))
        names = await self.stories.name_stores(session.tenant_id, retrieved.values())
        told = Told(runs=runs, retrieved=retrieved, steps=steps, names=names)
        outputs = find_outputs(turns)
        messages = [message for turn in turns for message in render_turn(session, turn, told, outputs)]
        return messages, turns[0][0].seq if has_more and turns else None

    async def _load(self, session: Session, window: Window) -> tuple[list[list[Item]], bool]:
        """The newest turns of a window, oldest first, whole, and whether there are older ones."""
        items: list[Item] = []
        before = window.before
        limit = ITEMS if window.runs is None else min(ITEMS, ITEMS_OF_RUN * (window.runs + 1))
        while True:
            page = await self.services.sessions.list_items(session, cursor=before, limit=limit, newest_first=True)
            items = [*reversed(page.data), *items]
            turns = list(split_turns(session, items))
            whole = turns[1:] if page.has_more else turns
            kept = keep_newest(whole, window)
            if not page.has_more or len(kept) < len(whole):
                return kept, page.has_more or len(kept) < len(whole)
            before = items[0].seq


def split_turns(session: Session, items: Sequence[Item]) -> Iterator[list[Item]]:
    """Items turn by turn. Those that came without a run are parted where a user speaks."""
    turn: list[Item] = []
    for item in items:
        if turn and (item.run_id != turn[-1].run_id or (item.run_id == session.id and begins(turn[-1], item))):
            yield turn
            turn = []
        turn.append(item)
    if turn:
        yield turn


def begins(last: Item, item: Item) -> bool:
    """Whether a user speaks here, and another spoke before."""
    return is_asked_by_user(item) and not is_asked_by_user(last)


def is_asked_by_user(item: Item) -> bool:
    """Whether a user says this."""
    return isinstance(item.content, Message) and item.content.role != "assistant"


def keep_newest(turns: Sequence[list[Item]], window: Window) -> list[list[Item]]:
    """The newest turns of a window: so many, or as many as have so many messages, and one at least."""
    if window.runs is not None:
        return list(turns[-window.runs :])
    kept, count = 0, 0
    for turn in reversed(turns):
        count += sum(isinstance(item.content, Message) for item in turn)
        if kept and count > MESSAGES_MAX:
            break
        kept += 1
    return list(turns[len(turns) - kept :])


def find_outputs(turns: Iterable[Sequence[Item]]) -> dict[str, Any]:
    """What calls brought, by their ids: a client's result comes with a later turn."""
    contents = [item.content for turn in turns for item in turn]
    return {one.call_id: read_words(one.output) for one in contents if isinstance(one, FunctionCallOutput)}


class Draft:
    """An assistant's message while its items are read."""

    def __init__(self) -> None:
        self.message: Message | None = None
        self.at: Item | None = None
        self.calls: list[FunctionCall] = []
        self.thoughts: list[str] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said, called or thought."""
        return self.message is None and not self.calls

    def take(self, item: Item) -> None:
        """Take what belongs to the message."""
        self.at = item
        match item.content:
            case Message():
                self.message = item.content
            case FunctionCall():
                self.calls.append(item.content)
            case Reasoning(text):
                self.thoughts.append(text)


def render_turn(
    session: Session, turn: Sequence[Item], told: Told, outputs: Mapping[str, Any]
) -> Iterator[PowabaseChatMessageBody]:
    """The messages of a turn: an assistant's words are one with its calls and thoughts."""
    drafts: list[Draft] = []
    said: list[tuple[Item, Draft | None]] = []
    for item in turn:
        if isinstance(item.content, Message) and item.content.role != "assistant":
            said.append((item, None))
            drafts.append(Draft())
        elif isinstance(item.content, Message | FunctionCall | Reasoning):
            if not drafts or (isinstance(item.content, Message) and drafts[-1].message):
                drafts.append(Draft())
            if drafts[-1].at is None:
                said.append((item, drafts[-1]))
            drafts[-1].take(item)
    last = next((draft for draft in reversed(drafts) if not draft.is_empty), None)
    for item, draft in said:
        if draft is None:
            yield render_said(session, item)
        elif not draft.is_empty:
            yield render_answer(session, draft, told, outputs, is_last=draft is last)


def render_said(session: Session, item: Item) -> PowabaseChatMessageBody:
    """What a user said, or an application."""
    assert isinstance(item.content, Message)
    role: Literal["user", "system"] = "user" if item.content.role == "user" else "system"
    content = read_words(item.content.content)
    return PowabaseChatMessageBody(
        role=role, content=content, run_id=name_run(session, item), timestamp=item.created_at
    )


def render_answer(
    session: Session, draft: Draft, told: Told, outputs: Mapping[str, Any], *, is_last: bool
) -> PowabaseChatMessageBody:
    """What an assistant said; what was found for a run stands with the last that it said."""
    item, message = draft.at, draft.message or Message("assistant", "")
    assert item is not None
    run, steps = told.runs.get(item.run_id), told.steps.get(item.run_id, ())
    calls = [fill(call, outputs) for call in list_calls(steps if is_last else (), draft.calls)]
    return PowabaseChatMessageBody(
        role="assistant",
        content=read_text(message),
        run_id=name_run(session, item),
        timestamp=item.created_at,
        retrieved_context=list_chunks(
            told.retrieved.get(item.run_id) if is_last else None, told.names, with_recalled=False
        ),
        citations=render_citations(message) or None,
        tool_calls=calls,
        reasoning_requested=True if run and is_asked(run.reasoning) else None,
        reasoning=render_thoughts("\n\n".join(text for text in draft.thoughts if text)),
    )


def fill(call: PowabaseToolCallBody, outputs: Mapping[str, Any]) -> PowabaseToolCallBody:
    """A call with its result, where that is an item of its own."""
    return replace(call, result=outputs.get(call.call_id)) if call.result is None else call


def name_run(session: Session, item: Item) -> str | None:
    """The run that an item is of; what came without one has none."""
    return None if item.run_id == session.id else write_run(item.run_id)
