"""A session's history as Julep's entries: an assistant's words and its calls are one, summaries stand among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal
from uuid import UUID, uuid5

import msgspec

from multiturn.api.julep.chat_wire import JulepEntryBody, JulepHistoryBody, JulepRelationBody
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning, Summary
from multiturn.model.item import Item
from multiturn.model.session import Session

# Who counted: the server counts an item once, when it is stored.
TOKENIZER = "multiturn"
INSTRUCTIONS = "instructions"
Source = Literal["api_request", "api_response", "summarizer"]


def render_history(session: Session, items: Sequence[Item], *, has_beginning: bool) -> JulepHistoryBody:
    """Items of a session, oldest first; its instructions stand in front of its beginning."""
    asked = find_asked(items)
    groups = list(group_items(items))
    entries = list_instructions(session) if has_beginning else []
    entries += [render_entry(session, group, is_answer=group[0].seq > asked[group[0].run_id]) for group in groups]
    return JulepHistoryBody(
        session_id=str(session.id),
        created_at=session.created_at,
        entries=entries,
        relations=list_relations(session, [group[0] for group in groups]),
    )


def count_entries(items: Sequence[Item]) -> int:
    """How many entries items make."""
    return sum(1 for _ in group_items(items))


def last_entries(items: Sequence[Item], count: int) -> Sequence[Item]:
    """The items of the newest so many entries."""
    groups = list(group_items(items))
    return items if len(groups) <= count else [item for group in groups[-count:] for item in group]


def find_asked(items: Sequence[Item]) -> dict[UUID, int]:
    """For each run the last item that no model said: what is behind it is the run's answer."""
    asked: dict[UUID, int] = {}
    for item in items:
        asked[item.run_id] = asked.get(item.run_id, 0) if is_said_by_model(item.content) else item.seq
    return asked


def list_relations(session: Session, firsts: Sequence[Item]) -> list[JulepRelationBody]:
    """Which entries a summary among them stands for in the context."""
    return [
        JulepRelationBody(head=entry_id(session, item.seq), tail=entry_id(session, summary.seq))
        for summary in firsts
        if isinstance(summary.content, Summary)
        for item in firsts
        if summary.content.first <= item.seq <= summary.content.last
    ]


def group_items(items: Sequence[Item]) -> Iterator[list[Item]]:
    """The items that make one entry: an assistant's words with the calls behind them. Reasoning is left out."""
    group: list[Item] = []
    for item in items:
        if isinstance(item.content, Reasoning):
            continue
        if group and not (isinstance(item.content, FunctionCall) and takes_calls(group, item)):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def takes_calls(group: list[Item], item: Item) -> bool:
    """Whether a call belongs to the message before it."""
    last = group[-1]
    said = last.content
    is_assistant = isinstance(said, FunctionCall) or (isinstance(said, Message) and said.role == "assistant")
    return is_assistant and last.run_id == item.run_id


def is_said_by_model(content: Content) -> bool:
    """Whether a model may have said this."""
    return isinstance(content, FunctionCall | Reasoning) or (
        isinstance(content, Message) and content.role == "assistant"
    )


def entry_id(session: Session, place: int | str) -> str:
    """The id of the entry at a place, which it always has."""
    return str(uuid5(session.id, str(place)))


def list_instructions(session: Session) -> list[JulepEntryBody]:
    """The leading system messages, which are the session's instructions here."""
    messages: list[dict[str, Any]] = msgspec.json.decode(session.instructions) if session.instructions else []
    return [
        JulepEntryBody(
            id=entry_id(session, f"{INSTRUCTIONS}-{place}"),
            role="system",
            name=message.get("name"),
            content=write_parts(message.get("content")),
            source="api_request",
            token_count=0,
            tokenizer=TOKENIZER,
            created_at=session.created_at,
            timestamp=session.created_at,
        )
        for place, message in enumerate(messages)
    ]


def render_entry(session: Session, group: list[Item], *, is_answer: bool) -> JulepEntryBody:
    """The items of one entry."""
    first, calls = group[0], [item.content for item in group if isinstance(item.content, FunctionCall)]
    content = first.content
    source: Source = "api_response" if is_answer else "api_request"
    facts: dict[str, Any] = {"role": "assistant", "content": [], "source": source}
    match content:
        case Message(role, said, extra):
            facts |= {"role": "system" if role == "developer" else role, "content": write_parts(said)}
            facts["name"] = (extra or {}).get("name")
        case FunctionCallOutput(call_id, output):
            facts |= {"role": "tool", "content": write_parts(output), "tool_call_id": call_id}
        case Summary(text, _, _, model):
            facts |= {"role": "system", "content": write_parts(text), "source": "summarizer", "model": model or None}
    return JulepEntryBody(
        id=entry_id(session, first.seq),
        token_count=sum(item.tokens for item in group),
        tokenizer=TOKENIZER,
        created_at=first.created_at,
        timestamp=first.created_at,
        tool_calls=[write_call(call) for call in calls] or None,
        **facts,
    )


def write_parts(said: str | list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """What was said as a list of parts."""
    if said is None:
        return []
    return [{"type": "text", "text": said}] if isinstance(said, str) else said


def write_call(call: FunctionCall) -> dict[str, Any]:
    """A tool call."""
    said = {"name": call.name, ("input" if call.kind == "custom" else "arguments"): call.arguments}
    return {"id": call.call_id, "type": call.kind, call.kind: said}
