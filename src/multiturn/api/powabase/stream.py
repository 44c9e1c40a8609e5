"""A run as a stream of Powabase's events: ``start`` first, ``complete`` last, a comment whenever nothing was told."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any

import msgspec
from msgspec import Struct

from multiturn.api.envelopes import POWABASE
from multiturn.api.powabase.names import write_run
from multiturn.api.powabase.render_run import (
    STATUSES,
    Story,
    count_shown,
    count_steps,
    list_calls,
    read_answer,
    read_arguments,
    read_text,
    render_citations,
    render_usage,
)
from multiturn.api.sse import write_frame
from multiturn.errors import MultiturnError
from multiturn.model.event import Ended, Event, Spoke, Stepped
from multiturn.model.run import Run
from multiturn.model.step import (
    ApprovalAsked,
    ApprovalGiven,
    Happening,
    ReasoningDropped,
    StepEnded,
    StepStarted,
    ToolCalled,
    ToolReturned,
    ToolsMissing,
)

encode = msgspec.json.Encoder().encode
KEEPALIVE = b": keepalive\n\n"
THINKING = "thinking"

TellStory = Callable[[Ended], Awaitable[Story]]
WaitAsked = Callable[[], Awaitable[object]]


class Frame(Struct, frozen=True, kw_only=True):
    """What all events of a run say: its run, its session, whether that is new, whether the model was to think."""

    run: Run
    session: str
    is_new: bool
    is_thinking: bool = False
    handler_id: str | None = None


class RunWriter:
    """Writes the frames of one run. A run of one step without tools is told with that step."""

    def __init__(self, frame: Frame, tell_story: TellStory, wait_asked: WaitAsked) -> None:
        self.frame = frame
        self.tell_story = tell_story
        self.wait_asked = wait_asked
        self.step = 0
        self.is_open = False
        self.thoughts: list[str] = []

    async def write(self, events: AsyncGenerator[Event | None]) -> AsyncGenerator[bytes]:
        """The frames of a run from its beginning; None among its events is a silence."""
        yield self._begin()
        async with aclosing(events):
            async for event in events:
                if event is None:
                    yield KEEPALIVE
                elif isinstance(event, Ended):
                    yield b"".join(self._end(event, await self.tell_story(event)))
                else:
                    if isinstance(event, Stepped) and isinstance(event.what, ApprovalAsked):
                        await self.wait_asked()
                    if told := b"".join(self._tell(event)):
                        yield told

    def write_error(self, error: MultiturnError) -> bytes:
        """The last frames of a stream that breaks off: the run may go on."""
        return b"".join(self._fail(POWABASE.write(error)["error"], status="running"))

    def _begin(self) -> bytes:
        facts = {"context_handler_id": self.frame.handler_id, "reasoning_requested": self.frame.is_thinking}
        return self._event("start", **self._name(), **facts)

    def _tell(self, event: Event) -> Iterator[bytes]:
        """The frames of one event."""
        if isinstance(event, Stepped):
            yield from self._happen(event.what)
        elif isinstance(event, Spoke):
            for delta in event.deltas:
                if delta.reasoning:
                    yield from self._open()
                    self.thoughts.append(delta.reasoning)
                    facts = {"step": self.step, "source": THINKING, "delta": delta.reasoning}
                    yield self._event("reasoning_delta", **facts)
                if text := delta.text or delta.refusal:
                    yield from self._open()
                    yield self._event("content_delta", type="content_delta", delta=text)

    def _open(self) -> Iterator[bytes]:
        """Begin the only step of a run that tells of none."""
        if self.step == 0:
            self.step, self.is_open = 1, True
            yield self._event("step_started", step=1, is_last_step=True)

    def _happen(self, what: Happening) -> Iterator[bytes]:
        match what:
            case StepStarted(step=step, is_last=is_last):
                self.step, self.is_open = step, True
                yield self._event("step_started", step=step, is_last_step=is_last)
            case StepEnded(step=step, finish_reason=reason, has_calls=has_calls):
                yield from self._close(reason, has_calls=has_calls)
            case ToolCalled(step=step, call_id=call_id, name=name, arguments=arguments):
                yield from self._think()
                facts = {"step": step, "tool_name": name, "arguments": read_arguments(arguments), "call_id": call_id}
                yield self._event("tool_call", **facts)
            case ToolReturned():
                yield self._tell_result(what)
            case ApprovalAsked(call_id=call_id, name=name, arguments=arguments):
                yield from self._think()
                path = f"/api/agents/runs/{write_run(self.frame.run.id)}/approve"
                text = f"The tool '{name}' waits for a person's word: POST {path}"
                facts = {"tool_name": name, "tool_input": read_arguments(arguments), "message": text}
                yield self._event("approval_requested", step=what.step, call_id=call_id, **facts)
            case ApprovalGiven(call_id=call_id, name=name, approved=approved, reason=reason):
                facts = {"tool_name": name, "call_id": call_id, "approved": approved, "reason": reason}
                yield self._event("hook_result", hook_event="PreToolUse", type="approval", step=what.step, **facts)
            case ToolsMissing(label=label, reason=reason):
                yield self._event("tools_missing", source=label, message=reason)
            case ReasoningDropped(from_provider=before, to_provider=after):
                facts = {"from_provider": before, "to_provider": after}
                yield self._event("reasoning_dropped_at_provider_switch", **facts)

    def _tell_result(self, what: ToolReturned) -> bytes:
        facts = {
            "step": what.step,
            "tool_name": what.name,
            "call_id": what.call_id,
            "result_preview": what.preview,
            "duration_ms": what.duration_ms,
            "is_error": what.is_error,
        }
        return self._event("tool_result", **facts, **({"result_meta": what.meta} if what.meta else {}))

    def _think(self) -> Iterator[bytes]:
        """Tell what was thought in this step as a whole, once."""
        if self.thoughts:
            text, self.thoughts = "".join(self.thoughts), []
            yield self._event("reasoning", step=self.step, content=text, source=THINKING)

    def _close(self, reason: str | None, *, has_calls: bool) -> Iterator[bytes]:
        """End the step that is open."""
        yield from self._think()
        if self.is_open:
            self.is_open = False
            yield self._event("step_completed", step=self.step, finish_reason=reason, has_tool_calls=has_calls)

    def _end(self, ended: Ended, story: Story) -> Iterator[bytes]:
        """Tell the end: the whole text, and what the run was."""
        if ended.error:
            yield from self._think()
            yield from self._fail(POWABASE.write(ended.error)["error"], status="failed", story=story)
            return
        answer = read_answer(story.output)
        text, calls = read_text(answer), list_calls(story.steps, story.output)
        yield from self._open()
        yield from self._close(ended.run.finish_reason, has_calls=bool(calls))
        yield self._event("chunk", content=text)
        facts: dict[str, Any] = {"content": text, "status": STATUSES[ended.run.status], "error": None}
        if citations := render_citations(answer):
            facts["citations"] = citations
        yield self._complete(story, **facts)

    def _fail(self, text: str, *, status: str, story: Story | None = None) -> Iterator[bytes]:
        run_id = write_run(self.frame.run.id)
        facts = {"error": text, "message": text, "run_id": run_id, "context_handler_id": self.frame.handler_id}
        yield self._event("error", **facts)
        yield self._complete(story or Story(run=self.frame.run), content="", status=status, error=text)

    def _complete(self, story: Story, **facts: Any) -> bytes:
        return self._event(
            "complete",
            **self._name(),
            context_handler_id=self.frame.handler_id,
            **facts,
            steps=count_steps(story),
            tool_calls=list_calls(story.steps, story.output),
            usage=render_usage(story.run.usage),
            retrieved_items=count_shown(story.retrieved),
            is_new_session=self.frame.is_new,
        )

    def _name(self) -> dict[str, Any]:
        return {"run_id": write_run(self.frame.run.id), "session_id": self.frame.session}

    def _event(self, event: str, **facts: Any) -> bytes:
        return write_frame(encode({"event": event, **facts}))
