"""Runs in the shapes of Powabase's clients: citations, chunks, calls of tools, usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from multiturn.api.powabase.names import write_chunk, write_run, write_session_id
from multiturn.api.powabase.run_wire import (
    PowabaseChunkBody,
    PowabaseCitationBody,
    PowabaseMessageOfRunBody,
    PowabaseRunBody,
    PowabaseToolCallBody,
    PowabaseUsageBody,
    RunStatus,
)
from multiturn.model.citation import Citation
from multiturn.model.content import Content, FunctionCall, Message, Reasoning
from multiturn.model.context import ContextRecord
from multiturn.model.ids import chunk_id
from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.run import Run
from multiturn.model.run import RunStatus as OurStatus
from multiturn.model.segment import Place
from multiturn.model.step import Step, ToolCall
from multiturn.model.usage import Usage

STATUSES: Mapping[OurStatus, RunStatus] = {
    "queued": "pending",
    "in_progress": "running",
    "waiting": "waiting_for_approval",
    "completed": "completed",
    "incomplete": "completed",
    "failed": "failed",
    "cancelled": "failed",
}
NOWHERE = Place()
KINDS: Mapping[str, str] = {"session": "recalled_message", "given": "given", "item": "full_document"}
CANCELLED = "The run was cancelled."
# The title of a text that a run was given instead of a search.
OVERRIDE = "Context"
EXCERPT_CHARS, PREVIEW_CHARS = 300, 200
Names = Mapping[UUID, str]


class Story(Struct, frozen=True, kw_only=True):
    """A run with what belongs to it: what was asked and said, its steps, and what was found for it."""

    run: Run
    input: Sequence[Content] = ()
    output: Sequence[Content] = ()
    steps: Sequence[Step] = ()
    retrieved: RetrievedContext | None = None


def read_words(said: str | list[dict[str, Any]] | None) -> str:
    """What a message says, in words."""
    if isinstance(said, list):
        return "".join(part["text"] for part in said if isinstance(part.get("text"), str))
    return said or ""


def read_answer(output: Sequence[Content]) -> Message:
    """The answer of a run, which may say nothing."""
    said = [one for one in output if isinstance(one, Message) and one.role == "assistant"]
    return said[-1] if said else Message("assistant", "")


def read_text(message: Message) -> str:
    """What an answer says: its words, or why it was refused."""
    return read_words(message.content) or str((message.extra or {}).get("refusal") or "")


def read_thoughts(output: Sequence[Content]) -> str:
    """What the model thought."""
    return "\n\n".join(one.text for one in output if isinstance(one, Reasoning) and one.text)


def is_asked(reasoning: ReasoningOptions | None) -> bool:
    """Whether the model was to think."""
    return reasoning is not None and reasoning.effort != "none"


def render_citations(answer: Message) -> list[PowabaseCitationBody]:
    """The citations of an answer: each key once, in the order of the text."""
    by_number = {one.number: one for one in reversed(answer.citations)}
    return [render_citation(one) for one in answer.citations if by_number[one.number] is one]


def render_citation(citation: Citation) -> PowabaseCitationBody:
    """What a marker stands for."""
    return PowabaseCitationBody(
        key=str(citation.number),
        item_id=write_chunk(citation.item_id, citation.chunk) if citation.item_id else None,
        source_id=str(citation.asset_id) if citation.asset_id else None,
        source_name=citation.title,
        text_excerpt=citation.quote[:EXCERPT_CHARS],
        meta={**citation.metadata, **write_place(citation.place)},
        knowledge_base_id=str(citation.store_id) if citation.store_id else None,
    )


def write_place(place: Place) -> dict[str, Any]:
    """Where a text stands in its file; only what there is."""
    facts = {"page": place.page, "heading": place.heading, "start_s": place.start_s, "end_s": place.end_s}
    return {name: value for name, value in facts.items() if value is not None}


def is_shown(retrieved: RetrievedContext, snippet: Snippet) -> bool:
    """Whether the model saw a snippet: in this turn, or still from one before."""
    return bool(retrieved.block) if snippet.omitted is None else snippet.omitted == "shown_already"


def render_chunk(snippet: Snippet, names: Names, *, shown: bool) -> PowabaseChunkBody:
    """A chunk that was found."""
    store_id = snippet.owner_id if snippet.owner_kind == "store" else None
    is_whole = snippet.chunk is None
    return PowabaseChunkBody(
        type=find_type(snippet),
        id=chunk_id(snippet.item_id, snippet.chunk) if snippet.item_id else None,
        key=None if snippet.number is None else str(snippet.number),
        text=snippet.text,
        score=snippet.score if snippet.reranked is None else snippet.reranked,
        retrieval_score=snippet.score,
        reranker_score=snippet.reranked,
        source_id=snippet.asset_id,
        source_name=snippet.title,
        knowledge_base_id=store_id,
        kb_name=names.get(store_id) if store_id else None,
        indexing_strategy="full_document" if is_whole else "chunk_embed",
        retrieval_method=find_method(snippet),
        meta=snippet.metadata if snippet.place == NOWHERE else {**snippet.metadata, **write_place(snippet.place)},
        included_in_context=shown,
        omitted=snippet.omitted,
    )


def find_type(snippet: Snippet) -> Any:
    """What a piece is: of a session's past, given with the run, a source as a whole, or a chunk of one."""
    return KINDS.get(snippet.source, "text_embedding_chunk")


def find_method(snippet: Snippet) -> str:
    """By what a piece was found."""
    if snippet.lexical and snippet.similarity is not None:
        return "hybrid"
    return "vector_search" if snippet.similarity is not None else "full_text"


def render_diagnostics(retrieved: RetrievedContext | None, record: ContextRecord | None) -> dict[str, Any]:
    """How many chunks there were, and which were shown."""
    snippets = retrieved.snippets if retrieved else ()
    shown = [index for index, one in enumerate(snippets) if retrieved and is_shown(retrieved, one)]
    facts = {
        "_type": "retrieval_diagnostics",
        "total_items": len(snippets),
        "items_included": len(shown),
        "items_dropped": len(snippets) - len(shown),
        "token_limit": record.budget if record else None,
        "estimated_tokens_used": retrieved.tokens if retrieved else 0,
        "included_indices": shown,
        "format_mode": "flat",
        "query": retrieved.query if retrieved else "",
    }
    given = [one for one in snippets if one.source == "given"]
    if not given:
        return facts
    return {**facts, "source": "manual_override" if given[0].title == OVERRIDE else "context_items"}


def list_chunks(retrieved: RetrievedContext | None, names: Names, *, with_recalled: bool) -> list[PowabaseChunkBody]:
    """The chunks that were found, shown or not; messages of the session's past among them where that is asked for."""
    return [
        render_chunk(one, names, shown=is_shown(retrieved, one))
        for one in (retrieved.snippets if retrieved else ())
        if retrieved and (with_recalled or one.source != "session")
    ]


def count_shown(retrieved: RetrievedContext | None) -> int:
    """How many chunks of knowledge a model was shown."""
    return sum(chunk.included_in_context for chunk in list_chunks(retrieved, {}, with_recalled=False))


def render_usage(usage: Usage | None) -> PowabaseUsageBody | None:
    """The tokens of a run."""
    if usage is None:
        return None
    return PowabaseUsageBody(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cached_tokens=usage.cached_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
    )


def list_calls(steps: Sequence[Step], output: Sequence[Content] = ()) -> list[PowabaseToolCallBody]:
    """The calls of a run in their order: those of our tools, and behind them those that the client is to execute."""
    calls = [render_call(step.number, call) for step in steps for call in step.calls]
    ours = {call.call_id for call in calls}
    theirs = [one for one in output if isinstance(one, FunctionCall) and one.call_id not in ours]
    last = steps[-1].number if steps else 1
    return calls + [
        render_call(last, ToolCall(call_id=one.call_id, name=one.name, arguments=one.arguments)) for one in theirs
    ]


def render_call(step: int, call: ToolCall) -> PowabaseToolCallBody:
    """A call of a tool."""
    return PowabaseToolCallBody(
        step=step,
        tool_name=call.name,
        call_id=call.call_id,
        arguments=read_arguments(call.arguments),
        result=call.result,
        duration_ms=call.duration_ms,
        is_error=call.is_error,
        approved=call.approved,
    )


def read_arguments(text: str) -> Any:
    """The arguments of a call as an object, where the model wrote one; else as it wrote them."""
    try:
        return msgspec.json.decode(text) if text else {}
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


def count_steps(story: Story) -> int:
    """How often the model was asked: a run without steps of its own asked once, unless it has not begun."""
    return len(story.steps) or int(story.run.status != "queued")


def render_run(story: Story) -> PowabaseRunBody:
    """A run as it is kept."""
    run, answer = story.run, read_answer(story.output)
    failed = STATUSES[run.status] == "failed"
    return PowabaseRunBody(
        id=str(run.id),
        run_id=write_run(run.id),
        session_id=write_session_id(run.session_id),
        context_handler_id=None,
        parent_orchestration_run_id=None,
        parent_workflow_execution_id=None,
        status=STATUSES[run.status],
        input_messages=[render_input(one) for one in story.input if isinstance(one, Message)],
        output_messages=[render_output(story, answer)] if story.output else [],
        content=read_text(answer) if story.output else None,
        usage=render_usage(run.usage),
        error=find_error(run) if failed else None,
        started_at=run.started_at,
        completed_at=run.ended_at,
        created_at=run.created_at,
        steps=count_steps(story),
        events=list_events(story),
        tool_calls=list_calls(story.steps, story.output),
        reasoning_steps=[render_step(step) for step in story.steps if step.text.strip() or step.calls],
        agent_id=str(run.agent.id) if run.agent else None,
        model=run.model,
        cost_usd=run.cost_usd,
        citations=render_citations(answer) or None,
    )


def find_error(run: Run) -> str:
    """Why a run has no answer."""
    return run.error.message if run.error else CANCELLED


def render_input(message: Message) -> PowabaseMessageOfRunBody:
    """What was asked."""
    return PowabaseMessageOfRunBody(role=message.role, content=read_words(message.content))


def render_output(story: Story, answer: Message) -> PowabaseMessageOfRunBody:
    """What was answered."""
    calls = [one for one in story.output if isinstance(one, FunctionCall)]
    return PowabaseMessageOfRunBody(
        role="assistant",
        content=read_text(answer),
        tool_calls=[write_call(call) for call in calls] or None,
        reasoning=render_thoughts(read_thoughts(story.output)),
        reasoning_requested=True if is_asked(story.run.reasoning) else None,
    )


def render_thoughts(text: str) -> dict[str, Any] | None:
    """What the model thought, where that was kept."""
    return {"source": "thinking", "content": text} if text else None


def write_call(call: FunctionCall) -> dict[str, Any]:
    """A call as OpenAI writes it."""
    said = {"name": call.name, ("input" if call.kind == "custom" else "arguments"): call.arguments}
    return {"id": call.call_id, "type": call.kind, call.kind: said}


def render_step(step: Step) -> dict[str, Any]:
    """A step in short: what was said in it, and which tools it called."""
    facts: dict[str, Any] = {"step": step.number}
    if step.text.strip():
        facts["content"] = step.text.strip()
    if step.calls:
        facts["tool_calls"] = [call.name for call in step.calls]
    return facts


def list_events(story: Story) -> list[dict[str, Any]]:
    """What happened in a run's steps, in the words of its stream but for the pieces of its text."""
    return [event for step in story.steps for event in list_step_events(step)]


def list_step_events(step: Step) -> list[dict[str, Any]]:
    """What happened in one step."""
    events: list[dict[str, Any]] = []
    if step.reasoning:
        events.append({"event": "reasoning", "step": step.number, "source": "thinking", "content": step.reasoning})
    for call in step.calls:
        facts = {"step": step.number, "tool_name": call.name, "call_id": call.call_id}
        events.append({"event": "tool_call", **facts, "arguments": read_arguments(call.arguments)})
        if call.result is not None:
            preview = {"result_preview": call.result[:PREVIEW_CHARS], "duration_ms": call.duration_ms}
            events.append({"event": "tool_result", **facts, **preview})
    return events
