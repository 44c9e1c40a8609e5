"""The promises of KeyStore: tenants, their users, and keys by the hash of their secret."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from multiturn.model.ids import new_id
from multiturn.model.notice import Topic
from multiturn.model.tenant import ApiKey
from tests.contract.ports.stores import Stores, digest


def make_key(stores: Stores, **fields: Any) -> ApiKey:
    known = {"id": new_id(), "tenant_id": stores.tenant_id, "user_id": stores.user_id, "created_at": stores.clock()}
    return ApiKey(**{"is_bound": False, "label": "mine", "hint": "mt-…abc", **known, **fields})


async def test_tenant_is_made_once(stores: Stores) -> None:
    assert await stores.keys.find_tenant("acme") is None
    made = await asyncio.gather(*(stores.keys.ensure_tenant("acme", stores.clock()) for _ in range(5)))
    assert made == [made[0]] * 5
    assert await stores.keys.find_tenant("acme") == made[0]
    assert (made[0].name, made[0].created_at) == ("acme", stores.clock())
    other = await stores.keys.ensure_tenant("other", stores.clock())
    assert other.id != made[0].id
    assert other.default_user_id != made[0].default_user_id


async def test_default_user_has_no_name(stores: Stores) -> None:
    tenant = await stores.keys.ensure_tenant("acme", stores.clock())
    assert await stores.keys.ensure_user(tenant.id, "", stores.clock()) == tenant.default_user_id


async def test_user_is_made_once_in_each_tenant(stores: Stores) -> None:
    made = await asyncio.gather(*(stores.keys.ensure_user(stores.tenant_id, "ann", stores.clock()) for _ in range(5)))
    assert len(set(made)) == 1
    assert await stores.keys.ensure_user(new_id(), "ann", stores.clock()) != made[0]
    assert await stores.keys.ensure_user(stores.tenant_id, "Ann", stores.clock()) != made[0]


async def test_key_is_found_by_its_secret(stores: Stores) -> None:
    key = make_key(stores, is_bound=True, scopes=("admin", "users"), label="Zoë's 'key'")
    assert await stores.keys.add(key, digest("secret"))
    assert await stores.keys.find_by_digest(digest("secret")) == key
    assert await stores.keys.find_by_digest(digest("Secret")) is None


async def test_secret_belongs_to_one_key(stores: Stores) -> None:
    first, second = make_key(stores), make_key(stores, tenant_id=new_id())
    assert await stores.keys.add(first, digest("secret"))
    assert not await stores.keys.add(second, digest("secret"))
    assert await stores.keys.find_by_digest(digest("secret")) == first
    assert not await stores.keys.list_keys(second.tenant_id)


async def test_keys_are_listed_oldest_first(stores: Stores) -> None:
    keys = [make_key(stores, label=str(n)) for n in range(3)]
    for key in (*keys[::-1], make_key(stores, tenant_id=new_id())):
        await stores.keys.add(key, key.id.bytes)
    assert await stores.keys.list_keys(stores.tenant_id) == keys


async def test_key_is_revoked_once_by_its_tenant(stores: Stores) -> None:
    key = make_key(stores)
    await stores.keys.add(key, digest("secret"))
    later = stores.clock() + timedelta(seconds=1)
    assert not await stores.keys.revoke(new_id(), key.id, later)
    assert not await stores.keys.revoke(stores.tenant_id, new_id(), later)
    assert await stores.keys.revoke(stores.tenant_id, key.id, later)
    assert not await stores.keys.revoke(stores.tenant_id, key.id, later + timedelta(seconds=1))
    found = await stores.keys.find_by_digest(digest("secret"))
    assert found
    assert found.revoked_at == later
    assert await stores.keys.list_keys(stores.tenant_id) == [found]


async def test_revocation_is_heard(stores: Stores) -> None:
    heard: list[tuple[Topic, UUID]] = []
    stores.database.listen(lambda topic, subject: heard.append((topic, subject)))
    revoked: list[UUID] = []
    async with asyncio.timeout(10):
        while not heard:
            # On PostgreSQL a notice is lost while the connection that listens is not yet there.
            key = make_key(stores)
            await stores.keys.add(key, key.id.bytes)
            await stores.keys.revoke(stores.tenant_id, key.id, stores.clock())
            revoked.append(key.id)
            await asyncio.sleep(0.01)
    assert heard[0][0] == "revoked"
    assert heard[0][1] in revoked


async def test_key_knows_its_user_and_its_end(stores: Stores) -> None:
    user_id = await stores.keys.ensure_user(stores.tenant_id, "ann", stores.clock())
    ends = stores.clock() + timedelta(days=1)
    key = make_key(stores, user_id=user_id, is_bound=True, user="ann", expires_at=ends)
    await stores.keys.add(key, digest("secret"))
    assert await stores.keys.find_by_digest(digest("secret")) == key
    assert await stores.keys.find_key(stores.tenant_id, key.id) == key
    assert await stores.keys.find_key(new_id(), key.id) is None
    assert await stores.keys.find_key(stores.tenant_id, new_id()) is None


async def test_latest_use_of_a_key_is_kept(stores: Stores) -> None:
    keys = [make_key(stores, label=str(n)) for n in range(2)]
    for key in keys:
        await stores.keys.add(key, key.id.bytes)
    later = stores.clock() + timedelta(minutes=1)
    await stores.keys.note_uses([(key.tenant_id, key.id, later) for key in keys])
    await stores.keys.note_uses(
        [(keys[0].tenant_id, keys[0].id, stores.clock()), (new_id(), keys[1].id, later + timedelta(days=1))]
    )
    assert [key.used_at for key in await stores.keys.list_keys(stores.tenant_id)] == [later, later]
    assert keys[0].is_good(later)
