"""Messages in the shape of OpenAI's chat completions as contents, which several dialects read."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from multiturn.api.limits import read_field
from multiturn.errors import InvalidRequest
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message


def read_messages(raw: Raw) -> tuple[str | None, tuple[Content, ...]]:
    """The leading system and developer messages as JSON (None when there are none), and the rest as contents."""
    messages = read_field(raw, "messages", list[dict[str, Any]])
    if not messages:
        raise InvalidRequest("'messages' is empty: send at least one message.", param="messages")
    contents: list[Content] = []
    lead = 0
    for index, message in enumerate(messages):
        read = read_message(message, f"messages[{index}]")
        if lead == index and isinstance(read[0], Message) and read[0].role in ("system", "developer"):
            lead += 1
        else:
            contents += read
    instructions = msgspec.json.encode(messages[:lead]).decode() if lead else None
    return instructions, tuple(contents)


def read_message(message: dict[str, Any], where: str) -> list[Content]:
    """One message as contents; an assistant's words and its calls are items of their own."""
    rest = dict(message)
    role = rest.pop("role", None)
    said = rest.pop("content", None)
    check_said(said, where)
    if role == "tool":
        call_id = rest.pop("tool_call_id", None)
        if not isinstance(call_id, str) or not call_id:
            raise InvalidRequest(
                f"'{where}.tool_call_id' must name the call that this answers.", param=f"{where}.tool_call_id"
            )
        return [FunctionCallOutput(call_id, said, rest or None)]
    if role == "assistant":
        return read_assistant(rest, said, where)
    if role not in ("system", "developer", "user"):
        raise InvalidRequest(
            f"'{where}.role' must be one of system, developer, user, assistant, tool; it is {role!r:.40}.",
            param=f"{where}.role",
        )
    return [Message(role, said, rest or None)]


def read_assistant(rest: dict[str, Any], said: Any, where: str) -> list[Content]:
    """An assistant's message; fields that say nothing (null, an empty list) are left out, as the clients do when they
    resend it.
    """
    calls = rest.pop("tool_calls", None)
    calls = [] if calls is None else calls
    if not isinstance(calls, list):
        raise InvalidRequest(f"'{where}.tool_calls' must be a list.", param=f"{where}.tool_calls")
    extra = {name: value for name, value in rest.items() if value is not None and value != []} or None
    contents: list[Content] = []
    if said or extra or not calls:
        contents.append(Message("assistant", said, extra))
    return contents + [read_call(call, f"{where}.tool_calls[{index}]") for index, call in enumerate(calls)]


def read_call(call: Any, where: str) -> FunctionCall:
    """One tool call of an assistant's message."""
    rest = dict(call) if isinstance(call, dict) else {}
    call_id, kind = rest.pop("id", None), rest.pop("type", "function")
    said = rest.pop(kind, None) if isinstance(kind, str) else None
    said = said if isinstance(said, dict) else {}
    name, arguments = said.get("name"), said.get("input" if kind == "custom" else "arguments", "")
    if not (isinstance(call_id, str) and call_id and isinstance(name, str) and isinstance(arguments, str)):
        raise InvalidRequest(f"'{where}' must have an id, a name and its arguments as text.", param=where)
    return FunctionCall(call_id, name, arguments, kind, rest or None)


def check_said(said: Any, where: str) -> None:
    """What a message says is a text, a list of parts, or nothing."""
    if said is None or isinstance(said, str):
        return
    if not isinstance(said, list) or not all(isinstance(part, dict) for part in said):
        raise InvalidRequest(f"'{where}.content' must be a text or a list of parts.", param=f"{where}.content")
