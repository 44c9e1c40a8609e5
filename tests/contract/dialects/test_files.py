"""OpenAI's files and vector stores: the official client, sync and async, works with them unchanged."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.shared_params import CompoundFilter

from multiturn.model.ids import new_id
from tests.contract.dialects.conftest import Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRAMS = b"# Trams\n\nTram 28 goes from Martim Moniz to Campo de Ourique."
BEES = b"Bees dance to tell each other where flowers are."
# The client asks again so often; its own default is a second.
POLL_MS = 50


async def send_file(client: AsyncOpenAI, name: str = "bees.txt", content: bytes = BEES) -> str:
    """Put a file in."""
    return (await client.files.create(file=(name, content), purpose="assistants")).id


async def fail(wanted: Any) -> tuple[int, str | None, str | None]:
    """What the client raises: status, code and parameter."""
    with pytest.raises(openai.APIStatusError) as refused:
        await wanted
    return refused.value.status_code, refused.value.code, refused.value.param


async def test_file_lives_from_upload_to_delete(place: Place) -> None:
    client = place.client()
    made = await client.files.create(file=("bees.txt", BEES), purpose="user_data")
    assert (made.filename, made.bytes, made.purpose, made.object) == ("bees.txt", len(BEES), "user_data", "file")
    ready = await client.files.wait_for_processing(made.id, poll_interval=0.05)
    assert ready.status == "processed"
    assert (await client.files.content(made.id)).content == BEES
    deleted = await client.files.delete(made.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (made.id, True, "file")
    assert await fail(client.files.retrieve(made.id)) == (404, "asset_not_found", "asset_id")


async def test_files_are_listed_page_by_page(place: Place) -> None:
    client = place.client()
    ids = [await send_file(client, f"{number}.txt") for number in range(5)]
    other = (await client.files.create(file=("x.txt", BEES), purpose="batch")).id
    assert [file.id async for file in client.files.list(limit=2)] == [other, *ids[::-1]]
    assert [file.id async for file in client.files.list(limit=2, order="asc", purpose="assistants")] == ids
    assert [file.id for file in (await client.files.list()).data] == [other, *ids[::-1]]


async def test_broken_file_says_why(place: Place) -> None:
    client = place.client()
    made = await send_file(client, "broken.pdf", b"%PDF-1.7 nothing follows")
    broken = await client.files.wait_for_processing(made, poll_interval=0.05)
    assert broken.status == "error"
    assert broken.status_details
    store = await client.vector_stores.create(name="s")
    refused = await fail(client.vector_stores.files.create(file_id=made, vector_store_id=store.id))
    assert refused == (400, "asset_failed", "asset_id")


async def test_vector_store_lives_from_create_to_delete(place: Place) -> None:
    client = place.client()
    made = await client.vector_stores.create(name="trams", metadata={"city": "Lisbon"})
    assert (made.name, made.metadata, made.status, made.file_counts.total) == (
        "trams",
        {"city": "Lisbon"},
        "completed",
        0,
    )
    assert made.id.startswith("vs_")
    assert await client.vector_stores.retrieve(made.id) == made
    changed = await client.vector_stores.update(made.id, name="rails", metadata={})
    assert (changed.name, changed.metadata) == ("rails", {})
    assert (await client.vector_stores.update(made.id, metadata={"n": "1"})).name == "rails"
    deleted = await client.vector_stores.delete(made.id)
    assert (deleted.id, deleted.deleted) == (made.id, True)
    assert await fail(client.vector_stores.retrieve(made.id)) == (404, "store_not_found", "store_id")


async def test_vector_stores_are_paged_in_both_directions(place: Place) -> None:
    client = place.client()
    ids = [(await client.vector_stores.create(name=str(number))).id for number in range(5)]
    assert [store.id async for store in client.vector_stores.list(limit=2)] == ids[::-1]
    assert [store.id async for store in client.vector_stores.list(limit=2, order="asc")] == ids
    before = await client.vector_stores.list(limit=2, before=ids[1])
    assert [store.id for store in before.data] == [ids[3], ids[2]]
    assert before.has_more is True
    rest = await client.vector_stores.list(limit=2, order="asc", before=ids[1])
    assert ([store.id for store in rest.data], rest.has_more) == ([ids[0]], False)


async def test_uploaded_file_is_polled_and_found(place: Place) -> None:
    client = place.client()
    store = await client.vector_stores.create(name="insects")
    added = await client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id,
        file=("bees.txt", BEES),
        attributes={"legs": 6, "kind": "insect", "flies": True},
        poll_interval_ms=POLL_MS,
    )
    assert (added.status, added.last_error, added.attributes) == (
        "completed",
        None,
        {"legs": 6, "kind": "insect", "flies": True},
    )
    found = (await client.vector_stores.search(store.id, query="how do bees talk")).data
    assert (found[0].file_id, found[0].filename, found[0].content[0].text) == (added.id, "bees.txt", BEES.decode())
    assert found[0].attributes == added.attributes
    assert 0 < found[0].score <= 1
    content = await client.vector_stores.files.content(added.id, vector_store_id=store.id)
    assert [piece.text for piece in content.data] == [BEES.decode()]
    whole = await client.vector_stores.retrieve(store.id)
    assert (whole.file_counts.completed, whole.usage_bytes) == (1, added.usage_bytes)
    changed = await client.vector_stores.files.update(added.id, vector_store_id=store.id, attributes={"legs": 4})
    assert changed.attributes == {"legs": 4}
    gone = await client.vector_stores.files.delete(added.id, vector_store_id=store.id)
    assert (gone.id, gone.deleted) == (added.id, True)
    assert (await client.vector_stores.search(store.id, query="bees")).data == []
    assert (await client.files.retrieve(added.id)).status == "processed"
    missing = client.vector_stores.files.retrieve(added.id, vector_store_id=store.id)
    assert await fail(missing) == (404, "item_not_found", "item_id")


async def test_search_filters_by_attributes(place: Place) -> None:
    client = place.client()
    store = await client.vector_stores.create(name="insects")
    for number in range(3):
        await client.vector_stores.files.upload_and_poll(
            vector_store_id=store.id,
            file=(f"{number}.txt", BEES + b" %d" % number),
            attributes={"n": number, "even": number % 2 == 0},
            poll_interval_ms=POLL_MS,
        )

    async def names(filters: Any, **options: Any) -> set[str]:
        page = await client.vector_stores.search(store.id, query="bees dance", filters=filters, **options)
        return {hit.filename for hit in page.data}

    assert await names({"type": "eq", "key": "n", "value": 1}) == {"1.txt"}
    assert await names({"type": "gte", "key": "n", "value": 1}) == {"1.txt", "2.txt"}
    assert await names({"type": "in", "key": "n", "value": [0, 2]}) == {"0.txt", "2.txt"}
    both: CompoundFilter = {
        "type": "and",
        "filters": [{"type": "eq", "key": "even", "value": True}, {"type": "lt", "key": "n", "value": 2}],
    }
    assert await names(both) == {"0.txt"}
    assert await names(None) == {"0.txt", "1.txt", "2.txt"}
    assert await names(None, ranking_options={"ranker": "none", "score_threshold": 1.0}) <= {"0.txt", "1.txt", "2.txt"}
    several = await client.vector_stores.search(store.id, query=["bees", "flowers"], max_num_results=2)
    assert len(several.data) == 2
    assert several.data[0].score >= several.data[1].score
    wrong: Any = {"type": "near", "key": "n", "value": 1}
    refused = await fail(client.vector_stores.search(store.id, query="x", filters=wrong))
    assert refused == (400, "invalid_request", "filters.type")


async def test_files_of_a_store_are_paged_by_status(place: Place) -> None:
    client = place.client()
    store = await client.vector_stores.create(name="many")
    ids = [await send_file(client, f"{number}.txt", BEES + b" %d" % number) for number in range(5)]
    for id_ in ids:
        await client.vector_stores.files.create_and_poll(id_, vector_store_id=store.id, poll_interval_ms=POLL_MS)

    async def listed(**which: Any) -> list[str]:
        return [file.id async for file in client.vector_stores.files.list(store.id, limit=2, **which)]

    assert await listed() == ids[::-1]
    assert await listed(order="asc", filter="completed") == ids
    assert await listed(filter="failed") == []
    assert await listed(filter="cancelled") == []
    before = await client.vector_stores.files.list(store.id, limit=2, before=ids[0])
    assert [file.id for file in before.data] == [ids[2], ids[1]]


async def test_batch_is_followed_to_its_end(place: Place) -> None:
    client = place.client()
    store = await client.vector_stores.create(name="batch")
    ids = [await send_file(client, f"{number}.txt", BEES + b" %d" % number) for number in range(3)]
    batch = await client.vector_stores.file_batches.create_and_poll(
        store.id, file_ids=ids, attributes={"kind": "insect"}, poll_interval_ms=POLL_MS
    )
    assert (batch.status, batch.file_counts.completed, batch.file_counts.total) == ("completed", 3, 3)
    assert batch.id.startswith("vsfb_")
    files = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, order="asc")
    assert [(file.id, file.attributes) async for file in files] == [(id_, {"kind": "insect"}) for id_ in ids]
    missing = {"file_id": f"file-{'0' * 24}"}
    mixed = await client.vector_stores.file_batches.create_and_poll(
        store.id,
        files=[{"file_id": ids[0], "attributes": {"n": 1}}, missing],  # type: ignore[list-item]
        poll_interval_ms=POLL_MS,
    )
    assert (mixed.status, mixed.file_counts.completed, mixed.file_counts.failed) == ("completed", 1, 1)
    cancelled = await client.vector_stores.file_batches.cancel(mixed.id, vector_store_id=store.id)
    assert cancelled.status == "completed"
    stranger = client.vector_stores.file_batches.retrieve(f"vsfb_{new_id().hex}", vector_store_id=store.id)
    assert await fail(stranger) == (404, "collection_not_found", "collection_id")


async def test_store_is_made_with_files(place: Place) -> None:
    client = place.client()
    store = await client.vector_stores.create(name="s", file_ids=[await send_file(client)])
    assert store.file_counts.total == 1
    missing = f"file-{'0' * 24}"
    refused = await fail(client.vector_stores.create(name="t", file_ids=[missing]))
    assert refused == (404, "asset_not_found", "asset_id")
    assert [one.name for one in (await client.vector_stores.list()).data] == ["s"]


async def test_deleted_file_leaves_its_stores(place: Place) -> None:
    client = place.client()
    store = await client.vector_stores.create(name="s")
    added = await client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("bees.txt", BEES), poll_interval_ms=POLL_MS
    )
    await client.files.delete(added.id)
    assert (await client.vector_stores.files.list(store.id)).data == []
    assert (await client.vector_stores.search(store.id, query="bees")).data == []


async def test_what_is_not_done_is_refused(place: Place) -> None:
    client = place.client()
    expiring = client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1})
    assert await fail(expiring) == (400, "not_implemented", "expires_after")
    file = await send_file(client)
    store = await client.vector_stores.create()
    static: Any = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}
    cut = client.vector_stores.files.create(file_id=file, vector_store_id=store.id, chunking_strategy=static)
    assert await fail(cut) == (400, "not_implemented", "chunking_strategy")
    brief = client.files.create(
        file=("a.txt", BEES), purpose="assistants", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert await fail(brief) == (400, "not_implemented", "expires_after")


async def test_another_tenant_sees_nothing(place: Place) -> None:
    client = place.client()
    file, store = await send_file(client), await client.vector_stores.create(name="s")
    stranger = place.client(key=await place.make_key(tenant=f"stranger-{new_id().hex}"))
    assert (await fail(stranger.files.retrieve(file)))[0] == 404
    assert (await fail(stranger.files.content(file)))[0] == 404
    assert (await fail(stranger.vector_stores.retrieve(store.id)))[0] == 404
    assert (await fail(stranger.vector_stores.search(store.id, query="x")))[0] == 404
    assert (await stranger.files.list()).data == []
    assert (await stranger.vector_stores.list()).data == []


async def test_key_of_a_user_reads_only(place: Place) -> None:
    client = place.client()
    file, store = await send_file(client), await client.vector_stores.create(name="s")
    reader = place.client(key=await place.make_key(user="ann"))
    assert (await reader.files.retrieve(file)).id == file
    assert (await reader.vector_stores.search(store.id, query="x")).data == []
    changes = (
        reader.files.delete(file),
        reader.files.create(file=("x.txt", BEES), purpose="assistants"),
        reader.vector_stores.create(name="t"),
        reader.vector_stores.files.create(file_id=file, vector_store_id=store.id),
        reader.vector_stores.delete(store.id),
    )
    assert {(await fail(change))[:2] for change in changes} == {(403, "forbidden")}


async def test_synchronous_client_works_too(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "trams.md"
    path.write_bytes(TRAMS)

    def use() -> tuple[str, list[str]]:
        with OpenAI(base_url=f"{place.url}/v1", api_key=place.key, max_retries=0) as client:
            store = client.vector_stores.create(name="trams")
            with path.open("rb") as file:
                batch = client.vector_stores.file_batches.upload_and_poll(
                    vector_store_id=store.id, files=[file], poll_interval_ms=POLL_MS
                )
            found = client.vector_stores.search(store.id, query="where does tram 28 go")
            return batch.status, [hit.filename for hit in found.data]

    assert await asyncio.to_thread(use) == ("completed", ["trams.md"])
