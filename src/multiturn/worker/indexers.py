"""Workers that take jobs and do them: a few at a time, each under a claim that is renewed while it works."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

from multiturn.engine.ingestion.equipment import Stopped, Verdict, Work
from multiturn.engine.ingestion.ingestion import Ingestion
from multiturn.engine.ports import Clock
from multiturn.engine.ports_ingestion import JobStore
from multiturn.errors import Unavailable
from multiturn.model.job import Job, JobKind
from multiturn.observe import Metrics
from multiturn.worker.crew import Crew, repeat

log = logging.getLogger(__name__)

# A worker that died is noticed when its claim runs out; one that lives extends it several times before.
CLAIM, EXTEND_S = timedelta(seconds=30), 5.0
# What another server stored is found by looking; what this one stored wakes its workers at once.
LOOK_S = 1.0
# Looking at a file takes seconds, and waits for the network: these have places of their own, or a file that was put in
# would not be ready before an hour's video is indexed.
ASSET_WORKERS = 4
COUNT_S, CHORES_S = 10.0, 3600.0


class IndexLimits(NamedTuple):
    """How many files this server indexes at a time, and how many of one tenant all servers do together. ``is_alone``:
    no other server is on the database, so that who had a job when this one starts is dead.
    """

    workers: int
    tenant_max: int
    is_alone: bool


class Indexers:
    """The workers of one server. ``chores`` are done each hour."""

    def __init__(
        self,
        jobs: JobStore,
        ingestion: Ingestion,
        limits: IndexLimits,
        *,
        clock: Clock,
        metrics: Metrics,
        chores: Sequence[Callable[[], Awaitable[object]]] = (),
    ) -> None:
        self.jobs = jobs
        self.ingestion = ingestion
        self.limits = limits
        self.clock = clock
        self.metrics = metrics
        self.chores = chores
        self.crew = Crew()
        self.work = Crew()
        self.bells: dict[JobKind, asyncio.Event] = {"asset": asyncio.Event(), "item": asyncio.Event()}

    async def begin(self) -> None:
        """Begin to look for work."""
        if self.limits.workers <= 0:
            return
        if self.limits.is_alone:
            await self.jobs.expire_claims(self.clock())
        self.crew.spawn(self._serve("asset", ASSET_WORKERS))
        self.crew.spawn(self._serve("item", self.limits.workers))
        self.crew.spawn(repeat(self._count, every_s=COUNT_S))
        for chore in self.chores:
            self.crew.spawn(repeat(chore, every_s=CHORES_S))

    def wake(self) -> None:
        """There may be something to do."""
        for bell in self.bells.values():
            bell.set()

    async def end(self) -> None:
        """Stop: what is being done is given back at once, and goes on from its step wherever it is taken up."""
        await self.crew.finish(limit_s=0)
        await self.work.finish(limit_s=0)

    async def _serve(self, kind: JobKind, places: int) -> None:
        """Keep so many places busy with jobs of a kind."""
        free, bell = asyncio.Semaphore(places), self.bells[kind]
        while True:
            await free.acquire()
            bell.clear()
            job = await self._claim(kind)
            if job is None:
                free.release()
                await wait_for_bell(bell)
                continue
            self.work.spawn(self._do(job)).add_done_callback(lambda _: free.release())

    async def _claim(self, kind: JobKind) -> Job | None:
        """Take a job; None when there is none, or it failed."""
        now = self.clock()
        try:
            return await self.jobs.claim(kind, now, now + CLAIM, tenant_max=self.limits.tenant_max)
        except Unavailable as error:
            log.warning("no job can be taken: %s", error)
        except Exception:
            # Whatever it was, it may pass: to look no more would leave all work of this kind until a restart.
            log.exception("no job can be taken")
        return None

    async def _do(self, job: Job) -> None:
        """Do a job, and keep it meanwhile; it is given back when this server stops, and left when it was lost."""
        working = asyncio.create_task(self._work(job))
        keeping = asyncio.create_task(self._keep(job, working))
        try:
            await asyncio.wait([working])
            if not working.cancelled() and (error := working.exception()):
                log.error("job %s is left until its claim runs out", job.id, exc_info=error)
        except asyncio.CancelledError:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await self.jobs.retry(job, job.created_at, counts=False)
            raise
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])

    async def _keep(self, job: Job, working: asyncio.Task[None]) -> None:
        """Extend the claim while the job is worked at; end the work when the job is somebody else's."""
        while True:
            await asyncio.sleep(EXTEND_S)
            try:
                is_ours = await self.jobs.extend(job, self.clock() + CLAIM)
            except Unavailable as error:
                log.warning("the claim of job %s is not extended: %s", job.id, error)
                continue
            except Exception:
                log.exception("the claim of job %s is not extended", job.id)
                continue
            if not is_ours:
                log.info("job %s is no longer this server's", job.id)
                working.cancel()
                return

    async def _work(self, job: Job) -> None:
        """Do a job to its end, or to its next try. What fails here without being settled is tried again when the claim
        runs out.
        """
        work = self.ingestion.open(job)
        verdict: Verdict | None = None
        try:
            await work.run()
        except Stopped as stopped:
            log.info("job %s was stopped: %s", job.id, stopped)
        except Exception as error:
            verdict = await self._settle(job, work, error)
        if verdict is None:
            await self.jobs.finish(job)
            return
        await self.jobs.retry(job, self.clock() + verdict.after, counts=verdict.counts)

    async def _settle(self, job: Job, work: Work, error: Exception) -> Verdict | None:
        """What becomes of a job that failed."""
        verdict = await work.settle(error)
        again = f"again in {verdict.after.total_seconds():.0f} s" if verdict else "given up"
        log.info("job %s (%s %s) failed, %s", job.id, job.kind, job.subject_id, again, exc_info=error)
        return verdict

    async def _count(self) -> None:
        waiting = await self.jobs.count_waiting()
        for kind, jobs in waiting.items():
            self.metrics.index_queue.labels(kind).set(jobs)


async def wait_for_bell(bell: asyncio.Event) -> None:
    """Wait until somebody rings, or it is time to look."""
    try:
        async with asyncio.timeout(LOOK_S):
            await bell.wait()
    except TimeoutError:
        return
