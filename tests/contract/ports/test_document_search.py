"""What is found in documents, on both databases: by words, by vectors, by both; by one server and by another."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest

from multiturn.engine.embedders import Embedders
from multiturn.engine.store_index import StoreIndexes, carry_out
from multiturn.errors import InvalidRequest, Unavailable, UpstreamError
from multiturn.model.knowledge import Owner
from multiturn.model.policy import RecallOptions
from multiturn.store.database import Database
from multiturn.upstream.scripted_embedder import ScriptedEmbedder
from tests.contract.ports.shelf import Shelf, open_shelf

AWAY = Unavailable("The embedding model is loading.")
MANUAL = """# Boiler
The boiler must be descaled every year. Call the service under 555-0101.

# Roof
Slates are checked in autumn. Gutters are cleaned in spring.
"""


@pytest.fixture
def embedder() -> ScriptedEmbedder:
    return ScriptedEmbedder()


@pytest.fixture
async def shelf(database: Database, embedder: ScriptedEmbedder) -> Shelf:
    return await open_shelf(database, embedder)


@pytest.fixture
async def wordy(database: Database) -> Shelf:
    """Documents without any embedding model."""
    return await open_shelf(database, None)


def long_text(words: str, sections: int) -> str:
    """A text of so many chunks, each about a number and all about the words."""
    return "".join(
        f"# Section {number}\nNumber {number} of {words}. {'Filler text. ' * 30}\n" for number in range(sections)
    )


async def test_best_chunk_comes_first_with_its_place(shelf: Shelf) -> None:
    await shelf.add("Garden", "Roses are cut in March.")
    await shelf.add("House", MANUAL)
    found = await shelf.search("How often is the boiler descaled?")
    best = found.hits[0]
    assert best.item.title == "House"
    assert best.text == MANUAL[best.start : best.end]
    assert (found.mode, best.score, best.chunk, best.part) == ("hybrid", 1.0, 0, 0)
    assert best.lexical
    assert best.similarity


async def test_place_in_a_part_counts_from_the_part(shelf: Shelf) -> None:
    parts = ["About cats, who sleep.", "About dogs.\n\nDogs bark at night."]
    await shelf.add("Animals", parts)
    best = (await shelf.search("dogs bark")).hits[0]
    assert (best.part, best.chunk) == (1, 1)
    assert best.text == parts[1][best.start : best.end]


async def test_title_and_heading_help_to_find_a_chunk(wordy: Shelf) -> None:
    await wordy.add("Lisbon guide", long_text("sights", 5))
    await wordy.add("Porto guide", long_text("sights", 5))
    hits = (await wordy.search("section 3 in the Porto guide", limit=3)).hits
    assert hits[0].item.title == "Porto guide"
    assert "Section 3" in hits[0].text


async def test_word_endings_do_not_matter(wordy: Shelf) -> None:
    await wordy.add("Shipping", "We ship parcels to Norway.")
    await wordy.add("Returns", "Refunds take ten days.")
    assert (await wordy.find_titles("shipped parcel"))[0] == "Shipping"
    assert await wordy.find_titles("refunding") == ["Returns"]


async def test_nothing_is_found_where_nothing_is(shelf: Shelf) -> None:
    assert (await shelf.search("anything")).hits == ()
    assert not await shelf.knowledge.holds(shelf.tenant_id, [shelf.owner])
    await shelf.add("House", MANUAL)
    assert await shelf.knowledge.holds(shelf.tenant_id, [Owner("agent", shelf.tenant_id), shelf.owner])
    assert (await shelf.search("xylophone", mode="text")).hits == ()


async def test_limit_and_confidence_bound_what_is_found(shelf: Shelf) -> None:
    for number in range(8):
        await shelf.add(f"{number}", f"Report {number} on whales.")
    await shelf.add("other", "Nothing of the kind here")
    assert len((await shelf.search("whales", limit=3)).hits) == 3
    sure = await shelf.search("report on whales", mode="vector", confidence=0.6)
    assert len(sure.hits) == 8
    assert all((hit.similarity or 0) >= 0.6 for hit in sure.hits)


async def test_vector_of_the_client_is_searched_for(shelf: Shelf, embedder: ScriptedEmbedder) -> None:
    await shelf.add("Whales", "Whales sing.")
    await shelf.add("Stocks", "Prices fell.")
    vector = tuple((3 * (await embedder.embed(["Whales sing"]))[0]).tolist())
    found = await shelf.search(None, vector=vector, mode="vector", with_vectors=True)
    assert found.hits[0].item.title == "Whales"
    assert np.isclose(np.linalg.norm(found.hits[0].vector or ()), 1, atol=0.02)
    assert (await shelf.search("prices", vector=vector, alpha=0)).hits[0].item.title == "Stocks"


@pytest.mark.parametrize(
    ("order", "param"),
    [
        ({"text": None}, "text"),
        ({"text": "  "}, "text"),
        ({"text": None, "vector": (1.0,) * 64, "mode": "text"}, "text"),
        ({"text": "x" * 10_001}, "text"),
        ({"text": "a", "vector": (1.0,) * 63}, "vector"),
        ({"text": "a", "vector": ()}, "vector"),
        ({"text": "a", "vector": (0.0,) * 64}, "vector"),
        ({"text": "a", "vector": (float("inf"),) * 64}, "vector"),
        ({"text": "a", "limit": 0}, "limit"),
        ({"text": "a", "limit": 502}, "limit"),
        ({"text": "a", "alpha": 1.1}, "alpha"),
        ({"text": "a", "confidence": -2}, "confidence"),
        ({"text": "a", "mmr_strength": 1}, "mmr_strength"),
        ({"text": "a", "metadata": {"k": "v" * 20_000}}, "metadata_filter"),
    ],
)
async def test_search_that_cannot_be_made_is_refused(shelf: Shelf, order: dict[str, Any], param: str) -> None:
    await shelf.add("House", MANUAL)
    with pytest.raises(InvalidRequest) as raised:
        await shelf.search(**order)
    assert raised.value.param == param


async def test_huge_vector_is_brought_to_its_length(shelf: Shelf) -> None:
    await shelf.add("House", MANUAL)
    found = await shelf.search(None, vector=(1e308,) * 64, mode="vector")
    assert 0 < (found.hits[0].similarity or 0) <= 1


async def test_without_embedder_both_is_by_words(wordy: Shelf) -> None:
    made = await wordy.add("House", MANUAL)
    assert not made.is_embedded
    found = await wordy.search("boiler")
    assert (found.mode, len(found.hits), found.hits[0].similarity) == ("text", 1, None)
    with pytest.raises(Unavailable) as raised:
        await wordy.search("boiler", mode="vector")
    assert raised.value.code == "embeddings_unavailable"


@pytest.mark.parametrize("error", [AWAY, UpstreamError("The provider is down.")])
async def test_embedder_that_fails_costs_the_vectors_only(
    shelf: Shelf, embedder: ScriptedEmbedder, error: Unavailable | UpstreamError
) -> None:
    await shelf.add("House", MANUAL)
    embedder.error = error
    assert not (await shelf.add("Later", "The boiler room.")).is_embedded
    assert (await shelf.search("boiler")).mode == "text"
    assert sorted(await shelf.find_titles("boiler")) == ["House", "Later"]
    with pytest.raises(Unavailable, match="Search by words"):
        await shelf.search("boiler", mode="vector")


async def test_added_while_the_embedder_was_away_gets_vectors_later(shelf: Shelf, embedder: ScriptedEmbedder) -> None:
    embedder.error = AWAY
    made = await shelf.add("House", MANUAL)
    assert await shelf.find_titles("boiler") == ["House"]
    assert await shelf.embed_all() == 0
    embedder.error = None
    assert await shelf.embed_all() == 0  # Whoever failed at it keeps it for a while.
    shelf.clock.pass_(seconds=61)
    assert await shelf.embed_all() == 1
    assert (await shelf.knowledge.get(shelf.tenant_id, made.id)).is_embedded
    assert await shelf.find_titles("boiler", mode="vector") == ["House"]


async def test_long_document_is_embedded_in_the_background(shelf: Shelf, embedder: ScriptedEmbedder) -> None:
    made = await shelf.add("Long", long_text("whales", 300))
    assert (made.is_embedded, made.chunks, embedder.calls) == (False, 300, [])
    assert (await shelf.search("number 299 of whales", limit=1)).hits[0].chunk == 299
    assert await shelf.knowledge.embed_due() == 8
    assert not (await shelf.knowledge.get(shelf.tenant_id, made.id)).is_embedded
    partly = await shelf.search("whales", limit=50)
    assert (partly.mode, len(partly.hits)) == ("hybrid", 50)
    assert await shelf.embed_all() == 2
    assert (await shelf.knowledge.get(shelf.tenant_id, made.id)).is_embedded
    assert all(len(texts) <= 32 for texts, is_query in embedder.calls if not is_query)
    found = await shelf.search("number 299 of whales", mode="vector", limit=50)
    assert all(hit.similarity for hit in found.hits)


async def test_two_servers_do_not_embed_the_same(shelf: Shelf, database: Database, embedder: ScriptedEmbedder) -> None:
    await shelf.add("Long", long_text("whales", 40))
    other = shelf.beside(database, Embedders(embedder))
    embedder.pause_s = 0.05
    assert sorted(await asyncio.gather(shelf.knowledge.embed_due(), other.knowledge.embed_due())) == [0, 2]


async def test_document_deleted_while_it_is_embedded_stays_away(shelf: Shelf, embedder: ScriptedEmbedder) -> None:
    made = await shelf.add("Long", long_text("whales", 40))
    embedder.pause_s = 0.05
    working = asyncio.create_task(shelf.knowledge.embed_due())
    await asyncio.sleep(0.02)
    await shelf.knowledge.delete(shelf.tenant_id, shelf.owner, made.id)
    await working
    embedder.pause_s = 0
    assert await shelf.embed_all() == 0
    assert (await shelf.search("whales")).hits == ()


async def test_new_model_reads_all_anew_and_searches_both_until_then(
    shelf: Shelf, database: Database, embedder: ScriptedEmbedder
) -> None:
    for number in range(3):
        await shelf.add(f"old {number}", f"Report {number} on whales.")
    newer = ScriptedEmbedder(model="newer", dimensions=32)
    later = shelf.beside(database, Embedders(newer, [embedder]))
    made = await later.add("new", "Report on whales.")
    found = await later.search("whales", mode="vector")
    assert len(found.hits) == 4
    assert {texts for texts, is_query in newer.calls if is_query} == {("whales",)}
    assert await later.embed_all() == 3
    page = [await later.knowledge.get(later.tenant_id, hit.item.id) for hit in found.hits]
    assert made.is_embedded
    assert all(item.is_embedded for item in page)
    calls = len(embedder.calls)
    assert len((await later.search("whales", mode="vector")).hits) == 4
    assert len(embedder.calls) == calls


async def test_old_vectors_without_their_model_leave_the_words(shelf: Shelf, database: Database) -> None:
    await shelf.add("old", "Report on whales.")
    later = shelf.beside(database, Embedders(ScriptedEmbedder(model="newer", dimensions=32)))
    found = await later.search("whales")
    assert (found.mode, [hit.item.title for hit in found.hits]) == ("text", ["old"])


async def test_change_by_another_server_is_seen_at_once(
    shelf: Shelf, database: Database, embedder: ScriptedEmbedder
) -> None:
    other = shelf.beside(database, Embedders(embedder))
    first = await shelf.add("first", "Report on whales.")
    assert await other.find_titles("whales") == ["first"]
    await shelf.add("second", "Another report on whales.")
    assert sorted(await other.find_titles("whales")) == ["first", "second"]
    await shelf.knowledge.delete(shelf.tenant_id, shelf.owner, first.id)
    assert await other.find_titles("whales") == ["second"]
    await other.add("third", "Yet another report on whales.")
    assert sorted(await shelf.find_titles("whales")) == ["second", "third"]


async def test_several_owners_are_searched_as_one(shelf: Shelf) -> None:
    agent = await shelf.make_agent()
    for number in range(30):
        await shelf.add(f"agent {number}", f"Whales sing song {number} in the sea.", owner=agent)
    await shelf.add("mine", "The krill report is due on Friday.")
    owners = [shelf.owner, agent]
    for mode in ("text", "hybrid", "vector"):
        found = await shelf.search("when is the krill report due", owners=owners, mode=mode)
        assert found.hits[0].item.title == "mine"
        assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)
    found = await shelf.search("krill song 7", owners=owners, mode="text")
    assert {found.hits[0].item.title, found.hits[1].item.title} == {"mine", "agent 7"}
    assert found.hits[0].item.owner in owners


async def test_variety_counts_where_it_is_asked_for(shelf: Shelf) -> None:
    agent = await shelf.make_agent()
    for number in range(5):
        await shelf.add(f"same {number}", f"Whales sing loudly {'!' * number}")
    await shelf.add("unlike", "Whales eat krill and fish near Norway")
    await shelf.add("elsewhere", "Whales dive deep below cold ice", owner=agent)
    for owners in ([shelf.owner], [shelf.owner, agent]):
        plain = await shelf.search("whales sing loudly", owners=owners, limit=3)
        varied = await shelf.search("whales sing loudly", owners=owners, limit=3, mmr_strength=0.9)
        assert all(hit.item.title.startswith("same") for hit in plain.hits)
        assert not all(hit.item.title.startswith("same") for hit in varied.hits)


async def test_long_store_is_read_in_pages(wordy: Shelf) -> None:
    for number in range(150):
        await wordy.add(f"{number}", f"Report {number} on whales.")
    assert (await wordy.search("report 149", limit=1)).hits[0].item.title == "149"
    assert len((await wordy.search("whales", limit=50)).hits) == 50


async def test_turn_asks_with_its_last_messages(shelf: Shelf, embedder: ScriptedEmbedder) -> None:
    await shelf.add("House", MANUAL)
    said = [
        ("user", "old"),
        ("Ann", "About the boiler."),
        ("assistant", " "),
        ("assistant", "Yes?"),
        ("Ann", "Who is called?"),
    ]
    options = RecallOptions(messages=3)
    (hit,) = await shelf.knowledge.retrieve(shelf.tenant_id, [shelf.owner], said, options)
    assert hit.item.title == "House"
    assert embedder.calls[-1] == (("Who is called?", "About the boiler.\nWho is called?"), True)


async def test_turn_finds_nothing_where_nothing_is_related(wordy: Shelf) -> None:
    await wordy.add("House", MANUAL)
    for said in ([], [("user", "")], [("user", "thanks!")]):
        assert not await wordy.knowledge.retrieve(wordy.tenant_id, [wordy.owner], said, RecallOptions())


@pytest.mark.parametrize("mode", ["hybrid", "vector"])
async def test_turn_never_waits_long_for_the_embedder(shelf: Shelf, embedder: ScriptedEmbedder, mode: Any) -> None:
    await shelf.add("House", MANUAL)
    embedder.pause_s = 30
    began = time.perf_counter()
    options = RecallOptions(mode=mode)
    (hit,) = await shelf.knowledge.retrieve(shelf.tenant_id, [shelf.owner], [("user", "the boiler")], options)
    assert time.perf_counter() - began < 1
    assert hit.similarity is None


async def test_slow_embedder_delays_a_new_document_for_a_second_at_most(
    shelf: Shelf, embedder: ScriptedEmbedder
) -> None:
    embedder.pause_s = 30
    began = time.perf_counter()
    assert not (await shelf.add("House", MANUAL)).is_embedded
    assert time.perf_counter() - began < 3


async def test_indexes_that_were_not_used_for_longest_go(shelf: Shelf) -> None:
    owners = [shelf.owner, await shelf.make_agent(), await shelf.make_agent()]
    for owner in owners:
        await shelf.add("House", MANUAL, owner=owner)
    states = await shelf.store.find_stores(shelf.tenant_id, owners)
    indexes = StoreIndexes(shelf.store, bytes_max=1)
    for state in states:
        assert len((await indexes.open(shelf.tenant_id, state)).index) == 1
    assert list(indexes.held) == [states[-1].id]
    roomy = StoreIndexes(shelf.store, bytes_max=10**6)
    opened = [await roomy.open(shelf.tenant_id, state) for state in (*states, *states)]
    assert opened[:3] == opened[3:]
    assert roomy.held_bytes == sum(held.size_bytes for held in roomy.held.values())
    made = await shelf.add("Other", MANUAL)
    await shelf.knowledge.delete(shelf.tenant_id, shelf.owner, made.id)
    (state,) = await shelf.store.find_stores(shelf.tenant_id, [shelf.owner])
    assert len(await roomy.open(shelf.tenant_id, state)) == 1
    assert roomy.held_bytes == sum(held.size_bytes for held in roomy.held.values())


async def test_reading_that_was_cut_off_goes_on_where_it_was(wordy: Shelf) -> None:
    for number in range(150):
        await wordy.add(f"{number}", f"Report {number} on whales.")
    (state,) = await wordy.store.find_stores(wordy.tenant_id, [wordy.owner])
    indexes = StoreIndexes(wordy.store, bytes_max=10**6)
    reading = asyncio.create_task(indexes.open(wordy.tenant_id, state))
    while not indexes.held or not len(indexes.held[state.id].index):
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert 0 < len(indexes.held[state.id].index) < 150
    held = await indexes.open(wordy.tenant_id, state)
    assert (len(held.index), held.version) == (150, state.version)


async def test_newest_turn_weighs_most(wordy: Shelf) -> None:
    await wordy.add("Cats", "Cats sleep most of the day.")
    await wordy.add("Dogs", "Dogs bark at night.")
    assert await wordy.find_titles("dogs?", earlier=("cats",)) == ["Dogs", "Cats"]
    assert await wordy.find_titles("cats?", earlier=("dogs",)) == ["Cats", "Dogs"]
    assert await wordy.find_titles("cats?") == ["Cats"]


async def test_question_that_leans_on_the_one_before_is_understood(shelf: Shelf) -> None:
    await shelf.add("Boiler", "The boiler of the house was built in 1980.")
    await shelf.add("Church", "The church of the town was built in 1480.")
    assert (await shelf.find_titles("When was it built?", earlier=("Tell me about the church.",)))[0] == "Church"
    assert (await shelf.find_titles("When was it built?", earlier=("Tell me about the boiler.",)))[0] == "Boiler"


async def test_meaning_is_that_of_the_last_turn_and_of_all(shelf: Shelf, embedder: ScriptedEmbedder) -> None:
    await shelf.add("House", MANUAL)
    await shelf.search("Who is called?", earlier=("About the boiler.", " ", "Is it old?"))
    asked = ("Who is called?", "Is it old?\nWho is called?", "About the boiler.\nIs it old?\nWho is called?")
    assert embedder.calls[-1] == (asked, True)


async def test_deletion_keeps_what_is_in_memory(wordy: Shelf) -> None:
    gone = await wordy.add("Gone", "Whales sing.")
    await wordy.add("Kept", "Whales dive.")
    assert sorted(await wordy.find_titles("whales")) == ["Gone", "Kept"]
    indexes = wordy.knowledge.searching.indexes
    before = list(indexes.held.values())
    await wordy.knowledge.delete(wordy.tenant_id, wordy.owner, gone.id)
    assert await wordy.find_titles("whales") == ["Kept"]
    assert list(indexes.held.values()) == before
    await wordy.add("Gone", "Whales sing.")
    assert sorted(await wordy.find_titles("whales")) == ["Gone", "Kept"]


async def test_refresh_that_nobody_waits_for_ends_before_the_next() -> None:
    began, ended = asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def work(name: str) -> None:
        loop.call_soon_threadsafe(began.set)
        time.sleep(0.05)
        ended.append(name)

    task = asyncio.create_task(carry_out(work, "refresh", is_long=True))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["refresh"]
