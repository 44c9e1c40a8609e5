"""Items as the messages of a chat completion, which every model is asked in.

The same items always give the same bytes. What a provider gave of its reasoning for itself alone stands only in the
messages that are written for that provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from multiturn.model.content import (
    Artefacts,
    Content,
    FunctionCall,
    FunctionCallOutput,
    Message,
    Reasoning,
    Summary,
)

encode = msgspec.json.Encoder().encode
# For so many providers, those that answered last, a context is written with what they thought.
MAKERS_MAX = 4
# The fields of messages and calls in which providers give their reasoning and want it again.
CARRIED = frozenset({"reasoning_content", "reasoning", "reasoning_details", "extra_content"})


def write_messages(contents: Sequence[Content], *, provider: str = "") -> bytes:
    """Write contents as chat messages, JSON objects joined by commas; reasoning is shown again to the provider that it
    is bound to and to no other, and a summary stands before them."""
    return b",".join([encode(message) for message in list_messages(contents, provider=provider)])


def write_own(contents: Sequence[Content]) -> dict[str, bytes]:
    """The messages of contents for each provider that made artefacts in them, the latest last; mostly there is none."""
    makers = list_makers(contents)
    return {name: write_messages(contents, provider=name) for name in makers[-MAKERS_MAX:]} if makers else {}


def list_makers(contents: Sequence[Content]) -> list[str]:
    """Who made artefacts in contents, the latest last."""
    found: dict[str, None] = {}
    for content in contents:
        if (artefacts := find_artefacts(content)) is not None:
            found.pop(artefacts.provider, None)
            found[artefacts.provider] = None
    return list(found)


def find_artefacts(content: Content) -> Artefacts | None:
    """What an item has that is for one provider alone."""
    return content.artefacts if isinstance(content, Reasoning | FunctionCall) else None


def list_messages(contents: Sequence[Content], *, provider: str = "") -> list[dict[str, Any]]:
    """The chat messages of contents; calls that follow an assistant's words are one message with them."""
    messages: list[dict[str, Any]] = []
    open_message: dict[str, Any] | None = None
    thoughts: dict[str, Any] = {}
    for content in contents:
        if isinstance(content, Reasoning | Summary):
            if shown := write_thoughts(content, provider):
                thoughts, open_message = shown, None
            continue
        if isinstance(content, FunctionCall):
            if open_message is None:
                open_message = {"role": "assistant", "content": None, **thoughts}
                thoughts = {}
                messages.append(open_message)
            open_message.setdefault("tool_calls", []).append(write_call(content, provider))
            continue
        message = write_message(content)
        messages.append(message)
        open_message = message if message["role"] == "assistant" else None
        if open_message is not None:
            open_message |= thoughts
        thoughts = {}
    return messages


def write_thoughts(content: Reasoning | Summary, provider: str) -> dict[str, Any]:
    """The fields of the message behind it in which a provider is shown again what it thought."""
    artefacts = content.artefacts if isinstance(content, Reasoning) else None
    if artefacts is None or artefacts.provider != provider:
        return {}
    text = {artefacts.text_as: content.text} if artefacts.text_as else {}
    return keep_carried({**artefacts.fields, **text})


def keep_carried(fields: dict[str, Any]) -> dict[str, Any]:
    """Those fields that artefacts may be: a session that was imported can say anything."""
    return {name: value for name, value in fields.items() if name in CARRIED}


def write_message(content: Message | FunctionCallOutput) -> dict[str, Any]:
    """One message or one tool result."""
    if isinstance(content, FunctionCallOutput):
        message = {"role": "tool", "tool_call_id": content.call_id, "content": content.output}
    else:
        message = {"role": content.role, "content": content.content}
    return {**message, **content.extra} if content.extra else message


def write_call(call: FunctionCall, provider: str = "") -> dict[str, Any]:
    """One tool call of an assistant message."""
    said = {"name": call.name, ("input" if call.kind == "custom" else "arguments"): call.arguments}
    written = {"id": call.call_id, "type": call.kind, call.kind: said, **(call.extra or {})}
    own = call.artefacts
    return {**written, **keep_carried(own.fields)} if own is not None and own.provider == provider else written
