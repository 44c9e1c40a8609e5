"""Jobs: each has one worker at a time, a tenant has no more at work than it may, and nobody's work is lost."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from multiturn.model.ids import new_id
from multiturn.model.job import Job
from multiturn.store.database import Database
from multiturn.store.jobs import SqlJobStore, defer_job
from multiturn.store.postgres import PostgresDatabase
from tests.contract.ports.stores import HandClock

CLAIM = timedelta(seconds=30)


class Queue:
    """A queue with a clock that is moved by hand."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.jobs = SqlJobStore(database)
        self.clock = HandClock()
        self.tenant_id = new_id()

    async def defer(self, *, tenant_id: UUID | None = None, subject_id: UUID | None = None, **later: float) -> UUID:
        """Have something done, now or later."""
        subject_id = subject_id or new_id()
        run_at = self.clock() + timedelta(**later)
        async with self.database.transaction() as tx:
            await defer_job(tx, tenant_id or self.tenant_id, "item", subject_id, run_at=run_at)
        return subject_id

    async def claim(self, *, tenant_max: int = 10) -> Job | None:
        """Take a job."""
        return await self.jobs.claim("item", self.clock(), self.clock() + CLAIM, tenant_max=tenant_max)

    async def take(self) -> Job:
        """Take a job that is there."""
        job = await self.claim()
        assert job
        return job

    def now(self) -> datetime:
        return self.clock()


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


async def test_the_longest_waiting_comes_first(queue: Queue) -> None:
    subjects = []
    for _ in range(3):
        subjects.append(await queue.defer())
        queue.clock.pass_(seconds=1)
    assert [(await queue.take()).subject_id for _ in range(3)] == subjects
    assert await queue.claim() is None


async def test_a_job_is_told_as_it_was_deferred(queue: Queue) -> None:
    subject_id = await queue.defer()
    job = await queue.take()
    assert (job.tenant_id, job.kind, job.subject_id) == (queue.tenant_id, "item", subject_id)
    assert (job.created_at, job.tries) == (queue.now(), 0)


async def test_what_is_for_later_waits(queue: Queue) -> None:
    await queue.defer(seconds=5)
    assert await queue.claim() is None
    queue.clock.pass_(seconds=5)
    assert await queue.claim()


async def test_kinds_have_queues_of_their_own(queue: Queue) -> None:
    await queue.defer()
    assert await queue.jobs.claim("asset", queue.now(), queue.now() + CLAIM, tenant_max=1) is None
    assert await queue.jobs.count_waiting() == {"asset": 0, "item": 1}


async def test_a_tenant_has_its_share_of_workers(queue: Queue) -> None:
    other = new_id()
    for _ in range(3):
        await queue.defer()
    queue.clock.pass_(seconds=1)
    await queue.defer(tenant_id=other)
    first = await queue.claim(tenant_max=1)
    second = await queue.claim(tenant_max=1)
    assert first
    assert second
    assert (first.tenant_id, second.tenant_id) == (queue.tenant_id, other)
    assert await queue.claim(tenant_max=1) is None
    await queue.jobs.finish(first)
    third = await queue.claim(tenant_max=1)
    assert third
    assert third.tenant_id == queue.tenant_id


async def test_a_finished_job_is_gone(queue: Queue) -> None:
    await queue.defer()
    await queue.jobs.finish(await queue.take())
    queue.clock.pass_(hours=1)
    assert await queue.claim() is None
    assert await queue.jobs.count_waiting() == {"asset": 0, "item": 0}


async def test_a_claim_that_ran_out_is_a_death(queue: Queue) -> None:
    await queue.defer()
    dead = await queue.take()
    queue.clock.pass_(seconds=29)
    assert await queue.claim() is None
    queue.clock.pass_(seconds=2)
    again = await queue.take()
    assert (again.id, again.tries, again.deaths) == (dead.id, 0, 1)
    assert not await queue.jobs.extend(dead, queue.now() + CLAIM)
    await queue.jobs.finish(dead)
    await queue.jobs.retry(dead, queue.now())
    assert await queue.jobs.extend(again, queue.now() + CLAIM)


async def test_an_extended_claim_stays(queue: Queue) -> None:
    await queue.defer()
    job = await queue.take()
    for _ in range(5):
        queue.clock.pass_(seconds=20)
        assert await queue.jobs.extend(job, queue.now() + CLAIM)
        assert await queue.claim() is None


async def test_a_failed_job_comes_again_with_a_try_more(queue: Queue) -> None:
    await queue.defer()
    await queue.jobs.retry(await queue.take(), queue.now() + timedelta(seconds=4))
    assert await queue.claim() is None
    queue.clock.pass_(seconds=4)
    assert (await queue.take()).tries == 1


async def test_a_job_given_back_is_as_it_was(queue: Queue) -> None:
    first = await queue.defer()
    queue.clock.pass_(seconds=1)
    await queue.defer()
    job = await queue.take()
    await queue.jobs.retry(job, job.created_at, counts=False)
    again = await queue.take()
    assert (again.subject_id, again.tries) == (first, 0)


async def test_progress_forgives_the_tries_before(queue: Queue) -> None:
    await queue.defer()
    await queue.jobs.retry(await queue.take(), queue.now())
    job = await queue.take()
    await queue.jobs.renew(job)
    await queue.jobs.retry(job, queue.now())
    assert (job.tries, (await queue.take()).tries) == (1, 1)
    queue.clock.pass_(seconds=31)
    job = await queue.take()
    await queue.jobs.renew(job)
    await queue.jobs.retry(job, queue.now())
    assert (job.deaths, (await queue.take()).deaths) == (1, 0)


async def test_deferred_again_begins_anew(queue: Queue) -> None:
    subject_id = await queue.defer()
    old = await queue.take()
    await queue.defer(subject_id=subject_id)
    assert not await queue.jobs.extend(old, queue.now() + CLAIM)
    await queue.jobs.finish(old)
    new = await queue.take()
    assert (new.subject_id, new.tries) == (subject_id, 0)


async def test_the_only_server_ends_all_claims(queue: Queue) -> None:
    await queue.defer()
    await queue.take()
    assert await queue.jobs.expire_claims(queue.now()) == 1
    assert (await queue.take()).deaths == 1


async def test_of_racing_workers_each_has_its_own(queue: Queue) -> None:
    for _ in range(8):
        await queue.defer()
    claimed = await asyncio.gather(*(queue.claim() for _ in range(12)))
    ids = [job.id for job in claimed if job]
    assert len(ids) == len(set(ids)) <= 8
    rest = [job.id for job in [await queue.claim() for _ in range(8)] if job]
    assert len({*ids, *rest}) == 8


@pytest.mark.postgres
async def test_two_servers_keep_a_tenants_share(postgres: PostgresDatabase, second_postgres: PostgresDatabase) -> None:
    queue, other = Queue(postgres), Queue(second_postgres)
    for _ in range(10):
        await queue.defer()
    workers = [queue, other] * 6
    claimed = await asyncio.gather(*(worker.claim(tenant_max=3) for worker in workers))
    jobs = [job for job in claimed if job]
    assert len({job.id for job in jobs}) == len(jobs) == 3
