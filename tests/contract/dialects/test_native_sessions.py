"""Sessions as resources of the native API: made, listed by filters, changed, cleared, forked, and their histories."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from multiturn.upstream.scripted import Script
from tests.contract.dialects.conftest import OpenPlace, Place
from tests.contract.dialects.test_turns import asking, held_turn, read_frame, until_queued

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = "01a1fc90-fa6f-7167-9e60-a760fad8ae92"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    return str(request.param)


async def send(
    place: Place, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Send a request; status and body of its answer."""
    async with place.http.request(method, f"/v1{path}", json=body, headers=headers) as reply:
        return reply.status, await reply.json()


async def make(place: Place, **fields: Any) -> Any:
    """Make a session."""
    status, body = await send(place, "POST", "/sessions", fields)
    assert status == 201, body
    return body


async def make_agent(place: Place, **fields: Any) -> Any:
    """Make an agent."""
    status, body = await send(place, "POST", "/agents", {"name": "helper", **fields})
    assert status in (200, 201), body
    return body


async def make_user(place: Place, **fields: Any) -> Any:
    """Make a user."""
    status, body = await send(place, "POST", "/users", fields)
    assert status in (200, 201), body
    return body


async def names(place: Place, query: str = "") -> list[str]:
    """The names of the sessions that a listing shows."""
    return [session["external_id"] for session in (await place.get(f"/v1/sessions?{query}"))["data"]]


async def refused(place: Place, method: str, path: str, body: Any = None) -> tuple[int, str, str | None]:
    """The status, the code and the parameter of an error."""
    status, answer = await send(place, method, path, body)
    return status, answer["error"]["code"], answer["error"]["param"]


async def test_session_is_made_as_it_was_ordered(place: Place) -> None:
    agent, user = await make_agent(place, canonical_name="guide"), await make_user(place, external_id="ann")
    order = {
        "external_id": "s",
        "agents": ["guide"],
        "users": ["ann", user["id"]],
        "context_overflow": "sliding_window",
        "token_budget": 500,
        "recall": False,
        "recall_tokens": 64,
        "recall_options": {"mode": "text", "limit": 3, "lang": "de"},
        "model": "m",
        "instructions": "Be brief.",
        "situation": "in a tram",
        "system_template": "{{ session.situation }}",
        "render_templates": False,
        "metadata": {"a": {"b": [1]}},
        "idle_expiry_s": 60,
        "items": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}],
    }
    made = await make(place, **order)
    assert made == await place.get("/v1/sessions/s")
    same = (
        "external_id",
        "token_budget",
        "recall",
        "recall_tokens",
        "model",
        "situation",
        "system_template",
        "metadata",
    )
    assert {name: made[name] for name in same} == {name: order[name] for name in same}
    assert made["context_overflow"] == "truncate"
    assert made["recall_options"]["lang"] == "de"
    assert (made["agents"], made["agent_id"]) == ([agent["id"]], agent["id"])
    assert (made["users"], made["user_id"]) == ([user["id"]], user["id"])
    assert (made["render_templates"], made["items"], made["idle_expiry_s"]) == (False, 2, 60)
    assert made["instructions"] == [{"role": "system", "content": "Be brief."}]
    assert made["forked_from"] is None
    assert [item["run_id"] for item in await place.list_items()] == [made["id"]] * 2


async def test_session_is_made_of_nothing(place: Place) -> None:
    status, made = await send(place, "POST", "/sessions")
    assert (status, made["external_id"], made["items"], made["expires_at"]) == (201, None, 0, None)
    assert (made["agents"], made["agent_id"], made["context_overflow"]) == ([], None, None)


async def test_first_turn_finds_the_session(place: Place) -> None:
    await make(place, external_id="s", instructions="Be brief.", items=[{"role": "user", "content": "before"}])
    await place.ask("hello")
    assert place.seen_texts == [["Be brief.", "before", "hello"]]
    assert await place.list_texts() == ["before", "hello", "ok"]


async def test_seeded_calls_are_items_of_their_own(place: Place) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    items = [
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a wall"},
    ]
    await make(place, external_id="s", items=items)
    kinds = [item["type"] for item in await place.list_items()]
    assert kinds == ["message", "function_call", "function_call_output"]


async def test_name_is_taken_once_within_a_user(place: Place) -> None:
    await place.ask("hello")
    assert await refused(place, "POST", "/sessions", {"external_id": "s"}) == (409, "session_exists", "external_id")
    key = await place.make_key(user="somebody")
    headers = {"Authorization": f"Bearer {key}"}
    assert (await send(place, "POST", "/sessions", {"external_id": "s"}, headers=headers))[0] == 201


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"context_overflow": "forget"}, 400, "context_overflow"),
        ({"token_budget": -1}, 400, "token_budget"),
        ({"token_budget": 0}, 400, "token_budget"),
        ({"recall_tokens": -1}, 400, "recall_tokens"),
        ({"recall_options": {"alpha": 2}}, 400, "recall_options.alpha"),
        ({"recall": "no"}, 400, "recall"),
        ({"idle_expiry_s": 0}, 400, "idle_expiry_s"),
        ({"color": "red"}, 400, "color"),
        ({"external_id": ""}, 400, "external_id"),
        ({"external_id": "a\nb"}, 400, "external_id"),
        ({"metadata": {"a": "x" * 20_000}}, 400, "metadata"),
        ({"metadata": []}, 400, "metadata"),
        ({"agents": ["nobody"]}, 404, "agent_id"),
        ({"agent_id": NOBODY}, 404, "agent_id"),
        ({"user_id": NOBODY}, 404, "user_id"),
        ({"instructions": [{"role": "user", "content": "x"}]}, 400, "instructions[0].role"),
        ({"instructions": 5}, 400, "instructions"),
        ({"items": [{"role": "nobody", "content": "x"}]}, 400, "items[0].role"),
        ({"items": [{"role": "user", "content": "x"}] * 1001}, 400, "items"),
        ({"items": "x"}, 400, "items"),
        ({"situation": "x" * 300_000}, 400, "situation"),
        ({"model": ""}, 400, "model"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_wrong_order_is_named(place: Place, body: dict[str, Any], status: int, param: str) -> None:
    found = await refused(place, "POST", "/sessions", body)
    assert (found[0], found[2]) == (status, param)
    if "items" not in body and "external_id" not in body:
        await make(place, external_id="s")
        changed = await refused(place, "PATCH", "/sessions/s", body)
        assert (changed[0], changed[2]) == (status, param)
    assert len(await names(place)) <= 1


async def test_change_merges_and_unsets(place: Place) -> None:
    await make_agent(place, canonical_name="guide")
    await make(place, external_id="s", agent_id="guide", metadata={"a": 1, "b": 2}, token_budget=500, recall=False)
    change = {"metadata": {"a": None, "c": 3}, "token_budget": None, "context_overflow": "error", "instructions": "x"}
    status, changed = await send(place, "PATCH", "/sessions/s", change)
    assert status == 200
    assert changed == await place.get("/v1/sessions/s")
    assert (changed["metadata"], changed["token_budget"]) == ({"b": 2, "c": 3}, None)
    assert (changed["context_overflow"], changed["recall"]) == ("error", False)
    assert len(changed["agents"]) == 1
    other = await make_agent(place)
    both = {"agent_id": other["id"], "agents": [changed["agent_id"], other["id"]]}
    assert (await send(place, "PATCH", "/sessions/s", both))[1]["agents"] == [other["id"], changed["agent_id"]]
    _, changed = await send(place, "PATCH", "/sessions/s", {"agent_id": None, "instructions": None, "metadata": None})
    assert (changed["agents"], changed["instructions"], changed["metadata"]) == ([], None, {})
    _, same = await send(place, "PATCH", "/sessions/s", {})
    assert {**same, "active_at": None} == {**changed, "active_at": None}


async def test_change_while_a_turn_runs_is_kept(place: Place) -> None:
    async with held_turn(place) as (_, hold):
        status, changed = await send(place, "PATCH", "/sessions/s", {"metadata": {"a": 1}, "model": "other"})
        assert status == 200
        assert changed["running"]
        hold.set()
    assert (await place.ask("again")) == "ok"
    session = await place.get("/v1/sessions/s")
    assert (session["metadata"], session["model"], session["items"]) == ({"a": 1}, "other", 4)


async def test_strangers_session_is_as_none(place: Place) -> None:
    ours = (await make(place, external_id="s"))["id"]
    headers = {"Authorization": f"Bearer {await place.make_key(user='somebody')}"}
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/clear"), ("POST", "/fork")):
        missing = await send(place, method, f"/sessions/{NOBODY}{path}", {}, headers=headers)
        assert missing[0] == 404
        assert await send(place, method, f"/sessions/{ours}{path}", {}, headers=headers) == missing
    assert (await place.get("/v1/sessions/s"))["id"] == ours


async def test_who_acts_for_a_user_brings_no_other(place: Place) -> None:
    other = await make_user(place, external_id="other")
    headers = {"Authorization": f"Bearer {await place.make_key(user='ann')}"}
    status, made = await send(place, "POST", "/sessions", {"users": ["ann"]}, headers=headers)
    assert (status, len(made["users"])) == (201, 1)
    for body in ({"user_id": other["id"]}, {"users": ["other"]}):
        assert (await send(place, "POST", "/sessions", body, headers=headers))[0] == 404
        assert (await send(place, "PATCH", f"/sessions/{made['id']}", body, headers=headers))[0] == 404


async def test_sessions_are_listed_by_filters(place: Place) -> None:
    agent, user = await make_agent(place, canonical_name="guide"), await make_user(place, external_id="ann")
    await make(place, external_id="a", agent_id=agent["id"], metadata={"plan": "pro", "n": 1, "tags": ["x", "y"]})
    second = await make(place, external_id="b", users=["ann"], metadata={"plan": "pro", "deep": {"er": True}})
    await make(place, external_id="c", items=[{"role": "user", "content": "A tram to Belém"}])
    for query, found in {
        "agent=guide": ["a"],
        f"agent={agent['id']}": ["a"],
        "user=ann": ["b"],
        f"user={user['id']}&agent=guide": [],
        f"agent={NOBODY}": [],
        "metadata.plan=pro": ["b", "a"],
        "metadata.plan=pro&metadata.n=1": ["a"],
        "metadata.n=1.0": ["a"],
        "metadata.tags=y&metadata.tags=x": ["a"],
        "metadata.tags=x": [],
        "metadata.deep.er=true": ["b"],
        "metadata.deep.er=false": [],
        "text=TRAM%20bel%C3%A9m": ["c"],
        "text=pro": ["b", "a"],
        "order=asc": ["a", "b", "c"],
        "order=asc&offset=1&limit=1": ["b"],
        f"sort_by=active_at&before={second['id']}": ["a"],
        "text=%20&order=asc": ["a", "b", "c"],
        "offset=3": [],
    }.items():
        assert await names(place, query) == found, query


async def test_sessions_are_listed_by_their_last_use(place: Place) -> None:
    for name in "abc":
        await make(place, external_id=name)
        await asyncio.sleep(0.005)
    await send(place, "PATCH", "/sessions/a", {})
    assert await names(place, "sort_by=active_at") == ["a", "c", "b"]
    assert await names(place, "sort_by=active_at&order=asc") == ["b", "c", "a"]
    used = (await place.get("/v1/sessions/c"))["active_at"]
    assert await names(place, f"active_after={used}") == ["a"]
    assert await names(place, f"active_before={used}") == ["b"]
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert await names(place, f"active_before={later.replace('+', '%2B')}") == await names(
        place, f"active_before={later}"
    )


async def test_listing_goes_on_in_every_order(place: Place) -> None:
    for name in "abcde":
        await make(place, external_id=name)
    for query, order in {"": "edcba", "order=asc": "abcde", "metadata.x=1&order=asc": "", "text=a": "a"}.items():
        found, behind = [], ""
        while True:
            page = await place.get(f"/v1/sessions?limit=2&{query}{behind}")
            found += [session["external_id"] for session in page["data"]]
            if not page["has_more"]:
                break
            behind = f"&{'before' if isinstance(page['next'], str) else 'offset'}={page['next']}"
        assert "".join(found) == order, query


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/sessions?sort_by=name", "sort_by"),
        ("/sessions?order=up", "order"),
        ("/sessions?offset=-1", "offset"),
        ("/sessions?active_after=yesterday", "active_after"),
        ("/sessions?active_after=2026-01-01", "active_after"),
        (f"/sessions?text={'x' * 501}", "text"),
        ("/sessions?metadata.=1", "metadata."),
        ("/sessions?metadata.a=1&metadata.a.b=2", "metadata.a.b"),
        ("/sessions?metadata.a.b=2&metadata.a=1", "metadata.a"),
        ("/sessions/s/items?before=soon", "before"),
        ("/sessions/s/items?after=2026-01-01T00:00:00", "after"),
    ],
)
async def test_wrong_filter_is_named(place: Place, path: str, param: str) -> None:
    await make(place, external_id="s")
    status, _, named = await refused(place, "GET", path)
    assert (status, named) == (400, param)


async def test_items_are_listed_within_a_span(place: Place) -> None:
    for number in range(3):
        await place.ask(str(number))
        await asyncio.sleep(0.005)
    items = await place.list_items()
    second = items[2]["created_at"]

    async def seqs(query: str) -> list[int]:
        return [item["seq"] for item in (await place.get(f"/v1/sessions/s/items?{query}"))["data"]]

    assert await seqs("before=4") == [3, 2, 1]
    assert await seqs("after=4&order=asc") == [5, 6]
    assert await seqs("after=1&before=5&order=asc&cursor=2") == [3, 4]
    assert await seqs(f"before={second}") == [2, 1]
    assert await seqs(f"after={second}&order=asc&limit=1") == [5]
    assert await seqs("before=1") == await seqs("after=99") == []


async def test_clear_empties_the_session_alone(place: Place) -> None:
    await make(place, external_id="s", instructions="Be brief.", metadata={"a": 1}, token_budget=5000)
    await place.ask("one")
    (run,) = await place.list_runs()
    status, cleared = await send(place, "POST", "/sessions/s/clear")
    assert (status, cleared["items"], cleared["metadata"], cleared["token_budget"]) == (200, 0, {"a": 1}, 5000)
    assert await place.list_items() == await place.list_runs() == []
    assert (await send(place, "GET", f"/runs/{run['id']}"))[0] == 404
    await place.ask("two")
    assert place.seen_texts[-1] == ["Be brief.", "two"]
    assert [item["seq"] for item in await place.list_items(branch="all")] == [3, 4]
    assert (await place.get("/v1/sessions/s"))["items"] == 2


async def test_clear_cancels_the_turns_of_the_session(place: Place) -> None:
    async with held_turn(place) as (reply, _), asking(place, "second") as second:
        await until_queued(place, 1)
        status, cleared = await send(place, "POST", "/sessions/s/clear")
        assert (status, cleared["running"], cleared["items"]) == (200, None, 0)
        assert (await read_frame(reply))["error"]["code"] == "run_cancelled"
    assert second.result()[0] in (200, 409)
    assert await place.list_items() == []
    await place.ask("anew")
    assert place.seen_texts[-1] == ["anew"]


async def test_fork_goes_its_own_way(place: Place) -> None:
    await make(place, external_id="s", instructions="Be brief.", token_budget=5000, metadata={"a": 1})
    for text in ("one", "two"):
        await place.ask(text)
    ours = (await place.get("/v1/sessions/s"))["id"]
    status, fork = await send(place, "POST", "/sessions/s/fork", {"at": 2, "external_id": "f"})
    assert status == 201
    assert fork["forked_from"] == {"session_id": ours, "seq": 2}
    assert (fork["items"], fork["token_budget"], fork["metadata"]) == (2, 5000, {"a": 1})
    await place.ask("other", session_id="f")
    assert place.seen_texts[-1] == ["Be brief.", "one", "ok", "other"]
    assert await place.list_texts("f") == ["one", "ok", "other", "ok"]
    assert await place.list_texts("s") == ["one", "ok", "two", "ok"]
    assert [item["seq"] for item in await place.list_items("f")] == [1, 2, 3, 4]
    await send(place, "DELETE", "/sessions/s")
    await place.ask("on", session_id="f")
    assert await place.list_texts("f", branch="all") == ["one", "ok", "other", "ok", "on", "ok"]
    assert (await place.get("/v1/sessions/f"))["items"] == 6


async def test_fork_takes_the_whole_by_default(place: Place) -> None:
    await place.ask("one")
    status, fork = await send(place, "POST", "/sessions/s/fork")
    assert (status, fork["items"], fork["external_id"]) == (201, 2, None)
    _, again = await send(place, "POST", f"/sessions/{fork['id']}/fork", {"metadata": {"b": 2}})
    assert (again["metadata"], again["forked_from"]["session_id"]) == ({"b": 2}, fork["id"])
    assert await place.list_texts(again["id"]) == ["one", "ok"]


async def test_edited_fork_keeps_what_it_left(place: Place) -> None:
    for text in ("one", "two"):
        await place.ask(text)
    await send(place, "POST", "/sessions/s/fork", {"external_id": "f"})
    answer = {"role": "assistant", "content": "ok"}
    edited = [{"role": "user", "content": "one"}, answer, {"role": "user", "content": "edited"}]
    await place.ask("", session_id="f", messages=edited)
    assert await place.list_texts("f") == ["one", "ok", "edited", "ok"]
    assert [item["seq"] for item in await place.list_items("f")] == [1, 2, 5, 6]
    assert await place.list_texts("s") == ["one", "ok", "two", "ok"]


@pytest.mark.parametrize("at", [0, 3, 99, 2**53])
async def test_fork_at_no_item_is_refused(place: Place, at: int) -> None:
    await place.ask("one")
    assert await refused(place, "POST", "/sessions/s/fork", {"at": at}) == (400, "unknown_seq", "at")


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"at": -1}, 400, "at"),
        ({"at": "x"}, 400, "at"),
        ({"to": 1}, 400, "to"),
        ({"external_id": "s"}, 409, "external_id"),
    ],
    ids=str,
)
async def test_wrong_fork_is_named(place: Place, body: dict[str, Any], status: int, param: str) -> None:
    await place.ask("one")
    found = await refused(place, "POST", "/sessions/s/fork", body)
    assert (found[0], found[2]) == (status, param)


async def test_openai_goes_on_in_a_fork(place: Place) -> None:
    await place.ask("one")
    _, fork = await send(place, "POST", "/sessions/s/fork")
    client: AsyncOpenAI = place.client({"X-Session-Id": fork["id"]})
    answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "two"}])
    assert answer.choices[0].message.content == "ok"
    assert place.seen_texts[-1] == ["one", "ok", "two"]


async def test_user_is_erased_with_all_sessions(place: Place) -> None:
    ann = await make_user(place, external_id="ann")
    headers = {"Authorization": f"Bearer {await place.make_key(user='ann')}"}
    async with place.post("a secret", headers=headers, session_id="own") as reply:
        assert reply.status == 200
    own = (await send(place, "GET", "/sessions/own", headers=headers))[1]
    await send(place, "POST", f"/sessions/{own['id']}/fork", {"external_id": "fork"})
    await make(place, external_id="with", users=["ann"])
    await make(place, external_id="without")
    await place.ask("hello", session_id="with")
    status, receipt = await send(place, "DELETE", f"/users/{ann['id']}")
    assert status == 200, receipt
    counted = ("user_id", "sessions", "forks", "items", "runs", "documents", "is_complete")
    assert [receipt[name] for name in counted] == [ann["id"], 3, 1, 4, 2, 0, True]
    assert await names(place) == ["without"]
    assert (await send(place, "GET", f"/users/{ann['id']}"))[0] == 404
    assert (await send(place, "GET", "/sessions", headers=headers))[0] == 401


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_cleared_and_erased_leave_no_byte(opening: OpenPlace, tmp_path: Path) -> None:
    """Nor does a turn that is cancelled for it."""

    def search(word: bytes) -> list[Path]:
        return [path for path in tmp_path.rglob("*") if path.is_file() and word in path.read_bytes()]

    async with opening() as place:
        async with held_turn(place, "a quiet secret", said=2):
            await asyncio.sleep(0.7)
            assert (await send(place, "POST", "/sessions/s/clear"))[0] == 200
        await asyncio.sleep(0.7)
        assert not search(b"quiet secret")
        place.will_say(Script("a loud answer"))
        await place.ask("a silent question", session_id="t")
        _, fork = await send(place, "POST", "/sessions/t/fork")
        assert (await send(place, "POST", "/sessions/t/clear"))[0] == 200
        assert search(b"silent question")
        assert (await send(place, "DELETE", f"/sessions/{fork['id']}"))[0] == 200
        assert not search(b"silent question")
        assert not search(b"loud answer")


async def test_default_user_stays_when_it_is_erased(place: Place) -> None:
    tenant = await place.keys.store.find_tenant(place.tenant)
    assert tenant
    await make(place, external_id="s")
    status, receipt = await send(place, "DELETE", f"/users/{tenant.default_user_id}")
    assert (status, receipt["sessions"], receipt["is_complete"]) == (200, 1, True)
    assert await names(place) == []
    await make(place, external_id="s")
    assert await names(place) == ["s"]


async def test_header_names_a_new_user_behind_an_erasure(place: Place) -> None:
    key = await place.make_key(scopes=("users",))
    headers = {"Authorization": f"Bearer {key}", "X-User-Id": "ann"}
    first = (await send(place, "POST", "/sessions", {"external_id": "s"}, headers=headers))[1]
    assert (await send(place, "DELETE", "/users/ann"))[0] == 200
    assert (await send(place, "GET", "/sessions/s", headers=headers))[0] == 404
    status, second = await send(place, "POST", "/sessions", {"external_id": "s"}, headers=headers)
    assert (status, second["id"] == first["id"]) == (201, False)
    assert (await send(place, "GET", "/users/ann"))[0] == 200
