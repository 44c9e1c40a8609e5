"""Recall with vectors: they come behind the turns, never in their way, and survive a change of the embedding model."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from multiturn.errors import ContextTooLong, Unavailable
from multiturn.upstream.scripted_embedder import ScriptedEmbedder
from tests.contract.dialects.conftest import OpenPlace, Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

FACT = "Our dog Argos chases every squirrel in the park."
QUESTION = "Which dog of ours chases the squirrel in the park?"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    return str(request.param)


async def fill(place: Place) -> None:
    """Say the fact, and then so much that it is cut."""
    await place.ask(FACT)
    for number in range(40):
        await place.ask(f"Step {number}: " + "water the plants and sweep the floor. " * 3)


async def add_document(place: Place) -> None:
    """Give the session a document about the same."""
    document = {"title": "Dogs", "content": "A dog that chases a squirrel in the park is called back."}
    async with place.http.post("/v1/sessions/s/docs", json=document) as reply:
        assert reply.status == 201, await reply.text()


async def find(place: Place) -> list[dict[str, Any]]:
    """What a question finds of the past and is shown."""
    body = {"messages": [{"role": "user", "content": QUESTION}], "model": "m"}
    async with place.http.post("/v1/sessions/s/context/preview", json=body) as reply:
        context = await reply.json()
    snippets = (context["retrieved"] or {"snippets": []})["snippets"]
    return [one for one in snippets if one["omitted"] is None]


async def wait_vectors(place: Place) -> list[dict[str, Any]]:
    """Ask until what is found was compared by its vector."""
    deadline = time.monotonic() + 15
    while not (found := await find(place)) or any(one["similarity"] is None for one in found):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.2)
    return found


async def test_vectors_come_behind_the_turns(opening: OpenPlace) -> None:
    embedder = ScriptedEmbedder()
    async with opening(context_tokens=1000, embedder=embedder) as place:
        await fill(place)
        found = await wait_vectors(place)
        assert found[0]["text"] == FACT
        assert found[0]["similarity"] > 0.3


async def test_without_the_embedder_words_find(opening: OpenPlace) -> None:
    embedder = ScriptedEmbedder()
    embedder.error = Unavailable("away", code="model_not_ready")
    async with opening(context_tokens=1000, embedder=embedder) as place:
        await fill(place)
        found = await find(place)
        assert found[0]["text"] == FACT
        assert found[0]["similarity"] is None
        embedder.error = None
        assert (await wait_vectors(place))[0]["text"] == FACT


async def test_slow_embedder_delays_one_turn_by_a_second_at_most(opening: OpenPlace) -> None:
    """Those behind it do not wait for it at all."""
    embedder = ScriptedEmbedder()
    async with opening(context_tokens=1000, embedder=embedder) as place:
        await fill(place)
        await add_document(place)
        await wait_vectors(place)
        embedder.pause_s = 30
        began = time.monotonic()
        found = await find(place)
        assert {one["source"] for one in found} == {"session", "document"}
        assert time.monotonic() - began < 1.4
        calls, began = len(embedder.calls), time.monotonic()
        assert FACT in [one["text"] for one in await find(place)]
        assert time.monotonic() - began < 0.5
        assert not any(is_query for _, is_query in embedder.calls[calls:])


async def test_refused_texts_stay_findable_by_words(opening: OpenPlace) -> None:
    embedder = ScriptedEmbedder()
    embedder.error = ContextTooLong("too long", status=400)
    async with opening(context_tokens=1000, embedder=embedder) as place:
        await fill(place)
        while not embedder.calls:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        calls = len(embedder.calls)
        await asyncio.sleep(2.5)  # The next round is over.
        assert len(embedder.calls) == calls
        embedder.error = None
        assert (await find(place))[0]["text"] == FACT


async def test_changed_model_makes_its_own_vectors(opening: OpenPlace) -> None:
    async with opening(context_tokens=1000, embedder=ScriptedEmbedder(model="old")) as place:
        await fill(place)
        await wait_vectors(place)
    newer = ScriptedEmbedder(model="newer", dimensions=32)
    async with opening(context_tokens=1000, embedder=newer) as place:
        assert (await find(place))[0]["text"] == FACT
        assert (await wait_vectors(place))[0]["text"] == FACT
