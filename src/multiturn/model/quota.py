"""Quotas: how much a tenant, a user or a session may use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

QuotaKind = Literal["tenant", "user", "session"]
QuotaPeriod = Literal["day", "month", "life"]
Measure = Literal["turns", "tokens", "cost_usd"]
MEASURES: tuple[Measure, ...] = ("turns", "tokens", "cost_usd")
PERIODS: Mapping[QuotaKind, tuple[QuotaPeriod, ...]] = {
    "tenant": ("day", "month"),
    "user": ("day", "month"),
    "session": ("life",),
}
"""Which periods a quota of each kind has."""


class Allowance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much may be used; None is any amount."""

    turns: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None

    def limits(self) -> Iterator[tuple[Measure, float]]:
        """What is limited, and to how much."""
        for measure in MEASURES:
            most = getattr(self, measure)
            if most is not None:
                yield measure, most


class Quota(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What may be used on a day and in a month (both in UTC), or in all of a session's life."""

    day: Allowance | None = None
    month: Allowance | None = None
    life: Allowance | None = None

    def allowances(self) -> Iterator[tuple[QuotaPeriod, Allowance]]:
        """The periods that are limited."""
        for period, allowance in (("day", self.day), ("month", self.month), ("life", self.life)):
            if allowance is not None:
                yield period, allowance  # type: ignore[misc]


class StoredQuota(Struct, frozen=True, kw_only=True):
    """A quota and whose it is. ``subject_id`` is None for one that is for each user or session without one of its own.

    ``user`` is the name of the user that it is for.
    """

    kind: QuotaKind
    subject_id: UUID | None
    quota: Quota
    user: str | None = None


class QuotaRules(Struct, frozen=True, kw_only=True):
    """The quotas of a tenant at a glance: its own, those of each user and session, and whether some have their own."""

    tenant: Quota | None = None
    each_user: Quota | None = None
    each_session: Quota | None = None
    some_users: bool = False
    some_sessions: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is limited."""
        return self == NO_RULES


NO_RULES = QuotaRules()


class Left(Struct, frozen=True, kw_only=True):
    """What is left of one measure: of the quotas that limit it, by the one with the least left."""

    kind: QuotaKind
    period: QuotaPeriod
    measure: Measure
    limit: float
    used: float
    resets_at: datetime | None = None

    @property
    def remaining(self) -> float:
        """How much is left; never less than nothing."""
        return max(0, self.limit - self.used)
