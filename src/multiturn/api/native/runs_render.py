"""What runs did and what waits in them, in the shapes of the native API."""

from __future__ import annotations

import msgspec

from multiturn.api.native.render import render_run
from multiturn.api.native.runs_wire import ApprovalsBody, StepBody, StepCallBody, WaitingCallBody
from multiturn.api.native.wire import UsageBody
from multiturn.model.run import Run
from multiturn.model.run_listing import WaitingRun
from multiturn.model.step import Step


def render_step(step: Step) -> StepBody:
    """A step with its calls, their results as they came."""
    return StepBody(
        number=step.number,
        started_at=step.started_at,
        duration_ms=step.duration_ms,
        text=step.text,
        reasoning=step.reasoning,
        calls=[msgspec.convert(call, StepCallBody, from_attributes=True) for call in step.calls],
        finish_reason=step.finish_reason,
        usage=msgspec.convert(step.usage, UsageBody, from_attributes=True) if step.usage else None,
    )


def render_approvals(run: Run, waiting: WaitingRun | None) -> ApprovalsBody:
    """What waits in a run."""
    return ApprovalsBody(
        run=render_run(waiting.run if waiting else run),
        data=[
            WaitingCallBody(call_id=call.call_id, name=call.name, arguments=call.arguments, source=call.source)
            for call in (waiting.calls if waiting else ())
        ],
        asked_at=waiting.asked_at if waiting else None,
        expires_at=waiting.expires_at if waiting else None,
    )
