"""The promises of ApprovalStore: what waits holds no lease, keeps its session, and goes on once, at one server."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from multiturn.errors import Conflict, NotFound, TurnConflict
from multiturn.model.event import EventBatch
from multiturn.model.ids import new_id
from multiturn.model.step import Step, ToolCall
from multiturn.model.turn import Begun, Decision, TakenUp, Waiting
from multiturn.store.approvals import SqlApprovalStore
from tests.contract.ports.stores import Stores

ONE, TWO = ToolCall(call_id="one", name="desk__a", arguments="{}"), ToolCall(call_id="two", name="desk__b")
YES, NO = Decision(call_id="one", approved=True), Decision(call_id="two", approved=False, reason="No.")


@pytest.fixture
def approvals(stores: Stores) -> SqlApprovalStore:
    """The store of runs that wait."""
    return SqlApprovalStore(stores.database)


async def wait(stores: Stores, approvals: SqlApprovalStore, *calls: ToolCall) -> Begun:
    """A run that waits for a word about calls."""
    begun = await stores.begin()
    now = stores.clock()
    waiting = Waiting(
        asked_at=now,
        expires_at=now + timedelta(hours=1),
        calls=calls or (ONE,),
        state=b"\x00state",
        steps=[Step(number=1, started_at=now, text="May I?")],
        events=(EventBatch(first=1, body="~{}"),),
    )
    assert begun.lease
    await approvals.wait(stores.tenant_id, begun.lease, waiting)
    return begun


async def decide(stores: Stores, approvals: SqlApprovalStore, begun: Begun, *words: Decision) -> TakenUp | None:
    """Say something about the calls of a run, at another server."""
    return await approvals.take_up(stores.tenant_id, begun.run.id, words, server_id=stores.server_id)


async def give_up(stores: Stores, approvals: SqlApprovalStore, begun: Begun) -> TakenUp | None:
    """Take a run up to end it."""
    return await approvals.give_up(stores.tenant_id, begun.run.id, server_id=stores.server_id)


async def test_run_that_waits_holds_no_lease_and_keeps_its_session(stores: Stores, approvals: SqlApprovalStore) -> None:
    begun = await wait(stores, approvals)
    assert (await stores.run(begun)).status == "waiting"
    session = await stores.session()
    assert (session.run_id, session.waiting_run_id) == (None, begun.run.id)
    for concurrency in ("queue", "reject", "interrupt"):
        with pytest.raises(Conflict) as refused:
            await stores.begin(text="another", concurrency=concurrency)
        assert refused.value.code == "run_waiting"
        assert str(begun.run.id) in refused.value.message


async def test_what_was_done_before_is_stored(stores: Stores, approvals: SqlApprovalStore) -> None:
    begun = await wait(stores, approvals)
    steps = await stores.runs.list_steps(stores.tenant_id, [begun.run.id])
    assert [step.text for step in steps[begun.run.id]] == ["May I?"]
    events = await stores.runs.list_events(stores.tenant_id, begun.run.id, after=0)
    assert [batch.body for batch in events] == ["~{}"]


async def test_run_goes_on_when_nothing_waits_any_more(stores: Stores, approvals: SqlApprovalStore) -> None:
    begun = await wait(stores, approvals, ONE, TWO)
    first = await decide(stores, approvals, begun, YES)
    assert first is not None
    assert (first.begun, first.calls) == (None, (TWO,))
    found = await approvals.find(stores.tenant_id, begun.run.id)
    assert found is not None
    assert (found.calls, found.decisions) == ((TWO,), (YES,))
    taken = await decide(stores, approvals, begun, NO)
    assert taken is not None
    assert taken.begun is not None
    assert taken.begun.lease is not None
    assert begun.lease is not None
    assert (taken.state, taken.decisions) == (b"\x00state", (YES, NO))
    assert taken.begun.lease.fencing > begun.lease.fencing
    assert (await stores.run(begun)).status == "in_progress"
    assert await approvals.find(stores.tenant_id, begun.run.id) is None
    await stores.end(taken.begun)
    assert (await stores.begin(text="next")).state == "running"


async def test_a_word_is_given_once(stores: Stores, approvals: SqlApprovalStore) -> None:
    begun = await wait(stores, approvals, ONE, TWO)
    await decide(stores, approvals, begun, YES)
    again = await decide(stores, approvals, begun, YES)
    assert again is not None
    assert again.calls == (TWO,)
    with pytest.raises(Conflict) as refused:
        await decide(stores, approvals, begun, replace(YES, approved=False))
    assert refused.value.code == "approval_given"
    with pytest.raises(NotFound):
        await decide(stores, approvals, begun, replace(YES, call_id="nobody's"))
    await decide(stores, approvals, begun, NO)
    assert await decide(stores, approvals, begun, NO) is None


async def test_of_two_who_say_the_last_word_one_takes_the_run_up(stores: Stores, approvals: SqlApprovalStore) -> None:
    begun = await wait(stores, approvals)
    both = await asyncio.gather(decide(stores, approvals, begun, YES), decide(stores, approvals, begun, YES))
    assert sum(one is not None for one in both) == 1


async def test_waiting_needs_the_lease(stores: Stores, approvals: SqlApprovalStore) -> None:
    begun = await stores.begin()
    assert begun.lease
    now = stores.clock()
    waiting = Waiting(asked_at=now, expires_at=now, calls=(ONE,), state=b"")
    lost = replace(begun.lease, fencing=begun.lease.fencing - 1)
    with pytest.raises(TurnConflict):
        await approvals.wait(stores.tenant_id, lost, waiting)
    assert await approvals.find(stores.tenant_id, begun.run.id) is None
    assert (await stores.run(begun)).status == "in_progress"


async def test_run_can_be_taken_up_to_end_it(stores: Stores, approvals: SqlApprovalStore) -> None:
    begun = await wait(stores, approvals, ONE, TWO)
    taken = await give_up(stores, approvals, begun)
    assert taken is not None
    assert taken.begun is not None
    assert taken.state == b"\x00state"
    assert await give_up(stores, approvals, begun) is None


async def test_runs_that_waited_too_long_are_listed(stores: Stores, approvals: SqlApprovalStore) -> None:
    begun = await wait(stores, approvals)
    now = stores.clock()
    assert (stores.tenant_id, begun.run.id) not in await approvals.list_expired(now, limit=10)
    late = await approvals.list_expired(now + timedelta(hours=2), limit=10)
    assert (stores.tenant_id, begun.run.id) in late


async def test_of_a_session_that_is_gone_nothing_waits(stores: Stores, approvals: SqlApprovalStore) -> None:
    begun = await wait(stores, approvals)
    await stores.sessions.delete(stores.tenant_id, begun.session.id)
    assert await approvals.find(stores.tenant_id, begun.run.id) is None
    assert await decide(stores, approvals, begun, YES) is None
    assert await approvals.find(new_id(), begun.run.id) is None


async def test_clearing_a_session_ends_the_waiting(stores: Stores, approvals: SqlApprovalStore) -> None:
    begun = await wait(stores, approvals)
    await stores.sessions.clear(stores.tenant_id, begun.session.id, stores.clock())
    assert await decide(stores, approvals, begun, YES) is None
    assert (await stores.begin(text="next")).state == "running"


async def test_session_with_a_run_that_waits_does_not_expire(stores: Stores, approvals: SqlApprovalStore) -> None:
    begun = await stores.begin(expiry_s=5)
    now = stores.clock()
    assert begun.lease
    waiting = Waiting(asked_at=now, expires_at=now + timedelta(hours=1), calls=(ONE,), state=b"")
    await approvals.wait(stores.tenant_id, begun.lease, waiting)
    await stores.retention.retire_expired(now + timedelta(minutes=5), limit=10)
    assert await approvals.find(stores.tenant_id, begun.run.id) is not None
