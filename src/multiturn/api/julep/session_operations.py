"""What can be asked of Julep's sessions, described."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, PROVIDER, SSE, Body, Example, Operation, Parameter, Reply
from multiturn.api.envelopes import JULEP
from multiturn.api.julep.chat_wire import (
    JulepChatBody,
    JulepChatResponseBody,
    JulepChunkBody,
    JulepHistoryBody,
    JulepRenderBody,
)
from multiturn.api.julep.described import (
    AGENT_ID,
    AT,
    BASE,
    DELETED,
    HIT,
    IN_SESSION,
    PAGING,
    SESSION,
    SESSIONS,
    USER_ID,
)
from multiturn.api.julep.wire import (
    ItemsBody,
    JulepDeletedBody,
    JulepSessionBody,
    JulepSessionChangeBody,
    JulepSessionOrderBody,
)
from multiturn.api.parameters import OPTIONAL_NAME, USER

PATH = f"{BASE}/sessions/{{session_id}}"
MISSING: dict[int, tuple[str, ...]] = {404: ("session_not_found",)}
WRONG = ("invalid_request", "invalid_json", "incomplete_body", "not_implemented", "template_error")

ORDER = Example(
    name="session",
    title="A session of an agent with a user",
    body={"agent": AGENT_ID, "user": USER_ID, "context_overflow": "adaptive", "metadata": {"channel": "web"}},
)
CHANGE = Example(name="change", title="What the session is about", body={"metadata": {"topic": "Lisbon"}})
CHAT = Example(
    name="turn",
    title="A turn: what is new",
    body={"messages": [{"role": "user", "content": examples.ASKED}]},
)
TOOLS = Example(
    name="tools",
    title="A tool that the model may call",
    body={
        "messages": [{"role": "user", "content": "Will it rain in Lisbon tomorrow?"}],
        "tools": [{"name": "forecast", "type": "function", "function": {"parameters": {"type": "object"}}}],
        "stream": True,
    },
)
MESSAGE: dict[str, Any] = {
    "role": "assistant",
    "content": examples.ANSWERED,
    "id": None,
    "created_at": None,
    "name": None,
    "tool_call_id": None,
    "tool_calls": None,
}
ANSWER: dict[str, Any] = {
    "id": examples.RUN_ID,
    "created_at": AT,
    "jobs": [],
    "docs": [HIT],
    "usage": {"prompt_tokens": 21, "completion_tokens": 14, "total_tokens": 35},
    "choices": [
        {"index": 0, "message": MESSAGE, "finish_reason": "stop", "logprobs": None, "tool_calls": None},
    ],
}
CHUNKS = (
    'data: {"id":"01a1fc90-fa6f-7167-9e60-a75f4edb5903","created_at":"2026-11-21T09:30:00.000000Z","jobs":[],"docs":[],'
    '"usage":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"Belém","tool_calls":null},'
    '"finish_reason":"stop","logprobs":null,"tool_calls":null}]}\n\n'
    'data: {"id":"01a1fc90-fa6f-7167-9e60-a75f4edb5903","created_at":"2026-11-21T09:30:00.000000Z","jobs":[],"docs":[],'
    '"usage":{"prompt_tokens":21,"completion_tokens":1,"total_tokens":22},"choices":[{"index":0,"delta":{"role":'
    '"assistant","content":"","tool_calls":null},"finish_reason":"stop","logprobs":null,"tool_calls":null}]}\n\n'
)
ENTRY: dict[str, Any] = {
    "id": "8f0bb1b5-0f5a-5f6f-9f0e-3a7a0a4c5d11",
    "role": "user",
    "name": None,
    "content": [{"type": "text", "text": examples.ASKED}],
    "source": "api_request",
    "token_count": 14,
    "tokenizer": "multiturn",
    "model": None,
    "tool_calls": None,
    "tool_call_id": None,
    "created_at": AT,
    "timestamp": AT,
}

BY_AGENT = Parameter(
    name="agent_id", place="query", aliases=("agent",), schema=OPTIONAL_NAME, text="Those in which this agent answers."
)
BY_USER = Parameter(
    name="user_id", place="query", aliases=("user",), schema=OPTIONAL_NAME, text="Those in which this user takes part."
)
ENTRIES = Parameter(
    name="limit",
    place="query",
    schema={"type": "integer", "minimum": 1, "maximum": 10_000},
    text="The newest so many entries. Left out: all.",
)
BEFORE = Parameter(
    name="before",
    place="query",
    schema={"type": "string", "format": "date-time"},
    text="Entries from before this time, of ISO 8601; without a zone it is in UTC.",
)
IDEMPOTENCY = Parameter(
    name="Idempotency-Key",
    place="header",
    schema=OPTIONAL_NAME,
    text="Sent again within 24 hours with the same body, the turn is not taken again: it gets the first answer.",
)

MANAGED = (
    Operation(
        name="julepListSessions",
        method="get",
        paths=(f"{BASE}/sessions",),
        tag=SESSIONS,
        summary="List sessions (Julep)",
        parameters=(BY_AGENT, BY_USER, *PAGING, USER),
        replies=(Reply(text="A page.", shape=ItemsBody[JulepSessionBody], example={"items": [SESSION]}),),
        errors={**ANY, 404: ("agent_not_found", "user_not_found")},
        envelope=JULEP,
    ),
    Operation(
        name="julepCreateSession",
        method="post",
        paths=(f"{BASE}/sessions",),
        tag=SESSIONS,
        summary="Make a session (Julep)",
        parameters=(USER,),
        body=Body(shape=JulepSessionOrderBody, examples=(ORDER,)),
        replies=(Reply(text="It is made.", status=201, shape=JulepSessionBody, example=SESSION),),
        errors={**ANY, 400: (*WRONG, "invalid_participant"), 413: ("request_too_large",)},
        envelope=JULEP,
    ),
    Operation(
        name="julepGetSession",
        method="get",
        paths=(PATH,),
        tag=SESSIONS,
        summary="Get a session (Julep)",
        parameters=(IN_SESSION, USER),
        replies=(Reply(text="The session.", shape=JulepSessionBody, example=SESSION),),
        errors={**ANY, **MISSING},
        envelope=JULEP,
    ),
    Operation(
        name="julepPutSession",
        method="post",
        paths=(PATH,),
        tag=SESSIONS,
        summary="Make or overwrite a session (Julep)",
        text="The path has the id that it is to have. What it was set to before goes, its history stays.",
        parameters=(IN_SESSION, USER),
        body=Body(shape=JulepSessionOrderBody, examples=(ORDER,)),
        replies=(Reply(text="It is there.", status=201, shape=JulepSessionBody, example=SESSION),),
        errors={
            **ANY,
            **MISSING,
            400: (*WRONG, "invalid_participant"),
            409: ("session_exists",),
            413: ("request_too_large",),
        },
        envelope=JULEP,
    ),
    Operation(
        name="julepUpdateSession",
        method="patch",
        paths=(PATH,),
        tag=SESSIONS,
        summary="Change a session (Julep)",
        text="Metadata and search options are merged; of the others what is given counts, and null is not.",
        parameters=(IN_SESSION, USER),
        body=Body(shape=JulepSessionChangeBody, examples=(CHANGE,)),
        replies=(Reply(text="As it is now.", shape=JulepSessionBody, example=SESSION),),
        errors={**ANY, **MISSING, 400: WRONG, 413: ("request_too_large",)},
        envelope=JULEP,
    ),
    Operation(
        name="julepResetSession",
        method="put",
        paths=(PATH,),
        tag=SESSIONS,
        summary="Overwrite a session's settings (Julep)",
        text="What is left out has its default again. The history stays.",
        parameters=(IN_SESSION, USER),
        body=Body(shape=JulepSessionChangeBody, examples=(CHANGE,)),
        replies=(Reply(text="As it is now.", shape=JulepSessionBody, example=SESSION),),
        errors={**ANY, **MISSING, 400: WRONG, 413: ("request_too_large",)},
        envelope=JULEP,
    ),
    Operation(
        name="julepDeleteSession",
        method="delete",
        paths=(PATH,),
        tag=SESSIONS,
        summary="Delete a session (Julep)",
        text="At once and for good, with its history and its documents.",
        parameters=(IN_SESSION, USER),
        replies=(Reply(text="It is deleted.", status=202, shape=JulepDeletedBody, example=DELETED),),
        errors={**ANY, **MISSING},
        envelope=JULEP,
    ),
)

SAID = (
    Operation(
        name="julepChat",
        method="post",
        paths=(f"{PATH}/chat",),
        tag=SESSIONS,
        summary="Take a turn (Julep)",
        text="The model is shown the instructions that the template makes of agent, user and situation, and the "
        "history before the messages; input and answer are stored together when the answer is there. Every field that "
        "is not described here reaches the model as it came. A stream ends with its last chunk: nothing says so.",
        parameters=(IN_SESSION, IDEMPOTENCY, USER),
        body=Body(shape=JulepChatBody, examples=(CHAT, TOOLS)),
        replies=(
            Reply(text="The answer.", status=201, shape=JulepChatResponseBody, example=ANSWER),
            Reply(
                text="The answer as server-sent events, with `stream`. An error in mid-stream is an event `error`.",
                media=SSE,
                events=JulepChunkBody,
                events_example=CHUNKS,
            ),
        ),
        errors={
            **ANY,
            **MISSING,
            **PROVIDER,
            400: (*WRONG, "context_length_exceeded", "unknown_tool_call", "agent_not_in_session"),
            404: ("session_not_found", "model_not_found"),
            409: (
                "session_busy",
                "idempotency_key_reused",
                "session_deleted",
                "turn_conflict",
                "run_cancelled",
                "conflict",
            ),
            413: ("request_too_large",),
            429: ("quota_exceeded", "queue_full", "model_busy", "server_busy"),
            502: (*PROVIDER[502], "upstream_refused"),
            503: (
                "upstream_unavailable",
                "model_not_ready",
                "queue_timeout",
                "turn_timeout",
                "interrupted",
                "storage_failed",
            ),
        },
        envelope=JULEP,
    ),
    Operation(
        name="julepRender",
        method="post",
        paths=(f"{PATH}/render",),
        tag=SESSIONS,
        summary="See what a turn would show the model (Julep)",
        text="The model is not asked, and nothing is stored.",
        parameters=(IN_SESSION, USER),
        body=Body(shape=JulepChatBody, examples=(CHAT,)),
        replies=(
            Reply(
                text="The messages, the instructions first.",
                shape=JulepRenderBody,
                example={"messages": CHAT.body["messages"], "docs": [], "tools": None, "tool_choice": None},
            ),
        ),
        errors={
            **ANY,
            **PROVIDER,
            400: (*WRONG, "context_length_exceeded", "unknown_tool_call", "agent_not_in_session"),
            404: ("session_not_found", "model_not_found"),
            413: ("request_too_large",),
            503: ("storage_failed", "upstream_unavailable", "model_not_ready"),
        },
        envelope=JULEP,
    ),
    Operation(
        name="julepGetHistory",
        method="get",
        paths=(f"{PATH}/history",),
        tag=SESSIONS,
        summary="Read the history (Julep)",
        text="What was said, the oldest first. Summaries stand among it; what they are of stays.",
        parameters=(IN_SESSION, ENTRIES, BEFORE, USER),
        replies=(
            Reply(
                text="The history.",
                shape=JulepHistoryBody,
                example={"session_id": examples.SESSION_ID, "created_at": AT, "entries": [ENTRY], "relations": []},
            ),
        ),
        errors={**ANY, **MISSING},
        envelope=JULEP,
    ),
    Operation(
        name="julepDeleteHistory",
        method="delete",
        paths=(f"{PATH}/history",),
        tag=SESSIONS,
        summary="Clear the history, as the oldest clients ask (Julep)",
        parameters=(IN_SESSION, USER),
        replies=(Reply(text="It is cleared.", status=202, shape=JulepDeletedBody, example=DELETED),),
        errors={**ANY, **MISSING, 409: ("session_busy",)},
        envelope=JULEP,
    ),
    Operation(
        name="julepClearSession",
        method="post",
        paths=(f"{PATH}/clear",),
        tag=SESSIONS,
        summary="Clear the history (Julep)",
        text="For good. Settings, metadata and documents stay. A turn that runs is cancelled.",
        parameters=(IN_SESSION, USER),
        replies=(Reply(text="The session, empty.", shape=JulepSessionBody, example=SESSION),),
        errors={**ANY, **MISSING, 409: ("session_busy",)},
        envelope=JULEP,
    ),
)
