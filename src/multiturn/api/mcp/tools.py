"""The tools that look: knowledge stores are listed and searched, sessions are listed and read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request

from multiturn.api.auth import check_id
from multiturn.api.citations import render_place
from multiturn.api.mcp import wire
from multiturn.api.mcp.render import (
    render_item,
    render_session,
    say_items,
    say_passages,
    say_sessions,
    say_stores,
)
from multiturn.api.media_links import absolute, write_fragment
from multiturn.api.services import Services
from multiturn.api.session_names import session_key
from multiturn.model.knowledge import DocumentHit, Owner, SearchOrder
from multiturn.model.listing import SessionFilter, Span
from multiturn.model.store import Sorting
from multiturn.model.tenant import Caller


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool gives back: for a model to read, and the same for a program."""

    text: str
    body: Struct


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool as models see it. ``call`` is None for the one that takes a turn."""

    name: str
    title: str
    description: str
    arguments: type[Struct]
    output: type[Struct]
    call: Callable[[Request, Caller, Any], Awaitable[Outcome]] | None = None

    def describe(self) -> dict[str, Any]:
        """The tool as it is listed."""
        hints = {"readOnlyHint": self.call is not None, "destructiveHint": False, "openWorldHint": self.call is None}
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": write_schema(self.arguments),
            "outputSchema": write_schema(self.output),
            "annotations": hints,
        }


class Tools:
    """The tools of this server, for whoever calls them."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def list_tools(self) -> Sequence[Tool]:
        """All of them."""
        return (
            Tool(
                name="search_knowledge",
                title="Search a knowledge store",
                description="Finds passages in the documents, recordings, videos and pictures of a knowledge store, by "
                "words and by meaning, the best first. Each comes word for word with its file, its page or seconds, "
                "and a link. Use it when you want to read the sources yourself; use ask when you want an answer with "
                "citations.",
                arguments=wire.SearchKnowledge,
                output=wire.PassagesOut,
                call=self.search,
            ),
            Tool(
                name="list_knowledge_stores",
                title="List knowledge stores",
                description="Lists the knowledge stores that can be searched and asked, the newest first.",
                arguments=wire.ListStores,
                output=wire.StoresOut,
                call=self.list_stores,
            ),
            Tool(
                name="list_sessions",
                title="List sessions",
                description="Lists the conversations that are kept, the one last used first; with `text` only those in "
                "which these words were said.",
                arguments=wire.ListSessions,
                output=wire.SessionsOut,
                call=self.list_sessions,
            ),
            Tool(
                name="read_session",
                title="Read a session",
                description="Reads a conversation page by page, beginning with what was said last: messages, tool "
                "calls and their results, with citations. Send `next` as `before` to read what was said earlier.",
                arguments=wire.ReadSession,
                output=wire.ItemsOut,
                call=self.read_session,
            ),
            Tool(
                name="ask",
                title="Ask",
                description="Asks the model of this server, which remembers the session, and may look things up in "
                "knowledge stores: the answer then cites its sources as [n]. Question and answer are kept in the "
                "session. Name the same session again to go on.",
                arguments=wire.Ask,
                output=wire.AnswerOut,
            ),
        )

    async def search(self, request: Request, caller: Caller, asked: wire.SearchKnowledge) -> Outcome:
        """Search a knowledge store. Raises NotFound."""
        services = self.services
        store = await services.stores.get(caller.tenant_id, check_id(asked.store, "store"))
        order = SearchOrder(text=asked.query, limit=asked.limit, kinds=frozenset(asked.kinds))
        found = await services.knowledge.search(store.tenant_id, [Owner("store", store.id)], order)
        assets = await services.stores.load_assets(store.tenant_id, [hit.item.asset_id for hit in found.hits])
        links = {id_: absolute(request, services.links.file(asset)) for id_, asset in assets.items()}
        passages = [
            render_passage(number, hit, links.get(hit.item.asset_id) if hit.item.asset_id else None)
            for number, hit in enumerate(found.hits, start=1)
        ]
        return Outcome(
            say_passages(passages, store.name),
            wire.PassagesOut(store_id=str(store.id), store=store.name, passages=passages),
        )

    async def list_stores(self, _request: Request, caller: Caller, asked: wire.ListStores) -> Outcome:
        """List knowledge stores."""
        offset = asked.cursor or 0
        page = await self.services.stores.list_stores(caller.tenant_id, Sorting(offset=offset, limit=asked.limit))
        stores = [
            wire.StoreOut(
                id=str(store.id),
                name=store.name,
                description=store.description,
                items=sum(store.items.values()),
                ready=store.items.get("ready", 0),
            )
            for store in page.data
        ]
        end = offset + len(stores)
        body = wire.StoresOut(stores=stores, next=end if stores and end < page.total else None)
        return Outcome(say_stores(body), body)

    async def list_sessions(self, _request: Request, caller: Caller, asked: wire.ListSessions) -> Outcome:
        """List the caller's sessions."""
        offset = asked.cursor or 0
        wanted = SessionFilter(text=asked.text, sort="active_last", offset=offset)
        page = await self.services.sessions.list_sessions(caller, wanted, limit=asked.limit)
        sessions = [render_session(session) for session in page.data]
        body = wire.SessionsOut(sessions=sessions, next=offset + len(sessions) if page.has_more else None)
        return Outcome(say_sessions(body), body)

    async def read_session(self, _request: Request, caller: Caller, asked: wire.ReadSession) -> Outcome:
        """Read a stretch of a session. Raises NotFound."""
        session = await self.services.sessions.get(session_key(caller, asked.session, param="session"))
        page = await self.services.sessions.list_items(
            session, Span(before=asked.before), limit=asked.limit, newest_first=True
        )
        items = [render_item(item) for item in reversed(page.data)]
        body = wire.ItemsOut(
            session_id=str(session.id),
            name=session.external_id,
            items=items,
            next=items[0].seq if page.has_more else None,
        )
        return Outcome(say_items(body), body)


def render_passage(number: int, hit: DocumentHit, link: str | None) -> wire.PassageOut:
    """A passage that was found."""
    return wire.PassageOut(
        number=number,
        title=hit.item.title,
        text=hit.text,
        kind=hit.item.kind,
        modality=hit.modality,
        place=render_place(hit.place),
        score=round(hit.score, 4),
        item_id=str(hit.item.id),
        url=link + write_fragment(hit.place) if link else None,
    )


def write_schema(shape: type[Struct]) -> dict[str, Any]:
    """A struct as a JSON schema that stands alone."""
    schema = msgspec.json.schema(shape)
    known: dict[str, Any] = schema["$defs"]
    own: dict[str, Any] = known.pop(shape.__name__)
    own.pop("title", None)
    return {**own, "$defs": known} if known else own
