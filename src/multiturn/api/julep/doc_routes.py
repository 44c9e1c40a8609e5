"""Documents of agents, users and sessions as Julep's client asks for them."""

from __future__ import annotations

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.julep.parse import session_key
from multiturn.api.julep.reading import read_list_query, read_request
from multiturn.api.julep.render import render_deleted, render_doc, render_hits
from multiturn.api.julep.wire import (
    TEXT_CHARS_MAX,
    TEXTS_MAX,
    ItemsBody,
    JulepBulkDeleteBody,
    JulepDocOrderBody,
    JulepEmbedBody,
    JulepSearchBody,
    JulepVectorsBody,
)
from multiturn.api.services import Services
from multiturn.engine.callers import require_tenant
from multiturn.engine.knowledge import document_not_found
from multiturn.errors import InvalidRequest, NotFound, Unavailable
from multiturn.model.ids import find_id
from multiturn.model.knowledge import DocumentFilter, Owner, SearchOrder
from multiturn.model.policy import SearchMode
from multiturn.model.tenant import Caller


class DocRoutes:
    """Documents, whoever owns them, and vectors."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        routes = [
            Route(f"{base}/docs/{{doc_id}}", self.get_doc, methods=["GET"]),
            Route(f"{base}/embed", self.embed, methods=["POST"]),
        ]
        for kind in ("agent", "user", "session"):
            owned = f"{base}/{kind}s/{{{kind}_id}}"
            routes += [
                Route(f"{owned}/docs", self.list_docs, methods=["GET"]),
                Route(f"{owned}/docs", self.create_doc, methods=["POST"]),
                Route(f"{owned}/docs", self.delete_docs, methods=["DELETE"]),
                Route(f"{owned}/search", self.search, methods=["POST"]),
                Route(f"{owned}/docs/search", self.search, methods=["POST"]),
                Route(f"{owned}/docs/{{doc_id}}", self.get_owned_doc, methods=["GET"]),
                Route(f"{owned}/docs/{{doc_id}}", self.delete_doc, methods=["DELETE"]),
            ]
        return routes

    async def create_doc(self, request: Request) -> Response:
        """Put a document in."""
        caller, body = await read_request(self.services, request, JulepDocOrderBody)
        owner = await self._find_owner(caller, request, is_changed=True)
        item = await self.services.knowledge.add(
            caller.tenant_id, owner, title=body.title, content=body.content, metadata=body.metadata or {}
        )
        return write_response(render_doc(item, self.services.knowledge.model), status=201)

    async def list_docs(self, request: Request) -> Response:
        """List an owner's documents, newest first unless the query says otherwise."""
        caller = await authenticate(self.services, request)
        owner = await self._find_owner(caller, request)
        query = read_list_query(request.query_params)
        which = DocumentFilter(
            metadata=query.metadata,
            offset=query.offset,
            limit=query.limit,
            newest_first=query.direction == "desc",
        )
        page = await self.services.knowledge.list_items(caller.tenant_id, owner, which)
        return write_response(ItemsBody(items=[render_doc(item, self.services.knowledge.model) for item in page.data]))

    async def get_owned_doc(self, request: Request) -> Response:
        """One document of an owner."""
        caller = await authenticate(self.services, request)
        owner = await self._find_owner(caller, request)
        item = await self.services.knowledge.get(caller.tenant_id, find_id(request.path_params["doc_id"]), owner)
        return write_response(render_doc(item, self.services.knowledge.model))

    async def get_doc(self, request: Request) -> Response:
        """One document, of whomever the caller may see."""
        caller = await authenticate(self.services, request)
        item = await self.services.knowledge.get(caller.tenant_id, find_id(request.path_params["doc_id"]))
        await self._check_owner(caller, item.owner)
        return write_response(render_doc(item, self.services.knowledge.model))

    async def delete_doc(self, request: Request) -> Response:
        """Delete a document."""
        caller = await authenticate(self.services, request)
        owner = await self._find_owner(caller, request, is_changed=True)
        id_ = find_id(request.path_params["doc_id"])
        if id_ is None:
            raise document_not_found()
        await self.services.knowledge.delete(caller.tenant_id, owner, id_)
        return write_response(render_deleted(id_, self.services.knowledge.clock()), status=202)

    async def delete_docs(self, request: Request) -> Response:
        """Delete documents by what their metadata contain, or all of them."""
        caller, body = await read_request(self.services, request, JulepBulkDeleteBody)
        owner = await self._find_owner(caller, request, is_changed=True)
        if not (body.metadata_filter or body.delete_all):
            text = "'metadata_filter' names no documents. Say 'delete_all' to delete all of them."
            raise InvalidRequest(text, param="metadata_filter")
        now = self.services.knowledge.clock()
        deleted = await self.services.knowledge.delete_all(caller.tenant_id, owner, body.metadata_filter)
        return write_response(ItemsBody(items=[render_deleted(id_, now) for id_ in deleted]), status=202)

    async def search(self, request: Request) -> Response:
        """Search an owner's documents."""
        caller, body = await read_request(self.services, request, JulepSearchBody, reads=True)
        owner = await self._find_owner(caller, request)
        order = SearchOrder(
            mode=body.mode or guess_mode(body),
            text=body.text,
            vector=tuple(body.vector) if body.vector is not None else None,
            limit=body.limit,
            confidence=body.confidence,
            alpha=body.alpha,
            mmr_strength=body.mmr_strength,
            metadata=body.metadata_filter or {},
            with_vectors=body.include_embeddings,
        )
        return write_response(render_hits(await self.services.knowledge.search(caller.tenant_id, [owner], order)))

    async def embed(self, request: Request) -> Response:
        """The vectors of texts."""
        _, body = await read_request(self.services, request, JulepEmbedBody, reads=True)
        texts = [body.text] if isinstance(body.text, str) else body.text
        if not 1 <= len(texts) <= TEXTS_MAX:
            raise InvalidRequest(f"'text' must be 1 to {TEXTS_MAX} texts; there are {len(texts)}.", param="text")
        if max(map(len, texts)) > TEXT_CHARS_MAX:
            raise InvalidRequest(f"'text' must have at most {TEXT_CHARS_MAX} characters.", param="text")
        embedder = self.services.knowledge.embedder
        if embedder is None:
            text = "This server makes no vectors: MULTITURN_EMBEDDING_MODEL is 'none'."
            raise Unavailable(text, code="embeddings_unavailable")
        vectors = await embedder.embed(texts, is_query=True)
        return write_response(JulepVectorsBody(vectors=vectors.tolist()))

    async def _find_owner(self, caller: Caller, request: Request, *, is_changed: bool = False) -> Owner:
        """The owner that a path names. Raises NotFound for one that is not there, or not the caller's; Forbidden for an
        agent that the caller may not change.
        """
        services, names = self.services, request.path_params
        if name := names.get("agent_id"):
            if is_changed:
                require_tenant(caller, "agents")
            return Owner("agent", (await services.agents.get(caller, name)).id)
        if name := names.get("user_id"):
            return Owner("user", (await services.users.get(caller, name)).id)
        return Owner("session", (await services.sessions.get(session_key(caller, names["session_id"]))).id)

    async def _check_owner(self, caller: Caller, owner: Owner) -> None:
        """Raise NotFound, as for a document that is not there, when the caller may not see its owner."""
        services, id_ = self.services, owner.id
        try:
            match owner.kind:
                case "agent":
                    await services.agents.get(caller, id_)
                case "user":
                    await services.users.get(caller, id_)
                case "session":
                    await services.sessions.get(replace(session_key(caller, str(id_)), external_id=None))
        except NotFound as error:
            raise document_not_found() from error


def guess_mode(body: JulepSearchBody) -> SearchMode:
    """How to search by what is given, as Julep's server did."""
    if body.vector is None:
        return "text"
    return "vector" if body.text is None else "hybrid"
