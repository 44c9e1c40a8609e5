"""What can be asked of Powabase's sessions, described."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Body, Example, Operation, Parameter, Reply
from multiturn.api.envelopes import POWABASE
from multiturn.api.parameters import USER
from multiturn.api.powabase.described import (
    AGENT_ID,
    AT,
    BASE,
    ENDED,
    IN_SESSION,
    OF_AGENT,
    OF_RUN,
    OFFSET,
    PAGING,
    RUN_ID,
    SESSION_ID,
    SESSIONS,
    WRITES,
    page_limit,
)
from multiturn.api.powabase.reading import OFFSET_MAX, SEARCH_CHARS_MAX
from multiturn.api.powabase.run_operations import CHUNK, CITATION, DIAGNOSTICS, RUN, TEXT
from multiturn.api.powabase.session_wire import (
    PowabaseMessagesBody,
    PowabaseRetrievedBody,
    PowabaseRunListBody,
    PowabaseSessionBody,
    PowabaseSessionDeletedBody,
    PowabaseSessionListBody,
    PowabaseSessionMadeBody,
    PowabaseSessionOrderBody,
)

ONE, OF_AGENTS = f"{BASE}/sessions/{{session_id}}", f"{BASE}/agents/{{agent_id}}/sessions"
MISSING: dict[int, tuple[str, ...]] = {404: ("session_not_found",)}
NO_AGENT: dict[int, tuple[str, ...]] = {404: ("agent_not_found",)}

SESSION: dict[str, Any] = {
    "id": examples.SESSION_ID,
    "session_id": SESSION_ID,
    "agent_id": AGENT_ID,
    "user_id": "01a1fc90-fa6d-7083-a410-20f1880177b2",
    "session_data": {},
    "metadata": {},
    "created_at": AT,
    "updated_at": ENDED,
}
MESSAGES = [
    {"role": "user", "content": examples.ASKED, "run_id": RUN_ID, "timestamp": ENDED},
    {
        "role": "assistant",
        "content": TEXT,
        "run_id": RUN_ID,
        "timestamp": ENDED,
        "retrieved_context": [CHUNK],
        "citations": [CITATION],
        "tool_calls": [],
    },
]
ROW = {
    "session_id": SESSION_ID,
    "run_count": 1,
    "last_activity_at": ENDED,
    "created_at": AT,
    "first_message": examples.ASKED,
}
SEED = {
    "initial_messages": [
        {"role": "user", "content": examples.ASKED},
        {"role": "assistant", "content": examples.ANSWERED},
    ]
}
NEWEST = Parameter(
    name="limit",
    place="query",
    schema={"type": "integer", "minimum": 1, "maximum": 200},
    text="Of how many runs, the newest. Left out: as many as have 200 messages.",
)
BEFORE = Parameter(
    name="before",
    place="query",
    schema={"type": "integer", "minimum": 1, "maximum": OFFSET_MAX},
    text="The `next_cursor` of the page with the newer ones.",
)


def choose(name: str, text: str, schema: dict[str, Any]) -> Parameter:
    """A filter of a listing."""
    return Parameter(name=name, place="query", schema=schema, text=text)


COUNT: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": OFFSET_MAX}
# A time or a day; empty is as if left out.
TIME: dict[str, Any] = {"type": "string"}
FILTERS = (
    choose(
        "search",
        "Words that a message, or the session's name, holds.",
        {"type": "string", "maxLength": SEARCH_CHARS_MAX},
    ),
    choose("created_after", "From this time on, or from the beginning of this day; of ISO 8601.", TIME),
    choose("created_before", "Before this time; a day alone is meant with all of it.", TIME),
    choose("min_runs", "With so many runs at least.", COUNT),
    choose("max_runs", "With so many runs at most.", COUNT),
)

READ = (
    Operation(
        name="powabaseGetSession",
        method="get",
        paths=(ONE,),
        tag=SESSIONS,
        summary="Get a session (Powabase)",
        parameters=(IN_SESSION, USER),
        replies=(Reply(text="The session.", shape=PowabaseSessionBody, example=SESSION),),
        errors={**ANY, **MISSING},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseListMessages",
        method="get",
        paths=(f"{ONE}/messages",),
        tag=SESSIONS,
        summary="Read a session's messages (Powabase)",
        text="The newest, oldest first. Runs that failed are not among them: see the session's runs.",
        parameters=(IN_SESSION, NEWEST, BEFORE, USER),
        replies=(
            Reply(
                text="The messages.",
                shape=PowabaseMessagesBody,
                example={"session_id": SESSION_ID, "messages": MESSAGES, "has_more": False, "next_cursor": None},
            ),
        ),
        errors={**ANY, **MISSING},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseListRuns",
        method="get",
        paths=(f"{ONE}/runs",),
        tag=SESSIONS,
        summary="List a session's runs (Powabase)",
        text="Oldest first, also those that failed. What was found for a run is asked for by itself.",
        parameters=(IN_SESSION, page_limit(100, 100), OFFSET, USER),
        replies=(
            Reply(
                text="A page.",
                shape=PowabaseRunListBody,
                example={
                    "session_id": SESSION_ID,
                    "limit": 100,
                    "offset": 0,
                    "runs": [{**RUN, "session_id": SESSION_ID}],
                },
            ),
        ),
        errors={**ANY, **MISSING},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseGetRetrievedContext",
        method="get",
        paths=(f"{ONE}/runs/{{run_id}}/retrieved-context",),
        tag=SESSIONS,
        summary="See what was found for a run (Powabase)",
        text="`retrieval_diagnostics` first, then every chunk, shown to the model or not.",
        parameters=(IN_SESSION, OF_RUN, USER),
        replies=(
            Reply(
                text="What was found.",
                shape=PowabaseRetrievedBody,
                example={"session_id": SESSION_ID, "run_id": RUN_ID, "retrieved_context": [DIAGNOSTICS, CHUNK]},
            ),
        ),
        errors={**ANY, 404: ("session_not_found", "run_not_found")},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseDeleteSession",
        method="delete",
        paths=(ONE,),
        tag=SESSIONS,
        summary="Delete a session with its runs (Powabase)",
        parameters=(IN_SESSION, USER),
        replies=(
            Reply(
                text="It is gone.",
                shape=PowabaseSessionDeletedBody,
                example={"success": True, "message": "Session deleted"},
            ),
        ),
        errors={**ANY, **MISSING},
        envelope=POWABASE,
    ),
)
OF_AN_AGENT = (
    Operation(
        name="powabaseListAgentSessions",
        method="get",
        paths=(OF_AGENTS,),
        tag=SESSIONS,
        summary="List an agent's sessions (Powabase)",
        text="Those used last first. `search` reads what was said: with many sessions it takes its time.",
        parameters=(OF_AGENT, *PAGING, *FILTERS, USER),
        replies=(
            Reply(
                text="A page.",
                shape=PowabaseSessionListBody,
                example={"sessions": [ROW], "total": 1, "limit": 50, "offset": 0},
            ),
        ),
        errors={**ANY, **NO_AGENT},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseCreateSession",
        method="post",
        paths=(OF_AGENTS,),
        tag=SESSIONS,
        summary="Make a session, with what was said before (Powabase)",
        parameters=(OF_AGENT, USER),
        body=Body(
            shape=PowabaseSessionOrderBody,
            examples=(Example(name="seed", title="A conversation that began elsewhere", body=SEED),),
            is_required=False,
        ),
        replies=(
            Reply(text="It is made.", status=201, shape=PowabaseSessionMadeBody, example={"session_id": SESSION_ID}),
        ),
        errors={**WRITES, **NO_AGENT, 409: ("session_exists",)},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseDeleteAgentSession",
        method="delete",
        paths=(f"{OF_AGENTS}/{{session_id}}",),
        tag=SESSIONS,
        summary="Delete a session of an agent (Powabase)",
        parameters=(OF_AGENT, IN_SESSION, USER),
        replies=(Reply(text="It is gone.", status=204, media=""),),
        errors={**ANY, 404: ("agent_not_found", "session_not_found")},
        envelope=POWABASE,
    ),
)
OPERATIONS: tuple[Operation, ...] = (*READ, *OF_AN_AGENT)
