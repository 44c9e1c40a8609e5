"""What can be asked of usage in the native API, described."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.auth import ID_CHARS_MAX
from multiturn.api.description import ANY, Operation, Parameter, Reply
from multiturn.api.native.operations import SESSION_ID
from multiturn.api.native.usage import DAYS, GROUPINGS, MONTHS, PERIODS, ROWS, ROWS_MAX
from multiturn.api.native.usage_wire import DATE_PATTERN, SessionUsageBody, UsageReportBody
from multiturn.api.parameters import NAME, USER
from multiturn.engine.usage import DAYS_MAX, SESSION_DAYS_MAX

DATE: dict[str, Any] = {"type": "string", "format": "date", "pattern": DATE_PATTERN}
USED: dict[str, Any] = {
    "turns": 12,
    "input_tokens": 18400,
    "cached_tokens": 15100,
    "cache_write_tokens": 0,
    "output_tokens": 2150,
    "reasoning_tokens": 640,
    "cost_usd": 0.027625,
    "unpriced_turns": 0,
}
REPORT: dict[str, Any] = {
    "object": "usage",
    "from": "2026-11-01",
    "to": "2026-11-21",
    "period": "day",
    "group_by": ["model"],
    "data": [{**USED, "period": "2026-11-21", "user_id": None, "user": None, "model": "gpt-5", "session_id": None}],
    "total": USED,
    "has_more": False,
}

PARAMETERS = (
    Parameter(
        name="from",
        place="query",
        schema=DATE,
        text=f"The first day, in UTC. Left out: {DAYS} days in all, or {MONTHS} months. At most {DAYS_MAX} days, by "
        f"session {SESSION_DAYS_MAX}.",
    ),
    Parameter(name="to", place="query", schema=DATE, text="The last day, in UTC. Left out: today."),
    Parameter(
        name="period",
        place="query",
        schema={"type": "string", "enum": list(PERIODS), "default": "day"},
        text="Whether days are told apart, months, or nothing.",
    ),
    Parameter(
        name="group_by",
        place="query",
        schema={"type": "string", "pattern": rf"^(?:(?:{'|'.join(GROUPINGS)})(?:,(?:{'|'.join(GROUPINGS)}))*)?$"},
        text="What else is told apart: `user`, `model`, `session`, with commas between them. Those of sessions are "
        "summed up from the runs that are there.",
        example="model",
    ),
    Parameter(name="user", place="query", schema=NAME, text="Only this user's, by our id or the external id."),
    Parameter(name="session", place="query", schema=NAME, text="Only this session's, by our id or the client's name."),
    Parameter(
        name="model",
        place="query",
        schema={**NAME, "maxLength": ID_CHARS_MAX},
        text="Only those of this model.",
    ),
    Parameter(
        name="limit",
        place="query",
        schema={"type": "integer", "minimum": 1, "maximum": ROWS_MAX, "default": ROWS},
        text="How many rows at most.",
    ),
    USER,
)

OPERATIONS = (
    Operation(
        name="listUsage",
        method="get",
        paths=("/v1/usage",),
        tag="Usage",
        summary="Tokens and money by day, user, model and session",
        text="A key that acts for a user sees that user's only. What sessions used stays when they are gone, and goes "
        "when their user is erased.",
        parameters=PARAMETERS,
        replies=(Reply(text="What was used.", shape=UsageReportBody, example=REPORT),),
        errors={**ANY, 404: ("user_not_found", "session_not_found")},
    ),
    Operation(
        name="getSessionUsage",
        method="get",
        paths=("/v1/sessions/{session_id}/usage",),
        tag="Usage",
        summary="What a session used in all its life",
        parameters=(SESSION_ID, USER),
        replies=(
            Reply(
                text="Tokens and money.",
                shape=SessionUsageBody,
                example={"object": "session.usage", "session_id": examples.SESSION_ID, **USED},
            ),
        ),
        errors={**ANY, 404: ("session_not_found",)},
    ),
)
