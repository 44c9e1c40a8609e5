"""Requests that come twice: with an idempotency key, as a client's retry, or after their client went away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from multiturn.errors import Conflict, SessionBusy
from multiturn.model.ids import new_id
from multiturn.model.run import Run
from multiturn.model.turn import Begun, IdempotencyKey
from tests.contract.ports.stores import Stores, statuses

KEY = IdempotencyKey("chat", "key-1")


def is_joined(again: Begun, first: Begun) -> bool:
    return again.state == "joined" and again.lease is None and again.run.id == first.run.id


async def test_key_joins_its_run(stores: Stores) -> None:
    first = await stores.begin(idempotency=KEY)
    again = await stores.begin(idempotency=KEY)
    assert is_joined(again, first)
    assert again.session.id == first.session.id
    await stores.end(first)
    again = await stores.begin(idempotency=KEY)
    assert is_joined(again, first)
    assert again.run == await stores.run(first)
    assert (await stores.session()).head == 2


async def test_key_of_a_failed_run_is_free_again(stores: Stores) -> None:
    first = await stores.begin(idempotency=KEY)
    await stores.fail(first)
    second = await stores.begin(idempotency=KEY)
    assert not is_joined(second, first)
    assert is_joined(await stores.begin(idempotency=KEY), second)


async def test_key_of_a_failed_run_keeps_its_body(stores: Stores) -> None:
    await stores.fail(await stores.begin(idempotency=KEY))
    with pytest.raises(Conflict):
        await stores.begin("other", "another body", idempotency=KEY)


async def test_key_with_another_body_conflicts(stores: Stores) -> None:
    await stores.begin(idempotency=KEY)
    with pytest.raises(Conflict) as refused:
        await stores.begin("other", "another body", idempotency=KEY)
    assert refused.value.code == "idempotency_key_reused"
    assert await stores.sessions.find(stores.key("other"), stores.clock()) is None


async def test_key_names_one_run_of_any_session(stores: Stores) -> None:
    first = await stores.begin("one", idempotency=KEY)
    assert is_joined(await stores.begin("two", idempotency=KEY), first)


@pytest.mark.parametrize(
    ("session", "idempotency"),
    [
        ({"user_id": new_id()}, KEY),
        ({"tenant_id": new_id()}, KEY),
        ({}, IdempotencyKey("responses", "key-1")),
        ({}, IdempotencyKey("chat", "key-2")),
    ],
    ids=["user", "tenant", "route", "key"],
)
async def test_key_is_of_one_user_and_route(
    stores: Stores, session: dict[str, Any], idempotency: IdempotencyKey
) -> None:
    first = await stores.begin(idempotency=KEY)
    other = await stores.begin(stores.key(**session), idempotency=idempotency)
    assert other.state != "joined"
    assert other.run.id != first.run.id
    assert is_joined(await stores.begin(idempotency=KEY), first)
    assert is_joined(await stores.begin(stores.key(**session), idempotency=idempotency), other)


async def test_key_lives_for_a_day(stores: Stores) -> None:
    first = await stores.take(idempotency=KEY)
    stores.clock.pass_(hours=24, milliseconds=-1)
    assert is_joined(await stores.begin(idempotency=KEY), first)
    stores.clock.pass_(milliseconds=1)
    second = await stores.begin(text="another body", idempotency=KEY)
    assert second.state == "running"
    stores.clock.pass_(hours=23)
    assert is_joined(await stores.begin(text="another body", idempotency=KEY), second)


@pytest.mark.parametrize("sessions", [1, 8])
async def test_of_racing_requests_with_a_key_one_runs(stores: Stores, sessions: int) -> None:
    names = [f"chat-{n % sessions}" for n in range(8)]
    begun = await asyncio.gather(*(stores.begin(name, idempotency=KEY) for name in names))
    assert statuses(begun) == ["joined"] * 7 + ["running"]
    assert len({one.run.id for one in begun}) == 1


async def test_refused_request_leaves_its_key(stores: Stores) -> None:
    running = await stores.begin()
    with pytest.raises(SessionBusy):
        await stores.begin(text="next", idempotency=KEY, concurrency="reject")
    await stores.end(running)
    assert (await stores.begin(text="other", idempotency=KEY)).state == "running"


async def test_key_of_a_deleted_session_begins_anew(stores: Stores) -> None:
    first = await stores.take(idempotency=KEY)
    await stores.sessions.delete(stores.tenant_id, first.session.id)
    second = await stores.begin(idempotency=KEY)
    assert second.state == "running"
    assert second.session.id != first.session.id
    await stores.erase()
    assert is_joined(await stores.begin(idempotency=KEY), second)


async def test_key_stands_for_the_run_that_was_joined(stores: Stores) -> None:
    first = await stores.begin()
    assert is_joined(await stores.begin(is_retry=True, idempotency=KEY), first)
    await stores.end(first)
    stores.clock.pass_(hours=1)
    assert is_joined(await stores.begin(idempotency=KEY), first)


async def test_retry_joins_its_run(stores: Stores) -> None:
    first = await stores.begin()
    assert is_joined(await stores.begin(is_retry=True), first)
    await stores.end(first)
    assert is_joined(await stores.begin(is_retry=True), first)
    assert (await stores.begin(text="another body", is_retry=True)).state == "running"


async def test_retry_joins_the_newest(stores: Stores) -> None:
    await stores.take()
    second = await stores.take()
    assert is_joined(await stores.begin(is_retry=True), second)


async def test_waiting_run_is_joined(stores: Stores) -> None:
    await stores.begin()
    waiting = await stores.begin(text="next")
    assert is_joined(await stores.begin(text="next", is_retry=True), waiting)


async def test_same_body_again_is_a_new_turn(stores: Stores) -> None:
    first = await stores.take()
    second = await stores.begin()
    assert second.state == "running"
    assert second.run.id != first.run.id


async def test_retry_in_another_session_is_new(stores: Stores) -> None:
    await stores.take("one")
    assert (await stores.begin("two", is_retry=True)).state == "running"


async def test_retry_of_what_failed_is_a_new_turn(stores: Stores) -> None:
    await stores.fail(await stores.begin())
    assert (await stores.begin(is_retry=True)).state == "running"


async def test_retry_does_not_repeat_what_was_cancelled(stores: Stores) -> None:
    first = await stores.begin()
    await stores.fail(first, status="cancelled")
    assert is_joined(await stores.begin(is_retry=True), first)


async def test_retry_reaches_ten_minutes(stores: Stores) -> None:
    first = await stores.take()
    stores.clock.pass_(minutes=10, milliseconds=-1)
    assert is_joined(await stores.begin(is_retry=True), first)
    stores.clock.pass_(milliseconds=1)
    assert (await stores.begin(is_retry=True)).state == "running"


async def test_retry_reaches_fifty_turns(stores: Stores) -> None:
    first = await stores.take()
    for _ in range(49):
        await stores.fail(await stores.begin(text="other"))
    assert is_joined(await stores.begin(is_retry=True), first)
    await stores.fail(await stores.begin(text="other"))
    assert (await stores.begin(is_retry=True)).state == "running"


async def vanish(stores: Stores, run: Run) -> None:
    await stores.runs.mark_vanished(run, stores.clock())


async def test_request_of_a_vanished_client_joins(stores: Stores) -> None:
    first = await stores.begin()
    await vanish(stores, first.run)
    assert (await stores.begin(text="another body")).state == "queued"
    stores.clock.pass_(minutes=20)
    assert is_joined(await stores.begin(), first)


async def test_vanished_run_is_joined_for_a_minute(stores: Stores) -> None:
    first = await stores.begin()
    await vanish(stores, first.run)
    await stores.end(first)
    stores.clock.pass_(seconds=60, milliseconds=-1)
    assert is_joined(await stores.begin(), first)
    stores.clock.pass_(milliseconds=1)
    assert (await stores.begin()).state == "running"


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_vanished_run_that_failed_is_not_joined(stores: Stores, status: str) -> None:
    first = await stores.begin()
    await vanish(stores, first.run)
    await stores.fail(first, status=status)
    assert (await stores.begin()).state == "running"
