"""Sessions in the native API: made, listed, read, changed, cleared, forked, deleted."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate, check_id
from multiturn.api.errors import write_response
from multiturn.api.limits import read_body, read_json_object, read_limit, read_struct
from multiturn.api.native.query import read_choice, read_number
from multiturn.api.native.render import render_item, render_run, render_session
from multiturn.api.native.run_filters import STATUSES, read_run_filter
from multiturn.api.native.session_parse import read_change, read_filter, read_order, read_span
from multiturn.api.native.session_wire import DeletedBody, ForkBody, SessionChangeBody, SessionOrderBody
from multiturn.api.native.wire import ListBody
from multiturn.api.services import Services
from multiturn.api.session_names import session_key
from multiturn.model.session import Session
from multiturn.model.tenant import Caller

LIMIT, LIMIT_MAX = 20, 100


class SessionRoutes:
    """Sessions, their items and their runs."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        one = f"{base}/sessions/{{session_id}}"
        return [
            Route(f"{base}/sessions", self.list_sessions, methods=["GET"]),
            Route(f"{base}/sessions", self.create_session, methods=["POST"]),
            Route(one, self.get_session, methods=["GET"]),
            Route(one, self.update_session, methods=["PATCH"]),
            Route(one, self.delete_session, methods=["DELETE"]),
            Route(f"{one}/clear", self.clear_session, methods=["POST"]),
            Route(f"{one}/fork", self.fork_session, methods=["POST"]),
            Route(f"{one}/items", self.list_items, methods=["GET"]),
            Route(f"{one}/runs", self.list_runs, methods=["GET"]),
        ]

    async def list_sessions(self, request: Request) -> Response:
        """List sessions, newest first unless the query says otherwise."""
        caller = await authenticate(self.services, request)
        limit = read_limit(request, default=LIMIT, maximum=LIMIT_MAX)
        wanted = await read_filter(self.services, caller, request)
        page = await self.services.sessions.list_sessions(caller, wanted, limit=limit)
        data = [render_session(session) for session in page.data]
        behind: str | int | None = None
        if page.has_more:
            is_cursor = wanted.sort == "newest" and not wanted.offset
            behind = data[-1].id if is_cursor else wanted.offset + len(data)
        return write_response(ListBody(data=data, has_more=page.has_more, next=behind))

    async def create_session(self, request: Request) -> Response:
        """Make a session without a turn."""
        caller = await authenticate(self.services, request)
        body = read_struct(await self._read(request), SessionOrderBody)
        session = await self.services.sessions.create(caller, await read_order(self.services, caller, body))
        return write_response(render_session(session), status=201)

    async def get_session(self, request: Request) -> Response:
        """One session."""
        _, session = await self._find(request)
        return write_response(render_session(session))

    async def update_session(self, request: Request) -> Response:
        """Change what is set of a session."""
        caller, session = await self._find(request)
        body = read_struct(await self._read(request), SessionChangeBody)
        change = await read_change(self.services, caller, body)
        return write_response(render_session(await self.services.sessions.update(session, change)))

    async def delete_session(self, request: Request) -> Response:
        """Delete a session with everything in it."""
        _, session = await self._find(request)
        await self.services.sessions.delete(session)
        return write_response(DeletedBody(id=str(session.id)))

    async def clear_session(self, request: Request) -> Response:
        """Empty a session's history."""
        _, session = await self._find(request)
        return write_response(render_session(await self.services.sessions.clear(session)))

    async def fork_session(self, request: Request) -> Response:
        """Make a session that shares this one's items."""
        _, session = await self._find(request)
        body = read_struct(await self._read(request), ForkBody)
        fork = await self.services.sessions.fork(
            session,
            at=body.at,
            external_id=None if body.external_id is None else check_id(body.external_id, "external_id"),
            metadata=body.metadata,
        )
        return write_response(render_session(fork), status=201)

    async def list_items(self, request: Request) -> Response:
        """List a session's items, newest first unless ``order=asc``."""
        _, session = await self._find(request)
        page = await self.services.sessions.list_items(
            session,
            read_span(request),
            cursor=read_number(request, "cursor"),
            limit=read_limit(request, default=LIMIT, maximum=LIMIT_MAX),
            newest_first=read_choice(request, "order", ("desc", "asc")) == "desc",
            all_branches=read_choice(request, "branch", ("active", "all")) == "all",
        )
        data = [render_item(item) for item in page.data]
        return write_response(ListBody(data=data, has_more=page.has_more, next=data[-1].seq if page.has_more else None))

    async def list_runs(self, request: Request) -> Response:
        """List a session's runs, newest first."""
        caller, session = await self._find(request)
        limit = read_limit(request, default=LIMIT, maximum=LIMIT_MAX)
        wanted = await read_run_filter(self.services, caller, request, statuses=STATUSES)
        before = read_number(request, "cursor")
        page = await self.services.run_listings.list_session_runs(session, wanted, before=before, limit=limit)
        last = page.data[-1].ticket if page.has_more else None
        return write_response(ListBody(data=[render_run(run) for run in page.data], has_more=page.has_more, next=last))

    async def _find(self, request: Request) -> tuple[Caller, Session]:
        caller = await authenticate(self.services, request)
        return caller, await self.services.sessions.get(session_key(caller, request.path_params["session_id"]))

    async def _read(self, request: Request) -> bytes:
        """The body of a request, a JSON object; none at all is an empty one."""
        body = await read_body(request, bytes_max=self.services.body_bytes_max) or b"{}"
        read_json_object(body)
        return body
