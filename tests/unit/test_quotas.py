"""Quotas: what is left, when it is used up and until when, and what a tenant without quotas pays for asking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from multiturn.api.quotas import tell_allowed, write_span
from multiturn.engine.prices import Prices, Pricing
from multiturn.engine.quotas import REMEMBER_S, Quotas, Sums, end_of
from multiturn.engine.usage import Meter, Payer
from multiturn.errors import RateLimited
from multiturn.model.ids import new_id
from multiturn.model.quota import Allowance, Quota
from multiturn.model.session import SessionKey
from multiturn.model.usage import NOTHING_USED, Spender, Used, day_of
from multiturn.store.quotas import SqlQuotaStore
from multiturn.store.sqlite import SqliteDatabase
from multiturn.store.usage import SqlUsageStore
from tests.contract.ports.stores import Stores

TURN = Used(turns=1, input_tokens=70, output_tokens=30, cost_usd=0.5)


class Bank:
    """A tenant with a user, what they used, and their quotas."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.stores = Stores(database)
        self.store, self.usage = SqlQuotaStore(database), SqlUsageStore(database)
        self.meter = Meter(self.usage, Prices(Pricing(), self.stores.clock), self.stores.clock)
        self.quotas = Quotas(self.store, self.meter, self.stores.sessions, self.stores.clock)
        self.tenant_id = self.user_id = UUID(int=0)

    @property
    def now(self) -> datetime:
        return self.stores.clock.now

    @now.setter
    def now(self, now: datetime) -> None:
        self.stores.clock.now = now

    async def open(self) -> None:
        tenant = await self.stores.keys.ensure_tenant("acme", self.now)
        self.tenant_id, self.user_id = tenant.id, tenant.default_user_id
        self.stores.tenant_id, self.stores.user_id = self.tenant_id, self.user_id

    async def use(self, used: Used = TURN, *, user_id: UUID | None = None, days_ago: int = 0) -> None:
        spender = Spender(
            tenant_id=self.tenant_id, user_id=user_id or self.user_id, day=day_of(self.now) - days_ago, model="m"
        )
        await self.usage.add({spender: used})
        self.quotas.sums.known.clear()

    async def limit(self, kind: Any = "tenant", subject_id: UUID | None = None, **periods: Allowance) -> None:
        await self.store.set(self.tenant_id, kind, subject_id, Quota(**periods))
        self.quotas.hear_quota(self.tenant_id)

    async def left(self, key: SessionKey | None = None, *, user_id: UUID | None = None) -> dict[str, float]:
        allowed = await self.quotas.check(self.tenant_id, user_id or self.user_id, key)
        return {left.measure: left.remaining for left in allowed}


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Bank]:
    database = SqliteDatabase(tmp_path / "quotas.db")
    await database.migrate()
    bank = Bank(database)
    await bank.open()
    yield bank
    await database.close()


async def test_without_quotas_anything_may_be_used(bank: Bank) -> None:
    await bank.use(Used(turns=10**9, cost_usd=10**6))
    assert await bank.left() == {}


async def test_each_measure_is_limited_by_itself(bank: Bank) -> None:
    await bank.limit(day=Allowance(turns=3, tokens=250), month=Allowance(cost_usd=2))
    assert await bank.left() == {"turns": 3, "tokens": 250, "cost_usd": 2}
    await bank.use()
    assert await bank.left() == {"turns": 2, "tokens": 150, "cost_usd": 1.5}
    await bank.use(Used(turns=0, input_tokens=150))
    with pytest.raises(RateLimited) as caught:
        await bank.left()
    assert caught.value.code == "quota_exceeded"
    assert caught.value.message == (
        "The tenant's quota of 250 tokens a day is used up. It begins anew at 2026-11-22T00:00:00Z."
    )


async def test_period_ends_in_utc(bank: Bank) -> None:
    bank.now = datetime(2026, 12, 31, 23, 59, 30, tzinfo=UTC)
    await bank.limit(day=Allowance(turns=1))
    await bank.use()
    with pytest.raises(RateLimited) as caught:
        await bank.left()
    assert caught.value.retry_after_s == 30
    bank.now += timedelta(seconds=30)
    assert await bank.left() == {"turns": 1}


async def test_month_adds_up_its_days_and_no_others(bank: Bank) -> None:
    bank.now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    await bank.limit(month=Allowance(turns=5))
    for days_ago in (0, 1, 30, 31, 60):
        await bank.use(days_ago=days_ago)
    assert await bank.left() == {"turns": 2}
    bank.now = datetime(2026, 4, 1, tzinfo=UTC)
    bank.quotas.sums.known.clear()
    assert await bank.left() == {"turns": 5}
    assert end_of("month", bank.now) == datetime(2026, 5, 1, tzinfo=UTC)


async def test_nothing_is_an_amount(bank: Bank) -> None:
    await bank.limit(day=Allowance(turns=0))
    with pytest.raises(RateLimited, match="quota of 0 turns a day"):
        await bank.left()


async def test_user_is_limited_by_a_quota_of_its_own_else_by_that_of_each(bank: Bank) -> None:
    await bank.limit("user", day=Allowance(turns=1))
    await bank.limit("user", bank.user_id, day=Allowance(turns=5))
    await bank.use()
    assert await bank.left() == {"turns": 4}
    assert await bank.left(user_id=new_id()) == {"turns": 1}


async def test_least_of_several_quotas_is_told(bank: Bank) -> None:
    await bank.limit(day=Allowance(turns=100, cost_usd=10), month=Allowance(turns=50))
    await bank.limit("user", day=Allowance(turns=70))
    assert await bank.left() == {"turns": 50, "cost_usd": 10}
    await bank.limit("user", day=Allowance(turns=7))
    assert await bank.left() == {"turns": 7, "cost_usd": 10}


async def test_session_is_limited_over_its_life(bank: Bank) -> None:
    await bank.limit("session", life=Allowance(turns=2))
    key = bank.stores.key("chat")
    for left in (2, 1):
        assert await bank.left(key) == {"turns": left}
        await bank.stores.end(await bank.stores.begin("chat", str(left)))
    bank.now += timedelta(days=40)
    with pytest.raises(RateLimited, match="session's quota of 2 turns is used up") as caught:
        await bank.left(key)
    assert caught.value.retry_after_s is None
    assert await bank.left(bank.stores.key("other")) == {"turns": 2}
    assert await bank.left() == {"turns": 2}


async def test_user_of_the_session_pays(bank: Bank) -> None:
    begun = await bank.stores.begin("chat")
    await bank.limit("user", bank.user_id, day=Allowance(turns=9))
    by_id = SessionKey(tenant_id=bank.tenant_id, user_id=new_id(), id=begun.session.id)
    assert await bank.left(by_id, user_id=by_id.user_id) == {"turns": 9}
    assert await bank.left(user_id=by_id.user_id) == {}


async def test_calls_that_wait_to_be_stored_count_too(bank: Bank) -> None:
    await bank.limit(day=Allowance(turns=3))
    await bank.use()
    for user_id in (bank.user_id, new_id()):
        bank.meter.enter(Payer(bank.tenant_id, user_id), "m", TURN)
    bank.meter.enter(Payer(new_id(), bank.user_id), "m", TURN)
    with pytest.raises(RateLimited):
        await bank.left()
    await bank.limit("user", day=Allowance(turns=3))
    await bank.store.delete(bank.tenant_id, "tenant")
    bank.quotas.hear_quota(bank.tenant_id)
    assert await bank.left() == {"turns": 1}


class Counting:
    """A store that counts how often it is asked."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.asked = inner, 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        return getattr(self.inner, name)


async def test_that_there_are_no_quotas_is_remembered(bank: Bank) -> None:
    store = Counting(bank.store)
    bank.quotas.store = store
    bank.quotas.usage = bank.quotas.sessions = None  # type: ignore[assignment]
    for _ in range(5):
        await bank.left(bank.stores.key())
    assert store.asked == 1
    bank.now += timedelta(seconds=REMEMBER_S)
    await bank.left()
    assert store.asked == 2


async def test_past_days_are_not_added_up_each_time(bank: Bank) -> None:
    usage = Counting(bank.usage)
    bank.meter.store = usage
    sums = Sums(bank.meter)
    today = day_of(datetime(2026, 3, 31, tzinfo=UTC))
    for _ in range(4):
        await sums.add_up(bank.tenant_id, None, today, with_month=True)
    assert usage.asked == 5


async def test_sum_that_took_long_is_good_for_a_while(bank: Bank) -> None:
    class Slow:
        asked = 0

        async def sum_days(self, *args: Any, **fields: Any) -> Used:
            self.asked += 1
            await asyncio.sleep(0.006)
            return NOTHING_USED

    slow = Slow()
    bank.meter.store = slow  # type: ignore[assignment]
    sums = Sums(bank.meter)
    for _ in range(5):
        await sums.add_up(bank.tenant_id, None, 20_000, with_month=False)
    assert slow.asked == 1


async def test_headers_tell_what_is_left_behind_this_turn(bank: Bank) -> None:
    await bank.limit(day=Allowance(turns=3, tokens=10**13), month=Allowance(cost_usd=0.75))
    await bank.use()
    headers = tell_allowed(await bank.quotas.check(bank.tenant_id, bank.user_id))
    resets = {name: headers.pop(name) for name in list(headers) if "Reset" in name}
    assert headers == {
        "X-RateLimit-Limit-Requests": "3",
        "X-RateLimit-Remaining-Requests": "1",
        "X-RateLimit-Limit-Tokens": "10000000000000",
        "X-RateLimit-Remaining-Tokens": "9999999999900",
        "X-RateLimit-Limit-Cost-Usd": "0.75",
        "X-RateLimit-Remaining-Cost-Usd": "0.25",
    }
    assert len(resets) == 3


@pytest.mark.parametrize(("seconds", "text"), [(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m0s"), (90061, "25h1m1s")])
def test_spans_are_written_as_openai_does(seconds: int, text: str) -> None:
    assert write_span(datetime.now(UTC) + timedelta(seconds=seconds + 0.2)) == text
