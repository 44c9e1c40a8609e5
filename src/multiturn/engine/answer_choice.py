"""Chooses how a model is heard in a turn: with citations checked, with tools of ours, by a schema, or as it speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import Raw, json

from multiturn.engine.answering import STEPS_MAX, Bounds, SteppedAnswer, Voice
from multiturn.engine.contexts import Assembled
from multiturn.engine.grounding.citer import Citer
from multiturn.engine.grounding.tools import KnowledgeTools
from multiturn.engine.parts import Parts
from multiturn.engine.schema_answers import SchemaAnswer
from multiturn.engine.toolbelt import Toolbelt
from multiturn.model.agent import AgentLimits
from multiturn.model.retrieved import Snippet
from multiturn.model.session import Session
from multiturn.model.turn import TurnOrder

NO_LIMITS = AgentLimits()


def choose_answer(
    parts: Parts, voice: Voice, order: TurnOrder, session: Session, assembled: Assembled
) -> SteppedAnswer | SchemaAnswer | None:
    """Who hears the model where its words are not simply passed on as they come."""
    speaker = assembled.speaker
    if order.schema is not None:
        return SchemaAnswer(voice, order.schema, has_tools=bool(speaker.toolset.names))
    cites = speaker.stores is not None and not is_json(speaker.fields)
    if not cites and not speaker.toolset.names:
        return None
    context = assembled.context
    shown = (*context.recalled, *(context.retrieved.snippets if context.retrieved else ()))
    is_cited = speaker.stores is not None and speaker.stores.is_cited
    citer = Citer(shown, parts.source_reader, cites=is_cited) if cites else None
    belt = pack_belt(parts, session, assembled, shown) if speaker.toolset.names else None
    return SteppedAnswer(voice, citer, belt, find_bounds(parts, order, assembled))


def pack_belt(parts: Parts, session: Session, assembled: Assembled, shown: Sequence[Snippet]) -> Toolbelt:
    """The tools of a turn, ready to run."""
    speaker, knowledge = assembled.speaker, None
    if speaker.stores and speaker.toolset.knowledge:
        metadata = assembled.budget.recall.options.metadata
        knowledge = KnowledgeTools(parts.searchable, session.tenant_id, speaker.stores, shown, metadata=metadata)
    return Toolbelt(speaker.toolset, knowledge, parts.tool_host, session.tenant_id)


def find_bounds(parts: Parts, order: TurnOrder, assembled: Assembled) -> Bounds:
    """How far a run may go."""
    agent = assembled.speaker.agent
    limits = agent.body.limits if agent else NO_LIMITS
    return Bounds(
        result_tokens=assembled.budget.tokens_max - assembled.context.tokens,
        steps=limits.steps or STEPS_MAX,
        tokens=limits.tokens,
        seconds=find_seconds(order, assembled),
        cost_usd=limits.cost_usd,
        price=partial(parts.prices.price, order.model),
    )


def find_seconds(order: TurnOrder, assembled: Assembled) -> float | None:
    """How long the model and its tools may take."""
    agent = assembled.speaker.agent
    return agent.body.limits.seconds if agent and order.seconds_max is None else order.seconds_max


def is_json(fields: Mapping[str, Raw]) -> bool:
    """Whether the answer is to be JSON: a marker in it would break it."""
    asked = json.decode(fields["response_format"]) if "response_format" in fields else None
    return isinstance(asked, dict) and asked.get("type") in ("json_object", "json_schema")
