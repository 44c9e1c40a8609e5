"""Background work in the store: jobs that workers claim for a while."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from multiturn.model.ids import new_id
from multiturn.model.job import Job, JobKind
from multiturn.store.database import Database, Parameters, Transaction
from multiturn.store.rows import as_id, as_ms, as_time

COUNTED_MAX = 10_000


class SqlJobStore:
    """Keeps jobs in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def claim(self, kind: JobKind, now: datetime, until: datetime, *, tenant_max: int) -> Job | None:
        """Take the job of a kind that waits longest, of a tenant that has fewer than ``tenant_max`` of it at work;
        nobody else gets it before ``until``. A claim that ran out counts as the death of a worker.
        """
        at = as_ms(now)
        where = {"kind": kind, "now": at, "tenant_max": tenant_max}
        async with self.database.reading() as tx:
            # Mostly nothing waits; then nobody has to be held up.
            if await tx.fetch_one("find_waiting_job", where) is None:
                return None
        claim_id = new_id()
        async with self.database.transaction() as tx:
            await tx.fetch_one("hold_queue", {})
            found = await tx.fetch_one("find_waiting_job", where)
            if found is None:
                return None
            job = {"tenant_id": as_id(found[0]), "id": as_id(found[1])}
            if await tx.fetch_one("seize_job", job) is None:
                return None
            claim = {**job, "claim_id": claim_id, "now": at, "until": as_ms(until)}
            row = await tx.fetch_one("claim_job", claim)
        if row is None:
            return None
        kind_, subject_id, created, tries, deaths = row
        return Job(
            **job,
            kind=kind_,
            subject_id=as_id(subject_id),
            created_at=as_time(created),
            claim_id=claim_id,
            tries=tries,
            deaths=deaths,
        )

    async def extend(self, job: Job, until: datetime) -> bool:
        """Keep a job longer; False when it is no longer this claim's: the work must stop."""
        return await self._change("extend_claim", {**claim_of(job), "until": as_ms(until)}) > 0

    async def renew(self, job: Job) -> None:
        """The work has come further: what failed before counts no more."""
        await self._change("renew_job", claim_of(job))

    async def retry(self, job: Job, run_at: datetime, *, counts: bool = True) -> None:
        """Give a job back, to be done from ``run_at`` on; what came of it ``counts`` as a try."""
        await self._change("retry_job", {**claim_of(job), "run_at": as_ms(run_at), "counted": int(counts)})

    async def finish(self, job: Job) -> None:
        """The work is done, or given up."""
        await self._change("finish_job", claim_of(job))

    async def expire_claims(self, now: datetime) -> int:
        """End all claims: whoever had them is dead. For the only server on its database."""
        return await self._change("expire_claims", {"now": as_ms(now)})

    async def count_waiting(self) -> Mapping[JobKind, int]:
        """How many jobs there are of each kind, at work or not; more than 10,000 are not counted."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("count_jobs", {"limit": COUNTED_MAX})
        assets, items = row or (0, 0)
        return {"asset": assets, "item": items}

    async def _change(self, query: str, parameters: Parameters) -> int:
        async with self.database.transaction() as tx:
            return await tx.execute(query, parameters)


async def defer_job(tx: Transaction, tenant_id: UUID, kind: JobKind, subject_id: UUID, *, run_at: datetime) -> None:
    """Have something done from ``run_at`` on, as part of a transaction; a subject has one job of a kind. One that is
    there begins anew, and whoever is at work on it has lost it.
    """
    now = as_ms(run_at)
    what = {"tenant_id": tenant_id, "id": new_id(), "kind": kind, "subject_id": subject_id, "now": now, "run_at": now}
    await tx.execute("defer_job", what)


async def hold_claim(tx: Transaction, job: Job) -> bool:
    """Whether a job is still this claim's; it stays so until the transaction ends."""
    return await tx.fetch_one("hold_claim", claim_of(job)) is not None


def claim_of(job: Job) -> dict[str, UUID]:
    """A claim as the parameters of the queries."""
    return {"tenant_id": job.tenant_id, "id": job.id, "claim_id": job.claim_id}
