"""Runs in the native API, and their events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.limits import read_limit
from multiturn.api.native.query import as_number, read_number
from multiturn.api.native.render import render_events, render_run
from multiturn.api.native.run_filters import read_run_cursor, read_run_filter
from multiturn.api.native.runs_render import render_step
from multiturn.api.native.sessions import LIMIT, LIMIT_MAX
from multiturn.api.native.wire import EventBody, ListBody
from multiturn.api.services import Services
from multiturn.api.sse import EventStream
from multiturn.model.event import Ended, Event
from multiturn.model.ids import find_id
from multiturn.model.run import ENDED, Run


class RunRoutes:
    """Runs and their events, as they can be seen and managed."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        return [
            Route(f"{base}/runs", self.list_runs, methods=["GET"]),
            Route(f"{base}/runs/{{run_id}}", self.get_run, methods=["GET"]),
            Route(f"{base}/runs/{{run_id}}/steps", self.list_steps, methods=["GET"]),
            Route(f"{base}/runs/{{run_id}}/cancel", self.cancel_run, methods=["POST"]),
            Route(f"{base}/runs/{{run_id}}/events", self.list_events, methods=["GET"]),
        ]

    async def list_runs(self, request: Request) -> Response:
        """List runs of all sessions, newest first."""
        caller = await authenticate(self.services, request)
        limit = read_limit(request, default=LIMIT, maximum=LIMIT_MAX)
        wanted = await read_run_filter(self.services, caller, request)
        page = await self.services.run_listings.list_runs(caller, wanted, before=read_run_cursor(request), limit=limit)
        data = [render_run(run) for run in page.data]
        return write_response(ListBody(data=data, has_more=page.has_more, next=data[-1].id if page.has_more else None))

    async def list_steps(self, request: Request) -> Response:
        """What a run did, step by step."""
        run = await self._find_run(request)
        steps = (await self.services.runs.load_steps([run])).get(run.id, ())
        return write_response(ListBody(data=[render_step(step) for step in steps], has_more=False))

    async def get_run(self, request: Request) -> Response:
        """One run."""
        return write_response(render_run(await self._find_run(request)))

    async def cancel_run(self, request: Request) -> Response:
        """Cancel a run; the text said so far enters the history."""
        return write_response(render_run(await self.services.approvals.cancel(await self._find_run(request))))

    async def list_events(self, request: Request) -> ASGIApp:
        """The events of a run behind ``starting_after``: a JSON page of what has happened, or a stream until the run
        ends.
        """
        run = await self._find_run(request)
        last = request.headers.get("last-event-id")
        after = None if last is None else as_number(last, "Last-Event-ID")
        after = read_number(request, "starting_after") or after
        events = self.services.runs.follow(run, after=after or 0)
        if "text/event-stream" in request.headers.get("accept", ""):
            return EventStream(write_events(events), headers={"X-Run-Id": str(run.id)})
        return write_response(await self._collect(run, after or 0))

    async def _collect(self, run: Run, after: int) -> ListBody[EventBody]:
        """What has happened so far."""
        data: list[EventBody] = []
        async for event in self.services.runs.happened(run, after=after):
            data += render_events(event)
        is_over = bool(data) and data[-1].type == "end"
        last = data[-1].number if data else after
        return ListBody(data=data, has_more=not is_over and run.status not in ENDED, next=last)

    async def _find_run(self, request: Request) -> Run:
        caller = await authenticate(self.services, request)
        return await self.services.sessions.get_run(caller, find_id(request.path_params["run_id"]))


async def write_events(events: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
    """Events as frames with their number, so that a client that lost the connection says where to go on."""
    async with aclosing(events):
        async for event in events:
            yield b"".join(
                [
                    b"id: %d\nevent: %s\ndata: %s\n\n" % (body.number, body.type.encode(), msgspec.json.encode(body))
                    for body in render_events(event)
                ]
            )
            if isinstance(event, Ended):
                return
