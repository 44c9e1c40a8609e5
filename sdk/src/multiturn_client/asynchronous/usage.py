"""Usage: what was used when, by whom, with which model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

from multiturn_client import requests
from multiturn_client.asynchronous.transport import AsyncTransport
from multiturn_client.usage import UsageReport, Used


class AsyncUsageReports:
    """Tells what was used: ``client.usage``. A key that acts for one user is told of that user's usage.

    >>> answer = await session.ask("Hello")
    >>> (await client.usage.report()).total.turns
    1
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def report(
        self,
        *,
        first: date | str | None = None,
        last: date | str | None = None,
        period: Literal["day", "month", "none"] | None = None,
        group_by: Sequence[Literal["user", "model", "session"]] | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        model: str | None = None,
        limit: int | None = None,
    ) -> UsageReport:
        """What was used from the day ``first`` to ``last`` (in UTC; the last 30 days, or 12 months), by ``period``
        (default: day), told apart by ``group_by``; of one user, session or model; at most ``limit`` rows (1,000).
        Raises InvalidRequestError, UserNotFoundError, SessionNotFoundError.

        >>> answer = await session.ask("Hello")
        >>> report = await client.usage.report(period="month", group_by=["user", "session"])
        >>> [row.session_id == session.id for row in report.data]
        [True]
        """
        days = {"from": None if first is None else str(first), "to": None if last is None else str(last)}
        wanted = {"user": user_id, "session": session_id, "model": model, "limit": limit}
        by = ",".join(group_by) if group_by else None
        asked = requests.get("usage", **days, **wanted, period=period, group_by=by)
        return UsageReport.read(await self._transport.send(asked))

    async def of_session(self, session_id: str) -> Used:
        """What a session used in all its life, also before it was cleared. Raises SessionNotFoundError.

        >>> answer = await session.ask("Hello")
        >>> (await client.usage.of_session(session.id)).turns
        1
        """
        return Used.read(await self._transport.send(requests.get("sessions", session_id, "usage")))
