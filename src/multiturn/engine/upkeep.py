"""Upkeep: what is done for a session behind its turns, ahead of need, so that no turn ever waits for it."""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

from multiturn.engine.ports import Spawn
from multiturn.engine.session_index import SessionIndexes
from multiturn.engine.summaries import Source, Summaries, SummaryOrder, order_summary
from multiturn.errors import MultiturnError
from multiturn.observe import Metrics

log = logging.getLogger(__name__)

# From here on a context may be full before long.
INDEX_AT = 0.5
# A summary is asked for when as much of the room is left as a cut keeps, and this at least: then the cut that comes
# falls where the summary ends, and what was said since is what is kept.
LEFT_MIN = 0.15
TASKS_MAX = 4
# Each may hold a whole window; a session that finds no place is considered again behind its next turn.
WAITING_MAX = 64


class Upkeep:
    """Indexes and summarizes sessions whose contexts fill up, a few at a time."""

    def __init__(self, indexes: SessionIndexes, summaries: Summaries, metrics: Metrics, spawn: Spawn) -> None:
        self.indexes = indexes
        self.summaries = summaries
        self.metrics = metrics
        self.spawn = spawn
        self.busy: set[UUID] = set()
        self.slots = asyncio.Semaphore(TASKS_MAX)

    def consider(self, source: Source) -> None:
        """Begin what this session needs, unless it is being done already, or too much waits."""
        context, budget = source.assembled.context, source.assembled.budget
        share = context.tokens / max(budget.tokens_max, 1)
        has_past = context.cut > source.path[0].first if source.path else False
        indexes = budget.recall.finds_past and budget.recall.tokens_max > 0 and (share >= INDEX_AT or has_past)
        is_nearly_full = share >= 1 - max(budget.low_water, LEFT_MIN)
        summarizes = budget.has_summary and (is_nearly_full or has_past)
        is_full = len(self.busy) >= TASKS_MAX + WAITING_MAX
        if not (indexes or summarizes) or source.session.id in self.busy or is_full:
            return
        self.busy.add(source.session.id)
        order = order_summary(source, reads_window=summarizes and is_nearly_full)
        self.spawn(self._do(order, indexes=indexes, summarizes=summarizes))

    async def _do(self, order: SummaryOrder, *, indexes: bool, summarizes: bool) -> None:
        try:
            async with self.slots:
                if indexes:
                    await self.indexes.prepare(order.session, order.path, order.path[-1].last + 1)
                if summarizes:
                    await self.summaries.make(order)
        except MultiturnError as error:
            self.metrics.upkeep_failed.inc()
            log.info("work ahead of need failed: %s", error)
        finally:
            self.busy.discard(order.session.id)
