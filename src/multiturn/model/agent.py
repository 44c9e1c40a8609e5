"""Who answers in a session, and with whom: agents, and users as resources."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from multiturn.model.policy import ContextPolicy
from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.tool import Tool


class AgentLimits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a run may go: calls of the model (at the last it has to answer), tokens of all calls together, seconds,
    and US dollars; None leaves it to the server.
    """

    steps: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    cost_usd: float | None = None


class AgentBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent is, version by version.

    ``instructions`` is a text or a list of them; ``default_settings`` are fields of the model's request (temperature,
    max_tokens …) that a turn may override; ``system_template`` is Jinja, None takes the standard one. ``store_ids`` are
    the knowledge stores that its answers rest on, ``wire`` what a dialect stores and gives back.
    """

    name: str
    about: str = ""
    canonical_name: str | None = None
    model: str | None = None
    instructions: str | tuple[str, ...] = ()
    default_settings: dict[str, Any] = {}
    system_template: str | None = None
    policy: ContextPolicy = ContextPolicy()
    project: str | None = None
    reasoning: ReasoningOptions | None = None
    store_ids: tuple[UUID, ...] = ()
    tools: tuple[Tool, ...] = ()
    limits: AgentLimits = AgentLimits()
    wire: dict[str, Any] = {}


class Agent(Struct, frozen=True, kw_only=True):
    """An agent as it stands: its newest version."""

    id: UUID
    tenant_id: UUID
    version: int
    created_at: datetime
    updated_at: datetime
    body: AgentBody
    metadata: dict[str, Any] = {}


class User(Struct, frozen=True, kw_only=True):
    """A user of a tenant: who owns sessions by a key or a header, or takes part in them.

    ``external_id`` is the name that the application uses; one that only we named has its id there.
    """

    id: UUID
    tenant_id: UUID
    external_id: str
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    about: str | None = None
    project: str | None = None
    metadata: dict[str, Any] = {}


class AgentChange(Struct, frozen=True, kw_only=True):
    """What is to be changed of an agent: fields of its body and of its policy (None: as if it had never been set), and
    metadata, which are merged key by key (None removes a key).
    """

    body: dict[str, Any] = {}
    policy: dict[str, Any] = {}
    metadata: dict[str, Any] = {}


class UserBody(Struct, frozen=True, kw_only=True):
    """What a user is besides its metadata; without an external id it is known by ours."""

    external_id: str | None = None
    name: str | None = None
    about: str | None = None
    project: str | None = None


class UserChange(Struct, frozen=True, kw_only=True):
    """What is to be changed of a user: fields of its body (None unsets), and metadata, merged key by key (None removes
    a key).
    """

    body: dict[str, Any] = {}
    metadata: dict[str, Any] = {}


class Listing(Struct, frozen=True, kw_only=True):
    """Which agents or users are listed, and in which order.

    ``metadata`` keeps those whose metadata contain it. ``after`` is the time that is sorted by and the id of the last
    row of the page before; ``offset`` leaves out as many rows behind it.
    """

    metadata: dict[str, Any] = {}
    sort: Literal["created_at", "updated_at"] = "created_at"
    newest_first: bool = True
    after: tuple[datetime, UUID] | None = None
    offset: int = 0
    limit: int = 20


class ErasureReceipt(Struct, frozen=True, kw_only=True):
    """What was taken away with a user: how many sessions (``forks`` of them shared items of others), items, runs and
    documents. Their bytes are overwritten in batches behind this; ``is_complete`` says that this is done.
    """

    user_id: UUID
    erased_at: datetime
    sessions: int
    forks: int
    items: int
    runs: int
    documents: int
    is_complete: bool
