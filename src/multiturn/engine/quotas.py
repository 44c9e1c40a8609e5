"""Quotas: what may be used, checked before a turn is taken, and what of it is left.

What counts is what has been used, so turns that run at the same time may go over a quota by what they use together.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec import Struct

from multiturn.engine.ports import Clock, SessionStore
from multiturn.engine.ports_quotas import QuotaStore
from multiturn.engine.ports_usage import UsageStore
from multiturn.engine.usage import Meter
from multiturn.errors import RateLimited
from multiturn.model.quota import MEASURES, Left, Quota, QuotaKind, QuotaPeriod, QuotaRules
from multiturn.model.session import Session, SessionKey
from multiturn.model.usage import NOTHING_USED, Used, add_up, day_of, month_of

# A server that did not hear of a change (another one made it, and the notice was lost) finds out so much later.
REMEMBER_S = 30.0
# What was used before today changes no more, but for turns that end as the day does.
REMEMBER_BEFORE_S = 60.0
# Adding up what many users of a tenant used today takes a while: then the sum is good for so many times as long.
SLOW_S = 0.005
SLOW_FACTOR = 20
REMEMBERED = 10_000

Allowed = Sequence[Left]
"""What is left, one for each measure that is limited."""


class Spent(Struct, frozen=True, kw_only=True):
    """What was used in each period."""

    day: Used = NOTHING_USED
    month: Used = NOTHING_USED
    life: Used = NOTHING_USED


class Sums:
    """What a tenant, or one user of it, used today and this month; what is costly to add up is remembered a while."""

    def __init__(self, meter: Meter) -> None:
        self.usage: UsageStore = meter.store
        self.meter = meter
        self.known: dict[tuple[UUID, UUID | None, int, int], tuple[float, Used]] = {}

    async def add_up(self, tenant_id: UUID, user_id: UUID | None, today: int, *, with_month: bool) -> Spent:
        """Tell what was used; the month only where it is asked for."""
        day, first = await self._sum(tenant_id, user_id, today, today), month_of(today)
        day = add_up((day, *self._find_counted(tenant_id, user_id, today)))
        if not with_month or first == today:
            return Spent(day=day, month=day)
        before = await self._sum(tenant_id, user_id, first, today - 1, remember_s=REMEMBER_BEFORE_S)
        return Spent(day=day, month=add_up((before, day)))

    def _find_counted(self, tenant_id: UUID, user_id: UUID | None, today: int) -> Sequence[Used]:
        """What this server counted beside sessions and has not stored yet."""
        counted = self.meter.counted.items()
        return [
            used
            for spender, used in counted
            if spender.tenant_id == tenant_id and spender.day == today and user_id in (None, spender.user_id)
        ]

    async def _sum(
        self, tenant_id: UUID, user_id: UUID | None, first: int, last: int, *, remember_s: float = 0.0
    ) -> Used:
        began = time.monotonic()
        until, used = self.known.get((tenant_id, user_id, first, last), (0.0, NOTHING_USED))
        if began < until:
            return used
        used = await self.usage.sum_days(tenant_id, user_id=user_id, first=first, last=last)
        took_s = time.monotonic() - began
        if took_s >= SLOW_S:
            remember_s = max(remember_s, SLOW_FACTOR * took_s)
        if remember_s:
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            self.known[tenant_id, user_id, first, last] = (began + remember_s, used)
        return used


class Quotas:
    """Checks quotas. That a tenant has none is remembered, so that its turns pay nothing."""

    def __init__(self, store: QuotaStore, meter: Meter, sessions: SessionStore, clock: Clock) -> None:
        self.store = store
        self.usage = meter.store
        self.sessions = sessions
        self.clock = clock
        self.sums = Sums(meter)
        self.rules: dict[UUID, tuple[float, QuotaRules]] = {}
        self.heard = 0

    async def check(self, tenant_id: UUID, user_id: UUID, key: SessionKey | None = None) -> Allowed:
        """Tell what is left to a turn in the session, or to a call without one.

        Raises RateLimited (``quota_exceeded``) where a quota is used up, naming which and whose.
        """
        rules = await self._rules_of(tenant_id)
        if rules.is_empty:
            return ()
        now = self.clock()
        session = None
        if key and (rules.each_user or rules.some_users or rules.each_session or rules.some_sessions):
            session = await self.sessions.find(key, now)
        least: dict[str, Left] = {}
        for left in await self._measure(rules, tenant_id, session, session.user_id if session else user_id, now):
            if left.used >= left.limit:
                raise exceeded(left, now)
            other = least.get(left.measure)
            if other is None or left.remaining < other.remaining:
                least[left.measure] = left
        return [least[measure] for measure in MEASURES if measure in least]

    async def _measure(
        self, rules: QuotaRules, tenant_id: UUID, session: Session | None, user_id: UUID, now: datetime
    ) -> Sequence[Left]:
        """Every limit that a turn is under, the widest first."""
        today, lefts = day_of(now), []
        if rules.tenant:
            lefts += compare("tenant", rules.tenant, await self._spent(rules.tenant, tenant_id, None, today), now)
        own = await self.store.find(tenant_id, "user", user_id) if rules.some_users else None
        if quota := own or rules.each_user:
            lefts += compare("user", quota, await self._spent(quota, tenant_id, user_id, today), now)
        own = await self.store.find(tenant_id, "session", session.id) if session and rules.some_sessions else None
        if quota := own or rules.each_session:
            used = await self.usage.sum_session(tenant_id, session.id) if session else NOTHING_USED
            lefts += compare("session", quota, Spent(life=used), now)
        return lefts

    async def _spent(self, quota: Quota, tenant_id: UUID, user_id: UUID | None, today: int) -> Spent:
        return await self.sums.add_up(tenant_id, user_id, today, with_month=quota.month is not None)

    async def set(self, tenant_id: UUID, kind: QuotaKind, subject_id: UUID | None, quota: Quota) -> None:
        """Set a quota instead of the one before."""
        await self.store.set(tenant_id, kind, subject_id, quota)
        self.hear_quota(tenant_id)

    async def delete(self, tenant_id: UUID, kind: QuotaKind, subject_id: UUID | None) -> bool:
        """Delete a quota; False when there is none."""
        deleted = await self.store.delete(tenant_id, kind, subject_id)
        self.hear_quota(tenant_id)
        return deleted

    async def measure(self, tenant_id: UUID, kind: QuotaKind, subject_id: UUID | None) -> Spent:
        """Tell what a tenant, a user or a session used so far."""
        if kind == "session":
            return Spent(life=await self.usage.sum_session(tenant_id, subject_id) if subject_id else NOTHING_USED)
        today = day_of(self.clock())
        return Spent(
            day=await self.usage.sum_days(tenant_id, user_id=subject_id, first=today, last=today),
            month=await self.usage.sum_days(tenant_id, user_id=subject_id, first=month_of(today), last=today),
        )

    async def _rules_of(self, tenant_id: UUID) -> QuotaRules:
        now = self.clock().timestamp()
        known = self.rules.get(tenant_id)
        if known is not None and known[0] > now:
            return known[1]
        heard = self.heard
        rules = await self.store.load_rules(tenant_id)
        if heard == self.heard:
            # Otherwise one was changed meanwhile, and these may be what they were before.
            if len(self.rules) >= REMEMBERED:
                self.rules.clear()
            self.rules[tenant_id] = (now + REMEMBER_S, rules)
        return rules

    def hear_quota(self, tenant_id: UUID) -> None:
        """A tenant's quotas were changed, here or on another server."""
        self.heard += 1
        self.rules.pop(tenant_id, None)


def compare(kind: QuotaKind, quota: Quota, spent: Spent, now: datetime) -> list[Left]:
    """What each limit of a quota leaves."""
    compared = []
    for period, allowance in quota.allowances():
        used: Used = getattr(spent, period)
        compared += [
            Left(
                kind=kind,
                period=period,
                measure=measure,
                limit=most,
                used=getattr(used, measure),
                resets_at=end_of(period, now),
            )
            for measure, most in allowance.limits()
        ]
    return compared


def end_of(period: QuotaPeriod, now: datetime) -> datetime | None:
    """When a day or a month ends, in UTC; a session's life has no end that could be told."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return midnight + timedelta(days=1)
    if period == "month":
        return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return None


WHOSE = {"tenant": "The tenant's", "user": "The user's", "session": "The session's"}
WHEN = {"day": " a day", "month": " a month", "life": ""}


def exceeded(left: Left, now: datetime) -> RateLimited:
    """The error of a quota that is used up."""
    text = f"{WHOSE[left.kind]} quota of {write_amount(left)}{WHEN[left.period]} is used up."
    if left.resets_at is None:
        text += " Begin a new session, or ask the operator for more."
        return RateLimited(text, code="quota_exceeded")
    text += f" It begins anew at {left.resets_at:%Y-%m-%dT%H:%M:%SZ}."
    return RateLimited(text, code="quota_exceeded", retry_after_s=(left.resets_at - now).total_seconds())


def write_amount(left: Left) -> str:
    """How much a quota allows, in words."""
    if left.measure == "cost_usd":
        return f"{left.limit:g} US dollars"
    return f"{left.limit:.0f} {left.measure}"
