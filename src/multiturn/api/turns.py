"""A turn as every dialect tells it: whole as a body, or as a stream of frames, to a client that may go away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from multiturn.api.errors import respond
from multiturn.api.quotas import tell_allowed
from multiturn.api.services import Services
from multiturn.api.sse import EventStream, watch_client
from multiturn.engine.turns import Turn
from multiturn.errors import Conflict, MultiturnError
from multiturn.model.event import Ended, Event
from multiturn.observe import log_context


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How a dialect tells a turn.

    ``session`` is the name that the response gives back. ``write_whole`` and ``write_stream`` are given the first event
    and those behind it; ``write_error`` makes the last frame of a stream that breaks off, ``respond`` the response of a
    turn that failed before it said anything.
    """

    session: str
    is_streamed: bool
    write_whole: Callable[[Event, AsyncGenerator[Event]], Awaitable[bytes]]
    write_stream: Callable[[Event, AsyncGenerator[Event]], AsyncGenerator[bytes]]
    write_error: Callable[[MultiturnError], bytes]
    respond: Callable[..., Response] = respond
    status: int = 200


async def tell_turn(services: Services, request: Request, turn: Turn, telling: Telling) -> ASGIApp:
    """The response to a turn that was taken, from its first event on."""
    note_turn(turn)
    watch = None
    if turn.live:
        watch = asyncio.create_task(watch_client(request.receive, partial(services.runs.abandon, turn.live)))
    events = services.runs.follow(turn.run)
    headers = write_headers(turn, telling.session)
    try:
        first = await anext(events)
        if isinstance(first, Ended):
            require_answer(first)
        if telling.is_streamed:
            frames = tell_break(telling.write_stream(first, events), telling.write_error)
            stream = EventStream(frames, headers=headers, watch=watch)
            watch = None
            return stream
        return Response(await telling.write_whole(first, events), telling.status, headers, "application/json")
    except MultiturnError as error:
        return telling.respond(error, headers=headers)
    finally:
        if watch:
            watch.cancel()


def require_answer(ended: Ended) -> None:
    """Raise what a run ended with that has no answer to tell: its error, or that the answer was not saved."""
    if ended.error:
        raise ended.error
    if not ended.output:
        raise Conflict("The answer was not saved, as was asked, and cannot be repeated. Send it as a new request.")


async def tell_break(
    frames: AsyncGenerator[bytes], write_error: Callable[[MultiturnError], bytes]
) -> AsyncGenerator[bytes]:
    """Frames as they come; where they break off, the last one says why."""
    try:
        async with aclosing(frames):
            async for frame in frames:
                yield frame
    except MultiturnError as error:
        yield write_error(error)


def note_turn(turn: Turn) -> None:
    """Let the lines of this request's log carry the session and the run."""
    log_context.get({}).update(session_id=str(turn.session.id), run_id=str(turn.run.id))


def write_headers(turn: Turn, session: str) -> dict[str, str]:
    """The headers of a turn's response: its session by the name that was sent, its run, and what quotas leave."""
    return {"X-Session-Id": echo(session), "X-Run-Id": str(turn.run.id), **tell_allowed(turn.allowed)}


def echo(name: str) -> str:
    """A session's name as a header carries it: as UTF-8, which is how it is read when it is sent again."""
    return name.encode().decode("latin-1")
