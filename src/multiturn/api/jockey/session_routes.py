"""Sessions, which the hosted service keeps to itself: listed, read with what was said in them, deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.jockey import names
from multiturn.api.jockey.asking import session_key
from multiturn.api.jockey.citations import render_citations
from multiturn.api.jockey.media import Media
from multiturn.api.jockey.reading import read_pages, read_word
from multiturn.api.jockey.render_assets import write_time
from multiturn.api.jockey.render_response import Shown, read_words
from multiturn.api.jockey.response_wire import (
    JockeyPartBody,
    JockeySaidBody,
    JockeySelectionBody,
    JockeySessionBody,
)
from multiturn.api.jockey.store_routes import find_assets
from multiturn.api.services import Services
from multiturn.model.content import Message
from multiturn.model.item import Item
from multiturn.model.listing import SessionFilter, SessionSort, Span
from multiturn.model.session import Session

SORTS: Mapping[tuple[str, str], SessionSort] = {
    ("created_at", "desc"): "newest",
    ("created_at", "asc"): "oldest",
    ("updated_at", "desc"): "active_last",
    ("updated_at", "asc"): "active_first",
}
# How many items are read at a time.
ITEMS_AT_ONCE = 500


class SessionRoutes:
    """Conversations."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        session = f"{base}/sessions/{{session_id}}"
        return [
            Route(f"{base}/sessions", self.list_sessions, methods=["GET"]),
            Route(session, self.get_session, methods=["GET"]),
            Route(session, self.delete_session, methods=["DELETE"]),
            Route(f"{session}/messages", self.list_messages, methods=["GET"]),
        ]

    async def list_sessions(self, request: Request) -> Response:
        """List the sessions that the caller may see, newest first unless the query says otherwise."""
        caller = await authenticate(self.services, request)
        query = request.query_params
        pages = read_pages(query)
        by, option = (
            read_word(query, "sort_by", ("created_at", "updated_at")),
            read_word(query, "sort_option", ("desc", "asc")),
        )
        wanted = SessionFilter(sort=SORTS[by, option], offset=pages.offset)
        page = await self.services.sessions.list_sessions(caller, wanted, limit=pages.limit)
        return write_response(pages.write([render_session(session) for session in page.data]))

    async def get_session(self, request: Request) -> Response:
        """One session."""
        return write_response(render_session(await self._find(request)))

    async def delete_session(self, request: Request) -> Response:
        """Delete a session with everything in it."""
        await self.services.sessions.delete(await self._find(request))
        return Response(status_code=204)

    async def list_messages(self, request: Request) -> Response:
        """What was said in a session, oldest first."""
        session = await self._find(request)
        pages = read_pages(request.query_params)
        said = [item for item in await self._load(session) if isinstance(item.content, Message)]
        page = said[pages.offset : pages.offset + pages.limit]
        shown = await self._find_shown(session, page, request)
        tickets = await self._find_tickets(session, {item.run_id for item in page})
        return write_response(pages.write([render_said(session, item, tickets, shown) for item in page], len(said)))

    async def _find(self, request: Request) -> Session:
        caller = await authenticate(self.services, request)
        return await self.services.sessions.get(session_key(caller, request.path_params["session_id"]))

    async def _load(self, session: Session) -> list[Item]:
        """All items of a session, oldest first."""
        items: list[Item] = []
        while True:
            span = Span(after=items[-1].seq if items else None)
            page = await self.services.sessions.list_items(session, span, limit=ITEMS_AT_ONCE, newest_first=False)
            items += page.data
            if not page.has_more:
                return items

    async def _find_shown(self, session: Session, items: Iterable[Item], request: Request) -> Shown:
        said = [item.content for item in items if isinstance(item.content, Message)]
        ids = [citation.asset_id for message in said for citation in message.citations]
        assets = await find_assets(self.services, session.tenant_id, ids)
        return Shown(assets, Media(self.services.links, request))

    async def _find_tickets(self, session: Session, run_ids: Iterable[UUID]) -> dict[UUID, int]:
        """The places of runs in their sessions; what was put in without a run has none."""
        runs = [await self.services.runs.store.find(session.tenant_id, run_id) for run_id in run_ids]
        return {run.id: run.ticket for run in runs if run}


def render_session(session: Session) -> JockeySessionBody:
    """A session."""
    settings = session.settings
    return JockeySessionBody(
        id=names.write_session(session.id),
        knowledge_store_id=names.write_store(settings.store_ids[0]) if settings.store_ids else None,
        selections=[render_selection(one.kind, one.id) for one in settings.selections],
        metadata=session.metadata,
        created_at=write_time(session.created_at),
        updated_at=write_time(session.active_at),
    )


def render_selection(kind: str, id_: UUID) -> JockeySelectionBody:
    """A selection."""
    if kind == "collection":
        return JockeySelectionBody(kind="collection", id=names.write_collection(id_))
    return JockeySelectionBody(kind="item", id=names.write_item(id_))


def render_said(session: Session, item: Item, tickets: Mapping[UUID, int], shown: Shown) -> JockeySaidBody:
    """A message of a session; an answer has the id that its response gave it."""
    message, ticket = item.content, tickets.get(item.run_id)
    assert isinstance(message, Message)
    is_answer = message.role == "assistant"
    id_ = f"msg_{names.write_session(session.id)}_i{item.seq}"
    part = JockeyPartBody(
        type="output_text" if is_answer else "input_text",
        text=read_words(message),
        annotations=render_citations(message.citations, shown.assets, shown.media),
    )
    return JockeySaidBody(
        id=names.write_message(session.id, ticket) if is_answer and ticket else id_,
        type="message",
        role=message.role,
        content=[part],
        response_id=names.write_response(item.run_id) if ticket else None,
        created_at=write_time(item.created_at),
    )
