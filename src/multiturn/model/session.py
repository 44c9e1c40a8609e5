"""A durable, ordered container of items, and its settings."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from multiturn.model.item import Range

Concurrency = Literal["queue", "reject", "interrupt"]
OverflowStrategy = Literal["truncate", "error"]
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


class Session(Struct, frozen=True, kw_only=True):
    """A conversation.

    ``head`` is the last ``seq`` stored, ``path`` the ranges of ``seq`` that are its active branch, oldest first,
    ``cut`` the first ``seq`` of that branch that the model is still shown.

    ``instructions`` are the leading system and developer messages, as JSON, that stand first in every context.
    ``idle_expiry_s`` is the time without use after which everything in it is deleted; None keeps it.
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

    @property
    def expires_at(self) -> datetime | None:
        """When the session expires unless it is used again; None never."""
        return None if self.idle_expiry_s is None else self.active_at + timedelta(seconds=self.idle_expiry_s)
