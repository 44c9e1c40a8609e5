"""What waits for a person's word in the native API, and the word."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.limits import read_body, read_json_object, read_limit, read_struct
from multiturn.api.native.render import render_run
from multiturn.api.native.run_filters import read_run_cursor
from multiturn.api.native.runs_render import render_approvals
from multiturn.api.native.runs_wire import REASON_CHARS_MAX, DecisionsBody
from multiturn.api.native.sessions import LIMIT, LIMIT_MAX
from multiturn.api.native.wire import ListBody
from multiturn.api.services import Services
from multiturn.engine.metadata import check_text
from multiturn.errors import InvalidRequest
from multiturn.model.ids import find_id
from multiturn.model.run import Run
from multiturn.model.run_listing import EVERY_RUN
from multiturn.model.turn import Decision


class ApprovalRoutes:
    """Approvals: of all runs that a person sees, and of one."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        return [
            Route(f"{base}/approvals", self.list_waiting, methods=["GET"]),
            Route(f"{base}/runs/{{run_id}}/approvals", self.get_approvals, methods=["GET"]),
            Route(f"{base}/runs/{{run_id}}/approvals", self.decide, methods=["POST"]),
        ]

    async def list_waiting(self, request: Request) -> Response:
        """List the runs that wait, those that wait longest first."""
        caller = await authenticate(self.services, request)
        limit = read_limit(request, default=LIMIT, maximum=LIMIT_MAX)
        page = await self.services.run_listings.list_waiting(
            caller, EVERY_RUN, after=read_run_cursor(request), limit=limit
        )
        data = [render_approvals(one.run, one) for one in page.data]
        return write_response(
            ListBody(data=data, has_more=page.has_more, next=data[-1].run.id if page.has_more else None)
        )

    async def get_approvals(self, request: Request) -> Response:
        """What waits in a run."""
        run = await self._find_run(request)
        return write_response(render_approvals(run, await self.services.run_listings.find_waiting(run)))

    async def decide(self, request: Request) -> Response:
        """Say whether calls of a run may run."""
        run = await self._find_run(request)
        body = await read_body(request, bytes_max=self.services.body_bytes_max)
        read_json_object(body)
        decisions = await self._read_decisions(run, read_struct(body, DecisionsBody))
        return write_response(render_run(await self.services.approvals.decide(run, decisions)))

    async def _read_decisions(self, run: Run, body: DecisionsBody) -> Sequence[Decision]:
        """A person's words. Raises InvalidRequest, Conflict (``run_not_waiting``)."""
        check_decisions(body)
        if body.decisions is None:
            calls = await self.services.approvals.list_waiting(run)
            return [Decision(call_id=call.call_id, approved=bool(body.approved), reason=body.reason) for call in calls]
        return [Decision(call_id=one.call_id, approved=one.approved, reason=one.reason) for one in body.decisions]

    async def _find_run(self, request: Request) -> Run:
        caller = await authenticate(self.services, request)
        return await self.services.sessions.get_run(caller, find_id(request.path_params["run_id"]))


def check_decisions(body: DecisionsBody) -> None:
    """Raise InvalidRequest for words that are none, or that say two things."""
    if (body.decisions is None) == (body.approved is None):
        text = "Send either 'decisions' with a word about each call, or 'approved' (true or false) about all that wait."
        raise InvalidRequest(text, param="decisions")
    check_text(body.reason, "reason", chars_max=REASON_CHARS_MAX)
    if body.decisions is None:
        return
    if body.reason is not None:
        raise InvalidRequest("'reason' stands with 'approved'; a decision has its own.", param="reason")
    seen: set[str] = set()
    for index, one in enumerate(body.decisions):
        if one.call_id in seen:
            where = f"decisions[{index}].call_id"
            raise InvalidRequest(f"'{where}' is decided twice.", param=where)
        seen.add(one.call_id)
        check_text(one.reason, f"decisions[{index}].reason", chars_max=REASON_CHARS_MAX)
