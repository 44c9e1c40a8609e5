"""The promises of SessionStore to those who manage sessions: made without a turn, changed, and found by filters."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from multiturn.errors import Conflict
from multiturn.model.content import FunctionCall, Message, Summary
from multiturn.model.ids import new_id
from multiturn.model.item import Item, Range
from multiturn.model.listing import SessionFilter, Span
from multiturn.model.policy import ContextPolicy, RecallOptions
from multiturn.model.session import Session, SessionChange, SessionSettings
from multiturn.store.listings import split_ranges, write_pattern
from tests.contract.ports.stores import Stores, said, texts


async def make(stores: Stores, name: str | None = None, texts: tuple[str, ...] = (), **fields: Any) -> Session:
    """A session without a turn."""
    id_, now = fields.pop("id", new_id()), stores.clock()
    who = {"tenant_id": stores.tenant_id, "user_id": stores.user_id, "external_id": name}
    path = (Range(1, len(texts)),) if texts else ()
    session = Session(
        **{**who, "id": id_, "created_at": now, "active_at": now, "head": len(texts), "path": path, **fields}
    )
    items = [
        Item(seq=seq, run_id=id_, content=said(text), tokens=1, created_at=now)
        for seq, text in enumerate(texts, start=1)
    ]
    await stores.sessions.create(session.tenant_id, session, items)
    return session


async def change(stores: Stores, session: Session, **fields: Any) -> Session:
    """Change a session."""
    changed = await stores.sessions.update(stores.tenant_id, session.id, SessionChange(**fields), stores.clock())
    assert changed
    return changed


async def names(stores: Stores, limit: int = 10, **fields: Any) -> list[str | None]:
    """The names of the sessions that a filter keeps, in their order."""
    page = await stores.sessions.list_sessions(
        stores.tenant_id, SessionFilter(**fields), now=stores.clock(), limit=limit
    )
    return [session.external_id for session in page.data]


async def test_made_session_is_found_by_its_first_turn(stores: Stores) -> None:
    settings = SessionSettings(
        agents=(new_id(),),
        users=(new_id(), new_id()),
        policy=ContextPolicy(
            overflow="error", token_budget=5, documents=RecallOptions(mode="text", wire={"lang": "de"})
        ),
        system_template="{{ NEWLINE }}",
        wire={"x": [1]},
    )
    made = await make(
        stores,
        "chat",
        ("a", "b"),
        settings=settings,
        metadata={"a": {"b": [1, None]}},
        instructions="[]",
        idle_expiry_s=9,
    )
    assert await stores.session() == made
    begun = await stores.begin()
    assert (begun.session.id, begun.session.head, begun.run.ticket) == (made.id, 2, 1)
    assert begun.session.settings == settings
    await stores.end(begun)
    assert texts(await stores.history(made)) == ["a", "b", "hello", "hi"]


async def test_name_is_taken_once(stores: Stores) -> None:
    results = await asyncio.gather(*(make(stores, "chat") for _ in range(5)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["Conflict"] * 4 + ["Session"]
    with pytest.raises(Conflict) as caught:
        await make(stores, "chat")
    assert (caught.value.code, caught.value.param) == ("session_exists", "external_id")
    await make(stores, "chat", user_id=new_id())
    await make(stores, "chat", tenant_id=new_id())
    await make(stores)
    await make(stores)


async def test_id_is_taken_once(stores: Stores) -> None:
    made = await make(stores, texts=("secret",))
    with pytest.raises(Conflict):
        await make(stores, id=made.id)
    await stores.sessions.delete(stores.tenant_id, made.id)
    with pytest.raises(Conflict):
        await make(stores, id=made.id)
    await stores.erase()
    again = await make(stores, id=made.id)
    assert not await stores.history(again)


async def test_expired_name_is_free(stores: Stores) -> None:
    old = await make(stores, "chat", ("a",), idle_expiry_s=60)
    stores.clock.pass_(seconds=60)
    new = await make(stores, "chat")
    await stores.erase()
    assert (await stores.session()).id == new.id
    assert not await stores.history(old)


async def test_change_leaves_the_rest(stores: Stores) -> None:
    made = await make(stores, "chat", metadata={"a": 1, "b": 2}, instructions="[]", idle_expiry_s=60)
    stores.clock.pass_(seconds=1)
    changed = await change(
        stores, made, settings={"model": "m"}, policy={"token_budget": 7}, metadata={"a": None, "c": 3}
    )
    assert changed == await stores.session()
    assert changed.metadata == {"b": 2, "c": 3}
    assert (changed.settings.model, changed.settings.policy.token_budget) == ("m", 7)
    assert (changed.instructions, changed.idle_expiry_s, changed.active_at) == ("[]", 60, stores.clock())
    changed = await change(stores, made, policy={"overflow": "error"}, instructions=None, idle_expiry_s=None)
    assert changed.settings.policy == ContextPolicy(overflow="error", token_budget=7)
    assert (changed.instructions, changed.expires_at) == (None, None)
    changed = await change(stores, made, metadata={"z": 0}, replaces_metadata=True)
    assert changed.metadata == {"z": 0}


async def test_change_moves_the_expiry(stores: Stores) -> None:
    made = await make(stores, "chat")
    await change(stores, made, idle_expiry_s=60)
    stores.clock.pass_(seconds=60)
    assert await stores.retention.retire_expired(stores.clock(), limit=10) == 1
    assert await stores.sessions.update(stores.tenant_id, made.id, SessionChange(), stores.clock()) is None


async def test_change_beside_a_turn_loses_nothing(stores: Stores) -> None:
    begun = await stores.begin()
    await change(stores, begun.session, metadata={"a": 1}, settings={"model": "m"})
    await stores.end(begun)
    session = await stores.session()
    assert (session.head, session.metadata, session.settings.model) == (2, {"a": 1}, "m")


async def test_changes_at_once_all_count(stores: Stores) -> None:
    made = await make(stores, "chat")
    await asyncio.gather(*(change(stores, made, metadata={str(n): n}) for n in range(20)))
    assert (await stores.session()).metadata == {str(n): n for n in range(20)}


async def test_strangers_session_is_not_changed(stores: Stores) -> None:
    made = await make(stores, "chat")
    assert await stores.sessions.update(new_id(), made.id, SessionChange(metadata={"a": 1}), stores.clock()) is None
    assert await stores.sessions.update(stores.tenant_id, new_id(), SessionChange(), stores.clock()) is None
    assert (await stores.session()).metadata == {}


async def test_sessions_are_found_by_who_takes_part(stores: Stores) -> None:
    agent, user = new_id(), new_id()
    both = await make(stores, "both", settings=SessionSettings(agents=(new_id(), agent), users=(user,)))
    await make(stores, "agent", settings=SessionSettings(agents=(agent,)))
    await make(stores, "owned", user_id=user)
    await make(stores, "none")
    assert await names(stores, agent_id=agent) == ["agent", "both"]
    assert await names(stores, user_id=user) == ["owned", "both"]
    assert await names(stores, user_id=user, agent_id=agent) == ["both"]
    assert await names(stores, user_id=user, owner_id=stores.user_id) == ["both"]
    assert await names(stores, agent_id=new_id()) == await names(stores, user_id=new_id()) == []
    await change(stores, both, settings={"agents": ()})
    assert await names(stores, agent_id=agent) == ["agent"]
    await stores.sessions.delete(stores.tenant_id, both.id)
    assert await names(stores, user_id=user) == ["owned"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"plan": "pro"}, ["b", "a"]),
        ({"plan": "pro", "seats": 3}, ["a"]),
        ({"seats": 3.0}, ["a"]),
        ({"seats": "3"}, []),
        ({"seats": True}, []),
        ({"tags": ["x"]}, ["b", "a"]),
        ({"tags": ["y", "x"]}, ["a"]),
        ({"tags": "x"}, []),
        ({"grid": [[2]]}, ["b"]),
        ({"grid": [2]}, []),
        ({"deep": {"er": {"yes": True}}}, ["a"]),
        ({"deep": {}}, ["a"]),
        ({"nobody": None}, []),
        ({"": 1}, []),
    ],
)
async def test_sessions_are_found_by_metadata(stores: Stores, wanted: dict[str, Any], found: list[str]) -> None:
    deep = {"er": {"yes": True, "no": False}}
    await make(stores, "a", metadata={"plan": "pro", "seats": 3, "tags": ["x", "y"], "deep": deep})
    await make(stores, "b", metadata={"plan": "pro", "tags": ["x"], "grid": [[1, 2], [3]]})
    await make(stores, "c")
    assert await names(stores, metadata=wanted) == found
    assert await names(stores, metadata=wanted, user_id=stores.user_id) == found


async def test_sessions_are_found_by_their_last_use(stores: Stores) -> None:
    times = []
    for name in "abc":
        times.append(stores.clock())
        await make(stores, name)
        stores.clock.pass_(minutes=1)
    assert await names(stores, active_after=times[0]) == ["c", "b"]
    assert await names(stores, active_before=times[2]) == ["b", "a"]
    assert await names(stores, active_after=times[0], active_before=times[2]) == ["b"]
    assert await names(stores, active_after=times[2] + timedelta(days=1)) == []


@pytest.mark.parametrize("is_of_user", [True, False])
async def test_sessions_come_in_every_order(stores: Stores, is_of_user: bool) -> None:
    fields: dict[str, Any] = (
        {"user_id": stores.user_id} if is_of_user else {"active_after": stores.clock() - timedelta(days=1)}
    )
    made = []
    for name in "abcd":
        made.append(await make(stores, name))
        stores.clock.pass_(minutes=1)
    await change(stores, made[1])
    assert await names(stores, sort="newest", **fields) == list("dcba")
    assert await names(stores, sort="oldest", **fields) == list("abcd")
    assert await names(stores, sort="active_last", **fields) == list("bdca")
    assert await names(stores, sort="active_first", **fields) == list("acdb")
    assert await names(stores, limit=2, sort="active_first", offset=1, **fields) == list("cd")
    assert await names(stores, offset=4, **fields) == []
    assert await names(stores, before=made[2].id, **fields) == list("ba")
    assert await names(stores, before=made[2].id) == list("ba")


async def test_expired_sessions_are_not_listed(stores: Stores) -> None:
    await make(stores, "gone", idle_expiry_s=60)
    await make(stores, "kept")
    stores.clock.pass_(seconds=60)
    filters: list[dict[str, Any]] = [{"sort": "oldest"}, {"user_id": stores.user_id}, {"text": "e"}, {"metadata": {}}]
    for fields in filters:
        assert await names(stores, **fields) == ["kept"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tram", ["a"]),
        ("TRAM 28", ["a"]),
        ("28 tram", ["a"]),
        ("tram bus", []),
        ("größe", ["b"]),
        ("GRÖSSE", []),
        ("GRÖẞE", ["b"]),
        ("İzmir", ["b"]),
        ('say "yes"', ["b"]),
        ("100%", ["b"]),
        ("100_", []),
        ("!", ["b"]),
        ("back\\slash", ["b"]),
        ("東京", ["b"]),
        ("message", []),
        ("user", []),
        ("pro", ["c"]),
        ("c-name", ["c"]),
        ("called", ["d"]),
        ("in short", ["d"]),
        ("a part", ["d"]),
    ],
)
async def test_sessions_are_found_by_words(stores: Stores, text: str, found: list[str]) -> None:
    await make(stores, "a", ("Take tram\n28 at noon.", "ok"))
    await make(stores, "b", ('Die Größe! Say "yes" at 100% back\\slash', "東京へ, İzmir"))
    await make(stores, "c-name", metadata={"plan": {"kind": "Pro"}})
    begun = await stores.begin("d")
    parts = Message("user", [{"type": "text", "text": "a part"}, {"type": "image_url"}])
    call = FunctionCall(call_id="1", name="called", arguments="{}")
    await stores.end(begun, parts, call, Summary(text="In short.", first=1, last=2))
    assert [name and name[0] for name in await names(stores, text=text)] == found


async def test_words_of_branches_that_were_left_are_not_found(stores: Stores) -> None:
    await stores.take(text="kept")
    await stores.take(text="left")
    await stores.end(await stores.begin(text="edited"), path=(Range(1, 2), Range(5, 6)))
    assert [await names(stores, text=word) for word in ("kept", "left", "edited")] == [["chat"], [], ["chat"]]


async def test_words_are_found_page_by_page(stores: Stores) -> None:
    for number in range(120):
        await make(stores, f"s{number:03}", ("find me",) if number % 10 == 0 else ("no",))
    found = [f"s{number:03}" for number in range(110, -10, -10)]
    assert await names(stores, limit=20, text="find me") == found
    assert await names(stores, limit=5, text="find me", offset=4) == found[4:9]
    assert await names(stores, limit=5, text="find me", sort="oldest", offset=10) == found[1::-1]
    page = await stores.sessions.list_sessions(
        stores.tenant_id, SessionFilter(text="find me"), now=stores.clock(), limit=11
    )
    assert page.has_more


async def test_items_are_listed_by_time(stores: Stores) -> None:
    start = stores.clock()
    for number in range(4):
        await stores.take(text=str(number))
        stores.clock.pass_(minutes=1)
    session = await stores.session()
    list_items = stores.items.list_items

    async def seqs(newest_first: bool, **span: Any) -> list[int]:
        found = await list_items(
            session.tenant_id, session.id, session.path, limit=3, newest_first=newest_first, span=Span(**span)
        )
        return [item.seq for item in found]

    second, third = start + timedelta(minutes=1), start + timedelta(minutes=2)
    assert await seqs(True, until=third) == [4, 3, 2]
    assert await seqs(False, until=third) == [1, 2, 3]
    assert await seqs(False, since=second) == [5, 6, 7]
    assert await seqs(True, since=start, until=third) == [4, 3]
    assert await seqs(True, until=start) == []


def test_like_takes_words_as_they_are() -> None:
    assert write_pattern('a%b_c!"') == '%a!%b!_c!!\\"%'
    assert write_pattern("größe") == "%gr%e%"


def test_long_paths_are_looked_at_in_pieces() -> None:
    other = UUID(int=1)
    assert split_ranges([Range(1, 600, other), Range(601, 601)]) == [
        Range(601, 601),
        Range(101, 600, other),
        Range(1, 100, other),
    ]
