"""What can be asked in the native API, described."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Link, Operation, Parameter, Reply
from multiturn.api.native.routes import LIMIT, LIMIT_MAX, NUMBER_MAX
from multiturn.api.native.wire import DeletedBody, EventBody, ItemBody, ListBody, RunBody, SessionBody
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

BEFORE = Parameter(
    name="before",
    place="query",
    schema={"type": "string", "format": "uuid"},
    text="Our id of a session: those that were made before it. `next` of the page before has it.",
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

BRANCH = Parameter(
    name="branch",
    place="query",
    schema={"type": "string", "enum": ["active", "all"], "default": "active"},
    text="`active`: the conversation as it stands; `all`: also what edits and regenerations left behind.",
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
        name="listSessions",
        method="get",
        paths=("/v1/sessions",),
        tag="Sessions",
        summary="List sessions",
        text="Those of the user that the key or `X-User-Id` names, else those of the whole tenant, the newest first.",
        parameters=(PAGE_LIMIT, BEFORE, USER),
        replies=(
            Reply(
                text="A page of sessions. `next` is the `before` of the page behind it.",
                shape=ListBody[SessionBody],
                example=examples.page(examples.SESSION),
                links=(
                    Link(operation="getSession", parameter="session_id", source="$response.body#/data/0/id"),
                    Link(operation="listItems", parameter="session_id", source="$response.body#/data/0/id"),
                    Link(operation="listRuns", parameter="session_id", source="$response.body#/data/0/id"),
                    Link(operation="deleteSession", parameter="session_id", source="$response.body#/data/0/id"),
                ),
            ),
        ),
        errors=ANY,
    ),
    Operation(
        name="getSession",
        method="get",
        paths=("/v1/sessions/{session_id}",),
        tag="Sessions",
        summary="Get a session",
        parameters=(SESSION_ID, USER),
        replies=(Reply(text="The session.", shape=SessionBody, example=examples.SESSION),),
        errors={**ANY, 404: ("session_not_found",)},
    ),
    Operation(
        name="deleteSession",
        method="delete",
        paths=("/v1/sessions/{session_id}",),
        tag="Sessions",
        summary="Delete a session",
        text="At once and for good, with its items, runs and events. A turn under way in it fails (`turn_conflict`). "
        "On SQLite no byte of it is left in the server's files; on PostgreSQL the rows are gone, and what VACUUM and "
        "backups still hold is the operator's to know.",
        parameters=(SESSION_ID, USER),
        replies=(
            Reply(
                text="It is deleted.",
                shape=DeletedBody,
                example={"id": examples.SESSION_ID, "object": "session.deleted", "deleted": True},
            ),
        ),
        errors={**ANY, 404: ("session_not_found",)},
    ),
    Operation(
        name="listItems",
        method="get",
        paths=("/v1/sessions/{session_id}/items",),
        tag="Sessions",
        summary="List a session's items",
        text="Messages, tool calls, their results, and reasoning, the newest first.",
        parameters=(SESSION_ID, PAGE_LIMIT, CURSOR, ORDER, BRANCH, USER),
        replies=(
            Reply(
                text="A page of items. `next` is the `cursor` of the page behind it.",
                shape=ListBody[ItemBody],
                example=examples.page(examples.ITEM, next_=2),
            ),
        ),
        errors={**ANY, 404: ("session_not_found",)},
    ),
    Operation(
        name="listRuns",
        method="get",
        paths=("/v1/sessions/{session_id}/runs",),
        tag="Sessions",
        summary="List a session's runs",
        text="The newest first, those that failed among them.",
        parameters=(SESSION_ID, PAGE_LIMIT, CURSOR, USER),
        replies=(
            Reply(
                text="A page of runs. `next` is the `cursor` of the page behind it.",
                shape=ListBody[RunBody],
                example=examples.page(examples.RUN),
                links=(
                    Link(operation="getRun", parameter="run_id", source="$response.body#/data/0/id"),
                    Link(operation="listEvents", parameter="run_id", source="$response.body#/data/0/id"),
                ),
            ),
        ),
        errors={**ANY, 404: ("session_not_found",)},
    ),
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
