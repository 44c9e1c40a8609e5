"""Turns in any order: whatever happens, the stores agree with a few lines that say how a session should be."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiturn.errors import TurnConflict
from multiturn.model.item import Range
from multiturn.model.turn import Begun
from multiturn.store.database import Database
from multiturn.store.sessions import lock_session
from tests.contract.ports.stores import Stores

NAMES = ("a", "b")
EXPIRY_S = 60
ACTS = ("begin", "begin", "begin", "begin elsewhere", "end", "end", "fail", "leave", "stale", "delete", "wait", "erase")
HISTORIES = st.lists(
    st.tuples(st.sampled_from(ACTS), st.sampled_from(NAMES), st.integers(0, 9)), min_size=12, max_size=60
)


@dataclass
class Model:
    """How a session should be: who holds it, who waits, and how much was said."""

    id: UUID
    active_at: datetime
    holder: Begun | None = None
    waiting: list[Begun] = field(default_factory=list)
    tickets: int = 0
    head: int = 0

    def has_expired(self, now: datetime) -> bool:
        return self.holder is None and self.active_at + timedelta(seconds=EXPIRY_S) <= now


class History:
    """Does the same to the stores and to the model, and compares them."""

    def __init__(self, database: Database) -> None:
        self.stores = Stores(database)
        self.elsewhere = self.stores.beside()
        self.models: dict[str, Model] = {}
        self.past: list[Begun] = []

    async def act(self, what: str, name: str, number: int) -> None:
        now = self.stores.clock()
        if (model := self.models.get(name)) and model.has_expired(now):
            del self.models[name]
            model = None
        match what:
            case "begin":
                await self._begin(self.stores, name, model)
            case "begin elsewhere":
                await self._begin(self.elsewhere, name, model)
            case "wait":
                self.stores.clock.pass_(seconds=number * 10)
            case "erase":
                await self.stores.retention.retire_expired(now, limit=10)
                await self.stores.erase(limit=3)
            case "stale" if self.past:
                await self._end_again(self.past[number % len(self.past)])
            case _ if model:
                await self._go_on(what, name, model, number)

    async def _begin(self, server: Stores, name: str, model: Model | None) -> None:
        begun = await server.begin(name, expiry_s=EXPIRY_S)
        if model is None:
            model = self.models[name] = Model(begun.session.id, server.clock())
        model.tickets += 1
        model.active_at = server.clock()
        assert (begun.session.id, begun.run.ticket) == (model.id, model.tickets)
        assert begun.session.head == model.head
        if model.holder is None:
            assert begun.lease
            model.holder = begun
        else:
            assert begun.state == "queued"
            assert begun.blocking_run_id == model.holder.run.id
            model.waiting.append(begun)

    async def _go_on(self, what: str, name: str, model: Model, number: int) -> None:
        stores, holder = self.stores, model.holder
        if what == "delete":
            assert await stores.sessions.delete(stores.tenant_id, model.id)
            del self.models[name]
            self.past += [holder] if holder else []
        elif what == "leave" and model.waiting:
            leaving = model.waiting.pop(number % len(model.waiting))
            assert await stores.turns.leave(stores.tenant_id, leaving.run.id, stores.failure(status="cancelled"))
        elif what in ("end", "fail") and holder:
            await (stores.end(holder) if what == "end" else stores.fail(holder))
            model.head += 2 if what == "end" else 0
            model.active_at = stores.clock()
            self.past.append(holder)
            model.holder = await stores.started(model.waiting.pop(0)) if model.waiting else None

    async def _end_again(self, begun: Begun) -> None:
        self.stores.clock.pass_(milliseconds=1)
        for ending in (self.stores.end(begun), self.stores.fail(begun)):
            try:
                await ending
            except TurnConflict:
                continue
            raise AssertionError("a lease that had ended was taken")

    async def compare(self) -> None:
        for name in NAMES:
            model = self.models.get(name)
            session = await self.stores.sessions.find(self.stores.key(name), self.stores.clock())
            if model is None or model.has_expired(self.stores.clock()):
                assert session is None
                continue
            assert session
            assert (session.id, session.head) == (model.id, model.head)
            assert session.run_id == (model.holder and model.holder.run.id)
            await self._compare_content(model)

    async def _compare_content(self, model: Model) -> None:
        stores = self.stores
        items = await stores.items.load(stores.tenant_id, model.id, [Range(1, 1000)])
        assert [item.seq for item in items] == list(range(1, model.head + 1))
        runs = (await stores.runs.list_runs(stores.tenant_id, model.id, before=None, limit=1000)).data
        assert [run.ticket for run in runs] == list(range(model.tickets, 0, -1))
        by_status = {status: [run.id for run in runs if run.status == status] for status in ("in_progress", "queued")}
        assert by_status["in_progress"] == ([model.holder.run.id] if model.holder else [])
        assert by_status["queued"] == [one.run.id for one in reversed(model.waiting)]
        async with stores.database.reading() as tx:
            locked = await lock_session(tx, stores.key(None, id=model.id))
        assert locked
        assert (locked.waiting, locked.tickets) == (len(model.waiting), model.tickets)


@settings(
    max_examples=30,
    deadline=None,
    database=None,
    # One database serves all histories: each has a tenant of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=HISTORIES)
async def test_any_history_is_kept_as_it_should_be(database: Database, history: list[tuple[str, str, int]]) -> None:
    course = History(database)
    await course.elsewhere.live()
    for what, name, number in history:
        await course.act(what, name, number)
        await course.compare()
