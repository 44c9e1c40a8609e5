"""The shapes of what a run did, step by step, and of what waits in it for a person's word."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from multiturn.api.native.wire import RunBody, Time, UsageBody

REASON_CHARS_MAX = 2000
DECISIONS_MAX = 100
Reason = Annotated[str, Meta(max_length=REASON_CHARS_MAX)]


class StepCallBody(Struct, kw_only=True):
    """A tool that was called in a step."""

    call_id: str
    name: Annotated[str, Meta(description="What the model calls it.")]
    arguments: Annotated[str, Meta(description="The text that the model wrote, usually JSON.")]
    source: Annotated[
        str, Meta(description="Whose tool it is: `knowledge`, or the label of an MCP server or an HTTP API.")
    ]
    result: Annotated[str | None, Meta(description="All that it said; null while it runs or waits.")]
    shown: Annotated[
        str | None, Meta(description="What the model was told instead, where that was too long; null: all of it.")
    ]
    is_error: Annotated[bool, Meta(description="Whether it failed, or was not let run; the model was told.")]
    duration_ms: Annotated[float | None, Meta(description="How long it ran, in milliseconds.")]
    approved: Annotated[bool | None, Meta(description="What a person said; null where nobody was asked.")]
    reason: Annotated[str | None, Meta(description="Why they said so.")]
    meta: Annotated[dict[str, Any], Meta(description="What else is known of the call.")]


class StepBody(Struct, kw_only=True):
    """One call of the model, and the tools that it called."""

    number: Annotated[int, Meta(description="From 1.")]
    started_at: Annotated[Time, Meta(description="When the model was asked, in UTC.")]
    duration_ms: Annotated[float, Meta(description="Until its tools had run, in milliseconds.")]
    text: Annotated[str, Meta(description="What the model said.")]
    reasoning: Annotated[str, Meta(description="What it thought, where that is told and kept.")]
    calls: Annotated[list[StepCallBody], Meta(description="The tools that it called, in its order.")]
    finish_reason: Annotated[str | None, Meta(description="As the provider gave it.")]
    usage: UsageBody | None


class WaitingCallBody(Struct, kw_only=True):
    """A call that waits for a person's word."""

    call_id: str
    name: Annotated[str, Meta(description="What the model calls the tool.")]
    arguments: Annotated[str, Meta(description="What it is to be called with, usually JSON.")]
    source: Annotated[str, Meta(description="The label of the MCP server or HTTP API.")]


class ApprovalsBody(Struct, kw_only=True):
    """What waits in a run for a person's word."""

    object: Literal["approvals"] = "approvals"
    run: RunBody
    data: Annotated[list[WaitingCallBody], Meta(description="The calls of which nothing was said yet.")]
    asked_at: Annotated[Time | None, Meta(description="Since when they wait, in UTC; null: nothing waits.")]
    expires_at: Annotated[Time | None, Meta(description="From then on nobody's word is a no; null: nothing waits.")]


class DecisionBody(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whether a call may run."""

    call_id: str
    approved: Annotated[bool, Meta(description="True: it runs; false: the model is told that it may not.")]
    reason: Annotated[Reason | None, Meta(description="Why; of a no, the model is told.")] = None


class DecisionsBody(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a person says: of single calls (`decisions`), or of all that wait (`approved`)."""

    decisions: Annotated[
        Annotated[list[DecisionBody], Meta(min_length=1, max_length=DECISIONS_MAX)] | None,
        Meta(description="Of these calls; the run goes on when something was said of all. Either this or `approved`."),
    ] = None
    approved: Annotated[bool | None, Meta(description="Of all calls that wait. Either this or `decisions`.")] = None
    reason: Annotated[Reason | None, Meta(description="With `approved`: why; of a no, the model is told.")] = None
