"""Agents as resources: made, found, changed version by version, deleted."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any
from uuid import UUID

from msgspec.structs import asdict, replace

from multiturn.engine.callers import require_tenant
from multiturn.engine.metadata import check_label, check_object, check_text, merge
from multiturn.engine.ports import AgentStore, Clock
from multiturn.engine.times import as_stored
from multiturn.engine.tool_checks import check_equipment, keep_secrets
from multiturn.errors import Conflict, InvalidRequest, NotFound
from multiturn.model.agent import Agent, AgentBody, AgentChange, Listing
from multiturn.model.ids import find_id, new_id
from multiturn.model.knowledge import Owner
from multiturn.model.page import Page
from multiturn.model.tenant import Caller

ABOUT_CHARS_MAX = 10_000
INSTRUCTIONS_CHARS_MAX = 200_000
INSTRUCTIONS_MAX = 1000
CANONICAL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,254}", re.ASCII)
# What a turn says itself: an agent cannot preset it.
OF_THE_TURN = frozenset({"messages", "stream", "stream_options"})
DEFAULTS = {name: value for name, value in asdict(AgentBody(name="")).items() if name != "name"}

# Raises InvalidRequest, naming the parameter, for a template that cannot be read.
CheckTemplate = Callable[[str, str], None]
EraseDocuments = Callable[[UUID, Owner], Awaitable[Any]]


class Agents:
    """The agents of a tenant: every key of it sees them, one that acts for a user does not change them.

    ``tool_servers`` are the MCP servers that the server's settings name. What the headers of a source say is kept and
    never told again: a change that sends it hidden leaves it as it is.
    """

    def __init__(
        self,
        store: AgentStore,
        clock: Clock,
        check_template: CheckTemplate,
        erase_documents: EraseDocuments | None = None,
        tool_servers: Collection[str] = (),
    ) -> None:
        self.store = store
        self.clock = clock
        self.check_template = check_template
        self.erase_documents = erase_documents
        self.tool_servers = tool_servers

    async def get(self, caller: Caller, name: str | UUID) -> Agent:
        """Get an agent by our id, in any form, or by its canonical name. Raises NotFound."""
        id_ = name if isinstance(name, UUID) else find_id(name)
        agent = await self.store.find(caller.tenant_id, id_) if id_ else None
        if agent is None and isinstance(name, str):
            agent = await self.store.find_by_name(caller.tenant_id, name)
        if agent is None:
            raise agent_not_found()
        return agent

    async def create(
        self, caller: Caller, body: AgentBody, metadata: dict[str, Any], *, agent_id: UUID | None = None
    ) -> Agent:
        """Make an agent, by an id of the caller's if it gives one.

        Raises Conflict (``agent_exists``) when the id or the canonical name is taken, InvalidRequest.
        """
        require_tenant(caller, "agents")
        metadata, body = merge({}, metadata), with_secrets(body, before=None)
        self._check(body, metadata)
        now = as_stored(self.clock())
        agent = Agent(
            id=agent_id or new_id(),
            tenant_id=caller.tenant_id,
            version=1,
            created_at=now,
            updated_at=now,
            body=body,
            metadata=metadata,
        )
        if not await self.store.add(agent):
            what = f"named '{body.canonical_name}'" if body.canonical_name else "with this id"
            raise Conflict(f"There is an agent {what} already.", code="agent_exists", param="canonical_name")
        return agent

    async def create_or_overwrite(
        self, caller: Caller, agent_id: UUID, body: AgentBody, metadata: dict[str, Any]
    ) -> Agent:
        """Make the agent with this id, or make it this. Raises what ``create`` raises."""
        if await self.store.find(caller.tenant_id, agent_id):
            return await self.overwrite(caller, agent_id, body, metadata)
        return await self.create(caller, body, metadata, agent_id=agent_id)

    async def update(self, caller: Caller, agent_id: UUID, change: AgentChange) -> Agent:
        """Change some of an agent: its next version. Raises NotFound, Conflict (``agent_exists``), InvalidRequest."""
        return await self._store(
            caller,
            agent_id,
            lambda agent: replace(
                agent, body=change_body(agent.body, change), metadata=merge(agent.metadata, change.metadata)
            ),
        )

    async def revise(self, caller: Caller, agent_id: UUID, revise: Callable[[AgentBody], AgentBody]) -> Agent:
        """Store what ``revise`` makes of an agent's body as it stands: its next version.

        Raises NotFound, Conflict (``agent_exists``), InvalidRequest, and what ``revise`` raises.
        """
        return await self._store(caller, agent_id, lambda agent: replace(agent, body=revise(agent.body)))

    async def overwrite(self, caller: Caller, agent_id: UUID, body: AgentBody, metadata: dict[str, Any]) -> Agent:
        """Make an agent this: its next version. Raises NotFound, Conflict (``agent_exists``), InvalidRequest."""
        return await self._store(
            caller, agent_id, lambda agent: replace(agent, body=body, metadata=merge({}, metadata))
        )

    async def _store(self, caller: Caller, agent_id: UUID, change: Callable[[Agent], Agent]) -> Agent:
        require_tenant(caller, "agents")
        now = as_stored(self.clock())

        def checked(before: Agent) -> Agent:
            agent = replace(change(before), updated_at=now)
            agent = replace(agent, body=with_secrets(agent.body, before=before.body))
            self._check(agent.body, agent.metadata)
            return agent

        agent = await self.store.update(caller.tenant_id, agent_id, checked)
        if agent is None:
            raise agent_not_found()
        return agent

    async def list_agents(self, caller: Caller, listing: Listing) -> Page[Agent]:
        """List the tenant's agents."""
        return await self.store.list_agents(caller.tenant_id, listing)

    async def list_versions(self, agent: Agent, *, before: int | None, limit: int) -> Page[Agent]:
        """List the versions of an agent, newest first; ``updated_at`` is when each began."""
        return await self.store.list_versions(agent, before=before, limit=limit)

    async def get_version(self, agent: Agent, version: int) -> Agent:
        """Get an agent as it was. Raises NotFound."""
        found = await self.store.find_version(agent, version)
        if found is None:
            raise NotFound(f"The agent has no version {version}.", code="agent_not_found", param="version")
        return found

    async def delete(self, caller: Caller, agent: Agent) -> None:
        """Delete an agent with its versions and its documents; sessions that name it go on without it.

        Raises NotFound.
        """
        require_tenant(caller, "agents")
        if not await self.store.delete(agent.tenant_id, agent.id):
            raise agent_not_found()
        if self.erase_documents:
            await self.erase_documents(agent.tenant_id, Owner("agent", agent.id))

    def _check(self, body: AgentBody, metadata: dict[str, Any]) -> None:
        """Raise InvalidRequest for what is over a limit, and for a template that cannot be read."""
        check_body(body)
        check_equipment(body, self.tool_servers)
        check_object(metadata, "metadata")
        if body.system_template is not None:
            self.check_template(body.system_template, "system_template")


def change_body(body: AgentBody, change: AgentChange) -> AgentBody:
    """A body with a change made to it; what is set to None is as if it had never been set."""
    given = {name: DEFAULTS.get(name) if value is None else value for name, value in change.body.items()}
    policy = replace(body.policy, **change.policy)
    return replace(body, **given, policy=policy)


def with_secrets(body: AgentBody, *, before: AgentBody | None) -> AgentBody:
    """A body with the secrets of its tools that are kept. Raises InvalidRequest for one that is not there."""
    return replace(body, tools=keep_secrets(body.tools, before.tools if before else ())) if body.tools else body


def check_body(body: AgentBody) -> None:
    """Raise InvalidRequest for what is over a limit."""
    for param, label in (("name", body.name or ""), ("model", body.model), ("project", body.project)):
        check_label(label, param)
    check_text(body.about, "about", chars_max=ABOUT_CHARS_MAX)
    if body.canonical_name is not None and not CANONICAL_NAME.fullmatch(body.canonical_name):
        raise InvalidRequest(
            "'canonical_name' must begin with a letter and have 1 to 255 letters, digits, '_', '-' and '.'.",
            param="canonical_name",
        )
    instructions = (body.instructions,) if isinstance(body.instructions, str) else body.instructions
    if len(instructions) > INSTRUCTIONS_MAX:
        raise InvalidRequest(f"'instructions' must be at most {INSTRUCTIONS_MAX} texts.", param="instructions")
    check_text("".join(instructions), "instructions", chars_max=INSTRUCTIONS_CHARS_MAX)
    check_object(body.default_settings, "default_settings")
    if taken := OF_THE_TURN & body.default_settings.keys():
        name = sorted(taken)[0]
        raise InvalidRequest(f"'default_settings' cannot hold '{name}': each turn says it.", param="default_settings")


def agent_not_found() -> NotFound:
    """The error of an agent that is not there."""
    return NotFound("There is no such agent.", code="agent_not_found", param="agent_id")
