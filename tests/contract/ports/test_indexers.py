"""Workers: they find what is to be done, keep it while they work, and leave it to others when they stop or lose it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from multiturn.errors import UnreadableFile
from multiturn.model.job import Job, JobKind
from multiturn.model.store import StoreItem
from multiturn.observe import Metrics
from multiturn.store.jobs import SqlJobStore
from multiturn.store.sqlite import SqliteDatabase
from multiturn.worker.indexers import Indexers, IndexLimits
from tests.contract.ports.indexing import Indexing

ALONE = IndexLimits(workers=1, tenant_max=2, is_alone=True)


@pytest.fixture
def desk(sqlite: SqliteDatabase, tmp_path: Path) -> Indexing:
    return Indexing(sqlite, tmp_path / "files")


def hire(desk: Indexing, limits: IndexLimits = ALONE) -> Indexers:
    """The workers of a server."""
    return Indexers(desk.jobs, desk.ingestion, limits, clock=desk.clock, metrics=Metrics())


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.005)


async def until_ended(desk: Indexing, item: StoreItem) -> StoreItem:
    """Wait until an item is ready or failed."""
    async with asyncio.timeout(5):
        while (found := await desk.find_item(item)).status not in ("ready", "failed"):
            await asyncio.sleep(0.005)
    return found


async def test_what_waits_is_done(desk: Indexing) -> None:
    item = await desk.fill(await desk.make_store(), "A line.")
    indexers = hire(desk)
    await indexers.begin()
    assert (await until_ended(desk, item)).status == "ready"
    await indexers.end()
    assert await desk.jobs.count_waiting() == {"asset": 0, "item": 0}


async def test_a_bell_wakes_at_once(desk: Indexing) -> None:
    store = await desk.make_store()
    indexers = hire(desk)
    await indexers.begin()
    await asyncio.sleep(0.05)
    asset = await desk.put_in("document", "A line.")
    begun = time.monotonic()
    indexers.wake()
    await until(lambda: desk.readers.calls["probe"] > 0)
    assert time.monotonic() - begun < 0.5
    while (await desk.find_asset(asset)).status != "ready":
        await asyncio.sleep(0.005)
    item = await desk.add(store, asset)
    indexers.wake()
    assert (await until_ended(desk, item)).status == "ready"
    await indexers.end()


async def test_a_stop_gives_the_job_back(desk: Indexing) -> None:
    item = await desk.fill(await desk.make_store(), "A line.", "Another.")
    desk.readers.gate = asyncio.Event()
    indexers = hire(desk)
    await indexers.begin()
    await until(lambda: desk.readers.calls["read"] > 0)
    await indexers.end()
    job = await desk.claim()
    assert job
    assert (job.subject_id, job.tries) == (item.id, 0)


async def test_the_claims_of_the_dead_end_at_a_start(desk: Indexing) -> None:
    item = await desk.fill(await desk.make_store(), "A line.")
    assert await desk.claim()
    indexers = hire(desk)
    await indexers.begin()
    assert (await until_ended(desk, item)).status == "ready"
    await indexers.end()


async def test_beside_others_their_claims_stand(desk: Indexing) -> None:
    item = await desk.fill(await desk.make_store(), "A line.")
    assert await desk.claim()
    indexers = hire(desk, ALONE._replace(is_alone=False))
    await indexers.begin()
    await asyncio.sleep(0.1)
    assert (await desk.find_item(item)).status == "queued"
    await indexers.end()


async def test_no_more_is_done_at_a_time_than_may_be(desk: Indexing) -> None:
    store = await desk.make_store()
    for number in range(3):
        await desk.fill(store, f"Line {number}.", name=f"{number}.txt")
    desk.readers.gate = asyncio.Event()
    indexers = hire(desk, ALONE._replace(workers=2))
    await indexers.begin()
    await until(lambda: desk.readers.calls["read"] == 2)
    await asyncio.sleep(0.1)
    assert desk.readers.calls["read"] == 2
    desk.readers.gate.set()
    await until(lambda: desk.readers.calls["read"] == 3)
    await indexers.end()


async def test_a_new_file_does_not_wait_for_a_long_one(desk: Indexing) -> None:
    await desk.fill(await desk.make_store(), "A long film.")
    desk.readers.gate = asyncio.Event()
    indexers = hire(desk)
    await indexers.begin()
    await until(lambda: desk.readers.calls["read"] == 1)
    asset = await desk.put_in("document", "A line.")
    indexers.wake()
    async with asyncio.timeout(5):
        while (await desk.find_asset(asset)).status != "ready":
            await asyncio.sleep(0.005)
    await indexers.end()


async def test_without_workers_nothing_is_taken(desk: Indexing) -> None:
    await desk.fill(await desk.make_store(), "A line.")
    indexers = hire(desk, ALONE._replace(workers=0))
    await indexers.begin()
    await asyncio.sleep(0.05)
    assert await desk.claim()
    await indexers.end()


async def test_a_broken_job_stops_nobody(desk: Indexing, caplog: pytest.LogCaptureFixture) -> None:
    store = await desk.make_store()
    broken = await desk.fill(store, "A line.", name="broken.txt")
    other = await desk.fill(store, "A line.", name="other.txt")
    desk.readers.errors = [ZeroDivisionError("the code's own")]
    indexers = hire(desk)
    with caplog.at_level(logging.INFO):
        await indexers.begin()
        assert (await until_ended(desk, other)).status == "ready"
    await indexers.end()
    assert "ZeroDivisionError" in caplog.text
    assert (await desk.find_item(broken)).status == "queued"


class Stumbling(SqlJobStore):
    """Jobs of which the first claim fails for no reason that anybody foresaw."""

    has_stumbled = False

    async def claim(self, kind: JobKind, now: datetime, until: datetime, *, tenant_max: int) -> Job | None:
        """Fail once for items, then do as the others do."""
        if kind == "item" and not self.has_stumbled:
            self.has_stumbled = True
            raise RuntimeError("odd")
        return await super().claim(kind, now, until, tenant_max=tenant_max)


async def test_an_odd_failure_of_a_claim_passes(desk: Indexing, caplog: pytest.LogCaptureFixture) -> None:
    item = await desk.fill(await desk.make_store(), "A line.")
    jobs = Stumbling(desk.database)
    indexers = Indexers(jobs, desk.ingestion, ALONE, clock=desk.clock, metrics=Metrics())
    await indexers.begin()
    assert (await until_ended(desk, item)).status == "ready"
    await indexers.end()
    assert jobs.has_stumbled
    assert "odd" in caplog.text


async def test_a_refused_file_is_told_and_gone(desk: Indexing) -> None:
    item = await desk.fill(await desk.make_store(), "A line.")
    desk.readers.errors = [UnreadableFile("The file is cut off.")]
    indexers = hire(desk)
    await indexers.begin()
    assert (await until_ended(desk, item)).error == "The file is cut off."
    await indexers.end()
    assert await desk.jobs.count_waiting() == {"asset": 0, "item": 0}
