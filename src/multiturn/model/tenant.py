"""Who owns data and who asks for it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

DEFAULT_TENANT = "default"
SCOPE_ADMIN = "admin"
SCOPE_USERS = "users"
SCOPE_READ = "read"
SCOPE_JWT = "jwt"
SCOPES = (SCOPE_ADMIN, SCOPE_USERS, SCOPE_READ, SCOPE_JWT)
OPERATOR = (SCOPE_ADMIN, SCOPE_USERS)
"""What the first key of a server may do."""


class Tenant(Struct, frozen=True, kw_only=True):
    """An owner of data; every row of the store has one."""

    id: UUID
    name: str
    default_user_id: UUID
    created_at: datetime


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key of a tenant. Its secret is shown once and stored as a hash; ``hint`` is what may be shown again.

    Scopes: ``admin`` may manage keys and quotas and act for any user of its tenant (``X-User-Id``), ``users`` may do
    the latter only. Two take away: with ``read`` a key reads and changes nothing, and one with ``jwt`` opens nothing
    but beside the JWT of a user. ``user`` is the name of the user that it is bound to.
    """

    id: UUID
    tenant_id: UUID
    user_id: UUID
    is_bound: bool
    user: str | None = None
    label: str
    hint: str
    scopes: tuple[str, ...] = ()
    created_at: datetime
    expires_at: datetime | None = None
    used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        """Whether it opens anything now."""
        return not self.revoked_at and not self.has_expired(now)

    def has_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now


class Caller(Struct, frozen=True, kw_only=True):
    """Who makes this request: tenant, user and what the key may do.

    ``is_bound`` says that the key belongs to one user: it sees that user's sessions only.
    """

    tenant_id: UUID
    user_id: UUID
    key_id: UUID
    is_bound: bool = False
    scopes: tuple[str, ...] = ()

    @property
    def can_write(self) -> bool:
        """Whether it may change anything."""
        return SCOPE_READ not in self.scopes
