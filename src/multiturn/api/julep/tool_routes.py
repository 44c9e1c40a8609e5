"""Tools of agents as Julep's client asks for them."""

from __future__ import annotations

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.julep.reading import read_list_query, read_request
from multiturn.api.julep.render import render_deleted
from multiturn.api.julep.tool_wire import JulepToolChangeBody, JulepToolOrderBody
from multiturn.api.julep.tools import (
    JulepTool,
    Kept,
    find_tool,
    list_tools,
    put_tool,
    read_function,
    render_tool,
    sort_tools,
    take_tool,
)
from multiturn.api.julep.wire import ItemsBody
from multiturn.api.services import Services
from multiturn.model.agent import Agent, AgentBody
from multiturn.model.ids import new_id
from multiturn.model.tenant import Caller
from multiturn.model.tool import FunctionTool


class ToolRoutes:
    """The functions of agents, which the client executes."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        tools = f"{base}/agents/{{agent_id}}/tools"
        return [
            Route(tools, self.list_tools, methods=["GET"]),
            Route(tools, self.create_tool, methods=["POST"]),
            Route(f"{tools}/{{tool_id}}", self.get_tool, methods=["GET"]),
            Route(f"{tools}/{{tool_id}}", self.update_tool, methods=["PATCH"]),
            Route(f"{tools}/{{tool_id}}", self.reset_tool, methods=["PUT"]),
            Route(f"{tools}/{{tool_id}}", self.delete_tool, methods=["DELETE"]),
        ]

    async def list_tools(self, request: Request) -> Response:
        """List an agent's functions, newest first unless the query says otherwise."""
        caller = await authenticate(self.services, request)
        tools = list_tools(await self._find(caller, request))
        page = sort_tools(tools, read_list_query(request.query_params))
        return write_response(ItemsBody(items=[render_tool(tool) for tool in page]))

    async def create_tool(self, request: Request) -> Response:
        """Give an agent a function."""
        caller, body = await read_request(self.services, request, JulepToolOrderBody)
        now = self.services.agents.clock()
        kept = Kept(id=new_id(), created_at=now, updated_at=now)
        made = JulepTool(kept=kept, function=read_function(body))
        await self._put(caller, await self._find(caller, request), made)
        return write_response(render_tool(made), status=201)

    async def get_tool(self, request: Request) -> Response:
        """One function of an agent."""
        caller = await authenticate(self.services, request)
        return write_response(render_tool(self._find_tool(await self._find(caller, request), request)))

    async def update_tool(self, request: Request) -> Response:
        """Change what is given of a function."""
        caller, body = await read_request(self.services, request, JulepToolChangeBody)
        agent = await self._find(caller, request)
        before = self._find_tool(agent, request)
        made = self._renew(before, read_function(body, before.function))
        await self._put(caller, agent, made)
        return write_response(render_tool(made))

    async def reset_tool(self, request: Request) -> Response:
        """Make a function this, whatever it was."""
        caller, body = await read_request(self.services, request, JulepToolOrderBody)
        agent = await self._find(caller, request)
        made = self._renew(self._find_tool(agent, request), read_function(body))
        await self._put(caller, agent, made)
        return write_response(render_tool(made))

    async def delete_tool(self, request: Request) -> Response:
        """Take a function away from an agent."""
        caller = await authenticate(self.services, request)
        agent = await self._find(caller, request)
        gone = self._find_tool(agent, request)

        def take(body: AgentBody) -> AgentBody:
            tools = list_tools(agent, body)
            return take_tool(body, tools, find_tool(tools, str(gone.kept.id)))

        await self.services.agents.revise(caller, agent.id, take)
        return write_response(render_deleted(gone.kept.id, self.services.agents.clock()), status=202)

    def _renew(self, tool: JulepTool, function: FunctionTool) -> JulepTool:
        return replace(tool, function=function, kept=replace(tool.kept, updated_at=self.services.agents.clock()))

    async def _put(self, caller: Caller, agent: Agent, made: JulepTool) -> None:
        """Store a tool, whatever has become of the others meanwhile."""
        await self.services.agents.revise(caller, agent.id, lambda body: put_tool(body, list_tools(agent, body), made))

    def _find_tool(self, agent: Agent, request: Request) -> JulepTool:
        return find_tool(list_tools(agent), request.path_params["tool_id"])

    async def _find(self, caller: Caller, request: Request) -> Agent:
        return await self.services.agents.get(caller, request.path_params["agent_id"])
