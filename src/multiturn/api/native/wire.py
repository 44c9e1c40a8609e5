"""The shapes of the native API; ``/openapi.json`` is made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from multiturn.api.citations import CitationBody

T = TypeVar("T")
Time = Annotated[datetime, Meta(tz=True)]
SeqRange = Annotated[list[int], Meta(min_length=2, max_length=2)]


class ItemBody(Struct, kw_only=True):
    """The smallest unit of a session. ``type`` says which of the fields below it has; the others are null."""

    seq: Annotated[int, Meta(description="Its place: 1, 2, 3 … without gaps over everything that is stored.")]
    object: Literal["item"] = "item"
    type: Literal["message", "function_call", "function_call_output", "reasoning", "summary"]
    status: Annotated[
        Literal["completed", "incomplete"],
        Meta(description="`incomplete` marks an answer that was cancelled while the model spoke."),
    ]
    run_id: Annotated[
        str, Meta(description="The run that brought it; the session's id where it was there from the beginning.")
    ]
    created_at: Annotated[Time, Meta(description="When its turn was stored, in UTC.")]
    tokens: Annotated[int, Meta(description="Its tokens by our count of four bytes each, made once.")]
    role: Annotated[str | None, Meta(description="Of a message: system, developer, user or assistant.")] = None
    content: Annotated[
        str | list[dict[str, Any]] | None, Meta(description="Of a message: a text, or content parts as they came.")
    ] = None
    citations: Annotated[
        list[CitationBody] | None, Meta(description="Of an answer over a knowledge store: what it rests on.")
    ] = None
    call_id: Annotated[str | None, Meta(description="Of a call, and of the output that answers it.")] = None
    name: Annotated[str | None, Meta(description="Of a call: the tool.")] = None
    arguments: Annotated[str | None, Meta(description="Of a call: the text that the model wrote, usually JSON.")] = None
    output: Annotated[
        str | list[dict[str, Any]] | None, Meta(description="Of a call's output: a text, or content parts.")
    ] = None
    text: Annotated[
        str | None, Meta(description="Of reasoning: what the model thought; of a summary: what it says.")
    ] = None
    stands_for: Annotated[
        SeqRange | None, Meta(description="Of a summary: first and last `seq` of the items it stands for.")
    ] = None
    model: Annotated[str | None, Meta(description="Of a summary: the model that wrote it.")] = None
    extra: Annotated[dict[str, Any] | None, Meta(description="Further fields of the message, as they came.")] = None


class UsageBody(Struct, kw_only=True):
    """Tokens as the provider counted them."""

    input_tokens: int
    cached_tokens: Annotated[int, Meta(description="Those of the input that the provider's prefix cache held.")]
    output_tokens: int
    reasoning_tokens: Annotated[int, Meta(description="Those of the output that were thought and not said.")]


class RunErrorBody(Struct):
    """Why a run failed."""

    code: Annotated[str, Meta(description="A stable code (docs/errors.md).")]
    message: Annotated[str, Meta(description="A text for a person.")]


class RunAgentBody(Struct, kw_only=True):
    """The agent that answered, as it was then."""

    id: str
    version: Annotated[int, Meta(description="`GET /v1/agents/{agent_id}/versions/{version}` tells what it was.")]


class RunBody(Struct, kw_only=True):
    """One execution of a turn, kept whatever becomes of it."""

    id: Annotated[str, Meta(description="Our id, a UUIDv7; the turn's response has it as `X-Run-Id`.")]
    object: Literal["run"] = "run"
    session_id: Annotated[str, Meta(description="Our id of the session.")]
    status: Annotated[
        Literal["queued", "in_progress", "waiting", "completed", "incomplete", "failed", "cancelled"],
        Meta(
            description="`waiting`: a call needs a person's approval; `incomplete`: the answer broke off (length, "
            "content filter) and is in the history."
        ),
    ]
    model: Annotated[str, Meta(description="The model that was asked for.")]
    created_at: Annotated[Time, Meta(description="When the turn was asked for, in UTC.")]
    started_at: Annotated[Time | None, Meta(description="When it got its session; null while it waits.")]
    ended_at: Annotated[Time | None, Meta(description="When it was stored; null before that.")]
    input_items: Annotated[
        SeqRange | None, Meta(description="First and last `seq` of what was asked; null when it is not in the history.")
    ]
    output_items: Annotated[
        SeqRange | None, Meta(description="First and last `seq` of the answer; null when it is not in the history.")
    ]
    agent: Annotated[RunAgentBody | None, Meta(description="Who answered; null for a session without agents.")]
    input: Annotated[list[dict[str, Any]], Meta(description="What was asked, of a run that is not in the history.")]
    output: Annotated[list[dict[str, Any]], Meta(description="What was said, of a run that is not in the history.")]
    settings: Annotated[dict[str, Any], Meta(description="The request's other fields, such as `temperature`.")]
    labels: Annotated[dict[str, Any], Meta(description="The names that harnesses sent along as headers.")]
    usage: UsageBody | None
    error: RunErrorBody | None
    finish_reason: Annotated[str | None, Meta(description="As the provider gave it: stop, length, tool_calls …")]
    first_token_ms: Annotated[int | None, Meta(description="Milliseconds from the request to the first token.")]
    reasoning: Annotated[
        dict[str, Any] | None, Meta(description="How much the model was to think: effort, budget_tokens, is_kept.")
    ]
    cost_usd: Annotated[float | None, Meta(description="What it cost in US dollars; null where no price is known.")]


class CallBody(Struct, kw_only=True):
    """The call of a tool, or a piece of it."""

    index: Annotated[int, Meta(description="Which call of the answer it is, or is a piece of; from 0.")]
    call_id: Annotated[str | None, Meta(description="Its id, in its first piece.")]
    name: Annotated[str | None, Meta(description="The tool, in its first piece.")]
    arguments: Annotated[str, Meta(description="The arguments, or a piece of them.")]


class EventBody(Struct, kw_only=True, omit_defaults=True):
    """What happened in a run. ``delta`` has a piece of the answer, ``answer`` all of it, ``step`` what happened beside
    the words (a tool ran, a call waits for approval), ``end`` the run as it ended.

    Fields that are empty are left out.
    """

    number: Annotated[int, Meta(description="Its number in the run, from 1 without gaps.")]
    type: Literal["delta", "answer", "step", "end"]
    text: str = ""
    reasoning: str = ""
    tool_calls: list[CallBody] = []
    finish_reason: str | None = None
    step: Annotated[
        dict[str, Any] | None,
        Meta(description="Of `step`: its `type` (`tool_called`, `tool_returned` …) and its facts."),
    ] = None
    run: Annotated[RunBody | None, Meta(description="Of `end`: the run as it is stored.")] = None


class ListBody(Struct, Generic[T], kw_only=True):
    """A page of a listing."""

    object: Literal["list"] = "list"
    data: list[T]
    has_more: Annotated[bool, Meta(description="Whether there is more behind this page.")]
    next: Annotated[
        str | int | None,
        Meta(description="Send it as the cursor parameter of the same path for the page behind; null on the last."),
    ] = None
