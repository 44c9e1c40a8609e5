"""What is kept of documents, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from multiturn.engine.knowledge import CONTENT_CHARS_MAX
from multiturn.errors import Conflict, InvalidRequest, NotFound, TooLarge
from multiturn.model.ids import new_id
from multiturn.model.knowledge import DocumentFilter, Owner
from multiturn.store.database import Database
from multiturn.store.sqlite import SqliteDatabase
from multiturn.upstream.scripted_embedder import ScriptedEmbedder
from tests.contract.ports.shelf import Shelf, open_shelf


@pytest.fixture
async def shelf(database: Database) -> Shelf:
    return await open_shelf(database, ScriptedEmbedder())


async def list_titles(shelf: Shelf, **which: Any) -> list[str]:
    page = await shelf.knowledge.list_items(shelf.tenant_id, shelf.owner, DocumentFilter(**which))
    return [item.title for item in page.data]


async def test_document_comes_back_as_it_was_given(shelf: Shelf) -> None:
    content = ("First part. 🙂\n", "Second part, größer.", "")
    made = await shelf.add("Parts", content, source={"page": 3, "tags": ["a", "b"]})
    found = await shelf.knowledge.get(shelf.tenant_id, made.id)
    assert found == made
    assert (found.content, found.metadata) == (content, {"source": {"page": 3, "tags": ["a", "b"]}})
    assert (found.chunks, found.is_embedded, found.owner) == (2, True, shelf.owner)


async def test_another_owner_does_not_have_it(shelf: Shelf) -> None:
    made = await shelf.add("Mine", "Text.")
    agent = await shelf.make_agent()
    for tenant_id, owner in ((shelf.tenant_id, agent), (new_id(), shelf.owner)):
        with pytest.raises(NotFound, match="no such document"):
            await shelf.knowledge.get(tenant_id, made.id, owner)
        with pytest.raises(NotFound):
            await shelf.knowledge.delete(tenant_id, owner, made.id)
        assert not (await shelf.knowledge.list_items(tenant_id, owner, DocumentFilter())).data


async def test_same_document_twice_is_a_conflict(shelf: Shelf) -> None:
    made = await shelf.add("Twice", "Text.")
    with pytest.raises(Conflict, match=str(made.id)) as raised:
        await shelf.add("Twice", "Text.")
    assert raised.value.code == "document_exists"
    agent = await shelf.make_agent()
    await shelf.add("Twice", "Text.", owner=agent)
    await shelf.add("Twice", ("Te", "xt."))
    assert await list_titles(shelf) == ["Twice", "Twice"]


async def test_conflict_leaves_nothing_behind(shelf: Shelf) -> None:
    await shelf.add("Twice", "Text.")
    before = await shelf.store.find_stores(shelf.tenant_id, [shelf.owner])
    with pytest.raises(Conflict):
        await shelf.add("Twice", "Text.")
    assert await shelf.store.find_stores(shelf.tenant_id, [shelf.owner]) == before


async def test_owner_that_is_gone_gets_no_document(shelf: Shelf) -> None:
    for kind in ("session", "agent", "user"):
        with pytest.raises(NotFound) as raised:
            await shelf.add("Late", "Text.", owner=Owner(kind, new_id()))
        assert raised.value.code == f"{kind}_not_found"


async def test_documents_added_at_once_are_all_there(shelf: Shelf) -> None:
    await asyncio.gather(*(shelf.add(f"Document {number}", f"Text {number}.") for number in range(20)))
    assert len(await list_titles(shelf, limit=50)) == 20
    (store,) = await shelf.store.find_stores(shelf.tenant_id, [shelf.owner])
    assert (store.version, store.chunks) == (20, 20)
    assert len((await shelf.search("text", limit=50, mode="text")).hits) == 20


async def test_listing_goes_on_behind_its_cursor(shelf: Shelf) -> None:
    made = [await shelf.add(f"{number}", f"Text {number}.") for number in range(5)]
    assert await list_titles(shelf) == ["4", "3", "2", "1", "0"]
    assert await list_titles(shelf, limit=2, cursor=made[3].id) == ["2", "1"]
    assert await list_titles(shelf, newest_first=False, cursor=made[3].id) == ["4"]
    assert await list_titles(shelf, newest_first=False, offset=3, limit=1) == ["3"]
    assert await list_titles(shelf, offset=10**12) == []
    page = await shelf.knowledge.list_items(shelf.tenant_id, shelf.owner, DocumentFilter(limit=4))
    assert page.has_more


async def test_page_of_long_documents_holds_fewer(shelf: Shelf) -> None:
    for number in range(6):
        await shelf.add(f"{number}", f"{number} " + "x" * 900_000)
    page = await shelf.knowledge.list_items(shelf.tenant_id, shelf.owner, DocumentFilter())
    assert [item.title for item in page.data] == ["5", "4", "3", "2"]
    assert page.has_more
    assert await list_titles(shelf, cursor=page.data[-1].id) == ["1", "0"]


@pytest.mark.parametrize(
    ("wanted", "titles"),
    [
        ({}, ["c", "b", "a"]),
        ({"n": 1}, ["b", "a"]),
        ({"n": 1.0, "inner": {"x": True}}, ["a"]),
        ({"tags": ["red"]}, ["c", "b"]),
        ({"tags": ["red", "blue"]}, ["c"]),
        ({"tags": [["deep"]]}, ["b"]),
        ({"n": True}, []),
        ({"n": None}, ["c"]),
    ],
)
async def test_metadata_filter_finds_what_contains_it(shelf: Shelf, wanted: dict[str, Any], titles: list[str]) -> None:
    await shelf.add("a", "Some text a.", n=1, inner={"x": True, "y": 2})
    await shelf.add("b", "Some text b.", n=1, tags=["red", ["deep", 1]])
    await shelf.add("c", "Some text c.", n=None, tags=["blue", "red"])
    assert await list_titles(shelf, metadata=wanted) == titles
    assert sorted(await shelf.find_titles("text", metadata=wanted)) == sorted(titles)


async def test_deleted_document_is_gone(shelf: Shelf) -> None:
    made = await shelf.add("Short life", "Ephemeral text.")
    assert await shelf.find_titles("ephemeral") == ["Short life"]
    await shelf.knowledge.delete(shelf.tenant_id, shelf.owner, made.id)
    assert await shelf.find_titles("ephemeral") == []
    for attempt in (
        shelf.knowledge.get(shelf.tenant_id, made.id),
        shelf.knowledge.delete(shelf.tenant_id, shelf.owner, made.id),
    ):
        with pytest.raises(NotFound) as raised:
            await attempt
        assert raised.value.code == "document_not_found"
    assert not await shelf.knowledge.holds(shelf.tenant_id, [shelf.owner])


async def test_many_are_deleted_by_their_metadata(shelf: Shelf) -> None:
    for number in range(120):
        await shelf.add(f"{number}", f"Text {number}.", even=number % 2 == 0)
    deleted = await shelf.knowledge.delete_all(shelf.tenant_id, shelf.owner, {"even": True})
    assert len(deleted) == 60
    assert len(await list_titles(shelf, limit=100)) == 60
    assert len(await shelf.knowledge.delete_all(shelf.tenant_id, shelf.owner)) == 60
    assert await shelf.knowledge.delete_all(shelf.tenant_id, shelf.owner) == []


async def test_no_byte_of_a_deleted_document_is_left(sqlite: SqliteDatabase) -> None:
    shelf = await open_shelf(sqlite, ScriptedEmbedder())
    made = await shelf.add("Title zanzibar", "Text with marzipan. " * 2000, key="quagmire")
    await shelf.knowledge.delete(shelf.tenant_id, shelf.owner, made.id)
    held = b"".join(path.read_bytes() for path in sqlite.path.parent.iterdir())
    assert not [word for word in (b"zanzibar", b"marzipan", b"quagmire", made.id.bytes) if word in held]


@pytest.mark.parametrize(
    ("title", "content", "metadata", "param"),
    [
        ("", "x", {}, "title"),
        (" ", "x", {}, "title"),
        ("two\nlines", "x", {}, "title"),
        ("t" * 801, "x", {}, "title"),
        ("t", "", {}, "content"),
        ("t", " \n", {}, "content"),
        ("t", (), {}, "content"),
        ("t", ("", " "), {}, "content"),
        ("t", ["x"] * 10_001, {}, "content"),
        ("t", "a\0b", {}, "content"),
        ("t", "x", {"k": "v" * 20_000}, "metadata"),
        ("t", "x", {"k": "a\0b"}, "metadata"),
    ],
)
async def test_document_that_cannot_be_kept_is_refused(
    shelf: Shelf, title: str, content: Any, metadata: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await shelf.add(title, content, **metadata)
    assert raised.value.param == param


async def test_document_that_is_too_long_is_refused(shelf: Shelf) -> None:
    with pytest.raises(TooLarge, match="1000000 characters") as raised:
        await shelf.add("Long", ["x" * (CONTENT_CHARS_MAX // 2)] * 3)
    assert raised.value.code == "document_too_large"


async def test_backslash_in_metadata_is_no_nul(shelf: Shelf) -> None:
    made = await shelf.add("Path", "Text.", path="C:\\u0000")
    assert (await shelf.knowledge.get(shelf.tenant_id, made.id)).metadata == {"path": "C:\\u0000"}


async def test_store_has_a_limit(shelf: Shelf) -> None:
    made = await shelf.add("First", "Text.")
    with pytest.raises(TooLarge) as raised:
        await shelf.store.add(shelf.tenant_id, made, b"other", [], chunks_max=1)
    assert raised.value.code == "documents_full"
