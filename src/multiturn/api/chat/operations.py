"""What can be asked in the chat dialect, described."""

from __future__ import annotations

from multiturn.api import examples
from multiturn.api.chat.shapes import ChatCompletion, ChatCompletionChunk, CompletionRequest, ModelBody, ModelListBody
from multiturn.api.description import ANY, PROVIDER, Body, Link, Operation, Parameter, Reply
from multiturn.api.parameters import OPTIONAL_NAME, USER

# HTTP names are case-insensitive; these are spelt as the clients' documentation does.
SESSION_HEADER = Parameter(
    name="session-id",
    place="header",
    aliases=("sessionId", "x-session-id", "session_id"),
    schema=OPTIONAL_NAME,
    text="The session to take the turn in: any name of 1 to 255 characters without control characters, unique within "
    "the user, or our id. A name that is new makes the session. Four spellings mean the same; two of them with "
    "different values are a 400. Some proxies (nginx) drop headers with an underscore. Left out, as in the body: no "
    "session, nothing is stored.",
    example=examples.SESSION_NAME,
    is_tried=True,
)

IDEMPOTENCY = Parameter(
    name="Idempotency-Key",
    place="header",
    schema=OPTIONAL_NAME,
    text="Sent again within 24 hours with the same body, the request is not executed again: it gets the first answer, "
    "also while that is being made, and also as a stream. With another body: 409. Without a session it is passed on to "
    "the provider.",
    example="4f1c1a0e-6d0b-4a52-9a3b-0c7a2f6f1d55",
)

RETRY_COUNT = Parameter(
    name="x-stainless-retry-count",
    place="header",
    schema={"type": "string"},
    text="Sent by the official clients. Above 0, and with the body of a turn of the last 10 minutes, the request joins "
    "that turn instead of being a second one.",
)

MODEL = Parameter(
    name="model",
    place="path",
    schema={"type": "string"},
    text="The model's name; it may hold slashes.",
    example=examples.MODEL,
)

OPERATIONS = (
    Operation(
        name="createChatCompletion",
        method="post",
        paths=(
            "/v1/chat/completions",
            "/api/publicLLM/chat/completions",
            "/api/publicLLM",
            "/api/v1/chat/completions",
        ),
        tag="Chat completions",
        summary="Take a turn",
        text="With a session, the model is shown the session's history before the messages of the request, and input "
        "and answer are stored together when the answer is there: a turn that failed leaves the history as it was and "
        "can be read under the session's runs. Turns of one session run one at a time. A client that goes away does "
        "not stop its turn.\n\n"
        "Without a session nothing is stored and the request is passed on as it is.\n\n"
        "Every field that is not described here reaches the model unchanged, and every field of its answer comes back. "
        "The fields `useRAG`, `ragQuery`, `useUserMemory`, `autoMemory` and `summaryThreshold` of other servers are "
        "refused (`not_implemented`) unless they are false, empty or null.\n\n"
        "Headers that other programs use to label their sessions (such as `x-litellm-session-id`, `thread-id`, "
        "`traceparent`) name no session here; they are kept with the run as its `labels`.",
        parameters=(SESSION_HEADER, IDEMPOTENCY, RETRY_COUNT, USER),
        body=Body(shape=CompletionRequest, examples=examples.TURNS),
        replies=(
            Reply(
                text="The answer: in one piece, or with `stream` as server-sent events, `data: [DONE]` the last. The "
                "body, or the last event, is sent when the turn is stored. An error in mid-stream is an event with the "
                "error's envelope, and nothing follows.",
                shape=ChatCompletion,
                example=examples.COMPLETION,
                events=ChatCompletionChunk,
                events_example=examples.CHUNKS,
                last_event="[DONE]",
                headers=("X-Session-Id", "X-Run-Id"),
                links=(
                    Link(operation="getRun", parameter="run_id", source="$response.header.X-Run-Id"),
                    Link(operation="listEvents", parameter="run_id", source="$response.header.X-Run-Id"),
                    Link(operation="cancelRun", parameter="run_id", source="$response.header.X-Run-Id"),
                    Link(operation="getSession", parameter="session_id", source="$response.header.X-Session-Id"),
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
                "not_implemented",
                "context_length_exceeded",
                "nothing_to_answer",
                "unknown_tool_call",
            ),
            404: ("model_not_found",),
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
    Operation(
        name="listModels",
        method="get",
        paths=("/v1/models", "/api/publicLLM/models", "/api/v1/models"),
        tag="Models",
        summary="List the models",
        parameters=(USER,),
        replies=(
            Reply(
                text="The models that would be answered, aliases among them.",
                shape=ModelListBody,
                example={"object": "list", "data": [examples.MODEL_INFO]},
            ),
        ),
        errors={**ANY, **PROVIDER},
        passes_refusals=True,
    ),
    Operation(
        name="getModel",
        method="get",
        paths=("/v1/models/{model}", "/api/publicLLM/models/{model}", "/api/v1/models/{model}"),
        tag="Models",
        summary="Get a model",
        parameters=(MODEL, USER),
        replies=(Reply(text="The model.", shape=ModelBody, example=examples.MODEL_INFO),),
        errors={**ANY, **PROVIDER, 404: ("model_not_found",)},
        passes_refusals=True,
    ),
)
