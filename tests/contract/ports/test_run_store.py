"""The promises of RunStore: runs as they stand, their events from any number, and what is asked of their servers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from multiturn.model.event import EventBatch
from multiturn.model.ids import new_id
from multiturn.model.notice import Topic
from multiturn.model.run import Run
from tests.contract.ports.stores import Stores


async def save(stores: Stores, run: Run, *batches: EventBatch) -> None:
    await stores.runs.save_events([(run.tenant_id, run.id, batch) for batch in batches], stores.clock())


def batch(first: int, last: int) -> EventBatch:
    return EventBatch(first=first, body="\n".join(f'{{"n":{n}}}' for n in range(first, last + 1)))


async def test_run_is_found_by_its_tenant(stores: Stores) -> None:
    begun = await stores.begin()
    assert await stores.runs.find(stores.tenant_id, begun.run.id) == begun.run
    assert await stores.runs.find(new_id(), begun.run.id) is None
    assert await stores.runs.find(stores.tenant_id, new_id()) is None


async def test_runs_are_listed_newest_first(stores: Stores) -> None:
    begun = [await stores.take(text=str(n)) for n in range(5)]
    await stores.take("other")
    session_id = begun[0].session.id
    pages, before = [], None
    for _ in range(3):
        page = await stores.runs.list_runs(stores.tenant_id, session_id, before=before, limit=2)
        pages.append(([run.ticket for run in page.data], page.has_more))
        before = page.data[-1].ticket
    assert pages == [([5, 4], True), ([3, 2], True), ([1], False)]
    assert not (await stores.runs.list_runs(stores.tenant_id, session_id, before=0, limit=2)).data
    assert not (await stores.runs.list_runs(new_id(), session_id, before=None, limit=2)).data


@pytest.mark.parametrize(
    ("after", "firsts"),
    [(0, [1, 4, 6]), (2, [1, 4, 6]), (3, [4, 6]), (4, [4, 6]), (5, [6]), (9, [6]), (99, [6])],
)
async def test_events_are_read_from_any_number(stores: Stores, after: int, firsts: Sequence[int]) -> None:
    """The first batch may begin before the number: it is the one that holds the next event, or the last of all."""
    run = (await stores.begin()).run
    await save(stores, run, batch(1, 3), batch(4, 5))
    await save(stores, run, batch(6, 9))
    await save(stores, (await stores.begin("other")).run, batch(1, 2))
    found = await stores.runs.list_events(stores.tenant_id, run.id, after=after)
    assert [one.first for one in found] == firsts
    assert found[-1] == batch(6, 9)
    assert not await stores.runs.list_events(new_id(), run.id, after=after)


async def test_many_events_are_read_in_parts(stores: Stores) -> None:
    run = (await stores.begin()).run
    await save(stores, run, *[batch(2 * n + 1, 2 * n + 2) for n in range(450)])
    read: list[str] = []
    while len(read) < 900:
        found = await stores.runs.list_events(stores.tenant_id, run.id, after=len(read))
        for one in found:
            read += one.body.splitlines()[len(read) + 1 - one.first :]
    assert read == batch(1, 900).body.splitlines()


async def test_events_saved_twice_are_there_once(stores: Stores) -> None:
    run = (await stores.begin()).run
    await save(stores, run, batch(1, 3))
    await save(stores, run, batch(1, 3), batch(4, 6))
    await save(stores, run, batch(4, 5))
    assert await stores.runs.list_events(stores.tenant_id, run.id, after=0) == [batch(1, 3), batch(4, 6)]


async def test_longer_batch_takes_the_place(stores: Stores) -> None:
    run = (await stores.begin()).run
    await save(stores, run, batch(1, 3))
    await save(stores, run, batch(1, 5))
    assert await stores.runs.list_events(stores.tenant_id, run.id, after=4) == [batch(1, 5)]


async def test_events_of_an_erased_run_are_not_kept(stores: Stores) -> None:
    begun = await stores.begin()
    await stores.sessions.delete(stores.tenant_id, begun.session.id)
    await stores.erase()
    await save(stores, begun.run, batch(1, 3))
    assert not await stores.runs.list_events(stores.tenant_id, begun.run.id, after=0)


async def test_last_events_come_with_the_end(stores: Stores) -> None:
    begun = await stores.begin()
    whole = EventBatch(first=1, body='{"text":"\x00 👋"}'.replace("\x00", "\\u0000"), is_whole=True)
    await stores.end(begun, events=(whole,))
    assert await stores.runs.list_events(stores.tenant_id, begun.run.id, after=0) == [whole]


async def test_cancel_is_heard_and_noted(stores: Stores) -> None:
    heard: list[tuple[Topic, UUID]] = []
    stores.database.listen(lambda topic, subject: heard.append((topic, subject)))
    begun = await stores.begin()
    async with asyncio.timeout(10):
        while not heard:
            # On PostgreSQL a notice is lost while the connection that listens is not yet there.
            await stores.runs.request_cancel(stores.tenant_id, begun.run.id)
            await asyncio.sleep(0.01)
    assert heard[0] == ("cancel", begun.run.id)
    assert await stores.servers.list_cancelled(stores.server_id) == [begun.run.id]
    assert not await stores.servers.list_cancelled(new_id())
    await stores.end(begun)
    assert not await stores.servers.list_cancelled(stores.server_id)


async def test_only_an_unfinished_run_is_cancelled(stores: Stores) -> None:
    ended, running = await stores.take(), await stores.begin()
    await stores.runs.request_cancel(stores.tenant_id, ended.run.id)
    await stores.runs.request_cancel(new_id(), running.run.id)
    assert not await stores.servers.list_cancelled(stores.server_id)


async def test_waiting_run_can_be_cancelled(stores: Stores) -> None:
    await stores.begin()
    waiting = await stores.begin()
    await stores.runs.request_cancel(stores.tenant_id, waiting.run.id)
    assert await stores.servers.list_cancelled(stores.server_id) == [waiting.run.id]


async def test_vanished_client_changes_no_run(stores: Stores) -> None:
    begun = await stores.begin()
    await stores.runs.mark_vanished(begun.run, stores.clock())
    assert await stores.run(begun) == begun.run
    await stores.end(begun)
