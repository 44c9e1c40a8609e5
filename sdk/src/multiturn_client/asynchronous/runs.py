"""Runs: the executions of turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from multiturn_client import requests
from multiturn_client.asynchronous.pages import AsyncPages
from multiturn_client.asynchronous.streams import AsyncEvents
from multiturn_client.asynchronous.transport import AsyncTransport
from multiturn_client.contexts import Context, RetrievedContext
from multiturn_client.pages import PageRequest, read_page
from multiturn_client.records import Run
from multiturn_client.steps import Step


class AsyncRuns:
    """Looks into turns that were taken: ``client.runs``. An answer has its run as ``run_id``.

    >>> answer = await session.ask("Hello")
    >>> (await client.runs.get(answer.run_id)).status
    'completed'
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        status: Literal["waiting", "completed", "incomplete", "failed", "cancelled"] | None = None,
        agent_id: str | None = None,
        limit: int | None = None,
    ) -> AsyncPages[Run]:
        """List runs of all sessions that the key sees, the newest first, ``limit`` a page (1 to 100, default 20): those
        of a status, those that an agent answered. Raises AgentNotFoundError.

        >>> answer = await session.ask("Hello")
        >>> [run.id == answer.run_id async for run in client.runs.list(status="completed")]
        [True]
        """
        asked = requests.get("runs", status=status, agent_id=agent_id, limit=limit)
        return AsyncPages(self._transport, PageRequest(request=asked, cursor="cursor"), Run.read)

    async def steps(self, run_id: str) -> Sequence[Step]:
        """What a run did, step by step, with the whole results of its tools; also while it runs. A run of one step
        without tools of the server has none. Raises RunNotFoundError.

        >>> session = await client.sessions.create(agent_id=(await client.agents.create("Guide", tools=[trains])).id)
        >>> answer = await session.ask("Is there a train?")
        >>> [call.result for step in await client.runs.steps(answer.run_id) for call in step.calls]
        ['IC 522, 9:30']
        """
        return read_page(await self._transport.send(requests.get("runs", run_id, "steps")), Step.read).data

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
