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
from multiturn.api.chat.render import (
    DONE,
    annotate,
    write_annotation_chunk,
    write_chunks,
    write_completion,
    write_deltas,
    write_error,
)
from multiturn.api.errors import write_response
from multiturn.api.limits import read_body, read_json_object
from multiturn.api.quotas import tell_allowed
from multiturn.api.services import Services
from multiturn.api.sse import EventStream, watch_client, while_listening
from multiturn.api.turns import Telling, tell_break, tell_turn
from multiturn.engine.usage import Payer
from multiturn.errors import ModelNotFound
from multiturn.model.completion import Delta, ModelInfo, ModelRequest
from multiturn.model.event import Answered, Ended, Event, Spoke
from multiturn.model.ids import find_id
from multiturn.model.session import SessionKey
from multiturn.model.tenant import Caller

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
        caller = await authenticate(services, request)
        body = await read_body(request, bytes_max=services.body_bytes_max)
        chat = parse_request(body, read_json_object(body), request.headers, services.default_model)
        if chat.session is None:
            return await self._relay(request, Payer(caller.tenant_id, caller.user_id), chat)
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
        telling = Telling(
            session=name,
            is_streamed=chat.order.is_streamed,
            write_whole=write_whole,
            write_stream=partial(write_stream, includes_usage=chat.includes_usage),
            write_error=write_error,
        )
        return await tell_turn(services, request, turn, telling)

    async def _relay(self, request: Request, payer: Payer, chat: ChatRequest) -> ASGIApp:
        """Pass a request without a session on, and its answer back; nothing is stored but what it used."""
        asked = ModelRequest(
            model=chat.order.model,
            messages=chat.messages,
            fields=chat.order.fields,
            headers={name: request.headers[name] for name in PASSED_HEADERS if name in request.headers},
        )
        headers = tell_allowed(await self.services.quotas.check(payer.tenant_id, payer.user_id))
        if not chat.order.is_streamed:
            completion = await while_listening(request.receive, self.services.turns.relay(payer, asked))
            return Response(completion.raw if completion else b"", headers=headers, media_type="application/json")
        stream = self.services.turns.relay_stream(payer, asked)
        first = await anext(stream, ())
        frames = write_relay(first, stream, includes_usage=chat.includes_usage)
        response = EventStream(tell_break(frames, write_error), headers=headers)
        response.watch = asyncio.create_task(watch_client(request.receive, response.hang_up))
        return response

    async def list_models(self, request: Request) -> Response:
        """List the models that would be answered."""
        await authenticate(self.services, request)
        models = [write_model(model) for model in await self.services.upstream.list_models()]
        return write_response({"object": "list", "data": models})

    async def get_model(self, request: Request) -> Response:
        """One model of the list."""
        await authenticate(self.services, request)
        name = request.path_params["model"]
        models = await self.services.upstream.list_models()
        found = next((model for model in models if model.id == name), None)
        if found is None:
            raise ModelNotFound(name, [model.id for model in models])
        return write_response(write_model(found))


async def write_whole(first: Event, events: AsyncGenerator[Event]) -> bytes:
    """The body of a completion: what the provider sent, else what is stored."""
    answer: Event | None = first if isinstance(first, Answered) else None
    event = first
    async with aclosing(events):
        while not isinstance(event, Ended):
            event = await anext(events)
    if event.error:
        raise event.error
    if isinstance(answer, Answered):
        return annotate(answer.completion.raw, event.output)
    return write_completion(event.run, event.output)


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
        yield write_annotation_chunk(event.run, event.output) + DONE
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


def write_model(model: ModelInfo) -> Mapping[str, object]:
    """A model as OpenAI lists it."""
    shown: dict[str, object] = {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owned_by}
    return shown | ({"context_window": model.context_tokens} if model.context_tokens else {})
