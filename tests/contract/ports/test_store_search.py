"""What is found in files of named stores, on both databases: their places, and what a search is limited to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from multiturn.engine.search.segment import Entry, build_segment
from multiturn.engine.search.terms import TermReader
from multiturn.model.asset import AssetKind
from multiturn.model.knowledge import DocumentHit, DocumentSegment, Owner, SearchOrder
from multiturn.model.metadata import Comparison
from multiturn.model.segment import Mark, Modality, Place, Segment
from multiturn.model.store import KnowledgeStoreInfo, StoreItem
from multiturn.store.database import Database
from multiturn.store.jobs import defer_job
from tests.contract.ports.indexing import Indexing

PAGE = Segment(text="Whales sing to each other.", place=Place(page=3, heading="Sea"))
TALK = Segment(
    text="Hello. The whales are loud. Goodbye.",
    modality="speech",
    place=Place(start_s=10.0, end_s=19.5, marks=(Mark(0, 10.0, 11.0), Mark(7, 12.0, 15.25), Mark(28, 16.0, 19.5))),
)
SLIDE = Segment(text="WHALES 2024", modality="screen", place=Place(start_s=9.0, end_s=30.0, shot=2))


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Indexing:
    return Indexing(database, tmp_path)


async def publish(desk: Indexing, store: KnowledgeStoreInfo, *parts: Segment, **metadata: Any) -> StoreItem:
    """An item whose parts are a chunk each; a part's segment of the index has the number of its modality."""
    asset = await desk.make_ready("document", str(parts), str(metadata))
    item = await desk.add(store, asset, **metadata)
    job = await desk.claim()
    assert job
    starts, placed = 0, []
    for part in parts:
        placed.append((starts, part))
        starts += len(part.text)
    await desk.parts.add_parts(job, item, placed)
    segments = [cut(item, number, start, part) for number, (start, part) in enumerate(placed)]
    await desk.parts.add_segments(job, item, segments)
    assert await desk.parts.publish(job, replace(item, status="ready", chunks=len(parts)))
    await desk.jobs.finish(job)
    return item


def cut(
    item: StoreItem, number: int, start: int, part: Segment, *, span: tuple[int, int] | None = None
) -> DocumentSegment:
    """A part as one chunk, or some characters of it."""
    first, last = span or (0, len(part.text))
    entry = Entry(number, start + first, start + last, part.text[first:last])
    body = build_segment([entry], TermReader()).encode()
    return DocumentSegment(item_id=item.id, number=number, model=None, body=body, modality=part.modality)


async def search(desk: Indexing, store: KnowledgeStoreInfo, text: str = "whales", **order: Any) -> list[DocumentHit]:
    found = await desk.knowledge.search(desk.tenant_id, [Owner("store", store.id)], SearchOrder(text=text, **order))
    return list(found.hits)


async def test_chunk_of_a_file_has_its_place(desk: Indexing) -> None:
    store = await desk.make_store()
    item = await publish(desk, store, PAGE, TALK, SLIDE)
    hits = {hit.modality: hit for hit in await search(desk, store)}
    assert {hit.text for hit in hits.values()} == {PAGE.text, TALK.text, SLIDE.text}
    assert (hits["text"].place, hits["screen"].place) == (PAGE.place, SLIDE.place)
    assert hits["speech"].place == TALK.place
    assert (hits["speech"].start, hits["speech"].end) == (len(PAGE.text), len(PAGE.text + TALK.text))
    assert {(hit.item.id, hit.item.asset_id) for hit in hits.values()} == {(item.id, item.asset_id)}


async def test_spoken_chunk_has_the_time_of_its_phrases(desk: Indexing) -> None:
    store = await desk.make_store()
    item = await desk.fill(store, "a talk")
    job = await desk.claim()
    assert job
    await desk.parts.add_parts(job, item, [(0, PAGE), (26, TALK)])
    await desk.parts.add_segments(job, item, [cut(item, 0, 26, TALK, span=(7, 27))])
    assert await desk.parts.publish(job, replace(item, status="ready", chunks=1))
    (hit,) = await search(desk, store)
    assert hit.text == "The whales are loud."
    assert hit.place == Place(start_s=12.0, end_s=15.25, marks=(Mark(0, 12.0, 15.25),))


@pytest.mark.parametrize(
    ("modalities", "texts"),
    [
        (["speech"], {TALK.text}),
        (["text", "screen"], {PAGE.text, SLIDE.text}),
        (["caption"], set()),
        ([], {PAGE.text, TALK.text, SLIDE.text}),
    ],
)
async def test_search_is_limited_to_modalities(desk: Indexing, modalities: list[Modality], texts: set[str]) -> None:
    store = await desk.make_store()
    await publish(desk, store, PAGE, TALK, SLIDE)
    hits = await search(desk, store, modalities=frozenset(modalities))
    assert {hit.text for hit in hits} == texts


async def test_search_is_limited_to_items_kinds_and_metadata(desk: Indexing) -> None:
    store = await desk.make_store()
    one = await publish(desk, store, PAGE, year=2020)
    two = await publish(desk, store, TALK, year=2024)
    kinds: list[AssetKind] = ["document", "video"]

    async def found(**order: Any) -> set[object]:
        return {hit.item.id for hit in await search(desk, store, **order)}

    assert await found(item_ids=frozenset([two.id])) == {two.id}
    assert [await found(kinds=frozenset([kind])) for kind in kinds] == [{one.id, two.id}, set()]
    assert await found(metadata={"year": 2020}) == {one.id}
    assert await found(matching=Comparison(op="gt", key="year", value=2020)) == {two.id}
    assert await found(item_ids=frozenset([one.id]), modalities=frozenset(["speech"])) == set()


async def test_deleted_item_is_gone_and_the_others_stay(desk: Indexing) -> None:
    store = await desk.make_store()
    one, two = await publish(desk, store, PAGE), await publish(desk, store, TALK)
    assert len(await search(desk, store)) == 2
    await desk.stores.delete_item(desk.tenant_id, store.id, one.id)
    assert [hit.item.id for hit in await search(desk, store)] == [two.id]
    three = await publish(desk, store, SLIDE)
    assert {hit.item.id for hit in await search(desk, store)} == {two.id, three.id}


async def test_item_that_was_read_anew_is_found_as_it_is_now(desk: Indexing) -> None:
    store = await desk.make_store()
    item = await publish(desk, store, PAGE, TALK)
    assert len(await search(desk, store)) == 2
    async with desk.database.transaction() as tx:
        await defer_job(tx, desk.tenant_id, "item", item.id, run_at=desk.clock())
    job = await desk.claim()
    assert job
    await desk.parts.clear_parts(job, item)
    assert await search(desk, store) == []
    await desk.parts.add_parts(job, item, [(0, SLIDE)])
    await desk.parts.add_segments(job, item, [cut(item, 0, 0, SLIDE)])
    await desk.parts.publish(job, replace(item, status="ready", chunks=1))
    (hit,) = await search(desk, store)
    assert (hit.text, hit.modality, hit.place) == (SLIDE.text, "screen", SLIDE.place)


async def test_changed_metadata_limit_the_next_search(desk: Indexing) -> None:
    store = await desk.make_store()
    item = await publish(desk, store, PAGE, year=2020)
    assert len(await search(desk, store, metadata={"year": 2020})) == 1
    await desk.stores.change_item(desk.tenant_id, store.id, item.id, metadata={"year": 2021})
    assert await search(desk, store, metadata={"year": 2020}) == []
    (hit,) = await search(desk, store, metadata={"year": 2021})
    assert hit.item.metadata == {"year": 2021}
