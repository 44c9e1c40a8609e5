"""Runs: the executions of turns."""

from __future__ import annotations

from multiturn_client import requests
from multiturn_client.asynchronous.streams import AsyncEvents
from multiturn_client.asynchronous.transport import AsyncTransport
from multiturn_client.contexts import Context, RetrievedContext
from multiturn_client.records import Run


class AsyncRuns:
    """Looks into turns that were taken: ``client.runs``. An answer has its run as ``run_id``.

    >>> answer = await session.ask("Hello")
    >>> (await client.runs.get(answer.run_id)).status
    'completed'
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, run_id: str) -> Run:
        """Get a run. Raises RunNotFoundError.

        >>> answer = await session.ask("Hello")
        >>> (await client.runs.get(answer.run_id)).finish_reason
        'stop'
        """
        return Run.read(await self._transport.send(requests.get("runs", run_id)))

    async def cancel(self, run_id: str) -> Run:
        """Cancel a run, wherever it is executed; the text said so far enters the history. One that has ended stays as
        it is. Raises RunNotFoundError.

        >>> async with session.stream("Hello") as stream:
        ...     run = await client.runs.cancel(stream.run_id)
        >>> run.status in ("cancelled", "completed")
        True
        """
        return Run.read(await self._transport.send(requests.post("runs", run_id, "cancel", is_repeatable=True)))

    def events(self, run_id: str, *, starting_after: int = 0) -> AsyncEvents:
        """Hear what happens in a run behind the event ``starting_after``, in a ``with`` block: while it runs, and for
        an hour after. Raises RunNotFoundError.

        >>> answer = await session.ask("Hello")
        >>> async with client.runs.events(answer.run_id, starting_after=1) as events:
        ...     [event.run.status async for event in events]
        ['completed']
        """
        asked = requests.events(run_id, after=starting_after)
        return AsyncEvents(self._transport, asked, run_id=run_id, after=starting_after)

    async def context(self, run_id: str) -> Context:
        """What the model was shown in a run, part by part. Raises RunNotFoundError.

        >>> answer = await session.ask("Hello")
        >>> [part.kind for part in (await client.runs.context(answer.run_id)).parts]
        ['input']
        """
        return Context.read(await self._transport.send(requests.get("runs", run_id, "context")))

    async def retrieved(self, run_id: str) -> RetrievedContext:
        """What was found for a run: shown to the model, or left out and why. Raises RunNotFoundError.

        >>> answer = await session.ask("Hello")
        >>> (await client.runs.retrieved(answer.run_id)).snippets
        ()
        """
        return RetrievedContext.read(await self._transport.send(requests.get("runs", run_id, "retrieved-context")))
