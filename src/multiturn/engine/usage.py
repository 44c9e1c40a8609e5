"""What was used: counted where no session keeps it, and told to who may know."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from multiturn.engine.ports import Clock
from multiturn.engine.ports_usage import UsageStore
from multiturn.engine.prices import Prices
from multiturn.errors import Forbidden, InvalidRequest, Unavailable
from multiturn.model.run import Run
from multiturn.model.tenant import Caller
from multiturn.model.turn import Begun, Ending
from multiturn.model.usage import NOTHING_USED, Spender, Usage, UsageQuery, UsageRow, Used, add_up, day_of, use_of

# While the database is away no more are remembered: names of models come from clients.
SPENDERS_MAX = 10_000
DAYS_MAX = 3660
# Those of sessions are summed up from their runs.
SESSION_DAYS_MAX = 92

log = logging.getLogger(__name__)


class Payer(NamedTuple):
    """Whose account a call of a model is on."""

    tenant_id: UUID
    user_id: UUID


class Meter:
    """Counts calls of models that no session's run keeps; what was counted is stored every second, in one batch."""

    def __init__(self, store: UsageStore, prices: Prices, clock: Clock) -> None:
        self.store = store
        self.prices = prices
        self.clock = clock
        self.counted: dict[Spender, Used] = {}

    def count(self, payer: Payer, model: str, usage: Usage | None) -> None:
        """Count one call of a model."""
        cost = self.prices.price(model, usage) if usage else None
        self.enter(payer, model, use_of(usage, cost))

    def count_lost(self, run: Run, begun: Begun | None, ending: Ending) -> None:
        """Count a turn whose ending could not be stored, mostly because its session was deleted: it was paid all the
        same.
        """
        if begun and ending.usage:
            payer = Payer(run.tenant_id, begun.session.user_id)
            self.enter(payer, run.model, use_of(ending.usage, ending.cost_usd))

    def enter(self, payer: Payer, model: str, used: Used) -> None:
        """Count what was used."""
        day = day_of(self.clock())
        spender = Spender(tenant_id=payer.tenant_id, user_id=payer.user_id, day=day, model=model)
        self._add(spender, used)

    def _add(self, spender: Spender, used: Used) -> None:
        known = self.counted.get(spender)
        if known is None and len(self.counted) >= SPENDERS_MAX:
            log.error("usage is not counted: %d users and models wait for the database", SPENDERS_MAX)
            return
        self.counted[spender] = used if known is None else add_up((known, used))

    async def flush(self) -> None:
        """Store what was counted; while the database is away it waits for the next time."""
        if not self.counted:
            return
        counted, self.counted = self.counted, {}
        try:
            await self.store.add(counted)
        except BaseException:
            for spender, used in counted.items():
                self._add(spender, used)
            raise

    async def close(self) -> None:
        """Store what is left."""
        try:
            await self.flush()
        except Unavailable as error:
            log.error("usage of %d users and models was lost: %s", len(self.counted), error.message)


class UsageReport(Struct, frozen=True, kw_only=True):
    """What was used: the rows that were asked for, and all of it together."""

    query: UsageQuery
    rows: Sequence[UsageRow]
    total: Used
    has_more: bool


class UsageReports:
    """Tells what was used. A caller that acts for a user sees that user's only."""

    def __init__(self, store: UsageStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    def today(self) -> int:
        """The day, in UTC."""
        return day_of(self.clock())

    async def report(self, caller: Caller, query: UsageQuery, *, limit: int) -> UsageReport:
        """What was used. Raises InvalidRequest for a stretch of days that is none or too long, Forbidden for
        another user's.
        """
        check_days(query)
        if caller.is_bound:
            if query.user_id not in (None, caller.user_id):
                raise Forbidden("This key acts for one user: it may not see what others used.")
            query = replace(query, user_id=caller.user_id)
        rows = await self.store.list_usage(caller.tenant_id, query, limit=limit + 1)
        whole = replace(query, period="none", by=frozenset())
        total = await self.store.list_usage(caller.tenant_id, whole, limit=1)
        return UsageReport(
            query=query,
            rows=rows[:limit],
            total=total[0].used if total else NOTHING_USED,
            has_more=len(rows) > limit,
        )


def check_days(query: UsageQuery) -> None:
    """Raise InvalidRequest for days that cannot be asked for."""
    days = query.last - query.first + 1
    if days < 1:
        raise InvalidRequest("'from' must not be after 'to'.", param="from")
    most = SESSION_DAYS_MAX if "session" in query.by and query.session_id is None else DAYS_MAX
    if days > most:
        what = "by session " if most == SESSION_DAYS_MAX else ""
        text = f"Usage {what}can be asked for at most {most} days at once; these are {days}."
        raise InvalidRequest(text, param="from")
