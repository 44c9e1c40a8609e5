"""Questions to a knowledge store as Jockey's clients ask them, and responses that were given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from multiturn.api.auth import authenticate
from multiturn.api.envelopes import JOCKEY
from multiturn.api.errors import respond, write_response
from multiturn.api.jockey import names
from multiturn.api.jockey.asking import Asking
from multiturn.api.jockey.media import Media
from multiturn.api.jockey.parse_response import Question, parse_question
from multiturn.api.jockey.reading import read_words
from multiturn.api.jockey.render_response import (
    STATUSES,
    Frame,
    Shown,
    list_steps,
    read_answer,
    render_begun,
    render_ended,
    render_failed,
    render_message,
)
from multiturn.api.jockey.response_wire import JockeyOutputBody
from multiturn.api.jockey.store_routes import find_assets
from multiturn.api.jockey.stream import ResponseWriter
from multiturn.api.limits import read_body
from multiturn.api.services import Services
from multiturn.api.sse import EventStream, watch_client, with_silences
from multiturn.api.turns import Telling, note_turn, require_answer, tell_break, tell_turn, write_headers
from multiturn.engine.turns import Turn
from multiturn.errors import MultiturnError, Unavailable
from multiturn.model.content import Content, Message
from multiturn.model.event import Ended, Event
from multiturn.model.ids import find_id
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.run import ENDED, Run
from multiturn.model.session import Session, SessionKey

# A stream that has nothing to tell says so as often as this.
SILENCE_S = 10.0
# A failure before it begins is an error with its own status: it begins with the first that there is to tell, or now.
BEGIN_S = 2.0
STEPS = ("intermediate_outputs",)


class ResponseRoutes:
    """Turns over a knowledge store."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        return [
            Route(f"{base}/responses", self.respond, methods=["POST"]),
            Route(f"{base}/responses/{{response_id}}", self.get_response, methods=["GET"]),
        ]

    async def respond(self, request: Request) -> ASGIApp:
        """Take a turn."""
        services = self.services
        caller = await authenticate(services, request)
        question = parse_question(await read_body(request, bytes_max=services.body_bytes_max), request.headers)
        asking = Asking(services, caller)
        store_id = await asking.find_store(question)
        order = await asking.write_turn(question, store_id)
        session = await asking.open_session(question, store_id)
        key = SessionKey(tenant_id=caller.tenant_id, user_id=caller.user_id, id=session.id, is_bound=caller.is_bound)
        try:
            turn = await services.turns.take(key, order, idle_expiry_s=None)
        except MultiturnError:
            await self._drop_unused(session, question)
            raise
        answering = Answering(services, Media(services.links, request), turn, make_frame(turn, question))
        answer = await (answering.stream(request) if order.is_streamed else answering.tell(request))
        # Where the request was made before, the session that was made then goes on.
        if turn.session.id != session.id or is_refusal(answer):
            await self._drop_unused(session, question)
        return answer

    async def _drop_unused(self, session: Session, question: Question) -> None:
        """Delete the session that was made for a question, when nothing was said in it: nobody knows its name."""
        sessions = self.services.sessions
        if question.session is not None:
            return
        with suppress(Unavailable):
            if not (await sessions.list_items(session, limit=1, newest_first=True)).data:
                await sessions.delete(session)

    async def get_response(self, request: Request) -> Response:
        """A response that was given, is being given, or failed."""
        services = self.services
        caller = await authenticate(services, request)
        include = read_words(request.query_params, "include", STEPS)
        run = await services.sessions.get_run(caller, find_id(request.path_params["response_id"]))
        key = SessionKey(tenant_id=run.tenant_id, user_id=caller.user_id, id=run.session_id, is_bound=caller.is_bound)
        session = await services.sessions.get(key)
        turn = Turn(session, run, services.runs.live.get(run.id))
        frame = Frame(
            run=run,
            store_id=next(iter(session.settings.store_ids), None),
            session=names.write_session(session.id),
            with_steps=bool(include),
        )
        return await Answering(services, Media(services.links, request), turn, frame).show()


def is_refusal(answer: ASGIApp) -> bool:
    """Whether an answer is an error with its own status."""
    return isinstance(answer, Response) and answer.status_code >= 400


def make_frame(turn: Turn, question: Question) -> Frame:
    """What all of a turn's response says."""
    return Frame(
        run=turn.run,
        store_id=turn.session.settings.store_ids[0],
        session=question.session or names.write_session(turn.session.id),
        model=question.model,
        with_steps=question.with_steps,
    )


class Answering:
    """One response, whole or as a stream."""

    def __init__(self, services: Services, media: Media, turn: Turn, frame: Frame) -> None:
        self.services = services
        self.media = media
        self.turn = turn
        self.frame = frame
        self.retrieved: RetrievedContext | None = None

    async def tell(self, request: Request) -> ASGIApp:
        """The response in one piece."""
        writer = ResponseWriter(self.frame, self.find_steps, self.find_shown)
        telling = Telling(
            session=self.frame.session,
            is_streamed=False,
            write_whole=self._write_whole,
            write_stream=lambda first, events: writer.write(join(first, events)),
            write_error=writer.write_error,
            respond=partial(respond, envelope=JOCKEY),
        )
        return await tell_turn(self.services, request, self.turn, telling)

    async def stream(self, request: Request) -> ASGIApp:
        """The response as a stream, which begins with the first that there is to tell, or after a short silence."""
        note_turn(self.turn)
        watch = None
        if live := self.turn.live:
            watch = asyncio.create_task(watch_client(request.receive, partial(self.services.runs.abandon, live)))
        headers = write_headers(self.turn, self.frame.session)
        events = with_silences(self.services.runs.follow(self.turn.run), SILENCE_S, first_s=BEGIN_S)
        try:
            first = await anext(events)
            if isinstance(first, Ended):
                require_answer(first)
            await self._load_retrieved()
            writer = ResponseWriter(self.frame, self.find_steps, self.find_shown)
            told = join(first, events) if first else events
            frames = tell_break(writer.write(told), writer.write_error)
            stream, watch = EventStream(frames, headers=headers, watch=watch), None
            return stream
        except MultiturnError as error:
            await events.aclose()
            return respond(error, headers=headers, envelope=JOCKEY)
        finally:
            if watch:
                watch.cancel()

    async def show(self) -> Response:
        """The response as it stands."""
        run = self.turn.run
        if run.status == "failed" and run.error:
            body = render_failed(self.frame, MultiturnError(run.error.message, code=run.error.code))
        elif run.status in ENDED:
            output = await self.services.runs.load_output(run)
            body = render_ended(self.frame, run, await self._render_output(run, output))
        else:
            body = render_begun(self.frame)
        return write_response(body)

    async def _write_whole(self, first: Event, events: AsyncGenerator[Event]) -> bytes:
        async with aclosing(join(first, events)) as told:
            async for event in told:
                if isinstance(event, Ended):
                    break
        assert isinstance(event, Ended)
        if event.error:
            raise event.error
        output = await self._render_output(event.run, event.output)
        return msgspec.json.encode(render_ended(self.frame, event.run, output))

    async def _render_output(self, run: Run, output: Sequence[Content]) -> list[JockeyOutputBody]:
        """The answer, behind the steps where those are shown."""
        await self._load_retrieved()
        steps = list_steps(self.frame, output, self.retrieved) if self.frame.with_steps else []
        message = read_answer(output)
        shown = await self._find_shown(message)
        return [*steps, render_message(self.frame, message, STATUSES[run.status], shown)]

    async def _load_retrieved(self) -> None:
        """What was looked up before the model was asked: of a run of another server, as it is stored."""
        if not self.frame.with_steps:
            return
        if self.turn.live:
            self.retrieved = self.turn.live.retrieved
        else:
            _, self.retrieved = await self.services.contexts.read_run(self.turn.run)

    def find_steps(self) -> tuple[Sequence[Content], RetrievedContext | None]:
        """The steps of a run so far, and what was looked up before them."""
        live = self.turn.live
        return (live.items, live.retrieved) if live else ((), self.retrieved)

    async def find_shown(self, ended: Ended) -> Shown:
        """What the citations of an answer are told with."""
        return await self._find_shown(read_answer(ended.output))

    async def _find_shown(self, message: Message) -> Shown:
        ids = [citation.asset_id for citation in message.citations]
        return Shown(await find_assets(self.services, self.turn.run.tenant_id, ids), self.media)


async def join(first: Event, events: AsyncGenerator[Event | None]) -> AsyncGenerator[Event | None]:
    """The first event, and those behind it."""
    yield first
    async with aclosing(events):
        async for event in events:
            yield event
