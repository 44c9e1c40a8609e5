"""Knowledge stores over the native API: files put in, followed, read, searched, and deleted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from multiturn.model.ids import new_id
from tests.contract.dialects.conftest import Place
from tests.contract.dialects.knowing import fail, make_store, put, send, upload

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRAMS = (
    "# Trams\n\nTram 28 goes from Martim Moniz to Campo de Ourique.\n\n# Funiculars\n\nGlória climbs to Bairro Alto.\n"
)
BEES = "Bees dance to tell each other where flowers are."


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    name: str = request.param
    return name


async def find_titles(place: Place, store: str, text: str, **order: Any) -> list[str]:
    """The titles of what a search finds."""
    status, found = await send(place, "POST", f"{store}/search", {"text": text, **order})
    assert status == 200, found
    return [hit["title"] for hit in found["data"]]


async def read_events(place: Place, store: str) -> list[dict[str, Any]]:
    """The events of a store, to their end."""
    async with place.http.get(f"{store}/events") as reply:
        assert reply.content_type == "text/event-stream"
        text = await reply.text()
    lines = [line for line in text.splitlines() if line.startswith("data: ")]
    return [msgspec.json.decode(line.removeprefix("data: ")) for line in lines]


async def test_store_lives_from_create_to_delete(place: Place) -> None:
    path = await make_store(place, "trams", description="Talks", metadata={"city": "Lisbon"})
    made = await place.get(path)
    assert (made["name"], made["description"], made["items"]["total"]) == ("trams", "Talks", 0)
    assert await place.get("/v1/stores/trams") == made
    assert (await place.get("/v1/stores"))["data"] == [made]
    status, changed = await send(place, "PATCH", path, {"name": "rails", "description": None, "metadata": {}})
    assert (status, changed["name"], changed["description"], changed["metadata"]) == (200, "rails", None, {})
    assert (await send(place, "DELETE", path))[1] == {"id": made["id"], "object": "store.deleted", "deleted": True}
    assert await fail(place, "GET", path) == (404, "store_not_found", "store_id")
    assert await fail(place, "DELETE", path) == (404, "store_not_found", "store_id")


async def test_document_is_indexed_read_and_found(place: Place) -> None:
    store = await make_store(place)
    item = await put(place, store, "trams.md", TRAMS, metadata={"title": "Trams of Lisbon", "line": 28})
    assert (item["title"], item["kind"], item["progress"], item["error"]) == ("Trams of Lisbon", "document", 100, None)
    assert (await place.get(store))["items"] == {
        "total": 1,
        "queued": 0,
        "pending": 0,
        "processing": 0,
        "ready": 1,
        "failed": 0,
    }
    status, found = await send(place, "POST", f"{store}/search", {"text": "where does tram 28 go"})
    assert status == 200, found
    hit = found["data"][0]
    assert (hit["item_id"], hit["asset_id"], hit["metadata"]["line"]) == (item["id"], item["asset_id"], 28)
    assert "Martim Moniz" in hit["text"]
    assert hit["place"]["heading"] == "Trams"
    async with place.http.get(hit["url"]) as reply:
        assert (await reply.text()) == TRAMS
    whole = await place.get(f"{store}/items/{item['id']}/text")
    assert "Glória climbs" in " ".join(piece["text"] for piece in whole["data"])
    assert whole["has_more"] is False
    piece = whole["data"][0]
    assert piece["end"] - piece["start"] == len(piece["text"])
    outline = await place.get(f"{store}/items/{item['id']}/outline")
    assert [section["label"] for section in outline["sections"]] == ["Trams", "Funiculars"]
    assert outline["title"] == "Trams of Lisbon"


async def test_search_keeps_what_is_asked_for(place: Place) -> None:
    store = await make_store(place)
    trams = await put(place, store, "trams.md", TRAMS, metadata={"city": "Lisbon"})
    bees = await put(place, store, "bees.txt", BEES)
    _, collection = await send(place, "POST", f"{store}/collections", {"name": "animals"})
    members = f"{store}/collections/{collection['id']}/items"
    empty = {"text": "where", "collection_id": collection["id"]}
    assert (await send(place, "POST", f"{store}/search", empty))[1]["data"] == []
    assert (await send(place, "POST", f"{members}/add", {"item_ids": [bees["id"]]}))[1]["members"] == 1
    assert [item["id"] for item in (await place.get(members))["data"]] == [bees["id"]]
    assert set(await find_titles(place, store, "where", collection_id=collection["id"])) <= {"bees.txt"}
    question = "where do tram 28 and bees dance"
    assert set(await find_titles(place, store, question)) == {trams["title"], bees["title"]}
    assert set(await find_titles(place, store, question, item_ids=[trams["id"]])) == {trams["title"]}
    assert set(await find_titles(place, store, question, metadata_filter={"city": "Lisbon"})) == {trams["title"]}
    assert await find_titles(place, store, question, kinds=["video"]) == []
    assert await find_titles(place, store, question, modalities=["speech"]) == []
    assert (await find_titles(place, store, "and where?", earlier=["how do bees dance"]))[0] == bees["title"]
    missing = {"text": "x", "collection_id": str(new_id())}
    assert await fail(place, "POST", f"{store}/search", missing) == (404, "collection_not_found", "collection_id")


async def test_change_of_metadata_is_seen_by_searches(place: Place) -> None:
    store = await make_store(place)
    item = await put(place, store, "bees.txt", BEES)
    path = f"{store}/items/{item['id']}"
    for title in ("On\nbees", "On\u2028bees", "On bees\x1b", " "):
        assert await fail(place, "PATCH", path, {"title": title}) == (400, "invalid_request", "title")
    status, changed = await send(place, "PATCH", path, {"title": "On bees", "metadata": {"kind": "insect"}})
    assert (status, changed["title"], changed["metadata"]) == (200, "On bees", {"kind": "insect"})
    assert await find_titles(place, store, "bees", metadata_filter={"kind": "insect"}) == ["On bees"]


async def test_deleted_item_is_found_no_more(place: Place) -> None:
    store = await make_store(place)
    kept, gone = await put(place, store, "trams.md", TRAMS), await put(place, store, "bees.txt", BEES)
    path = f"{store}/items/{gone['id']}"
    assert (await send(place, "DELETE", path))[1]["object"] == "store.item.deleted"
    assert await find_titles(place, store, "bees dance") == []
    assert await fail(place, "GET", path) == (404, "item_not_found", "item_id")
    assert [item["id"] for item in (await place.get(f"{store}/items"))["data"]] == [kept["id"]]
    assert (await place.get(f"/v1/assets/{gone['asset_id']}"))["status"] == "ready"


async def test_asset_in_a_store_twice_is_one_item(place: Place) -> None:
    store = await make_store(place)
    item = await put(place, store, "bees.txt", BEES)
    status, again = await send(place, "POST", f"{store}/items", {"asset_id": item["asset_id"]})
    assert (status, again["id"], again["status"]) == (202, item["id"], "ready")


async def test_wrong_assets_are_refused_with_their_reason(place: Place) -> None:
    store = await make_store(place)
    broken = await upload(place, "broken.pdf", b"%PDF-1.7 nothing follows", status="failed")
    good = await upload(place, "bees.txt", BEES)
    items = f"{store}/items"
    assert await fail(place, "POST", items, {"asset_id": str(new_id())}) == (404, "asset_not_found", "asset_id")
    assert await fail(place, "POST", items, {"asset_id": broken}) == (400, "asset_failed", "asset_id")
    wrong = {"asset_id": good, "kind": "video"}
    assert await fail(place, "POST", items, wrong) == (400, "asset_kind_wrong", "asset_type")
    orders = [{"asset_id": one} for one in (broken, "nothing", good)]
    status, added = await send(place, "POST", f"{items}/batch", {"items": orders})
    assert status == 202
    codes = [one["error"]["code"] if one["error"] else None for one in added["data"]]
    assert codes == ["asset_failed", "asset_not_found", None]
    assert added["data"][2]["item"]["asset_id"] == good


async def test_events_follow_the_work_to_its_end(place: Place) -> None:
    store = await make_store(place)
    assert [event["type"] for event in await read_events(place, store)] == ["end"]
    orders = [{"asset_id": await upload(place, f"{number}.txt", f"{BEES} {number}")} for number in range(4)]
    await send(place, "POST", f"{store}/items/batch", {"items": orders})
    events = await read_events(place, store)
    last = {event["item_id"]: event for event in events if event["type"] == "item"}
    assert all((event["status"], event["progress"]) == ("ready", 100) for event in last.values())
    assert events[-1]["type"] == "end"
    assert events[-1]["items"]["ready"] == 4


async def test_items_are_paged_by_status(place: Place) -> None:
    store = await make_store(place)
    items = [await put(place, store, f"{number}.txt", f"{BEES} {number}") for number in range(3)]
    first = await place.get(f"{store}/items?limit=2&status=ready&status=failed")
    assert (len(first["data"]), first["has_more"]) == (2, True)
    second = await place.get(f"{store}/items?limit=2&status=ready&cursor={first['next']}")
    assert [item["id"] for item in (*first["data"], *second["data"])] == [item["id"] for item in items[::-1]]
    assert (second["has_more"], second["next"]) == (False, None)
    assert (await place.get(f"{store}/items?status=failed"))["data"] == []
    assert len((await place.get(f"{store}/items?asset_id={items[0]['asset_id']}"))["data"]) == 1
    assert await fail(place, "GET", f"{store}/items?status=done") == (400, "invalid_request", "status")
    other = f"{store}/items?collection_id={new_id()}"
    assert await fail(place, "GET", other) == (404, "collection_not_found", "collection_id")


async def test_collection_lives_from_create_to_delete(place: Place) -> None:
    store = await make_store(place)
    item = await put(place, store, "bees.txt", BEES)
    status, made = await send(place, "POST", f"{store}/collections", {"name": "animals", "metadata": {"n": 1}})
    assert (status, made["members"], made["metadata"]) == (201, 0, {"n": 1})
    path = f"{store}/collections/{made['id']}"
    again = await fail(place, "POST", f"{store}/collections", {"name": "animals"})
    assert again == (409, "collection_exists", "name")
    changed = (await send(place, "PATCH", path, {"name": "insects", "description": "Six legs"}))[1]
    assert (changed["name"], changed["description"], changed["metadata"]) == ("insects", "Six legs", {"n": 1})
    foreign = {"item_ids": [item["id"], str(new_id())]}
    assert await fail(place, "POST", f"{path}/items/add", foreign) == (404, "item_not_found", "item_ids")
    for way, members in (("add", 1), ("add", 1), ("remove", 0), ("remove", 0)):
        body = (await send(place, "POST", f"{path}/items/{way}", {"item_ids": [item["id"]]}))[1]
        assert body["members"] == members
    assert [one["name"] for one in (await place.get(f"{store}/collections"))["data"]] == ["insects"]
    assert (await send(place, "DELETE", path))[0] == 200
    assert await fail(place, "GET", path) == (404, "collection_not_found", "collection_id")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "n" * 256}, "name"),
        ({"name": "n", "metadata": []}, "metadata"),
        ({"name": "n", "colour": "red"}, "colour"),
        ({"name": "n", "description": "d" * 10_001}, "description"),
    ],
)
async def test_wrong_store_is_refused_by_field(place: Place, body: dict[str, Any], param: str) -> None:
    assert await fail(place, "POST", "/v1/stores", body) == (400, "invalid_request", param)


async def test_wrong_extraction_is_refused_by_place(place: Place) -> None:
    schema = {"type": "object", "properties": {"brand": {"type": "string"}}}
    config = {"enrichment_config": {"type": "json_schema", "json_schema": schema}}
    refused = await fail(place, "POST", "/v1/stores", {"name": "n", "ingestion_config": config})
    assert refused[:2] == (400, "ingestion_config_invalid")
    assert (refused[2] or "").endswith("properties.brand")


async def test_key_of_a_user_reads_only(place: Place) -> None:
    store = await make_store(place)
    item = await put(place, store, "bees.txt", BEES)
    headers = {"Authorization": f"Bearer {await place.make_key(user='ann')}"}
    async with place.http.get(f"{store}/items/{item['id']}", headers=headers) as reply:
        assert reply.status == 200
    async with place.http.delete(store, headers=headers) as reply:
        assert reply.status == 403
    async with place.http.post(f"{store}/search", json={"text": "bees"}, headers=headers) as reply:
        assert len((await reply.json())["data"]) == 1
