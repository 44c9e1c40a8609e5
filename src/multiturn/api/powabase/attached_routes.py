"""What is attached to agents, as Powabase's clients ask for it: tools, knowledge bases, MCP servers, hooks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from uuid import UUID, uuid5

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.errors import write_response
from multiturn.api.powabase import attachments
from multiturn.api.powabase.names import read_given
from multiturn.api.powabase.reading import identify, read_request
from multiturn.api.powabase.wire import (
    PowabaseAgentKnowledgeBody,
    PowabaseAgentKnowledgeListBody,
    PowabaseAgentKnowledgeOrderBody,
    PowabaseDeletedBody,
    PowabaseHookListBody,
    PowabaseHookOrderBody,
    PowabaseMcpServerChangeBody,
    PowabaseMcpServerListBody,
    PowabaseMcpServerOrderBody,
    PowabaseMcpToolBody,
    PowabaseMcpToolListBody,
    PowabaseToolChangeBody,
    PowabaseToolListBody,
    PowabaseToolOrderBody,
)
from multiturn.api.services import Services
from multiturn.engine.tool_checks import keep_secrets
from multiturn.errors import Conflict, InvalidRequest, NotFound, Unavailable
from multiturn.model.agent import Agent, AgentBody
from multiturn.model.ids import find_id
from multiturn.model.tenant import Caller
from multiturn.model.tool import HttpTools, McpTools, Tool

Tools = tuple[Tool, ...]


class AttachedRoutes:
    """An agent's tools, knowledge bases, MCP servers and hooks. Each change is the agent's next version."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        agent = f"{base}/agents/{{agent_id}}"
        tool, stores = f"{agent}/tools/{{tool_id}}", f"{agent}/knowledge-bases"
        server, hooks = f"{agent}/mcp-servers/{{server_id}}", f"{agent}/hooks"
        return [
            Route(f"{agent}/tools", self.list_tools, methods=["GET"]),
            Route(f"{agent}/tools", self.add_tool, methods=["POST"]),
            Route(tool, self.change_tool, methods=["PATCH"]),
            Route(tool, self.remove_tool, methods=["DELETE"]),
            Route(stores, self.list_stores, methods=["GET"]),
            Route(stores, self.add_store, methods=["POST"]),
            Route(f"{stores}/{{assignment_id}}", self.remove_store, methods=["DELETE"]),
            Route(f"{agent}/mcp-servers", self.list_servers, methods=["GET"]),
            Route(f"{agent}/mcp-servers", self.add_server, methods=["POST"]),
            Route(server, self.change_server, methods=["PUT"]),
            Route(server, self.remove_server, methods=["DELETE"]),
            Route(f"{server}/tools", self.list_server_tools, methods=["GET"]),
            Route(hooks, self.list_hooks, methods=["GET"]),
            Route(hooks, self.add_hook, methods=["POST"]),
            Route(f"{hooks}/{{hook_id}}", self.remove_hook, methods=["DELETE"]),
        ]

    async def list_tools(self, request: Request) -> Response:
        """The tools of an agent, but those of MCP servers."""
        _, agent = await self._find(request)
        tools = [tool for tool in agent.body.tools if not isinstance(tool, McpTools)]
        return write_response(PowabaseToolListBody(tools=[attachments.render_tool(agent, tool) for tool in tools]))

    async def add_tool(self, request: Request) -> Response:
        """Give an agent a tool."""
        caller, body = await read_request(self.services, request, PowabaseToolOrderBody)
        agent = await self._get(caller, request)
        tool = attachments.read_tool(body)
        await self._put_tools(caller, agent, lambda tools: (*tools, tool))
        return write_response(attachments.render_tool(agent, tool), status=201)

    async def change_tool(self, request: Request) -> Response:
        """Change how a tool is configured; without a configuration it stays as it is."""
        caller, body = await read_request(self.services, request, PowabaseToolChangeBody)
        agent = await self._get(caller, request)
        before = attachments.find_tool(agent, request.path_params["tool_id"], is_server=False)
        if body.config_override is None:
            return write_response(attachments.render_tool(agent, before))
        name = attachments.name_of(before)
        changed = attachments.configure(attachments.type_of(before), name, body.config_override)
        (after,) = keep_secrets([changed], [before])
        await self._replace(caller, agent, before, after)
        return write_response(attachments.render_tool(agent, after))

    async def remove_tool(self, request: Request) -> Response:
        """Take a tool from an agent."""
        caller, agent = await self._find(request)
        tool = attachments.find_tool(agent, request.path_params["tool_id"], is_server=False)
        return await self._remove(caller, agent, tool)

    async def list_stores(self, request: Request) -> Response:
        """The knowledge bases of an agent."""
        _, agent = await self._find(request)
        bases = [render_store(agent, store_id) for store_id in agent.body.store_ids]
        return write_response(PowabaseAgentKnowledgeListBody(knowledge_bases=bases))

    async def add_store(self, request: Request) -> Response:
        """Let an agent's answers rest on a knowledge base."""
        caller, body = await read_request(self.services, request, PowabaseAgentKnowledgeOrderBody)
        agent = await self._get(caller, request)
        if body.config:
            text = "'config' is not kept: a run says how a knowledge base is searched (`knowledge_bases`)."
            raise InvalidRequest(text, param="config")
        store = await self.services.stores.get(
            caller.tenant_id, read_given(body.knowledge_base_id, "knowledge_base_id")
        )
        await self.services.agents.revise(caller, agent.id, partial(add_store, store_id=store.id))
        return write_response(render_store(agent, store.id), status=201)

    async def remove_store(self, request: Request) -> Response:
        """Take a knowledge base from an agent: by the id of the assignment, or by its own."""
        caller, agent = await self._find(request)
        wanted = find_id(request.path_params["assignment_id"])
        gone = [one for one in agent.body.store_ids if wanted in (one, assignment_id(agent, one))]
        if not gone:
            raise NotFound("Assignment not found")
        await self.services.agents.revise(caller, agent.id, partial(drop_store, store_id=gone[0]))
        return write_response(PowabaseDeletedBody())

    async def list_servers(self, request: Request) -> Response:
        """The MCP servers of an agent."""
        _, agent = await self._find(request)
        servers = [tool for tool in agent.body.tools if isinstance(tool, McpTools)]
        shown = [attachments.render_server(agent, server) for server in servers]
        return write_response(PowabaseMcpServerListBody(mcp_servers=shown))

    async def add_server(self, request: Request) -> Response:
        """Give an agent the tools of an MCP server."""
        caller, body = await read_request(self.services, request, PowabaseMcpServerOrderBody)
        agent = await self._get(caller, request)
        server = attachments.read_server(body)
        await self._put_tools(caller, agent, lambda tools: (*require_free(tools, server), server))
        return write_response(attachments.render_server(agent, server), status=201)

    async def change_server(self, request: Request) -> Response:
        """Change what is named of an MCP server."""
        caller, body = await read_request(self.services, request, PowabaseMcpServerChangeBody)
        agent = await self._get(caller, request)
        before = self._find_server(agent, request)
        given = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not None}
        order = PowabaseMcpServerOrderBody(**{**attachments.write_order(before), **given})
        (after,) = keep_secrets([attachments.read_server(order)], [before])
        if attachments.name_of(after) != before.label:
            require_free(agent.body.tools, after)
        await self._replace(caller, agent, before, after)
        assert isinstance(after, McpTools)
        return write_response(attachments.render_server(agent, after))

    async def remove_server(self, request: Request) -> Response:
        """Take an MCP server from an agent."""
        caller, agent = await self._find(request)
        return await self._remove(caller, agent, self._find_server(agent, request))

    async def list_server_tools(self, request: Request) -> Response:
        """The tools that an MCP server has now: it is asked."""
        caller, agent = await self._find(request)
        host = self.services.turns.parts.tool_host
        if host is None:
            raise Unavailable("This server calls no tools of others.", code="tools_unavailable")
        specs = await host.list_tools(caller.tenant_id, self._find_server(agent, request))
        tools = [
            PowabaseMcpToolBody(name=spec.name, description=spec.description, input_schema=spec.parameters)
            for spec in specs
        ]
        return write_response(PowabaseMcpToolListBody(tools=tools))

    async def list_hooks(self, request: Request) -> Response:
        """The hooks of an agent."""
        _, agent = await self._find(request)
        hooks = [attachments.render_hook(hook) for hook in attachments.list_hooks(agent.body)]
        return write_response(PowabaseHookListBody(hooks=hooks))

    async def add_hook(self, request: Request) -> Response:
        """Have a person asked before some tools run."""
        caller, body = await read_request(self.services, request, PowabaseHookOrderBody)
        agent = await self._get(caller, request)
        hook = attachments.read_hook(body)
        await self.services.agents.revise(caller, agent.id, partial(attachments.add_hook, hook=hook))
        return write_response(attachments.render_hook(hook), status=201)

    async def remove_hook(self, request: Request) -> Response:
        """Take a hook from an agent: what it had asked about runs again by itself."""
        caller, agent = await self._find(request)
        wanted = find_id(request.path_params["hook_id"])
        gone = [hook for hook in attachments.list_hooks(agent.body) if UUID(hook.id) == wanted]
        if not gone:
            raise NotFound("Hook not found")
        await self.services.agents.revise(caller, agent.id, partial(attachments.drop_hook, hook=gone[0]))
        return write_response(PowabaseDeletedBody())

    async def _find(self, request: Request) -> tuple[Caller, Agent]:
        """Who asks, and the agent that is meant."""
        caller = await identify(self.services, request)
        return caller, await self._get(caller, request)

    async def _get(self, caller: Caller, request: Request) -> Agent:
        return await self.services.agents.get(caller, request.path_params["agent_id"])

    def _find_server(self, agent: Agent, request: Request) -> McpTools:
        server = attachments.find_tool(agent, request.path_params["server_id"], is_server=True)
        assert isinstance(server, McpTools)
        return server

    async def _replace(self, caller: Caller, agent: Agent, before: Tool, after: Tool) -> None:
        if isinstance(before, McpTools | HttpTools) and isinstance(after, McpTools | HttpTools):
            after = replace(after, approval=before.approval)
        await self._put_tools(caller, agent, lambda tools: tuple(after if one == before else one for one in tools))

    async def _remove(self, caller: Caller, agent: Agent, tool: Tool) -> Response:
        await self._put_tools(caller, agent, lambda tools: tuple(one for one in tools if one != tool))
        return write_response(PowabaseDeletedBody())

    async def _put_tools(self, caller: Caller, agent: Agent, edit: Callable[[Tools], Tools]) -> None:
        """Change an agent's tools as they stand then; they are under its hooks."""

        def change(body: AgentBody) -> AgentBody:
            edited = replace(body, tools=edit(body.tools))
            return attachments.with_hooks(edited, attachments.list_hooks(edited))

        await self.services.agents.revise(caller, agent.id, change)


def require_free(tools: Tools, server: Tool) -> Tools:
    """The tools of an agent. Raises Conflict when an MCP server of this name is among them."""
    taken = [tool.label for tool in tools if isinstance(tool, McpTools)]
    if attachments.name_of(server) in taken:
        raise Conflict("MCP server with this name already exists for agent", param="name")
    return tools


def add_store(body: AgentBody, *, store_id: UUID) -> AgentBody:
    """An agent with one more knowledge base. Raises Conflict when it has it already."""
    if store_id in body.store_ids:
        raise Conflict("KB already assigned to this agent", param="knowledge_base_id")
    return replace(body, store_ids=(*body.store_ids, store_id))


def drop_store(body: AgentBody, *, store_id: UUID) -> AgentBody:
    """An agent without a knowledge base."""
    return replace(body, store_ids=tuple(one for one in body.store_ids if one != store_id))


def assignment_id(agent: Agent, store_id: UUID) -> UUID:
    """The id of the fact that an agent has a knowledge base."""
    return uuid5(agent.id, f"store:{store_id}")


def render_store(agent: Agent, store_id: UUID) -> PowabaseAgentKnowledgeBody:
    """A knowledge base of an agent."""
    return PowabaseAgentKnowledgeBody(
        id=str(assignment_id(agent, store_id)), agent_id=str(agent.id), knowledge_base_id=str(store_id)
    )
