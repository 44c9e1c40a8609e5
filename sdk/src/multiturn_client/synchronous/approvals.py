"""Approvals: a person's word about calls that wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multiturn_client import requests
from multiturn_client.pages import PageRequest
from multiturn_client.records import Run
from multiturn_client.steps import RunApprovals
from multiturn_client.synchronous.pages import Pages
from multiturn_client.synchronous.transport import Transport
from multiturn_client.tools import Decision


class Approvals:
    """Lists what waits for a person's word, and gives it: ``client.approvals``.

    A run goes on when something was said of all its calls; who streams it hears it go on.

    >>> session = client.sessions.create(agent_id=(client.agents.create("Guide", tools=[trains])).id)
    >>> with session.stream("Book a seat") as stream:
    ...     for event in stream.events():
    ...         if event.step and event.step["type"] == "approval_asked":
    ...             run = client.approvals.approve(stream.run_id, reason="It is cheap.")
    >>> print(stream.answer)
    You said: Seat 12A is booked.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int | None = None) -> Pages[RunApprovals]:
        """List the runs that wait, of all sessions that the key sees, those that wait longest first; ``limit`` a page
        (1 to 100, default 20).

        >>> [waiting.run.id for waiting in client.approvals.list()]
        []
        """
        asked = requests.get("approvals", limit=limit)
        return Pages(self._transport, PageRequest(request=asked, cursor="cursor"), RunApprovals.read)

    def get(self, run_id: str) -> RunApprovals:
        """What waits in a run; nothing when it does not wait. Raises RunNotFoundError.

        >>> answer = session.ask("Hello")
        >>> client.approvals.get(answer.run_id).data
        ()
        """
        return RunApprovals.read(self._transport.send(requests.get("runs", run_id, "approvals")))

    def approve(self, run_id: str, call_id: str | None = None, *, reason: str | None = None) -> Run:
        """Let a call run, or all that wait. Raises ConflictError when the run does not wait, or when the call was
        denied before, RunNotFoundError, NotFoundError for a call that does not wait.

        >>> answer = session.ask("Hello")
        >>> client.approvals.approve(answer.run_id)
        Traceback (most recent call last):
        multiturn_client.errors.ConflictError: ...
        """
        return self._say(run_id, call_id, approved=True, reason=reason)

    def deny(self, run_id: str, call_id: str | None = None, *, reason: str | None = None) -> Run:
        """Do not let a call run, or all that wait; the model is told, with the ``reason``. Raises as ``approve`` does.

        >>> session = client.sessions.create(agent_id=(client.agents.create("Guide", tools=[trains])).id)
        >>> with session.stream("Book a seat") as stream:
        ...     for event in stream.events():
        ...         if event.step and event.step["type"] == "approval_asked":
        ...             run = client.approvals.deny(stream.run_id, event.step["call_id"], reason="Too expensive.")
        >>> print(stream.answer)
        You said: A person was asked whether this call may run, and said no. The reason: Too expensive.
        """
        return self._say(run_id, call_id, approved=False, reason=reason)

    def decide(self, run_id: str, decisions: Sequence[Decision]) -> Run:
        """Say of several calls of a run whether they may run. Raises as ``approve`` does.

        >>> answer = session.ask("Hello")
        >>> client.approvals.decide(answer.run_id, [{"call_id": "call_1", "approved": True}])
        Traceback (most recent call last):
        multiturn_client.errors.ConflictError: ...
        """
        return self._send(run_id, {"decisions": list(decisions)})

    def _say(self, run_id: str, call_id: str | None, *, approved: bool, reason: str | None) -> Run:
        word: dict[str, Any] = {"approved": approved}
        word |= {} if reason is None else {"reason": reason}
        return self._send(run_id, {"decisions": [{"call_id": call_id, **word}]} if call_id else word)

    def _send(self, run_id: str, body: dict[str, Any]) -> Run:
        return Run.read(self._transport.send(requests.post("runs", run_id, "approvals", body=body)))
