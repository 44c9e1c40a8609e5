"""Sessions, agents, users and documents in the shapes of Julep's client."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from multiturn.api.julep.wire import (
    JulepAgentBody,
    JulepDeletedBody,
    JulepDocBody,
    JulepDocReferenceBody,
    JulepHitsBody,
    JulepOwnerBody,
    JulepSessionBody,
    JulepSnippetBody,
    JulepUserBody,
)
from multiturn.api.policy import render_recall_options
from multiturn.model.agent import Agent, User
from multiturn.model.knowledge import DocumentHit, DocumentHits, KnowledgeItem, OwnerKind
from multiturn.model.policy import SearchMode
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.session import Session


def render_session(session: Session) -> JulepSessionBody:
    """A session."""
    settings = session.settings
    agents, users = [str(one) for one in settings.agents], [str(one) for one in settings.users]
    return JulepSessionBody(
        id=str(session.id),
        created_at=session.created_at,
        updated_at=session.active_at,
        situation=settings.situation,
        system_template=settings.system_template,
        render_templates=settings.render_templates,
        token_budget=settings.policy.token_budget,
        context_overflow=settings.policy.overflow,
        auto_run_tools=bool(settings.wire.get("auto_run_tools", False)),
        forward_tool_calls=bool(settings.wire.get("forward_tool_calls", False)),
        recall_options=render_recall_options(settings.policy.documents),
        metadata=session.metadata,
        agent=agents[0] if agents else None,
        agents=agents,
        user=users[0] if users else None,
        users=users,
    )


def render_agent(agent: Agent) -> JulepAgentBody:
    """An agent."""
    body = agent.body
    return JulepAgentBody(
        id=str(agent.id),
        created_at=agent.created_at,
        updated_at=agent.updated_at,
        name=body.name,
        about=body.about,
        canonical_name=body.canonical_name,
        model=body.model,
        instructions=body.instructions if isinstance(body.instructions, str) else list(body.instructions),
        default_settings=body.default_settings,
        default_system_template=body.system_template,
        metadata=agent.metadata,
        project=body.project,
    )


def render_user(user: User) -> JulepUserBody:
    """A user."""
    return JulepUserBody(
        id=str(user.id),
        created_at=user.created_at,
        updated_at=user.updated_at,
        name=user.name,
        about=user.about,
        metadata=user.metadata,
        project=user.project,
    )


def render_deleted(id_: UUID, now: datetime) -> JulepDeletedBody:
    """What was deleted."""
    return JulepDeletedBody(id=str(id_), deleted_at=now)


def render_doc(item: KnowledgeItem, model: str | None) -> JulepDocBody:
    """A document, with the embedding model of this server once its vectors are there."""
    return JulepDocBody(
        id=str(item.id),
        created_at=item.created_at,
        title=item.title,
        content=item.content if isinstance(item.content, str) else list(item.content),
        metadata=item.metadata,
        language=item.language,
        embedding_model=model if item.is_embedded else None,
    )


def render_hits(found: DocumentHits) -> JulepHitsBody:
    """What a search found."""
    return JulepHitsBody(docs=[render_hit(hit, found.mode) for hit in found.hits], time=found.took_ms / 1000)


def render_hit(hit: DocumentHit, mode: SearchMode) -> JulepDocReferenceBody:
    """A chunk that a search found."""
    return JulepDocReferenceBody(
        id=str(hit.item.id),
        title=hit.item.title,
        owner=JulepOwnerBody(id=str(hit.item.owner.id), role=write_role(hit.item.owner.kind)),
        snippet=JulepSnippetBody(index=hit.chunk, content=hit.text, embedding=list(hit.vector) if hit.vector else None),
        distance=write_distance(mode, hit.score, hit.similarity),
        metadata=hit.item.metadata,
    )


def write_distance(mode: SearchMode, score: float, similarity: float | None) -> float:
    """How far from what was asked, lower being nearer: of a vector 1 minus the cosine, else from the score."""
    if mode == "vector" and similarity is not None:
        return 1 - similarity
    return 1 / (1 + max(score, 0.0))


def render_retrieved(retrieved: RetrievedContext | None) -> list[JulepDocReferenceBody]:
    """The snippets of documents that a model was shown."""
    shown = retrieved.snippets if retrieved else ()
    return [
        render_snippet(snippet)
        for snippet in shown
        if snippet.source == "document" and snippet.omitted is None and snippet.item_id and snippet.owner_id
    ]


def write_role(kind: OwnerKind | None) -> Literal["user", "agent", "session"]:
    """Whose a document is; what a session's knowledge store holds is the session's: there are no such stores here."""
    return "session" if kind is None or kind == "store" else kind


def render_snippet(snippet: Snippet) -> JulepDocReferenceBody:
    """A snippet of a document."""
    return JulepDocReferenceBody(
        id=str(snippet.item_id),
        title=snippet.title,
        owner=JulepOwnerBody(id=str(snippet.owner_id), role=write_role(snippet.owner_kind)),
        snippet=JulepSnippetBody(index=snippet.chunk or 0, content=snippet.text),
        distance=write_distance("hybrid", snippet.score, snippet.similarity),
        metadata=snippet.metadata,
    )
