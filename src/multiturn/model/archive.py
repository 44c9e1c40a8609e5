"""What a session is exported as and imported from: itself, and everything that is stored of it, piece by piece."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct

from multiturn.model.content import Summary
from multiturn.model.context import ContextRecord, WindowState
from multiturn.model.item import Item, Range
from multiturn.model.knowledge import KnowledgeItem
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.run import Run
from multiturn.model.session import NO_SETTINGS, Session, SessionSettings
from multiturn.model.step import Step


class ArchivedSession(Struct, frozen=True, kw_only=True):
    """A session without its content. ``id`` is the one it had.

    ``head`` and ``path`` of None are those of whatever items follow, and times of None those of the first and the last
    of them. ``pending`` is the summary that waits for the next cut.
    """

    id: UUID
    external_id: str | None = None
    created_at: datetime | None = None
    active_at: datetime | None = None
    idle_expiry_s: int | None = None
    instructions: str | None = None
    metadata: dict[str, Any] = {}
    settings: SessionSettings = NO_SETTINGS
    head: int | None = None
    path: tuple[Range, ...] | None = None
    cut: int = 1
    cleared: int = 0
    shown: WindowState = WindowState()
    pending: Summary | None = None


class ArchivedRun(Struct, frozen=True, kw_only=True):
    """A run that has ended, with its steps, what its model was shown, and what was retrieved for it:
    the block of that stands in the message ``retrieved_at``.
    """

    run: Run
    steps: tuple[Step, ...] = ()
    context: ContextRecord | None = None
    retrieved: RetrievedContext | None = None
    retrieved_at: int | None = None


class ArchiveEnd(Struct, frozen=True, kw_only=True):
    """The end of a session's content, which says that nothing is missing."""

    items: int
    runs: int
    documents: int


Archived = ArchivedSession | Item | ArchivedRun | KnowledgeItem | ArchiveEnd


class Sourced(NamedTuple):
    """Something to import, and where it stands in what was sent: "Line 3"."""

    where: str
    size: int
    record: Archived


class LeftOut(Struct, frozen=True, kw_only=True):
    """What was not imported, where it stands, and why."""

    where: str
    what: str
    why: str


class Imported(Struct, frozen=True, kw_only=True):
    """The sessions that an import has made, and what it left out."""

    sessions: tuple[Session, ...]
    left_out: tuple[LeftOut, ...] = ()
