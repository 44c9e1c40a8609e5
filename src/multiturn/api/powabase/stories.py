"""Runs with all that belongs to them, read together: input, output, steps, and what was found for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from multiturn.api.powabase.render_run import Names, Story, list_chunks, render_diagnostics
from multiturn.api.services import Services
from multiturn.errors import NotFound
from multiturn.model.content import Content
from multiturn.model.item import Range
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.run import Run
from multiturn.model.session import Session


class Stories:
    """Reads runs."""

    def __init__(self, services: Services) -> None:
        self.services = services

    async def load(self, run: Run, *, output: Sequence[Content] | None = None) -> Story:
        """One run, with an output that is known already where it is given."""
        services = self.services
        said = await services.runs.load_output(run) if output is None else output
        steps = await services.runs.load_steps([run])
        live = services.runs.live.get(run.id)
        retrieved = live.retrieved if live and live.retrieved else (await services.contexts.read_run(run))[1]
        return Story(
            run=run,
            input=await self._load_input(run),
            output=said,
            steps=steps.get(run.id, ()),
            retrieved=retrieved,
        )

    async def _load_input(self, run: Run) -> Sequence[Content]:
        """What was asked: from the history, or from the run itself when it did not enter it."""
        if run.input_items is None:
            return run.input
        items = await self.services.runs.items.load(run.tenant_id, run.session_id, [run.input_items])
        return [item.content for item in items]

    async def list_session(self, session: Session, *, offset: int, limit: int) -> list[Story]:
        """A session's runs, oldest first, without what was found for them."""
        runs = await self.services.overviews.list_runs(session, offset=offset, limit=limit)
        steps = await self.services.runs.load_steps(runs)
        spans = [span for run in runs for span in (run.input_items, run.output_items) if span]
        items = await self.services.runs.items.load(session.tenant_id, session.id, join_spans(spans))
        said = {item.seq: item.content for item in items}
        return [
            Story(
                run=run,
                input=pick(said, run.input_items) or run.input,
                output=pick(said, run.output_items) or run.output,
                steps=steps.get(run.id, ()),
            )
            for run in runs
        ]

    async def show_context(self, run: Run, retrieved: RetrievedContext | None) -> list[dict[str, Any]]:
        """What was found for a run: how much of it there is first, then every piece, shown or not."""
        record, _ = await self.services.contexts.read_run(run)
        chunks = list_chunks(retrieved, await self.name_stores(run.tenant_id, [retrieved]), with_recalled=True)
        return [render_diagnostics(retrieved, record), *msgspec.to_builtins(chunks)]

    async def name_stores(self, tenant_id: UUID, found: Iterable[RetrievedContext | None]) -> Names:
        """What the knowledge stores are called that pieces are of; those that are gone have no name."""
        snippets = [one for retrieved in found if retrieved for one in retrieved.snippets]
        ids = {one.owner_id for one in snippets if one.owner_kind == "store" and one.owner_id}
        names: dict[UUID, str] = {}
        for id_ in ids:
            try:
                names[id_] = (await self.services.stores.get(tenant_id, id_)).name
            except NotFound:
                continue
        return names


def pick(said: dict[int, Content], span: Range | None) -> list[Content]:
    """The contents of a span."""
    return [said[seq] for seq in range(span.first, span.last + 1) if seq in said] if span else []


def join_spans(spans: Iterable[Range]) -> list[Range]:
    """Spans in their order, those that touch or overlap as one."""
    joined: list[Range] = []
    for span in sorted(spans, key=lambda one: one.first):
        if joined and span.first <= joined[-1].last + 1:
            joined[-1] = Range(joined[-1].first, max(joined[-1].last, span.last))
        else:
            joined.append(span)
    return joined
