"""Agents as Julep's client asks for them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.julep.reading import read_list_query, read_request, read_uuid
from multiturn.api.julep.render import render_agent, render_deleted
from multiturn.api.julep.wire import (
    ItemsBody,
    JulepAgentChangeBody,
    JulepAgentOrderBody,
    JulepModelBody,
    JulepModelsBody,
)
from multiturn.api.services import Services
from multiturn.errors import NotFound
from multiturn.model.agent import Agent, AgentBody, AgentChange
from multiturn.model.tenant import Caller

KEPT = ("tools", "wire", "reasoning", "store_ids", "limits")


class AgentRoutes:
    """Agents, and the models that they may name."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        agent = f"{base}/agents/{{agent_id}}"
        return [
            Route(f"{base}/agents", self.list_agents, methods=["GET"]),
            Route(f"{base}/agents", self.create_agent, methods=["POST"]),
            Route(f"{base}/agents/models", self.list_models, methods=["GET"]),
            Route(agent, self.get_agent, methods=["GET"]),
            Route(agent, self.put_agent, methods=["POST"]),
            Route(agent, self.update_agent, methods=["PATCH"]),
            Route(agent, self.reset_agent, methods=["PUT"]),
            Route(agent, self.delete_agent, methods=["DELETE"]),
        ]

    async def list_agents(self, request: Request) -> Response:
        """List agents, newest first unless the query says otherwise."""
        caller = await authenticate(self.services, request)
        listing = read_list_query(request.query_params).as_listing()
        page = await self.services.agents.list_agents(caller, listing)
        return write_response(ItemsBody(items=[render_agent(agent) for agent in page.data]))

    async def create_agent(self, request: Request) -> Response:
        """Make an agent."""
        caller, body = await read_request(self.services, request, JulepAgentOrderBody)
        agent = await self.services.agents.create(caller, write_body(body), body.metadata or {})
        return write_response(render_agent(agent), status=201)

    async def put_agent(self, request: Request) -> Response:
        """Make the agent with this id, or make it this."""
        caller, body = await read_request(self.services, request, JulepAgentOrderBody)
        id_ = read_uuid(request, "agent_id")
        before = await self._find_before(caller, id_)
        made = write_body(body, before)
        agent = await self.services.agents.create_or_overwrite(caller, id_, made, body.metadata or {})
        return write_response(render_agent(agent), status=201)

    async def get_agent(self, request: Request) -> Response:
        """One agent."""
        caller = await authenticate(self.services, request)
        return write_response(render_agent(await self._find(caller, request)))

    async def update_agent(self, request: Request) -> Response:
        """Change what is named of an agent; metadata are merged."""
        caller, body = await read_request(self.services, request, JulepAgentChangeBody)
        agent = await self._find(caller, request)
        change = AgentChange(body=read_given(body), metadata=body.metadata or {})
        return write_response(render_agent(await self.services.agents.update(caller, agent.id, change)))

    async def reset_agent(self, request: Request) -> Response:
        """Make an agent this, whatever it was."""
        caller, body = await read_request(self.services, request, JulepAgentOrderBody)
        agent = await self._find(caller, request)
        made = await self.services.agents.overwrite(caller, agent.id, write_body(body, agent), body.metadata or {})
        return write_response(render_agent(made))

    async def delete_agent(self, request: Request) -> Response:
        """Delete an agent with its documents; sessions that name it go on without it."""
        caller = await authenticate(self.services, request)
        agent = await self._find(caller, request)
        await self.services.agents.delete(caller, agent)
        return write_response(render_deleted(agent.id, self.services.agents.clock()), status=202)

    async def list_models(self, request: Request) -> Response:
        """The models that would be answered."""
        await authenticate(self.services, request)
        models = [JulepModelBody(id=model.id) for model in await self.services.upstream.list_models()]
        return write_response(JulepModelsBody(models=models))

    async def _find_before(self, caller: Caller, agent_id: UUID) -> Agent | None:
        """The agent that is to be overwritten; None for a new one."""
        try:
            return await self.services.agents.get(caller, agent_id)
        except NotFound:
            return None

    async def _find(self, caller: Caller, request: Request) -> Agent:
        return await self.services.agents.get(caller, request.path_params["agent_id"])


def write_body(body: JulepAgentOrderBody, before: Agent | None = None) -> AgentBody:
    """An agent as it is asked for; what this dialect says elsewhere, or not at all, it keeps."""
    kept = {name: getattr(before.body, name) for name in KEPT} if before else {}
    return AgentBody(**read_given(body), **kept)


def read_given(body: JulepAgentChangeBody) -> dict[str, Any]:
    """The fields of an agent that are given, by our names."""
    instructions = body.instructions
    given = {
        "name": body.name,
        "about": body.about,
        "canonical_name": body.canonical_name,
        "model": body.model,
        "instructions": tuple(instructions) if isinstance(instructions, list) else instructions,
        "default_settings": body.default_settings,
        "system_template": body.default_system_template,
        "project": body.project,
    }
    return {name: value for name, value in given.items() if value is not None}
