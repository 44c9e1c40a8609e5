"""Usage in the native API: what was used when, by whom, with which model, and by one session."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any, cast, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate, check_id
from multiturn.api.errors import write_response
from multiturn.api.limits import read_limit
from multiturn.api.native.query import read_choice
from multiturn.api.native.usage_wire import DATE_PATTERN, SessionUsageBody, UsageReportBody, UsageRowBody, UsedBody
from multiturn.api.services import Services
from multiturn.api.session_names import session_key
from multiturn.engine.usage import DAYS_MAX, SESSION_DAYS_MAX, UsageReport
from multiturn.errors import InvalidRequest
from multiturn.model.tenant import Caller
from multiturn.model.usage import EPOCH_DAY, Grouping, Period, UsageQuery, UsageRow, Used, date_of

ROWS, ROWS_MAX = 1000, 10_000
# What is shown where nobody says from when: so many days, or months.
DAYS, MONTHS = 30, 12
PERIODS: tuple[Period, ...] = ("day", "month", "none")
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
DATE = re.compile(DATE_PATTERN, re.ASCII)


class UsageRoutes:
    """What was used."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        return [
            Route(f"{base}/usage", self.list_usage, methods=["GET"]),
            Route(f"{base}/sessions/{{session_id}}/usage", self.get_session_usage, methods=["GET"]),
        ]

    async def list_usage(self, request: Request) -> Response:
        """What was used in a stretch of days, told apart as the query asks."""
        caller = await authenticate(self.services, request)
        limit = read_limit(request, default=ROWS, maximum=ROWS_MAX)
        query = await self._read_query(request, caller)
        return write_response(render_report(await self.services.usage.report(caller, query, limit=limit)))

    async def get_session_usage(self, request: Request) -> Response:
        """What one session used in all its life."""
        caller = await authenticate(self.services, request)
        session = await self.services.sessions.get(session_key(caller, request.path_params["session_id"]))
        used = await self.services.usage.store.sum_session(session.tenant_id, session.id)
        return write_response(SessionUsageBody(session_id=str(session.id), **render_used(used)))

    async def _read_query(self, request: Request, caller: Caller) -> UsageQuery:
        """What is asked. Raises InvalidRequest, and NotFound for a user or a session that is not there."""
        asked = request.query_params
        period = cast(Period, read_choice(request, "period", PERIODS))
        last = read_day(request, "to")
        last = self.services.usage.today() if last is None else last
        first = read_day(request, "from")
        user, session, model = asked.get("user"), asked.get("session"), asked.get("model")
        by = read_groupings(request)
        if first is None:
            most = SESSION_DAYS_MAX if "session" in by else DAYS_MAX
            first = max(default_first(last, period), last - most + 1, 0)
        return UsageQuery(
            first=first,
            last=last,
            period=period,
            by=by,
            user_id=None if user is None else (await self.services.users.get(caller, check_id(user, "user"))).id,
            session_id=None if session is None else (await self.services.sessions.get(session_key(caller, session))).id,
            model=None if model is None else check_id(model, "model"),
        )


def read_day(request: Request, name: str) -> int | None:
    """A parameter that is a date, in days since 1970. Raises InvalidRequest."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        day = date.fromisoformat(text) if DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or day < EPOCH_DAY:
        raise InvalidRequest(f"'{name}' must be a date from 1970 on, as 2026-11-21; it is '{text[:40]}'.", param=name)
    return (day - EPOCH_DAY).days


def default_first(last: int, period: Period) -> int:
    """The first day where none is named: a month back, or a year of whole months."""
    if period != "month":
        return last - DAYS + 1
    first = date_of(last).replace(day=1)
    for _ in range(MONTHS - 1):
        first = (first - timedelta(days=1)).replace(day=1)
    return (first - EPOCH_DAY).days


def read_groupings(request: Request) -> frozenset[Grouping]:
    """What is to be told apart: names with commas between them, or the parameter several times.

    Raises InvalidRequest.
    """
    given = [name for text in request.query_params.getlist("group_by") for name in text.split(",") if name]
    for name in given:
        if name not in GROUPINGS:
            text = f"'group_by' must be of {', '.join(GROUPINGS)}; it holds '{name[:40]}'."
            raise InvalidRequest(text, param="group_by")
    return cast(frozenset[Grouping], frozenset(given))


def render_report(report: UsageReport) -> UsageReportBody:
    """A report."""
    query = report.query
    return UsageReportBody(
        first=str(date_of(query.first)),
        last=str(date_of(query.last)),
        period=query.period,
        group_by=[name for name in GROUPINGS if name in query.by],
        data=[render_row(row, query.period) for row in report.rows],
        total=UsedBody(**render_used(report.total)),
        has_more=report.has_more,
    )


def render_row(row: UsageRow, period: Period) -> UsageRowBody:
    """A row."""
    day = None if row.day is None else str(date_of(row.day))
    return UsageRowBody(
        period=day[:7] if day and period == "month" else day,
        user_id=str(row.user_id) if row.user_id else None,
        user=row.user,
        model=row.model,
        session_id=str(row.session_id) if row.session_id else None,
        **render_used(row.used),
    )


def render_used(used: Used) -> dict[str, Any]:
    """Tokens and money."""
    return {
        "turns": used.turns,
        "input_tokens": used.input_tokens,
        "cached_tokens": used.cached_tokens,
        "cache_write_tokens": used.cache_write_tokens,
        "output_tokens": used.output_tokens,
        "reasoning_tokens": used.reasoning_tokens,
        "cost_usd": used.cost_usd,
        "unpriced_turns": used.unpriced,
    }
