"""Runs: the executions of turns."""

from __future__ import annotations

from multiturn_client import requests
from multiturn_client.contexts import Context, RetrievedContext
from multiturn_client.records import Run
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
