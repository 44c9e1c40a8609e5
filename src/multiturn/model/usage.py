"""What runs used: tokens and money, of one run and of many together."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from uuid import UUID

from msgspec import Struct

Period = Literal["day", "month", "none"]
Grouping = Literal["user", "model", "session"]

EPOCH_DAY = date(1970, 1, 1)


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens of one run as the provider counted them.

    ``cached_tokens`` are those of the input that a prefix cache held, ``cache_write_tokens`` those that were written
    into one and are billed for it; ``reasoning_tokens`` are those of the output that were thought and not said.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


class Used(Struct, frozen=True, kw_only=True):
    """What turns used together; ``unpriced`` are those of them without a known price, which ``cost_usd`` leaves out."""

    turns: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        """All tokens, in and out."""
        return self.input_tokens + self.output_tokens


NOTHING_USED = Used()


class Spender(Struct, frozen=True, kw_only=True):
    """Who used a model on a day (days since 1970, UTC)."""

    tenant_id: UUID
    user_id: UUID
    day: int
    model: str


class UsageQuery(Struct, frozen=True, kw_only=True):
    """Which usage is asked for, and how it is put together: days from ``first`` to ``last``, both included.

    ``user_id``, ``session_id`` and ``model`` ask for one of them only; ``by`` says what each row is of, beside its
    period.
    """

    first: int
    last: int
    period: Period = "day"
    by: frozenset[Grouping] = frozenset()
    user_id: UUID | None = None
    session_id: UUID | None = None
    model: str | None = None


class UsageRow(Struct, frozen=True, kw_only=True):
    """What was used in a period; of what was not asked to be told apart there is None.

    ``day`` is the first of the period, ``user`` the user's external id; the default user has none.
    """

    used: Used
    day: int | None = None
    user_id: UUID | None = None
    user: str | None = None
    session_id: UUID | None = None
    model: str | None = None


def use_of(usage: Usage | None, cost_usd: float | None) -> Used:
    """What one turn used."""
    usage = usage or Usage()
    return Used(
        turns=1,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost_usd=cost_usd or 0.0,
        unpriced=int(cost_usd is None),
    )


def add_up(parts: Iterable[Used]) -> Used:
    """What several used together."""
    every = tuple(parts)
    return Used(**{name: sum(getattr(one, name) for one in every) for name in Used.__struct_fields__})


def day_of(time: datetime) -> int:
    """The day of a time, in days since 1970, UTC."""
    return (time.astimezone(UTC).date() - EPOCH_DAY).days


def date_of(day: int) -> date:
    """The date of a day."""
    return EPOCH_DAY + timedelta(days=day)


def month_of(day: int) -> int:
    """The first day of a day's month."""
    return (date_of(day).replace(day=1) - EPOCH_DAY).days
