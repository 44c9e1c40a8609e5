"""Indexing of files: each item ends ready or failed with a reason, once in the index, whatever happens on the way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from multiturn.engine.ingestion.item_index import DueVectors
from multiturn.errors import Unavailable, UnreadableFile
from multiturn.model.job import Job
from multiturn.model.knowledge import DocumentHits
from multiturn.model.segment import Place
from multiturn.store.database import Database
from multiturn.store.parts import SqlPartStore
from multiturn.upstream.scripted_embedder import ScriptedEmbedder
from tests.contract.ports.indexing import Indexing
from tests.contract.ports.scripted_readers import JPEG, ScriptedDescriber, ScriptedTranscriber

TEXT = (
    "Humpback whales sing long songs that change from year to year.",
    "!page 2",
    "The harbour of Bergen is busy in the summer months.",
)
AWAY = Unavailable("The reader is busy.")


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Indexing:
    return Indexing(database, tmp_path)


@pytest.fixture
def embedder(desk: Indexing) -> ScriptedEmbedder:
    embedder = ScriptedEmbedder()
    desk.equip(embedder=embedder)
    return embedder


def texts(hits: DocumentHits) -> list[str]:
    return [hit.text for hit in hits.hits]


async def test_a_document_becomes_ready_and_is_found(desk: Indexing, embedder: ScriptedEmbedder) -> None:
    store = await desk.make_store()
    item = await desk.index(await desk.fill(store, *TEXT))
    assert (item.status, item.progress, item.step, item.error) == ("ready", 100, "summarise", None)
    assert (item.chunks, item.characters, item.notes) == (2, len(TEXT[0]) + len(TEXT[2]), ())
    (hit,) = (await desk.search(store, "harbour")).hits
    assert (hit.text, hit.place, hit.start, hit.item.id) == (TEXT[2], Place(page=2), len(TEXT[0]), item.id)
    assert await desk.parts.list_segments(desk.tenant_id, store.id, item.id) == [(0, "scripted")]


async def test_what_is_said_of_an_item_is_kept(desk: Indexing) -> None:
    item = await desk.index(await desk.fill(await desk.make_store(), *TEXT))
    assert item.system == {
        "asset_type": "document",
        "filename": "notes.txt",
        "duration": 60.0,
        "width": 640,
        "size": 131,
    }
    assert item.digest
    assert item.digest.summary == f"{TEXT[0]} {TEXT[2]}"
    assert [told.place.page for told in item.digest.highlights] == [1, 2]


async def test_nothing_is_found_before_the_whole_is(desk: Indexing) -> None:
    store = await desk.make_store()
    item = await desk.fill(store, *TEXT)
    desk.readers.gate = asyncio.Event()
    job = await claim(desk)
    working = asyncio.create_task(desk.do(job))
    while (await desk.find_item(item)).step != "read":
        await asyncio.sleep(0.01)
    assert texts(await desk.search(store, "whales")) == []
    assert (await desk.find_item(item)).status == "processing"
    desk.readers.gate.set()
    await working
    assert texts(await desk.search(store, "whales")) == [TEXT[0]]


async def test_each_modality_has_segments_of_its_own(desk: Indexing) -> None:
    desk.equip(describer=ScriptedDescriber())
    store = await desk.make_store()
    asset = await desk.make_ready("video", "So welcome to the talk.", "!frame 1", "And goodbye.", name="talk.mp4")
    item = await desk.index(await desk.add(store, asset))
    assert item.status == "ready"
    (hit,) = (await desk.search(store, "picture", modalities=frozenset({"caption"}))).hits
    assert (hit.text, hit.place) == ("Picture 1 of talk.mp4.", Place(shot=1, start_s=5.0, end_s=10.0))
    assert texts(await desk.search(store, "welcome picture", modalities=frozenset({"speech"}))) == [
        "So welcome to the talk."
    ]
    assert await read_blob(desk, f"{desk.tenant_id}/{asset.id}/frames/1.jpg") == JPEG


async def test_pictures_do_without_captions(desk: Indexing) -> None:
    desk.equip(describer=ScriptedDescriber(Unavailable("The model is away.")))
    asset = await desk.make_ready("video", "Hello there.", "!frame 0", "!frame 1", name="talk.mp4")
    item = await desk.index(await desk.add(await desk.make_store(), asset))
    assert (item.status, item.notes) == ("ready", ("1 pictures have no caption: The model is away.",))


async def test_a_model_that_sees_nothing_is_asked_no_more(desk: Indexing) -> None:
    describer = ScriptedDescriber(*[Unavailable("The model is away.")] * 9)
    desk.equip(describer=describer)
    frames = [f"!frame {number}" for number in range(20)]
    asset = await desk.make_ready("video", "Hello there.", *frames, name="talk.mp4")
    item = await desk.index(await desk.add(await desk.make_store(), asset))
    assert item.notes == ("20 pictures have no caption: The model is away.",)
    assert describer.calls < 9


async def test_sounds_are_heard_elsewhere(desk: Indexing) -> None:
    desk.equip(transcriber=ScriptedTranscriber(Unavailable("The model is busy.")), is_speech_coming=lambda: True)
    store = await desk.make_store()
    item = await desk.add(store, await desk.make_ready("audio", "!sound", "!sound", name="talk.ogg"))
    assert (await desk.index(item)).status == "queued"
    desk.clock.pass_(seconds=1)
    assert (await desk.index(item)).status == "ready"
    (hit,) = (await desk.search(store, "5 seconds")).hits[:1]
    assert (hit.text, hit.place) == ("Heard at 5 seconds.", Place(start_s=5.0, end_s=7.0))
    assert desk.readers.orders[-1].sounds


async def test_an_item_is_called_as_its_file_says(desk: Indexing) -> None:
    store = await desk.make_store()
    asset = await desk.make_ready("document", "!title The Whale Report", *TEXT)
    named = await desk.add(store, asset)
    assert (await desk.index(named)).title == "The Whale Report"
    assert [hit.item.title for hit in (await desk.search(store, "report")).hits[:1]] == ["The Whale Report"]


async def test_its_owners_title_stays(desk: Indexing) -> None:
    asset = await desk.make_ready("document", "!title The Whale Report", *TEXT)
    item = await desk.add(await desk.make_store(), asset, title="My whales")
    assert (await desk.index(item)).title == "My whales"


async def test_what_a_reader_says_is_kept_as_notes(desk: Indexing) -> None:
    item = await desk.index(await desk.fill(await desk.make_store(), "Some text.", "!note Page 7 is blank."))
    assert item.notes == ("Page 7 is blank.",)


async def test_a_file_without_text_is_ready_and_says_so(desk: Indexing) -> None:
    item = await desk.index(await desk.fill(await desk.make_store()))
    assert (item.status, item.chunks) == ("ready", 0)
    assert "Nothing to read was found" in item.notes[0]
    assert item.digest
    assert item.digest.title == "notes.txt"


async def test_an_unreadable_file_fails_at_once(desk: Indexing) -> None:
    store = await desk.make_store()
    item = await desk.fill(store, *TEXT)
    desk.readers.errors = [UnreadableFile("The file is encrypted.")]
    item = await desk.index(item)
    assert (item.status, item.error, item.step) == ("failed", "The file is encrypted.", "read")
    assert desk.readers.calls["read"] == 1
    assert await desk.count_chunks(store.id) == 0


async def test_what_may_pass_is_tried_again_later(desk: Indexing) -> None:
    item = await desk.fill(await desk.make_store(), *TEXT)
    desk.readers.errors = [AWAY, AWAY]
    item = await desk.index(item)
    assert (item.status, item.error) == ("queued", "The reader is busy. It is tried again in 1 s.")
    assert await desk.work() == 0
    desk.clock.pass_(seconds=1)
    assert (await desk.index(item)).error == "The reader is busy. It is tried again in 4 s."
    desk.clock.pass_(seconds=4)
    item = await desk.index(item)
    assert (item.status, item.error, desk.readers.calls["read"]) == ("ready", None, 3)


async def test_what_does_not_pass_fails_in_the_end(desk: Indexing) -> None:
    item = await desk.fill(await desk.make_store(), *TEXT)
    desk.readers.errors = [AWAY] * 5
    for _ in range(5):
        item = await desk.index(item)
        desk.clock.pass_(seconds=300)
    assert (item.status, item.error) == ("failed", "The reader is busy.")
    assert desk.readers.calls["read"] == 5


async def test_too_much_memory_is_tried_once_more(desk: Indexing) -> None:
    item = await desk.fill(await desk.make_store(), *TEXT)
    desk.readers.errors = [Unavailable("It took more than 1536 MB.", code="reader_unavailable")] * 5
    for _ in range(5):
        item = await desk.index(item)
        desk.clock.pass_(seconds=300)
    assert (item.status, desk.readers.calls["read"]) == ("failed", 2)


async def test_a_file_that_kills_its_worker_fails(desk: Indexing) -> None:
    item = await desk.fill(await desk.make_store(), *TEXT)
    for _ in range(10):
        assert await desk.claim()
        desk.clock.pass_(seconds=31)
    item = await desk.index(item)
    assert (item.status, desk.readers.calls["read"]) == ("failed", 0)
    assert item.error
    assert "died 10 times in a row" in item.error


async def test_a_bug_fails_one_item_alone(desk: Indexing) -> None:
    store = await desk.make_store()
    item = await desk.fill(store, *TEXT)
    desk.readers.errors = [ZeroDivisionError("a secret of the code")] * 5
    for _ in range(5):
        item = await desk.index(item)
        desk.clock.pass_(seconds=300)
    assert item.status == "failed"
    assert item.error == "The step 'read' failed for a reason that only the server's log tells (ZeroDivisionError)."
    other = await desk.index(await desk.fill(store, *TEXT, name="other.txt"))
    assert other.status == "ready"


async def test_a_failed_item_is_indexed_again_once(desk: Indexing) -> None:
    store = await desk.make_store()
    item = await desk.fill(store, *TEXT)
    desk.readers.errors = [UnreadableFile("The file is cut off.")]
    await desk.work()
    again = await desk.add(store, await desk.find_asset_of(item))
    assert (again.id, again.status, again.error) == (item.id, "queued", None)
    item = await desk.index(item)
    assert (item.status, item.chunks) == ("ready", 2)
    assert await desk.count_chunks(store.id) == 2


async def test_what_failed_late_is_read_again(desk: Indexing) -> None:
    store = await desk.make_store()
    desk.equip(parts=SqlPartStore(desk.database, chunks_max=1))
    item = await desk.index(await desk.fill(store, *TEXT))
    assert (item.status, item.step, item.characters) == ("failed", "index", 0)
    desk.equip()
    await desk.stores.retry_item(desk.tenant_id, store.id, item.id)
    item = await desk.index(item)
    assert (item.status, item.chunks, item.characters) == ("ready", 2, len(TEXT[0]) + len(TEXT[2]))
    assert len((await desk.search(store, "harbour")).hits) == 1


async def test_a_restart_does_not_read_again(desk: Indexing, embedder: ScriptedEmbedder) -> None:
    store = await desk.make_store()
    item = await desk.fill(store, *TEXT)
    embedder.error = Unavailable("The embedder is loading.", code="model_not_ready")
    await desk.work()
    assert (await desk.find_item(item)).step == "embed"
    embedder.error = None
    desk.clock.pass_(seconds=1)
    item = await desk.index(item)
    assert (item.status, item.chunks, desk.readers.calls["read"]) == ("ready", 2, 1)


async def test_what_has_vectors_is_not_embedded_again(desk: Indexing, embedder: ScriptedEmbedder) -> None:
    lines = [f"Line {number} is about the number {number}." for number in range(100)]
    item = await desk.fill(await desk.make_store(), *lines)
    job = await claim(desk)
    embedder.pause_s = 0.05
    working = asyncio.create_task(desk.do(job))
    while len(embedder.calls) < 3:
        await asyncio.sleep(0.01)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    desk.clock.pass_(seconds=31)
    embedder.pause_s = 0
    item = await desk.index(item)
    seen = [text for call, _ in embedder.calls for text in call]
    assert (item.status, item.chunks) == ("ready", 100)
    # The batch that was at work is done twice, and no other.
    assert len(seen) == 100 + 32


async def test_an_embedder_that_stays_away_costs_no_item(desk: Indexing, embedder: ScriptedEmbedder) -> None:
    store = await desk.make_store()
    item = await desk.fill(store, *TEXT)
    embedder.error = Unavailable("The embedder is not there.", code="model_not_ready")
    for _ in range(5):
        item = await desk.index(item)
        desk.clock.pass_(seconds=300)
    assert item.status == "ready"
    assert "found by its words alone" in item.notes[0]
    assert texts(await desk.search(store, "whales")) == [TEXT[0]]
    embedder.error = None
    due = DueVectors(desk.parts, embedder, desk.clock)
    assert [await due.embed_due(), await due.embed_due()] == [1, 0]
    assert await desk.parts.list_segments(desk.tenant_id, store.id, item.id) == [(0, "scripted")]
    assert embedder.calls[-1][0] == (f"notes.txt\n{TEXT[0]}", f"notes.txt\n{TEXT[2]}")
    assert texts(await desk.search(store, "whales")) == [TEXT[0]]


async def test_another_model_makes_all_vectors_anew(desk: Indexing, embedder: ScriptedEmbedder) -> None:
    store = await desk.make_store()
    item = await desk.index(await desk.fill(store, *TEXT))
    due = DueVectors(desk.parts, ScriptedEmbedder(model="newer"), desk.clock)
    assert [await due.embed_due(), await due.embed_due()] == [1, 0]
    assert await desk.parts.list_segments(desk.tenant_id, store.id, item.id) == [(0, "newer")]


async def test_who_loses_the_job_stops(desk: Indexing) -> None:
    store = await desk.make_store()
    item = await desk.fill(store, *TEXT)
    slow = await claim(desk)
    desk.clock.pass_(seconds=31)
    await desk.work()
    await desk.do(slow)
    assert (await desk.find_item(item)).status == "ready"
    assert desk.readers.calls["read"] == 1
    assert await desk.count_chunks(store.id) == 2


@pytest.mark.parametrize("gone", ["item", "store", "asset"])
async def test_what_is_deleted_meanwhile_is_left_alone(desk: Indexing, gone: str) -> None:
    store = await desk.make_store()
    item = await desk.fill(store, *TEXT)
    desk.readers.gate = asyncio.Event()
    working = asyncio.create_task(desk.do(await claim(desk)))
    while not desk.readers.calls["read"]:
        await asyncio.sleep(0.01)
    if gone == "item":
        await desk.stores.delete_item(desk.tenant_id, store.id, item.id)
    elif gone == "store":
        await desk.stores.delete(desk.tenant_id, store.id)
    else:
        await desk.files.delete(desk.tenant_id, item.asset_id, force=True)
    desk.readers.gate.set()
    await working
    assert await desk.registry.get_items(desk.tenant_id, [item.id]) == {}
    assert await desk.parts.list_parts(desk.tenant_id, item.id) == []
    assert await desk.jobs.count_waiting() == {"asset": 0, "item": 0}


async def test_speech_waits_for_its_model(desk: Indexing) -> None:
    desk.equip(is_speech_coming=lambda: True)
    asset = await desk.make_ready("audio", "Hello there.", name="talk.ogg")
    item = await desk.add(await desk.make_store(), asset)
    for _ in range(8):
        item = await desk.index(item)
        desk.clock.pass_(seconds=10)
    assert (item.status, desk.readers.calls["read"]) == ("queued", 0)
    desk.equip()
    assert (await desk.index(item)).status == "ready"


async def test_ten_kills_leave_one_index(desk: Indexing, embedder: ScriptedEmbedder) -> None:
    """A worker dies again and again, at another place each time; its claims run out."""
    store = await desk.make_store()
    lines = [f"Line {number} tells of whale number {number}." for number in range(70)]
    items = [await desk.fill(store, *lines, name=f"file{number}.txt") for number in range(3)]
    embedder.pause_s = 0.01
    for kill in range(10):
        working = asyncio.create_task(desk.work(limit=3))
        await asyncio.sleep(0.01 + 0.004 * kill)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        desk.clock.pass_(seconds=31)
    embedder.pause_s = 0
    for _ in range(10):
        await desk.work()
        desk.clock.pass_(seconds=300)
    found = [await desk.find_item(item) for item in items]
    assert {item.status for item in found} <= {"ready", "failed"}
    assert all(item.error for item in found if item.status == "failed")
    assert await desk.count_chunks(store.id) == sum(item.chunks for item in found)
    ready = [item for item in found if item.status == "ready"]
    hits = (await desk.search(store, "whale", limit=50)).hits
    assert len({(hit.item.id, hit.chunk) for hit in hits}) == len(hits)
    assert {item.chunks for item in ready} <= {70}


async def claim(desk: Indexing) -> Job:
    """Take the next job."""
    job = await desk.claim()
    assert job
    return job


async def read_blob(desk: Indexing, name: str) -> bytes:
    """A file as it is kept."""
    return b"".join([piece async for piece in desk.blobs.read(name)])
