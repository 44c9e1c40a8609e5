"""The promises of QuotaStore: what is limited in a tenant, at a glance and one by one."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from multiturn.model.ids import new_id
from multiturn.model.notice import Topic
from multiturn.model.quota import NO_RULES, Allowance, Quota, QuotaKind, QuotaRules, StoredQuota
from multiturn.store.erasure import begin_erasure
from multiturn.store.quotas import SqlQuotaStore
from tests.contract.ports.stores import Stores

DAILY = Quota(day=Allowance(turns=10, tokens=2**40, cost_usd=0.000000001))
MONTHLY = Quota(month=Allowance(cost_usd=99.5), day=Allowance(turns=0))
LIFE = Quota(life=Allowance(tokens=5000))


@pytest.fixture
def quotas(stores: Stores) -> SqlQuotaStore:
    return SqlQuotaStore(stores.database)


async def test_tenant_without_quotas_has_no_rules(stores: Stores, quotas: SqlQuotaStore) -> None:
    assert await quotas.load_rules(stores.tenant_id) == NO_RULES
    assert NO_RULES.is_empty
    assert await quotas.find(stores.tenant_id, "tenant") is None
    assert not await quotas.list_quotas(stores.tenant_id, after=None, limit=10)


@pytest.mark.parametrize("quota", [DAILY, MONTHLY, LIFE])
async def test_quota_is_found_as_it_was_set(stores: Stores, quotas: SqlQuotaStore, quota: Quota) -> None:
    user_id = new_id()
    await quotas.set(stores.tenant_id, "user", user_id, DAILY)
    await quotas.set(stores.tenant_id, "user", user_id, quota)
    assert await quotas.find(stores.tenant_id, "user", user_id) == quota
    assert await quotas.find(stores.tenant_id, "session", user_id) is None
    assert await quotas.find(stores.tenant_id, "user") is None
    assert await quotas.find(new_id(), "user", user_id) is None


async def test_rules_tell_what_is_for_all_and_that_some_have_their_own(stores: Stores, quotas: SqlQuotaStore) -> None:
    await quotas.set(stores.tenant_id, "tenant", None, MONTHLY)
    await quotas.set(stores.tenant_id, "user", None, DAILY)
    assert await quotas.load_rules(stores.tenant_id) == QuotaRules(tenant=MONTHLY, each_user=DAILY)
    for _ in range(2):
        await quotas.set(stores.tenant_id, "user", new_id(), DAILY)
    await quotas.set(stores.tenant_id, "session", new_id(), LIFE)
    await quotas.set(stores.tenant_id, "session", None, LIFE)
    assert await quotas.load_rules(stores.tenant_id) == QuotaRules(
        tenant=MONTHLY, each_user=DAILY, each_session=LIFE, some_users=True, some_sessions=True
    )
    assert (await quotas.load_rules(new_id())).is_empty


async def test_quota_is_deleted_once(stores: Stores, quotas: SqlQuotaStore) -> None:
    await quotas.set(stores.tenant_id, "tenant", None, DAILY)
    assert not await quotas.delete(new_id(), "tenant")
    assert not await quotas.delete(stores.tenant_id, "user")
    assert await quotas.delete(stores.tenant_id, "tenant")
    assert not await quotas.delete(stores.tenant_id, "tenant")
    assert (await quotas.load_rules(stores.tenant_id)).is_empty


async def test_quotas_are_listed_in_pages_with_the_names_of_users(stores: Stores, quotas: SqlQuotaStore) -> None:
    ann = await stores.keys.ensure_user(stores.tenant_id, "ann", stores.clock())
    session_id = new_id()
    wanted: list[tuple[QuotaKind, UUID | None, str | None]] = [
        ("session", None, None),
        ("session", session_id, None),
        ("tenant", None, None),
        ("user", None, None),
        ("user", ann, "ann"),
    ]
    for kind, subject_id, _ in wanted:
        await quotas.set(stores.tenant_id, kind, subject_id, DAILY)
    await quotas.set(new_id(), "tenant", None, DAILY)
    every = await quotas.list_quotas(stores.tenant_id, after=None, limit=10)
    expected = [StoredQuota(kind=k, subject_id=s, user=name, quota=DAILY) for k, s, name in wanted]
    assert sorted(every, key=repr) == sorted(expected, key=repr)
    assert [one.kind for one in every] == [kind for kind, _, _ in wanted]
    paged: list[StoredQuota] = []
    while page := await quotas.list_quotas(
        stores.tenant_id, after=(paged[-1].kind, paged[-1].subject_id) if paged else None, limit=2
    ):
        paged += page
    assert paged == list(every)


async def test_quota_goes_with_whom_it_was_for(stores: Stores, quotas: SqlQuotaStore) -> None:
    begun = await stores.begin("chat")
    await stores.end(begun)
    session_id = begun.session.id
    await quotas.set(stores.tenant_id, "session", session_id, LIFE)
    await quotas.set(stores.tenant_id, "session", None, LIFE)
    async with stores.database.transaction() as tx:
        await begin_erasure(tx, stores.tenant_id, session_id)
    while await stores.retention.erase_batch(limit=100):
        pass
    assert await quotas.find(stores.tenant_id, "session", session_id) is None
    assert await quotas.find(stores.tenant_id, "session") == LIFE


async def test_change_of_quotas_is_heard(stores: Stores, quotas: SqlQuotaStore) -> None:
    heard: list[tuple[Topic, UUID]] = []
    stores.database.listen(lambda topic, subject: heard.append((topic, subject)))
    async with asyncio.timeout(10):
        while not heard:
            # On PostgreSQL a notice is lost while the connection that listens is not yet there.
            await quotas.set(stores.tenant_id, "tenant", None, DAILY)
            await quotas.delete(stores.tenant_id, "tenant")
            await asyncio.sleep(0.01)
    assert set(heard) == {("quota", stores.tenant_id)}
