"""The error codes of agents' tools, and of runs that wait for a person."""

from __future__ import annotations

from multiturn.api.error_code import ErrorCode

RUNS = (
    ErrorCode("tool_not_found", 404, "The agent has no such tool, in Julep's dialect.", "List the agent's tools."),
    ErrorCode(
        "run_waiting",
        409,
        "A turn is asked for in a session whose run waits for a person's approval.",
        "Approve or deny its calls (`GET /v1/runs/{run_id}/approvals` lists them), or cancel the run.",
    ),
    ErrorCode(
        "run_not_waiting",
        409,
        "A word is given about a run that waits for none: all was said before, the time was over, or it never did.",
        "Look at the run. `GET /v1/approvals` lists what waits.",
    ),
    ErrorCode(
        "call_not_found",
        404,
        "A word is given about a call that is none of those that wait in the run.",
        "Take a `call_id` of `GET /v1/runs/{run_id}/approvals`.",
    ),
    ErrorCode(
        "approval_given",
        409,
        "A call was approved before and is to be denied now, or the other way round.",
        "The first word counts. Cancel the run to stop what was approved.",
    ),
    ErrorCode(
        "run_limit_reached",
        413,
        "A run used as many tokens, as much time or as much money as its agent allows, and has no answer yet.",
        "Raise the agent's limits, or ask for less. The run's steps show what it did.",
    ),
)
