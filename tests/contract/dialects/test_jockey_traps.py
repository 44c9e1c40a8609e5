"""What breaks TwelveLabs' clients (contracts/twelvelabs 8): none of it comes from here."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from multiturn.errors import UpstreamError
from multiturn.upstream.scripted import Script
from tests.contract.dialects.conftest import Place
from tests.contract.dialects.jockey_clients import TRAMS, fill, open_client, open_jockey_place, put, user
from tests.node import PACKAGES, find_node, install_clients

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

NODE_S = 60.0
# Everything that cuts a line for some reader, characters of two UTF-16 units, and the mark that ends a stream.
NASTY = "Tram\u2028 28\u2029 runs\x85 from é𝄞\N{TRAM} to [DONE] and \x0b back\r\nagain."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with open_jockey_place(tmp_path_factory.mktemp("server")) as place:
        yield place


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store_id(shared: Place) -> str:
    found, _ = await fill(open_client(shared), ("trams.md", TRAMS))
    return found


@pytest_asyncio.fixture(loop_scope="module")
async def place(shared: Place) -> Place:
    """The server, for the tenant that has the store."""
    shared.scripts.clear()
    shared.upstream.requests.clear()
    return shared


async def read_frames(place: Place, store_id: str) -> bytes:
    body = {"knowledge_store_id": store_id, "input": user("hi"), "stream": True}
    async with place.http.post("/v1.3/responses", json=body) as reply:
        assert "text/event-stream" in reply.headers["Content-Type"]
        return await reply.read()


async def test_frames_are_plain_ascii_whatever_is_said(place: Place, store_id: str) -> None:
    place.will_say(NASTY)
    frames = await read_frames(place, store_id)
    assert frames.isascii()
    assert frames.count(b"[DONE]") == 1
    assert frames.endswith(b"\n\ndata: [DONE]\n\n")
    for frame in frames.removesuffix(b"data: [DONE]\n\n").strip().split(b"\n\n"):
        name, data = frame.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        assert isinstance(event["sequence_number"], int)


async def test_python_reads_every_character(place: Place, store_id: str) -> None:
    place.will_say(NASTY)
    events = open_client(place).responses.create_stream(knowledge_store_id=store_id, input=user("hi"))
    told = [event async for event in events]
    assert "".join(event.delta for event in told if event.type == "response.output_text.delta") == NASTY
    assert told[-1].response.output[0].content[0].text == NASTY


async def test_each_frame_is_written_by_itself(place: Place, store_id: str) -> None:
    place.will_say(Script("One sentence. Another sentence. A third one.", pause_s=0.01))
    body = {"knowledge_store_id": store_id, "input": user("hi"), "stream": True}
    async with place.http.post("/v1.3/responses", json=body) as reply:
        async for chunk in reply.content.iter_any():
            assert chunk.endswith(b"\n\n")
            assert chunk.startswith((b"event: ", b"data: [DONE]"))


async def test_pages_end_with_an_empty_one(place: Place, store_id: str) -> None:
    for path in (
        "/v1.3/assets",
        "/v1.3/assets/multipart-uploads",
        "/v1.3/knowledge-stores",
        f"/v1.3/knowledge-stores/{store_id}/items",
        f"/v1.3/knowledge-stores/{store_id}/item-collections",
        "/v1.3/sessions",
    ):
        async with place.http.get(f"{path}?page=999999&page_size=100&unknown=1&page_limit=50") as reply:
            page = await reply.json()
        assert (reply.status, page["data"], page["page_info"]["page"]) == (200, [], 999999), path


async def test_uploads_come_before_assets_in_the_paths(place: Place) -> None:
    async with place.http.get("/v1.3/assets/multipart-uploads") as reply:
        assert (reply.status, (await reply.json())["data"]) == (200, [])


async def test_upload_without_a_length_is_taken(place: Place) -> None:
    form = aiohttp.FormData()
    form.add_field("method", "direct")
    form.add_field("file", stream_file(), filename="é trams.md", content_type="text/markdown")
    form.add_field("user_metadata", '{"behind": "the file"}')
    async with place.http.post("/v1.3/assets", data=form) as reply:
        made = await reply.json()
    assert (reply.status, made["filename"], made["user_metadata"]) == (201, "é trams.md", {"behind": "the file"})


async def stream_file() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield TRAMS


async def test_null_and_unknown_fields_are_left_out(place: Place, store_id: str) -> None:
    names = ("session_id", "instructions", "include", "selections", "text", "stream", "model", "tools")
    body = {"knowledge_store_id": store_id, "input": user("hi"), "new": {"a": 1}, **dict.fromkeys(names)}
    async with place.http.post("/v1.3/responses", json=body) as reply:
        assert (reply.status, (await reply.json())["status"]) == (200, "completed")


async def test_permanent_problems_are_not_worth_a_retry(place: Place, store_id: str) -> None:
    """The JavaScript client sends again what is answered with 408, 429 or 5xx."""
    wrong: list[Any] = [
        {},
        {"input": []},
        {"input": user("x" * 10_001)},
        {"input": [{"role": "system", "content": "x"}]},
    ]
    for fields in wrong:
        async with place.http.post("/v1.3/responses", json={"knowledge_store_id": store_id, **fields}) as reply:
            assert (reply.status, (await reply.json())["code"].startswith("parameter_")) == (400, True), fields


async def test_turn_that_failed_can_be_sent_again(place: Place, store_id: str) -> None:
    place.will_say("One.", UpstreamError("The model is away."), "Two.")
    client = open_client(place)
    first = await client.responses.create(knowledge_store_id=store_id, input=user("one"))
    again: Any = {"max_retries": 3}
    second = await client.responses.create(
        knowledge_store_id=store_id, input=user("two"), session_id=first.session_id, request_options=again
    )
    assert second.output[0].content[0].text == "Two."
    said = await place.list_texts(first.session_id)
    assert [len(said), said[-1]] == [4, "Two."]


async def test_wrong_key_is_a_401_in_the_right_words(place: Place) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "", "x-api-key": "tlk_wrong"}):
        async with place.http.get("/v1.3/assets", headers=headers) as reply:
            body = await reply.json()
        assert (reply.status, body["code"]) == (401, "api_key_invalid")


async def test_key_comes_in_the_header_of_the_clients(place: Place) -> None:
    async with place.http.get("/v1.3/assets", headers={"Authorization": "", "x-api-key": place.key}) as reply:
        assert reply.status == 200


@pytest.mark.parametrize("family", ["indexes", "tasks", "search", "embed", "analyze", "entity-collections/1/entities"])
async def test_what_is_not_there_says_so(place: Place, family: str) -> None:
    for method in ("GET", "POST"):
        async with place.http.request(method, f"/v1.3/{family}") as reply:
            body = await reply.json()
        assert (reply.status, body["code"]) == (404, "resource_not_exist")
        assert f"/{family.partition('/')[0]}" in body["message"]


async def test_unknown_paths_and_methods_are_told_flat(place: Place) -> None:
    for method, path, status in (("GET", "/v1.3/nothing", 404), ("PUT", "/v1.3/responses", 405)):
        async with place.http.request(method, path) as reply:
            body = await reply.json()
        assert (reply.status, set(body)) == (status, {"code", "message", "reason"})


# Under Node.


async def run_node(place: Place, name: str, **environ: str) -> list[dict[str, Any]]:
    """Run a script with the JavaScript client; the lines of JSON that it prints."""
    clients = await asyncio.to_thread(install_clients)
    code = (PACKAGES / name).read_bytes()
    facts = {"TWELVELABS_BASE_URL": f"{place.url}/v1.3", "KEY": place.key, **environ}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(str(find_node().path), "--input-type=module", "-"),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        cwd=clients,
        env=os.environ | facts,
    )
    async with asyncio.timeout(NODE_S):
        out, err = await process.communicate(code)
    assert process.returncode == 0, err.decode()
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.node
async def test_javascript_client_streams_a_conversation(place: Place, store_id: str) -> None:
    place.will_say(NASTY, "Tram 28 runs from Martim Moniz to Campo de Ourique.")
    first, second = await run_node(
        place, "jockey_stream.mjs", STORE=store_id, QUESTIONS=json.dumps(["What is nasty?", "Where does it run?"])
    )
    assert (first["said"], first["text"]) == (NASTY, NASTY)
    assert second["said"] == second["text"]
    assert second["text"].startswith("Tram 28 runs from Martim Moniz to Campo de Ourique [")
    assert second["sessionId"] == first["sessionId"]
    (cited,) = second["annotations"]
    assert second["text"][cited["startIndex"] : cited["endIndex"] + 1].strip("[]").isdigit()
    assert second["types"][:4] == [
        *("response.created", "response.in_progress"),
        *("response.output_item.added", "response.content_part.added"),
    ]
    assert second["types"][-1] == "response.completed"


@pytest.mark.node
async def test_javascript_client_fills_a_store(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "trams.md"
    path.write_bytes(TRAMS)
    place.will_say("Tram 28 runs from Martim Moniz to Campo de Ourique.")
    (told,) = await run_node(place, "jockey_library.mjs", FILE=str(path), QUESTION="Where does tram 28 run?")
    assert (told["asset"]["status"], told["item"]["status"]) == ("ready", "ready")
    assert (told["asset"]["filename"], told["asset"]["size"]) == ("trams.md", len(TRAMS))
    assert told["store"]["metadata"] == {"team": "travel", "city": "Lisboa"}
    assert told["store"]["id"] in told["stores"]
    assert told["items"] == [told["item"]["id"]]
    assert told["annotations"][0]["itemId"] == told["item"]["id"]
    assert told["refused"] == {"status": 404, "code": "resource_not_exist"}


async def test_item_always_says_what_it_is(place: Place) -> None:
    client = open_client(place)
    asset = await put(client, "trams.md", TRAMS)
    store = await client.knowledge_stores.create(name="Journeys")
    path = f"/v1.3/knowledge-stores/{store.id}/items"
    async with place.http.post(path, json={"asset_id": asset.id}) as reply:
        item = await reply.json()
    assert (reply.status, item["asset_type"], "system_metadata" in item) == (202, "document", False)
