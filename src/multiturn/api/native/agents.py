"""Agents in the native API: made, listed, read, changed version by version, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate, check_id
from multiturn.api.errors import write_response
from multiturn.api.limits import read_body, read_json_object, read_limit, read_struct
from multiturn.api.native import agents_wire as wire
from multiturn.api.native.agents_wire import AgentChangeBody, AgentDeletedBody, AgentFields, AgentOrderBody
from multiturn.api.native.listing import LIMIT, LIMIT_MAX, read_listing, write_cursor
from multiturn.api.native.query import as_number, read_number
from multiturn.api.native.tools_parse import (
    read_limits,
    read_reasoning,
    read_tools,
    render_limits,
    render_reasoning,
    render_tools,
    render_toolset,
)
from multiturn.api.native.wire import ListBody
from multiturn.api.policy import read_policy, render_policy
from multiturn.api.services import Services
from multiturn.errors import NotFound
from multiturn.model.agent import Agent, AgentBody, AgentChange
from multiturn.model.policy import ContextPolicy
from multiturn.model.tenant import Caller

FIELDS = ("name", "about", "canonical_name", "model", "instructions", "default_settings", "system_template", "project")


class AgentRoutes:
    """Agents and their versions."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        one = f"{base}/agents/{{agent_id}}"
        return [
            Route(f"{base}/agents", self.list_agents, methods=["GET"]),
            Route(f"{base}/agents", self.create_agent, methods=["POST"]),
            Route(one, self.get_agent, methods=["GET"]),
            Route(one, self.update_agent, methods=["PATCH"]),
            Route(one, self.replace_agent, methods=["PUT"]),
            Route(one, self.delete_agent, methods=["DELETE"]),
            Route(f"{one}/tools", self.list_tools, methods=["GET"]),
            Route(f"{one}/versions", self.list_versions, methods=["GET"]),
            Route(f"{one}/versions/{{version}}", self.get_version, methods=["GET"]),
        ]

    async def list_agents(self, request: Request) -> Response:
        """List agents, newest first unless the query says otherwise."""
        caller = await authenticate(self.services, request)
        listing = read_listing(request)
        page = await self.services.agents.list_agents(caller, listing)
        data = [render_agent(agent) for agent in page.data]
        return write_response(ListBody(data=data, has_more=page.has_more, next=write_cursor(page, listing)))

    async def create_agent(self, request: Request) -> Response:
        """Make an agent."""
        caller = await authenticate(self.services, request)
        body = read_struct(await self._read(request), AgentOrderBody)
        asked = await read_agent(self.services, caller, body)
        agent = await self.services.agents.create(caller, asked, body.metadata or {})
        return write_response(render_agent(agent), status=201)

    async def get_agent(self, request: Request) -> Response:
        """One agent."""
        _, agent = await self._find(request)
        return write_response(render_agent(agent))

    async def update_agent(self, request: Request) -> Response:
        """Change some of an agent."""
        caller, agent = await self._find(request)
        body = read_struct(await self._read(request), AgentChangeBody)
        fields = await read_fields(self.services, caller, body)
        change = AgentChange(body=fields, policy=read_policy(body), metadata=body.metadata or {})
        return write_response(render_agent(await self.services.agents.update(caller, agent.id, change)))

    async def replace_agent(self, request: Request) -> Response:
        """Make an agent this, whatever it was."""
        caller, agent = await self._find(request)
        body = read_struct(await self._read(request), AgentOrderBody)
        asked = replace(await read_agent(self.services, caller, body), wire=agent.body.wire)
        made = await self.services.agents.overwrite(caller, agent.id, asked, body.metadata or {})
        return write_response(render_agent(made))

    async def delete_agent(self, request: Request) -> Response:
        """Delete an agent with its versions and its documents."""
        caller, agent = await self._find(request)
        await self.services.agents.delete(caller, agent)
        return write_response(AgentDeletedBody(id=str(agent.id)))

    async def list_tools(self, request: Request) -> Response:
        """What a model would be shown of an agent's tools now."""
        _, agent = await self._find(request)
        body = agent.body
        found = await self.services.contexts.speakers.toolsets.find(
            agent.tenant_id, body.tools, {}, has_stores=bool(body.store_ids)
        )
        return write_response(render_toolset(*found))

    async def list_versions(self, request: Request) -> Response:
        """List an agent's versions, newest first."""
        _, agent = await self._find(request)
        limit = read_limit(request, default=LIMIT, maximum=LIMIT_MAX)
        page = await self.services.agents.list_versions(agent, before=read_number(request, "cursor"), limit=limit)
        data = [render_agent(version) for version in page.data]
        last = data[-1].version if page.has_more else None
        return write_response(ListBody(data=data, has_more=page.has_more, next=last))

    async def get_version(self, request: Request) -> Response:
        """An agent as it was."""
        _, agent = await self._find(request)
        number = request.path_params["version"]
        if not number.isdigit():
            raise NotFound(f"The agent has no version '{number[:40]}'.", code="agent_not_found", param="version")
        version = await self.services.agents.get_version(agent, as_number(number, "version"))
        return write_response(render_agent(version))

    async def _find(self, request: Request) -> tuple[Caller, Agent]:
        caller = await authenticate(self.services, request)
        return caller, await self.services.agents.get(caller, request.path_params["agent_id"])

    async def _read(self, request: Request) -> bytes:
        body = await read_body(request, bytes_max=self.services.body_bytes_max)
        read_json_object(body)
        return body


async def read_fields(services: Services, caller: Caller, body: AgentFields) -> dict[str, Any]:
    """What a body sets of an agent's own fields; None unsets. Raises NotFound for a store that is not there."""
    given = {name: getattr(body, name) for name in FIELDS}
    if isinstance(given["instructions"], list):
        given["instructions"] = tuple(given["instructions"])
    if body.tools is not UNSET:
        given["tools"] = read_tools(body.tools)
    if body.reasoning is not UNSET:
        given["reasoning"] = read_reasoning(body.reasoning)
    if body.limits is not UNSET:
        given["limits"] = read_limits(body.limits)
    if body.stores is not UNSET:
        given["store_ids"] = await find_stores(services, caller, body.stores or ())
    return {name: value for name, value in given.items() if value is not UNSET}


async def find_stores(services: Services, caller: Caller, names: Sequence[str]) -> tuple[UUID, ...]:
    """The ids of knowledge stores that a body names, each once. Raises NotFound."""
    found = [await services.stores.get(caller.tenant_id, check_id(name, "stores")) for name in names]
    return tuple(dict.fromkeys(store.id for store in found))


async def read_agent(services: Services, caller: Caller, body: AgentOrderBody) -> AgentBody:
    """An agent as it is asked for. Raises InvalidRequest, and NotFound for a store that is not there."""
    fields = await read_fields(services, caller, body)
    given = {name: value for name, value in fields.items() if value is not None}
    return AgentBody(**given, policy=ContextPolicy(**read_policy(body)))


def render_agent(agent: Agent) -> wire.AgentBody:
    """An agent, as it stands or as it was."""
    body = agent.body
    return wire.AgentBody(
        id=str(agent.id),
        version=agent.version,
        created_at=agent.created_at,
        updated_at=agent.updated_at,
        name=body.name,
        about=body.about,
        canonical_name=body.canonical_name,
        model=body.model,
        instructions=body.instructions if isinstance(body.instructions, str) else list(body.instructions),
        default_settings=body.default_settings,
        system_template=body.system_template,
        project=body.project,
        reasoning=render_reasoning(body.reasoning),
        stores=[str(id_) for id_ in body.store_ids],
        tools=render_tools(body.tools),
        limits=render_limits(body.limits),
        metadata=agent.metadata,
        **render_policy(body.policy),
    )
