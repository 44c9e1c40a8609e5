"""Usage and cost as the native API tells them: of turns in sessions, of turns without, and to whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from multiturn.config import Price
from multiturn.errors import UpstreamError
from multiturn.upstream.scripted import Script
from tests.contract.dialects.conftest import OpenPlace, Place, open_place

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRICES = {"m": Price(input=1.0, output=10.0), "free": 0.0}


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, shared_database: str | None) -> AsyncIterator[Place]:
    """The server of this module, with prices of its own."""
    async with open_place(tmp_path_factory.mktemp("server"), shared_database, prices=PRICES) as place:
        yield place


async def usage(place: Place, query: str = "", *, headers: dict[str, str] | None = None) -> Any:
    """What was used."""
    return await place.get(f"/v1/usage?{query}", headers=headers)


async def rows(place: Place, query: str, *names: str) -> list[tuple[Any, ...]]:
    """Some fields of the rows."""
    return [tuple(row[name] for name in names) for row in (await usage(place, query))["data"]]


async def refused(place: Place, query: str, *, key: str | None = None) -> tuple[int, str, str | None]:
    """How a question is refused."""
    headers = {"Authorization": f"Bearer {key}"} if key else None
    async with place.http.get(f"/v1/usage?{query}", headers=headers) as reply:
        error = (await reply.json())["error"]
        return reply.status, error["code"], error["param"]


async def until_used(place: Place, turns: int) -> Any:
    """What was used, when so many turns were counted: those without a session are stored a moment later."""
    for _ in range(100):
        found = await usage(place, "period=none")
        if found["total"]["turns"] >= turns:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{turns} turns were not counted: {found}")


def cost(run: Any) -> float:
    """What a run cost at the prices of this module."""
    return float(run["usage"]["input_tokens"] * 1e-6 + run["usage"]["output_tokens"] * 10e-6)


async def test_turns_are_counted_with_their_cost(place: Place) -> None:
    for text in ("one", "two"):
        await place.ask(text)
    runs = await place.list_runs()
    assert [run["cost_usd"] for run in runs] == pytest.approx([cost(run) for run in runs])
    assert all(run["cost_usd"] > 0 for run in runs)
    found = await usage(place)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert (found["to"], found["period"], found["group_by"], found["has_more"]) == (today, "day", [], False)
    row = found["data"][0]
    assert (row["period"], row["turns"], row["unpriced_turns"]) == (today, 2, 0)
    assert row["input_tokens"] == sum(run["usage"]["input_tokens"] for run in runs)
    assert row["cost_usd"] == pytest.approx(sum(run["cost_usd"] for run in runs))
    assert found["total"] == {name: row[name] for name in found["total"]}


async def test_streamed_turn_costs_the_same(place: Place) -> None:
    async with place.post("one", stream=True) as reply:
        await reply.read()
    run = (await place.list_runs())[0]
    assert run["cost_usd"] == pytest.approx(cost(run))
    assert (await usage(place))["total"]["cost_usd"] == pytest.approx(run["cost_usd"])


async def test_session_tells_what_it_used(place: Place) -> None:
    assert await place.ask("one") == await place.ask("two") == "ok"
    told = await place.get("/v1/sessions/s/usage")
    total = (await usage(place))["total"]
    assert told == {"object": "session.usage", "session_id": told["session_id"], **total}
    other = Place(**{name: getattr(place, name) for name in place.__dataclass_fields__})
    async with other.http.get("/v1/sessions/nobody/usage") as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (404, "session_not_found")


async def test_models_are_told_apart(place: Place) -> None:
    for model in ("m", "free", "unknown"):
        await place.ask("hello", model=model)
    found = await rows(place, "group_by=model&period=none", "model", "turns", "unpriced_turns")
    assert sorted(found) == [("free", 1, 0), ("m", 1, 0), ("unknown", 1, 1)]
    assert found[0][0] == "m"
    assert await rows(place, "model=free", "turns", "cost_usd") == [(1, 0.0)]
    assert (await usage(place))["total"]["unpriced_turns"] == 1
    runs = {run["model"]: run["cost_usd"] for run in await place.list_runs()}
    assert (runs["free"], runs["unknown"]) == (0.0, None)


async def test_sessions_are_told_apart_while_they_are_there(place: Place) -> None:
    for session in ("a", "a", "b"):
        await place.ask("hello", session_id=session)
    a = (await place.get("/v1/sessions/a"))["id"]
    found = await rows(place, "group_by=session,model&period=month", "period", "session_id", "model", "turns")
    assert found[0] == (f"{datetime.now(UTC):%Y-%m}", a, "m", 2)
    assert [row[3] for row in found] == [2, 1]
    assert await rows(place, "session=a&period=none", "turns", "session_id") == [(2, None)]
    async with place.http.delete("/v1/sessions/a") as reply:
        assert reply.status == 200
    assert len(await rows(place, "group_by=session", "turns")) == 1
    assert (await usage(place, "group_by=session"))["total"]["turns"] == 3


async def test_bound_key_sees_its_own(place: Place) -> None:
    ana, ben = [await place.make_key(user=name) for name in ("ana", "ben")]
    for key, turns in ((ana, 1), (ben, 2)):
        for _ in range(turns):
            await place.ask("hello", headers={"Authorization": f"Bearer {key}"})
    assert await rows(place, "group_by=user&period=none", "user", "turns") == [("ben", 2), ("ana", 1)]
    assert await rows(place, "user=ana", "turns") == [(1,)]
    seen = await usage(place, "group_by=user", headers={"Authorization": f"Bearer {ana}"})
    assert [(row["user"], row["turns"]) for row in seen["data"]] == [("ana", 1)]
    assert seen["total"]["turns"] == 1
    assert await refused(place, "user=ben", key=ana) == (404, "user_not_found", "user_id")
    assert await refused(place, "session=s", key=await place.make_key(user="cid")) == (
        404,
        "session_not_found",
        "session_id",
    )


async def test_erased_user_takes_its_usage_along(place: Place) -> None:
    key = await place.make_key(user="ana")
    await place.ask("hello", headers={"Authorization": f"Bearer {key}"})
    await place.ask("hello")
    async with place.http.delete("/v1/users/ana") as reply:
        assert reply.status == 200
    assert (await usage(place))["total"]["turns"] == 1


async def test_failed_and_unstored_turns_count_once_they_used_something(place: Place) -> None:
    place.will_say(Script("one two three", pieces_first=2, error=UpstreamError("It broke.")))
    async with place.post("fails", stream=True) as reply:
        await reply.read()
    assert (await usage(place))["data"] == []
    await place.ask("hello", saveToMemory=False)
    assert (await usage(place))["total"]["turns"] == 1
    assert await place.list_items() == []


async def test_turns_without_a_session_are_counted(place: Place) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    for stream in (False, True):
        async with place.http.post("/v1/chat/completions", json={**body, "stream": stream}) as reply:
            assert reply.status == 200
            await reply.read()
    place.will_say(UpstreamError("It broke."))
    async with place.http.post("/v1/chat/completions", json=body) as reply:
        assert reply.status == 502
    total = (await until_used(place, 2))["total"]
    assert (total["turns"], total["unpriced_turns"]) == (2, 0)
    assert total["cost_usd"] == pytest.approx(total["input_tokens"] * 1e-6 + total["output_tokens"] * 10e-6)
    assert total["output_tokens"] > 0


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("from=yesterday", "from"),
        ("to=2026-13-01", "to"),
        ("to=0001-01-10", "to"),
        ("from=20261121", "from"),
        ("from=2026-11-22&to=2026-11-21", "from"),
        ("from=1900-01-01", "from"),
        ("from=2026-01-01&to=2026-11-21&group_by=session", "from"),
        ("period=year", "period"),
        ("group_by=colour", "group_by"),
        ("limit=0", "limit"),
        ("user=", "user"),
        ("model=%00", "model"),
    ],
)
async def test_what_cannot_be_asked_names_the_parameter(place: Place, query: str, param: str) -> None:
    assert await refused(place, query) == (400, "invalid_request", param)


async def test_rows_end_at_the_limit(place: Place) -> None:
    for model in ("m", "free"):
        await place.ask("hello", model=model)
    found = await usage(place, "group_by=model&limit=1")
    assert ([row["model"] for row in found["data"]], found["has_more"]) == (["m"], True)
    assert found["total"]["turns"] == 2


async def test_months_go_back_a_year(place: Place) -> None:
    found = await usage(place, "period=month&to=2026-11-21")
    assert (found["from"], found["data"]) == ("2025-12-01", [])
    assert (await usage(place, "to=1970-01-02"))["from"] == "1970-01-01"
    assert (await usage(place, "to=9999-12-31&group_by=session,user,model"))["data"] == []


async def test_what_was_counted_is_stored_when_the_server_stops(opening: OpenPlace, tmp_path: Path) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    async with opening() as place, place.http.post("/v1/chat/completions", json=body) as reply:
        assert reply.status == 200
    async with opening() as place:
        assert (await usage(place))["total"]["turns"] == 1
