"""What is done behind the turns, ahead of need: for whom, of what, and what is left alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from multiturn.engine.upkeep import TASKS_MAX, WAITING_MAX
from multiturn.errors import ContextTooLong, UpstreamTimeout
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import OpenPlace, Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUMMARIZE = {"context_overflow": "summarize"}
SECRET = "The secret word is Galileo. "
# More than three quarters of a budget of 750 tokens, so that one turn has a summary made.
LONG = "water the plants and sweep the floor. " * 65


def asks_summary(request: dict[str, Any]) -> bool:
    """Whether a request asks for a summary, and is no turn."""
    return "Summarize the conversation above" in str(request["messages"][-1]["content"])


def list_asked(place: Place) -> list[dict[str, Any]]:
    """The requests for summaries."""
    return [request for request in place.seen if asks_summary(request)]


async def settle(place: Place) -> None:
    """Let work behind the turns end: the model is asked for nothing more."""
    seen = -1
    while seen != len(place.seen):
        seen = len(place.seen)
        await asyncio.sleep(0.05)


async def test_summaries_go_on_behind_items_without_text(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        look = Script(tool_calls=[ScriptedCall("look")])
        place.upstream.choose = lambda request: Script("short") if asks_summary(request) else look
        for number in range(20):
            await place.ask(f"Step {number}: {LONG[:160]}", context_overflow="truncate")
        for number in range(20):
            await place.ask(f"Go on {number}: {LONG[:160]}", **SUMMARIZE)
            await settle(place)
        windows = [request for request in list_asked(place) if len(request["messages"]) > 1]
        assert len(windows) >= 2
        assert [item["type"] for item in await place.list_items()].count("summary") >= 1


async def test_failing_model_pauses_itself_alone(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        slow = Script(error=UpstreamTimeout("too slow"))
        place.upstream.choose = lambda request: (
            slow if asks_summary(request) and request["model"] == "bad" else Script("ok")
        )
        for name in ("bad", "good", "bad"):
            await place.ask(LONG, model=name, session_id=f"{name} {len(place.seen)}", **SUMMARIZE)
            await settle(place)
        assert [request["model"] for request in list_asked(place)] == ["bad", "good"]


async def test_nothing_is_indexed_where_nothing_is_recalled(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000, recall=False) as place:
        for number in range(30):
            await place.ask(f"Step {number}: {LONG[:160]}", context_overflow="adaptive")
        await settle(place)
        async with place.http.get("/metrics") as reply:
            metrics = await reply.text()
        assert "multiturn_indexed_items_total 0.0" in metrics


@pytest.mark.parametrize("is_cleared", [True, False])
async def test_what_was_taken_away_goes_to_no_model(opening: OpenPlace, *, is_cleared: bool) -> None:
    async with opening(context_tokens=1000) as place:
        goes_on = asyncio.Event()
        place.upstream.choose = lambda request: Script("short", hold=goes_on) if asks_summary(request) else Script("ok")
        for number in range(TASKS_MAX):
            await place.ask(LONG, session_id=f"first {number}", **SUMMARIZE)
        await settle(place)
        assert place.upstream.running == TASKS_MAX
        await place.ask(SECRET + LONG, **SUMMARIZE)
        await take_away(place, is_cleared=is_cleared)
        goes_on.set()
        await settle(place)
        assert len(list_asked(place)) == TASKS_MAX
        assert not any(SECRET in str(request) for request in list_asked(place))
        await place.ask(LONG, session_id="last", **SUMMARIZE)
        await settle(place)
        assert len(list_asked(place)) == TASKS_MAX + 1


async def take_away(place: Place, *, is_cleared: bool) -> None:
    """Clear or delete the session ``s``."""
    taking = place.http.post("/v1/sessions/s/clear") if is_cleared else place.http.delete("/v1/sessions/s")
    async with taking as reply:
        assert reply.status in (200, 204), await reply.text()


async def test_far_from_full_context_is_cut_for_its_turn_alone(opening: OpenPlace) -> None:
    async with opening(context_tokens=100_000, context_overflow="truncate") as place:
        for _ in range(8):
            await place.ask("word " * 200)
        place.will_say(ContextTooLong("too long", status=400), "cut")
        assert await place.ask("word " * 200) == "cut"
        assert len(place.seen[-1]["messages"]) < len(place.seen[-2]["messages"])
        await place.ask("word " * 20_000, session_id="other")
        assert place.seen_texts[-1] == ["word " * 20_000]


async def test_few_sessions_wait(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        goes_on = asyncio.Event()
        place.upstream.choose = lambda request: Script("short", hold=goes_on) if asks_summary(request) else Script("ok")
        for number in range(TASKS_MAX + WAITING_MAX + 5):
            await place.ask(LONG, session_id=f"session {number}", **SUMMARIZE)
        goes_on.set()
        await settle(place)
        assert len(list_asked(place)) == TASKS_MAX + WAITING_MAX
