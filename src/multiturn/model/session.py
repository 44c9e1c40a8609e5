"""A durable, ordered container of items, and its settings."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from multiturn.model.context import WindowState
from multiturn.model.item import Range
from multiturn.model.policy import ContextPolicy

Concurrency = Literal["queue", "reject", "interrupt"]
OnDisconnect = Literal["finish", "cancel"]


class SessionKey(Struct, frozen=True, kw_only=True):
    """How a request names a session: our id, or the external id that the client chose, within one user.

    ``is_bound``: sessions of other users are not seen, not even by our id.
    """

    tenant_id: UUID
    user_id: UUID
    id: UUID | None = None
    external_id: str | None = None
    is_bound: bool = False


class Origin(Struct, frozen=True, kw_only=True):
    """Where a session was forked: it shares the items of that session up to ``seq``."""

    session_id: UUID
    seq: int


class SessionSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What may be set of a session besides its metadata and its retention.

    ``agents`` and ``users`` take part in it; the first agent answers unless a turn names another. ``system_template``
    replaces the agent's; ``situation`` is what templates say about this conversation. ``wire`` keeps what a dialect
    stores and gives back and the server does not act on.
    """

    agents: tuple[UUID, ...] = ()
    users: tuple[UUID, ...] = ()
    policy: ContextPolicy = ContextPolicy()
    model: str | None = None
    situation: str | None = None
    system_template: str | None = None
    render_templates: bool = True
    origin: Origin | None = None
    wire: dict[str, Any] = {}


NO_SETTINGS = SessionSettings()


class Session(Struct, frozen=True, kw_only=True):
    """A conversation.

    ``head`` is the last ``seq`` stored, ``path`` the ranges of ``seq`` that are its active branch, oldest first,
    ``cut`` the first ``seq`` of that branch that the model is still shown.

    ``instructions`` are the leading system and developer messages, as JSON, that stand first in every context.
    ``idle_expiry_s`` is the time without use after which everything in it is deleted; None keeps it. ``shown`` is what
    the model is shown besides the items from ``cut`` on; ``cleared`` is the last ``seq`` that was cleared away.
    """

    id: UUID
    tenant_id: UUID
    user_id: UUID
    external_id: str | None
    created_at: datetime
    active_at: datetime
    idle_expiry_s: int | None = None
    instructions: str | None = None
    metadata: dict[str, Any] = {}
    head: int = 0
    path: tuple[Range, ...] = ()
    cut: int = 1
    run_id: UUID | None = None
    settings: SessionSettings = NO_SETTINGS
    shown: WindowState = WindowState()
    cleared: int = 0

    @property
    def expires_at(self) -> datetime | None:
        """When the session expires unless it is used again; None never."""
        return None if self.idle_expiry_s is None else self.active_at + timedelta(seconds=self.idle_expiry_s)
