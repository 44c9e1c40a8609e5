"""The path of a chat in a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

from msgspec.structs import replace
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from multiturn.api.auth import authenticate, check_id
from multiturn.api.citations import list_citations
from multiturn.api.fields import read_optional
from multiturn.api.limits import read_body, read_json_object
from multiturn.api.media_links import absolute
from multiturn.api.native.chat_parse import parse_chat, read_agent
from multiturn.api.native.chat_render import render_answer, write_error, write_stream, write_whole
from multiturn.api.native.chat_wire import AnswerBody
from multiturn.api.services import Services
from multiturn.api.session_names import session_key
from multiturn.api.turns import Telling, tell_turn
from multiturn.engine.turns import Turn
from multiturn.model.citation import Grounding
from multiturn.model.event import Ended
from multiturn.model.ids import find_id
from multiturn.model.item import Item
from multiturn.model.run import Run
from multiturn.model.session import SessionKey
from multiturn.model.tenant import Caller


class ChatRoutes:
    """Turns in sessions that are there."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        return [Route(f"{base}/sessions/{{session_id}}/chat", self.chat, methods=["POST"])]

    async def chat(self, request: Request) -> ASGIApp:
        """Take a turn: the messages are added to the history, whatever they repeat."""
        services = self.services
        caller = await authenticate(services, request)
        name = request.path_params["session_id"]
        session = await services.sessions.get(session_key(caller, name))
        body = await read_body(request, bytes_max=services.body_bytes_max)
        fields = read_json_object(body)
        order = parse_chat(body, fields, request.headers, session)
        if agent := read_agent(fields):
            order = replace(order, agent_id=await find_agent(services, caller, agent))
        if store := read_optional(fields, "store", str | None):
            found = await services.stores.get(caller.tenant_id, check_id(store, "store"))
            order = replace(order, grounding=Grounding(store_ids=(found.id,)))
        order = await services.contexts.speakers.render_input(session, order)
        key = SessionKey(tenant_id=caller.tenant_id, user_id=caller.user_id, id=session.id, is_bound=caller.is_bound)
        turn = await services.turns.take(key, order, idle_expiry_s=None)
        find_answer = partial(self._find_answer, request, turn)
        telling = Telling(
            session=name,
            is_streamed=order.is_streamed,
            write_whole=partial(write_whole, find_answer),
            write_stream=partial(write_stream, find_answer),
            write_error=write_error,
        )
        return await tell_turn(services, request, turn, telling)

    async def _find_answer(self, request: Request, turn: Turn, ended: Ended) -> AnswerBody:
        """What the turn left behind: of a run of another server, or of an earlier one, as it is stored."""
        if turn.live:
            retrieved = turn.live.retrieved
        else:
            _, retrieved = await self.services.contexts.read_run(ended.run)
        return render_answer(
            ended, await self._load_items(ended.run), retrieved, await self._find_links(request, ended)
        )

    async def _find_links(self, request: Request, ended: Ended) -> Mapping[UUID, str]:
        """The links of the files that an answer cites."""
        ids = [citation.asset_id for citation in list_citations(ended.output)]
        assets = await self.services.stores.load_assets(ended.run.tenant_id, ids) if ids else {}
        return {id_: absolute(request, self.services.links.file(asset)) for id_, asset in assets.items()}

    async def _load_items(self, run: Run) -> Sequence[Item]:
        """What a run added to the history; nothing of one that did not enter it."""
        ranges = [range_ for range_ in (run.input_items, run.output_items) if range_]
        return await self.services.runs.items.load(run.tenant_id, run.session_id, ranges)


async def find_agent(services: Services, caller: Caller, name: str) -> UUID:
    """The agent that a turn names; whether it takes part, the turn finds out."""
    return find_id(name) or (await services.agents.get(caller, name)).id
