"""What can be asked of runs in the native API, described, and the parameters that others share."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Operation, Parameter, Reply
from multiturn.api.native.query import NUMBER_MAX
from multiturn.api.native.sessions import LIMIT, LIMIT_MAX
from multiturn.api.native.wire import EventBody, ListBody, RunBody
from multiturn.api.parameters import NAME, USER

NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": NUMBER_MAX}

SESSION_ID = Parameter(
    name="session_id",
    place="path",
    schema=NAME,
    text="The client's name of the session, or our id. A name that holds a slash cannot stand in a path: take our id.",
    example=examples.SESSION_NAME,
)

RUN_ID = Parameter(
    name="run_id", place="path", schema={"type": "string"}, text="Our id of the run.", example=examples.RUN_ID
)

PAGE_LIMIT = Parameter(
    name="limit",
    place="query",
    schema={"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT},
    text="How many at most.",
)

CURSOR = Parameter(
    name="cursor", place="query", schema=NUMBER, text="Those behind this number. `next` of the page before has it."
)

ORDER = Parameter(
    name="order",
    place="query",
    schema={"type": "string", "enum": ["desc", "asc"], "default": "desc"},
    text="`desc`: the newest first; `asc`: the oldest.",
)

STARTING_AFTER = Parameter(
    name="starting_after",
    place="query",
    schema={**NUMBER, "default": 0},
    text="The number of the last event that is known: those behind it.",
)

LAST_EVENT_ID = Parameter(
    name="Last-Event-ID",
    place="header",
    schema=NUMBER,
    text="The same, as a browser's `EventSource` sends it when it connects again; `starting_after` wins.",
)

OPERATIONS = (
    Operation(
        name="getRun",
        method="get",
        paths=("/v1/runs/{run_id}",),
        tag="Runs",
        summary="Get a run",
        text="A turn's response has its id as `X-Run-Id`.",
        parameters=(RUN_ID, USER),
        replies=(Reply(text="The run.", shape=RunBody, example=examples.RUN),),
        errors={**ANY, 404: ("run_not_found",)},
    ),
    Operation(
        name="cancelRun",
        method="post",
        paths=("/v1/runs/{run_id}/cancel",),
        tag="Runs",
        summary="Cancel a run",
        text="Wherever it is executed. What was said so far enters the history, its item marked `incomplete`. A run "
        "that has ended stays as it is.",
        parameters=(RUN_ID, USER),
        replies=(Reply(text="The run as it stands afterwards.", shape=RunBody, example=examples.RUN),),
        errors={**ANY, 404: ("run_not_found",)},
    ),
    Operation(
        name="listEvents",
        method="get",
        paths=("/v1/runs/{run_id}/events",),
        tag="Runs",
        summary="Follow a run",
        text="Its events from any number on, while it runs and for an hour after (`MULTITURN_EVENTS_LIFE_S`); later, "
        "its end only. With `Accept: text/event-stream` they come as server-sent events until the run ends, each with "
        "its number as its id: a connection that broke is taken up again where it was.",
        parameters=(RUN_ID, STARTING_AFTER, LAST_EVENT_ID, USER),
        replies=(
            Reply(
                text="What has happened so far. `has_more`: the run goes on; ask again with `next` as "
                "`starting_after`.",
                shape=ListBody[EventBody],
                example=examples.page({"number": 1, "type": "delta", "text": "The tile "}, next_=1),
                events=EventBody,
                events_example=examples.EVENTS,
            ),
        ),
        errors={**ANY, 404: ("run_not_found",)},
    ),
)
