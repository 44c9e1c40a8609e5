"""What can be asked of sessions in the native API, described."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Body, Example, Link, Operation, Parameter, Reply
from multiturn.api.native.operations import CURSOR, NUMBER, ORDER, PAGE_LIMIT, SESSION_ID
from multiturn.api.native.run_filters import OF_AGENT, STATUS
from multiturn.api.native.session_parse import TEXT_CHARS_MAX
from multiturn.api.native.session_wire import DeletedBody, ForkBody, SessionBody, SessionChangeBody, SessionOrderBody
from multiturn.api.native.wire import ItemBody, ListBody, RunBody
from multiturn.api.parameters import NAME, USER

TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
PLACE: dict[str, Any] = {"anyOf": [{"type": "string", "format": "date-time"}, NUMBER]}

SESSION: dict[str, Any] = {
    **examples.SESSION,
    "agents": [],
    "stores": [],
    "users": [],
    "agent_id": None,
    "user_id": None,
    "context_overflow": "adaptive",
    "token_budget": 4000,
    "recall": None,
    "recall_tokens": None,
    "recall_options": None,
    "model": None,
    "situation": None,
    "system_template": None,
    "render_templates": False,
    "forked_from": None,
}

NEW_SESSION = Example(
    name="session",
    title="A session with a budget, and how it began",
    body={
        "external_id": examples.SESSION_NAME,
        "context_overflow": "adaptive",
        "token_budget": 4000,
        "instructions": "You plan journeys.",
        "metadata": {"project": "holidays"},
        "items": [{"role": "user", "content": examples.ASKED}, {"role": "assistant", "content": examples.ANSWERED}],
    },
)

SESSION_CHANGE = Example(
    name="change",
    title="Another strategy, and a key of the metadata less",
    body={"context_overflow": "truncate", "metadata": {"project": None, "stage": "booked"}},
)

NEW_FORK = Example(name="fork", title="All of it, under another name", body={"external_id": "trip-to-porto"})

BEFORE = Parameter(
    name="before",
    place="query",
    schema={"type": "string", "format": "uuid"},
    text="Our id of a session: those that were made before it. `next` of the page before has it.",
)

OFFSET = Parameter(
    name="offset", place="query", schema={**NUMBER, "default": 0}, text="How many to leave out from the beginning."
)

SORT_BY = Parameter(
    name="sort_by",
    place="query",
    schema={"type": "string", "enum": ["created_at", "active_at"], "default": "created_at"},
    text="By when they were made, or by when they were last used.",
)

AGENT = Parameter(
    name="agent", place="query", schema=NAME, text="An agent that takes part, by our id or its canonical name."
)

PARTICIPANT = Parameter(
    name="user",
    place="query",
    schema=NAME,
    text="A user that owns them or takes part in them, by our id or the external id.",
)

METADATA = Parameter(
    name="metadata.<name>",
    place="query",
    schema={"type": "string"},
    text="Only sessions whose metadata contain this: `metadata.project=holidays`, with dots into objects, a list by "
    "repetition; `true`, `false` and numbers are read as such.",
)

ACTIVE_AFTER = Parameter(
    name="active_after", place="query", schema=TIME, text="Those used behind this time, ISO 8601 with its zone."
)

ACTIVE_BEFORE = Parameter(
    name="active_before", place="query", schema=TIME, text="Those not used since this time, ISO 8601 with its zone."
)

TEXT = Parameter(
    name="text",
    place="query",
    schema={"type": "string", "maxLength": TEXT_CHARS_MAX},
    text="Words, case aside: those of which an item, the external id or the metadata hold all of them. This reads what "
    "was said, session by session: with many of them it takes its time.",
)

ITEMS_BEFORE = Parameter(
    name="before",
    place="query",
    schema=PLACE,
    text="Those before a `seq`, or before a time (ISO 8601 with its zone).",
)

ITEMS_AFTER = Parameter(
    name="after", place="query", schema=PLACE, text="Those behind a `seq`, or behind a time (ISO 8601 with its zone)."
)

BRANCH = Parameter(
    name="branch",
    place="query",
    schema={"type": "string", "enum": ["active", "all"], "default": "active"},
    text="`active`: the conversation as it stands; `all`: also what edits and regenerations left behind.",
)

OPERATIONS = (
    Operation(
        name="listSessions",
        method="get",
        paths=("/v1/sessions",),
        tag="Sessions",
        summary="List sessions",
        text="Those of the user that the key or `X-User-Id` names, else those of the whole tenant, the newest first. "
        "All filters must hold.",
        parameters=(
            PAGE_LIMIT,
            BEFORE,
            OFFSET,
            ORDER,
            SORT_BY,
            AGENT,
            PARTICIPANT,
            METADATA,
            ACTIVE_AFTER,
            ACTIVE_BEFORE,
            TEXT,
            USER,
        ),
        replies=(
            Reply(
                text="A page of sessions. `next` is the `before` of the page behind it, or its `offset` where it is a "
                "number.",
                shape=ListBody[SessionBody],
                example=examples.page(SESSION),
                links=(
                    Link(operation="getSession", parameter="session_id", source="$response.body#/data/0/id"),
                    Link(operation="listItems", parameter="session_id", source="$response.body#/data/0/id"),
                    Link(operation="listRuns", parameter="session_id", source="$response.body#/data/0/id"),
                    Link(operation="deleteSession", parameter="session_id", source="$response.body#/data/0/id"),
                ),
            ),
        ),
        errors={**ANY, 404: ("agent_not_found", "user_not_found")},
    ),
    Operation(
        name="createSession",
        method="post",
        paths=("/v1/sessions",),
        tag="Sessions",
        summary="Make a session",
        text="Without a turn: its first turn finds it. A turn that names a session that is not there makes it as well.",
        parameters=(USER,),
        body=Body(shape=SessionOrderBody, examples=(NEW_SESSION,), is_required=False),
        replies=(Reply(text="The session.", status=201, shape=SessionBody, example=SESSION),),
        errors={
            **ANY,
            400: (*ANY[400], "invalid_json", "incomplete_body", "not_storable", "template_error"),
            404: ("agent_not_found", "user_not_found"),
            409: ("session_exists",),
            413: ("request_too_large",),
        },
    ),
    Operation(
        name="getSession",
        method="get",
        paths=("/v1/sessions/{session_id}",),
        tag="Sessions",
        summary="Get a session",
        parameters=(SESSION_ID, USER),
        replies=(Reply(text="The session.", shape=SessionBody, example=SESSION),),
        errors={**ANY, 404: ("session_not_found",)},
    ),
    Operation(
        name="updateSession",
        method="patch",
        paths=("/v1/sessions/{session_id}",),
        tag="Sessions",
        summary="Change a session",
        text="What is left out stays. A turn that runs goes on as it began; the next one acts on the change.",
        parameters=(SESSION_ID, USER),
        body=Body(shape=SessionChangeBody, examples=(SESSION_CHANGE,), is_required=False),
        replies=(Reply(text="The session as it is now.", shape=SessionBody, example=SESSION),),
        errors={
            **ANY,
            400: (*ANY[400], "invalid_json", "incomplete_body", "not_storable", "template_error"),
            404: ("session_not_found", "agent_not_found", "user_not_found"),
            413: ("request_too_large",),
        },
    ),
    Operation(
        name="clearSession",
        method="post",
        paths=("/v1/sessions/{session_id}/clear",),
        tag="Sessions",
        summary="Clear a session",
        text="Its items, runs and events go, and all that was made of them; its settings, metadata and documents stay. "
        "`seq` goes on, so that a number never means two items. Turns that run or wait in it are cancelled first. What "
        "a fork shares stays until the fork goes.",
        parameters=(SESSION_ID, USER),
        replies=(Reply(text="The session, empty.", shape=SessionBody, example={**SESSION, "items": 0}),),
        errors={**ANY, 404: ("session_not_found",), 409: ("session_busy",)},
    ),
    Operation(
        name="forkSession",
        method="post",
        paths=("/v1/sessions/{session_id}/fork",),
        tag="Sessions",
        summary="Fork a session",
        text="A new session of the same user that has the items of this one up to `at` and goes its own way behind "
        "them: its own items begin at `at` + 1. Settings, instructions and metadata are taken over, documents are not. "
        "Nothing is copied: a shared item lives until the last session that has it goes.",
        parameters=(SESSION_ID, USER),
        body=Body(shape=ForkBody, examples=(NEW_FORK,), is_required=False),
        replies=(
            Reply(
                text="The new session.",
                status=201,
                shape=SessionBody,
                example={**SESSION, "forked_from": {"session_id": examples.SESSION_ID, "seq": 2}},
            ),
        ),
        errors={
            **ANY,
            400: (*ANY[400], "unknown_seq", "invalid_json", "incomplete_body", "not_storable"),
            404: ("session_not_found",),
            409: ("session_exists",),
            413: ("request_too_large",),
        },
    ),
    Operation(
        name="deleteSession",
        method="delete",
        paths=("/v1/sessions/{session_id}",),
        tag="Sessions",
        summary="Delete a session",
        text="At once and for good, with its items, runs, events and documents. A turn under way in it fails "
        "(`turn_conflict`). On SQLite no byte of it is left in the server's files, but what a fork of it shares; on "
        "PostgreSQL the rows are gone, and what VACUUM and backups still hold is the operator's to know.",
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
        parameters=(SESSION_ID, PAGE_LIMIT, CURSOR, ITEMS_BEFORE, ITEMS_AFTER, ORDER, BRANCH, USER),
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
        parameters=(SESSION_ID, STATUS, OF_AGENT, PAGE_LIMIT, CURSOR, USER),
        replies=(
            Reply(
                text="A page of runs. `next` is the `cursor` of the page behind it.",
                shape=ListBody[RunBody],
                example=examples.page(examples.RUN),
                links=(
                    Link(operation="getRun", parameter="run_id", source="$response.body#/data/0/id"),
                    Link(operation="listEvents", parameter="run_id", source="$response.body#/data/0/id"),
                    Link(operation="listSteps", parameter="run_id", source="$response.body#/data/0/id"),
                ),
            ),
        ),
        errors={**ANY, 404: ("session_not_found", "agent_not_found")},
    ),
)
