"""What a session is, whichever client it is bound to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from multiturn_client.record import Record
from multiturn_client.records import Origin


@dataclass(kw_only=True)
class SessionFacts(Record):
    """What the server tells about a session.

    ``items`` counts what is stored, ``shown_from`` is the first ``seq`` that the model is still shown. ``instructions``
    are the messages that stand first in every context. ``agent_id`` and ``user_id`` are the first of ``agents`` and
    ``users``. ``expires_at`` is when it is deleted unless it is used again; None: never. ``running`` is the run that
    holds it now. The others are as ``SessionOptions`` says.
    """

    id: str = ""
    external_id: str | None = None
    created_at: datetime | None = None
    active_at: datetime | None = None
    expires_at: datetime | None = None
    idle_expiry_s: int | None = None
    items: int = 0
    shown_from: int = 1
    instructions: tuple[Any, ...] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    running: str | None = None
    agents: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    agent_id: str | None = None
    user_id: str | None = None
    context_overflow: str | None = None
    token_budget: int | None = None
    recall: bool | None = None
    recall_tokens: int | None = None
    recall_options: Mapping[str, Any] | None = None
    model: str | None = None
    situation: str | None = None
    system_template: str | None = None
    render_templates: bool = True
    forked_from: Origin | None = None
