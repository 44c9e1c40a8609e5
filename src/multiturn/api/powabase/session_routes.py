"""Sessions as Powabase's clients ask for them: read, listed by agent, seeded, deleted."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.errors import write_response
from multiturn.api.limits import read_body
from multiturn.api.powabase.history import MESSAGES_MAX, Histories, Window
from multiturn.api.powabase.names import echo_session, write_run, write_session_id
from multiturn.api.powabase.reading import OFFSET_MAX, identify, read_search, read_time, read_whole, read_window
from multiturn.api.powabase.render_run import render_run
from multiturn.api.powabase.seeding import read_seed, tell_session
from multiturn.api.powabase.session_wire import (
    PowabaseMessagesBody,
    PowabaseRetrievedBody,
    PowabaseRunListBody,
    PowabaseSessionBody,
    PowabaseSessionDeletedBody,
    PowabaseSessionListBody,
    PowabaseSessionMadeBody,
    PowabaseSessionRowBody,
)
from multiturn.api.powabase.stories import Stories
from multiturn.api.services import Services
from multiturn.api.session_names import session_key
from multiturn.errors import Forbidden, NotFound
from multiturn.model.agent import Agent
from multiturn.model.ids import find_id
from multiturn.model.overview import AgentSessionFilter, SessionOverview
from multiturn.model.run import Run
from multiturn.model.session import Session, SessionOrder, SessionSettings
from multiturn.model.tenant import SCOPE_USERS, Caller

RUNS_MAX = 100
FIRST_CHARS = 100
DAY = timedelta(days=1)


class SessionRoutes:
    """Sessions."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.stories = Stories(services)
        self.histories = Histories(services)

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        session, of_agent = f"{base}/sessions/{{session_id}}", f"{base}/agents/{{agent_id}}/sessions"
        return [
            Route(session, self.get_session, methods=["GET"]),
            Route(session, self.delete_session, methods=["DELETE"]),
            Route(f"{session}/messages", self.list_messages, methods=["GET"]),
            Route(f"{session}/runs", self.list_runs, methods=["GET"]),
            Route(f"{session}/runs/{{run_id}}/retrieved-context", self.get_context, methods=["GET"]),
            Route(of_agent, self.list_sessions, methods=["GET"]),
            Route(of_agent, self.create_session, methods=["POST"]),
            Route(f"{of_agent}/{{session_id}}", self.delete_agent_session, methods=["DELETE"]),
        ]

    async def get_session(self, request: Request) -> Response:
        """One session."""
        _, session = await self._find(request)
        agents = session.settings.agents
        body = PowabaseSessionBody(
            id=str(session.id),
            session_id=self._echo(session, request),
            agent_id=str(agents[0]) if agents else None,
            user_id=str(session.user_id),
            metadata=session.metadata,
            created_at=session.created_at,
            updated_at=session.active_at,
        )
        return write_response(body)

    async def delete_session(self, request: Request) -> Response:
        """Delete a session with its runs."""
        _, session = await self._find(request)
        await self.services.sessions.delete(session)
        return write_response(PowabaseSessionDeletedBody())

    async def list_messages(self, request: Request) -> Response:
        """The newest messages, oldest first: of so many runs, or as many as a page has."""
        _, session = await self._find(request)
        query = request.query_params
        window = Window(
            runs=read_whole(query, "limit", 1, low=1, high=MESSAGES_MAX) if "limit" in query else None,
            before=read_whole(query, "before", 1, low=1, high=OFFSET_MAX) if "before" in query else None,
        )
        messages, cursor = await self.histories.read(session, window)
        body = PowabaseMessagesBody(
            session_id=self._echo(session, request),
            messages=messages,
            has_more=cursor is not None,
            next_cursor=cursor,
        )
        return write_response(body)

    async def list_runs(self, request: Request) -> Response:
        """The runs of a session, oldest first, also those that failed."""
        _, session = await self._find(request)
        window = read_window(request.query_params, limit=RUNS_MAX, limit_max=RUNS_MAX)
        stories = await self.stories.list_session(session, offset=window.offset, limit=window.limit)
        name = self._echo(session, request)
        body = PowabaseRunListBody(
            session_id=name,
            limit=window.limit,
            offset=window.offset,
            runs=[replace(render_run(story), session_id=name) for story in stories],
        )
        return write_response(body)

    async def get_context(self, request: Request) -> Response:
        """What was found for a run, and what of it the model was shown."""
        caller, session = await self._find(request)
        run = await self._find_run(caller, session, request.path_params["run_id"])
        live = self.services.runs.live.get(run.id)
        retrieved = live.retrieved if live and live.retrieved else (await self.services.contexts.read_run(run))[1]
        body = PowabaseRetrievedBody(
            session_id=self._echo(session, request),
            run_id=write_run(run.id),
            retrieved_context=await self.stories.show_context(run, retrieved),
        )
        return write_response(body)

    async def _find_run(self, caller: Caller, session: Session, name: str) -> Run:
        """A run of a session, or of one whose items it shares. Raises NotFound."""
        run = await self.services.sessions.get_run(caller, find_id(name))
        if run.session_id not in {session.id, *(range_.session_id for range_ in session.path)}:
            raise NotFound("There is no such run in this session.", code="run_not_found")
        return run

    async def list_sessions(self, request: Request) -> Response:
        """The sessions of an agent, those used last first."""
        caller, agent = await self._find_agent(request)
        query = request.query_params
        window = read_window(query)
        wanted = AgentSessionFilter(
            agent_id=agent.id,
            text=read_search(query),
            created_after=read_after(query),
            created_before=read_before(query),
            runs_min=read_count(query, "min_runs"),
            runs_max=read_count(query, "max_runs"),
            offset=window.offset,
            limit=window.limit,
        )
        found = await self.services.overviews.list_sessions(caller, wanted)
        body = PowabaseSessionListBody(
            sessions=[render_row(one) for one in found.sessions],
            total=found.total,
            limit=window.limit,
            offset=window.offset,
        )
        return write_response(body)

    async def create_session(self, request: Request) -> Response:
        """Make a session of an agent, with what was said before."""
        caller, agent = await self._find_agent(request)
        seed = read_seed(await read_body(request, bytes_max=self.services.body_bytes_max))
        if seed.user_id is not None:
            caller = await self._act_for(caller, seed.user_id)
        if seed.said:
            source = tell_session(agent, seed.said, self.services.overviews.clock())
            (session,) = (await self.services.imports.take(caller, source)).sessions
        else:
            order = SessionOrder(settings=SessionSettings(agents=(agent.id,)))
            session = await self.services.sessions.create(caller, order)
        return write_response(PowabaseSessionMadeBody(session_id=write_session_id(session.id)), status=201)

    async def _act_for(self, caller: Caller, user_id: UUID) -> Caller:
        """The caller as this user: one that is known by this id, else one of this name. Raises Forbidden."""
        if SCOPE_USERS not in caller.scopes:
            raise Forbidden("Service role required to set user_id", param="user_id")
        try:
            user = await self.services.users.get(caller, user_id)
        except NotFound:
            return await self.services.keys.act_for(caller, str(user_id))
        return replace(caller, user_id=user.id, is_bound=True)

    async def delete_agent_session(self, request: Request) -> Response:
        """Delete a session of an agent."""
        _, agent = await self._find_agent(request)
        _, session = await self._find(request)
        if agent.id not in session.settings.agents:
            raise NotFound("The agent has no such session.", code="session_not_found")
        await self.services.sessions.delete(session)
        return Response(status_code=204)

    async def _find(self, request: Request) -> tuple[Caller, Session]:
        caller = await identify(self.services, request)
        return caller, await self.services.sessions.get(session_key(caller, request.path_params["session_id"]))

    async def _find_agent(self, request: Request) -> tuple[Caller, Agent]:
        caller = await identify(self.services, request)
        return caller, await self.services.agents.get(caller, request.path_params["agent_id"])

    def _echo(self, session: Session, request: Request) -> str:
        return echo_session(session, request.path_params["session_id"])


def read_after(query: QueryParams) -> datetime | None:
    """From when on sessions are listed; empty is as if left out. Raises InvalidRequest."""
    return read_time(query, "created_after") if query.get("created_after", "").strip() else None


def read_before(query: QueryParams) -> datetime | None:
    """Until when sessions are listed: a day without a time is meant with all of it. Raises InvalidRequest."""
    text = query.get("created_before", "").strip()
    at = read_time(query, "created_before") if text else None
    return at + DAY if at and "T" not in text and " " not in text else at


def read_count(query: QueryParams, name: str) -> int | None:
    """A number of runs; empty is as if left out. Raises InvalidRequest."""
    return read_whole(query, name, 0, low=0, high=OFFSET_MAX) if query.get(name, "").strip() else None


def render_row(overview: SessionOverview) -> PowabaseSessionRowBody:
    """A session of a listing: by our id, which every caller that sees it may use."""
    first = overview.first_message
    return PowabaseSessionRowBody(
        session_id=write_session_id(overview.session.id),
        run_count=overview.runs,
        last_activity_at=overview.session.active_at,
        created_at=overview.session.created_at,
        first_message=None if first is None else first[:FIRST_CHARS],
    )
