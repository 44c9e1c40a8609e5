"""Prepared contexts in the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from multiturn.model.prepared import PreparedContext
from multiturn.store.database import Database
from multiturn.store.rows import as_json, as_ms

NOBODY = UUID(int=0)

read_prepared = msgspec.json.Decoder(PreparedContext).decode


class SqlPreparedStore:
    """Keeps prepared contexts in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def add(self, prepared: PreparedContext) -> None:
        """Store a new one."""
        row = {
            "tenant_id": prepared.tenant_id,
            "id": prepared.id,
            "user_id": prepared.user_id,
            "created_at": as_ms(prepared.created_at),
            "body": as_json(prepared),
        }
        async with self.database.transaction() as tx:
            await tx.execute("add_prepared_context", row)

    async def find(self, tenant_id: UUID, prepared_id: UUID, *, user_id: UUID | None) -> PreparedContext | None:
        """Find one."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_prepared_context", {"id": prepared_id, **of_user(tenant_id, user_id)})
        return read_prepared(row[0]) if row else None

    async def list_prepared(
        self, tenant_id: UUID, *, user_id: UUID | None, limit: int, offset: int
    ) -> tuple[Sequence[PreparedContext], int]:
        """A page of them, newest first, and how many there are in all."""
        which = of_user(tenant_id, user_id)
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_prepared_contexts", {**which, "limit": limit, "offset": offset})
            total = await tx.fetch_one("count_prepared_contexts", which)
        return [read_prepared(row[0]) for row in rows], (total or (0,))[0]

    async def delete(self, tenant_id: UUID, prepared_id: UUID, *, user_id: UUID | None) -> bool:
        """Delete one for good; False when there is none."""
        async with self.database.transaction() as tx:
            deleted = await tx.execute("remove_prepared_context", {"id": prepared_id, **of_user(tenant_id, user_id)})
        if deleted:
            await self.database.vacuum()
        return bool(deleted)


def of_user(tenant_id: UUID, user_id: UUID | None) -> dict[str, Any]:
    """Whose are meant: a user's, or all of the tenant."""
    return {"tenant_id": tenant_id, "user_id": user_id or NOBODY, "all_users": int(user_id is None)}
