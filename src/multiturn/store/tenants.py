"""What tenants set for all their sessions, in the store."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import msgspec

from multiturn.model.policy import ContextPolicy
from multiturn.model.tenant import Tenant
from multiturn.store.database import Database
from multiturn.store.keys import read_tenant
from multiturn.store.rows import as_json

NO_POLICY = ContextPolicy()

read_policy = msgspec.json.Decoder(ContextPolicy).decode


class SqlTenantStore:
    """Keeps the policies of tenants in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def find(self, tenant_id: UUID) -> Tenant | None:
        """Find a tenant."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_tenant_by_id", {"tenant_id": tenant_id})
        return read_tenant(row) if row else None

    async def find_policy(self, tenant_id: UUID) -> ContextPolicy:
        """Tell a tenant's policy; one that sets nothing where there is none."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_policy", {"tenant_id": tenant_id})
        return read_policy(row[0]) if row and row[0] else NO_POLICY

    async def change_policy(
        self, tenant_id: UUID, change: Callable[[ContextPolicy], ContextPolicy]
    ) -> ContextPolicy | None:
        """Store what ``change`` makes of a tenant's policy; None when there is no such tenant."""
        async with self.database.transaction() as tx:
            row = await tx.fetch_one("lock_policy", {"tenant_id": tenant_id})
            if row is None:
                return None
            policy = change(read_policy(row[0]) if row[0] else NO_POLICY)
            await tx.execute("set_policy", {"tenant_id": tenant_id, "policy": as_json(policy)})
            await tx.notify("policy", tenant_id)
        return policy
