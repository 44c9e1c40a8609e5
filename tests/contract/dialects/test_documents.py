"""Documents over HTTP: of a session, an agent, a user."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from multiturn.app import open_server
from multiturn.cli.listening import listen, take_address
from multiturn.config import Settings
from multiturn.model.ids import new_id
from multiturn.upstream.scripted import Script, ScriptedUpstream
from multiturn.upstream.scripted_embedder import ScriptedEmbedder
from tests.contract.dialects.conftest import OpenPlace, Place, enter_tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRAMS = {"title": "Tram lines", "content": "Tram 28 goes from Martim Moniz.\n\nTram 15 goes to Belém."}


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    name: str = request.param
    return name


async def send(place: Place, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Ask for something; status and body."""
    async with place.http.request(method, path, json=body, headers=headers) as reply:
        return reply.status, await reply.json()


async def fail(place: Place, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str, str | None]:
    """Ask for what cannot be; status, code and parameter."""
    status, answer = await send(place, method, path, body, **headers)
    return status, answer["error"]["code"], answer["error"]["param"]


async def make_owner(place: Place, kind: str) -> str:
    """The path of a session, an agent or a user that is there."""
    names = {"session": {"external_id": "s"}, "agent": {"name": "Guide"}, "user": {"external_id": "ann"}}
    status, made = await send(place, "POST", f"/v1/{kind}s", names[kind])
    assert status == 201, made
    return f"/v1/{kind}s/{made['id']}"


@pytest.mark.parametrize("kind", ["session", "agent", "user"])
async def test_document_lives_from_create_to_delete(place: Place, kind: str) -> None:
    path = await make_owner(place, kind)
    status, made = await send(place, "POST", f"{path}/docs", {**TRAMS, "metadata": {"city": "Lisbon", "n": [1, 2]}})
    assert status == 201
    assert (made["title"], made["content"], made["chunks"]) == (TRAMS["title"], TRAMS["content"], 1)
    assert made["owner"]["kind"] == kind
    assert await place.get(f"{path}/docs/{made['id']}") == made
    listed = await place.get(f"{path}/docs?metadata.city=Lisbon&metadata.n=2&metadata.n=1")
    assert (listed["data"], listed["has_more"]) == ([made], False)
    assert (await place.get(f"{path}/docs?metadata.city=Porto"))["data"] == []
    found = (await send(place, "POST", f"{path}/docs/search", {"text": "where does tram 28 go"}))[1]
    hit = found["data"][0]
    assert (hit["document_id"], hit["text"], hit["owner"]) == (made["id"], TRAMS["content"], made["owner"])
    assert found["mode"] == "text"
    assert (await send(place, "DELETE", f"{path}/docs/{made['id']}"))[1] == {
        "id": made["id"],
        "object": "document.deleted",
        "deleted": True,
    }
    assert (await send(place, "POST", f"{path}/docs/search", {"text": "tram"}))[1]["data"] == []
    assert await fail(place, "GET", f"{path}/docs/{made['id']}") == (404, "document_not_found", "doc_id")


async def test_owner_that_is_not_there_has_no_documents(place: Place) -> None:
    for kind in ("session", "agent", "user"):
        for name in ("nobody", str(new_id())):
            path = f"/v1/{kind}s/{name}/docs"
            for method, rest, body in (
                ("GET", "", None),
                ("POST", "", TRAMS),
                ("POST", "/search", {"text": "a"}),
                ("GET", f"/{new_id()}", None),
                ("DELETE", f"/{new_id()}", None),
            ):
                status, code, _ = await fail(place, method, path + rest, body)
                assert (status, code) == (404, f"{kind}_not_found")


async def test_document_of_another_is_not_there(place: Place) -> None:
    path = await make_owner(place, "session")
    made = (await send(place, "POST", f"{path}/docs", TRAMS))[1]
    stranger = {"Authorization": f"Bearer {await place.make_key(tenant='others')}"}
    assert (await fail(place, "GET", f"{path}/docs", **stranger))[1] == "session_not_found"
    other = await make_owner(place, "agent")
    for name in (made["id"], "doc", str(new_id())):
        assert await fail(place, "GET", f"{other}/docs/{name}") == (404, "document_not_found", "doc_id")
        assert await fail(place, "DELETE", f"{other}/docs/{name}") == (404, "document_not_found", "doc_id")
    assert (await place.get(f"{path}/docs/{made['id']}"))["id"] == made["id"]


async def test_key_of_one_user_reads_an_agents_documents_and_changes_none(place: Place) -> None:
    path = await make_owner(place, "agent")
    made = (await send(place, "POST", f"{path}/docs", TRAMS))[1]
    bound = {"Authorization": f"Bearer {await place.make_key(user='ann')}"}
    assert (await send(place, "GET", f"{path}/docs/{made['id']}", **bound))[0] == 200
    assert (await fail(place, "POST", f"{path}/docs", TRAMS, **bound))[:2] == (403, "forbidden")
    assert (await fail(place, "DELETE", f"{path}/docs/{made['id']}", **bound))[:2] == (403, "forbidden")


async def test_same_document_twice_is_a_conflict_nobody_retries(place: Place) -> None:
    path = await make_owner(place, "session")
    made = (await send(place, "POST", f"{path}/docs", TRAMS))[1]
    async with place.http.post(f"{path}/docs", json=TRAMS) as reply:
        error = (await reply.json())["error"]
        assert (reply.status, error["code"], reply.headers["x-should-retry"]) == (409, "document_exists", "false")
        assert made["id"] in error["message"]


async def test_pages_go_on_to_the_end(place: Place) -> None:
    path = await make_owner(place, "session")
    for number in range(5):
        await send(place, "POST", f"{path}/docs", {"title": f"{number}", "content": ["One part.", f"Part {number}."]})
    titles, next_ = [], ""
    while True:
        page = await place.get(f"{path}/docs?limit=2{next_}")
        titles += [one["title"] for one in page["data"]]
        if not page["has_more"]:
            break
        next_ = f"&cursor={page['next']}"
    assert titles == ["4", "3", "2", "1", "0"]
    assert [one["title"] for one in (await place.get(f"{path}/docs?order=asc&limit=1"))["data"]] == ["0"]
    assert page["data"][0]["content"] == ["One part.", "Part 0."]


@pytest.mark.parametrize(
    ("rest", "body", "param"),
    [
        ("", {"content": "x"}, "title"),
        ("", {"title": "", "content": "x"}, "title"),
        ("", {"title": "t" * 801, "content": "x"}, "title"),
        ("", {"title": "t"}, "content"),
        ("", {"title": "t", "content": " "}, "content"),
        ("", {"title": "t", "content": [1]}, "content[0]"),
        ("", {"title": "t", "content": "x", "metadata": []}, "metadata"),
        ("", {"title": "t", "content": "x", "colour": 1}, "colour"),
        ("/search", {}, "text"),
        ("/search", {"text": ""}, "text"),
        ("/search", {"text": "a", "limit": 51}, "limit"),
        ("/search", {"text": "a", "mode": "fuzzy"}, "mode"),
        ("/search", {"text": "a", "alpha": 2}, "alpha"),
        ("/search", {"text": "a", "mmr_strength": 1}, "mmr_strength"),
        ("/search", {"text": "a", "vector": []}, "vector"),
        ("/search", {"text": "a", "metadata_filter": [1]}, "metadata_filter"),
        ("/search", {"text": "a", "metadata_filter": {"k": "v" * 20_000}}, "metadata_filter"),
        ("/search", {"text": "a", "filter": {}}, "filter"),
    ],
)
async def test_bad_body_is_refused_by_name(place: Place, rest: str, body: dict[str, Any], param: str) -> None:
    path = await make_owner(place, "session")
    assert await fail(place, "POST", f"{path}/docs{rest}", body) == (400, "invalid_request", param)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=x", "cursor"),
        ("order=up", "order"),
        ("metadata.=1", "metadata."),
        ("metadata.a=1&metadata.a.b=2", "metadata.a.b"),
        ("metadata.a.b=1&metadata.a=2", "metadata.a"),
        ("metadata." + "a." * 16 + "a=1", ("metadata." + "a." * 16 + "a")[:80]),
        ("&".join(f"metadata.k{number}=1" for number in range(21)), "metadata.k20"),
        ("metadata.a=%00", "metadata.a"),
    ],
)
async def test_bad_query_is_refused_by_name(place: Place, query: str, param: str) -> None:
    path = await make_owner(place, "session")
    assert await fail(place, "GET", f"{path}/docs?{query}") == (400, "invalid_request", param)


async def test_nested_list_in_a_filter_works(place: Place) -> None:
    path = await make_owner(place, "session")
    await send(place, "POST", f"{path}/docs", {**TRAMS, "metadata": {"a": [[1, 2], {"b": [3]}]}})
    for wanted, count in (({"a": [[2]]}, 1), ({"a": [{"b": [3]}]}, 1), ({"a": [[3]]}, 0)):
        body = {"text": "tram", "metadata_filter": wanted}
        assert len((await send(place, "POST", f"{path}/docs/search", body))[1]["data"]) == count


async def test_deeply_nested_filter_is_refused(place: Place) -> None:
    path = await make_owner(place, "session")
    deep = '{"text": "a", "metadata_filter": {"a": ' + "[" * 500 + "]" * 500 + "}}"
    async with place.http.post(f"{path}/docs/search", data=deep) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (400, "invalid_json")


async def test_search_by_vectors_alone_needs_a_model(place: Place) -> None:
    path = await make_owner(place, "session")
    body = {"text": "tram", "mode": "vector"}
    assert (await fail(place, "POST", f"{path}/docs/search", body))[:2] == (503, "embeddings_unavailable")


async def test_huge_document_is_refused_unread(place: Place) -> None:
    path = await make_owner(place, "session")
    long = {"title": "t", "content": "x" * 1_000_001}
    assert await fail(place, "POST", f"{path}/docs", long) == (413, "document_too_large", "content")
    headers = {"Content-Length": str(100 * 1024 * 1024), "Content-Type": "application/json"}
    async with place.http.post(f"{path}/docs", data=b'{"title": "t"', headers=headers, skip_auto_headers=()) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (413, "request_too_large")


async def test_clear_keeps_the_documents(place: Place) -> None:
    path = await make_owner(place, "session")
    made = (await send(place, "POST", f"{path}/docs", TRAMS))[1]
    assert (await send(place, "POST", f"{path}/clear"))[0] == 200
    assert (await place.get(f"{path}/docs"))["data"] == [made]


async def test_documents_go_with_their_session(opening: OpenPlace) -> None:
    async with opening() as place:
        path = await make_owner(place, "session")
        await send(place, "POST", f"{path}/docs", TRAMS)
        assert (await send(place, "DELETE", path))[0] == 200
        assert (await fail(place, "GET", f"{path}/docs"))[1] == "session_not_found"
        again = await make_owner(place, "session")
        assert (await place.get(f"{again}/docs"))["data"] == []


async def test_turn_is_shown_what_documents_say(place: Place) -> None:
    path = await make_owner(place, "session")
    await send(place, "POST", f"{path}/docs", TRAMS)
    await place.ask("Where does tram 28 go?")
    assert "Martim Moniz" in str(place.seen_texts[-1])


async def test_long_document_gets_its_vectors_in_the_background(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, stop_s=0.2)
    upstream = ScriptedUpstream(lambda _: Script("ok"))
    async with (
        open_server(settings, upstream=upstream, embedder=ScriptedEmbedder()) as server,
        listen(server, settings, take_address("127.0.0.1", 0)) as listening,
        enter_tenant(listening.url, server.keys, upstream, []) as place,
    ):
        path = await make_owner(place, "session")
        long = {"title": "Long", "content": [f"Paragraph {number} about trams." for number in range(40)]}
        made = (await send(place, "POST", f"{path}/docs", long))[1]
        assert (made["chunks"], made["is_embedded"]) == (40, False)
        async with asyncio.timeout(20):
            while not (await place.get(f"{path}/docs/{made['id']}"))["is_embedded"]:
                await asyncio.sleep(0.2)
        body = {"text": "paragraph 7 about trams", "mode": "vector"}
        found = (await send(place, "POST", f"{path}/docs/search", body))[1]
        assert (found["mode"], found["data"][0]["part"]) == ("vector", 7)
        wrong = {"vector": [1.0, 2.0]}
        assert await fail(place, "POST", f"{path}/docs/search", wrong) == (400, "invalid_request", "vector")
