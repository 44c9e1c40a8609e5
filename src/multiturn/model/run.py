"""One execution of a turn."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from multiturn.model.content import Content
from multiturn.model.item import Range
from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.usage import Usage

RunStatus = Literal["queued", "in_progress", "waiting", "completed", "incomplete", "failed", "cancelled"]
ENDED: frozenset[RunStatus] = frozenset({"completed", "incomplete", "failed", "cancelled"})


class RunError(Struct, frozen=True):
    """Why a run failed: a stable code and a text for a person."""

    code: str
    message: str


INTERRUPTED = RunError("interrupted", "The server that ran this turn stopped before it ended.")


class AgentVersion(Struct, frozen=True):
    """The agent that answered, as it was then."""

    id: UUID
    version: int


class Run(Struct, frozen=True, kw_only=True):
    """A run, kept whatever becomes of it.

    ``ticket`` is its place in the session's queue, ``agent`` who answered. ``settings`` are the request's other
    fields (temperature, tool choice, …), ``labels`` the names that harnesses sent along.

    A run that entered the history names its input and output by ranges of ``seq``; one that did not keeps them
    itself. ``reasoning`` is how much the model was to think, ``cost_usd`` what it cost, None where no price is known.
    """

    id: UUID
    tenant_id: UUID
    session_id: UUID
    ticket: int
    status: RunStatus
    model: str
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    input_items: Range | None = None
    output_items: Range | None = None
    input: tuple[Content, ...] = ()
    output: tuple[Content, ...] = ()
    settings: dict[str, Any] = {}
    labels: dict[str, Any] = {}
    usage: Usage | None = None
    error: RunError | None = None
    finish_reason: str | None = None
    first_token_ms: int | None = None
    agent: AgentVersion | None = None
    reasoning: ReasoningOptions | None = None
    cost_usd: float | None = None
