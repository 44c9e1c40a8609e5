"""The bodies that the description shows: one conversation, seen from every side."""

from __future__ import annotations

from typing import Any

from multiturn.api.description import Example

SESSION_NAME = "trip-to-lisbon"
SESSION_ID = "01a1fc90-fa6f-7167-9e60-a760fad8ae92"
RUN_ID = "01a1fc90-fa6f-7167-9e60-a75f4edb5903"
MODEL = "Qwen2.5-Coder-0.5B-Instruct"
ASKED = "I have three days in Lisbon. What must I see?"
ANSWERED = "Belém, Alfama and a ride on tram 28."
BEGAN, ENDED = "2026-11-21T09:30:00.000000Z", "2026-11-21T09:30:02.500000Z"

TURNS = (
    Example(
        name="turn",
        title="A turn: what is new, and nothing else",
        body={"model": MODEL, "messages": [{"role": "user", "content": ASKED}]},
    ),
    Example(
        name="stream",
        title="The next turn, streamed, in a session that the body names",
        body={
            "model": MODEL,
            "session_id": SESSION_NAME,
            "stream": True,
            "stream_options": {"include_usage": True},
            "messages": [{"role": "user", "content": "And if it rains?"}],
        },
    ),
    Example(
        name="tools",
        title="A tool that the model may call",
        body={
            "model": MODEL,
            "messages": [
                {"role": "system", "content": "You plan journeys."},
                {"role": "user", "content": "Will it rain in Lisbon tomorrow?"},
            ],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "forecast",
                        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
                    },
                }
            ],
        },
    ),
    Example(
        name="result",
        title="The tool's result alone: the call is in the session's history",
        body={"messages": [{"role": "tool", "tool_call_id": "call_1", "content": "12 mm in the afternoon"}]},
    ),
)

COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1795253402,
    "model": MODEL,
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": ANSWERED}, "finish_reason": "stop", "logprobs": None}
    ],
    "usage": {"prompt_tokens": 21, "completion_tokens": 14, "total_tokens": 35},
}

CHUNKS = """\
data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1795253431,"model":"Qwen2.5-Coder-0.5B-Instruct",\
"choices":[{"index":0,"delta":{"role":"assistant","content":"The tile "},"finish_reason":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1795253431,"model":"Qwen2.5-Coder-0.5B-Instruct",\
"choices":[{"index":0,"delta":{"content":"museum."},"finish_reason":"stop"}]}

data: [DONE]

"""

MODEL_INFO: dict[str, Any] = {
    "id": MODEL,
    "object": "model",
    "created": 0,
    "owned_by": "embedded",
    "context_window": 2048,
}

SESSION: dict[str, Any] = {
    "id": SESSION_ID,
    "object": "session",
    "external_id": SESSION_NAME,
    "created_at": BEGAN,
    "active_at": ENDED,
    "expires_at": "2026-11-22T09:30:02.500000Z",
    "idle_expiry_s": 86400,
    "items": 2,
    "shown_from": 1,
    "instructions": None,
    "metadata": {},
    "running": None,
}

ITEM: dict[str, Any] = {
    "seq": 2,
    "object": "item",
    "type": "message",
    "status": "completed",
    "run_id": RUN_ID,
    "created_at": ENDED,
    "tokens": 13,
    "role": "assistant",
    "content": ANSWERED,
    "citations": None,
    "call_id": None,
    "name": None,
    "arguments": None,
    "output": None,
    "text": None,
    "stands_for": None,
    "model": None,
    "extra": None,
}

RUN: dict[str, Any] = {
    "id": RUN_ID,
    "object": "run",
    "session_id": SESSION_ID,
    "status": "completed",
    "model": MODEL,
    "created_at": BEGAN,
    "started_at": BEGAN,
    "ended_at": ENDED,
    "input_items": [1, 1],
    "output_items": [2, 2],
    "agent": None,
    "input": [],
    "output": [],
    "settings": {},
    "labels": {},
    "usage": {"input_tokens": 21, "cached_tokens": 0, "output_tokens": 14, "reasoning_tokens": 0},
    "error": None,
    "finish_reason": "stop",
    "first_token_ms": 180,
    "reasoning": None,
    "cost_usd": 0.00042,
}

EVENTS = """\
id: 1
event: delta
data: {"number":1,"type":"delta","text":"The tile "}

id: 2
event: delta
data: {"number":2,"type":"delta","text":"museum.","finish_reason":"stop"}

"""

NEW_KEY = Example(
    name="key",
    title="A key for one user of a tenant",
    body={"tenant": "default", "user": "user-1", "label": "the web application", "scopes": []},
)

KEY: dict[str, Any] = {
    "id": "01a1fc90-fa6e-7634-bc39-5b11f8ca2fcd",
    "object": "key",
    "tenant": "default",
    "user_id": "01a1fc90-fa6d-7083-a410-20f1880177b2",
    "user": "user-1",
    "label": "the web application",
    "hint": "mt-Qh…x7Lw",
    "scopes": [],
    "created_at": BEGAN,
    "expires_at": None,
    "used_at": BEGAN,
    "revoked_at": None,
    "secret": None,
}


def page(row: dict[str, Any], *, next_: str | int | None = None) -> dict[str, Any]:
    """A page of one row."""
    return {"object": "list", "data": [row], "has_more": next_ is not None, "next": next_}
