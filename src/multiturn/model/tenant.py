"""Who owns data and who asks for it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

SCOPE_ADMIN = "admin"
SCOPE_USERS = "users"
SCOPES = (SCOPE_ADMIN, SCOPE_USERS)


class Tenant(Struct, frozen=True, kw_only=True):
    """An owner of data; every row of the store has one."""

    id: UUID
    name: str
    default_user_id: UUID
    created_at: datetime


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key of a tenant. Its secret is shown once and stored as a hash; ``hint`` is what may be shown again.

    Scopes: ``admin`` may make and revoke keys, ``users`` may act for any user of its tenant (``X-User-Id``).
    """

    id: UUID
    tenant_id: UUID
    user_id: UUID
    is_bound: bool
    label: str
    hint: str
    scopes: tuple[str, ...] = ()
    created_at: datetime
    revoked_at: datetime | None = None


class Caller(Struct, frozen=True, kw_only=True):
    """Who makes this request: tenant, user and what the key may do.

    ``is_bound`` says that the key belongs to one user: it sees that user's sessions only.
    """

    tenant_id: UUID
    user_id: UUID
    key_id: UUID
    is_bound: bool = False
    scopes: tuple[str, ...] = ()
