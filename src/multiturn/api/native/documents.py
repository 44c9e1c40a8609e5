"""The paths of documents: below sessions, agents and users alike."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.limits import read_body, read_json_object, read_limit, read_struct
from multiturn.api.native.documents_wire import (
    DocumentBody,
    DocumentDeletedBody,
    DocumentOrderBody,
    DocumentOwnerBody,
    HitBody,
    HitsBody,
    SearchBody,
)
from multiturn.api.native.metadata import read_metadata
from multiturn.api.native.query import read_choice
from multiturn.api.native.sessions import LIMIT, LIMIT_MAX
from multiturn.api.native.wire import ListBody
from multiturn.api.services import Services
from multiturn.api.session_names import session_key
from multiturn.engine.callers import require_tenant
from multiturn.errors import InvalidRequest
from multiturn.model.ids import find_id
from multiturn.model.knowledge import DocumentFilter, DocumentHit, KnowledgeItem, Owner, SearchOrder
from multiturn.model.tenant import Caller

T = TypeVar("T")


class DocumentRoutes:
    """Documents of sessions, agents and users."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        owners = [f"{base}/{kind}s/{{{kind}_id}}/docs" for kind in ("session", "agent", "user")]
        return [route for path in owners for route in self._below(path)]

    def _below(self, path: str) -> list[Route]:
        return [
            Route(path, self.add_document, methods=["POST"]),
            Route(path, self.list_documents, methods=["GET"]),
            Route(f"{path}/search", self.search_documents, methods=["POST"]),
            Route(f"{path}/{{doc_id}}", self.get_document, methods=["GET"]),
            Route(f"{path}/{{doc_id}}", self.delete_document, methods=["DELETE"]),
        ]

    async def add_document(self, request: Request) -> Response:
        """Store a document."""
        caller = await authenticate(self.services, request)
        owner = await self._find_owner(caller, request, is_changed=True)
        body = await self._read(request, DocumentOrderBody)
        item = await self.services.knowledge.add(
            caller.tenant_id, owner, title=body.title, content=body.content, metadata=body.metadata or {}
        )
        return write_response(render_document(item), status=201)

    async def list_documents(self, request: Request) -> Response:
        """List documents, newest first unless ``order=asc``."""
        caller = await authenticate(self.services, request)
        owner = await self._find_owner(caller, request)
        which = DocumentFilter(
            metadata=read_metadata(request.query_params),
            cursor=read_cursor(request),
            limit=read_limit(request, default=LIMIT, maximum=LIMIT_MAX),
            newest_first=read_choice(request, "order", ("desc", "asc")) == "desc",
        )
        page = await self.services.knowledge.list_items(caller.tenant_id, owner, which)
        data = [render_document(item) for item in page.data]
        return write_response(ListBody(data=data, has_more=page.has_more, next=data[-1].id if page.has_more else None))

    async def search_documents(self, request: Request) -> Response:
        """Search in the documents."""
        caller = await authenticate(self.services, request, reads=True)
        owner = await self._find_owner(caller, request)
        order = read_order(await self._read(request, SearchBody))
        found = await self.services.knowledge.search(caller.tenant_id, [owner], order)
        hits = [render_hit(hit) for hit in found.hits]
        return write_response(HitsBody(data=hits, mode=found.mode, took_ms=round(found.took_ms, 2)))

    async def get_document(self, request: Request) -> Response:
        """One document."""
        caller = await authenticate(self.services, request)
        owner = await self._find_owner(caller, request)
        item_id = find_id(request.path_params["doc_id"])
        return write_response(render_document(await self.services.knowledge.get(caller.tenant_id, item_id, owner)))

    async def delete_document(self, request: Request) -> Response:
        """Delete a document."""
        caller = await authenticate(self.services, request)
        owner = await self._find_owner(caller, request, is_changed=True)
        item_id = find_id(request.path_params["doc_id"])
        await self.services.knowledge.delete(caller.tenant_id, owner, item_id)
        return write_response(DocumentDeletedBody(id=str(item_id)))

    async def _find_owner(self, caller: Caller, request: Request, *, is_changed: bool = False) -> Owner:
        """Whose documents the path names. Raises NotFound; Forbidden for an agent that the caller may not change."""
        names = request.path_params
        if name := names.get("session_id"):
            return Owner("session", (await self.services.sessions.get(session_key(caller, name))).id)
        if name := names.get("agent_id"):
            if is_changed:
                require_tenant(caller, "agents")
            return Owner("agent", (await self.services.agents.get(caller, name)).id)
        return Owner("user", (await self.services.users.get(caller, names["user_id"])).id)

    async def _read(self, request: Request, shape: type[T]) -> T:
        """The body as its struct. Raises TooLarge, InvalidRequest."""
        body = await read_body(request, bytes_max=self.services.body_bytes_max)
        read_json_object(body)
        return read_struct(body, shape)


def read_cursor(request: Request) -> UUID | None:
    """The document behind which a page begins. Raises InvalidRequest."""
    text = request.query_params.get("cursor")
    cursor = None if text is None else find_id(text)
    if text is not None and cursor is None:
        raise InvalidRequest("'cursor' must be the id of a document.", param="cursor")
    return cursor


def read_order(body: SearchBody) -> SearchOrder:
    """The search that a body asks for; a vector alone is searched for as one."""
    return SearchOrder(
        mode=body.mode or ("hybrid" if body.text or body.vector is None else "vector"),
        text=body.text,
        vector=None if body.vector is None else tuple(body.vector),
        limit=body.limit,
        confidence=body.confidence,
        alpha=body.alpha,
        mmr_strength=body.mmr_strength,
        metadata=body.metadata_filter or {},
    )


def render_owner(owner: Owner) -> DocumentOwnerBody:
    """An owner."""
    return DocumentOwnerBody(kind=owner.kind, id=str(owner.id))


def render_document(item: KnowledgeItem) -> DocumentBody:
    """A document."""
    return DocumentBody(
        id=str(item.id),
        title=item.title,
        content=item.content if isinstance(item.content, str) else list(item.content),
        metadata=item.metadata,
        created_at=item.created_at,
        chunks=item.chunks,
        is_embedded=item.is_embedded,
        owner=render_owner(item.owner),
    )


def render_hit(hit: DocumentHit) -> HitBody:
    """A chunk that was found."""
    return HitBody(
        document_id=str(hit.item.id),
        title=hit.item.title,
        chunk=hit.chunk,
        part=hit.part,
        text=hit.text,
        start=hit.start,
        end=hit.end,
        score=round(hit.score, 4),
        lexical=None if hit.lexical is None else round(hit.lexical, 4),
        similarity=None if hit.similarity is None else round(hit.similarity, 4),
        metadata=hit.item.metadata,
        owner=render_owner(hit.item.owner),
    )
