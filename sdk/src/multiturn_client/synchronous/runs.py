"""Runs: the executions of turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from multiturn_client import requests
from multiturn_client.contexts import Context, RetrievedContext
from multiturn_client.pages import PageRequest, read_page
from multiturn_client.records import Run
from multiturn_client.steps import Step
from multiturn_client.synchronous.pages import Pages
from multiturn_client.synchronous.streams import Events
from multiturn_client.synchronous.transport import Transport


class Runs:
    """Looks into turns that were taken: ``client.runs``. An answer has its run as ``run_id``.

    >>> answer = session.ask("Hello")
    >>> client.runs.get(answer.run_id).status
    'completed'
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        status: Literal["waiting", "completed", "incomplete", "failed", "cancelled"] | None = None,
        agent_id: str | None = None,
        limit: int | None = None,
    ) -> Pages[Run]:
        """List runs of all sessions that the key sees, the newest first, ``limit`` a page (1 to 100, default 20): those
        of a status, those that an agent answered. Raises AgentNotFoundError.

        >>> answer = session.ask("Hello")
        >>> [run.id == answer.run_id for run in client.runs.list(status="completed")]
        [True]
        """
        asked = requests.get("runs", status=status, agent_id=agent_id, limit=limit)
        return Pages(self._transport, PageRequest(request=asked, cursor="cursor"), Run.read)

    def steps(self, run_id: str) -> Sequence[Step]:
        """What a run did, step by step, with the whole results of its tools; also while it runs. A run of one step
        without tools of the server has none. Raises RunNotFoundError.

        >>> session = client.sessions.create(agent_id=(client.agents.create("Guide", tools=[trains])).id)
        >>> answer = session.ask("Is there a train?")
        >>> [call.result for step in client.runs.steps(answer.run_id) for call in step.calls]
        ['IC 522, 9:30']
        """
        return read_page(self._transport.send(requests.get("runs", run_id, "steps")), Step.read).data

    def get(self, run_id: str) -> Run:
        """Get a run. Raises RunNotFoundError.

        >>> answer = session.ask("Hello")
        >>> client.runs.get(answer.run_id).finish_reason
        'stop'
        """
        return Run.read(self._transport.send(requests.get("runs", run_id)))

    def cancel(self, run_id: str) -> Run:
        """Cancel a run, wherever it is executed; the text said so far enters the history. One that has ended stays as
        it is. Raises RunNotFoundError.

        >>> with session.stream("Hello") as stream:
        ...     run = client.runs.cancel(stream.run_id)
        >>> run.status in ("cancelled", "completed")
        True
        """
        return Run.read(self._transport.send(requests.post("runs", run_id, "cancel", is_repeatable=True)))

    def events(self, run_id: str, *, starting_after: int = 0) -> Events:
        """Hear what happens in a run behind the event ``starting_after``, in a ``with`` block: while it runs, and for
        an hour after. Raises RunNotFoundError.

        >>> answer = session.ask("Hello")
        >>> with client.runs.events(answer.run_id, starting_after=1) as events:
        ...     [event.run.status for event in events]
        ['completed']
        """
        asked = requests.events(run_id, after=starting_after)
        return Events(self._transport, asked, run_id=run_id, after=starting_after)

    def context(self, run_id: str) -> Context:
        """What the model was shown in a run, part by part. Raises RunNotFoundError.

        >>> answer = session.ask("Hello")
        >>> [part.kind for part in client.runs.context(answer.run_id).parts]
        ['input']
        """
        return Context.read(self._transport.send(requests.get("runs", run_id, "context")))

    def retrieved(self, run_id: str) -> RetrievedContext:
        """What was found for a run: shown to the model, or left out and why. Raises RunNotFoundError.

        >>> answer = session.ask("Hello")
        >>> client.runs.retrieved(answer.run_id).snippets
        ()
        """
        return RetrievedContext.read(self._transport.send(requests.get("runs", run_id, "retrieved-context")))
