"""Quotas in the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from multiturn.model.quota import Quota, QuotaKind, QuotaRules, StoredQuota
from multiturn.store.database import Database, Row
from multiturn.store.rows import as_id, as_json

FIRST_ID = UUID(int=0)
RULES: dict[str, tuple[str, str]] = {
    "tenant": ("tenant", ""),
    "user": ("each_user", "some_users"),
    "session": ("each_session", "some_sessions"),
}

read_quota = msgspec.json.Decoder(Quota).decode


class SqlQuotaStore:
    """Keeps quotas in a SQL database. One that is for all of a kind stands under the tenant's own id."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def load_rules(self, tenant_id: UUID) -> QuotaRules:
        """Tell at a glance what is limited in a tenant."""
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_quota_rules", {"tenant_id": tenant_id})
        found: dict[str, Any] = {}
        for kind, body in rows:
            each, some = RULES[kind]
            found |= {some: True} if body is None else {each: read_quota(body)}
        return QuotaRules(**found)

    async def find(self, tenant_id: UUID, kind: QuotaKind, subject_id: UUID | None = None) -> Quota | None:
        """Find one quota."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_quota", name_quota(tenant_id, kind, subject_id))
        return read_quota(row[0]) if row else None

    async def set(self, tenant_id: UUID, kind: QuotaKind, subject_id: UUID | None, quota: Quota) -> None:
        """Store a quota instead of the one before. Every server hears of it."""
        async with self.database.transaction() as tx:
            await tx.execute("set_quota", {**name_quota(tenant_id, kind, subject_id), "body": as_json(quota)})
            await tx.notify("quota", tenant_id)

    async def delete(self, tenant_id: UUID, kind: QuotaKind, subject_id: UUID | None = None) -> bool:
        """Delete a quota; False when there is none. Every server hears of it."""
        async with self.database.transaction() as tx:
            deleted = await tx.execute("delete_quota", name_quota(tenant_id, kind, subject_id))
            if deleted:
                await tx.notify("quota", tenant_id)
        return bool(deleted)

    async def list_quotas(
        self, tenant_id: UUID, *, after: tuple[QuotaKind, UUID | None] | None, limit: int
    ) -> Sequence[StoredQuota]:
        """List a tenant's quotas, by kind and then by subject, those behind the one named."""
        kind, subject_id = after or ("", FIRST_ID)
        where = {"tenant_id": tenant_id, "kind": kind, "subject_id": subject_id or tenant_id, "limit": limit}
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_quotas", where)
        return [read_stored(tenant_id, row) for row in rows]


def name_quota(tenant_id: UUID, kind: QuotaKind, subject_id: UUID | None) -> dict[str, Any]:
    """Whose quota it is, as the queries have it."""
    return {"tenant_id": tenant_id, "kind": kind, "subject_id": subject_id or tenant_id}


def read_stored(tenant_id: UUID, row: Row) -> StoredQuota:
    """A row of ``list_quotas``."""
    kind, subject, body, user = row
    subject_id = as_id(subject)
    return StoredQuota(
        kind=kind, subject_id=None if subject_id == tenant_id else subject_id, quota=read_quota(body), user=user
    )
