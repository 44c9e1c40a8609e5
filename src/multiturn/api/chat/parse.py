"""A chat completion's request as a turn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, get_args

import msgspec
from msgspec import Raw, Struct
from starlette.datastructures import Headers

from multiturn.api.auth import as_written, check_id
from multiturn.api.chat.shapes import StreamOptions
from multiturn.api.chat.wire import (
    CONSUMED_FIELDS,
    EXPIRY_MAX_S,
    LABEL_HEADERS,
    MISSING_FIELDS,
    MISSING_STRATEGIES,
    OVERFLOW_NAMES,
    SESSION_FIELDS,
    SESSION_HEADERS,
)
from multiturn.api.limits import read_field
from multiturn.errors import InvalidRequest
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message
from multiturn.model.policy import OverflowStrategy
from multiturn.model.session import Concurrency, OnDisconnect
from multiturn.model.turn import IdempotencyKey, TurnOrder

LABEL_CHARS_MAX = 512


class ChatRequest(Struct, frozen=True, kw_only=True):
    """A request, read: the session it names, the turn it asks for, and what the caller wants to see of the usage."""

    session: str | None
    order: TurnOrder
    messages: Raw
    includes_usage: bool


def parse_request(body: bytes, fields: Mapping[str, Raw], headers: Headers, default_model: str | None) -> ChatRequest:
    """Read a request. Raises InvalidRequest naming the field that is wrong."""
    session = find_session_name(headers, fields)
    if "messages" not in fields:
        raise InvalidRequest("'messages' is missing: send a list of messages.", param="messages")
    instructions, contents = read_messages(fields["messages"])
    key = headers.get("idempotency-key")
    order = TurnOrder(
        input=contents,
        instructions=instructions,
        model=read_model(fields, default_model),
        fields=read_rest(fields),
        digest=hashlib.blake2b(body, digest_size=16).digest(),
        output_tokens_max=read_output_max(fields),
        is_streamed=bool(read_optional(fields, "stream", bool | None)),
        is_aligned=True,
        is_stored=read_optional(fields, "saveToMemory", bool | None) is not False,
        is_retry=headers.get("x-stainless-retry-count", "0") not in ("", "0"),
        idempotency=IdempotencyKey("chat.completions", check_id(as_written(key), "Idempotency-Key")) if key else None,
        concurrency=read_choice(fields, "concurrency", get_args(Concurrency)),
        on_disconnect=read_choice(fields, "on_disconnect", get_args(OnDisconnect)),
        overflow=read_overflow(fields),
        idle_expiry_s=read_expiry(fields),
        labels={name: headers[name][:LABEL_CHARS_MAX] for name in LABEL_HEADERS if name in headers},
    )
    refuse_missing(fields)
    if session is not None and not contents:
        raise InvalidRequest("'messages' holds nothing to answer: only instructions.", param="messages")
    options: StreamOptions | None = read_optional(fields, "stream_options", StreamOptions | None)
    return ChatRequest(
        session=session,
        order=order,
        messages=fields["messages"],
        includes_usage=bool(options and options.include_usage),
    )


def read_rest(fields: Mapping[str, Raw]) -> dict[str, Raw]:
    """The fields that go to the model as they came. Raises InvalidRequest for what could not be shown again: 1e999."""
    rest = {name: value for name, value in fields.items() if name not in CONSUMED_FIELDS}
    for name, value in rest.items():
        read_field(value, name, Any)
    return rest


def find_session_name(headers: Headers, fields: Mapping[str, Raw]) -> str | None:
    """The session that a request names; an empty name is none. Raises InvalidRequest for two different names."""
    names = [(name, as_written(value)) for name in SESSION_HEADERS for value in headers.getlist(name) if value]
    names += [(name, value) for name in SESSION_FIELDS if (value := read_optional(fields, name, str | None))]
    if not names:
        return None
    (first, session), *others = names
    for other, value in others:
        if value != session:
            raise InvalidRequest(f"'{first}' and '{other}' name two different sessions. Send one of them.", param=other)
    return check_id(session, first)


def read_optional(fields: Mapping[str, Raw], name: str, type_: Any) -> Any:
    """A field that may be left out."""
    return read_field(fields[name], name, type_) if name in fields else None


def read_choice(fields: Mapping[str, Raw], name: str, choices: tuple[str, ...]) -> Any:
    """A field with a few possible values."""
    value = read_optional(fields, name, str | None)
    if value is not None and value not in choices:
        raise InvalidRequest(f"'{name}' must be one of {', '.join(choices)}; it is '{value[:40]}'.", param=name)
    return value


def read_model(fields: Mapping[str, Raw], default_model: str | None) -> str:
    """The model that is asked for, else the server's default."""
    model = read_optional(fields, "model", str | None) or default_model
    if not model:
        raise InvalidRequest("'model' is missing and the server has no default model (MULTITURN_MODEL).", param="model")
    return check_id(str(model), "model")


def read_output_max(fields: Mapping[str, Raw]) -> int | None:
    """How long the answer may be, in tokens."""
    limits: list[int | None] = []
    for name in ("max_completion_tokens", "max_tokens"):
        value = read_optional(fields, name, int | None)
        if value is not None and value < 1:
            raise InvalidRequest(f"'{name}' must be at least 1; it is {value}.", param=name)
        limits.append(value)
    return limits[0] or limits[1]


def read_overflow(fields: Mapping[str, Raw]) -> OverflowStrategy | None:
    """What to do when the context does not fit, under any of its names."""
    strategies: list[OverflowStrategy | None] = []
    for name in ("context_overflow", "memoryStrategy"):
        value = read_optional(fields, name, str | None)
        if value in MISSING_STRATEGIES:
            raise InvalidRequest(
                f"'{name}': this version has no strategy '{value}' yet.", code="not_implemented", param=name
            )
        strategies.append(OVERFLOW_NAMES.get(read_choice(fields, name, tuple(OVERFLOW_NAMES))))
    return strategies[0] or strategies[1]


def read_expiry(fields: Mapping[str, Raw]) -> int | None:
    """After how many seconds without use the session is to be forgotten."""
    value: int | None = read_optional(fields, "idle_expiry_s", int | None)
    if value is not None and not 1 <= value <= EXPIRY_MAX_S:
        raise InvalidRequest(f"'idle_expiry_s' must be from 1 to {EXPIRY_MAX_S} seconds.", param="idle_expiry_s")
    return value


def refuse_missing(fields: Mapping[str, Raw]) -> None:
    """Refuse to be asked for what is not there, instead of leaving it out in silence."""
    for name in MISSING_FIELDS:
        if read_optional(fields, name, Any):
            raise InvalidRequest(f"'{name}': this version cannot do that yet.", code="not_implemented", param=name)


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
