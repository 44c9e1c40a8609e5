"""What is attached to agents, as Powabase's clients ask for it: tools, knowledge bases, MCP servers, hooks."""

from __future__ import annotations

from typing import Any
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
from multiturn.model.agent import Agent, AgentChange
from multiturn.model.ids import find_id
from multiturn.model.tenant import Caller
from multiturn.model.tool import HttpTools, McpTools, Tool


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
        await self._put_tools(caller, agent, (*agent.body.tools, tool))
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
        if store.id in agent.body.store_ids:
            raise Conflict("KB already assigned to this agent", param="knowledge_base_id")
        await self._change(caller, agent, store_ids=(*agent.body.store_ids, store.id))
        return write_response(render_store(agent, store.id), status=201)

    async def remove_store(self, request: Request) -> Response:
        """Take a knowledge base from an agent: by the id of the assignment, or by its own."""
        caller, agent = await self._find(request)
        wanted = find_id(request.path_params["assignment_id"])
        kept = tuple(one for one in agent.body.store_ids if wanted not in (one, assignment_id(agent, one)))
        if len(kept) == len(agent.body.store_ids):
            raise NotFound("Assignment not found")
        await self._change(caller, agent, store_ids=kept)
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
        require_free(agent, server)
        await self._put_tools(caller, agent, (*agent.body.tools, server))
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
            require_free(agent, after)
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
        hooks = [*attachments.list_hooks(agent.body), hook]
        await self._change(caller, agent, **attachments.with_hooks(agent.body, hooks))
        return write_response(attachments.render_hook(hook), status=201)

    async def remove_hook(self, request: Request) -> Response:
        """Take a hook from an agent: what it had asked about runs again by itself."""
        caller, agent = await self._find(request)
        hooks, wanted = attachments.list_hooks(agent.body), find_id(request.path_params["hook_id"])
        dropped = [hook for hook in hooks if UUID(hook.id) == wanted]
        if not dropped:
            raise NotFound("Hook not found")
        kept = [hook for hook in hooks if hook not in dropped]
        await self._change(caller, agent, **attachments.with_hooks(agent.body, kept, dropped=dropped))
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
        await self._put_tools(caller, agent, tuple(after if tool == before else tool for tool in agent.body.tools))

    async def _remove(self, caller: Caller, agent: Agent, tool: Tool) -> Response:
        await self._put_tools(caller, agent, tuple(one for one in agent.body.tools if one != tool))
        return write_response(PowabaseDeletedBody())

    async def _put_tools(self, caller: Caller, agent: Agent, tools: tuple[Tool, ...]) -> None:
        """Let these be an agent's tools, under its hooks."""
        body = replace(agent.body, tools=tools)
        await self._change(caller, agent, **attachments.with_hooks(body, attachments.list_hooks(body)))

    async def _change(self, caller: Caller, agent: Agent, **fields: Any) -> None:
        await self.services.agents.update(caller, agent.id, AgentChange(body=fields))


def require_free(agent: Agent, server: Tool) -> None:
    """Raise Conflict when the agent has an MCP server of this name."""
    taken = [tool.label for tool in agent.body.tools if isinstance(tool, McpTools)]
    if attachments.name_of(server) in taken:
        raise Conflict("MCP server with this name already exists for agent", param="name")


def assignment_id(agent: Agent, store_id: UUID) -> UUID:
    """The id of the fact that an agent has a knowledge base."""
    return uuid5(agent.id, f"store:{store_id}")


def render_store(agent: Agent, store_id: UUID) -> PowabaseAgentKnowledgeBody:
    """A knowledge base of an agent."""
    return PowabaseAgentKnowledgeBody(
        id=str(assignment_id(agent, store_id)), agent_id=str(agent.id), knowledge_base_id=str(store_id)
    )
