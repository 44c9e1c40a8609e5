"""A chat completion's request as a turn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, get_args

from msgspec import Raw, Struct
from starlette.datastructures import Headers

from multiturn.api.auth import as_written, check_id
from multiturn.api.chat.shapes import StreamOptions
from multiturn.api.chat.wire import (
    CONSUMED_FIELDS,
    LABEL_HEADERS,
    MISSING_FIELDS,
    SESSION_FIELDS,
    SESSION_HEADERS,
)
from multiturn.api.fields import read_choice, read_expiry, read_model, read_optional, read_output_max
from multiturn.api.limits import read_field
from multiturn.api.messages import read_messages
from multiturn.api.policy import read_overflow
from multiturn.errors import InvalidRequest
from multiturn.model.policy import ContextPolicy, OverflowStrategy
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
        policy=ContextPolicy(overflow=read_strategy(fields)),
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


def read_strategy(fields: Mapping[str, Raw]) -> OverflowStrategy | None:
    """What to do when the context does not fit, under any of its names; the first field that says something counts."""
    strategies = [
        read_overflow(read_optional(fields, name, Any), name) for name in ("context_overflow", "memoryStrategy")
    ]
    return strategies[0] or strategies[1]


def refuse_missing(fields: Mapping[str, Raw]) -> None:
    """Refuse to be asked for what is not there, instead of leaving it out in silence."""
    for name in MISSING_FIELDS:
        if read_optional(fields, name, Any):
            raise InvalidRequest(f"'{name}': this version cannot do that yet.", code="not_implemented", param=name)
