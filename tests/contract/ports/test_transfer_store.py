"""The promises of TransferStore: a session that comes in is seen by nobody until it is whole, or it is erased."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from multiturn.errors import Conflict
from multiturn.model.archive import ArchivedRun
from multiturn.model.content import Summary
from multiturn.model.ids import new_id
from multiturn.model.item import Item, Range
from multiturn.model.listing import SessionFilter
from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.run import Run
from multiturn.model.session import Session
from multiturn.model.step import Step, ToolCall
from multiturn.model.usage import NOTHING_USED, Usage, UsageQuery, day_of
from multiturn.store.contexts import SqlContextStore
from multiturn.store.transfer import SqlTransferStore
from multiturn.store.usage import SqlUsageStore
from tests.contract.ports.filling import left
from tests.contract.ports.stores import Stores, said

MINUTE = timedelta(minutes=1)


def draft(stores: Stores, **fields: Any) -> Session:
    """A session of these items."""
    who = {"tenant_id": stores.tenant_id, "user_id": stores.user_id, "external_id": "chat"}
    times = {"created_at": stores.clock.now, "active_at": stores.clock.now}
    return Session(**{"id": new_id(), **who, **times, **fields})


def items_of(stores: Stores, session: Session) -> list[Item]:
    """Two items."""
    facts: Any = {"run_id": session.id, "created_at": stores.clock.now, "tokens": 1}
    return [Item(seq=seq, content=said(f"text {seq}"), **facts) for seq in (1, 2)]


def run_of(stores: Stores, session: Session, run_id: UUID) -> ArchivedRun:
    """A run that ended."""
    run = Run(
        id=run_id,
        tenant_id=stores.tenant_id,
        session_id=session.id,
        ticket=7,
        status="completed",
        model="m",
        created_at=stores.clock.now,
        ended_at=stores.clock.now,
        input_items=Range(1, 1),
        output_items=Range(2, 2),
        usage=Usage(input_tokens=5, output_tokens=7),
        reasoning=ReasoningOptions(effort="low"),
        cost_usd=0.25,
    )
    return ArchivedRun(
        run=run, steps=steps_of(stores), retrieved=RetrievedContext(query="q", block="b"), retrieved_at=1
    )


def steps_of(stores: Stores) -> tuple[Step, ...]:
    """What a run did."""
    call = ToolCall(call_id="c1", name="look", arguments="{}", source="desk", result="there", approved=True)
    return tuple(
        Step(number=number, started_at=stores.clock.now, calls=calls, usage=Usage(input_tokens=number))
        for number, calls in ((1, (call,)), (2, ()))
    )


async def stage(stores: Stores) -> tuple[SqlTransferStore, Session]:
    """Take a session in, all but its end."""
    transfer, session = SqlTransferStore(stores.database), draft(stores)
    await transfer.stage(session, stores.clock.now + MINUTE)
    runs = [run_of(stores, session, new_id())]
    await transfer.add(stores.tenant_id, session.id, items_of(stores, session), runs)
    return transfer, session


async def is_seen(stores: Stores, session: Session) -> bool:
    """Whether anybody finds a session, by its name, its id, or in a listing."""
    found = [await stores.sessions.find(stores.key(name), stores.clock()) for name in ("chat", "other")]
    found.append(await stores.sessions.find(stores.key(None, id=session.id), stores.clock()))
    for wanted in (SessionFilter(), SessionFilter(text="text"), SessionFilter(owner_id=stores.user_id)):
        page = await stores.sessions.list_sessions(stores.tenant_id, wanted, now=stores.clock(), limit=9)
        found += page.data
    return any(found)


async def test_session_is_seen_when_it_is_published(stores: Stores) -> None:
    transfer, session = await stage(stores)
    assert not await is_seen(stores, session)
    whole = draft(stores, id=session.id, head=2, path=(Range(1, 2),), metadata={"a": 1})
    pending = Summary(text="short", first=1, last=2)
    await transfer.publish([(whole, 7, pending)])
    assert await stores.session() == whole
    assert await SqlContextStore(stores.database).find_pending(stores.tenant_id, session.id) == pending
    listed = await transfer.list_runs(stores.tenant_id, session.id, after=0, limit=9)
    assert [(one.run.ticket, one.retrieved_at) for one in listed] == [(7, 1)]
    assert listed == [run_of(stores, session, listed[0].run.id)]
    assert await transfer.list_runs(stores.tenant_id, session.id, after=7, limit=9) == []
    begun = await stores.begin()
    assert begun.run.ticket == 8


async def test_runs_that_were_brought_in_used_nothing_here(stores: Stores) -> None:
    transfer, session = await stage(stores)
    await transfer.publish([(draft(stores, id=session.id, head=2, path=(Range(1, 2),)), 7, None)])
    usage, today = SqlUsageStore(stores.database), day_of(stores.clock())
    query = UsageQuery(first=today, last=today, by=frozenset({"session"}))
    assert await usage.list_usage(stores.tenant_id, query, limit=9) == []
    assert await usage.sum_session(stores.tenant_id, session.id) == NOTHING_USED


async def test_session_that_nobody_holds_is_erased(stores: Stores) -> None:
    transfer, session = await stage(stores)
    stores.clock.pass_(seconds=59)
    await stores.retention.retire_expired(stores.clock(), limit=9)
    await transfer.renew(stores.tenant_id, [session.id], stores.clock.now + MINUTE)
    stores.clock.pass_(seconds=59)
    await stores.retention.retire_expired(stores.clock(), limit=9)
    assert (await left(stores, session.id))["items"] == 2
    stores.clock.pass_(seconds=1)
    await stores.retention.retire_expired(stores.clock(), limit=9)
    await stores.erase()
    assert not any((await left(stores, session.id)).values())
    with pytest.raises(Conflict):
        await transfer.add(stores.tenant_id, session.id, items_of(stores, session), [])
    with pytest.raises(Conflict):
        await transfer.publish([(draft(stores, id=session.id), 0, None)])


async def test_one_session_that_is_gone_keeps_all_hidden(stores: Stores) -> None:
    transfer, session = await stage(stores)
    other = draft(stores, external_id="other")
    await transfer.stage(other, stores.clock.now + MINUTE)
    await transfer.drop(stores.tenant_id, [other.id])
    with pytest.raises(Conflict):
        await transfer.publish([(session, 7, None), (other, 0, None)])
    assert not await is_seen(stores, session)


async def test_turn_takes_the_name_of_a_session_under_way(stores: Stores) -> None:
    transfer, session = await stage(stores)
    begun = await stores.begin()
    assert begun.session.id != session.id
    with pytest.raises(Conflict):
        await transfer.publish([(session, 7, None)])


async def test_name_that_is_taken_is_refused(stores: Stores) -> None:
    await stores.take()
    with pytest.raises(Conflict) as refused:
        await SqlTransferStore(stores.database).stage(draft(stores), stores.clock.now + MINUTE)
    assert refused.value.code == "session_exists"


async def test_other_tenants_runs_are_not_listed(stores: Stores) -> None:
    begun = await stores.take()
    transfer = SqlTransferStore(stores.database)
    assert len(await transfer.list_runs(stores.tenant_id, begun.session.id, after=0, limit=9)) == 1
    assert not await transfer.list_runs(new_id(), begun.session.id, after=0, limit=9)
