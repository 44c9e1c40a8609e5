"""Responses as a stream: events in the order that Jockey's clients expect, in plain ASCII, one whole frame a write."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from multiturn.api.jockey.render_response import (
    STATUSES,
    Frame,
    Shown,
    list_steps,
    open_message,
    read_answer,
    read_words,
    render_begun,
    render_ended,
    render_failed,
    render_message,
)
from multiturn.api.jockey.response_wire import JockeyEventBody, JockeyOutputBody, JockeyPartBody
from multiturn.errors import MultiturnError
from multiturn.model.content import Content
from multiturn.model.event import Ended, Event, Spoke
from multiturn.model.retrieved import RetrievedContext

encode = msgspec.json.Encoder().encode
DONE = b"data: [DONE]\n\n"
NOT_ASCII = re.compile(r"[^\x00-\x7f]")

FindSteps = Callable[[], tuple[Sequence[Content], RetrievedContext | None]]
FindShown = Callable[[Ended], Awaitable[Shown]]


class ResponseWriter:
    """Writes the frames of one response: counts its events, and remembers which items were told."""

    def __init__(self, frame: Frame, find_steps: FindSteps, find_shown: FindShown) -> None:
        self.frame = frame
        self.find_steps = find_steps
        self.find_shown = find_shown
        self.count = 0
        self.told: list[JockeyOutputBody] = []
        self.place: int | None = None
        self.stepped = 0
        self.said = ""

    async def write(self, events: AsyncGenerator[Event | None]) -> AsyncGenerator[bytes]:
        """The frames of a run from its beginning; None among its events is a silence."""
        begun = render_begun(self.frame)
        yield self._event("response.created", response=begun)
        yield self._event("response.in_progress", response=begun)
        async with aclosing(events):
            async for event in events:
                for frame in await self._tell(event):
                    yield frame
        yield DONE

    async def _tell(self, event: Event | None) -> Iterable[bytes]:
        """The frames of one event. Raises what the run failed with."""
        if event is None:
            return [self._event("keepalive")]
        if isinstance(event, Spoke):
            return self._speak(event)
        if not isinstance(event, Ended):
            return ()
        if event.error:
            raise event.error
        return self._end(event, await self.find_shown(event))

    def write_error(self, error: MultiturnError) -> bytes:
        """The last frames of a stream that failed."""
        return self._event("response.failed", response=render_failed(self.frame, error)) + DONE

    def _speak(self, spoke: Spoke) -> Iterator[bytes]:
        for delta in spoke.deltas:
            if text := delta.text or delta.refusal:
                yield from self._open()
                self.said += text
                yield self._text("response.output_text.delta", delta=text)

    def _open(self) -> Iterator[bytes]:
        """Begin the answer, behind the steps that led to it."""
        if self.place is not None:
            return
        yield from self._step(*self.find_steps())
        self.place = len(self.told)
        part = JockeyPartBody(text="", annotations=[])
        self.told.append(open_message(self.frame, status="in_progress", part=part))
        yield self._event("response.output_item.added", output_index=self.place, item=self.told[-1])
        yield self._text("response.content_part.added", part=part)

    def _step(self, output: Sequence[Content], retrieved: RetrievedContext | None = None) -> Iterator[bytes]:
        """Tell the steps of a run that were not told yet, where they are asked for; where there are none, what was
        retrieved.
        """
        if not self.frame.with_steps:
            return
        steps = list_steps(self.frame, output, None)
        new = steps[self.stepped :] or (list_steps(self.frame, (), retrieved) if not self.told else [])
        self.stepped = len(steps)
        for step in new:
            place = len(self.told)
            self.told.append(step)
            begun = msgspec.structs.replace(step, status="in_progress")
            yield self._event("response.output_item.added", output_index=place, item=begun)
            if step.arguments is not None:
                yield self._event(
                    "response.function_call_arguments.done",
                    item_id=step.id,
                    output_index=place,
                    arguments=step.arguments,
                )
            yield self._event("response.output_item.done", output_index=place, item=step)

    def _end(self, ended: Ended, shown: Shown) -> Iterator[bytes]:
        """Tell the end: what was not told yet of the answer, its citations, and the whole response."""
        if self.place is None:
            yield from self._step(ended.output, self.find_steps()[1])
        yield from self._open()
        assert self.place is not None
        message = read_answer(ended.output)
        text = read_words(message)
        if text.startswith(self.said) and (rest := text[len(self.said) :]):
            yield self._text("response.output_text.delta", delta=rest)
        item = render_message(self.frame, message, STATUSES[ended.run.status], shown)
        self.told[self.place] = item
        assert item.content is not None
        yield self._text("response.output_text.done", text=text)
        yield self._text("response.content_part.done", part=item.content[0])
        yield self._event("response.output_item.done", output_index=self.place, item=item)
        yield from self._step(ended.output)
        response = render_ended(self.frame, ended.run, self.told)
        yield self._event("response.completed", response=response)

    def _text(self, type_: str, **facts: Any) -> bytes:
        """An event of the answer's only part."""
        return self._event(type_, item_id=self.frame.message_id, output_index=self.place, content_index=0, **facts)

    def _event(self, type_: str, **facts: Any) -> bytes:
        event = JockeyEventBody(type=type_, sequence_number=self.count, **facts)  # type: ignore[arg-type]
        self.count += 1
        return write_frame(type_, encode(event))


def write_frame(type_: str, data: bytes) -> bytes:
    """One frame.

    Nothing but ASCII: clients cut lines at U+2028 and the like, and decode each network chunk by itself. And no
    ``[DONE]`` within: the JavaScript client ends the stream there (contracts/twelvelabs 8.3, 8.4).
    """
    if not data.isascii():
        data = NOT_ASCII.sub(escape, data.decode()).encode()
    return b"event: " + type_.encode() + b"\ndata: " + data.replace(b"[DONE]", b"\\u005bDONE]") + b"\n\n"


def escape(found: re.Match[str]) -> str:
    """A character as JSON escapes it: in units of UTF-16."""
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))
