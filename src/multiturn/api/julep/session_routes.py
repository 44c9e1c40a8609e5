"""Sessions as Julep's client asks for them: made, listed, changed, read, cleared, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.julep.history import count_entries, last_entries, render_history
from multiturn.api.julep.parse import find_participants, read_change, read_order, session_key
from multiturn.api.julep.reading import read_list_query, read_request, read_time, read_uuid, read_whole
from multiturn.api.julep.render import render_deleted, render_session
from multiturn.api.julep.wire import (
    ItemsBody,
    JulepSessionChangeBody,
    JulepSessionOrderBody,
)
from multiturn.api.services import Services
from multiturn.errors import NotFound
from multiturn.model.ids import find_id
from multiturn.model.item import Item
from multiturn.model.listing import SessionFilter, SessionSort, Span
from multiturn.model.session import Session
from multiturn.model.tenant import Caller

SORTS: Mapping[tuple[str, str], SessionSort] = {
    ("created_at", "desc"): "newest",
    ("created_at", "asc"): "oldest",
    ("updated_at", "desc"): "active_last",
    ("updated_at", "asc"): "active_first",
}
ENTRIES_MAX = 10_000
# How many items are read at a time.
PAGE = 500


class SessionRoutes:
    """Sessions and their histories."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        session = f"{base}/sessions/{{session_id}}"
        return [
            Route(f"{base}/sessions", self.list_sessions, methods=["GET"]),
            Route(f"{base}/sessions", self.create_session, methods=["POST"]),
            Route(session, self.get_session, methods=["GET"]),
            Route(session, self.put_session, methods=["POST"]),
            Route(session, self.update_session, methods=["PATCH"]),
            Route(session, self.reset_session, methods=["PUT"]),
            Route(session, self.delete_session, methods=["DELETE"]),
            Route(f"{session}/history", self.get_history, methods=["GET"]),
            Route(f"{session}/history", self.delete_history, methods=["DELETE"]),
            Route(f"{session}/clear", self.clear_session, methods=["POST"]),
        ]

    async def list_sessions(self, request: Request) -> Response:
        """List sessions, newest first unless the query says otherwise."""
        caller = await authenticate(self.services, request)
        query, asked = read_list_query(request.query_params), request.query_params
        wanted = SessionFilter(
            agent_id=await self._find_agent(caller, asked.get("agent") or asked.get("agent_id")),
            user_id=await self._find_user(caller, asked.get("user") or asked.get("user_id")),
            metadata=query.metadata,
            sort=SORTS[query.sort_by, query.direction],
            offset=query.offset,
        )
        page = await self.services.sessions.list_sessions(caller, wanted, limit=query.limit)
        return write_response(ItemsBody(items=[render_session(session) for session in page.data]))

    async def create_session(self, request: Request) -> Response:
        """Make a session."""
        caller, body = await read_request(self.services, request, JulepSessionOrderBody)
        agents, users = await find_participants(self.services, caller, body, when="create")
        session = await self.services.sessions.create(caller, read_order(body, agents, users))
        return write_response(render_session(session), status=201)

    async def put_session(self, request: Request) -> Response:
        """Make the session with this id, or make it this."""
        caller, body = await read_request(self.services, request, JulepSessionOrderBody)
        id_ = read_uuid(request, "session_id")
        agents, users = await find_participants(self.services, caller, body, when="create or update")
        try:
            session = await self._find(caller, request)
        except NotFound:
            order = replace(read_order(body, agents, users), id=id_)
            session = await self.services.sessions.create(caller, order)
        else:
            change = read_change(body, session, overwrites=True, participants={"agents": agents, "users": users})
            session = await self.services.sessions.update(session, change)
        return write_response(render_session(session), status=201)

    async def get_session(self, request: Request) -> Response:
        """One session."""
        caller = await authenticate(self.services, request)
        return write_response(render_session(await self._find(caller, request)))

    async def update_session(self, request: Request) -> Response:
        """Change what is named of a session; metadata and search options are merged."""
        return await self._change(request, overwrites=False)

    async def reset_session(self, request: Request) -> Response:
        """Overwrite what is set of a session; its history stays."""
        return await self._change(request, overwrites=True)

    async def _change(self, request: Request, *, overwrites: bool) -> Response:
        caller, body = await read_request(self.services, request, JulepSessionChangeBody)
        session = await self._find(caller, request)
        change = read_change(body, session, overwrites=overwrites)
        return write_response(render_session(await self.services.sessions.update(session, change)))

    async def delete_session(self, request: Request) -> Response:
        """Delete a session with everything in it."""
        caller = await authenticate(self.services, request)
        session = await self._find(caller, request)
        await self.services.sessions.delete(session)
        return write_response(render_deleted(session.id, self.services.sessions.clock()), status=202)

    async def get_history(self, request: Request) -> Response:
        """What was said, oldest first; with a limit, the newest so many entries before a time."""
        caller = await authenticate(self.services, request)
        session = await self._find(caller, request)
        query = request.query_params
        limit = read_whole(query, "limit", 0, low=1, high=ENTRIES_MAX)
        items, has_more = await self._load(session, Span(until=read_time(query, "before")), entries=limit)
        kept = last_entries(items, limit) if limit else items
        return write_response(render_history(session, kept, has_beginning=not has_more and len(kept) == len(items)))

    async def _load(self, session: Session, span: Span, *, entries: int) -> tuple[list[Item], bool]:
        """A session's items, oldest first: enough for so many entries (0: all), and whether there are older ones."""
        items: list[Item] = []
        while True:
            page = await self.services.sessions.list_items(session, limit=PAGE, newest_first=True, span=span)
            items = [*reversed(page.data), *items]
            if not page.has_more or (entries and count_entries(items) > entries):
                return items, page.has_more
            span = replace(span, before=items[0].seq)

    async def delete_history(self, request: Request) -> Response:
        """Clear a session, as Julep's first clients asked for it."""
        session = await self._clear(request)
        return write_response(render_deleted(session.id, self.services.sessions.clock()), status=202)

    async def clear_session(self, request: Request) -> Response:
        """Clear a session: its history goes, its settings and its documents stay."""
        return write_response(render_session(await self._clear(request)))

    async def _clear(self, request: Request) -> Session:
        caller = await authenticate(self.services, request)
        return await self.services.sessions.clear(await self._find(caller, request))

    async def _find(self, caller: Caller, request: Request) -> Session:
        return await self.services.sessions.get(session_key(caller, request.path_params["session_id"]))

    async def _find_agent(self, caller: Caller, name: str | None) -> UUID | None:
        if not name:
            return None
        return find_id(name) or (await self.services.agents.get(caller, name)).id

    async def _find_user(self, caller: Caller, name: str | None) -> UUID | None:
        if not name:
            return None
        return find_id(name) or (await self.services.users.get(caller, name)).id
