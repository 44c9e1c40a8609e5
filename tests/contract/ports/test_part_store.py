"""The text of items by its parts: kept while it is read, written by one worker alone, and found all at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from multiturn.engine.search.segment import Entry, build_segment
from multiturn.engine.search.terms import TermReader
from multiturn.errors import TooLarge
from multiturn.model.job import Job
from multiturn.model.knowledge import DocumentSegment, Owner
from multiturn.model.segment import Mark, Place, Segment
from multiturn.model.store import StoreItem
from multiturn.store.database import Database
from multiturn.store.knowledge import SqlKnowledgeStore
from multiturn.store.parts import SqlPartStore
from tests.contract.ports.indexing import Indexing

PARTS = [
    (0, Segment(text="Whales sing.", place=Place(page=1, heading="Sea"))),
    (
        12,
        Segment(text="Hello there", modality="speech", place=Place(start_s=1.0, end_s=4.5, marks=(Mark(0, 1.0, 4.5),))),
    ),
    (23, Segment(text="A slide", modality="screen", place=Place(start_s=4.0, end_s=9.0, shot=2))),
]


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Indexing:
    return Indexing(database, tmp_path)


async def begin(desk: Indexing) -> tuple[Job, StoreItem]:
    """An item that a worker has taken."""
    item = await desk.fill(await desk.make_store(), "text")
    job = await desk.claim()
    assert job
    return job, item


def index_of(item: StoreItem, number: int, *words: str) -> DocumentSegment:
    """A segment of chunks, one a word."""
    entries = [Entry(number * 32 + place, place, place + 1, word) for place, word in enumerate(words)]
    body = build_segment(entries, TermReader()).encode()
    return DocumentSegment(item_id=item.id, number=number, model=None, body=body)


async def test_parts_come_back_as_they_were(desk: Indexing) -> None:
    job, item = await begin(desk)
    assert await desk.parts.add_parts(job, item, PARTS)
    assert await desk.parts.list_parts(desk.tenant_id, item.id) == PARTS
    assert await desk.parts.list_parts(desk.tenant_id, item.id, after=0, limit=1) == PARTS[1:2]
    assert await desk.parts.list_parts(desk.tenant_id, item.id, modality="screen") == PARTS[2:]


async def test_parts_are_found_by_time(desk: Indexing) -> None:
    job, item = await begin(desk)
    await desk.parts.add_parts(job, item, PARTS)
    assert await desk.parts.list_parts_between(desk.tenant_id, item.id, 0, 1.0) == []
    assert await desk.parts.list_parts_between(desk.tenant_id, item.id, 1.0, 2.0) == PARTS[1:2]
    assert await desk.parts.list_parts_between(desk.tenant_id, item.id, 4.2, 5.0) == PARTS[1:]


async def test_a_character_is_in_its_part(desk: Indexing) -> None:
    job, item = await begin(desk)
    await desk.parts.add_parts(job, item, PARTS)
    found = await desk.parts.find_parts(desk.tenant_id, [(item.id, 0), (item.id, 11), (item.id, 12), (item.id, 99)])
    assert found == [PARTS[0], PARTS[0], PARTS[1], None]


async def test_parts_of_others_are_not_seen(desk: Indexing) -> None:
    job, item = await begin(desk)
    await desk.parts.add_parts(job, item, PARTS)
    other = Indexing(desk.database, desk.folder).tenant_id
    assert await desk.parts.list_parts(other, item.id) == []
    assert await desk.parts.find_parts(other, [(item.id, 0)]) == [None]


async def test_progress_is_stored(desk: Indexing) -> None:
    job, item = await begin(desk)
    changed = replace(item, status="processing", step="read", progress=40, notes=("Page 3 is blank.",), characters=9)
    assert await desk.parts.save_progress(job, changed)
    assert await desk.find_item(item) == changed


async def test_who_lost_the_job_writes_nothing(desk: Indexing) -> None:
    job, item = await begin(desk)
    desk.clock.pass_(seconds=31)
    assert await desk.claim()
    segment = index_of(item, 0, "late")
    assert not await desk.parts.save_progress(job, replace(item, status="ready"))
    assert not await desk.parts.add_parts(job, item, PARTS)
    assert not await desk.parts.clear_parts(job, item)
    assert not await desk.parts.add_segments(job, item, [segment])
    assert not await desk.parts.publish(job, replace(item, chunks=1))
    await desk.parts.rename(job, item, "Late")
    assert await desk.parts.list_parts(desk.tenant_id, item.id) == []
    assert await desk.parts.list_segments(desk.tenant_id, item.store_id, item.id) == []
    assert await desk.find_item(item) == item


async def test_nothing_is_written_for_what_was_deleted(desk: Indexing) -> None:
    job, item = await begin(desk)
    await desk.stores.delete_item(desk.tenant_id, item.store_id, item.id)
    assert not await desk.parts.add_parts(job, item, PARTS)
    assert not await desk.parts.add_segments(job, item, [index_of(item, 0, "late")])
    assert not await desk.parts.save_progress(job, item)
    assert await desk.count_chunks(item.store_id) == 0


async def test_an_index_is_seen_when_it_is_published(desk: Indexing) -> None:
    job, item = await begin(desk)
    await desk.parts.add_segments(job, item, [index_of(item, 0, "one", "two"), index_of(item, 1, "three")])
    assert await list_changes(desk, item) == []
    assert await desk.count_chunks(item.store_id) == 0
    assert await desk.parts.publish(job, replace(item, status="ready", chunks=3))
    assert await list_changes(desk, item) == [0, 1]
    assert await desk.count_chunks(item.store_id) == 3
    assert (await desk.find_item(item)).chunks == 3


async def test_published_twice_counts_once(desk: Indexing) -> None:
    job, item = await begin(desk)
    await desk.parts.add_segments(job, item, [index_of(item, 0, "one", "two")])
    for _ in range(2):
        assert await desk.parts.publish(job, replace(item, chunks=2))
    assert await desk.count_chunks(item.store_id) == 2
    assert await list_changes(desk, item) == [0]


async def test_read_anew_it_is_gone_from_searches(desk: Indexing) -> None:
    job, item = await begin(desk)
    await desk.parts.add_parts(job, item, PARTS)
    await desk.parts.add_segments(job, item, [index_of(item, 0, "one")])
    await desk.parts.publish(job, replace(item, chunks=1))
    assert await desk.parts.clear_parts(job, item)
    assert await desk.parts.list_parts(desk.tenant_id, item.id) == []
    assert await list_changes(desk, item) == []
    assert await desk.count_chunks(item.store_id) == 0


async def test_a_kill_behind_clearing_reads_again(desk: Indexing) -> None:
    job, item = await begin(desk)
    assert await desk.parts.save_progress(job, replace(item, status="processing", step="index", characters=9))
    assert await desk.parts.clear_parts(job, item)
    found = await desk.find_item(item)
    assert (found.step, found.characters) == ("read", 0)


async def test_many_parts_are_cleared_in_batches(desk: Indexing) -> None:
    job, item = await begin(desk)
    many = [(number * 4, Segment(text="word")) for number in range(2500)]
    await desk.parts.add_parts(job, item, many)
    assert await desk.parts.clear_parts(job, item)
    assert await desk.parts.list_parts(desk.tenant_id, item.id) == []


async def test_a_full_store_takes_no_more(desk: Indexing) -> None:
    parts = SqlPartStore(desk.database, chunks_max=2)
    job, item = await begin(desk)
    await parts.add_segments(job, item, [index_of(item, 0, "one", "two", "three")])
    with pytest.raises(TooLarge) as refused:
        await parts.publish(job, replace(item, chunks=3))
    assert refused.value.code == "store_full"
    assert await list_changes(desk, item) == []


async def test_a_title_that_somebody_gave_stays(desk: Indexing) -> None:
    job, item = await begin(desk)
    await desk.parts.rename(job, item, "Found in the file")
    assert (await desk.find_item(item)).title == "Found in the file"
    await desk.parts.rename(job, item, "Found later")
    assert (await desk.find_item(item)).title == "Found in the file"


async def test_a_schema_is_made_once(desk: Indexing) -> None:
    _, item = await begin(desk)
    assert await desk.parts.find_schema(desk.tenant_id, item.store_id) is None
    for name in ("first", "second"):
        await desk.parts.save_schema(desk.tenant_id, item.store_id, {"title": name})
    assert await desk.parts.find_schema(desk.tenant_id, item.store_id) == {"title": "first"}


async def test_due_vectors_are_those_of_found_items(desk: Indexing) -> None:
    job, item = await begin(desk)
    await desk.parts.add_segments(job, item, [index_of(item, 0, "one")])
    now = desk.clock()
    until = now + timedelta(seconds=60)
    assert await desk.parts.claim_due("m", now, until) is None
    await desk.parts.publish(job, replace(item, chunks=1))
    due = await desk.parts.claim_due("m", now, until)
    assert due
    assert (due.item_id, due.title, [segment.number for segment in due.segments]) == (item.id, "notes.txt", [0])
    assert await desk.parts.claim_due("m", now, until) is None
    await desk.parts.save_vectors(due, replace(due.segments[0], model="m"))
    await desk.parts.release(due)
    assert await desk.parts.claim_due("m", now, until) is None
    assert await desk.parts.list_segments(desk.tenant_id, item.store_id, item.id) == [(0, "m")]


async def list_changes(desk: Indexing, item: StoreItem) -> list[int]:
    """The numbers of the segments that searches see."""
    store = SqlKnowledgeStore(desk.database)
    states = await store.find_stores(desk.tenant_id, [Owner("store", item.store_id)])
    after = (0, type(item.id)(int=2**128 - 1), 1 << 30)
    changes = [
        change for state in states for change in await store.list_changes(desk.tenant_id, state, after=after, limit=99)
    ]
    return [change.segment.number for change in changes]
