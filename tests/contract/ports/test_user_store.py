"""Users in the store, and what tenants set."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from multiturn.errors import Conflict
from multiturn.model.agent import Listing, User
from multiturn.model.ids import new_id
from multiturn.model.notice import Topic
from multiturn.model.policy import ContextPolicy
from multiturn.model.tenant import ApiKey
from multiturn.store.tenants import SqlTenantStore
from multiturn.store.users import SqlUserStore
from tests.contract.ports.stores import Stores


@pytest.fixture
def users(stores: Stores) -> SqlUserStore:
    return SqlUserStore(stores.database)


def make_user(stores: Stores, external_id: str = "ann", **fields: Any) -> User:
    now = stores.clock()
    user = User(id=new_id(), tenant_id=stores.tenant_id, external_id=external_id, created_at=now, updated_at=now)
    return replace(user, **fields)


async def test_user_comes_back_as_it_was(stores: Stores, users: SqlUserStore) -> None:
    user = make_user(stores, name="Ann", about="Travels.", project="p", metadata={"a": [1]})
    assert await users.add(user)
    assert await users.find(stores.tenant_id, user.id) == user
    assert await users.find_by_external_id(stores.tenant_id, "ann") == user


async def test_user_of_a_header_is_a_user(stores: Stores, users: SqlUserStore) -> None:
    user_id = await stores.keys.ensure_user(stores.tenant_id, "ann", stores.clock())
    user = await users.find(stores.tenant_id, user_id)
    assert user
    assert (user.external_id, user.updated_at, user.metadata) == ("ann", user.created_at, {})
    assert not await users.add(make_user(stores))


async def test_user_is_its_tenants_only(stores: Stores, users: SqlUserStore) -> None:
    user, stranger = make_user(stores), new_id()
    await users.add(user)
    assert await users.find(stranger, user.id) is None
    assert await users.find_by_external_id(stranger, "ann") is None
    assert await users.update(stranger, user.id, lambda one: one) is None
    assert not await users.delete(stranger, user.id, stores.clock())
    assert await users.add(make_user(stores, tenant_id=stranger))


async def test_external_id_is_one_users(stores: Stores, users: SqlUserStore) -> None:
    ann, bob = make_user(stores), make_user(stores, "bob")
    await users.add(ann)
    await users.add(bob)
    with pytest.raises(Conflict, match="ann"):
        await users.update(stores.tenant_id, bob.id, lambda one: replace(one, external_id="ann"))
    renamed = await users.update(stores.tenant_id, ann.id, lambda one: replace(one, external_id="anna"))
    assert renamed
    assert await users.find_by_external_id(stores.tenant_id, "anna") == renamed
    assert await users.find_by_external_id(stores.tenant_id, "ann") is None


async def test_of_racing_changes_none_is_lost(stores: Stores, users: SqlUserStore) -> None:
    user = make_user(stores)
    await users.add(user)

    def note(number: int) -> Any:
        return lambda one: replace(one, metadata={**one.metadata, str(number): True})

    await asyncio.gather(*(users.update(stores.tenant_id, user.id, note(number)) for number in range(8)))
    stored = await users.find(stores.tenant_id, user.id)
    assert stored
    assert len(stored.metadata) == 8


async def test_users_are_listed_in_every_order(stores: Stores, users: SqlUserStore) -> None:
    some = []
    for name in "abc":
        some.append(make_user(stores, name, metadata={"name": name}))
        await users.add(some[-1])
        stores.clock.pass_(seconds=1)
    await stores.keys.ensure_user(stores.tenant_id, "by a header", stores.clock())
    await stores.keys.ensure_user(stores.tenant_id, "", stores.clock())
    stores.clock.pass_(seconds=1)
    await users.update(stores.tenant_id, some[1].id, lambda one: replace(one, updated_at=stores.clock()))

    async def listed(**asked: Any) -> list[str]:
        page = await users.list_users(stores.tenant_id, Listing(**asked))
        return [user.external_id[0] for user in page.data]

    assert await listed() == ["b", "c", "b", "a"]
    assert await listed(newest_first=False, limit=3) == ["a", "b", "c"]
    assert await listed(sort="updated_at") == ["b", "b", "c", "a"]
    assert await listed(metadata={"name": "c"}) == ["c"]
    assert await listed(after=(some[1].created_at, some[1].id)) == ["a"]
    assert await listed(offset=9) == []


async def test_deleted_user_is_gone_and_its_keys_open_nothing(stores: Stores, users: SqlUserStore) -> None:
    heard: list[tuple[Topic, UUID]] = []
    stores.database.listen(lambda topic, subject: heard.append((topic, subject)))
    user = make_user(stores)
    await users.add(user)
    own, tenants = (
        ApiKey(
            id=new_id(),
            tenant_id=stores.tenant_id,
            user_id=user.id,
            is_bound=is_bound,
            label="",
            hint="",
            created_at=stores.clock(),
        )
        for is_bound in (True, False)
    )
    await stores.keys.add(own, own.id.bytes)
    await stores.keys.add(tenants, tenants.id.bytes)
    assert await users.delete(stores.tenant_id, user.id, stores.clock())
    assert not await users.delete(stores.tenant_id, user.id, stores.clock())
    assert await users.find(stores.tenant_id, user.id) is None
    revoked = {key.id: key.revoked_at for key in await stores.keys.list_keys(stores.tenant_id)}
    assert revoked == {own.id: stores.clock(), tenants.id: None}


async def test_tenant_sets_its_policy(stores: Stores) -> None:
    tenants = SqlTenantStore(stores.database)
    tenant = await stores.keys.ensure_tenant(str(new_id()), stores.clock())
    assert await tenants.find(tenant.id) == tenant
    assert await tenants.find_policy(tenant.id) == ContextPolicy()
    stored = await tenants.change_policy(tenant.id, lambda policy: replace(policy, overflow="error", token_budget=99))
    assert stored == ContextPolicy(overflow="error", token_budget=99)
    await tenants.change_policy(tenant.id, lambda policy: replace(policy, token_budget=None))
    assert await tenants.find_policy(tenant.id) == ContextPolicy(overflow="error")


async def test_nobodys_policy_is_none(stores: Stores) -> None:
    tenants = SqlTenantStore(stores.database)
    assert await tenants.find(new_id()) is None
    assert await tenants.find_policy(new_id()) == ContextPolicy()
    assert await tenants.change_policy(new_id(), lambda policy: policy) is None


async def test_changes_are_heard_everywhere(stores: Stores, users: SqlUserStore) -> None:
    heard: set[tuple[Topic, UUID]] = set()
    stores.database.listen(lambda topic, subject: heard.add((topic, subject)))
    tenant = await stores.keys.ensure_tenant(str(new_id()), stores.clock())
    async with asyncio.timeout(10):
        while {topic for topic, _ in heard} != {"policy", "user"}:
            # On PostgreSQL a notice is lost while the connection that listens is not yet there.
            await SqlTenantStore(stores.database).change_policy(tenant.id, lambda policy: policy)
            user = make_user(stores, str(new_id()), created_at=stores.clock() - timedelta(seconds=1))
            await users.add(user)
            await users.delete(stores.tenant_id, user.id, stores.clock())
            await asyncio.sleep(0.01)
    assert ("policy", tenant.id) in heard
