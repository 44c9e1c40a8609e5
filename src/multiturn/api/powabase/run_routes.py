"""Runs of agents as Powabase's clients ask for them: whole, as a stream, looked at afterwards, approved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from multiturn.api.envelopes import POWABASE
from multiturn.api.errors import write_response
from multiturn.api.limits import read_body
from multiturn.api.powabase.names import write_run, write_session
from multiturn.api.powabase.parse_context import read_context
from multiturn.api.powabase.parse_run import parse_approval, parse_run, write_turn
from multiturn.api.powabase.reading import identify
from multiturn.api.powabase.render_run import (
    STATUSES,
    Story,
    count_shown,
    count_steps,
    is_asked,
    list_calls,
    read_answer,
    read_text,
    render_citations,
    render_run,
    render_usage,
)
from multiturn.api.powabase.run_wire import (
    PowabaseApprovedBody,
    PowabaseRunAnswerBody,
    PowabaseRunOrderBody,
)
from multiturn.api.powabase.stories import Stories
from multiturn.api.powabase.stream import Frame, RunWriter
from multiturn.api.services import Services
from multiturn.api.session_names import session_key
from multiturn.api.sse import EventStream, watch_client, with_silences
from multiturn.api.turns import Telling, note_turn, tell_break, tell_turn, write_headers
from multiturn.engine.turns import Turn
from multiturn.errors import Conflict, InvalidRequest, MultiturnError, NotFound, Unavailable
from multiturn.model.agent import Agent
from multiturn.model.event import Ended, Event, Stepped
from multiturn.model.ids import find_id
from multiturn.model.run import ENDED, Run
from multiturn.model.session import Session, SessionChange, SessionKey, SessionOrder, SessionSettings
from multiturn.model.step import ApprovalAsked
from multiturn.model.tenant import Caller
from multiturn.model.turn import Decision

# A stream that has nothing to tell says so as often as this.
SILENCE_S = 30.0
# How long it may take until a run that asked for approval is stored as waiting, and how often one looks.
ASKED_S, LOOK_S = 10.0, 0.02
# How long it may take until a session can be read that another request is making.
MADE_S = 2.0


class Asked(Struct, frozen=True, kw_only=True):
    """A run that is asked for: by whom, of which agent, in which session."""

    caller: Caller
    agent: Agent
    session: Session
    is_new: bool


class RunRoutes:
    """Runs."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.stories = Stories(services)

    def below(self, base: str) -> list[Route]:
        """The routes under a base path. Those of a run stand before those of an agent, whose name may be any word."""
        run, agent = f"{base}/agents/runs/{{run_id}}", f"{base}/agents/{{agent_id}}"
        return [
            Route(f"{agent}/run", self.run, methods=["POST"]),
            Route(f"{agent}/run/stream", self.stream, methods=["POST"]),
            Route(run, self.get_run, methods=["GET"]),
            Route(f"{run}/approve", self.approve, methods=["POST"]),
        ]

    async def run(self, request: Request) -> ASGIApp:
        """Run an agent: the answer in one piece."""
        return await self._take(request, is_streamed=False)

    async def stream(self, request: Request) -> ASGIApp:
        """Run an agent: what happens, as it happens."""
        return await self._take(request, is_streamed=True)

    async def _take(self, request: Request, *, is_streamed: bool) -> ASGIApp:
        services = self.services
        caller = await identify(services, request)
        body = await read_body(request, bytes_max=services.body_bytes_max)
        order = parse_run(body)
        if not is_streamed and order.runtime_knowledge_bases is not None:
            text = "runtime_knowledge_bases is only there for /run/stream: name them as knowledge_bases"
            raise InvalidRequest(text, param="runtime_knowledge_bases")
        agent = await services.agents.get(caller, request.path_params["agent_id"])
        turn_order = write_turn(order, agent, request.headers, body, is_streamed=is_streamed)
        grounding = await read_context(services, caller, order, agent)
        turn_order = msgspec.structs.replace(turn_order, grounding=grounding)
        asked = await self._open(caller, agent, order)
        session = asked.session
        key = SessionKey(tenant_id=caller.tenant_id, user_id=caller.user_id, id=session.id, is_bound=caller.is_bound)
        try:
            turn = await services.turns.take(key, turn_order, idle_expiry_s=None)
        except MultiturnError:
            await self._drop_unused(asked)
            raise
        if turn.session.id != session.id:
            # The request was made before, and its run goes on in the session that was made then.
            await self._drop_unused(asked)
        reasoning = turn_order.reasoning or agent.body.reasoning
        frame = Frame(
            run=turn.run,
            session=write_session(turn.session),
            is_new=asked.is_new,
            is_thinking=is_asked(reasoning),
            handler_id=order.context_handler_id,
        )
        answering = Answering(services, self.stories, turn, frame)
        return await (answering.stream(request) if is_streamed else answering.tell(request))

    async def _open(self, caller: Caller, agent: Agent, order: PowabaseRunOrderBody) -> Asked:
        """The session that a run goes on, in which its agent takes part from now on; or a new one.

        A name that is new makes a session under it. Raises NotFound for an id of ours that is not there.
        """
        sessions, name = self.services.sessions, order.session_id
        settings = SessionSettings(agents=(agent.id,))
        if name is not None:
            try:
                session = await sessions.get(session_key(caller, name))
            except NotFound:
                if find_id(name):
                    raise
            else:
                return Asked(caller=caller, agent=agent, session=await self._join(session, agent), is_new=False)
        made = SessionOrder(external_id=name, settings=settings)
        try:
            session = await sessions.create(caller, made)
        except Conflict:
            # Of two first runs with one name the other was faster.
            session = await self._get_soon(session_key(caller, name or ""))
            return Asked(caller=caller, agent=agent, session=await self._join(session, agent), is_new=False)
        return Asked(caller=caller, agent=agent, session=session, is_new=True)

    async def _get_soon(self, key: SessionKey) -> Session:
        """A session that is being made by another request: what that stores can be read a moment later."""
        for _ in range(int(MADE_S / LOOK_S)):
            with suppress(NotFound):
                return await self.services.sessions.get(key)
            await asyncio.sleep(LOOK_S)
        return await self.services.sessions.get(key)

    async def _join(self, session: Session, agent: Agent) -> Session:
        """A session with the agent among those that take part in it."""
        taking_part = session.settings.agents
        if agent.id in taking_part:
            return session
        change = SessionChange(settings={"agents": (*taking_part, agent.id)})
        return await self.services.sessions.update(session, change)

    async def _drop_unused(self, asked: Asked) -> None:
        """Delete the session that was made for a run which was refused: nobody knows its name."""
        if asked.is_new:
            with suppress(Unavailable):
                await self.services.sessions.delete(asked.session)

    async def get_run(self, request: Request) -> Response:
        """A run as it stands, with what was found for it."""
        caller = await identify(self.services, request)
        run = await self.services.sessions.get_run(caller, find_id(request.path_params["run_id"]))
        story = await self.stories.load(run)
        # Here the session is named by its UUID, as Powabase's server did.
        body = msgspec.structs.replace(render_run(story), session_id=str(run.session_id))
        shown = await self.stories.show_context(run, story.retrieved)
        return write_response(msgspec.structs.replace(body, retrieved_context=shown))

    async def approve(self, request: Request) -> Response:
        """Say whether a call may run."""
        services = self.services
        caller = await identify(services, request)
        body = parse_approval(await read_body(request, bytes_max=services.body_bytes_max))
        try:
            run = await services.sessions.get_run(caller, find_id(request.path_params["run_id"]))
            waiting = await services.approvals.list_waiting(run)
        except (NotFound, Conflict) as error:
            raise not_waiting() from error
        open_calls = [call for call in waiting if call.approved is None and call.result is None]
        call_id = body.call_id or (open_calls[0].call_id if open_calls else None)
        if call_id is None:
            raise not_waiting()
        decision = Decision(call_id=call_id, approved=body.approved, reason=body.reason)
        await services.approvals.decide(run, [decision])
        return write_response(PowabaseApprovedBody())


def not_waiting() -> Conflict:
    """The error of a run that is not there, or waits for nobody: the answer is the same, a 404 in this dialect."""
    return Conflict("Run not found or not waiting for approval", code="run_not_waiting")


class Answering:
    """One run, told whole or as a stream."""

    def __init__(self, services: Services, stories: Stories, turn: Turn, frame: Frame) -> None:
        self.services = services
        self.stories = stories
        self.turn = turn
        self.frame = frame

    async def tell(self, request: Request) -> ASGIApp:
        """The run in one piece. One that waits for a person's word is told as it stands: it goes on by itself."""
        writer = RunWriter(self.frame, self._tell_story, self._wait_asked)
        telling = Telling(
            session=self.frame.session,
            is_streamed=False,
            write_whole=self._write_whole,
            write_stream=lambda first, events: writer.write(join(first, events)),
            write_error=writer.write_error,
            respond=self._refuse,
        )
        return await tell_turn(self.services, request, self.turn, telling)

    async def stream(self, request: Request) -> ASGIApp:
        """The run as a stream, which begins at once: the session and the run are stored."""
        note_turn(self.turn)
        watch = None
        if live := self.turn.live:
            watch = asyncio.create_task(watch_client(request.receive, partial(self.services.runs.abandon, live)))
        headers = {**write_headers(self.turn, self.frame.session), "X-Accel-Buffering": "no"}
        writer = RunWriter(self.frame, self._tell_story, self._wait_asked)
        events = with_silences(self.services.runs.follow(self.turn.run), SILENCE_S)
        return EventStream(tell_break(writer.write(events), writer.write_error), headers=headers, watch=watch)

    async def _write_whole(self, first: Event, events: AsyncGenerator[Event]) -> bytes:
        event = first
        async with aclosing(events):
            while not isinstance(event, Ended):
                if isinstance(event, Stepped) and isinstance(event.what, ApprovalAsked):
                    run = await self._wait_asked()
                    if run.status == "waiting":
                        return self._write(await self.stories.load(run))
                event = await anext(events)
        if event.error:
            raise event.error
        return self._write(await self._tell_story(event))

    def _write(self, story: Story) -> bytes:
        answer = read_answer(story.output)
        body = PowabaseRunAnswerBody(
            run_id=write_run(story.run.id),
            session_id=self.frame.session,
            context_handler_id=self.frame.handler_id,
            content=read_text(answer),
            error=None,
            usage=render_usage(story.run.usage),
            retrieved_items=count_shown(story.retrieved),
            status=STATUSES[story.run.status],
            is_new_session=self.frame.is_new,
            steps=count_steps(story),
            tool_calls=list_calls(story.steps, story.output),
            citations=render_citations(answer) or None,
        )
        return msgspec.json.encode(body)

    async def _tell_story(self, ended: Ended) -> Story:
        """The run that has ended, with its output as it was told: of one that is not kept there is no other."""
        return await self.stories.load(ended.run, output=ended.output)

    async def _wait_asked(self) -> Run:
        """The run when it is stored that it waits, so that whoever hears of it can answer; or when it has gone on."""
        run = self.turn.run
        with suppress(TimeoutError):
            async with asyncio.timeout(ASKED_S):
                while run.status != "waiting" and run.status not in ENDED:
                    await asyncio.sleep(LOOK_S)
                    run = await self.services.runs.store.find(run.tenant_id, run.id) or run
        return run

    def _refuse(self, error: MultiturnError, *, headers: dict[str, str]) -> Response:
        """The response of a run that failed: which one it was, so that it can be looked at."""
        body: dict[str, Any] = POWABASE.write(error)
        body |= {"error": f"Agent run failed: {error.message}", "run_id": write_run(self.turn.run.id)}
        return write_response(body, status=POWABASE.status_of(error), headers=headers)


async def join(first: Event, events: AsyncGenerator[Event]) -> AsyncGenerator[Event | None]:
    """The first event, and those behind it."""
    yield first
    async with aclosing(events):
        async for event in events:
            yield event
