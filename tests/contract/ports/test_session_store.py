"""The promises of SessionStore and ItemStore: who finds which session, for how long, and what is in it."""

from __future__ import annotations

import pytest

from multiturn.errors import NotFound
from multiturn.model.content import Artefacts, Content, FunctionCall, FunctionCallOutput, Message, Reasoning
from multiturn.model.ids import new_id
from multiturn.model.item import Range
from multiturn.model.listing import SessionFilter
from tests.contract.ports.stores import Stores, said, texts

HOUR_S = 3600


async def test_session_is_found_by_either_id(stores: Stores) -> None:
    begun = await stores.take("my chat")
    by_name = await stores.sessions.find(stores.key("my chat"), stores.clock())
    by_id = await stores.sessions.find(stores.key(None, id=begun.session.id), stores.clock())
    assert by_name
    assert by_name == by_id
    assert (by_name.external_id, by_name.user_id, by_name.metadata) == ("my chat", stores.user_id, {})
    assert by_name.created_at == stores.clock()
    assert (await stores.begin(stores.key("another name", id=begun.session.id))).session.id == begun.session.id


async def test_name_that_looks_like_an_id_is_a_name(stores: Stores) -> None:
    name = new_id()
    key = stores.key(str(name), id=name)
    begun = await stores.take(key)
    assert begun.session.id != name
    assert begun.session.external_id == str(name)
    assert (await stores.begin(key)).session.id == begun.session.id


async def test_our_id_goes_before_a_name(stores: Stores) -> None:
    ours = await stores.take("ours")
    named = await stores.take(stores.key(str(ours.session.id)))
    found = await stores.sessions.find(stores.key(str(ours.session.id), id=ours.session.id), stores.clock())
    assert found
    assert found.id == ours.session.id != named.session.id


async def test_bound_key_sees_its_user_only(stores: Stores) -> None:
    begun = await stores.take("secret")
    stranger = stores.key("secret", user_id=new_id(), id=begun.session.id)
    found = await stores.sessions.find(stranger, stores.clock())
    assert found
    assert found.id == begun.session.id
    bound = stores.key("secret", user_id=new_id(), id=begun.session.id, is_bound=True)
    assert await stores.sessions.find(bound, stores.clock()) is None
    mine = await stores.begin(bound)
    assert (mine.session.id != begun.session.id, mine.session.head, mine.run.ticket) == (True, 0, 1)


async def test_tenants_and_users_never_meet(stores: Stores) -> None:
    keys = [stores.key(), stores.key(user_id=new_id()), stores.key(tenant_id=new_id())]
    begun = [await stores.take(key, text=str(n)) for n, key in enumerate(keys)]
    assert len({one.session.id for one in begun}) == 3
    for n, (key, one) in enumerate(zip(keys, begun, strict=True)):
        found = await stores.sessions.find(key, stores.clock())
        assert found
        assert found.id == one.session.id
        assert texts(await stores.history(found)) == [str(n), "hi"]


async def test_other_tenants_id_is_not_found(stores: Stores) -> None:
    begun = await stores.take()
    stranger = stores.key(None, tenant_id=new_id(), id=begun.session.id)
    assert await stores.sessions.find(stranger, stores.clock()) is None
    assert not await stores.items.load(stranger.tenant_id, begun.session.id, [Range(1, 2)])
    assert not await stores.sessions.delete(stranger.tenant_id, begun.session.id)
    assert (await stores.session()).head == 2


async def test_id_alone_makes_no_session(stores: Stores) -> None:
    with pytest.raises(NotFound):
        await stores.begin(stores.key(None, id=new_id()))
    assert (await stores.begin(stores.key(None))).state == "running"
    assert (await stores.begin(stores.key(None))).state == "running"


async def test_session_expires_at_its_limit(stores: Stores) -> None:
    begun = await stores.take(expiry_s=HOUR_S)
    stores.clock.pass_(hours=1, milliseconds=-1)
    session = await stores.session()
    assert (session.idle_expiry_s, session.expires_at) == (HOUR_S, begun.session.created_at.replace(hour=13))
    stores.clock.pass_(milliseconds=1)
    assert await stores.sessions.find(stores.key(), stores.clock()) is None
    assert await stores.sessions.find(stores.key(id=begun.session.id), stores.clock()) is None


async def test_use_puts_expiry_off(stores: Stores) -> None:
    for _ in range(3):
        await stores.take(expiry_s=HOUR_S)
        stores.clock.pass_(minutes=59)
    assert (await stores.session()).head == 6
    await stores.fail(await stores.begin(), ended_at=stores.clock())
    stores.clock.pass_(minutes=59)
    assert (await stores.session()).head == 6


async def test_session_without_expiry_is_kept(stores: Stores) -> None:
    await stores.take()
    stores.clock.pass_(days=4000)
    assert (await stores.session()).expires_at is None


async def test_expired_sessions_name_starts_anew(stores: Stores) -> None:
    old = await stores.take(expiry_s=HOUR_S)
    stores.clock.pass_(hours=1)
    new = await stores.begin(expiry_s=HOUR_S)
    assert (new.session.id != old.session.id, new.session.head, new.run.ticket) == (True, 0, 1)
    assert new.session.created_at == stores.clock()
    await stores.erase()
    assert not await stores.history(old.session)
    assert await stores.runs.find(stores.tenant_id, old.run.id) is None
    await stores.end(new)
    assert (await stores.session()).head == 2


async def test_expired_sessions_id_starts_anew(stores: Stores) -> None:
    old = await stores.take(expiry_s=HOUR_S)
    stores.clock.pass_(hours=1)
    key = stores.key(str(old.session.id), id=old.session.id)
    new = await stores.take(key, expiry_s=HOUR_S)
    assert new.session.id != old.session.id
    assert (await stores.begin(key)).session.id == new.session.id


async def test_running_turn_keeps_its_session(stores: Stores) -> None:
    begun = await stores.begin(expiry_s=HOUR_S)
    stores.clock.pass_(hours=2)
    assert (await stores.session()).id == begun.session.id
    assert (await stores.begin()).state == "queued"
    await stores.end(begun)
    assert (await stores.session()).head == 2


async def test_turn_sets_the_expiry_of_its_session(stores: Stores) -> None:
    await stores.take(expiry_s=HOUR_S)
    running = await stores.begin(idle_expiry_s=60)
    assert (await stores.session()).idle_expiry_s == 60
    await stores.begin(idle_expiry_s=30)
    assert (await stores.session()).idle_expiry_s == 30
    await stores.begin()
    await stores.end(running)
    assert (await stores.session()).idle_expiry_s == 30


async def test_sessions_are_listed_newest_first(stores: Stores) -> None:
    made = [(await stores.take(f"chat-{n}")).session.id for n in range(5)]
    await stores.take(stores.key(tenant_id=new_id()))
    pages, before = [], None
    for _ in range(3):
        page = await stores.sessions.list_sessions(
            stores.tenant_id, SessionFilter(before=before), now=stores.clock(), limit=2
        )
        pages.append(([session.id for session in page.data], page.has_more))
        before = page.data[-1].id
    assert pages == [(made[:2:-1], True), (made[2:0:-1], True), (made[:1], False)]


async def test_listing_shows_one_users_live_sessions(stores: Stores) -> None:
    await stores.take("gone", expiry_s=HOUR_S)
    await stores.begin("running", expiry_s=HOUR_S)
    await stores.take("kept")
    await stores.take(stores.key("strange", user_id=new_id()))
    stores.clock.pass_(hours=1)
    await stores.take("new", expiry_s=HOUR_S)
    for user_id, names in (
        (stores.user_id, ["new", "kept", "running"]),
        (None, ["new", "strange", "kept", "running"]),
        (new_id(), []),
    ):
        page = await stores.sessions.list_sessions(
            stores.tenant_id, SessionFilter(owner_id=user_id), now=stores.clock(), limit=10
        )
        assert [session.external_id for session in page.data] == names
        assert not page.has_more


async def test_deleted_session_is_gone_at_once(stores: Stores) -> None:
    begun = await stores.take()
    assert await stores.sessions.delete(stores.tenant_id, begun.session.id)
    assert not await stores.sessions.delete(stores.tenant_id, begun.session.id)
    assert await stores.sessions.find(stores.key(), stores.clock()) is None
    assert (await stores.begin()).session.id != begun.session.id


@pytest.mark.parametrize(
    ("ranges", "limit", "newest_first", "seqs"),
    [
        ([(1, 6)], 10, False, [1, 2, 3, 4, 5, 6]),
        ([(1, 6)], 2, False, [1, 2]),
        ([(1, 6)], 2, True, [6, 5]),
        ([(2, 3), (5, 9)], 10, False, [2, 3, 5, 6]),
        ([(2, 3), (5, 9)], 3, False, [2, 3, 5]),
        ([(1, 2), (4, 5)], 3, True, [5, 4, 2]),
        ([(1, 2), (4, 5)], 0, True, []),
        ([(7, 9), (3, 2)], 10, False, []),
        ([], 10, True, []),
    ],
)
async def test_items_are_listed_from_one_end(
    stores: Stores, ranges: list[tuple[int, int]], limit: int, newest_first: bool, seqs: list[int]
) -> None:
    begun = await stores.begin()
    await stores.end(begun, *[said(str(n)) for n in range(5)])
    found = await stores.items.list_items(
        stores.tenant_id, begun.session.id, [Range(*one) for one in ranges], limit=limit, newest_first=newest_first
    )
    assert [item.seq for item in found] == seqs


async def test_ranges_are_loaded_whole(stores: Stores) -> None:
    begun = await stores.begin()
    await stores.end(begun, *[said(str(n)) for n in range(5)])
    items = await stores.items.load(stores.tenant_id, begun.session.id, [Range(1, 2), Range(5, 6)])
    assert [item.seq for item in items] == [1, 2, 5, 6]


CONTENTS: list[Content] = [
    Message(role="user", content='NUL \x00, 👩‍👩‍👧, \u2028, "quotes" and \\ and \';--'),
    Message(role="developer", content=None, extra={"name": "me", "n": 10**30, "x": [2**63, -(2**63), 0.1, None]}),
    Message(role="user", content=[{"type": "image_url", "image_url": {"url": "data:,%"}}, {"type": "text"}]),
    FunctionCall(call_id="call_1", name="look", arguments='{"a": 1'),
    FunctionCall(call_id="call_2", name="say", arguments="free", kind="custom", extra={"": ""}),
    FunctionCallOutput(call_id="call_1", output=""),
    FunctionCallOutput(call_id="call_2"),
    Reasoning(text="", extra={"signature": "s"}),
    Reasoning(text="hm", artefacts=Artefacts("a", {"reasoning_details": [{"data": "e=="}]}, "reasoning")),
    FunctionCall("call_3", "look", artefacts=Artefacts("a", {"extra_content": {"google": {"n": 10**30}}})),
    Message(role="assistant", content="x" * 1_000_000),
]


async def test_content_comes_back_as_it_was(stores: Stores) -> None:
    begun = await stores.begin(input=tuple(CONTENTS))
    assert (await stores.run(begun)).input == tuple(CONTENTS)
    await stores.end(begun, *CONTENTS)
    assert [item.content for item in await stores.history(await stores.session())] == CONTENTS * 2


async def test_half_a_surrogate_pair_stores_nothing(stores: Stores) -> None:
    begun = await stores.begin()
    with pytest.raises(UnicodeEncodeError):
        await stores.end(begun, said("whole"), said("half \ud83d"))
    assert (await stores.session()).head == 0
    await stores.end(begun)
