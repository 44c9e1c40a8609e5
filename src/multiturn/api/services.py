"""What the handlers are given: the engine's services, and the few settings that they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from multiturn.engine.agents import Agents
from multiturn.engine.approvals import Approvals
from multiturn.engine.assets import Assets
from multiturn.engine.contexts import Contexts
from multiturn.engine.keys import Keys
from multiturn.engine.knowledge import Knowledge
from multiturn.engine.links import Links
from multiturn.engine.overviews import Overviews
from multiturn.engine.ports import Upstream
from multiturn.engine.prepared import PreparedContexts
from multiturn.engine.quotas import Quotas
from multiturn.engine.run_listings import RunListings
from multiturn.engine.runs import Runs
from multiturn.engine.sessions import Sessions
from multiturn.engine.speech import Speech
from multiturn.engine.stores import KnowledgeStores
from multiturn.engine.tenants import Tenants
from multiturn.engine.tokens import Tokens
from multiturn.engine.transfer import Exports
from multiturn.engine.transfer_import import Imports
from multiturn.engine.turns import Turns
from multiturn.engine.uploads import Uploads
from multiturn.engine.usage import UsageReports
from multiturn.engine.users import Users
from multiturn.model.tenant import Caller
from multiturn.observe import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The engine as the handlers see it.

    ``tokens`` is there where the server takes users' tokens (JWTs). ``default_model`` answers a request that names
    none; ``open_caller`` is who everybody is when authentication is off;
    ``models_state`` tells how each upstream is, for ``/healthz``; ``is_ready`` whether turns can be taken.
    ``web_origins`` are those of web pages that may call, ``*`` for all.
    """

    turns: Turns
    runs: Runs
    run_listings: RunListings
    approvals: Approvals
    sessions: Sessions
    exports: Exports
    imports: Imports
    overviews: Overviews
    contexts: Contexts
    keys: Keys
    tokens: Tokens | None
    quotas: Quotas
    agents: Agents
    users: Users
    tenants: Tenants
    usage: UsageReports
    knowledge: Knowledge
    assets: Assets
    uploads: Uploads
    links: Links
    speech: Speech
    stores: KnowledgeStores
    prepared: PreparedContexts
    upstream: Upstream
    metrics: Metrics
    default_model: str | None
    header_idle_expiry_s: int | None
    body_bytes_max: int
    web_origins: frozenset[str]
    open_caller: Caller | None
    models_state: Callable[[], Sequence[dict[str, Any]]]
    is_ready: Callable[[], bool]
