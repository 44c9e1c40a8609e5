"""What runs of agents did, and what waits in them for a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from multiturn_client.record import Record
from multiturn_client.records import Run, Usage


@dataclass(frozen=True, kw_only=True)
class StepCall(Record):
    """A tool that was called in a step.

    ``source`` is ``knowledge``, or the label of an MCP server or HTTP API; ``arguments`` the text that the model wrote.
    ``result`` is all that the tool said, ``shown`` what the model was told instead where that was too long.
    ``approved`` is None where nobody was asked.

    >>> session = client.sessions.create(agent_id=client.agents.create("Guide", tools=[trains]).id)
    >>> call = client.runs.steps(session.ask("Is there a train?").run_id)[0].calls[0]
    >>> call.name, call.source, call.result
    ('trains__find', 'trains', 'IC 522, 9:30')
    """

    call_id: str = ""
    name: str = ""
    arguments: str = ""
    source: str = ""
    result: str | None = None
    shown: str | None = None
    is_error: bool = False
    duration_ms: float | None = None
    approved: bool | None = None
    reason: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Step(Record):
    """One call of the model in a run, numbered from 1, and the tools that it called, in its order.

    >>> session = client.sessions.create(agent_id=client.agents.create("Guide", tools=[trains]).id)
    >>> steps = client.runs.steps(session.ask("Is there a train?").run_id)
    >>> [(step.number, len(step.calls), step.finish_reason) for step in steps]
    [(1, 1, 'tool_calls'), (2, 0, 'stop')]
    """

    number: int = 0
    started_at: datetime | None = None
    duration_ms: float = 0.0
    text: str = ""
    reasoning: str = ""
    calls: tuple[StepCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, kw_only=True)
class WaitingCall(Record):
    """A call that waits for a person's word.

    >>> waiting = WaitingCall(call_id="call_1", name="trains__book", arguments='{"train": "IC 522"}', source="trains")
    >>> waiting.name
    'trains__book'
    """

    call_id: str = ""
    name: str = ""
    arguments: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class RunApprovals(Record):
    """What waits in a ``run``: ``data`` are the calls of which nothing was said yet, since ``asked_at``. From
    ``expires_at`` on nobody's word is a no.

    >>> client.approvals.get(session.ask("Hello").run_id).data
    ()
    """

    run: Run = field(default_factory=Run)
    data: tuple[WaitingCall, ...] = ()
    asked_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ShownTool(Record):
    """A tool as a model is told of it.

    ``type`` is function (your application executes it), knowledge, mcp or openapi; ``source`` the label of the MCP
    server or HTTP API, which calls the tool ``own_name``.

    >>> agent = client.agents.create("Guide", tools=[trains])
    >>> [(tool.name, tool.needs_approval) for tool in client.agents.tools(agent.id).data]
    [('trains__book', True), ('trains__find', False)]
    """

    name: str = ""
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    type: str = "function"
    source: str | None = None
    own_name: str | None = None
    needs_approval: bool = False


@dataclass(frozen=True, kw_only=True)
class MissingSource(Record):
    """An MCP server or HTTP API whose tools are not there now, and why.

    >>> MissingSource(label="weather", reason="It cannot be reached.").label
    'weather'
    """

    label: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class AgentTools(Record):
    """What a model would be shown of an agent's tools now, and the sources that are ``missing``.

    >>> client.agents.tools(client.agents.create("Guide").id)
    AgentTools(data=(), missing=())
    """

    data: tuple[ShownTool, ...] = ()
    missing: tuple[MissingSource, ...] = ()
