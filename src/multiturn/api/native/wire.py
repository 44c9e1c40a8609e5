"""The shapes of the native API; ``/openapi.json`` is made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct

T = TypeVar("T")


class SessionBody(Struct, kw_only=True):
    """A session. ``external_id`` is the id that the client chose; ``items`` counts what is stored, ``expires_at`` is null when it is kept."""

    id: str
    object: Literal["session"] = "session"
    external_id: str | None
    created_at: datetime
    active_at: datetime
    expires_at: datetime | None
    idle_expiry_s: int | None
    items: int
    shown_from: int
    instructions: list[dict[str, Any]] | None
    metadata: dict[str, Any]
    running: str | None


class ItemBody(Struct, kw_only=True):
    """An item: ``type`` says which of the other fields it has. ``seq`` counts from 1 without gaps; ``tokens`` is our count."""

    seq: int
    object: Literal["item"] = "item"
    type: Literal["message", "function_call", "function_call_output", "reasoning"]
    status: Literal["completed", "incomplete"]
    run_id: str
    created_at: datetime
    tokens: int
    role: str | None = None
    content: str | list[dict[str, Any]] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[dict[str, Any]] | None = None
    text: str | None = None
    extra: dict[str, Any] | None = None


class UsageBody(Struct, kw_only=True):
    """Tokens as the provider counted them; ``cached_tokens`` are those of the input that a prefix cache held."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int


class RunErrorBody(Struct):
    """Why a run failed."""

    code: str
    message: str


class RunBody(Struct, kw_only=True):
    """A run: one execution of a turn. ``input_items`` and ``output_items`` are first and last ``seq`` when it entered the history;
    else ``input`` and ``output`` hold what was asked and what was said."""

    id: str
    object: Literal["run"] = "run"
    session_id: str
    status: Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
    model: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    input_items: list[int] | None
    output_items: list[int] | None
    input: list[dict[str, Any]]
    output: list[dict[str, Any]]
    settings: dict[str, Any]
    labels: dict[str, Any]
    usage: UsageBody | None
    error: RunErrorBody | None
    finish_reason: str | None
    first_token_ms: int | None


class EventBody(Struct, kw_only=True, omit_defaults=True):
    """An event of a run. ``delta`` has a piece of the answer, ``answer`` all of it, ``end`` the run as it ended."""

    number: int
    type: Literal["delta", "answer", "end"]
    text: str = ""
    reasoning: str = ""
    tool_calls: list[dict[str, Any]] = []
    finish_reason: str | None = None
    run: RunBody | None = None


class DeletedBody(Struct, kw_only=True):
    """What was deleted."""

    id: str
    object: Literal["session.deleted"] = "session.deleted"
    deleted: Literal[True] = True


class ListBody(Struct, Generic[T], kw_only=True):
    """A page: send ``next`` as the cursor parameter of the same path for the page behind it; null on the last."""

    object: Literal["list"] = "list"
    data: list[T]
    has_more: bool
    next: str | int | None = None
