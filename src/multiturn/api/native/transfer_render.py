"""A session's content as lines of JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import asdict

from multiturn.api.native.render import render_session
from multiturn.api.native.transfer_wire import (
    AgentPart,
    DocumentLine,
    EndLine,
    ImportBody,
    ImportedSession,
    ItemLine,
    LeftOutBody,
    Line,
    RunLine,
    SessionLine,
    SettingsPart,
)
from multiturn.api.policy import render_policy
from multiturn.model.archive import Archived, ArchivedRun, ArchivedSession, ArchiveEnd, Imported
from multiturn.model.item import Item, Range
from multiturn.model.knowledge import KnowledgeItem

encode_lines = msgspec.json.Encoder().encode_lines


def write_lines(records: Sequence[Archived]) -> bytes:
    """Records as lines of JSON."""
    return encode_lines([render(record) for record in records])


def render(record: Archived) -> Line:
    """A record as a line."""
    match record:
        case ArchivedSession():
            return render_archived(record)
        case Item(seq=seq, run_id=run_id):
            return ItemLine(
                seq=seq,
                run_id=run_id,
                created_at=record.created_at,
                tokens=record.tokens,
                status=record.status,
                content=record.content,
            )
        case ArchivedRun():
            return render_run(record)
        case KnowledgeItem():
            kept = ("id", "created_at", "title", "content", "metadata", "language")
            return DocumentLine(**{name: getattr(record, name) for name in kept})
        case ArchiveEnd():
            return EndLine(items=record.items, runs=record.runs, documents=record.documents)


def render_archived(session: ArchivedSession) -> SessionLine:
    """A session without its content."""
    assert session.created_at
    assert session.active_at
    assert session.head is not None
    settings = asdict(session.settings)
    policy = render_policy(settings.pop("policy"))
    settings.pop("origin")
    return SessionLine(
        id=session.id,
        external_id=session.external_id,
        created_at=session.created_at,
        active_at=session.active_at,
        idle_expiry_s=session.idle_expiry_s,
        instructions=msgspec.json.decode(session.instructions) if session.instructions else None,
        metadata=session.metadata,
        settings=SettingsPart(**settings, **policy),
        head=session.head,
        path=tuple((range_.first, range_.last) for range_ in session.path or ()),
        cut=session.cut,
        cleared=session.cleared,
        window=session.shown,
        pending_summary=session.pending,
    )


def render_run(archived: ArchivedRun) -> RunLine:
    """A run with what belongs to it."""
    run, agent = archived.run, archived.run.agent
    told = {name: value for name, value in asdict(run).items() if name not in ("tenant_id", "session_id", "agent")}
    told |= {"input_items": render_range(run.input_items), "output_items": render_range(run.output_items)}
    return RunLine(
        **told,
        agent=AgentPart(agent.id, agent.version) if agent else None,
        steps=archived.steps,
        context=archived.context,
        retrieved=archived.retrieved,
        retrieved_at=archived.retrieved_at,
    )


def render_range(range_: Range | None) -> tuple[int, int] | None:
    """First and last ``seq``."""
    return (range_.first, range_.last) if range_ else None


def render_imported(imported: Imported) -> ImportBody:
    """What an import has made."""
    rendered = [render_session(session) for session in imported.sessions]
    return ImportBody(
        **asdict(rendered[0]),
        imported=[ImportedSession(id=one.id, external_id=one.external_id, items=one.items) for one in rendered],
        left_out=[LeftOutBody(where=one.where, what=one.what, why=one.why) for one in imported.left_out],
    )
