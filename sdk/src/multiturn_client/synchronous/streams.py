"""Streams of a run: its events, and the text of its answer. A connection that breaks is taken up again."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing, suppress
from types import TracebackType
from typing import Any, NoReturn, Self

import httpx

from multiturn_client import requests
from multiturn_client.answers import Answer, Transcript, read_answer
from multiturn_client.contexts import RetrievedContext
from multiturn_client.errors import ConnectionFailed, MultiturnError, read_stream_error
from multiturn_client.frames import Frame, FrameReader
from multiturn_client.pages import read_page
from multiturn_client.records import Event, Item, Run, RunError
from multiturn_client.requests import Request
from multiturn_client.retries import find_pause_s
from multiturn_client.synchronous.transport import Transport, translate


class Events:
    """The events of a run, from any number on until it ends: a context manager to go over once.

    >>> answer = session.ask("Hello")
    >>> with client.runs.events(answer.run_id) as events:
    ...     [event.type for event in events]
    ['answer', 'end']
    """

    def __init__(self, transport: Transport, request: Request, *, run_id: str | None = None, after: int = 0) -> None:
        self.transport = transport
        self._request = request
        self._response: httpx.Response | None = None
        self._run_id = run_id
        self._after = after
        self._is_over = False

    @property
    def run_id(self) -> str:
        """The run; known when the stream is open.

        >>> with session.stream("Hello") as stream:
        ...     client.runs.get(stream.run_id).id == stream.run_id
        True
        """
        return self._run_id or ""

    def __enter__(self) -> Self:
        self._response = self.transport.open(self._request, is_streamed=True)
        self._run_id = self._run_id or self._response.headers.get("x-run-id")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hear no more. The run goes on; ``client.runs.cancel`` ends it.

        >>> with session.stream("Hello") as stream:
        ...     stream.close()
        """
        self._is_over = True
        if self._response:
            self._response.close()
            self._response = None

    def __iter__(self) -> Generator[Event, None, None]:
        failures = 0
        while not self._is_over:
            try:
                with closing(self._hear()) as heard:
                    for event in heard:
                        failures = 0
                        yield event
                if not self._is_over:
                    raise ConnectionFailed("The stream broke off.")
            except ConnectionFailed as error:
                failures += 1
                self._take_up(error, failures)

    def _hear(self) -> Generator[Event, None, None]:
        """The events of the present connection. Raises ConnectionFailed when it breaks."""
        if self._response is None:
            raise MultiturnError("The stream is not open: use it in a 'with' block.")
        reader = FrameReader()
        try:
            for chunk in self._response.iter_bytes():
                for frame in reader.feed(chunk):
                    event = read_event(frame)
                    self._after = event.number
                    self._is_over = event.type == "end"
                    yield event
                    if self._is_over:
                        return
        except httpx.TransportError as error:
            raise ConnectionFailed(translate(error).message) from error

    def _take_up(self, error: ConnectionFailed, failures: int) -> None:
        """Connect again behind the last event that was heard."""
        if self._response:
            self._response.close()
        if failures > self.transport.max_retries or not self._run_id:
            raise error
        if failures > 1:
            self.transport.sleep(find_pause_s(failures, {}) or 0)
        again = requests.events(self._run_id, after=self._after)
        self._response = self.transport.open(again, is_streamed=True)


class AnswerStream:
    """An answer as the model speaks it: pieces of text, and the whole answer at the end.

    A connection that breaks is taken up where it was; the run goes on meanwhile.

    >>> with session.stream("Hello") as stream:
    ...     for text in stream:
    ...         print(text, end="")
    You said: Hello
    >>> stream.answer.finish_reason
    'stop'
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._transcript = Transcript()
        self._answer: Answer | None = None

    @property
    def run_id(self) -> str:
        """The run; known when the stream is open.

        >>> with session.stream("Hello") as stream:
        ...     client.runs.cancel(stream.run_id).id == stream.run_id
        True
        """
        return self._events.run_id

    @property
    def answer(self) -> Answer:
        """The whole answer, when the stream has ended. Raises MultiturnError before that.

        >>> with session.stream("Hello") as stream:
        ...     texts = [text for text in stream]
        >>> "".join(texts) == stream.answer
        True
        """
        if self._answer is None:
            raise MultiturnError("The answer is there when the stream has ended.")
        return self._answer

    def __enter__(self) -> Self:
        self._events.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._events.close()

    def close(self) -> None:
        """Hear no more. The run goes on, and its answer enters the history.

        >>> with session.stream("Hello") as stream:
        ...     stream.close()
        """
        self._events.close()

    def __iter__(self) -> Generator[str, None, None]:
        with closing(self._listen()) as heard:
            for _, text in heard:
                if text:
                    yield text

    def events(self) -> Generator[Event, None, None]:
        """Go over events instead of text: reasoning and pieces of tool calls as well.

        >>> with session.stream("Hello") as stream:
        ...     [event.text for event in stream.events() if event.text]
        ['You ', 'said: ', 'Hello']
        """
        with closing(self._listen()) as heard:
            for event, _ in heard:
                yield event

    def until_done(self) -> Answer:
        """Hear it to its end; the whole answer.

        >>> with session.stream("Hello") as stream:
        ...     print(stream.until_done())
        You said: Hello
        """
        with closing(self._listen()) as heard:
            for _ in heard:
                pass
        return self.answer

    def _listen(self) -> Generator[tuple[Event, str], None, None]:
        """Each event with the text that it brought. Raises the error that the run ended with."""
        with closing(self._events.__iter__()) as events:
            for event in events:
                text = self._transcript.add(event)
                if event.type == "end":
                    self._answer = self._finish(event)
                yield event, text

    def _finish(self, end: Event) -> Answer:
        """The answer that a run ended with. Raises the error that it ended with.

        A stream that was taken up again ends without it: what is not known yet is looked up.
        """
        run = end.run or Run()
        if run.error:
            raise_run_error(run.error)
        if end.answer is not None:
            return read_answer(end.answer)
        send = self._events.transport.send
        items: tuple[Item, ...] = ()
        found = RetrievedContext()
        with suppress(MultiturnError):
            if run.output_items:
                page = send(requests.items_of(run))
                items = read_page(page, Item.read).data
            found = RetrievedContext.read(send(requests.get("runs", run.id, "retrieved-context")))
        return self._transcript.close(run, items, found.snippets)


def read_event(frame: Frame) -> Event:
    """The event of a frame. Raises ApiError for one that tells an error."""
    body: Any = json.loads(frame.data)
    if frame.event == "error":
        raise read_stream_error(body)
    return Event.read(body)


def raise_run_error(error: RunError) -> NoReturn:
    """Raise what a run failed with, as the server would have answered it."""
    raise read_stream_error({"error": {"code": error.code, "message": error.message}})
