"""Tenants, users and API keys in the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from multiturn.model.ids import new_id
from multiturn.model.tenant import ApiKey, Tenant
from multiturn.store.database import Database, Row
from multiturn.store.rows import as_id, as_ms, as_time, read_key


class SqlKeyStore:
    """Keeps tenants, users and keys in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def ensure_tenant(self, name: str, now: datetime) -> Tenant:
        """Find the tenant of this name, or make it with its default user."""
        tenant_id, user_id, at = new_id(), new_id(), as_ms(now)
        async with self.database.transaction() as tx:
            made = {"tenant_id": tenant_id, "name": name, "default_user_id": user_id, "now": at}
            if await tx.execute("make_tenant", made):
                await tx.execute("make_user", {"tenant_id": tenant_id, "id": user_id, "external_id": "", "now": at})
            row = await tx.fetch_one("find_tenant", {"name": name})
        return read_tenant(row or ())

    async def find_tenant(self, name: str) -> Tenant | None:
        """Find the tenant of this name."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_tenant", {"name": name})
        return read_tenant(row) if row else None

    async def ensure_user(self, tenant_id: UUID, external_id: str, now: datetime) -> UUID:
        """Find the user of this name in the tenant, or make it."""
        who = {"tenant_id": tenant_id, "external_id": external_id}
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_user", who)
        if row:
            return as_id(row[0])
        async with self.database.transaction() as tx:
            await tx.execute("make_user", {**who, "id": new_id(), "now": as_ms(now)})
            row = await tx.fetch_one("find_user", who)
        return as_id((row or ())[0])

    async def add(self, key: ApiKey, digest: bytes) -> bool:
        """Store a key by the hash of its secret; False, and nothing stored, when that secret is known already."""
        parameters = {
            "tenant_id": key.tenant_id,
            "id": key.id,
            "user_id": key.user_id,
            "is_bound": int(key.is_bound),
            "label": key.label,
            "hint": key.hint,
            "digest": digest,
            "scopes": " ".join(key.scopes),
            "created_at": as_ms(key.created_at),
            "expires_at": as_ms(key.expires_at) if key.expires_at else None,
        }
        async with self.database.transaction() as tx:
            return bool(await tx.execute("add_key", parameters))

    async def find_by_digest(self, digest: bytes) -> ApiKey | None:
        """Find a key by the hash of its secret, revoked ones too."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_key", {"digest": digest})
        return read_key(row) if row else None

    async def find_key(self, tenant_id: UUID, key_id: UUID) -> ApiKey | None:
        """Find a key of a tenant, revoked ones too."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_key_by_id", {"tenant_id": tenant_id, "id": key_id})
        return read_key(row) if row else None

    async def note_uses(self, uses: Sequence[tuple[UUID, UUID, datetime]]) -> None:
        """Note when keys were last used: (tenant id, key id, time) each."""
        async with self.database.transaction() as tx:
            for tenant_id, key_id, at in uses:
                await tx.execute("note_key_use", {"tenant_id": tenant_id, "id": key_id, "now": as_ms(at)})

    async def list_keys(self, tenant_id: UUID) -> Sequence[ApiKey]:
        """List a tenant's keys, oldest first."""
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_keys", {"tenant_id": tenant_id})
        return [read_key(row) for row in rows]

    async def revoke(self, tenant_id: UUID, key_id: UUID, now: datetime) -> bool:
        """Revoke a key; False when there is none. Every server hears of it."""
        async with self.database.transaction() as tx:
            revoked = await tx.execute("revoke_key", {"tenant_id": tenant_id, "id": key_id, "now": as_ms(now)})
            if revoked:
                await tx.notify("revoked", key_id)
        return bool(revoked)


def read_tenant(row: Row) -> Tenant:
    """A row of ``tenants``."""
    id_, name, default_user_id, created_at = row
    return Tenant(id=as_id(id_), name=name, default_user_id=as_id(default_user_id), created_at=as_time(created_at))
