"""The engine's nouns in the shapes of the native API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from multiturn.api.citations import render_citation
from multiturn.api.native.session_wire import OriginBody, SessionBody
from multiturn.api.native.wire import (
    CallBody,
    EventBody,
    ItemBody,
    RunAgentBody,
    RunBody,
    RunErrorBody,
    UsageBody,
)
from multiturn.api.policy import render_policy
from multiturn.model.completion import ToolCallDelta
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning, Summary
from multiturn.model.event import Answered, Ended, Event, Spoke, Stepped
from multiturn.model.item import Item, Range
from multiturn.model.run import Run
from multiturn.model.session import Session


def render_session(session: Session) -> SessionBody:
    """A session."""
    settings = session.settings
    agents, users = [str(id_) for id_ in settings.agents], [str(id_) for id_ in settings.users]
    origin = settings.origin
    return SessionBody(
        id=str(session.id),
        external_id=session.external_id,
        created_at=session.created_at,
        active_at=session.active_at,
        expires_at=session.expires_at,
        idle_expiry_s=session.idle_expiry_s,
        items=sum(len(range_) for range_ in session.branches),
        shown_from=session.cut,
        instructions=msgspec.json.decode(session.instructions) if session.instructions else None,
        metadata=session.metadata,
        running=str(session.run_id) if session.run_id else None,
        agents=agents,
        stores=[str(id_) for id_ in settings.store_ids],
        users=users,
        agent_id=agents[0] if agents else None,
        user_id=users[0] if users else None,
        model=settings.model,
        situation=settings.situation,
        system_template=settings.system_template,
        render_templates=settings.render_templates,
        forked_from=OriginBody(session_id=str(origin.session_id), seq=origin.seq) if origin else None,
        **render_policy(settings.policy),
    )


def render_item(item: Item) -> ItemBody:
    """An item."""
    return ItemBody(
        seq=item.seq,
        status=item.status,
        run_id=str(item.run_id),
        created_at=item.created_at,
        tokens=item.tokens,
        **render_content(item.content),
    )


def render_content(content: Content) -> dict[str, Any]:
    """What an item holds, with its type."""
    known = getattr(content, "extra", None)
    extra = {"extra": known} if known else {}
    match content:
        case Message(role, said):
            cited = {"citations": list(map(render_citation, content.citations))} if content.citations else {}
            return {"type": "message", "role": role, "content": said, **cited, **extra}
        case FunctionCall(call_id, name, arguments):
            return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, **extra}
        case FunctionCallOutput(call_id, output):
            return {"type": "function_call_output", "call_id": call_id, "output": output, **extra}
        case Summary(text, first, last, model):
            return {"type": "summary", "text": text, "stands_for": [first, last], "model": model}
        case Reasoning(text):
            return {"type": "reasoning", "text": text, **extra}


def render_run(run: Run) -> RunBody:
    """A run."""
    usage, error = run.usage, run.error
    return RunBody(
        id=str(run.id),
        session_id=str(run.session_id),
        status=run.status,
        model=run.model,
        created_at=run.created_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        input_items=render_range(run.input_items),
        output_items=render_range(run.output_items),
        agent=RunAgentBody(id=str(run.agent.id), version=run.agent.version) if run.agent else None,
        input=[render_content(content) for content in run.input],
        output=[render_content(content) for content in run.output],
        settings=run.settings,
        labels=run.labels,
        usage=msgspec.convert(usage, UsageBody, from_attributes=True) if usage else None,
        error=RunErrorBody(error.code, error.message) if error else None,
        finish_reason=run.finish_reason,
        first_token_ms=run.first_token_ms,
        reasoning=msgspec.to_builtins(run.reasoning) if run.reasoning else None,
        cost_usd=run.cost_usd,
    )


def render_range(range_: Range | None) -> list[int] | None:
    """First and last ``seq``."""
    return [range_.first, range_.last] if range_ else None


def render_events(event: Event) -> list[EventBody]:
    """What an event tells, one body a number."""
    match event:
        case Spoke(first, deltas):
            return [
                EventBody(
                    number=number,
                    type="delta",
                    text=delta.text,
                    reasoning=delta.reasoning,
                    tool_calls=render_calls(delta.tool_calls),
                    finish_reason=delta.finish_reason,
                )
                for number, delta in enumerate(deltas, start=first)
            ]
        case Answered(number, completion):
            answer = EventBody(
                number=number,
                type="answer",
                text=completion.text or "",
                reasoning=completion.reasoning,
                tool_calls=render_calls(completion.tool_calls),
                finish_reason=completion.finish_reason,
            )
            return [answer]
        case Stepped(number, what):
            return [EventBody(number=number, type="step", step=msgspec.to_builtins(what))]
        case Ended(number, run):
            return [EventBody(number=number, type="end", run=render_run(run))]


def render_calls(calls: Sequence[ToolCallDelta]) -> list[CallBody]:
    """Tool calls, or pieces of them."""
    return [CallBody(index=call.index, call_id=call.id, name=call.name, arguments=call.arguments) for call in calls]
