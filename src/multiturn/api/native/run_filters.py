"""Which runs a listing asks for."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from starlette.requests import Request

from multiturn.api.description import Parameter
from multiturn.api.parameters import NAME
from multiturn.api.services import Services
from multiturn.errors import InvalidRequest
from multiturn.model.ids import find_id
from multiturn.model.run import RunStatus
from multiturn.model.run_listing import RunFilter
from multiturn.model.tenant import Caller

STATUSES: Sequence[RunStatus] = (
    "queued",
    "in_progress",
    "waiting",
    "completed",
    "incomplete",
    "failed",
    "cancelled",
)
# Those on their way are a handful among all: only a session's list finds them without looking at everything.
SETTLED: Sequence[RunStatus] = STATUSES[2:]

OF_AGENT = Parameter(
    name="agent_id",
    place="query",
    schema=NAME,
    text="Those that this agent answered, by our id or its canonical name.",
)
STATUS = Parameter(
    name="status", place="query", schema={"type": "string", "enum": list(STATUSES)}, text="Those of this status."
)
SETTLED_STATUS = Parameter(
    name="status",
    place="query",
    schema={"type": "string", "enum": list(SETTLED)},
    text="Those of this status. What is on its way is found in its session.",
)
RUN_CURSOR = Parameter(
    name="cursor",
    place="query",
    schema={"type": "string", "format": "uuid"},
    text="`next` of the page before: those behind it.",
)


async def read_run_filter(
    services: Services, caller: Caller, request: Request, *, statuses: Sequence[RunStatus] = SETTLED
) -> RunFilter:
    """Which runs are listed. Raises InvalidRequest, NotFound for an agent that is not there."""
    agent = request.query_params.get("agent_id")
    return RunFilter(
        agent_id=None if agent is None else find_id(agent) or (await services.agents.get(caller, agent)).id,
        status=read_status(request, statuses),
    )


def read_status(request: Request, statuses: Sequence[RunStatus]) -> RunStatus | None:
    """The status that is asked for. Raises InvalidRequest."""
    wanted = request.query_params.get("status")
    if wanted is None:
        return None
    found = next((status for status in statuses if status == wanted), None)
    if found is None:
        text = f"'status' must be one of {', '.join(statuses)}; it is '{wanted[:40]}'."
        raise InvalidRequest(text, param="status")
    return found


def read_run_cursor(request: Request) -> UUID | None:
    """The run that the page before ended with. Raises InvalidRequest."""
    text = request.query_params.get("cursor")
    id_ = None if text is None else find_id(text)
    if text is not None and id_ is None:
        raise InvalidRequest("'cursor' must be the 'next' of the page before.", param="cursor")
    return id_
