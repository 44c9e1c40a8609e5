"""Quotas over HTTP: set, read and deleted by who may, told in every dialect's headers, and kept."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from tests.contract.dialects.conftest import Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

TURN = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class Operator:
    """Who may set quotas of a tenant."""

    def __init__(self, place: Place, key: str) -> None:
        self.place = place
        self.headers = {"Authorization": f"Bearer {key}"}

    async def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, **query: str) -> Any:
        """Ask about quotas of the tenant; the body of the answer."""
        where, query = f"/v1/quotas{path}", {"tenant": self.place.tenant, **query}
        async with self.place.http.request(method, where, json=body, params=query, headers=self.headers) as reply:
            said = await reply.json()
            assert reply.status == status, said
            return said

    async def refuse(self, method: str, path: str, body: Any = None, *, status: int) -> tuple[Any, Any]:
        """Ask for what is refused; code and parameter of the error."""
        error = (await self.ask(method, path, body, status=status))["error"]
        return error["code"], error["param"]


@pytest_asyncio.fixture(loop_scope="module")
async def operator(place: Place) -> Operator:
    return Operator(place, await place.make_key(tenant="operators", scopes=("admin",)))


async def turn(place: Place, path: str, body: dict[str, Any], **headers: str) -> tuple[int, dict[str, str], Any]:
    """Take a turn; status, headers of quotas and body."""
    async with place.http.post(path, json=body, headers=headers) as reply:
        said = await reply.text()
        names = {name.lower(): value for name, value in reply.headers.items()}
        told = {name: value for name, value in names.items() if name.startswith(("x-ratelimit", "retry-after"))}
        return reply.status, told, said


async def test_quota_is_set_read_and_deleted(place: Place, operator: Operator) -> None:
    assert (await operator.ask("GET", ""))["data"] == []
    made = await operator.ask("PUT", "/tenant", {"day": {"turns": 5}, "month": {"cost_usd": 2}})
    assert (made["kind"], made["subject_id"], made["day"]["turns"], made["month"]["cost_usd"]) == ("tenant", None, 5, 2)
    await place.ask("hello")
    read = await operator.ask("GET", "/tenant")
    assert read["used"]["day"]["turns"] == read["used"]["month"]["turns"] == 1
    assert [one["kind"] for one in (await operator.ask("GET", ""))["data"]] == ["tenant"]
    assert (await operator.ask("DELETE", "/tenant"))["deleted"]
    assert await operator.refuse("GET", "/tenant", status=404) == ("quota_not_found", None)
    assert await operator.refuse("DELETE", "/tenant", status=404) == ("quota_not_found", None)


async def test_user_and_session_have_quotas_of_their_own(place: Place, operator: Operator) -> None:
    ann = {"Authorization": f"Bearer {await place.make_key(user='ann')}"}
    await place.ask("hello")
    session = (await place.get("/v1/sessions/s"))["id"]
    made = await operator.ask("PUT", "/users/ann", {"day": {"turns": 1}})
    assert made["user"] == "ann"
    assert made["subject_id"]
    assert (await operator.ask("GET", f"/users/{made['subject_id']}"))["day"] == made["day"]
    made = await operator.ask("PUT", f"/sessions/{session}", {"life": {"turns": 2}})
    assert made["used"]["life"]["turns"] == 1
    assert (await operator.ask("GET", "/sessions/s"))["subject_id"] == made["subject_id"]
    for expected in (200, 429):
        assert (await turn(place, "/v1/chat/completions", TURN, **ann))[0] == expected
    await place.ask("again")
    status, told, said = await turn(place, "/v1/chat/completions", {**TURN, "session_id": "s"})
    assert (status, "retry-after" in told) == (429, False)
    assert "The session's quota of 2 turns is used up" in said
    await place.ask("elsewhere", session_id="t")


PATHS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {**TURN, "session_id": "q"}),
    "a relayed call": ("/v1/chat/completions", TURN),
    "a stream": ("/v1/chat/completions", {**TURN, "session_id": "q", "stream": True}),
    "native": ("/v1/sessions/{session}/chat", TURN),
    "julep": ("/julep/api/sessions/{session}/chat", TURN),
}


@pytest.mark.parametrize("name", PATHS)
async def test_every_turn_tells_what_is_left(place: Place, operator: Operator, name: str) -> None:
    path, body = PATHS[name]
    await place.ask("hello", session_id="q")
    session = (await place.get("/v1/sessions/q"))["id"]
    await operator.ask("PUT", "/tenant", {"day": {"turns": 3, "tokens": 1_000_000}, "month": {"cost_usd": 1.5}})
    status, told, _ = await turn(place, path.format(session=session), body)
    assert status in (200, 201)
    assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("3", "1")
    assert told["x-ratelimit-limit-tokens"] == "1000000"
    assert told["x-ratelimit-remaining-cost-usd"] == "1.5"
    assert told["x-ratelimit-reset-requests"].endswith("s")


@pytest.mark.parametrize("name", PATHS)
async def test_used_up_quota_is_told_in_the_dialect(place: Place, operator: Operator, name: str) -> None:
    path, body = PATHS[name]
    await place.ask("hello", session_id="q")
    session = (await place.get("/v1/sessions/q"))["id"]
    await operator.ask("PUT", "/users", {"month": {"turns": 1}})
    place.upstream.requests.clear()
    status, told, said = await turn(place, path.format(session=session), body)
    assert status == 429
    assert int(told["retry-after"]) > 0
    assert "quota_exceeded" in said
    assert "The user's quota of 1 turns a month is used up. It begins anew at 20" in said
    assert not place.seen
    assert len(await place.list_runs("q")) == 1


async def test_official_clients_do_not_try_again(place: Place, operator: Operator) -> None:
    await operator.ask("PUT", "/tenant", {"day": {"turns": 0}})
    async with place.http.post("/v1/chat/completions", json=TURN) as reply:
        assert (reply.status, reply.headers["x-should-retry"]) == (429, "false")


WRONG: dict[str, tuple[str, Any, str | None]] = {
    "nothing": ("/tenant", {}, "day"),
    "an empty allowance": ("/tenant", {"day": {}}, "day"),
    "the life of a tenant": ("/tenant", {"life": {"turns": 1}}, "life"),
    "the day of a session": ("/sessions", {"day": {"turns": 1}}, "day"),
    "less than nothing": ("/users", {"day": {"turns": -1}}, "day.turns"),
    "half a turn": ("/users", {"day": {"turns": 0.5}}, "day.turns"),
    "no number": ("/users", {"day": {"cost_usd": "NaN"}}, "day.cost_usd"),
    "too much": ("/users", {"day": {"tokens": 2**60}}, "day.tokens"),
    "an unknown measure": ("/users", {"day": {"words": 1}}, "day.words"),
    "an unknown period": ("/users", {"week": {"turns": 1}}, "week"),
    "no object": ("/users", [1], None),
}


@pytest.mark.parametrize("name", WRONG)
async def test_wrong_quota_names_what_is_wrong(operator: Operator, name: str) -> None:
    path, body, param = WRONG[name]
    assert await operator.refuse("PUT", path, body, status=400) == ("invalid_request", param)


@pytest.mark.parametrize("path", ["/teams", "/tenant/x", "/users/nobody", "/sessions/nothing", "/sessions/%00"])
async def test_quota_of_nobody_is_not_there(operator: Operator, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        code, _ = await operator.refuse(method, path, {"life": {"turns": 1}}, status=404)
        assert code in ("quota_not_found", "user_not_found", "session_not_found")


async def test_quotas_are_listed_in_pages(operator: Operator) -> None:
    for path in ("/tenant", "/users"):
        await operator.ask("PUT", path, {"day": {"turns": 1}})
    first = await operator.ask("GET", "", limit="1")
    assert (first["has_more"], first["data"][0]["kind"]) == (True, "tenant")
    second = await operator.ask("GET", "", limit="1", after=first["next"])
    assert (second["has_more"], second["data"][0]["kind"]) == (False, "users")
    for wrong in ("x", "users/y", ""):
        await operator.ask("GET", "", after=wrong, status=400)


async def test_quotas_are_managed_by_admins_only(place: Place, operator: Operator) -> None:
    operator.headers = {"Authorization": f"Bearer {await place.make_key(scopes=('users',))}"}
    for method, path in (("GET", ""), ("GET", "/tenant"), ("PUT", "/tenant"), ("DELETE", "/tenant")):
        assert await operator.refuse(method, path, {"day": {"turns": 9}}, status=403) == ("forbidden", None)
