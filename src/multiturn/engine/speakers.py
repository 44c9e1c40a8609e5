"""Who answers a turn and under what rules: the agent, its instructions and settings, and the policy of the context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from multiturn.engine.document_search import describe_hit
from multiturn.engine.grounding.block import INSTRUCTIONS, UNCITED
from multiturn.engine.knowledge import Knowledge
from multiturn.engine.ports import AgentStore, Clock, SessionStore, UserStore
from multiturn.engine.templates import STANDARD_TEMPLATE, Templates, find_template, has_marks
from multiturn.engine.tenants import Tenants
from multiturn.engine.toolsets import NO_TOOLS, Toolset, Toolsets, tell_missing
from multiturn.engine.window.question import StoreChoice
from multiturn.engine.window.shown import read_speaker, read_text
from multiturn.errors import InvalidRequest
from multiturn.model.agent import Agent, User
from multiturn.model.citation import Grounding
from multiturn.model.content import Content, Message
from multiturn.model.knowledge import Owner
from multiturn.model.policy import ContextPolicy, RecallOptions, join_policies
from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.retrieved import Snippet
from multiturn.model.run import AgentVersion
from multiturn.model.session import NO_SETTINGS, Session, SessionKey
from multiturn.model.turn import TurnOrder

NOTHING_SET = ContextPolicy()
NO_GROUNDING = Grounding()


class Speaker(Struct, frozen=True, kw_only=True):
    """Who answers: the ``agent`` if the session has one, the ``instructions`` as JSON, the ``fields`` of the model's
    request, the policy of the context, and whose documents are searched. ``documents`` are those that a template has
    put into the instructions, ``stores`` the knowledge stores that the answer is to rest on, ``toolset`` the tools
    of ours that it has, ``reasoning`` how much it is to think.
    """

    instructions: str | None
    fields: Mapping[str, Raw]
    policy: ContextPolicy
    owners: tuple[Owner, ...] = ()
    documents: tuple[Snippet, ...] = ()
    agent: Agent | None = None
    stores: StoreChoice | None = None
    toolset: Toolset = NO_TOOLS
    reasoning: ReasoningOptions | None = None

    @property
    def version(self) -> AgentVersion | None:
        """The agent as the run records it."""
        return AgentVersion(self.agent.id, self.agent.version) if self.agent else None


class SpeakerStores(Protocol):
    """Where agents, users and sessions are kept."""

    @property
    def agents(self) -> AgentStore: ...

    @property
    def users(self) -> UserStore: ...

    @property
    def sessions(self) -> SessionStore: ...


class Defaults(Struct, frozen=True, kw_only=True):
    """What counts where nobody says anything: the server's own policy, model and time."""

    policy: ContextPolicy
    model: str | None
    clock: Clock


class Finders(NamedTuple):
    """Who finds what a turn needs besides its history: documents, and tools."""

    knowledge: Knowledge
    toolsets: Toolsets


class Cast(NamedTuple):
    """Who takes part in a turn."""

    agent: Agent | None
    users: Sequence[User]


class Speakers:
    """Finds who answers."""

    def __init__(
        self, stores: SpeakerStores, tenants: Tenants, templates: Templates, finders: Finders, defaults: Defaults
    ) -> None:
        self.agents = stores.agents
        self.users = stores.users
        self.sessions = stores.sessions
        self.tenants = tenants
        self.templates = templates
        self.knowledge = finders.knowledge
        self.toolsets = finders.toolsets
        self.clock = defaults.clock
        self.policy = defaults.policy
        self.default_model = defaults.model

    async def find(self, session: Session, order: TurnOrder) -> Speaker:
        """Find who answers this turn. Instructions of the order go before those that the session keeps.

        Raises InvalidRequest for an agent that does not take part, and for a template that cannot be rendered.
        """
        speaker = await self._find(session, order)
        stores = choose_stores(session, order, speaker.agent)
        tools = speaker.agent.body.tools if speaker.agent else ()
        if stores is None and not tools and order.turn_instructions is None:
            return speaker
        toolset, fields = await self.toolsets.find(
            session.tenant_id, tools, speaker.fields, has_stores=bool(stores and stores.store_ids)
        )
        told = [INSTRUCTIONS if stores.is_cited else UNCITED] if stores else []
        told += [order.turn_instructions] if order.turn_instructions else []
        told += [tell_missing(toolset.missing)] if toolset.missing else []
        instructions = add_instructions(speaker.instructions, told) if told else speaker.instructions
        return replace(speaker, instructions=instructions, fields=fields, stores=stores, toolset=toolset)

    async def _find(self, session: Session, order: TurnOrder) -> Speaker:
        """Who answers, whatever the answer is to rest on."""
        instructions = session.instructions if order.instructions is None else order.instructions
        outer = await self.tenants.policy_of(session.tenant_id)
        session_owner = Owner("session", session.id)
        if session.settings is NO_SETTINGS and order.agent_id is None:
            policy = self._join(order.policy, outer)
            return Speaker(
                instructions=instructions,
                fields=order.fields,
                policy=policy,
                owners=(session_owner,),
                reasoning=order.reasoning,
            )
        settings = session.settings
        agent = await self._find_agent(session, order)
        users = await self._find_users(session)
        owners = [session_owner, *(Owner("user", user.id) for user in users)]
        if agent:
            owners.append(Owner("agent", agent.id))
        policy = self._join(order.policy, settings.policy, agent.body.policy if agent else None, outer)
        documents: tuple[Snippet, ...] = ()
        if agent or settings.system_template:
            cast = Cast(agent, users)
            template = find_template(session, agent)
            if template is not STANDARD_TEMPLATE and self.templates.names_docs(template):
                documents, owners = await self._find_documents(session, order, policy, owners), []
            instructions = self._write(session, order, cast, documents, instructions)
        return Speaker(
            instructions=instructions,
            fields={**read_defaults(agent), **order.fields} if agent else order.fields,
            policy=policy,
            owners=tuple(owners),
            documents=documents,
            agent=agent,
            reasoning=order.reasoning or (agent.body.reasoning if agent else None),
        )

    async def render_input(self, session: Session, order: TurnOrder) -> TurnOrder:
        """The order with what users say in it rendered as templates, where the session wants that.

        Raises InvalidRequest, also for a text that cannot be rendered (``template_error``).
        """
        if not (session.settings.render_templates and any(map(is_template, order.input))):
            return order
        agent, users = await self._find_agent(session, order), await self._find_users(session)
        values = self.templates.read_values(session, agent, users, metadata=order.template_values)
        rendered = [
            self.templates.render_message(one, values, param="messages")
            if isinstance(one, Message) and is_template(one)
            else one
            for one in order.input
        ]
        return replace(order, input=tuple(rendered))

    def _join(self, *policies: ContextPolicy | None) -> ContextPolicy:
        """The policy of a turn: the nearest that sets something counts, the server's own comes last."""
        told = [policy for policy in policies if policy is not None and policy != NOTHING_SET]
        return join_policies(*told, self.policy) if told else self.policy

    async def _find_agent(self, session: Session, order: TurnOrder) -> Agent | None:
        """The agent that answers: the one that the turn names, else the first that is still there."""
        taking_part = session.settings.agents
        if order.agent_id is not None and order.agent_id not in taking_part:
            raise InvalidRequest(
                "The agent does not take part in this session. Name one of its agents, or none.",
                code="agent_not_in_session",
                param="agent",
            )
        for agent_id in (order.agent_id,) if order.agent_id else taking_part:
            if agent := await self.agents.find(session.tenant_id, agent_id):
                return agent
        return None

    async def _find_users(self, session: Session) -> list[User]:
        """The users that take part and are still there."""
        found = [await self.users.find(session.tenant_id, user_id) for user_id in session.settings.users]
        return [user for user in found if user]

    async def _find_documents(
        self, session: Session, order: TurnOrder, policy: ContextPolicy, owners: Sequence[Owner]
    ) -> tuple[Snippet, ...]:
        """What documents say about the input, for a template that names them: it moves the prefix in every turn."""
        if policy.recall is False:
            return ()
        said = [(read_speaker(one), read_text(one)) for one in order.input if isinstance(one, Message)]
        options = policy.documents or RecallOptions()
        return tuple(map(describe_hit, await self.knowledge.retrieve(session.tenant_id, owners, said, options)))

    def _write(
        self,
        session: Session,
        order: TurnOrder,
        cast: Cast,
        documents: Sequence[Snippet],
        instructions: str | None,
    ) -> str | None:
        """The instructions: what the template makes of agent, users and situation, and behind it what was sent."""
        docs = [{"title": one.title, "content": [one.text], "metadata": one.metadata} for one in documents]
        text = self.templates.write_instructions(
            session, cast.agent, cast.users, metadata=order.template_values, docs=docs
        )
        if not text.strip():
            return instructions
        written = msgspec.json.encode({"role": "system", "content": text}).decode()
        return f"[{written},{instructions[1:]}" if instructions else f"[{written}]"

    async def choose_model(self, key: SessionKey, order: TurnOrder) -> str:
        """The model of a turn that names none: the session's, its agent's, else the server's.

        Raises InvalidRequest where there is none.
        """
        session = await self.sessions.find(key, self.clock())
        agent = await self._find_agent(session, order) if session else None
        preset = agent.body.model or agent.body.default_settings.get("model") if agent else None
        model = (session and session.settings.model) or preset or self.default_model
        if not model:
            raise InvalidRequest(
                "'model' is missing and the server has no default model (MULTITURN_MODEL).", param="model"
            )
        return model


def is_template(content: Content) -> bool:
    """Whether a user says something that has Jinja's marks in it."""
    if not isinstance(content, Message) or content.role != "user" or content.content is None:
        return False
    parts = [{"text": content.content}] if isinstance(content.content, str) else content.content
    return any(isinstance(text := part.get("text"), str) and has_marks(text) for part in parts)


def choose_stores(session: Session, order: TurnOrder, agent: Agent | None = None) -> StoreChoice | None:
    """The knowledge stores that the answer rests on: those of the order, of the session, and of its agent."""
    settings, grounding = session.settings, order.grounding or NO_GROUNDING
    named = grounding.store_ids
    if not grounding.replaces:
        named = (*named, *settings.store_ids, *(agent.body.store_ids if agent else ()))
    if not named and grounding.given is None:
        return None
    return StoreChoice(
        store_ids=() if grounding.given is not None else tuple(dict.fromkeys(named)),
        selections=tuple(dict.fromkeys((*settings.selections, *grounding.selections))),
        queries=grounding.queries,
        given=grounding.given,
        tokens_max=grounding.tokens_max,
        is_cited=grounding.is_cited,
    )


def add_instructions(instructions: str | None, texts: Sequence[str]) -> str:
    """Instructions with more behind them, at the end of the last of them: many models' templates know one only."""
    messages: list[dict[str, Any]] = msgspec.json.decode(instructions) if instructions else []
    text = "\n\n".join(texts)
    if messages and isinstance(said := messages[-1].get("content"), str):
        messages[-1] = {**messages[-1], "content": f"{said}\n\n{text}"}
    else:
        messages.append({"role": "system", "content": text})
    return msgspec.json.encode(messages).decode()


def read_defaults(agent: Agent) -> dict[str, Any]:
    """The fields of a model's request that an agent presets."""
    return {
        name: Raw(msgspec.json.encode(value)) for name, value in agent.body.default_settings.items() if name != "model"
    }
