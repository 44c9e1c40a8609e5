"""Reads the lines of an exported session."""

from __future__ import annotations

from uuid import UUID

import msgspec
from msgspec.structs import asdict

from multiturn.api.auth import check_id
from multiturn.api.native.session_parse import read_instructions
from multiturn.api.native.transfer_lines import Piece
from multiturn.api.native.transfer_wire import (
    AgentPart,
    DocumentLine,
    EndLine,
    ItemLine,
    Line,
    RunLine,
    Seqs,
    SessionLine,
    SettingsPart,
)
from multiturn.api.policy import read_policy
from multiturn.model.archive import Archived, ArchivedRun, ArchivedSession, ArchiveEnd, LeftOut
from multiturn.model.item import Item, Range
from multiturn.model.knowledge import KnowledgeItem, Owner
from multiturn.model.policy import ContextPolicy
from multiturn.model.run import AgentVersion, Run
from multiturn.model.session import SessionSettings

# Whose it is to be is not said by what is sent.
UNKNOWN = UUID(int=0)
POLICY = ("context_overflow", "token_budget", "recall", "recall_tokens", "recall_options")

read_line = msgspec.json.Decoder(Line).decode


class RecordReader:
    """Reads exported sessions, one behind the other."""

    def __init__(self) -> None:
        self.left_out: list[LeftOut] = []

    def read(self, piece: Piece) -> list[Archived]:
        """What a line says. Raises InvalidRequest, or msgspec's errors."""
        return [read_record(read_line(piece.body))]

    def finish(self) -> list[Archived]:
        """Nothing is left."""
        return []


def read_record(line: Line) -> Archived:
    """A line as a record. Raises InvalidRequest."""
    match line:
        case SessionLine():
            return read_session(line)
        case ItemLine(seq=seq, run_id=run_id, content=content, tokens=tokens):
            return Item(
                seq=seq,
                run_id=run_id,
                content=content,
                tokens=tokens,
                created_at=line.created_at,
                status=line.status,
            )
        case RunLine():
            return read_run(line)
        case DocumentLine():
            owner = Owner("session", UNKNOWN)
            return KnowledgeItem(**asdict(line), tenant_id=UNKNOWN, store_id=UNKNOWN, owner=owner)
        case EndLine():
            return ArchiveEnd(items=line.items, runs=line.runs, documents=line.documents)


def read_session(line: SessionLine) -> ArchivedSession:
    """A session without its content. Raises InvalidRequest."""
    return ArchivedSession(
        id=line.id,
        external_id=None if line.external_id is None else check_id(line.external_id, "external_id"),
        created_at=line.created_at,
        active_at=line.active_at,
        idle_expiry_s=line.idle_expiry_s,
        instructions=read_instructions(line.instructions) or None if line.instructions else None,
        metadata=line.metadata,
        settings=read_settings(line.settings),
        head=line.head,
        path=tuple(Range(first, last) for first, last in line.path),
        cut=line.cut,
        cleared=line.cleared,
        shown=line.window,
        pending=line.pending_summary,
    )


def read_settings(part: SettingsPart) -> SessionSettings:
    """What is set of a session. Raises InvalidRequest."""
    fields = asdict(part)
    policy = read_policy({name: fields.pop(name) for name in POLICY})
    if part.model is not None:
        check_id(part.model, "model")
    return SessionSettings(**fields, policy=ContextPolicy(**policy))


def read_run(line: RunLine) -> ArchivedRun:
    """A run with what belongs to it."""
    fields = asdict(line)
    agent: AgentPart | None = fields.pop("agent")
    beside = {name: fields.pop(name) for name in ("steps", "context", "retrieved", "retrieved_at")}
    fields |= {"input_items": read_range(line.input_items), "output_items": read_range(line.output_items)}
    answered = AgentVersion(agent.id, agent.version) if agent else None
    return ArchivedRun(run=Run(**fields, tenant_id=UNKNOWN, session_id=UNKNOWN, agent=answered), **beside)


def read_range(seqs: Seqs | None) -> Range | None:
    """First and last ``seq``."""
    return Range(*seqs) if seqs else None
