"""A turn as Julep's client hears it: whole, or in chunks, each with a role, a finish reason and the documents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from multiturn.api.envelopes import JULEP
from multiturn.api.julep.chat_wire import (
    JulepAnswerBody,
    JulepChatResponseBody,
    JulepChoiceBody,
    JulepChunkBody,
    JulepChunkChoiceBody,
    JulepDeltaBody,
    JulepUsageBody,
)
from multiturn.api.julep.history import write_call
from multiturn.api.julep.wire import JulepDocReferenceBody
from multiturn.api.sse import write_frame
from multiturn.errors import MultiturnError
from multiturn.model.completion import Delta, ToolCallDelta
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message
from multiturn.model.event import Ended, Event, Spoke
from multiturn.model.run import Run
from multiturn.model.usage import Usage

encode = msgspec.json.Encoder().encode
Docs = list[JulepDocReferenceBody]
FindDocs = Callable[[], Awaitable[Docs]]


async def wait_end(first: Event, events: AsyncGenerator[Event]) -> Ended:
    """The end of a run. Raises what it failed with."""
    event = first
    async with aclosing(events):
        while not isinstance(event, Ended):
            event = await anext(events)
    if event.error:
        raise event.error
    return event


def write_answer_body(ended: Ended, docs: Docs) -> bytes:
    """An answer in one piece."""
    run, answer = ended.run, write_answer(ended.output)
    choice = JulepChoiceBody(message=answer, finish_reason=run.finish_reason or "stop", tool_calls=answer.tool_calls)
    body = JulepChatResponseBody(
        id=str(run.id), created_at=run.created_at, docs=docs, usage=write_usage(run.usage), choices=[choice]
    )
    return encode(body)


def write_answer(output: Sequence[Content]) -> JulepAnswerBody:
    """What the model said, as one message."""
    message = next((content for content in output if isinstance(content, Message)), None)
    said = (message.content or (message.extra or {}).get("refusal")) if message else None
    # What the server called itself is answered in the output.
    answered = {content.call_id for content in output if isinstance(content, FunctionCallOutput)}
    calls = [
        write_call(content)
        for content in output
        if isinstance(content, FunctionCall) and content.call_id not in answered
    ]
    return JulepAnswerBody(content=said, tool_calls=calls or None)


def write_usage(usage: Usage | None) -> JulepUsageBody | None:
    """Usage in the names of Julep."""
    if usage is None:
        return None
    total = usage.input_tokens + usage.output_tokens
    return JulepUsageBody(prompt_tokens=usage.input_tokens, completion_tokens=usage.output_tokens, total_tokens=total)


async def write_chunks(
    run: Run, find_docs: FindDocs, first: Event, events: AsyncGenerator[Event]
) -> AsyncGenerator[bytes]:
    """The frames of a run. The last one, which has the usage, is written when the turn is stored."""
    event, spoke, docs = first, False, await find_docs()
    async with aclosing(events):
        while not isinstance(event, Ended):
            if isinstance(event, Spoke) and (told := [delta for delta in event.deltas if says_something(delta)]):
                spoke = True
                yield b"".join([write_chunk(run, write_delta(delta), docs) for delta in told])
            event = await anext(events)
    if event.error:
        raise event.error
    answer = JulepAnswerBody(content="") if spoke else write_answer(event.output)
    delta = JulepDeltaBody(content=as_text(answer.content), tool_calls=answer.tool_calls)
    reason = event.run.finish_reason or "stop"
    yield write_chunk(run, delta, docs, finish_reason=reason, usage=write_usage(event.run.usage))


def says_something(delta: Delta) -> bool:
    """Whether a piece has anything to tell: what a model thinks is not told in this dialect."""
    return bool(delta.text or delta.refusal or delta.tool_calls)


def write_delta(delta: Delta) -> JulepDeltaBody:
    """A piece of an answer."""
    calls = [write_call_delta(call) for call in delta.tool_calls]
    return JulepDeltaBody(content=delta.text or delta.refusal or None, tool_calls=calls or None)


def write_call_delta(call: ToolCallDelta) -> dict[str, Any]:
    """A piece of a tool call; a name that is null would not be read as one by the client."""
    said = {"name": call.name or "", ("input" if call.kind == "custom" else "arguments"): call.arguments}
    return {"index": call.index, "id": call.id, "type": call.kind, call.kind: said}


def write_chunk(
    run: Run, delta: JulepDeltaBody, docs: Docs, *, finish_reason: str = "stop", usage: JulepUsageBody | None = None
) -> bytes:
    """A piece of an answer as a frame."""
    choice = JulepChunkChoiceBody(delta=delta, finish_reason=finish_reason, tool_calls=delta.tool_calls)
    body = JulepChunkBody(id=str(run.id), created_at=run.created_at, docs=docs, usage=usage, choices=[choice])
    return write_frame(encode(body))


def as_text(said: str | list[dict[str, Any]] | None) -> str | None:
    """What was said in words."""
    if isinstance(said, list):
        return "".join([part["text"] for part in said if isinstance(part.get("text"), str)])
    return said


def write_error(error: MultiturnError) -> bytes:
    """The last frame of a stream that failed."""
    return b"event: error\n" + write_frame(encode(JULEP.write(error)))
