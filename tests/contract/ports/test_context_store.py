"""Summaries and the index of what was said: saved beside a clear, a delete or an erasure they leave nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from multiturn.model.content import Summary
from multiturn.model.item import Range
from multiturn.model.retrieved import StoredSegment
from multiturn.model.session import Session
from multiturn.store.contexts import SqlContextStore
from multiturn.store.database import Transaction
from multiturn.store.erasure import erase_next
from multiturn.store.postgres import PostgresDatabase
from multiturn.store.sessions import remove_session
from tests.contract.ports.filling import left
from tests.contract.ports.stores import Stores

# Longer than a statement takes that waits for nobody.
NOTICE_S = 0.3
SEGMENT = StoredSegment(first=1, last=2, model=None, body=b"secret index")
Save = Callable[[SqlContextStore, Session], Coroutine[Any, Any, None]]


def summary_of(last: int, text: str = "secret") -> Summary:
    return Summary(text=text, first=1, last=last, model="m")


async def save_summary(contexts: SqlContextStore, session: Session) -> None:
    await contexts.save_pending(session.tenant_id, session.id, summary_of(2))


async def save_segment(contexts: SqlContextStore, session: Session) -> None:
    await contexts.save_segment(session.tenant_id, session.id, SEGMENT)


async def save_vectors(contexts: SqlContextStore, session: Session) -> None:
    await contexts.save_vectors(session.tenant_id, session.id, replace(SEGMENT, model="e"))


async def make_session(stores: Stores, *, turns: int = 1) -> Session:
    """A session with some turns of two items."""
    for _ in range(turns):
        await stores.take()
    return await stores.session()


async def take_away(stores: Stores, session: Session, kind: str) -> None:
    """Clear or delete a session, and erase what was in it."""
    if kind == "clear":
        await stores.sessions.clear(stores.tenant_id, session.id, stores.clock())
    else:
        await stores.sessions.delete(stores.tenant_id, session.id)
    await stores.erase()


class OpenDatabase(PostgresDatabase):
    """A database whose transactions stay open at their end until they may be stored."""

    def __init__(self, url: str) -> None:
        super().__init__(url, connections_max=2)
        self.is_done = asyncio.Event()
        self.may_end = asyncio.Event()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Any]:
        async with super().transaction() as tx:
            yield tx
            self.is_done.set()
            await self.may_end.wait()


@pytest.fixture
def contexts(stores: Stores) -> SqlContextStore:
    return SqlContextStore(stores.database)


async def test_summary_that_covers_less_replaces_none(stores: Stores, contexts: SqlContextStore) -> None:
    session = await make_session(stores, turns=3)
    for last in (2, 6, 4):
        await contexts.save_pending(stores.tenant_id, session.id, summary_of(last))
    assert await contexts.find_pending(stores.tenant_id, session.id) == summary_of(6)
    await contexts.save_pending(stores.tenant_id, session.id, summary_of(6, "better"))
    assert await contexts.find_pending(stores.tenant_id, session.id) == summary_of(6, "better")


async def test_summary_of_a_left_branch_is_replaced(stores: Stores, contexts: SqlContextStore) -> None:
    session = await make_session(stores, turns=3)
    await contexts.save_pending(stores.tenant_id, session.id, summary_of(6))
    begun = await stores.begin()
    await stores.end(begun, path=(Range(1, 4), Range(7, 8)))
    await contexts.save_pending(stores.tenant_id, session.id, summary_of(4))
    assert await contexts.find_pending(stores.tenant_id, session.id) == summary_of(4)


@pytest.mark.parametrize("kind", ["clear", "delete"])
@pytest.mark.parametrize("save", [save_summary, save_segment, save_vectors])
async def test_what_is_gone_gets_nothing(stores: Stores, contexts: SqlContextStore, save: Save, kind: str) -> None:
    session = await make_session(stores)
    await take_away(stores, session, kind)
    await save(contexts, session)
    kept = await left(stores, session.id)
    assert not {"pending", "segments"} & kept.keys()


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["clear", "delete"])
@pytest.mark.parametrize("save", [save_summary, save_segment, save_vectors])
async def test_open_save_leaves_nothing_behind(postgres: PostgresDatabase, save: Save, kind: str) -> None:
    stores = Stores(postgres)
    session = await make_session(stores)
    if save is save_vectors:
        await save_segment(SqlContextStore(postgres), session)
    other = OpenDatabase(postgres.url)
    await other.pool.open()
    saving = asyncio.create_task(save(SqlContextStore(other), session))
    await other.is_done.wait()
    taking = asyncio.create_task(take_away(stores, session, kind))
    await asyncio.sleep(NOTICE_S)
    other.may_end.set()
    await asyncio.gather(saving, taking)
    await other.close()
    assert not {"pending", "segments", "items"} & (await left(stores, session.id)).keys()


async def clear_within(tx: Transaction, session: Session) -> None:
    """What a clear does first: the session is held, and what was in it is cleared."""
    who = {"tenant_id": session.tenant_id, "id": session.id}
    await tx.fetch_one("lock_session_by_id", who)
    await tx.execute("clear_session", {**who, "settings": None, "now": 0})
    await tx.execute("drop_pending_summary", {"tenant_id": session.tenant_id, "session_id": session.id})


async def delete_within(tx: Transaction, session: Session) -> None:
    await remove_session(tx, session.tenant_id, session.id)


async def erase_within(tx: Transaction, session: Session) -> None:
    """All of an erasure, which takes several transactions otherwise."""
    await remove_session(tx, session.tenant_id, session.id)
    while await erase_next(tx, limit=100):
        pass


Taking = Callable[[Transaction, Session], Coroutine[Any, Any, None]]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("save", "take"),
    [(save_summary, clear_within), (save_summary, delete_within), (save_segment, erase_within)],
)
async def test_save_waits_for_what_goes(
    postgres: PostgresDatabase, second_postgres: PostgresDatabase, save: Save, take: Taking
) -> None:
    stores = Stores(postgres)
    session = await make_session(stores)
    async with postgres.transaction() as tx:
        await take(tx, session)
        saving = asyncio.create_task(save(SqlContextStore(second_postgres), session))
        await asyncio.sleep(NOTICE_S)
        assert not saving.done()
    await saving
    assert not {"pending", "segments"} & (await left(stores, session.id)).keys()
