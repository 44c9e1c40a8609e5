"""Sessions as they can be seen: listed, read in pages, deleted, and their runs and events."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.dialects.conftest import Place

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_sessions_are_listed_newest_first(place: Place) -> None:
    for name in ("one", "two", "three"):
        await place.ask("hello", session_id=name)
    page = await place.get("/v1/sessions")
    assert [session["external_id"] for session in page["data"]] == ["three", "two", "one"]
    assert page["has_more"] is False


async def test_listing_goes_on_behind_its_cursor(place: Place) -> None:
    for name in "abcde":
        await place.ask("hello", session_id=name)
    found, before = [], ""
    while True:
        page = await place.get(f"/v1/sessions?limit=2{before}")
        found += [session["external_id"] for session in page["data"]]
        if not page["has_more"]:
            break
        before = f"&before={page['next']}"
    assert found == list("edcba")


async def test_session_tells_what_it_holds(place: Place) -> None:
    system = {"role": "system", "content": "Be brief."}
    await place.ask("hello", messages=[system, {"role": "user", "content": "hello"}])
    session = await place.get("/v1/sessions/s")
    assert (session["items"], session["shown_from"], session["running"]) == (2, 1, None)
    assert session["instructions"] == [system]
    assert session["idle_expiry_s"] == 86400
    assert session["expires_at"] > session["active_at"]


async def test_session_is_found_by_each_of_its_names(place: Place) -> None:
    await place.ask("hello")
    ours = (await place.get("/v1/sessions/s"))["id"]
    for name in (ours, ours.replace("-", ""), f"sess_{ours.replace('-', '')}"):
        assert (await place.get(f"/v1/sessions/{name}"))["id"] == ours


async def test_items_come_in_pages_from_either_end(place: Place) -> None:
    for number in range(3):
        await place.ask(f"question {number}")
    newest = await place.get("/v1/sessions/s/items?limit=4")
    assert [item["seq"] for item in newest["data"]] == [6, 5, 4, 3]
    rest = await place.get(f"/v1/sessions/s/items?limit=4&cursor={newest['next']}")
    assert [item["seq"] for item in rest["data"]] == [2, 1]
    oldest = await place.get("/v1/sessions/s/items?order=asc&cursor=4")
    assert [item["seq"] for item in oldest["data"]] == [5, 6]
    assert (rest["has_more"], oldest["has_more"]) == (False, False)


async def test_page_past_the_end_is_empty(place: Place) -> None:
    await place.ask("hello")
    assert (await place.get("/v1/sessions/s/items?order=asc&cursor=99"))["data"] == []
    assert (await place.get("/v1/sessions/s/items?cursor=1"))["data"] == []


async def test_other_branches_are_there_when_asked_for(place: Place) -> None:
    await place.ask("first")
    answer = {"role": "assistant", "content": "ok"}
    edited = [{"role": "user", "content": "second"}, answer, {"role": "user", "content": "third"}]
    await place.ask("", messages=[{"role": "user", "content": "first"}, answer, {"role": "user", "content": "other"}])
    await place.ask("", messages=[{"role": "user", "content": "first"}, answer, edited[0]])
    assert await place.list_texts() == ["first", "ok", "second", "ok"]
    assert await place.list_texts(branch="all") == ["first", "ok", "other", "ok", "second", "ok"]


async def test_runs_name_their_items_by_range(place: Place) -> None:
    await place.ask("one")
    await place.ask("two", temperature=0.5)
    first, second = await place.list_runs()
    assert (first["input_items"], first["output_items"]) == ([1, 1], [2, 2])
    assert (second["input_items"], second["output_items"]) == ([3, 3], [4, 4])
    assert second["settings"] == {"temperature": 0.5}
    assert second["usage"]["output_tokens"] == 1
    assert second["input"] == second["output"] == []


async def test_runs_come_in_pages(place: Place) -> None:
    for number in range(3):
        await place.ask(f"question {number}")
    page = await place.get("/v1/sessions/s/runs?limit=2")
    rest = await place.get(f"/v1/sessions/s/runs?limit=2&cursor={page['next']}")
    assert [run["input_items"] for run in (*page["data"], *rest["data"])] == [[5, 5], [3, 3], [1, 1]]


async def test_events_of_a_whole_answer_are_two(place: Place) -> None:
    place.will_say("four words are said")
    await place.ask("hello")
    (run,) = await place.list_runs()
    page = await place.get(f"/v1/runs/{run['id']}/events")
    assert [event["type"] for event in page["data"]] == ["answer", "end"]
    assert page["data"][0]["text"] == "four words are said"
    assert page["data"][1]["run"]["status"] == "completed"
    assert page["has_more"] is False


async def test_deleted_session_is_gone_with_its_runs(place: Place) -> None:
    await place.ask("hello")
    (run,) = await place.list_runs()
    async with place.http.delete("/v1/sessions/s") as reply:
        assert (reply.status, (await reply.json())["deleted"]) == (200, True)
    for path in ("/v1/sessions/s", "/v1/sessions/s/items", f"/v1/runs/{run['id']}", f"/v1/runs/{run['id']}/events"):
        async with place.http.get(path) as reply:
            assert reply.status == 404, path
    assert await place.ask("again") == "ok"
    assert await place.list_texts() == ["again", "ok"]


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/v1/sessions?limit=0", "limit"),
        ("/v1/sessions?limit=1000", "limit"),
        ("/v1/sessions?limit=x", "limit"),
        ("/v1/sessions?before=nobody", "before"),
        ("/v1/sessions/s/items?order=up", "order"),
        ("/v1/sessions/s/items?branch=none", "branch"),
        ("/v1/sessions/s/items?cursor=-1", "cursor"),
        ("/v1/sessions/s/runs?cursor=99999999999999999999", "cursor"),
    ],
)
async def test_wrong_parameter_is_named(place: Place, path: str, param: str) -> None:
    await place.ask("hello")
    async with place.http.get(path) as reply:
        error = (await reply.json())["error"]
        assert (reply.status, error["param"]) == (400, param)


@pytest.mark.parametrize(
    "path", ["/v1/sessions/none", "/v1/sessions/none/items", "/v1/runs/none", "/v1/runs/none/events"]
)
async def test_what_is_not_there_is_404(place: Place, path: str) -> None:
    async with place.http.get(path) as reply:
        assert reply.status == 404


async def see(place: Place, key: str, path: str) -> tuple[int, Any]:
    async with place.http.get(path, headers={"Authorization": f"Bearer {key}"}) as reply:
        return reply.status, await reply.json()


async def test_strangers_see_nothing_and_learn_nothing(place: Place) -> None:
    await place.ask("hello")
    ours = (await place.get("/v1/sessions/s"))["id"]
    (run,) = await place.list_runs()
    stranger = await place.make_key(tenant=f"{place.tenant}-stranger")
    missing = (await see(place, stranger, "/v1/sessions/none"))[1]
    for path in (f"/v1/sessions/{ours}", "/v1/sessions/s", f"/v1/sessions/{ours}/items"):
        assert await see(place, stranger, path) == (404, missing)
    assert (await see(place, stranger, f"/v1/runs/{run['id']}"))[0] == 404
    assert (await see(place, stranger, "/v1/sessions"))[1]["data"] == []


async def test_user_sees_own_sessions_only(place: Place) -> None:
    await place.ask("hello")
    ours = (await place.get("/v1/sessions/s"))["id"]
    user = await place.make_key(user="somebody")
    assert (await see(place, user, f"/v1/sessions/{ours}"))[0] == 404
    assert (await see(place, user, "/v1/sessions"))[1]["data"] == []


async def test_keys_are_managed_by_admins(place: Place) -> None:
    plain, admin = await place.make_key(), await place.make_key(scopes=("admin",))
    assert (await see(place, plain, "/v1/keys"))[0] == 403
    status, listed = await see(place, admin, f"/v1/keys?tenant={place.tenant}")
    assert status == 200
    assert all("secret" not in key or key["secret"] is None for key in listed["data"])
