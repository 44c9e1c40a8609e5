"""A turn on its way: what is asked, the lease that it holds, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Raw, Struct

from multiturn.model.citation import Grounding
from multiturn.model.content import Content, Summary
from multiturn.model.context import ContextRecord, WindowState
from multiturn.model.event import EventBatch
from multiturn.model.item import Item, Range
from multiturn.model.policy import ContextPolicy
from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.run import AgentVersion, Run, RunError, RunStatus
from multiturn.model.session import Concurrency, OnDisconnect, Session, SessionKey
from multiturn.model.step import Step, ToolCall
from multiturn.model.usage import Usage


class IdempotencyKey(Struct, frozen=True):
    """A key under which a request may be repeated, on one route."""

    route: str
    key: str


class TurnOrder(Struct, frozen=True, kw_only=True):
    """What a dialect asks of a turn, parsed.

    ``instructions`` is None to keep the session's own, else the JSON of the leading messages that replace them.
    ``is_aligned`` says that the input may repeat the history (chat completions). ``digest`` is a hash of the body:
    the same body again is how a retry is known. ``output_tokens_max`` is what the answer may take of the window.
    ``policy`` is what this turn sets of its context, ``agent_id`` which of the session's agents answers;
    ``template_values`` are what templates know as ``metadata``.

    ``grounding`` is the knowledge store that the answer is to rest on, where the request names one;
    ``turn_instructions`` stand behind the instructions for this turn only; ``schema`` is a JSON schema that the whole
    answer is to fit. ``reasoning`` is how much the model is to think, ``seconds_max`` how long the run may take; None
    leaves either to the agent.
    """

    input: tuple[Content, ...]
    model: str
    digest: bytes
    fields: Mapping[str, Raw] = {}
    instructions: str | None = None
    output_tokens_max: int | None = None
    is_streamed: bool = False
    is_aligned: bool = False
    is_stored: bool = True
    is_retry: bool = False
    idempotency: IdempotencyKey | None = None
    concurrency: Concurrency | None = None
    on_disconnect: OnDisconnect | None = None
    policy: ContextPolicy | None = None
    agent_id: UUID | None = None
    template_values: Mapping[str, Any] = {}
    idle_expiry_s: int | None = None
    labels: Mapping[str, str] = {}
    grounding: Grounding | None = None
    turn_instructions: str | None = None
    schema: dict[str, Any] | None = None
    reasoning: ReasoningOptions | None = None
    seconds_max: float | None = None


class RunOrder(Struct, frozen=True, kw_only=True):
    """What the store needs to begin a run: the session is found or made, the run and its input become durable."""

    run_id: UUID
    server_id: UUID
    session: SessionKey
    new_session_id: UUID
    turn: TurnOrder
    concurrency: Concurrency
    idle_expiry_s: int | None
    queue_max: int
    now: datetime


class Lease(Struct, frozen=True, kw_only=True):
    """The right to be the one turn of a session; a later lease has a higher ``fencing`` number and ends this one."""

    tenant_id: UUID
    session_id: UUID
    run_id: UUID
    fencing: int


class Begun(Struct, frozen=True, kw_only=True):
    """How a run began.

    ``running``: it holds the lease. ``queued``: it waits. ``joined``: it is an earlier run, asked for again.
    ``blocking_run_id`` is the run that holds the session when this one waits.
    """

    state: Literal["running", "queued", "joined"]
    session: Session
    run: Run
    lease: Lease | None = None
    blocking_run_id: UUID | None = None


class Ending(Struct, frozen=True, kw_only=True):
    """What a turn leaves behind, stored in one transaction.

    ``items`` enter the history behind ``after``; ``path``, ``cut`` and ``instructions`` are the session's from then
    on (None: unchanged). ``input`` and ``output`` stay with a run that does not enter the history; an input of None
    stays as it was stored. ``shown`` is the state of the session's window from then on, ``context`` what the model was
    shown, ``retrieved`` what was found for it and ``retrieved_at`` the message that it stands in; ``summary`` is the
    one made ahead of need that has become an item.
    """

    status: RunStatus
    ended_at: datetime
    after: int
    items: Sequence[Item] = ()
    path: tuple[Range, ...] | None = None
    cut: int | None = None
    instructions: str | None = None
    input_items: Range | None = None
    output_items: Range | None = None
    input: tuple[Content, ...] | None = None
    output: tuple[Content, ...] = ()
    usage: Usage | None = None
    error: RunError | None = None
    finish_reason: str | None = None
    first_token_ms: int | None = None
    events: tuple[EventBatch, ...] = ()
    shown: WindowState | None = None
    context: ContextRecord | None = None
    retrieved: RetrievedContext | None = None
    retrieved_at: int | None = None
    summary: Summary | None = None
    agent: AgentVersion | None = None
    steps: Sequence[Step] = ()
    reasoning: ReasoningOptions | None = None
    cost_usd: float | None = None


class Waiting(Struct, frozen=True, kw_only=True):
    """What a run leaves behind that waits for a person's word: ``state`` is all that it needs to go on, on any server.

    ``calls`` are those that wait; nobody's word by ``expires_at`` is a no. ``agent`` is whose they are.
    """

    asked_at: datetime
    expires_at: datetime
    calls: tuple[ToolCall, ...]
    state: bytes
    steps: Sequence[Step] = ()
    events: tuple[EventBatch, ...] = ()
    agent: AgentVersion | None = None


class Decision(Struct, frozen=True, kw_only=True):
    """A person's word about the call ``call_id``: whether it may run, and why."""

    call_id: str
    approved: bool
    reason: str | None = None


class TakenUp(Struct, frozen=True, kw_only=True):
    """A run that waited, behind a person's word: ``begun`` when it goes on, with its ``state``; else ``calls`` are
    those that still wait.
    """

    calls: tuple[ToolCall, ...] = ()
    begun: Begun | None = None
    state: bytes = b""
    decisions: tuple[Decision, ...] = ()
