"""Chats as Julep's client asks for them: a turn, and what a turn would show the model."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from uuid import UUID

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from multiturn.api.auth import authenticate
from multiturn.api.envelopes import JULEP
from multiturn.api.errors import respond, write_response
from multiturn.api.julep.chat_wire import JulepRenderBody
from multiturn.api.julep.parse import session_key
from multiturn.api.julep.parse_chat import ChatOrder, parse_chat
from multiturn.api.julep.render import render_retrieved
from multiturn.api.julep.render_chat import Docs, wait_end, write_answer_body, write_chunks, write_error
from multiturn.api.limits import read_body
from multiturn.api.services import Services
from multiturn.api.turns import Telling, tell_turn
from multiturn.engine.toolsets import read_tools
from multiturn.engine.turns import Turn
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.event import Event
from multiturn.model.ids import find_id
from multiturn.model.session import Session, SessionKey
from multiturn.model.tenant import Caller


class ChatRoutes:
    """Turns in sessions."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        session = f"{base}/sessions/{{session_id}}"
        return [
            Route(f"{session}/chat", self.chat, methods=["POST"]),
            Route(f"{session}/render", self.render, methods=["POST"]),
        ]

    async def chat(self, request: Request) -> ASGIApp:
        """Take a turn."""
        caller, session, chat = await self._read(request)
        key = SessionKey(tenant_id=caller.tenant_id, user_id=caller.user_id, id=session.id, is_bound=caller.is_bound)
        turn = await self.services.turns.take(key, chat.turn, idle_expiry_s=None)
        find_docs = partial(self._find_docs, turn)
        telling = Telling(
            session=str(session.id),
            is_streamed=chat.turn.is_streamed,
            write_whole=partial(self._write_whole, turn),
            write_stream=partial(write_chunks, turn.run, find_docs),
            write_error=write_error,
            respond=partial(respond, envelope=JULEP),
            status=201,
        )
        return await tell_turn(self.services, request, turn, telling)

    async def _write_whole(self, turn: Turn, first: Event, events: AsyncGenerator[Event]) -> bytes:
        ended = await wait_end(first, events)
        return write_answer_body(ended, await self._find_docs(turn))

    async def _find_docs(self, turn: Turn) -> Docs:
        """The snippets that the turn's model was shown: of a run of another server, as they are stored."""
        if turn.live:
            return render_retrieved(turn.live.retrieved)
        _, retrieved = await self.services.contexts.read_run(turn.run)
        return render_retrieved(retrieved)

    async def render(self, request: Request) -> Response:
        """What a turn would show the model."""
        _, session, chat = await self._read(request, reads=True)
        assembled = await self.services.turns.preview(session, chat.turn)
        body = JulepRenderBody(
            messages=msgspec.json.decode(assembled.context.messages),
            docs=render_retrieved(assembled.context.retrieved),
            tools=read_tools(assembled.speaker.fields) or None,
            tool_choice=chat.tool_choice,
        )
        return write_response(body)

    async def _read(self, request: Request, *, reads: bool = False) -> tuple[Caller, Session, ChatOrder]:
        """Who asks, in which session, and for what turn."""
        services = self.services
        caller = await authenticate(services, request, reads=reads)
        body = await read_body(request, bytes_max=services.body_bytes_max)
        chat = parse_chat(body, request.headers)
        session = await services.sessions.get(session_key(caller, request.path_params["session_id"]))
        agent_id = await self._find_agent(caller, chat.body.agent or chat.body.agent_id)
        order = replace(chat.turn, agent_id=agent_id)
        turn = await services.contexts.speakers.render_input(session, order)
        return caller, session, replace(chat, turn=turn)

    async def _find_agent(self, caller: Caller, name: str | None) -> UUID | None:
        """The agent that a turn names; whether it takes part, the turn finds out."""
        if name is None:
            return None
        try:
            return find_id(name) or (await self.services.agents.get(caller, name)).id
        except NotFound as error:
            text = "The agent does not take part in this session. Name one of its agents, or none."
            raise InvalidRequest(text, code="agent_not_in_session", param="agent") from error
