"""Users of a tenant in the store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from multiturn.errors import Conflict
from multiturn.model.agent import Listing, User
from multiturn.model.page import Page
from multiturn.store.database import Database, Row, Transaction
from multiturn.store.ordering import list_query, list_where
from multiturn.store.rows import as_id, as_json, as_ms, as_time, read_metadata


class SqlUserStore:
    """Keeps users in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def add(self, user: User) -> bool:
        """Store a new user; False, and nothing stored, when its id or its external id is taken."""
        async with self.database.transaction() as tx:
            return bool(await tx.execute("add_user", write_user(user)))

    async def find(self, tenant_id: UUID, user_id: UUID) -> User | None:
        """Find a user."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_user_by_id", {"tenant_id": tenant_id, "id": user_id})
        return read_user(row) if row else None

    async def find_by_external_id(self, tenant_id: UUID, external_id: str) -> User | None:
        """Find a user by the name that the application uses."""
        where = {"tenant_id": tenant_id, "external_id": external_id}
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_user_by_external_id", where)
        return read_user(row) if row else None

    async def update(self, tenant_id: UUID, user_id: UUID, change: Callable[[User], User]) -> User | None:
        """Store what ``change`` makes of a user."""
        async with self.database.transaction() as tx:
            await tx.fetch_one("hold_tenant", {"tenant_id": tenant_id})
            row = await tx.fetch_one("lock_user", {"tenant_id": tenant_id, "id": user_id})
            if row is None:
                return None
            before = read_user(row)
            user = change(before)
            if user.external_id != before.external_id:
                await check_free(tx, user)
            await tx.execute("change_user", write_user(user))
        return user

    async def list_users(self, tenant_id: UUID, listing: Listing) -> Page[User]:
        """List a tenant's users but its default user."""
        async with self.database.reading() as tx:
            rows = await tx.fetch_all(list_query("list_users", listing), list_where(tenant_id, listing))
        return Page([read_user(row) for row in rows[: listing.limit]], has_more=len(rows) > listing.limit)

    async def delete(self, tenant_id: UUID, user_id: UUID, now: datetime) -> bool:
        """Delete a user's row and revoke the keys that belong to it; False when there is none."""
        async with self.database.transaction() as tx:
            if not await tx.execute("remove_user", {"tenant_id": tenant_id, "id": user_id}):
                return False
            await tx.execute("forget_user_usage", {"tenant_id": tenant_id, "user_id": user_id})
            of_user = {"tenant_id": tenant_id, "user_id": user_id, "now": as_ms(now)}
            for row in await tx.fetch_all("revoke_user_keys", of_user):
                await tx.notify("revoked", as_id(row[0]))
            await tx.notify("user", user_id)
        return True


async def check_free(tx: Transaction, user: User) -> None:
    """Raise Conflict when the user's external id is another's; the tenant is held, so that it stays so."""
    where = {"tenant_id": user.tenant_id, "external_id": user.external_id}
    if await tx.fetch_one("find_user_by_external_id", where):
        raise Conflict(f"There is a user '{user.external_id}' already.", code="user_exists", param="external_id")


def read_user(row: Row) -> User:
    """A row of ``users``; one that a header made has neither been changed nor described."""
    tenant_id, id_, external_id, created_at, updated_at, name, about, project, metadata = row
    return User(
        tenant_id=as_id(tenant_id),
        id=as_id(id_),
        external_id=external_id,
        created_at=as_time(created_at),
        updated_at=as_time(created_at if updated_at is None else updated_at),
        name=name,
        about=about,
        project=project,
        metadata=read_metadata(metadata) if metadata else {},
    )


def write_user(user: User) -> dict[str, Any]:
    """A user as the parameters of its queries."""
    return {
        "tenant_id": user.tenant_id,
        "id": user.id,
        "external_id": user.external_id,
        "created_at": as_ms(user.created_at),
        "updated_at": as_ms(user.updated_at),
        "name": user.name,
        "about": user.about,
        "project": user.project,
        "metadata": as_json(user.metadata),
    }
