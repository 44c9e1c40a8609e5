"""The promises of TurnStore: one turn of a session at a time, in order, each whole in the history or absent from it."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from msgspec import Raw
from msgspec.structs import replace

from multiturn.errors import InvalidRequest, RateLimited, SessionBusy, TurnConflict
from multiturn.model.event import EventBatch
from multiturn.model.ids import new_id
from multiturn.model.item import Range
from multiturn.model.notice import Topic
from multiturn.model.run import RunError
from multiturn.model.turn import Begun
from multiturn.model.usage import Usage
from tests.contract.ports.stores import Stores, said, statuses, texts


async def test_of_racing_turns_one_runs(stores: Stores) -> None:
    begun = await asyncio.gather(*(stores.begin(text=str(n)) for n in range(10)))
    assert statuses(begun) == ["queued"] * 9 + ["running"]
    assert sorted(one.run.ticket for one in begun) == list(range(1, 11))
    assert len({one.session.id for one in begun}) == 1
    running = next(one for one in begun if one.lease)
    assert {one.blocking_run_id for one in begun if not one.lease} == {running.run.id}


async def test_queue_is_served_by_ticket(stores: Stores) -> None:
    running = await stores.begin()
    queued = [await stores.begin(text=str(n)) for n in range(4)]
    for ticket, waiting in enumerate(queued, start=2):
        assert waiting.run.ticket == ticket
        await stores.end(running)
        running = await stores.started(waiting)
        assert running.session.head == 2 * (ticket - 1)
    await stores.end(running)
    assert texts(await stores.history(await stores.session()))[::2] == ["hello", "0", "1", "2", "3"]


async def test_other_sessions_do_not_wait(stores: Stores) -> None:
    begun = await asyncio.gather(*(stores.begin(f"chat-{n}") for n in range(5)))
    assert statuses(begun) == ["running"] * 5
    assert {one.run.ticket for one in begun} == {1}


async def test_rejected_turn_stores_nothing(stores: Stores) -> None:
    running = await stores.begin()
    rejected = stores.order(text="no", concurrency="reject", expiry_s=5)
    with pytest.raises(SessionBusy):
        await stores.turns.begin(stores.tenant_id, rejected)
    assert await stores.runs.find(stores.tenant_id, rejected.run_id) is None
    await stores.end(running)
    assert (await stores.begin()).run.ticket == 2


async def test_rejecting_turn_takes_a_free_session(stores: Stores) -> None:
    await stores.take()
    assert (await stores.begin(concurrency="reject")).state == "running"


async def test_full_queue_refuses(stores: Stores) -> None:
    for _ in range(3):
        await stores.begin(queue_max=2)
    with pytest.raises(RateLimited) as refused:
        await stores.begin(queue_max=2)
    assert refused.value.retry_after_s


async def test_run_and_input_are_stored_first(stores: Stores) -> None:
    fields = {"temperature": Raw(b"0.5"), "tools": Raw(b"[1]"), "later": Raw(b'{"a": [1, 2.5, null]}')}
    begun = await stores.begin(text="remember", fields=fields, labels={"x-agent": "mine"}, model="gpt")
    assert await stores.run(begun) == begun.run
    assert begun.run.input == (said("remember"),)
    assert begun.run.settings == {"temperature": 0.5, "later": {"a": [1, 2.5, None]}}
    assert (begun.run.labels, begun.run.model, begun.run.status) == ({"x-agent": "mine"}, "gpt", "in_progress")
    assert begun.run.created_at == begun.run.started_at == stores.clock()


async def test_turn_not_to_be_stored_keeps_no_content(stores: Stores) -> None:
    begun = await stores.begin(is_stored=False, fields={"user": Raw(b'"me"')})
    stored = await stores.run(begun)
    assert (stored.input, stored.settings) == ((), {})
    await stores.fail(begun, status="completed", error=None, usage=Usage(input_tokens=3))
    assert (await stores.run(begun)).usage == Usage(input_tokens=3)
    assert (await stores.session()).head == 0


@pytest.mark.parametrize("value", [b"1e400", b"9" * 5000, b'"\xff"'], ids=["exponent", "digits", "bytes"])
async def test_unreadable_field_begins_nothing(stores: Stores, value: bytes) -> None:
    order = stores.order(fields={"seed": Raw(value)})
    with pytest.raises(InvalidRequest):
        await stores.turns.begin(stores.tenant_id, order)
    assert await stores.sessions.find(order.session, stores.clock()) is None


async def test_turn_enters_the_history_whole(stores: Stores) -> None:
    begun = await stores.begin(text="ask")
    stores.clock.pass_(seconds=3)
    await stores.end(begun, said("one", "assistant"), said("two", "assistant"))
    session, run = await stores.session(), await stores.run(begun)
    items = await stores.history(session)
    assert (session.head, session.path, session.run_id) == (3, (Range(1, 3),), None)
    assert session.active_at == run.ended_at == stores.clock()
    assert [(item.seq, item.content, item.tokens) for item in items] == [
        (1, said("ask"), 1),
        (2, said("one", "assistant"), 2),
        (3, said("two", "assistant"), 3),
    ]
    assert {item.run_id for item in items} == {run.id}
    assert {item.created_at for item in items} == {stores.clock()}
    assert (run.status, run.input, run.input_items, run.output_items) == ("completed", (), Range(1, 1), Range(2, 3))
    assert (run.usage, run.finish_reason, run.first_token_ms) == (Usage(input_tokens=5, output_tokens=7), "stop", 12)


async def test_failed_turn_leaves_the_history(stores: Stores) -> None:
    await stores.take()
    begun = await stores.begin(text="ask")
    events = EventBatch(first=1, body='{"a":1}')
    await stores.fail(begun, output=(said("half", "assistant"),), events=(events,))
    session, run = await stores.session(), await stores.run(begun)
    assert (session.head, session.run_id) == (2, None)
    assert (run.status, run.input, run.output) == ("failed", (said("ask"),), (said("half", "assistant"),))
    assert run.error == RunError("broken", "It broke.")
    assert await stores.runs.list_events(run.tenant_id, run.id, after=0) == [events]


async def test_item_may_be_incomplete(stores: Stores) -> None:
    begun = await stores.begin()
    items = stores.ending(begun).items
    await stores.end(begun, status="cancelled", items=[items[0], replace(items[1], status="incomplete")])
    assert [item.status for item in await stores.history(await stores.session())] == ["completed", "incomplete"]
    assert (await stores.run(begun)).status == "cancelled"


async def refuses_to_end(stores: Stores, begun: Begun) -> None:
    """Ending the turn raises TurnConflict and changes nothing."""
    session, run = await stores.session(), await stores.run(begun)
    history = await stores.history(session)
    stores.clock.pass_(seconds=1)
    with pytest.raises(TurnConflict):
        await stores.end(begun, events=(EventBatch(first=1, body="{}"),))
    with pytest.raises(TurnConflict):
        await stores.fail(begun)
    assert (await stores.session(), await stores.run(begun), await stores.history(session)) == (session, run, history)
    assert not await stores.runs.list_events(run.tenant_id, run.id, after=0)


async def test_lease_ends_one_turn_once(stores: Stores) -> None:
    await refuses_to_end(stores, await stores.take())


async def test_same_end_again_changes_nothing(stores: Stores) -> None:
    """A server whose connection broke behind its commit does not know that it was stored."""
    begun = await stores.take()
    await stores.end(begun)
    failed = await stores.begin()
    await stores.fail(failed)
    await stores.fail(failed)
    assert (await stores.session()).head == 2


async def test_old_lease_ends_nothing(stores: Stores) -> None:
    old = await stores.take()
    running = await stores.begin()
    await refuses_to_end(stores, old)
    assert old.lease
    assert running.lease
    assert running.lease.fencing > old.lease.fencing
    await refuses_to_end(stores, replace(running, lease=replace(running.lease, fencing=old.lease.fencing)))
    await stores.end(running)


async def test_waiting_turn_ends_nothing(stores: Stores) -> None:
    running, waiting = await stores.begin(), await stores.begin()
    assert running.lease
    await refuses_to_end(stores, replace(waiting, lease=replace(running.lease, run_id=waiting.run.id)))


async def test_other_tenant_ends_nothing(stores: Stores) -> None:
    begun = await stores.begin()
    assert begun.lease
    await refuses_to_end(stores, replace(begun, lease=replace(begun.lease, tenant_id=new_id())))


@pytest.mark.parametrize("after", [0, 1, 3, 4])
async def test_history_moves_only_from_its_head(stores: Stores, after: int) -> None:
    await stores.take()
    begun = await stores.begin()
    with pytest.raises(TurnConflict):
        await stores.end(begun, after=after)
    assert (await stores.session()).head == 2
    assert (await stores.run(begun)).status == "in_progress"
    await stores.end(begun)
    assert (await stores.session()).head == 4


async def test_turn_of_a_deleted_session_cannot_end(stores: Stores) -> None:
    begun = await stores.begin()
    await stores.sessions.delete(stores.tenant_id, begun.session.id)
    with pytest.raises(TurnConflict):
        await stores.end(begun)
    assert not await stores.history(begun.session)


async def test_end_sets_what_the_session_is_shown_from(stores: Stores) -> None:
    await stores.end(await stores.begin(), instructions='[{"role":"system"}]', cut=2)
    session = await stores.session()
    assert (session.instructions, session.cut) == ('[{"role":"system"}]', 2)
    await stores.take()
    assert (await stores.session()).cut == 2
    await stores.fail(await stores.begin())
    assert (await stores.session()).instructions == '[{"role":"system"}]'


async def test_branch_is_kept_as_its_path(stores: Stores) -> None:
    await stores.take()
    branch = (Range(1, 1), Range(3, 4))
    await stores.end(await stores.begin(), path=branch)
    assert (await stores.session()).path == branch
    await stores.end(await stores.begin(), path=(Range(1, 6),))
    await stores.take()
    assert (await stores.session()).path == (Range(1, 8),)


async def test_next_run_hears_that_it_has_the_session(stores: Stores) -> None:
    heard: list[tuple[Topic, UUID]] = []
    stores.database.listen(lambda topic, subject: heard.append((topic, subject)))
    running, waiting = await stores.begin(), await stores.begin()
    await stores.end(running)
    async with asyncio.timeout(10):
        while not heard:
            # On PostgreSQL a notice is lost while the connection that listens is not yet there.
            await asyncio.sleep(0.01)
            running = await stores.started(waiting)
            waiting = await stores.begin()
            await stores.end(running)
    assert heard[0][0] == "started"
    assert heard[0][1] in {running.run.id, waiting.run.id}


async def test_dead_servers_runs_are_skipped(stores: Stores) -> None:
    dead, running = stores.beside(), await stores.begin()
    first = await stores.turns.begin(stores.tenant_id, dead.order(text="first"))
    second = await stores.begin(text="second")
    third = await stores.turns.begin(stores.tenant_id, dead.order(text="third"))
    await stores.end(running)
    held = await stores.started(second)
    lost = await stores.run(first)
    assert (lost.status, lost.input, lost.ended_at) == ("failed", (said("first"),), stores.clock())
    assert lost.error
    assert lost.error.code == "interrupted"
    assert (await stores.run(third)).status == "queued"
    await stores.end(held)
    assert (await stores.run(third)).status == "failed"
    assert (await stores.session()).run_id is None
    assert (await stores.begin(queue_max=0)).state == "running"


async def test_server_whose_beat_is_over_is_dead(stores: Stores) -> None:
    dead, running = stores.beside(), await stores.begin()
    waiting = await dead.begin()
    await dead.servers.beat(dead.server_id, lease_s=0)
    await stores.end(running)
    assert (await stores.run(waiting)).status == "failed"


async def test_waiting_turn_sees_how_it_stands(stores: Stores) -> None:
    running, waiting = await stores.begin(), await stores.begin()
    found = await stores.turns.find_turn(stores.tenant_id, waiting.run.id)
    assert found
    assert (found.state, found.lease, found.blocking_run_id) == ("queued", None, running.run.id)
    assert await stores.turns.find_turn(new_id(), waiting.run.id) is None
    stores.clock.pass_(seconds=5)
    await stores.end(running)
    held = await stores.started(waiting)
    assert (held.state, held.run.status, held.run.started_at) == ("running", "in_progress", stores.clock())
    assert held.session == await stores.session()
    await stores.end(held)
    assert await stores.turns.find_turn(stores.tenant_id, waiting.run.id) is None


async def test_turn_of_a_deleted_session_is_over(stores: Stores) -> None:
    waiting = [await stores.begin(), await stores.begin()][1]
    await stores.sessions.delete(stores.tenant_id, waiting.session.id)
    assert await stores.turns.find_turn(stores.tenant_id, waiting.run.id) is None
    assert await stores.turns.leave(stores.tenant_id, waiting.run.id, stores.failure())
    await stores.erase()
    assert await stores.turns.find_turn(stores.tenant_id, waiting.run.id) is None
    assert not await stores.turns.leave(stores.tenant_id, waiting.run.id, stores.failure())


async def test_waiting_run_leaves_its_queue(stores: Stores) -> None:
    running, leaving, staying = [await stores.begin(text=str(n)) for n in range(3)]
    assert not await stores.turns.leave(new_id(), leaving.run.id, stores.failure())
    assert await stores.turns.leave(stores.tenant_id, leaving.run.id, stores.failure(status="cancelled"))
    assert not await stores.turns.leave(stores.tenant_id, leaving.run.id, stores.failure())
    left = await stores.run(leaving)
    assert (left.status, left.input) == ("cancelled", (said("1"),))
    with pytest.raises(RateLimited):
        await stores.begin(queue_max=1)
    await stores.end(running)
    await stores.end(await stores.started(staying))
    assert (await stores.session()).head == 4


async def test_run_that_got_its_session_does_not_leave(stores: Stores) -> None:
    running, waiting = await stores.begin(), await stores.begin()
    assert not await stores.turns.leave(stores.tenant_id, running.run.id, stores.failure())
    await stores.end(running)
    assert not await stores.turns.leave(stores.tenant_id, waiting.run.id, stores.failure())
    await stores.end(await stores.started(waiting))
    assert (await stores.begin(queue_max=0)).state == "running"
