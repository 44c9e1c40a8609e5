"""Powabase's knowledge bases, sources and context handlers over HTTP, with real documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.contract.dialects.conftest import Place
from tests.contract.dialects.knowing import send
from tests.contract.dialects.powabase_knowing import ask, fill, id_of, make_base, refuse, upload, wait
from tests.documents import make_pdf

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRAMS = "Tram 28 runs from Martim Moniz to Campo de Ourique.\n\nTram 15 runs along the river to Belem.\n"
FERRIES = "The ferry to Cacilhas leaves every ten minutes.\n"
NOBODY = "01a1fc90-fb10-7a3e-9a51-5a0c2f0f6a01"


async def test_knowledge_base_is_a_store_of_the_other_apis(place: Place) -> None:
    configs = {
        "indexing_config": {"strategy": "chunk_embed", "chunk_size": 2000, "overlap": 50},
        "retrieval_config": {"method": "full_text", "top_k": 3, "similarity_threshold": 0.2, "reranker": False},
    }
    made = await ask(
        place, "POST", "/knowledge-bases", {"name": "Trams", "description": "Lines", **configs}, status=201
    )
    assert made["indexing_config"] == {**configs["indexing_config"], "embedding_model": "text-embedding-3-small"}
    assert made["retrieval_config"] == configs["retrieval_config"]
    assert (made["status"], made["source_count"], made["description"]) == ("empty", 0, "Lines")
    path = f"/knowledge-bases/{made['id']}"
    assert await ask(place, "GET", path) == made
    assert (await place.get(f"/v1/stores/{made['id']}"))["metadata"] == {}
    page = await ask(place, "GET", "/knowledge-bases?limit=1")
    assert (page["knowledge_bases"], page["total"], page["limit"], page["offset"]) == ([made], 1, 1, 0)
    assert (await ask(place, "GET", "/knowledge-bases?offset=1"))["knowledge_bases"] == []
    assert await ask(place, "DELETE", path) == {"message": "Knowledge base deleted"}
    assert await refuse(place, "GET", path) == (404, "store_not_found", "knowledge_base_id")


async def test_change_replaces_what_it_names(place: Place) -> None:
    base = await make_base(place, description="Lines", retrieval_config={"top_k": 3})
    changed = await ask(place, "PATCH", base, {"name": "Ferries", "description": None})
    assert (changed["name"], changed["description"]) == ("Ferries", None)
    assert changed["retrieval_config"]["top_k"] == 3
    changed = await ask(place, "PATCH", base, {"retrieval_config": {"method": "full_text"}})
    assert changed["retrieval_config"] == {"method": "full_text", "top_k": 5}
    assert (await ask(place, "PATCH", base, {"retrieval_config": None}))["retrieval_config"]["method"] == "hybrid"
    assert await refuse(place, "PATCH", base, {}) == (400, "invalid_request", None)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"name": None}, "name"),
        ({"name": " "}, "name"),
        ({"description": 7}, "description"),
        ({"indexing_config": {"strategy": "page_index"}}, "indexing_config.strategy"),
        ({"indexing_config": {"chunk_size": 500}}, "indexing_config.chunk_size"),
        ({"indexing_config": {"overlap": 0}}, "indexing_config.overlap"),
        ({"indexing_config": {"embedding_model": "other"}}, "indexing_config.embedding_model"),
        ({"indexing_config": {"pages": 1}}, "indexing_config.pages"),
        ({"retrieval_config": {"method": "tree_search"}}, "retrieval_config.method"),
        ({"retrieval_config": {"method": "vector_search"}}, "retrieval_config.method"),
        ({"retrieval_config": {"top_k": 0}}, "retrieval_config.top_k"),
        ({"retrieval_config": {"similarity_threshold": 2}}, "retrieval_config.similarity_threshold"),
        ({"retrieval_config": {"reranker": True}}, "retrieval_config.reranker"),
        ({"retrieval_config": {"reranker": {"model": "x"}}}, "retrieval_config.reranker"),
        ({"retrieval_config": {"query_enrichment": True}}, "retrieval_config.query_enrichment"),
        ({"retrieval_config": {"context_mode": "image"}}, "retrieval_config.context_mode"),
    ],
)
async def test_what_a_knowledge_base_cannot_be_is_named(place: Place, fields: dict[str, Any], param: str) -> None:
    body = {"name": "Trams", **fields}
    assert await refuse(place, "POST", "/knowledge-bases", body) == (400, "invalid_request", param)


async def test_search_finds_chunks_with_their_scores(place: Place, tmp_path: Path) -> None:
    base = await make_base(place)
    pdf = make_pdf(
        tmp_path / "trams.pdf", [["Timetables of the city."], ["Tram 28 runs from Martim Moniz to Estrela."]]
    )
    trams = await fill(place, base, "trams.pdf", pdf.read_bytes(), metadata='{"team": "rail"}')
    ferries = await fill(place, base, "ferries.md", FERRIES)
    found = await ask(place, "POST", f"{base}/search", {"query": "where does tram 28 go", "top_k": 1})
    hit = found["results"][0]
    assert (found["total_results"], found["query"]) == (1, "where does tram 28 go")
    assert "Martim Moniz" in hit["text"]
    assert (hit["source_id"], hit["source_name"], hit["meta"]["page"], hit["meta"]["team"]) == (
        trams,
        "trams.pdf",
        2,
        "rail",
    )
    assert hit["score"] == hit["retrieval_score"] > 0
    assert hit["reranker_score"] is None
    for limits, sources in (
        ({"source_ids": [ferries]}, {ferries}),
        ({"filter_metadata": {"team": "rail"}}, {trams}),
        ({"filter_metadata": {"team": "water"}}, set()),
    ):
        found = await ask(place, "POST", f"{base}/search", {"query": "tram ferry minutes", **limits})
        assert {one["source_id"] for one in found["results"]} == sources
    held = await ask(place, "GET", f"{base}/items")
    assert {one["id"] for one in held["items"]} >= {hit["item_id"]}
    assert (held["total"], {one["chunk_count"] > 0 for one in held["items"]}) == (2, {True})


async def test_configuration_counts_where_a_search_says_nothing(place: Place) -> None:
    base = await make_base(place, retrieval_config={"method": "full_text", "top_k": 1})
    await fill(place, base, "trams.md", "# One\n\nTram 28 climbs.\n\n# Two\n\nTram 15 follows the river.\n")
    found = await ask(place, "POST", f"{base}/search", {"query": "tram"})
    assert (found["total_results"], found["retrieval_method"]) == (1, "full_text")
    assert (await ask(place, "POST", f"{base}/search", {"query": "tram", "top_k": 2}))["total_results"] == 2


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"query": None}, 400, "query"),
        ({"query": ""}, 400, "query"),
        ({"query": " "}, 400, "query"),
        ({"top_k": 101}, 400, "top_k"),
        ({"top_k": "5"}, 400, "top_k"),
        ({"retrieval_method": "tree_search"}, 400, "retrieval_method"),
        ({"similarity_threshold": -1}, 400, "similarity_threshold"),
        ({"filter_metadata": []}, 400, "filter_metadata"),
        ({"filter_metadata": {"a": "\0"}}, 400, "filter_metadata"),
        ({"source_ids": []}, 400, "source_ids"),
        ({"source_ids": [7]}, 400, "source_ids[0]"),
        ({"source_ids": ["nothing"]}, 404, "source_ids"),
    ],
)
async def test_what_cannot_be_searched_is_named(place: Place, fields: dict[str, Any], status: int, param: str) -> None:
    base = await make_base(place)
    code, _, named = await refuse(place, "POST", f"{base}/search", {"query": "tram", **fields})
    assert (code, named) == (status, param)


async def test_source_leaves_a_knowledge_base_and_stays(place: Place) -> None:
    base = await make_base(place)
    source_id = await fill(place, base, "trams.md", TRAMS)
    held = await ask(place, "POST", f"{base}/sources", {"source_id": source_id}, status=201)
    assert (held["source_id"], held["indexing_status"], held["progress"]) == (source_id, "indexed", 100)
    assert (await ask(place, "GET", base))["status"] == "ready"
    removed = await ask(place, "DELETE", f"{base}/sources/{source_id}")
    assert removed == {"message": "Source removed from knowledge base"}
    assert (await ask(place, "GET", f"{base}/sources"))["total"] == 0
    assert await refuse(place, "DELETE", f"{base}/sources/{source_id}") == (404, "item_not_found", "source_id")
    assert (await ask(place, "GET", f"/sources/{source_id}"))["extraction_status"] == "extracted"
    assert await refuse(place, "POST", f"{base}/sources", {"source_id": NOBODY}) == (
        404,
        "asset_not_found",
        "source_id",
    )
    assert await refuse(place, "POST", f"{base}/sources", {}) == (400, "invalid_request", "source_id")


async def test_deleted_source_is_gone_everywhere(place: Place) -> None:
    base = await make_base(place)
    source_id = await fill(place, base, "trams.md", TRAMS)
    assert await ask(place, "DELETE", f"/sources/{source_id}") == {"message": "Source deleted"}
    assert await refuse(place, "GET", f"/sources/{source_id}") == (404, "asset_not_found", "source_id")
    assert (await ask(place, "POST", f"{base}/search", {"query": "tram"}))["results"] == []


async def test_sources_are_listed_with_their_number(place: Place) -> None:
    for name in ("trams.md", "ferries.md"):
        await upload(place, name, TRAMS + name)
    page = await ask(place, "GET", "/sources?limit=1")
    assert ([one["name"] for one in page["sources"]], page["total"], page["limit"]) == (["ferries.md"], 2, 1)
    assert [one["name"] for one in (await ask(place, "GET", "/sources?search=TRAM"))["sources"]] == ["trams.md"]
    assert await refuse(place, "GET", "/sources?limit=0") == (400, "invalid_request", "limit")


async def test_source_that_cannot_be_read_says_why(place: Place) -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"%PDF-1.7 broken", filename="broken.pdf")
    form.add_field("name", "notes.pdf")
    source = await ask(place, "POST", "/sources/upload", status=201, data=form)
    assert source["name"] == "notes.pdf"
    found = await wait(place, f"/sources/{source['id']}", "extraction_status", "failed")
    assert found["extraction_error"]
    base = await make_base(place)
    assert (await refuse(place, "POST", f"{base}/sources", {"source_id": source["id"]}))[:2] == (400, "asset_failed")


async def test_url_into_this_machine_is_not_fetched(place: Place) -> None:
    body = {"url": f"{place.url}/healthz", "metadata": {"team": "rail"}}
    source = await ask(place, "POST", "/sources/import-url", body, status=201)
    assert (source["source_type"], source["extraction_status"], source["metadata"]) == (
        "url",
        "pending",
        body["metadata"],
    )
    found = await wait(place, f"/sources/{source['id']}", "extraction_status", "failed")
    assert found["extraction_error"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [({}, "url"), ({"url": "ftp://a.b"}, "url"), ({"url": "https://a.b", "metadata": {"a": {}}}, "metadata")],
)
async def test_url_that_cannot_be_fetched_is_named(place: Place, fields: dict[str, Any], param: str) -> None:
    assert await refuse(place, "POST", "/sources/import-url", fields) == (400, "invalid_request", param)


@pytest.mark.parametrize(
    ("name", "value", "param"), [("name", "a", "file"), ("metadata", "[]", "file"), ("colour", "red", "colour")]
)
async def test_form_without_a_file_is_refused(place: Place, name: str, value: str, param: str) -> None:
    code, answer = await send(place, "POST", "/api/sources/upload", data=as_multipart(name, value))
    assert (code, answer["param"]) == (400, param)


def as_multipart(name: str, value: str) -> aiohttp.FormData:
    """A form with one field."""
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field(name, value)
    return form


async def test_what_is_not_there_says_so(place: Place) -> None:
    code, answer = await send(place, "POST", "/api/sources/import-from-storage", {"bucket": "b"})
    assert (code, answer["code"]) == (501, "not_implemented")


@pytest.mark.parametrize("name", ["%00", "%0A", "%20", "%ED%A0%80", "a" * 256])
async def test_what_is_no_name_is_refused(place: Place, name: str) -> None:
    for method, path in (("GET", ""), ("GET", "/items"), ("DELETE", "/sources/a"), ("POST", "/reindex")):
        assert (await refuse(place, method, f"/knowledge-bases/{name}{path}"))[0] in (400, 404)
    assert (await refuse(place, "GET", f"/sources/{name}"))[0] == 404
    assert (await refuse(place, "GET", f"/context-handlers/{name}"))[0] == 404


async def test_words_are_always_indexed_and_failures_again(place: Place) -> None:
    base = await make_base(place)
    assert (await ask(place, "POST", f"{base}/build-bm25"))["status"] == "ready"
    again = await ask(place, "POST", f"{base}/reindex", status=202)
    assert (again["status"], again["queued"]) == ("up_to_date", 0)
    for path in ("reindex", "build-bm25"):
        gone = await refuse(place, "POST", f"/knowledge-bases/{NOBODY}/{path}")
        assert gone == (404, "store_not_found", "knowledge_base_id")


async def test_context_handler_keeps_what_was_found(place: Place) -> None:
    base = await make_base(place)
    source_id = await fill(place, base, "trams.md", TRAMS)
    order = {"query": "tram 28", "knowledge_bases": [{"id": id_of(base), "top_k": 2, "retrieval_method": "full_text"}]}
    made = await ask(place, "POST", "/context-handlers", order, status=201)
    diagnostics, *chunks = made["retrieved_context"]
    assert diagnostics["_type"] == "retrieval_diagnostics"
    assert diagnostics["items_included"] == len([one for one in chunks if one["included_in_context"]]) > 0
    assert (chunks[0]["source_id"], chunks[0]["kb_name"], chunks[0]["source_name"]) == (
        source_id,
        "Transport",
        "trams.md",
    )
    assert made["formatted_context"].startswith("[1] trams.md")
    assert made["knowledge_base_configs"] == [order["knowledge_bases"][0]]
    assert (made["status"], made["errors"], made["max_context_tokens"]) == ("completed", [], 32000)
    await ask(place, "DELETE", base)
    path = f"/context-handlers/{made['id']}"
    kept = await ask(place, "GET", path)
    assert kept["formatted_context"] == made["formatted_context"]
    page = await ask(place, "GET", "/context-handlers")
    assert (page["context_handlers"], page["total"]) == ([kept], 1)
    assert await ask(place, "DELETE", path) == {"message": "Context handler deleted"}
    gone = (404, "context_handler_not_found", "context_handler_id")
    assert await refuse(place, "GET", path) == await refuse(place, "DELETE", path) == gone


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"query": None}, 400, "query"),
        ({"query": " "}, 400, "query"),
        ({"knowledge_bases": []}, 400, "knowledge_bases"),
        ({"knowledge_bases": [{"id": NOBODY}]}, 404, "knowledge_base_id"),
        ({"knowledge_bases": [{}]}, 400, "knowledge_bases[0].id"),
        ({"max_context_tokens": 0}, 400, "max_context_tokens"),
        ({"max_context_tokens": 10**30}, 400, "max_context_tokens"),
    ],
)
async def test_what_cannot_be_retrieved_is_named(place: Place, fields: dict[str, Any], status: int, param: str) -> None:
    body = {"query": "tram", "knowledge_bases": [{"id": id_of(await make_base(place))}], **fields}
    code, _, named = await refuse(place, "POST", "/context-handlers", body)
    assert (code, named) == (status, param)


async def test_search_by_vectors_alone_needs_a_model(place: Place) -> None:
    base = await make_base(place)
    named = {"id": id_of(base), "retrieval_method": "vector_search"}
    search = {"query": "tram", "retrieval_method": "vector_search"}
    prepared = {"query": "tram", "knowledge_bases": [named]}
    for path, body in ((f"{base}/search", search), ("/context-handlers", prepared)):
        assert (await refuse(place, "POST", path, body))[:2] == (503, "embeddings_unavailable")


async def test_knowledge_base_twice_is_refused(place: Place) -> None:
    base = id_of(await make_base(place))
    body = {"query": "tram", "knowledge_bases": [{"id": base}, {"id": base}]}
    assert (await refuse(place, "POST", "/context-handlers", body))[2] == "knowledge_bases[1].id"


async def test_key_of_a_user_reads_and_changes_nothing(place: Place) -> None:
    base = await make_base(place)
    await fill(place, base, "trams.md", TRAMS)
    headers = {"Authorization": f"Bearer {await place.make_key(user='ada')}"}
    found = await ask(place, "POST", f"{base}/search", {"query": "tram"}, headers=headers)
    assert found["results"]
    for method, path, body in (
        ("POST", "/knowledge-bases", {"name": "a"}),
        ("PATCH", base, {"name": "a"}),
        ("DELETE", base, None),
        ("POST", f"{base}/sources", {"source_id": NOBODY}),
        ("POST", f"{base}/reindex", None),
        ("POST", "/sources/import-url", {"url": "https://a.b"}),
        ("DELETE", f"/sources/{NOBODY}", None),
    ):
        assert (await ask(place, method, path, body, status=403, headers=headers))["code"] == "forbidden"


async def test_context_handler_is_its_users_own(place: Place) -> None:
    base = id_of(await make_base(place))
    ada, bob = [{"Authorization": f"Bearer {await place.make_key(user=name)}"} for name in ("ada", "bob")]
    body = {"query": "tram", "knowledge_bases": [{"id": base}]}
    made = await ask(place, "POST", "/context-handlers", body, status=201, headers=ada)
    path = f"/context-handlers/{made['id']}"
    assert (await ask(place, "GET", path, headers=ada))["id"] == made["id"]
    await ask(place, "GET", path, status=404, headers=bob)
    await ask(place, "DELETE", path, status=404, headers=bob)
    assert (await ask(place, "GET", "/context-handlers", headers=bob))["total"] == 0
    assert (await ask(place, "GET", "/context-handlers"))["total"] == 1
