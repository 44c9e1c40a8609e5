"""Responses as Jockey's clients read them: the answer with its citations, and the steps on the way to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from multiturn.api.jockey import names
from multiturn.api.jockey.citations import render_citations
from multiturn.api.jockey.media import Media
from multiturn.api.jockey.render_assets import write_time
from multiturn.api.jockey.response_wire import (
    ItemStatus,
    JockeyFailureBody,
    JockeyIncompleteBody,
    JockeyOutputBody,
    JockeyPartBody,
    JockeyResponseBody,
    JockeyUsageBody,
)
from multiturn.errors import MultiturnError
from multiturn.model.asset import Asset
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.run import Run, RunStatus
from multiturn.model.usage import Usage

# What a turn does before the model is asked, told as the call of a tool.
SEARCH = "search_knowledge_store"
STATUSES: Mapping[RunStatus, ItemStatus] = {
    "queued": "in_progress",
    "in_progress": "in_progress",
    "waiting": "in_progress",
    "completed": "completed",
    "incomplete": "incomplete",
    "cancelled": "incomplete",
    "failed": "failed",
}
REASONS = {"length": "max_output_tokens", "cancelled": "cancelled"}


class Frame(Struct, frozen=True, kw_only=True):
    """What every response of a run says: its run, its store, the session's name, and what to echo.

    ``with_steps``: the steps are shown.
    """

    run: Run
    store_id: UUID | None
    session: str
    model: str | None = None
    with_steps: bool = False

    @property
    def message_id(self) -> str:
        """The id of the answer."""
        return names.write_message(self.run.session_id, self.run.ticket)


class Shown(Struct, frozen=True):
    """What citations are told with: the files that they name, as far as these are there, and links to them."""

    assets: Mapping[UUID, Asset]
    media: Media


def render_begun(frame: Frame) -> JockeyResponseBody:
    """A response that has just begun."""
    return JockeyResponseBody(
        id=names.write_response(frame.run.id),
        type="response",
        same_type="response",
        status="in_progress",
        incomplete_details=None,
        session_id=frame.session,
        knowledge_store_id=names.write_store(frame.store_id) if frame.store_id else "",
        output=[],
        created_at=write_time(frame.run.created_at),
        model=frame.model,
    )


def render_ended(frame: Frame, run: Run, output: Sequence[JockeyOutputBody]) -> JockeyResponseBody:
    """A response as it ended."""
    status = STATUSES[run.status]
    details = JockeyIncompleteBody(reason=find_reason(run)) if status == "incomplete" else None
    begun = render_begun(frame)
    return replace(begun, status=status, incomplete_details=details, output=list(output), usage=render_usage(run.usage))


def render_failed(frame: Frame, error: MultiturnError) -> JockeyResponseBody:
    """A response that failed."""
    failure = JockeyFailureBody(code=error.code, message=error.message)
    return replace(render_begun(frame), status="failed", usage=render_usage(None), error=failure)


def find_reason(run: Run) -> str:
    """Why an answer is not whole."""
    return REASONS.get(run.finish_reason or run.status, run.finish_reason or "cancelled")


def render_usage(usage: Usage | None) -> JockeyUsageBody:
    """Tokens; clients print them without asking whether they are there."""
    return JockeyUsageBody(
        input_tokens=usage.input_tokens if usage else 0, output_tokens=usage.output_tokens if usage else 0
    )


def read_answer(output: Sequence[Content]) -> Message:
    """The answer among what a run said; an empty one when it said nothing."""
    found = [content for content in output if isinstance(content, Message)]
    return found[-1] if found else Message("assistant", "")


def read_words(message: Message) -> str:
    """What a message says in words: a text, the texts of its parts, or why it does not answer."""
    if isinstance(message.content, list):
        return "".join(part["text"] for part in message.content if isinstance(part.get("text"), str))
    return message.content or str((message.extra or {}).get("refusal") or "")


def render_message(frame: Frame, message: Message, status: ItemStatus, shown: Shown) -> JockeyOutputBody:
    """The answer with its citations."""
    annotations = render_citations(message.citations, shown.assets, shown.media)
    part = JockeyPartBody(text=read_words(message), annotations=annotations)
    return open_message(frame, status=status, part=part)


def open_message(frame: Frame, *, status: ItemStatus, part: JockeyPartBody) -> JockeyOutputBody:
    """The answer's item with a part."""
    return JockeyOutputBody(
        type="message", id=frame.message_id, status=status, role="assistant", phase="final_answer", content=[part]
    )


def list_steps(frame: Frame, output: Sequence[Content], retrieved: RetrievedContext | None) -> list[JockeyOutputBody]:
    """The calls of a run and their results; where it made none, what was looked up for it."""
    steps = [step for content in output if (step := render_step(content))]
    return steps or (render_retrieved(frame, retrieved) if retrieved else [])


def render_step(content: Content) -> JockeyOutputBody | None:
    """A call or its result."""
    if isinstance(content, FunctionCall):
        return render_call(content.call_id, content.name, content.arguments)
    if isinstance(content, FunctionCallOutput):
        said = content.output if isinstance(content.output, str) else msgspec.json.encode(content.output).decode()
        return render_result(content.call_id, said)
    return None


def render_call(call_id: str, name: str, arguments: str) -> JockeyOutputBody:
    """A call."""
    return JockeyOutputBody(
        type="function_call", id=f"fc_{call_id}", status="completed", name=name, call_id=call_id, arguments=arguments
    )


def render_result(call_id: str, output: str) -> JockeyOutputBody:
    """What a call gave."""
    return JockeyOutputBody(
        type="function_call_output", id=f"fco_{call_id}", status="completed", call_id=call_id, output=output
    )


def render_retrieved(frame: Frame, retrieved: RetrievedContext) -> list[JockeyOutputBody]:
    """What was looked up before the model was asked."""
    call_id = f"call_{frame.run.id.hex}"
    store = {"knowledge_store_id": names.write_store(frame.store_id)} if frame.store_id else {}
    arguments = msgspec.json.encode({"query": retrieved.query, **store}).decode()
    found = [render_source(snippet) for snippet in retrieved.snippets if snippet.source != "session"]
    return [
        render_call(call_id, SEARCH, arguments),
        render_result(call_id, msgspec.json.encode({"sources": found}).decode()),
    ]


def render_source(snippet: Snippet) -> dict[str, Any]:
    """A source that was found; what is not known of it is left out."""
    place = snippet.place
    facts: dict[str, Any] = {
        "number": snippet.number,
        "item_id": names.write_item(snippet.item_id) if snippet.item_id else None,
        "title": snippet.title,
        "start_sec": place.start_s,
        "end_sec": place.end_s,
        "page": place.page,
        "text": snippet.text,
        "score": round(snippet.score, 6),
        "omitted": snippet.omitted,
    }
    return {name: value for name, value in facts.items() if value is not None}
