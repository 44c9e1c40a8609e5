"""The shapes of Powabase's sessions (contracts/powabase 2.2, reference/004)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from multiturn.api.powabase.run_wire import (
    PowabaseChunkBody,
    PowabaseCitationBody,
    PowabaseRunBody,
    PowabaseToolCallBody,
)
from multiturn.api.powabase.wire import Time

SEED_MAX, SEED_CHARS_MAX = 200, 20_000


class PowabaseSessionBody(Struct, kw_only=True):
    """A conversation."""

    id: Annotated[str, Meta(description="A UUID; every API of the server knows the session by it.")]
    session_id: Annotated[str, Meta(description="`sess_…`, or the name that the client gave it and asked by.")]
    agent_id: Annotated[str | None, Meta(description="The first of its agents; null for none.")]
    user_id: str | None
    session_data: dict[str, Any] = {}
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Annotated[Time, Meta(description="When it was last used.")]


class PowabaseChatMessageBody(Struct, kw_only=True, omit_defaults=True):
    """A message. Those of an assistant say what they rest on."""

    role: Literal["user", "assistant", "system"]
    content: str
    run_id: Annotated[str | None, Meta(description="The run that it is of; null where it came without one.")]
    timestamp: Time
    retrieved_context: Annotated[
        list[PowabaseChunkBody] | None,
        Meta(description="Of an assistant: the chunks that were found for its run, shown to the model or not."),
    ] = None
    citations: Annotated[list[PowabaseCitationBody] | None, Meta(description="Only if there are any.")] = None
    tool_calls: Annotated[list[PowabaseToolCallBody] | None, Meta(description="Of an assistant.")] = None
    reasoning_requested: Annotated[bool | None, Meta(description="Whether the model was asked to think.")] = None
    reasoning: Annotated[dict[str, Any] | None, Meta(description="What it thought, where that was kept.")] = None


class PowabaseMessagesBody(Struct, kw_only=True):
    """Messages, oldest first."""

    session_id: str
    messages: list[PowabaseChatMessageBody]
    has_more: Annotated[bool, Meta(description="Whether there are older ones.")]
    next_cursor: Annotated[int | None, Meta(description="The `before` of the page with the older ones.")]


class PowabaseRunListBody(Struct, kw_only=True):
    """Runs of a session, oldest first, whatever became of them."""

    session_id: str
    limit: int
    offset: int
    runs: list[PowabaseRunBody]


class PowabaseRetrievedBody(Struct, kw_only=True):
    """What was found for a run: `retrieval_diagnostics` first, then every chunk."""

    session_id: str
    run_id: str
    retrieved_context: list[dict[str, Any]]


class PowabaseSessionDeletedBody(Struct, kw_only=True):
    """That a session was deleted."""

    success: Literal[True] = True
    message: str = "Session deleted"


class PowabaseSessionRowBody(Struct, kw_only=True):
    """A session of an agent."""

    session_id: str
    run_count: int
    last_activity_at: Time
    created_at: Time
    first_message: Annotated[str | None, Meta(description="What was asked first, at most 100 characters.")]


class PowabaseSessionListBody(Struct, kw_only=True):
    """A page of sessions, those used last first."""

    sessions: list[PowabaseSessionRowBody]
    total: int
    limit: int
    offset: int


class PowabaseSeedBody(Struct, kw_only=True):
    """A message that a session begins with."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Meta(min_length=1, max_length=SEED_CHARS_MAX)]


class PowabaseSessionOrderBody(Struct, kw_only=True, omit_defaults=True):
    """A session as it is asked for."""

    user_id: Annotated[str | None, Meta(description="Whose it is: a UUID. Only for keys that may act for users.")] = (
        None
    )
    initial_messages: Annotated[
        Annotated[list[PowabaseSeedBody], Meta(max_length=SEED_MAX)] | None,
        Meta(
            description="What was said before: user and assistant in turn, beginning with the user and ending with the "
            "assistant. Each pair becomes a completed run.",
        ),
    ] = None


class PowabaseSessionMadeBody(Struct, kw_only=True):
    """The session that was made."""

    session_id: str
