"""What can be asked of runs beyond one session, of their steps, and of approvals, described."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Body, Example, Link, Operation, Reply
from multiturn.api.native.operations import PAGE_LIMIT, RUN_ID
from multiturn.api.native.run_filters import OF_AGENT, RUN_CURSOR, SETTLED_STATUS
from multiturn.api.native.runs_wire import ApprovalsBody, DecisionsBody, StepBody
from multiturn.api.native.wire import ListBody, RunBody
from multiturn.api.parameters import USER

CALL: dict[str, Any] = {
    "call_id": "call_1",
    "name": "trains__book_seat",
    "arguments": '{"train": "IC 522"}',
    "source": "trains",
}
STEP: dict[str, Any] = {
    "number": 1,
    "started_at": examples.BEGAN,
    "duration_ms": 1840.2,
    "text": "",
    "reasoning": "",
    "calls": [
        {
            **CALL,
            "result": "Seat 12A is booked.",
            "shown": None,
            "is_error": False,
            "duration_ms": 412.9,
            "approved": True,
            "reason": "It is cheap enough.",
            "meta": {},
        }
    ],
    "finish_reason": "tool_calls",
    "usage": {"input_tokens": 412, "cached_tokens": 384, "output_tokens": 31, "reasoning_tokens": 0},
}
WAITING_RUN: dict[str, Any] = {
    **examples.RUN,
    "status": "waiting",
    "ended_at": None,
    "input_items": None,
    "output_items": None,
    "usage": None,
    "finish_reason": None,
    "first_token_ms": None,
    "cost_usd": None,
}
APPROVALS: dict[str, Any] = {
    "object": "approvals",
    "run": WAITING_RUN,
    "data": [CALL],
    "asked_at": examples.ENDED,
    "expires_at": "2026-11-22T09:30:02.500000Z",
}
TAG = "Runs"
NO_RUN: dict[int, tuple[str, ...]] = {404: ("run_not_found",)}

OPERATIONS = (
    Operation(
        name="listAllRuns",
        method="get",
        paths=("/v1/runs",),
        tag=TAG,
        summary="List runs",
        text="Of all sessions that the key sees, the newest first: those that failed, those that wait for a word, "
        "those of an agent.",
        parameters=(SETTLED_STATUS, OF_AGENT, PAGE_LIMIT, RUN_CURSOR, USER),
        replies=(
            Reply(
                text="A page of runs. `next` is the `cursor` of the page behind it.",
                shape=ListBody[RunBody],
                example=examples.page(examples.RUN),
                links=(
                    Link(operation="getRun", parameter="run_id", source="$response.body#/data/0/id"),
                    Link(operation="listSteps", parameter="run_id", source="$response.body#/data/0/id"),
                ),
            ),
        ),
        errors={**ANY, 404: ("agent_not_found",)},
    ),
    Operation(
        name="listSteps",
        method="get",
        paths=("/v1/runs/{run_id}/steps",),
        tag=TAG,
        summary="List what a run did, step by step",
        text="Each call of the model with the tools that it called: with what, what they said, whole, and how long "
        "that took. Also of a run that is under way. A run of one step without tools of the server lists none: its "
        "items are all of it.",
        parameters=(RUN_ID, USER),
        replies=(Reply(text="All steps, in order.", shape=ListBody[StepBody], example=examples.page(STEP)),),
        errors={**ANY, **NO_RUN},
    ),
    Operation(
        name="listApprovals",
        method="get",
        paths=("/v1/approvals",),
        tag=TAG,
        summary="List what waits for a person's word",
        text="The runs of all sessions that the key sees, those that wait longest first, each with its calls.",
        parameters=(PAGE_LIMIT, RUN_CURSOR, USER),
        replies=(
            Reply(
                text="A page of runs that wait. `next` is the `cursor` of the page behind it.",
                shape=ListBody[ApprovalsBody],
                example=examples.page(APPROVALS),
                links=(Link(operation="decideApprovals", parameter="run_id", source="$response.body#/data/0/run/id"),),
            ),
        ),
        errors=ANY,
    ),
    Operation(
        name="getApprovals",
        method="get",
        paths=("/v1/runs/{run_id}/approvals",),
        tag=TAG,
        summary="Look at what waits in a run",
        text="The calls of which nothing was said yet; none when the run does not wait.",
        parameters=(RUN_ID, USER),
        replies=(Reply(text="What waits.", shape=ApprovalsBody, example=APPROVALS),),
        errors={**ANY, **NO_RUN},
    ),
    Operation(
        name="decideApprovals",
        method="post",
        paths=("/v1/runs/{run_id}/approvals",),
        tag=TAG,
        summary="Approve or deny calls",
        text="The run goes on when something was said of all its calls: those that were approved run, and of the "
        "others the model is told that they may not. Who follows the run hears it go on. The same word again changes "
        "nothing while it waits.",
        parameters=(RUN_ID, USER),
        body=Body(
            shape=DecisionsBody,
            examples=(
                Example(name="all", title="All that wait may run", body={"approved": True}),
                Example(
                    name="single",
                    title="A word about each call",
                    body={
                        "decisions": [
                            {"call_id": "call_1", "approved": True},
                            {"call_id": "call_2", "approved": False, "reason": "Too expensive."},
                        ]
                    },
                ),
            ),
        ),
        replies=(
            Reply(
                text="The run as it stands then.",
                shape=RunBody,
                example={**WAITING_RUN, "status": "in_progress"},
                links=(
                    Link(operation="listEvents", parameter="run_id", source="$response.body#/id"),
                    Link(operation="listSteps", parameter="run_id", source="$response.body#/id"),
                ),
            ),
        ),
        errors={
            **ANY,
            400: (*ANY[400], "invalid_json", "incomplete_body"),
            404: ("run_not_found", "call_not_found"),
            409: ("run_not_waiting", "approval_given"),
            413: ("request_too_large",),
        },
    ),
)
