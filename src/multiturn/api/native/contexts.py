"""The context inspector: what a model was, or would be, shown, and why."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate, check_id
from multiturn.api.citations import render_place
from multiturn.api.errors import write_response
from multiturn.api.limits import read_body, read_json_object
from multiturn.api.native.chat import find_agent
from multiturn.api.native.chat_parse import parse_chat, read_agent
from multiturn.api.native.contexts_wire import ContextBody, PartBody, RetrievedBody, SnippetBody, SummaryBody
from multiturn.api.native.query import read_choice
from multiturn.api.services import Services
from multiturn.api.session_names import session_key
from multiturn.engine.contexts import Assembled
from multiturn.errors import NotFound
from multiturn.model.context import ContextRecord
from multiturn.model.ids import find_id
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.run import Run
from multiturn.model.session import Session
from multiturn.model.turn import TurnOrder


class ContextRoutes:
    """Contexts of sessions and runs."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        return [
            Route(f"{base}/sessions/{{session_id}}/context", self.get_context, methods=["GET"]),
            Route(f"{base}/sessions/{{session_id}}/context/preview", self.preview_context, methods=["POST"]),
            Route(f"{base}/runs/{{run_id}}/context", self.get_run_context, methods=["GET"]),
            Route(f"{base}/runs/{{run_id}}/retrieved-context", self.get_retrieved, methods=["GET"]),
        ]

    async def get_context(self, request: Request) -> Response:
        """What the next turn begins with."""
        caller = await authenticate(self.services, request)
        session = await self.services.sessions.get(session_key(caller, request.path_params["session_id"]))
        order = TurnOrder(input=(), model=await self._choose_model(request, session), digest=b"")
        return self._answer(request, session, await self.services.turns.preview(session, order))

    async def preview_context(self, request: Request) -> Response:
        """What a turn with these messages would show the model."""
        services = self.services
        caller = await authenticate(services, request, reads=True)
        session = await services.sessions.get(session_key(caller, request.path_params["session_id"]))
        body = await read_body(request, bytes_max=services.body_bytes_max)
        fields = read_json_object(body)
        order = parse_chat(body, fields, request.headers, session)
        if agent := read_agent(fields):
            order = replace(order, agent_id=await find_agent(services, caller, agent))
        order = await services.contexts.speakers.render_input(session, order)
        return self._answer(request, session, await services.turns.preview(session, order))

    async def get_run_context(self, request: Request) -> Response:
        """What a run's model was shown."""
        run = await self._find_run(request)
        record, retrieved = await self.services.contexts.read_run(run)
        if record is None:
            raise NotFound(
                "Nothing is known of what this run's model was shown: it was not stored (save=false), or it had not "
                "got that far.",
                code="context_not_found",
            )
        return write_response(render_record(record, str(run.session_id), run_id=str(run.id), retrieved=retrieved))

    async def get_retrieved(self, request: Request) -> Response:
        """What was found for a run."""
        run = await self._find_run(request)
        _, retrieved = await self.services.contexts.read_run(run)
        return write_response(render_retrieved(retrieved or RetrievedContext(query="")))

    async def _choose_model(self, request: Request, session: Session) -> str:
        """The model that is asked about, else that of the newest run; an empty one is chosen as a turn chooses it."""
        if model := request.query_params.get("model"):
            return check_id(model, "model")
        newest = await self.services.sessions.list_runs(session, before=None, limit=1)
        return newest.data[0].model if newest.data else ""

    def _answer(self, request: Request, session: Session, assembled: Assembled) -> Response:
        context = assembled.context
        body = render_record(context.record, str(session.id), run_id=None, retrieved=context.retrieved)
        if summary := context.summary:
            body.summary = SummaryBody(text=summary.text, first=summary.first, last=summary.last, model=summary.model)
        if read_choice(request, "messages", ("false", "true")) == "true":
            body.messages = msgspec.json.decode(context.messages)
        return write_response(body)

    async def _find_run(self, request: Request) -> Run:
        caller = await authenticate(self.services, request)
        return await self.services.sessions.get_run(caller, find_id(request.path_params["run_id"]))


def render_record(
    record: ContextRecord, session_id: str, *, run_id: str | None, retrieved: RetrievedContext | None
) -> ContextBody:
    """A context as its record tells it."""
    return ContextBody(
        session_id=session_id,
        run_id=run_id,
        strategy=record.strategy,
        budget=record.budget,
        tokens=record.tokens,
        reused_tokens=sum(part.tokens for part in record.parts if part.is_reused),
        shown_from=record.cut,
        parts=[
            PartBody(kind=part.kind, tokens=part.tokens, first=part.first, last=part.last, is_reused=part.is_reused)
            for part in record.parts
        ],
        retrieved=render_retrieved(retrieved) if retrieved else None,
    )


def render_retrieved(retrieved: RetrievedContext) -> RetrievedBody:
    """What was found for a turn."""
    return RetrievedBody(
        query=retrieved.query,
        tokens=retrieved.tokens,
        took_ms=retrieved.took_ms,
        block=retrieved.block,
        snippets=[render_snippet(snippet) for snippet in retrieved.snippets],
    )


def render_snippet(snippet: Snippet) -> SnippetBody:
    """A piece that was found."""
    return SnippetBody(
        source=snippet.source,
        text=snippet.text,
        omitted=snippet.omitted,
        score=snippet.score,
        lexical=snippet.lexical,
        similarity=snippet.similarity,
        seq=snippet.seq,
        speaker=snippet.speaker,
        said_at=snippet.said_at,
        document_id=str(snippet.item_id) if snippet.item_id else None,
        title=snippet.title,
        chunk=snippet.chunk,
        number=snippet.number,
        reranked=snippet.reranked,
        modality=snippet.modality,
        place=render_place(snippet.place),
        start=snippet.start,
        end=snippet.end,
    )
