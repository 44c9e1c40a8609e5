"""Agents: who answers in sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from multiturn_client import requests
from multiturn_client.asynchronous.docs import AsyncDocs
from multiturn_client.asynchronous.pages import AsyncPages
from multiturn_client.asynchronous.transport import AsyncTransport
from multiturn_client.options import AgentChange, AgentOptions
from multiturn_client.pages import PageRequest
from multiturn_client.records import Agent, Deleted
from multiturn_client.steps import AgentTools


class AsyncAgents:
    """Makes agents and finds them: ``client.agents``. Wherever one is named, ``agent_id`` is our id or its canonical
    name.

    >>> agent = await client.agents.create("Guide", instructions="Be brief.")
    >>> session = await client.sessions.create(agent_id=agent.id)
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self.docs = AsyncDocs(transport, "agent")

    async def create(self, name: str, **options: Unpack[AgentOptions]) -> Agent:
        """Make an agent; ``AgentOptions`` says what may be set. Raises ConflictError for a canonical name that is
        taken, InvalidRequestError.

        >>> agent = await client.agents.create("Guide", canonical_name="guide", about="knows Lisbon")
        >>> (await client.agents.get("guide")).about
        'knows Lisbon'
        """
        return Agent.read(await self._transport.send(requests.post("agents", body={"name": name, **options})))

    async def get(self, agent_id: str) -> Agent:
        """Get an agent. Raises AgentNotFoundError.

        >>> agent = await client.agents.create("Guide")
        >>> (await client.agents.get(agent.id)).name
        'Guide'
        """
        return Agent.read(await self._transport.send(requests.get("agents", agent_id)))

    def list(
        self, *, metadata: Mapping[str, Any] | None = None, limit: int | None = None, offset: int | None = None
    ) -> AsyncPages[Agent]:
        """List agents, the newest first, ``limit`` a page (1 to 100, default 20), those whose metadata contain
        ``metadata``.

        >>> agent = await client.agents.create("Guide")
        >>> [agent.name async for agent in client.agents.list(limit=10)]
        ['Guide']
        """
        asked = requests.get("agents", metadata=metadata, limit=limit, offset=offset)
        return AsyncPages(self._transport, PageRequest(request=asked, cursor="cursor"), Agent.read)

    async def update(self, agent_id: str, **changes: Unpack[AgentChange]) -> Agent:
        """Change an agent, which makes a new version: what is not named stays, None unsets, the keys of ``metadata``
        are merged. Raises AgentNotFoundError, InvalidRequestError.

        >>> agent = await client.agents.create("Guide")
        >>> (await client.agents.update(agent.id, instructions="Be kind.")).version
        2
        """
        return Agent.read(await self._transport.send(requests.patch("agents", agent_id, body=changes)))

    async def delete(self, agent_id: str) -> Deleted:
        """Delete an agent with its documents; sessions that name it go on without it. Raises AgentNotFoundError.

        >>> agent = await client.agents.create("Guide")
        >>> (await client.agents.delete(agent.id)).deleted
        True
        """
        return Deleted.read(await self._transport.send(requests.delete("agents", agent_id)))

    async def tools(self, agent_id: str) -> AgentTools:
        """What a model would be shown of an agent's tools now, as its MCP servers and HTTP APIs tell them, and which of
        those cannot be reached. Raises AgentNotFoundError.

        >>> agent = await client.agents.create("Guide", tools=[trains])
        >>> [tool.name for tool in (await client.agents.tools(agent.id)).data]
        ['trains__book', 'trains__find']
        """
        return AgentTools.read(await self._transport.send(requests.get("agents", agent_id, "tools")))

    def versions(self, agent_id: str, *, limit: int | None = None) -> AsyncPages[Agent]:
        """List an agent's versions, the newest first. Raises AgentNotFoundError.

        >>> agent = await client.agents.create("Guide")
        >>> agent = await client.agents.update(agent.id, about="knows Lisbon")
        >>> [agent.version async for agent in client.agents.versions(agent.id)]
        [2, 1]
        """
        asked = requests.get("agents", agent_id, "versions", limit=limit)
        return AsyncPages(self._transport, PageRequest(request=asked, cursor="cursor"), Agent.read)

    async def version(self, agent_id: str, number: int) -> Agent:
        """Get an agent as it was in one of its versions. Raises AgentNotFoundError.

        >>> agent = await client.agents.create("Guide")
        >>> (await client.agents.version(agent.id, 1)).name
        'Guide'
        """
        return Agent.read(await self._transport.send(requests.get("agents", agent_id, "versions", str(number))))
