"""Items as the messages of a chat completion, which every model is asked in.

The same items always give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning, Summary

encode = msgspec.json.Encoder().encode


def write_messages(contents: Sequence[Content]) -> bytes:
    """Write contents as chat messages, JSON objects joined by commas; reasoning is not shown again, and a summary
    stands before them."""
    return b",".join([encode(message) for message in list_messages(contents)])


def list_messages(contents: Sequence[Content]) -> list[dict[str, Any]]:
    """The chat messages of contents; calls that follow an assistant's words are one message with them."""
    messages: list[dict[str, Any]] = []
    open_message: dict[str, Any] | None = None
    for content in contents:
        if isinstance(content, Reasoning | Summary):
            continue
        if isinstance(content, FunctionCall):
            if open_message is None:
                open_message = {"role": "assistant", "content": None}
                messages.append(open_message)
            open_message.setdefault("tool_calls", []).append(write_call(content))
            continue
        message = write_message(content)
        messages.append(message)
        open_message = message if message["role"] == "assistant" else None
    return messages


def write_message(content: Message | FunctionCallOutput) -> dict[str, Any]:
    """One message or one tool result."""
    if isinstance(content, FunctionCallOutput):
        message = {"role": "tool", "tool_call_id": content.call_id, "content": content.output}
    else:
        message = {"role": content.role, "content": content.content}
    return {**message, **content.extra} if content.extra else message


def write_call(call: FunctionCall) -> dict[str, Any]:
    """One tool call of an assistant message."""
    said = {"name": call.name, ("input" if call.kind == "custom" else "arguments"): call.arguments}
    return {"id": call.call_id, "type": call.kind, call.kind: said, **(call.extra or {})}
