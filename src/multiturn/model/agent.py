"""Who answers in a session, and with whom: agents, and users as resources."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from multiturn.model.policy import ContextPolicy


class AgentBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent is, version by version.

    ``instructions`` is a text or a list of them; ``default_settings`` are fields of the model's request (temperature,
    max_tokens …) that a turn may override; ``system_template`` is Jinja, None takes the standard one.
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
