"""What a model is shown when a conversation outgrows its budget, through the API that everybody uses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from multiturn.errors import UpstreamTimeout
from multiturn.upstream.scripted import Script
from tests.contract.dialects.conftest import OpenPlace, Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

FACT = "My grandmother's parrot is called Galileo."
QUESTION = "What is the name of my grandmother's parrot?"
ADAPTIVE = {"context_overflow": "adaptive"}


async def talk(place: Place, turns: int, **fields: Any) -> None:
    """Talk about other things."""
    for number in range(turns):
        await place.ask(f"Step {number}: " + "water the plants and sweep the floor. " * 4, **fields)


async def settle(place: Place) -> None:
    """Let work behind the turns end: the model is asked for nothing more."""
    seen = -1
    while seen != len(place.seen):
        seen = len(place.seen)
        await asyncio.sleep(0.05)


def list_turns(place: Place) -> list[list[dict[str, Any]]]:
    """The messages of the requests that were turns, and no summaries."""
    asked = [request["messages"] for request in place.seen]
    return [messages for messages in asked if "Summarize" not in str(messages[-1]["content"])]


async def get_run_context(place: Place) -> Any:
    """What the newest run was shown."""
    run = (await place.list_runs())[-1]
    return await place.get(f"/v1/runs/{run['id']}/context")


async def test_adaptive_remembers_what_was_cut(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        await place.ask(FACT)
        await talk(place, 30)
        await settle(place)
        await place.ask(QUESTION)
        shown = place.seen_texts[-1]
        assert sum(FACT in text for text in shown) == 1
        assert shown[-1].startswith("<recalled>\n")
        assert shown[-1].endswith(f"</recalled>\n\n{QUESTION}")
        context = await get_run_context(place)
        snippets = context["retrieved"]["snippets"]
        assert next((one["seq"], one["text"]) for one in snippets if one["omitted"] is None) == (1, FACT)
        assert context["shown_from"] > 2
        assert [part["kind"] for part in context["parts"]][-2:] == ["retrieved", "input"]


@pytest.mark.parametrize("strategy", ["truncate", "summarize"])
async def test_other_strategies_recall_nothing(opening: OpenPlace, strategy: str) -> None:
    async with opening(context_tokens=1000) as place:
        await place.ask(FACT, context_overflow=strategy)
        await talk(place, 30, context_overflow=strategy)
        await settle(place)
        await place.ask(QUESTION, context_overflow=strategy)
        assert not any("Galileo" in text for text in place.seen_texts[-1])


async def test_items_are_stored_without_blocks(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        await place.ask(FACT)
        await talk(place, 30)
        await place.ask(QUESTION)
        assert (await place.list_texts())[-2:] == [QUESTION, "ok"]


async def test_summary_is_made_ahead_and_becomes_an_item(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        await place.ask(FACT)
        for number in range(40):
            await talk(place, 1)
            await settle(place)
            if any("Summarize" in str(texts[-1]) for texts in place.seen_texts[number:]):
                break
        await talk(place, 12)
        items = await place.list_items()
        summaries = [item for item in items if item["type"] == "summary"]
        assert summaries
        assert summaries[0]["text"] == "ok"
        assert summaries[0]["stands_for"][0] == 1
        system = list_turns(place)[-1][0]
        assert system["role"] == "system"
        assert "ok" in system["content"]
        context = await place.get("/v1/sessions/s/context?messages=true")
        assert context["summary"]["first"] == 1
        assert context["messages"][0]["role"] == "system"


async def test_summary_is_asked_of_the_same_prefix(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        await talk(place, 14)
        await settle(place)
        asked = [request for request in place.seen if "Summarize" in str(request["messages"][-1]["content"])]
        assert len(asked) == 1
        turn = place.seen[place.seen.index(asked[0]) - 1]
        assert asked[0]["messages"][: len(turn["messages"])] == turn["messages"]


async def test_failing_summaries_stop_nobody(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        place.upstream.choose = lambda request: Script(
            "ok", error=UpstreamTimeout("too slow") if "Summarize" in str(request["messages"][-1]["content"]) else None
        )
        await place.ask(FACT)
        await talk(place, 50)
        await settle(place)
        await place.ask(QUESTION)
        assert any(FACT in text for text in place.seen_texts[-1])
        assert {run["status"] for run in await place.list_runs()} == {"completed"}
        async with place.http.get("/metrics") as reply:
            metrics = await reply.text()
        assert 'multiturn_summaries_total{outcome="failed"}' in metrics


async def test_prefix_grows_between_cuts(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        await place.ask(FACT)
        cuts = 0
        for number in range(40):
            await place.ask(f"{number} " + "Galileo the parrot " * 8)
            context = await get_run_context(place)
            turns = list_turns(place)
            if context["reused_tokens"]:
                assert turns[-1][: len(turns[-2])] == turns[-2]
            else:
                cuts += 1
        assert 2 <= cuts <= 8


async def test_preview_shows_and_stores_nothing(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        await place.ask(FACT)
        await talk(place, 20)
        await settle(place)
        before = len(place.seen)
        body = {"messages": [{"role": "user", "content": QUESTION}], "model": "m"}
        async with place.http.post("/v1/sessions/s/context/preview?messages=true", json=body) as reply:
            context = await reply.json()
        assert reply.status == 200, context
        assert FACT in context["messages"][-1]["content"]
        assert context["retrieved"]["tokens"] > 0
        assert len(place.seen) == before
        assert len(await place.list_items()) >= 42
        await place.ask(QUESTION)
        assert place.seen[-1]["messages"] == context["messages"]


async def test_small_talk_recalls_nothing(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        await place.ask(FACT)
        await talk(place, 20)
        await place.ask("Thanks!")
        assert place.seen_texts[-1][-1] == "Thanks!"


async def test_recall_can_be_switched_off(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000, recall=False) as place:
        await place.ask(FACT)
        await talk(place, 20)
        await place.ask(QUESTION)
        assert place.seen_texts[-1][-1] == QUESTION


async def test_recall_goes_on_after_a_restart(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        await place.ask(FACT)
        await talk(place, 30)
    async with opening(context_tokens=1000) as place:
        await place.ask(QUESTION)
        assert any(FACT in text for text in place.seen_texts[-1])


async def test_budget_below_instructions_is_refused(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000) as place:
        system = {"role": "system", "content": "Be kind. " * 600}
        async with place.post("hi", messages=[system, {"role": "user", "content": "hi"}]) as reply:
            error = (await reply.json())["error"]
        assert (reply.status, error["code"]) == (400, "context_length_exceeded")
        assert "token_budget" in error["message"]


async def test_context_of_another_tenant_is_missing(place: Place) -> None:
    for path in ("/v1/sessions/nobody/context", "/v1/runs/0199c5b2-0000-7000-8000-000000000000/context"):
        async with place.http.get(path) as reply:
            assert reply.status == 404
