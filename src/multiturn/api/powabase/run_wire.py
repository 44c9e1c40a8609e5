"""The shapes of Powabase's runs: what is asked, what a stream tells, and what is kept (contracts/powabase 2.2, 2.3)."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct, field

from multiturn.api.powabase.context_wire import PowabaseContextFields
from multiturn.api.powabase.wire import Id, Time

RunStatus = Literal["pending", "running", "waiting_for_approval", "completed", "failed"]
TIMEOUT_MAX_S = 86_400
Seconds = Annotated[float, Meta(gt=0, le=TIMEOUT_MAX_S)]
HandlerId = Annotated[str | None, Meta(description="The context handler that the run rests on.")]


class PowabaseRunOrderBody(PowabaseContextFields, kw_only=True, omit_defaults=True):
    """A run: the new message, the session that it goes on, and what its answer is to rest on."""

    message: Annotated[str, Meta(description="What the user says.")]
    session_id: Annotated[
        Id | None, Meta(description="The session to go on. A name that is new makes one; left out, one is made.")
    ] = None
    temperature: float | None = None
    response_format: Annotated[dict[str, Any] | None, Meta(description="As OpenAI's; the model gets it.")] = None
    reasoning_requested: Annotated[
        bool | None, Meta(description="Whether the model is to think. Left out: as its agent says.")
    ] = None
    timeout_seconds: Annotated[
        Seconds | None, Meta(description="How long the run may take. Left out: as its agent says.")
    ] = None


class PowabaseUsageBody(Struct, kw_only=True):
    """The tokens of a run."""

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cached_tokens: int
    total_tokens: int


class PowabaseCitationBody(Struct, kw_only=True):
    """A marker `[key]` in an answer and the chunk that it stands for. It stays readable when the source is deleted."""

    key: str
    item_id: Annotated[str | None, Meta(description="The chunk: the `id` that it has in the retrieved context.")]
    source_id: str | None
    source_name: str
    text_excerpt: Annotated[str, Meta(description="What the sentence rests on, at most 300 characters.")]
    meta: Annotated[dict[str, Any], Meta(description="The source's metadata, with the `page` or seconds of the place.")]
    knowledge_base_id: str | None = None


class PowabaseChunkBody(Struct, kw_only=True, omit_defaults=True):
    """A chunk that was found for a run, shown to its model or not."""

    type: Annotated[
        Literal["text_embedding_chunk", "full_document", "recalled_message", "given"],
        Meta(description="A chunk; a source as a whole; a message of this session; a text that the run brought."),
    ] = field(name="_type")
    id: UUID | None
    key: Annotated[str | None, Meta(description="What the answer cites it by.")] = None
    text: str
    score: Annotated[float, Meta(description="The reranker's score, else the search's.")]
    retrieval_score: float
    reranker_score: float | None
    source_id: UUID | None
    source_name: str | None
    knowledge_base_id: UUID | None
    kb_name: str | None
    indexing_strategy: str
    retrieval_method: str
    meta: dict[str, Any]
    included_in_context: bool
    omitted: Annotated[
        str | None,
        Meta(description="Why it was not shown now: `budget`, `below_threshold`, or `shown_already` in this session."),
    ] = None


class PowabaseToolCallBody(Struct, kw_only=True):
    """A call of a tool, with its whole result."""

    step: int
    tool_name: str
    call_id: str
    arguments: Any
    result: Any
    duration_ms: float | None
    is_error: bool
    approved: Annotated[bool | None, Meta(description="What a person said who was asked; null: nobody was.")]


class PowabaseRunAnswerBody(Struct, kw_only=True, omit_defaults=True):
    """A run that has ended, or that waits for a person's word."""

    run_id: str
    session_id: str
    context_handler_id: HandlerId
    content: str
    error: str | None
    usage: PowabaseUsageBody | None
    retrieved_items: Annotated[int, Meta(description="How many chunks the model was shown.")]
    status: RunStatus
    is_new_session: bool
    steps: int
    tool_calls: list[PowabaseToolCallBody]
    citations: list[PowabaseCitationBody] | None = None


class PowabaseMessageOfRunBody(Struct, kw_only=True, omit_defaults=True):
    """A message of a run."""

    role: str
    content: str
    tool_calls: list[dict[str, Any]] | None = None
    reasoning: dict[str, Any] | None = None
    reasoning_requested: bool | None = None


class PowabaseRunBody(Struct, kw_only=True, omit_defaults=True):
    """A run as it is kept, whatever became of it."""

    id: str
    run_id: str
    session_id: str | None
    context_handler_id: HandlerId
    parent_orchestration_run_id: str | None
    parent_workflow_execution_id: str | None
    status: RunStatus
    input_messages: list[PowabaseMessageOfRunBody]
    output_messages: list[PowabaseMessageOfRunBody]
    content: str | None
    usage: PowabaseUsageBody | None
    error: str | None
    started_at: Time | None
    completed_at: Time | None
    created_at: Time
    steps: int
    events: list[dict[str, Any]]
    tool_calls: list[PowabaseToolCallBody]
    reasoning_steps: list[dict[str, Any]]
    agent_id: str | None
    model: str
    cost_usd: float | None
    retrieved_context: list[dict[str, Any]] | None = None
    citations: list[PowabaseCitationBody] | None = None


class PowabaseApprovalBody(Struct, kw_only=True, omit_defaults=True):
    """A person's word about a call that waits."""

    approved: bool
    reason: Annotated[str | None, Meta(description="The model is told it with a no.")] = None
    call_id: Annotated[
        str | None, Meta(description="Which call is meant. Left out: the one that has waited longest.")
    ] = None


class PowabaseApprovedBody(Struct, kw_only=True):
    """The word was taken: the run goes on when all its calls have one."""

    status: Literal["resumed"] = "resumed"


class PowabaseEventBody(Struct, kw_only=True, omit_defaults=True):
    """An event of a stream; `event` says which, and which fields it has."""

    event: str
    type: str | None = None
    run_id: str | None = None
    session_id: str | None = None
