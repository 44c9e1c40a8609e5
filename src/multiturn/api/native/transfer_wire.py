"""The lines of an exported session, and what an import answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from multiturn.api.auth import ID_CHARS_MAX
from multiturn.api.message_shapes import Said
from multiturn.api.native.query import NUMBER_MAX
from multiturn.api.native.session_wire import Expiry, SessionBody
from multiturn.api.policy import TOKENS_MAX, RecallOptionsBody, Tokens
from multiturn.model.citation import Selection
from multiturn.model.content import Content, Summary
from multiturn.model.context import ContextRecord, WindowState
from multiturn.model.item import ItemStatus
from multiturn.model.policy import OverflowStrategy
from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.run import RunError
from multiturn.model.step import Step
from multiturn.model.usage import Usage

Time = Annotated[datetime, Meta(tz=True)]
Number = Annotated[int, Meta(ge=0, le=NUMBER_MAX)]
Seq = Annotated[int, Meta(ge=1, le=NUMBER_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]
Seqs = tuple[Seq, Seq]
COST_MAX = 1_000_000


class SettingsPart(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is set of a session: as its body has it, its agents and users by our ids."""

    agents: tuple[UUID, ...] = ()
    users: tuple[UUID, ...] = ()
    context_overflow: OverflowStrategy | None = None
    token_budget: Annotated[int, Meta(ge=1, le=TOKENS_MAX)] | None = None
    recall: bool | None = None
    recall_tokens: Tokens | None = None
    recall_options: RecallOptionsBody | None = None
    model: Name | None = None
    situation: str | None = None
    system_template: str | None = None
    render_templates: bool = False
    store_ids: tuple[UUID, ...] = ()
    selections: tuple[Selection, ...] = ()
    wire: dict[str, Any] = {}


class SessionLine(Struct, kw_only=True, tag="session", tag_field="type", forbid_unknown_fields=True):
    """The first line of an exported session. ``head`` is the last ``seq`` stored, ``path`` the active branch, ``cut``
    the first item that the model is still shown, ``window`` what it is shown besides.
    """

    version: Literal[1] = 1
    id: UUID
    external_id: Name | None = None
    created_at: Time
    active_at: Time
    idle_expiry_s: Expiry | None = None
    instructions: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] = {}
    settings: SettingsPart
    head: Number
    path: tuple[Seqs, ...] = ()
    cut: Seq = 1
    cleared: Number = 0
    window: WindowState = WindowState()
    pending_summary: Summary | None = None


class ItemLine(Struct, kw_only=True, tag="item", tag_field="type", forbid_unknown_fields=True):
    """An item as it is stored."""

    seq: Seq
    run_id: UUID
    created_at: Time
    tokens: Number
    status: ItemStatus = "completed"
    content: Content


class AgentPart(Struct):
    """The agent that answered, as it was then."""

    id: UUID
    version: Number


class RunLine(Struct, kw_only=True, tag="run", tag_field="type", forbid_unknown_fields=True, omit_defaults=True):
    """A run that has ended. ``ticket`` is its place in the session; ``steps`` are what it did where it called tools,
    ``context`` is what its model was shown, ``retrieved`` what was found for it, whose block stands in the message
    ``retrieved_at``.
    """

    id: UUID
    ticket: Seq
    status: Literal["completed", "incomplete", "failed", "cancelled"]
    model: str
    created_at: Time
    started_at: Time | None = None
    ended_at: Time | None = None
    input_items: Seqs | None = None
    output_items: Seqs | None = None
    input: tuple[Content, ...] = ()
    output: tuple[Content, ...] = ()
    settings: dict[str, Any] = {}
    labels: dict[str, Any] = {}
    usage: Usage | None = None
    error: RunError | None = None
    finish_reason: str | None = None
    first_token_ms: Number | None = None
    agent: AgentPart | None = None
    reasoning: ReasoningOptions | None = None
    cost_usd: Annotated[float, Meta(ge=0, le=COST_MAX)] | None = None
    steps: tuple[Step, ...] = ()
    context: ContextRecord | None = None
    retrieved: RetrievedContext | None = None
    retrieved_at: Seq | None = None


class DocumentLine(Struct, kw_only=True, tag="document", tag_field="type", forbid_unknown_fields=True):
    """A document of the session; the index that it is searched by is made anew."""

    id: UUID
    created_at: Time
    title: str
    content: str | tuple[str, ...]
    metadata: dict[str, Any] = {}
    language: str = "english"


class EndLine(Struct, kw_only=True, tag="end", tag_field="type", forbid_unknown_fields=True):
    """The last line: what stands before it is all there is."""

    items: Number
    runs: Number
    documents: Number


Line = SessionLine | ItemLine | RunLine | DocumentLine | EndLine


class ImportLine(Struct, kw_only=True, omit_defaults=True):
    """A line of what is imported: a chat message, as it is here, with all its fields; or a line of an export."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Said = None
    created_at: Annotated[
        Annotated[datetime, Meta(tz=True)] | float | None,
        Meta(description="When it was said, ISO 8601 or in seconds since 1970; else when the one before it was."),
    ] = None


class ImportedSession(Struct, kw_only=True):
    """A session that an import has made."""

    id: Annotated[str, Meta(description="Our id of the session.")]
    external_id: Annotated[str | None, Meta(description="The id that it has at the client.")]
    items: Annotated[int, Meta(description="How many items it has.")]


class LeftOutBody(Struct, kw_only=True):
    """What was not imported."""

    where: Annotated[str, Meta(description="Where it stands in what was sent.")]
    what: Annotated[str, Meta(description="What it is.")]
    why: Annotated[str, Meta(description="Why it was left out.")]


class ImportBody(SessionBody, kw_only=True):
    """The session that was imported, the first one where there were several."""

    imported: Annotated[list[ImportedSession], Meta(description="All sessions that were imported, in their order.")]
    left_out: Annotated[list[LeftOutBody], Meta(description="What was not imported, and why.")]
