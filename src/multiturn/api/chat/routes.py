"""The paths of the chat dialect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from multiturn.api.auth import authenticate
from multiturn.api.chat.parse import ChatRequest, parse_request
from multiturn.api.chat.render import DONE, write_chunks, write_completion, write_deltas, write_error
from multiturn.api.errors import respond, write_response
from multiturn.api.limits import read_body, read_json_object
from multiturn.api.services import Services
from multiturn.api.sse import EventStream, watch_client, while_listening
from multiturn.engine.turns import Turn
from multiturn.errors import Conflict, ModelNotFound, MultiturnError
from multiturn.model.completion import Delta, ModelInfo, ModelRequest
from multiturn.model.event import Answered, Ended, Event, Spoke
from multiturn.model.ids import find_id
from multiturn.model.session import SessionKey
from multiturn.model.tenant import Caller
from multiturn.observe import log_context

# Of a request without a session, what a provider may make use of.
PASSED_HEADERS = ("idempotency-key",)


class ChatRoutes:
    """Chat completions and the list of models."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes of the dialect under a base path."""
        return [
            Route(f"{base}/chat/completions", self.complete, methods=["POST"]),
            Route(f"{base}/models", self.list_models, methods=["GET"]),
            Route(f"{base}/models/{{model:path}}", self.get_model, methods=["GET"]),
        ]

    async def complete(self, request: Request) -> ASGIApp:
        """Answer a chat completion, in a session when the request names one."""
        services = self.services
        caller = await authenticate(services, request.headers)
        body = await read_body(request, bytes_max=services.body_bytes_max)
        chat = parse_request(body, read_json_object(body), request.headers, services.default_model)
        if chat.session is None:
            return await self._relay(request, chat)
        return await self._take(request, caller, chat, chat.session)

    async def _take(self, request: Request, caller: Caller, chat: ChatRequest, name: str) -> ASGIApp:
        services = self.services
        key = SessionKey(
            tenant_id=caller.tenant_id,
            user_id=caller.user_id,
            id=find_id(name),
            external_id=name,
            is_bound=caller.is_bound,
        )
        turn = await services.turns.take(key, chat.order, idle_expiry_s=services.header_idle_expiry_s)
        note_turn(turn)
        watch = None
        if turn.live:
            watch = asyncio.create_task(watch_client(request.receive, partial(services.runs.abandon, turn.live)))
        events = services.runs.follow(turn.run)
        headers = {"X-Session-Id": echo(name), "X-Run-Id": str(turn.run.id)}
        try:
            first = await anext(events)
            if isinstance(first, Ended):
                require_answer(first)
            if chat.order.is_streamed:
                frames = write_stream(first, events, includes_usage=chat.includes_usage)
                stream = EventStream(tell_break(frames), headers=headers, watch=watch)
                watch = None
                return stream
            return Response(await write_whole(first, events), 200, headers, "application/json")
        except MultiturnError as error:
            return respond(error, headers=headers)
        finally:
            if watch:
                watch.cancel()

    async def _relay(self, request: Request, chat: ChatRequest) -> ASGIApp:
        """Pass a request without a session on, and its answer back; nothing is stored."""
        asked = ModelRequest(
            model=chat.order.model,
            messages=chat.messages,
            fields=chat.order.fields,
            headers={name: request.headers[name] for name in PASSED_HEADERS if name in request.headers},
        )
        if not chat.order.is_streamed:
            completion = await while_listening(request.receive, self.services.turns.relay(asked))
            return Response(completion.raw if completion else b"", media_type="application/json")
        stream = self.services.turns.relay_stream(asked)
        first = await anext(stream, ())
        frames = write_relay(first, stream, includes_usage=chat.includes_usage)
        response = EventStream(tell_break(frames), headers={})
        response.watch = asyncio.create_task(watch_client(request.receive, response.hang_up))
        return response

    async def list_models(self, request: Request) -> Response:
        """List the models that would be answered."""
        await authenticate(self.services, request.headers)
        models = [write_model(model) for model in await self.services.upstream.list_models()]
        return write_response({"object": "list", "data": models})

    async def get_model(self, request: Request) -> Response:
        """One model of the list."""
        await authenticate(self.services, request.headers)
        name = request.path_params["model"]
        models = await self.services.upstream.list_models()
        found = next((model for model in models if model.id == name), None)
        if found is None:
            raise ModelNotFound(name, [model.id for model in models])
        return write_response(write_model(found))


def require_answer(ended: Ended) -> None:
    """Raise what a run ended with that has no answer to tell: its error, or that the answer was not saved."""
    if ended.error:
        raise ended.error
    if not ended.output:
        text = "The answer was not saved (saveToMemory) and cannot be repeated. Send it as a new request."
        raise Conflict(text)


async def write_whole(first: Event, events: AsyncGenerator[Event]) -> bytes:
    """The body of a completion: what the provider sent, else what is stored."""
    answer: Event | None = first if isinstance(first, Answered) else None
    event = first
    async with aclosing(events):
        while not isinstance(event, Ended):
            event = await anext(events)
    if event.error:
        raise event.error
    return answer.completion.raw if isinstance(answer, Answered) else write_completion(event.run, event.output)


async def write_stream(first: Event, events: AsyncGenerator[Event], *, includes_usage: bool) -> AsyncGenerator[bytes]:
    """The frames of a run; the last one is written when the turn is stored."""
    event, spoke = first, False
    async with aclosing(events):
        while not isinstance(event, Ended):
            if isinstance(event, Spoke):
                spoke = True
                if frames := write_deltas(event.deltas, includes_usage=includes_usage):
                    yield frames
            event = await anext(events)
    if event.error:
        yield write_error(event.error)
    elif spoke:
        yield DONE
    else:
        yield write_chunks(event.run, event.output, includes_usage=includes_usage) + DONE


async def write_relay(
    first: Sequence[Delta], stream: AsyncGenerator[Sequence[Delta]], *, includes_usage: bool
) -> AsyncGenerator[bytes]:
    """The frames of an answer that is passed on."""
    yield write_deltas(first, includes_usage=includes_usage)
    async with aclosing(stream):
        async for deltas in stream:
            yield write_deltas(deltas, includes_usage=includes_usage)
    yield DONE


async def tell_break(frames: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Frames as they come; where they break off, the last one says why."""
    try:
        async with aclosing(frames):
            async for frame in frames:
                yield frame
    except MultiturnError as error:
        yield write_error(error)


def note_turn(turn: Turn) -> None:
    """Let the lines of this request's log carry the session and the run."""
    log_context.get({}).update(session_id=str(turn.session.id), run_id=str(turn.run.id))


def echo(name: str) -> str:
    """A session's name as a header carries it: as UTF-8, which is how it is read when it is sent again."""
    return name.encode().decode("latin-1")


def write_model(model: ModelInfo) -> Mapping[str, object]:
    """A model as OpenAI lists it."""
    shown: dict[str, object] = {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owned_by}
    return shown | ({"context_window": model.context_tokens} if model.context_tokens else {})
