"""A run of Powabase's client as a turn."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Raw
from msgspec.structs import replace
from starlette.datastructures import Headers

from multiturn.api.auth import as_written, check_id
from multiturn.api.limits import read_json_object
from multiturn.api.powabase.reading import read_wire
from multiturn.api.powabase.run_wire import PowabaseApprovalBody, PowabaseRunOrderBody
from multiturn.errors import InvalidRequest
from multiturn.model.agent import Agent
from multiturn.model.content import Message
from multiturn.model.reasoning import Effort, ReasoningOptions
from multiturn.model.turn import IdempotencyKey, TurnOrder

ROUTE = "powabase.run"
# How much a model thinks that is to think, where its agent does not say.
EFFORT: Effort = "medium"
OF_THE_MODEL = ("temperature", "response_format")


def parse_run(body: bytes) -> PowabaseRunOrderBody:
    """Read a run. Raises InvalidRequest naming the field that is wrong."""
    order = read_wire(body, PowabaseRunOrderBody)
    if not order.message.strip():
        raise InvalidRequest("message is required", param="message")
    if order.session_id is not None:
        check_id(order.session_id, "session_id")
    return order


def parse_approval(body: bytes) -> PowabaseApprovalBody:
    """Read a person's word, and refuse what is none in the words of Powabase's server. Raises InvalidRequest."""
    fields = read_json_object(body) if body.strip() else {}
    if "approved" not in fields:
        raise InvalidRequest("Request body must include 'approved' (boolean)", param="approved")
    if bytes(fields["approved"]) not in (b"true", b"false"):
        raise InvalidRequest("'approved' must be a boolean", param="approved")
    return read_wire(body, PowabaseApprovalBody)


def write_turn(
    order: PowabaseRunOrderBody, agent: Agent, headers: Headers, body: bytes, *, is_streamed: bool
) -> TurnOrder:
    """The turn of a run."""
    key = headers.get("idempotency-key")
    given = {name: value for name in OF_THE_MODEL if (value := getattr(order, name)) is not None}
    return TurnOrder(
        input=(Message("user", order.message),),
        model="",
        fields={name: Raw(msgspec.json.encode(value)) for name, value in given.items()},
        digest=hashlib.blake2b(agent.id.bytes + body, digest_size=16).digest(),
        is_streamed=is_streamed,
        idempotency=IdempotencyKey(ROUTE, check_id(as_written(key), "Idempotency-Key")) if key else None,
        agent_id=agent.id,
        reasoning=choose_reasoning(order.reasoning_requested, agent.body.reasoning),
        seconds_max=order.timeout_seconds,
    )


def choose_reasoning(is_wanted: bool | None, usual: ReasoningOptions | None) -> ReasoningOptions | None:
    """How much the model is to think in this run; None leaves it to the agent."""
    if is_wanted is None:
        return None
    if not is_wanted:
        return replace(usual or ReasoningOptions(), effort="none", budget_tokens=None)
    return usual if usual and usual.effort != "none" else ReasoningOptions(effort=EFFORT)
