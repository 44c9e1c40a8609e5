"""A chat in a session as a turn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, get_args

from msgspec import Raw
from starlette.datastructures import Headers

from multiturn.api.auth import as_written, check_id
from multiturn.api.fields import read_choice, read_optional, read_output_max
from multiturn.api.limits import read_field
from multiturn.api.messages import read_messages
from multiturn.api.native.chat_wire import CONSUMED_FIELDS
from multiturn.api.native.tools_parse import read_reasoning
from multiturn.api.native.tools_wire import ReasoningOptionsBody
from multiturn.api.policy import PolicyFields, read_policy
from multiturn.engine.tool_checks import check_reasoning
from multiturn.errors import InvalidRequest
from multiturn.model.content import Content
from multiturn.model.policy import ContextPolicy
from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.session import Concurrency, OnDisconnect, Session
from multiturn.model.turn import IdempotencyKey, TurnOrder

ROUTE = "sessions.chat"
POLICY_FIELDS = PolicyFields.__struct_fields__


def parse_chat(body: bytes, fields: Mapping[str, Raw], headers: Headers, session: Session) -> TurnOrder:
    """Read a chat; who answers is still to be found. Raises InvalidRequest naming the field that is wrong.

    A model of "" is left to the session, its agent and the server.
    """
    instructions, contents = read_input(fields)
    key = headers.get("idempotency-key")
    model = read_optional(fields, "model", str | None)
    return TurnOrder(
        input=contents,
        instructions=instructions,
        model=check_id(model, "model") if model else "",
        fields=read_rest(fields),
        digest=hashlib.blake2b(session.id.bytes + body, digest_size=16).digest(),
        output_tokens_max=read_output_max(fields),
        is_streamed=read_stream(fields, headers),
        is_stored=read_optional(fields, "save", bool | None) is not False,
        is_retry=headers.get("x-stainless-retry-count", "0") not in ("", "0"),
        idempotency=IdempotencyKey(ROUTE, check_id(as_written(key), "Idempotency-Key")) if key else None,
        concurrency=read_choice(fields, "concurrency", get_args(Concurrency)),
        on_disconnect=read_choice(fields, "on_disconnect", get_args(OnDisconnect)),
        policy=read_turn_policy(fields),
        template_values=read_optional(fields, "metadata", dict[str, Any] | None) or {},
        reasoning=read_turn_reasoning(fields),
    )


def read_input(fields: Mapping[str, Raw]) -> tuple[str | None, tuple[Content, ...]]:
    """The leading instructions as JSON, and the messages behind them. Raises InvalidRequest where there are none."""
    if "messages" not in fields:
        raise InvalidRequest("'messages' is missing: send a list of messages.", param="messages")
    instructions, contents = read_messages(fields["messages"])
    if not contents:
        raise InvalidRequest("'messages' holds nothing to answer: only instructions.", param="messages")
    return instructions, contents


def read_rest(fields: Mapping[str, Raw]) -> dict[str, Raw]:
    """The fields that go to the model as they came. Raises InvalidRequest for what could not be shown again: 1e999."""
    rest = {name: value for name, value in fields.items() if name not in CONSUMED_FIELDS}
    for name, value in rest.items():
        read_field(value, name, Any)
    return rest


def read_stream(fields: Mapping[str, Raw], headers: Headers) -> bool:
    """Whether the answer is to be streamed: as the body says, else as the client would have it."""
    asked: bool | None = read_optional(fields, "stream", bool | None)
    return "text/event-stream" in headers.get("accept", "") if asked is None else asked


def read_turn_reasoning(fields: Mapping[str, Raw]) -> ReasoningOptions | None:
    """How much the model is to think in this turn. Raises InvalidRequest."""
    reasoning = read_reasoning(read_optional(fields, "reasoning", ReasoningOptionsBody | None))
    if reasoning:
        check_reasoning(reasoning)
    return reasoning


def read_turn_policy(fields: Mapping[str, Raw]) -> ContextPolicy:
    """What this turn alone sets of its context."""
    given = {name: read_field(fields[name], name, Any) for name in POLICY_FIELDS if name in fields}
    return ContextPolicy(**read_policy(given))


def read_agent(fields: Mapping[str, Raw]) -> str | None:
    """The agent that is to answer, by its id or canonical name."""
    name: str | None = read_optional(fields, "agent_id", str | None)
    return None if name is None else check_id(name, "agent_id")
