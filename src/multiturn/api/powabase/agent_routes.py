"""Agents as Powabase's clients ask for them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.errors import write_response
from multiturn.api.powabase.parse import read_agent, read_change
from multiturn.api.powabase.reading import identify, read_request, read_window
from multiturn.api.powabase.render import render_agent, render_row
from multiturn.api.powabase.wire import (
    PowabaseAgentChangeBody,
    PowabaseAgentListBody,
    PowabaseAgentOrderBody,
    PowabaseMessageBody,
)
from multiturn.api.services import Services
from multiturn.model.agent import AgentChange, Listing


class AgentRoutes:
    """Agents: all keys of a tenant see them, one that acts for a user does not change them."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        agent = f"{base}/agents/{{agent_id}}"
        return [
            Route(f"{base}/agents", self.list_agents, methods=["GET"]),
            Route(f"{base}/agents", self.create_agent, methods=["POST"]),
            Route(agent, self.get_agent, methods=["GET"]),
            Route(agent, self.update_agent, methods=["PATCH"]),
            Route(agent, self.delete_agent, methods=["DELETE"]),
        ]

    async def list_agents(self, request: Request) -> Response:
        """List agents, the newest first, each with how much it is used."""
        caller = await identify(self.services, request)
        window = read_window(request.query_params)
        listing = Listing(limit=window.limit, offset=window.offset)
        page = await self.services.agents.list_agents(caller, listing)
        overviews = self.services.overviews
        use = await overviews.tell_use(caller, page.data)
        body = PowabaseAgentListBody(
            agents=[render_row(agent, use[agent.id]) for agent in page.data],
            total=await overviews.count_agents(caller),
            limit=window.limit,
            offset=window.offset,
        )
        return write_response(body)

    async def create_agent(self, request: Request) -> Response:
        """Make an agent."""
        caller, body = await read_request(self.services, request, PowabaseAgentOrderBody)
        agent = await self.services.agents.create(caller, read_agent(body), {})
        return write_response(render_agent(agent), status=201)

    async def get_agent(self, request: Request) -> Response:
        """One agent."""
        caller = await identify(self.services, request)
        agent = await self.services.agents.get(caller, request.path_params["agent_id"])
        return write_response(render_agent(agent))

    async def update_agent(self, request: Request) -> Response:
        """Change what is named of an agent: its next version."""
        caller, body = await read_request(self.services, request, PowabaseAgentChangeBody)
        agent = await self.services.agents.get(caller, request.path_params["agent_id"])
        change = AgentChange(body=read_change(body, agent.body))
        return write_response(render_agent(await self.services.agents.update(caller, agent.id, change)))

    async def delete_agent(self, request: Request) -> Response:
        """Delete an agent with its documents; its sessions stay, and go on without it."""
        caller = await identify(self.services, request)
        agent = await self.services.agents.get(caller, request.path_params["agent_id"])
        await self.services.agents.delete(caller, agent)
        return write_response(PowabaseMessageBody(message="Agent deleted"))
