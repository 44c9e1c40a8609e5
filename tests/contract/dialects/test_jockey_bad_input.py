"""Bad input to Jockey's dialect: each is refused with a reason, and never with a 5xx."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.contract.dialects.conftest import Place
from tests.contract.dialects.jockey_clients import TRAMS, open_client, open_jockey_place, user

pytestmark = pytest.mark.asyncio(loop_scope="module")

STORE = "ks_01a1fc90-fa71-7d1e-9d0c-6a1f0f3f2a11"
ODD_IDS = ("0", "ks_", "ksi_zz", "%00", "%F0%9F%9A%8B", "..%2F..", "a" * 300, "'; DROP TABLE assets; --")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with open_jockey_place(tmp_path_factory.mktemp("server")) as place:
        yield place


async def ask(place: Place, method: str, path: str, **sent: Any) -> tuple[int, Any]:
    """The status and the body of an answer; every refusal is flat and says something."""
    async with place.http.request(method, f"/v1.3{path}", **sent) as reply:
        body: Any = await reply.json() if reply.status != 204 else None
    if reply.status >= 400:
        assert {"code", "message", "reason"} <= set(body) <= {"code", "message", "reason", "param"}
        assert len(body["message"]) > 10
    return reply.status, body


@pytest.mark.parametrize("odd", ODD_IDS)
async def test_odd_ids_are_not_there(place: Place, odd: str) -> None:
    store = f"/knowledge-stores/{STORE}"
    for method, path in (
        ("GET", f"/assets/{odd}"),
        ("DELETE", f"/assets/{odd}"),
        ("DELETE", f"/assets/{odd}/user-metadata"),
        ("GET", f"/assets/{odd}/transcription"),
        ("GET", f"/assets/multipart-uploads/{odd}"),
        ("GET", f"/knowledge-stores/{odd}"),
        ("GET", f"/knowledge-stores/{odd}/items"),
        ("DELETE", f"{store}/items/{odd}"),
        ("GET", f"{store}/item-collections/{odd}"),
        ("GET", f"/responses/{odd}"),
    ):
        status, body = await ask(place, method, path)
        assert (status, body["code"]) == (404, "resource_not_exist"), (method, path)


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/assets?page=0", "page"),
        ("/assets?page=x", "page"),
        ("/assets?page_limit=51", "page_limit"),
        ("/assets?page_limit=-1", "page_limit"),
        ("/assets?asset_types=hologram", "asset_types"),
        ("/assets/multipart-uploads?page=1.5", "page"),
        ("/knowledge-stores?sort_by=name", "sort_by"),
        ("/knowledge-stores?sort_option=up", "sort_option"),
        (f"/knowledge-stores/{STORE}/items?status=lost", "status"),
        ("/sessions?sort_by=mood", "sort_by"),
        ("/assets/0123456789abcdef01234567/transcription?include=letters", "include"),
        ("/responses/resp_01a1fc90-fa71-7d1e-9d0c-6a1f0f3f2a11?include=thoughts", "include"),
    ],
)
async def test_wrong_parameters_are_named(place: Place, path: str, param: str) -> None:
    status, body = await ask(place, "GET", path)
    assert (status, body["code"], body["param"]) == (400, "parameter_invalid", param)


async def test_page_further_than_any_is_empty(place: Place) -> None:
    assert (await ask(place, "GET", f"/assets?page={10**12}"))[1]["data"] == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"input": \xff}', b'"x"', b"{" * 5000, b"[" * 200 + b"]" * 200]
)
async def test_bodies_that_are_no_objects_are_refused(place: Place, body: bytes) -> None:
    for path in ("/responses", "/knowledge-stores", f"/knowledge-stores/{STORE}/search", "/assets/multipart-uploads"):
        status, answer = await ask(place, "POST", path, data=body)
        assert (status, answer["code"]) == (400, "parameter_invalid"), path


@pytest.mark.parametrize(
    "fields",
    [
        {"input": "hi"},
        {"input": [{"content": 5}]},
        {"input": [{"type": "message", "role": "user", "content": ""}]},
        {"input": [{"type": "message", "role": "assistant", "content": "hi"}]},
        {"input": [{"type": "image", "role": "user", "content": "hi"}]},
        {"input": user("hi") * 101},
        {"stream": "yes"},
        {"include": ["everything"]},
        {"selections": {}},
        {"text": {"format": {"type": "xml"}}},
        {"text": {"format": {"type": "json_schema", "name": "x"}}},
        {"text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object", "oneOf": []}}}},
        {"session_id": "\x00"},
        {"session_id": "x" * 300},
        {"max_output_tokens": 0},
        {"temperature": "hot"},
        {"knowledge_store_id": 5},
        {"knowledge_store_id": None},
        {"tools": [{"type": "knowledge_store", "knowledge_store_id": "ks_other"}]},
    ],
)
async def test_wrong_questions_are_refused_before_the_turn(place: Place, fields: dict[str, Any]) -> None:
    store = await open_client(place).knowledge_stores.create(name="Lisbon")
    body = {"input": user("hi"), "knowledge_store_id": store.id, **fields}
    status, answer = await ask(place, "POST", "/responses", json=body)
    assert (status, answer["code"].startswith("parameter_")) == (400, True), answer
    assert place.seen == []
    assert (await ask(place, "GET", "/sessions"))[1]["data"] == []


async def test_store_with_nothing_in_it_answers_nevertheless(place: Place) -> None:
    store = await open_client(place).knowledge_stores.create(name="Empty")
    place.will_say("It was not found.")
    body = {"input": user("What are the themes?"), "knowledge_store_id": store.id}
    status, answer = await ask(place, "POST", "/responses", json=body)
    assert (status, answer["output"][0]["content"][0]["annotations"]) == (200, [])
    assert "Nothing in the knowledge store" in str(place.seen[-1]["messages"])


async def test_text_that_no_database_holds_is_no_bug(place: Place) -> None:
    store = await open_client(place).knowledge_stores.create(name="Empty")
    body = {"input": user("a\x00b\ufffe"), "knowledge_store_id": store.id}
    assert (await ask(place, "POST", "/responses", json=body))[0] in (200, 400)
    assert (await ask(place, "POST", "/knowledge-stores", json={"name": "a\x00b"}))[0] in (201, 400)
    for search in ("\x00", "\u2028", "*", '"', "a" * 10_000):
        path = f"/knowledge-stores/{store.id}/search"
        assert (await ask(place, "POST", path, json={"query": {"text": search}}))[0] in (200, 400)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"method": "fax"},
        {"method": "direct"},
        {"method": "url"},
        {"method": "url", "url": "file:///etc/passwd"},
        {"method": "url", "url": "not a url"},
        {"method": "url", "url": "https://example.com/a.mp4", "enable_hls": "perhaps"},
        {"method": "url", "url": "https://example.com/a.mp4", "user_metadata": "{"},
        {"method": "url", "url": "https://example.com/a.mp4", "user_metadata": "[]"},
    ],
)
async def test_wrong_forms_are_refused(place: Place, fields: dict[str, str]) -> None:
    form = aiohttp.FormData()
    form.add_field("filler", "x", content_type="text/plain")
    for name, value in fields.items():
        form.add_field(name, value)
    status, answer = await ask(place, "POST", "/assets", data=form)
    assert (status, answer["code"].startswith("parameter_")) == (400, True)
    assert (await ask(place, "GET", "/assets"))[1]["data"] == []


async def test_forms_that_break_off_leave_nothing_behind(place: Place) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n' + TRAMS
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x", head, head + b"\r\n--x--\r\n", head + b"\r\n" + head + b"\r\n--x--\r\n"):
        status, _ = await ask(place, "POST", "/assets", data=body, headers=headers)
        assert status == 400, body
    assert (await ask(place, "GET", "/assets"))[1]["data"] == []


async def test_collection_of_another_store_is_not_there(place: Place) -> None:
    client = open_client(place)
    first, second = [await client.knowledge_stores.create(name=name) for name in ("one", "two")]
    collection = await client.knowledge_store_item_collections.create(first.id, name="Portugal")
    path = f"/knowledge-stores/{second.id}/item-collections/{collection.id}"
    assert (await ask(place, "GET", path))[0] == 404
    assert (await ask(place, "GET", f"{path}/items"))[0] == 404
    assert (await ask(place, "DELETE", path))[0] == 404
    bodies: list[Any] = [
        {"item_ids": []},
        {"item_ids": ["x"]},
        {"item_ids": [STORE]},
        {"item_ids": [f"ksi_{'0' * 32}"] * 501},
    ]
    for body in bodies:
        own = f"/knowledge-stores/{first.id}/item-collections/{collection.id}/items/add"
        assert (await ask(place, "POST", own, json=body))[0] == 400, body


async def test_renaming_to_nothing_is_refused(place: Place) -> None:
    store = await open_client(place).knowledge_stores.create(name="one")
    bodies: list[Any] = [{"name": ""}, {"name": 5}, {"metadata": []}, {"description": 5}]
    for body in bodies:
        assert (await ask(place, "PATCH", f"/knowledge-stores/{store.id}", json=body))[0] == 400, body
    assert (await ask(place, "PATCH", f"/knowledge-stores/{store.id}", json={"name": None}))[1]["name"] == "one"
