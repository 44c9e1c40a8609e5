"""The steps of a run: the model speaks, its tools run, it speaks again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from multiturn.model.usage import Usage


class ToolCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool that was called in a step, with its whole result.

    ``source`` says whose tool it is: ``knowledge``, or the label of an MCP server or an HTTP API. ``shown`` is what the
    model was told instead of a result that is too long for it. ``approved`` is None where nobody was asked, and
    ``reason`` what the person said who was.
    """

    call_id: str
    name: str
    arguments: str = ""
    source: str = ""
    result: str | None = None
    shown: str | None = None
    is_error: bool = False
    duration_ms: float | None = None
    approved: bool | None = None
    reason: str | None = None
    meta: dict[str, Any] = {}


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call of the model in a run, numbered from 1, and the tools that it called; kept with the run."""

    number: int
    started_at: datetime
    duration_ms: float = 0.0
    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None


class StepStarted(Struct, frozen=True, kw_only=True, tag="step_started", tag_field="type"):
    """The model is asked; ``is_last``: it is given no tools, and has to answer."""

    step: int
    is_last: bool = False


class StepEnded(Struct, frozen=True, kw_only=True, tag="step_ended", tag_field="type"):
    """The model has spoken and its tools have run."""

    step: int
    finish_reason: str | None = None
    has_calls: bool = False


class ToolCalled(Struct, frozen=True, kw_only=True, tag="tool_called", tag_field="type"):
    """A tool of ours is about to run."""

    step: int
    call_id: str
    name: str
    arguments: str


class ToolReturned(Struct, frozen=True, kw_only=True, tag="tool_returned", tag_field="type", omit_defaults=True):
    """A tool has answered; ``preview`` is the beginning of what it said."""

    step: int
    call_id: str
    name: str
    preview: str
    duration_ms: float
    is_error: bool = False
    meta: dict[str, Any] = {}


class ApprovalAsked(Struct, frozen=True, kw_only=True, tag="approval_asked", tag_field="type"):
    """A call waits for a person's word."""

    step: int
    call_id: str
    name: str
    arguments: str
    source: str = ""


class ApprovalGiven(Struct, frozen=True, kw_only=True, tag="approval_given", tag_field="type"):
    """A person has said whether a call may run."""

    step: int
    call_id: str
    name: str
    approved: bool
    reason: str | None = None


class ToolsMissing(Struct, frozen=True, kw_only=True, tag="tools_missing", tag_field="type"):
    """The tools of a source are not there in this run, and why; it goes on without them."""

    label: str
    reason: str


class ReasoningDropped(Struct, frozen=True, kw_only=True, tag="reasoning_dropped", tag_field="type"):
    """What one provider had thought is not carried to another."""

    from_provider: str
    to_provider: str


Happening = (
    StepStarted
    | StepEnded
    | ToolCalled
    | ToolReturned
    | ApprovalAsked
    | ApprovalGiven
    | ToolsMissing
    | ReasoningDropped
)
