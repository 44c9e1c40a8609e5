"""The paths of the native API."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from multiturn.api.auth import authenticate, check_id
from multiturn.api.errors import write_response
from multiturn.api.limits import read_limit
from multiturn.api.native.render import render_events, render_item, render_run, render_session
from multiturn.api.native.wire import DeletedBody, EventBody, ListBody
from multiturn.api.services import Services
from multiturn.api.sse import EventStream
from multiturn.errors import InvalidRequest
from multiturn.model.event import Ended, Event
from multiturn.model.ids import find_id
from multiturn.model.run import ENDED, Run
from multiturn.model.session import Session, SessionKey
from multiturn.model.tenant import Caller

LIMIT, LIMIT_MAX = 20, 100
NUMBER_MAX = 2**53


class NativeRoutes:
    """Sessions, items and runs, as they can be seen and managed."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        return [
            Route(f"{base}/sessions", self.list_sessions, methods=["GET"]),
            Route(f"{base}/sessions/{{session_id}}", self.get_session, methods=["GET"]),
            Route(f"{base}/sessions/{{session_id}}", self.delete_session, methods=["DELETE"]),
            Route(f"{base}/sessions/{{session_id}}/items", self.list_items, methods=["GET"]),
            Route(f"{base}/sessions/{{session_id}}/runs", self.list_runs, methods=["GET"]),
            Route(f"{base}/runs/{{run_id}}", self.get_run, methods=["GET"]),
            Route(f"{base}/runs/{{run_id}}/cancel", self.cancel_run, methods=["POST"]),
            Route(f"{base}/runs/{{run_id}}/events", self.list_events, methods=["GET"]),
        ]

    async def list_sessions(self, request: Request) -> Response:
        """List sessions, newest first."""
        caller = await authenticate(self.services, request.headers)
        limit = read_limit(request, default=LIMIT, maximum=LIMIT_MAX)
        before = request.query_params.get("before")
        before_id = None if before is None else find_id(before)
        if before is not None and before_id is None:
            raise InvalidRequest("'before' must be the id of a session.", param="before")
        page = await self.services.sessions.list_sessions(caller, before=before_id, limit=limit)
        data = [render_session(session) for session in page.data]
        return write_response(ListBody(data=data, has_more=page.has_more, next=data[-1].id if page.has_more else None))

    async def get_session(self, request: Request) -> Response:
        """One session."""
        return write_response(render_session(await self._find_session(request)))

    async def delete_session(self, request: Request) -> Response:
        """Delete a session with everything in it."""
        session = await self._find_session(request)
        await self.services.sessions.delete(session)
        return write_response(DeletedBody(id=str(session.id)))

    async def list_items(self, request: Request) -> Response:
        """List a session's items, newest first unless ``order=asc``."""
        session = await self._find_session(request)
        order = read_choice(request, "order", ("desc", "asc"))
        page = await self.services.sessions.list_items(
            session,
            cursor=read_number(request, "cursor"),
            limit=read_limit(request, default=LIMIT, maximum=LIMIT_MAX),
            newest_first=order == "desc",
            all_branches=read_choice(request, "branch", ("active", "all")) == "all",
        )
        data = [render_item(item) for item in page.data]
        return write_response(ListBody(data=data, has_more=page.has_more, next=data[-1].seq if page.has_more else None))

    async def list_runs(self, request: Request) -> Response:
        """List a session's runs, newest first."""
        session = await self._find_session(request)
        limit = read_limit(request, default=LIMIT, maximum=LIMIT_MAX)
        page = await self.services.sessions.list_runs(session, before=read_number(request, "cursor"), limit=limit)
        last = page.data[-1].ticket if page.has_more else None
        return write_response(ListBody(data=[render_run(run) for run in page.data], has_more=page.has_more, next=last))

    async def get_run(self, request: Request) -> Response:
        """One run."""
        return write_response(render_run(await self._find_run(request)))

    async def cancel_run(self, request: Request) -> Response:
        """Cancel a run; the text said so far enters the history."""
        return write_response(render_run(await self.services.runs.cancel(await self._find_run(request))))

    async def list_events(self, request: Request) -> ASGIApp:
        """The events of a run behind ``starting_after``: a JSON page of what has happened, or a stream until the run
        ends.
        """
        run = await self._find_run(request)
        last = request.headers.get("last-event-id")
        after = None if last is None else as_number(last, "Last-Event-ID")
        after = read_number(request, "starting_after") or after
        events = self.services.runs.follow(run, after=after or 0)
        if "text/event-stream" in request.headers.get("accept", ""):
            return EventStream(write_events(events), headers={"X-Run-Id": str(run.id)})
        return write_response(await self._collect(run, after or 0))

    async def _collect(self, run: Run, after: int) -> ListBody[EventBody]:
        """What has happened so far."""
        data: list[EventBody] = []
        async for event in self.services.runs.happened(run, after=after):
            data += render_events(event)
        is_over = bool(data) and data[-1].type == "end"
        last = data[-1].number if data else after
        return ListBody(data=data, has_more=not is_over and run.status not in ENDED, next=last)

    async def _find_session(self, request: Request) -> Session:
        caller = await authenticate(self.services, request.headers)
        return await self.services.sessions.get(session_key(caller, request.path_params["session_id"]))

    async def _find_run(self, request: Request) -> Run:
        caller = await authenticate(self.services, request.headers)
        return await self.services.sessions.get_run(caller, find_id(request.path_params["run_id"]))


def session_key(caller: Caller, name: str) -> SessionKey:
    """A session as a path names it: our id, or the client's."""
    return SessionKey(
        tenant_id=caller.tenant_id,
        user_id=caller.user_id,
        id=find_id(name),
        external_id=check_id(name, "session_id"),
        is_bound=caller.is_bound,
    )


async def write_events(events: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
    """Events as frames with their number, so that a client that lost the connection says where to go on."""
    async with aclosing(events):
        async for event in events:
            yield b"".join(
                [
                    b"id: %d\nevent: %s\ndata: %s\n\n" % (body.number, body.type.encode(), msgspec.json.encode(body))
                    for body in render_events(event)
                ]
            )
            if isinstance(event, Ended):
                return


def read_choice(request: Request, name: str, choices: tuple[str, ...]) -> str:
    """A parameter with a few possible values, the first of them the default. Raises InvalidRequest."""
    value = request.query_params.get(name, choices[0])
    if value not in choices:
        raise InvalidRequest(f"'{name}' must be one of {', '.join(choices)}; it is '{value[:40]}'.", param=name)
    return value


def read_number(request: Request, name: str) -> int | None:
    """A parameter that is a number from 0. Raises InvalidRequest."""
    text = request.query_params.get(name)
    return None if text is None else as_number(text, name)


def as_number(text: str, name: str) -> int:
    """A number from 0. Raises InvalidRequest."""
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= NUMBER_MAX):
        raise InvalidRequest(f"'{name}' must be a number from 0; it is '{text[:40]}'.", param=name)
    return int(text)
