"""The interfaces of who may ask: where keys are kept, and what reads the tokens of users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from multiturn.model.tenant import ApiKey, Tenant


class KeyStore(Protocol):
    """Keeps tenants, users and API keys."""

    async def ensure_tenant(self, name: str, now: datetime) -> Tenant:
        """Find the tenant of this name, or make it with its default user."""
        ...

    async def find_tenant(self, name: str) -> Tenant | None:
        """Find the tenant of this name."""
        ...

    async def ensure_user(self, tenant_id: UUID, external_id: str, now: datetime) -> UUID:
        """Find the user of this name in the tenant, or make it."""
        ...

    async def add(self, key: ApiKey, digest: bytes) -> bool:
        """Store a key by the hash of its secret; False, and nothing stored, when that secret is known already."""
        ...

    async def find_by_digest(self, digest: bytes) -> ApiKey | None:
        """Find a key by the hash of its secret, revoked ones too."""
        ...

    async def find_key(self, tenant_id: UUID, key_id: UUID) -> ApiKey | None:
        """Find a key of a tenant, revoked ones too."""
        ...

    async def list_keys(self, tenant_id: UUID) -> Sequence[ApiKey]:
        """List a tenant's keys, oldest first."""
        ...

    async def note_uses(self, uses: Sequence[tuple[UUID, UUID, datetime]]) -> None:
        """Note when keys were last used: (tenant id, key id, time) each; an earlier time changes nothing."""
        ...

    async def revoke(self, tenant_id: UUID, key_id: UUID, now: datetime) -> bool:
        """Revoke a key; False when there is none. Every server hears of it."""
        ...


class TokenReader(Protocol):
    """Reads the tokens (JWTs) of users."""

    @property
    def keys_version(self) -> int:
        """Another number when the keys of the issuer are others: what they signed is to be looked at again."""
        ...

    async def refresh(self) -> None:
        """Fetch the issuer's keys again, if that is due. Raises Unavailable when there never were any."""
        ...

    async def read(self, token: str) -> Mapping[str, Any]:
        """What a token says whose signature, issuer, audience and times are right.

        Raises Unauthenticated (``invalid_token``) naming what is wrong, Unavailable (``jwks_unavailable``).
        """
        ...
