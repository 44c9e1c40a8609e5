"""The promises of UsageStore: what ended turns used is summed once, by day, user, model and session."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from multiturn.errors import TurnConflict
from multiturn.model.ids import new_id
from multiturn.model.run import RunError
from multiturn.model.session import SessionKey
from multiturn.model.usage import NOTHING_USED, Spender, Usage, UsageQuery, UsageRow, Used, date_of, day_of
from multiturn.store.retention import SqlRetentionStore
from multiturn.store.usage import SqlUsageStore
from multiturn.store.users import SqlUserStore
from tests.contract.ports.stores import Stores

SPENT = Usage(input_tokens=100, cached_tokens=40, cache_write_tokens=10, output_tokens=30, reasoning_tokens=20)


class Books:
    """The usage of a tenant, and turns that use something; ids hold the time, so the clock begins with it."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        stores.clock.now = datetime.now(UTC).replace(microsecond=0)
        self.usage = SqlUsageStore(stores.database)

    @property
    def today(self) -> int:
        return day_of(self.stores.clock())

    async def turn(self, session: SessionKey | str = "chat", *, model: str = "m", **fields: Any) -> UUID:
        """A turn that ends; its session."""
        begun = await self.stores.begin(session, str(new_id()), model=model)
        await self.stores.end(begun, **{"usage": SPENT, "cost_usd": 0.25, **fields})
        return begun.session.id

    async def sum(self, user_id: UUID | None = None, *, days: tuple[int, int] = (0, 0)) -> Used:
        """What was used, by default today."""
        first, last = (self.today + off for off in days)
        return await self.usage.sum_days(self.stores.tenant_id, user_id=user_id, first=first, last=last)

    async def list(self, *by: Any, days: tuple[int, int] = (-400, 0), **fields: Any) -> Sequence[UsageRow]:
        """What was used, told apart."""
        first, last = (self.today + off for off in days)
        query = UsageQuery(first=first, last=last, by=frozenset(by), **fields)
        return await self.usage.list_usage(self.stores.tenant_id, query, limit=100)

    def used(self, turns: int = 1, *, cost_usd: float = 0.25, unpriced: int = 0) -> Used:
        """What so many turns used."""
        return Used(
            turns=turns,
            input_tokens=100 * turns,
            cached_tokens=40 * turns,
            cache_write_tokens=10 * turns,
            output_tokens=30 * turns,
            reasoning_tokens=20 * turns,
            cost_usd=cost_usd * turns,
            unpriced=unpriced,
        )


@pytest.fixture
def books(stores: Stores) -> Books:
    return Books(stores)


async def test_ended_turns_are_summed(books: Books) -> None:
    for _ in range(3):
        session_id = await books.turn()
    assert await books.sum() == await books.sum(books.stores.user_id) == books.used(3)
    assert await books.usage.sum_session(books.stores.tenant_id, session_id) == books.used(3)


async def test_turns_that_end_together_are_all_summed(books: Books) -> None:
    await asyncio.gather(*(books.turn(f"chat-{n}") for n in range(40)))
    assert await books.sum() == books.used(40)


async def test_whatever_a_turn_ended_as_counts_once_it_used_something(books: Books) -> None:
    for status in ("failed", "cancelled", "incomplete"):
        await books.turn(status=status, items=(), input_items=None, output_items=None, error=RunError("e", "failed"))
    assert await books.sum() == books.used(3)
    await books.turn(status="failed", items=(), usage=None, cost_usd=None)
    assert (await books.sum()).turns == 3


async def test_turn_without_known_price_is_counted_apart(books: Books) -> None:
    await books.turn(cost_usd=None)
    await books.turn(cost_usd=0.0)
    assert await books.sum() == books.used(2, cost_usd=0.0, unpriced=1)
    await books.turn(usage=None, cost_usd=None)
    assert (await books.sum()).unpriced == 2


async def test_ending_stored_twice_counts_once(books: Books) -> None:
    begun = await books.stores.begin()
    assert begun.lease
    ending = books.stores.ending(begun, usage=SPENT, cost_usd=0.25)
    for _ in range(2):
        await books.stores.turns.end(books.stores.tenant_id, begun.lease, ending)
    assert await books.sum() == books.used()


async def test_turn_that_lost_its_session_enters_nothing(books: Books) -> None:
    begun = await books.stores.begin()
    assert begun.lease
    await books.stores.sessions.delete(books.stores.tenant_id, begun.session.id)
    with pytest.raises(TurnConflict):
        await books.stores.turns.end(books.stores.tenant_id, begun.lease, books.stores.ending(begun))
    assert await books.sum() == NOTHING_USED


async def test_other_tenants_and_users_use_nothing(books: Books) -> None:
    session_id = await books.turn()
    stranger = new_id()
    assert await books.usage.sum_days(stranger, first=0, last=books.today) == NOTHING_USED
    assert await books.usage.sum_session(stranger, session_id) == NOTHING_USED
    assert not await books.usage.list_usage(stranger, UsageQuery(first=0, last=books.today), limit=9)
    assert await books.sum(new_id()) == NOTHING_USED


async def test_days_are_told_apart(books: Books) -> None:
    await books.turn()
    books.stores.clock.pass_(days=1)
    await books.turn()
    await books.turn(model="other", cost_usd=2.0)
    assert await books.sum(days=(-1, -1)) == books.used()
    assert (await books.sum(days=(-1, 0))).turns == 3
    rows = await books.list("model")
    assert [(row.day, row.model) for row in rows] == [
        (books.today, "other"),
        (books.today, "m"),
        (books.today - 1, "m"),
    ]
    assert rows[2].used == books.used()
    assert rows[0].user_id is rows[0].session_id is None


async def test_months_begin_on_their_first_day(books: Books) -> None:
    days = []
    for _ in range(3):
        await books.turn()
        days.append(date_of(books.today))
        books.stores.clock.pass_(days=40)
    rows = await books.list(period="month")
    assert [date_of(row.day or 0) for row in rows] == [day.replace(day=1) for day in reversed(days)]
    assert {row.used.turns for row in rows} == {1}


async def test_users_are_told_apart(books: Books) -> None:
    other = await books.stores.keys.ensure_user(books.stores.tenant_id, "ana", books.stores.clock())
    await books.turn()
    await books.turn(books.stores.key(user_id=other), cost_usd=1.0)
    rows = await books.list("user", period="none")
    assert [(row.user_id, row.used.turns, row.day) for row in rows] == [
        (other, 1, None),
        (books.stores.user_id, 1, None),
    ]
    assert [row.user_id for row in await books.list("user", user_id=other)] == [other]
    for by in (("user",), ("user", "session")):
        assert [row.user for row in await books.list(*by, period="none")] == ["ana", None]


async def test_sessions_are_told_apart(books: Books) -> None:
    first = await books.turn("a")
    await books.turn("a", model="other")
    second = await books.turn("b", cost_usd=None)
    rows = await books.list("session", period="none")
    assert [(row.session_id, row.used.turns) for row in rows] == [(first, 2), (second, 1)]
    assert rows[0].used == books.used(2)
    assert rows[1].used == books.used(cost_usd=0.0, unpriced=1)
    assert [row.used for row in await books.list(period="none", session_id=first)] == [books.used(2)]
    by_model = await books.list("session", "model", session_id=first)
    assert {(row.session_id, row.model) for row in by_model} == {(first, "m"), (first, "other")}
    assert not await books.list("session", days=(-9, -1))
    await books.turn("c", status="failed", items=(), usage=None)
    assert len(await books.list("session")) == 2


async def test_usage_outlives_its_session(books: Books) -> None:
    session_id = await books.turn()
    await books.stores.sessions.delete(books.stores.tenant_id, session_id)
    while await books.stores.retention.erase_batch(limit=100):
        pass
    assert await books.sum() == books.used()
    assert await books.usage.sum_session(books.stores.tenant_id, session_id) == NOTHING_USED


async def test_use_beside_sessions_is_added(books: Books) -> None:
    stores = books.stores
    user_id = await stores.keys.ensure_user(stores.tenant_id, "ana", stores.clock())
    spender = Spender(tenant_id=stores.tenant_id, user_id=user_id, day=books.today, model="m")
    for _ in range(2):
        await books.usage.add({spender: books.used(2)})
    await books.turn(stores.key(user_id=user_id))
    assert await books.sum(user_id) == books.used(5)


async def test_use_of_an_erased_user_is_forgotten(books: Books) -> None:
    stores, users = books.stores, SqlUserStore(books.stores.database)
    user_id = await stores.keys.ensure_user(stores.tenant_id, "ana", stores.clock())
    await books.turn(stores.key(user_id=user_id))
    await books.turn()
    await SqlRetentionStore(stores.database).erase_owned(stores.tenant_id, user_id)
    assert await books.sum(user_id) == NOTHING_USED
    spender = Spender(tenant_id=stores.tenant_id, user_id=user_id, day=books.today, model="m")
    await books.usage.add({spender: books.used()})
    await users.delete(stores.tenant_id, user_id, stores.clock())
    await books.usage.add({spender: books.used()})
    assert await books.sum() == books.used()


async def test_run_is_found_by_the_day_of_its_end(books: Books) -> None:
    begun = await books.stores.begin("waited")
    assert begun.lease
    books.stores.clock.pass_(hours=24)
    ending = books.stores.ending(begun, usage=SPENT, cost_usd=0.25, ended_at=books.stores.clock() + timedelta(hours=1))
    await books.stores.turns.end(books.stores.tenant_id, begun.lease, ending)
    assert [row.day for row in await books.list("session")] == [day_of(ending.ended_at)]
