"""What was used: tokens and money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from multiturn_client.record import Record


@dataclass(frozen=True, kw_only=True)
class Used(Record):
    """What was used: ``turns`` that used a model, their tokens, and ``cost_usd`` of those that have a known price; the
    others are counted as ``unpriced_turns``. ``cached_tokens`` and ``cache_write_tokens`` are among the input,
    ``reasoning_tokens`` among the output.

    >>> answer = session.ask("Hello")
    >>> used = client.usage.of_session(session.id)
    >>> used.turns, used.output_tokens
    (1, 3)
    """

    turns: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float = 0.0
    unpriced_turns: int = 0


@dataclass(frozen=True, kw_only=True)
class UsageRow(Used):
    """What was used in a ``period`` (``2026-11-21``, or ``2026-11``) by a user, with a model, in a session; what was
    not asked to be told apart is None.

    >>> answer = session.ask("Hello", model="scripted")
    >>> [(row.model, row.turns) for row in client.usage.report(group_by=["model"]).data]
    [('scripted', 1)]
    """

    period: str | None = None
    user_id: str | None = None
    user: str | None = None
    model: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class UsageReport(Record):
    """What was used from the day ``first`` to the day ``last``, both included, in UTC; the newest period first, and in
    it what cost most. ``total`` is all of it.

    >>> answer = session.ask("Hello")
    >>> client.usage.report(period="none").total.turns
    1
    """

    first: str = ""
    last: str = ""
    period: str = "day"
    group_by: tuple[str, ...] = ()
    data: tuple[UsageRow, ...] = ()
    total: Used = field(default_factory=Used)
    has_more: bool = False

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Make one of a JSON object, whose days are called ``from`` and ``to``.

        >>> UsageReport.read({"from": "2026-11-01", "to": "2026-11-21"}).last
        '2026-11-21'
        """
        names = {"from": "first", "to": "last"}
        return super().read({names.get(name, name): value for name, value in body.items()})
