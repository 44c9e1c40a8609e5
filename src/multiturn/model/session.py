"""A durable, ordered container of items, and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from multiturn.model.citation import Selection
from multiturn.model.content import Content
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
    replaces the agent's; ``situation`` is what templates say about this conversation; ``render_templates`` says that
    what users say is a template as well. ``store_ids`` are the knowledge stores that its answers rest on, and
    ``selections`` the parts of them that the conversation is about. ``wire`` keeps what a dialect stores and gives back
    and the server does not act on.
    """

    agents: tuple[UUID, ...] = ()
    users: tuple[UUID, ...] = ()
    policy: ContextPolicy = ContextPolicy()
    model: str | None = None
    situation: str | None = None
    system_template: str | None = None
    render_templates: bool = False
    origin: Origin | None = None
    store_ids: tuple[UUID, ...] = ()
    selections: tuple[Selection, ...] = ()
    wire: dict[str, Any] = {}


NO_SETTINGS = SessionSettings()


class Session(Struct, frozen=True, kw_only=True):
    """A conversation.

    ``head`` is the last ``seq`` stored, ``path`` the ranges of ``seq`` that are its active branch, oldest first,
    ``cut`` the first ``seq`` of that branch that the model is still shown.

    ``instructions`` are the leading system and developer messages, as JSON, that stand first in every context.
    ``idle_expiry_s`` is the time without use after which everything in it is deleted; None keeps it. ``shown`` is what
    the model is shown besides the items from ``cut`` on; ``cleared`` is the last ``seq`` that was cleared away,
    ``waiting_run_id`` the run that waits for a person's word: until then there is no other turn.
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
    waiting_run_id: UUID | None = None

    @property
    def is_free(self) -> bool:
        """Whether no turn is at work in it, and none waits for a person's word."""
        return self.run_id is None and self.waiting_run_id is None

    @property
    def expires_at(self) -> datetime | None:
        """When the session expires unless it is used again; None never."""
        return None if self.idle_expiry_s is None else self.active_at + timedelta(seconds=self.idle_expiry_s)

    @property
    def branches(self) -> tuple[Range, ...]:
        """Everything that is stored of it, branches that were left included: what it shares, and what is its own."""
        shared = tuple(range_ for range_ in self.path if range_.session_id)
        last = max(self.cleared, self.settings.origin.seq if self.settings.origin else 0)
        return (*shared, Range(last + 1, self.head)) if self.head > last else shared


class SessionOrder(Struct, frozen=True, kw_only=True):
    """A session that is to be made without a turn; ``items`` are the beginning of its history.

    ``id`` is for dialects whose clients choose it.
    """

    id: UUID | None = None
    external_id: str | None = None
    settings: SessionSettings = NO_SETTINGS
    instructions: str | None = None
    metadata: dict[str, Any] = {}
    idle_expiry_s: int | None = None
    items: tuple[Content, ...] = ()


class SessionChange(Struct, frozen=True, kw_only=True):
    """What is to be changed of a session; what is not named stays.

    ``settings`` and ``policy`` are fields of SessionSettings and of its ContextPolicy by name. ``metadata`` is merged
    key by key, where None takes a key away, unless ``replaces_metadata``.
    """

    settings: Mapping[str, Any] = {}
    policy: Mapping[str, Any] = {}
    metadata: Mapping[str, Any] = {}
    replaces_metadata: bool = False
    instructions: str | UnsetType | None = UNSET
    idle_expiry_s: int | UnsetType | None = UNSET

    def apply(self, session: Session) -> Session:
        """The session as it is to be."""
        settings = replace(session.settings, **self.settings)
        settings = replace(settings, policy=replace(settings.policy, **self.policy))
        merged = {**({} if self.replaces_metadata else session.metadata), **self.metadata}
        kept = {name: getattr(self, name) for name in ("instructions", "idle_expiry_s")}
        return replace(
            session,
            settings=settings,
            metadata={name: value for name, value in merged.items() if value is not None},
            **{name: value for name, value in kept.items() if value is not UNSET},
        )


class ForkOrder(Struct, frozen=True, kw_only=True):
    """A session that is to share another one's items up to ``at``, the last one when it is None.

    ``metadata`` of None takes over the other one's.
    """

    id: UUID
    at: int | None = None
    external_id: str | None = None
    metadata: dict[str, Any] | None = None


class RetiredSession(Struct, frozen=True, kw_only=True):
    """A session that was taken away, as it was, and what goes with it."""

    session: Session
    items: int
    runs: int
    documents: int
