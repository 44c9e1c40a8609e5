"""What can be asked of a chat in a session, described."""

from __future__ import annotations

from multiturn.api import examples
from multiturn.api.description import ANY, PROVIDER, Body, Example, Link, Operation, Parameter, Reply
from multiturn.api.native.chat_wire import AnswerBody, ChatBody, ChatEventBody
from multiturn.api.native.operations import SESSION_ID
from multiturn.api.parameters import OPTIONAL_NAME, USER

IDEMPOTENCY = Parameter(
    name="Idempotency-Key",
    place="header",
    schema=OPTIONAL_NAME,
    text="Sent again within 24 hours with the same body, the turn is not taken again: the first answer comes, also "
    "while that is being made, and also as a stream. With another body: 409.",
    example="4f1c1a0e-6d0b-4a52-9a3b-0c7a2f6f1d55",
)

ANSWER = {
    "id": examples.RUN_ID,
    "object": "answer",
    "session_id": examples.SESSION_ID,
    "created_at": examples.BEGAN,
    "model": examples.MODEL,
    "status": "completed",
    "finish_reason": "stop",
    "text": examples.ANSWERED,
    "items": [],
    "usage": {"input_tokens": 21, "cached_tokens": 0, "output_tokens": 14, "reasoning_tokens": 0},
    "citations": [],
    "docs": [],
    "retrieved": 0,
}

FRAMES = """\
id: 1
event: delta
data: {"number":1,"type":"delta","text":"Belém, Alfama "}

id: 2
event: delta
data: {"number":2,"type":"delta","text":"and a ride on tram 28.","finish_reason":"stop"}

id: 3
event: end
data: {"number":3,"type":"end"}

"""

OPERATIONS = (
    Operation(
        name="chat",
        method="post",
        paths=("/v1/sessions/{session_id}/chat",),
        tag="Sessions",
        summary="Take a turn in a session",
        text="The model is shown the session's history before the messages, and both and the answer are stored "
        "together when the answer is there. The messages are added as they are: unlike chat completions, this does not "
        "look whether they repeat the history. Every field that is not described here reaches the model unchanged.",
        parameters=(SESSION_ID, IDEMPOTENCY, USER),
        body=Body(
            shape=ChatBody,
            examples=(
                Example(
                    name="turn",
                    title="A turn",
                    body={"messages": [{"role": "user", "content": examples.ASKED}]},
                ),
                Example(
                    name="stream",
                    title="Streamed, without recall, within 2,000 tokens",
                    body={
                        "messages": [{"role": "user", "content": "And if it rains?"}],
                        "stream": True,
                        "recall": False,
                        "token_budget": 2000,
                    },
                ),
            ),
        ),
        replies=(
            Reply(
                text="The answer; or with `stream` the run's events as server-sent events, each with its number as its "
                "id. When the connection breaks, `GET /v1/runs/{run_id}/events` goes on behind any number. An error in "
                "mid-stream is an `event: error` with the error's envelope, and nothing follows.",
                shape=AnswerBody,
                example=ANSWER,
                events=ChatEventBody,
                events_example=FRAMES,
                headers=("X-Session-Id", "X-Run-Id"),
                links=(
                    Link(operation="getRun", parameter="run_id", source="$response.header.X-Run-Id"),
                    Link(operation="listEvents", parameter="run_id", source="$response.header.X-Run-Id"),
                    Link(operation="cancelRun", parameter="run_id", source="$response.header.X-Run-Id"),
                    Link(operation="listItems", parameter="session_id", source="$response.header.X-Session-Id"),
                ),
            ),
        ),
        errors={
            **ANY,
            **PROVIDER,
            400: (
                "invalid_request",
                "invalid_json",
                "incomplete_body",
                "agent_not_in_session",
                "template_error",
                "context_length_exceeded",
                "unknown_tool_call",
            ),
            404: ("session_not_found", "agent_not_found", "model_not_found"),
            409: (
                "session_busy",
                "idempotency_key_reused",
                "session_deleted",
                "turn_conflict",
                "run_cancelled",
                "run_waiting",
                "conflict",
            ),
            413: ("request_too_large", "run_limit_reached"),
            429: ("quota_exceeded", "queue_full", "model_busy", "server_busy"),
            503: (
                "upstream_unavailable",
                "model_not_ready",
                "queue_timeout",
                "turn_timeout",
                "interrupted",
                "storage_failed",
            ),
        },
        passes_refusals=True,
    ),
)
