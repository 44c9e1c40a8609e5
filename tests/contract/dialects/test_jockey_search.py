"""The real TwelveLabs client against the real server: searches in a store of a video, an image and a document."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from twelvelabs.errors import BadRequestError, GoneError, NotFoundError

from tests.contract.dialects.jockey_clients import Library, open_library

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

BOTH: dict[str, Any] = {"video": {"modalities": ["visual", "audio"]}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Library]:
    async with open_library(tmp_path_factory.mktemp("library")) as library:
        yield library


async def search(library: Library, text: str, **fields: Any) -> Any:
    return await library.client.knowledge_stores.search(library.store_id, query={"text": text}, **fields)


async def test_clip_is_found_with_its_times(library: Library) -> None:
    found = await search(library, "peacocks in the gardens", include_metadata=True)
    hit = found.data[0]
    assert (hit.asset_type, hit.rank, hit.item_id) == ("video", 1, library.video.id)
    (match,) = hit.matches
    assert 1.5 < match.start_sec < match.end_sec
    assert (match.modalities, match.transcription) == (["visual"], None)
    assert f"#t={match.start_sec:g}" in match.clip_url
    assert (hit.metadata.system.width, hit.metadata.user) == (640, {})
    assert hit.score > 0
    assert found.effective_search_options.video.modalities == ["visual"]


async def test_image_is_found_without_a_clip(library: Library) -> None:
    found = await search(library, "fado singers", filter={"asset_type": {"eq": "image"}})
    (hit,) = found.data
    assert (hit.asset_type, hit.item_id, getattr(hit, "matches", None)) == ("image", library.image.id, None)
    assert found.effective_search_options.video is None


async def test_document_is_found_only_where_it_is_asked_for(library: Library) -> None:
    found = await search(library, "tram 28", page_size=50)
    assert {hit.item_id for hit in found.data} <= {library.video.id, library.image.id}
    body = {"query": {"text": "tram 28"}, "filter": {"asset_type": {"in": ["document"]}}}
    path = f"/v1.3/knowledge-stores/{library.store_id}/search"
    async with library.place.http.post(path, json=body) as reply:
        hit = (await reply.json())["data"][0]
    assert (hit["asset_type"], hit["item_id"]) == ("document", library.document.id)
    assert "Tram 28" in hit["matches"][0]["text"]


async def test_filter_by_items_keeps_others_out(library: Library) -> None:
    for wanted in ({"eq": library.image.id}, {"in": [library.image.id]}):
        found = await search(library, "peacocks", filter={"item_id": wanted})
        assert {hit.item_id for hit in found.data} <= {library.image.id}


async def test_grouped_hits_bring_all_their_clips(library: Library) -> None:
    found = await search(library, "ferries and peacocks", group_by="item", search_options=BOTH)
    hits = [hit for hit in found.data if hit.item_id == library.video.id]
    assert len(hits) == 1
    assert len(hits[0].matches) >= 2
    assert found.effective_search_options.video.modalities == ["visual", "audio"]


async def test_pages_follow_one_another_without_gaps(library: Library) -> None:
    whole = await search(library, "lisbon", page_size=50)
    seen: list[tuple[int, str]] = []
    token: str | None = None
    while True:
        fields: Any = {"page_token": token} if token else {}
        page = await search(library, "lisbon", page_size=1, **fields)
        seen += [(hit.rank, hit.item_id) for hit in page.data]
        if not (token := page.next_page_token):
            break
    assert seen == [(hit.rank, hit.item_id) for hit in whole.data]
    assert [rank for rank, _ in seen] == list(range(1, len(seen) + 1))


async def test_token_of_another_search_or_none_is_refused(library: Library) -> None:
    page = await search(library, "lisbon", page_size=1)
    for token in (page.next_page_token, "nonsense", "ÄÖ", "W10"):
        with pytest.raises(BadRequestError) as caught:
            await search(library, "another", page_size=1, page_token=token)
        assert caught.value.body["param"] == "page_token"


async def test_token_is_over_after_an_hour(library: Library) -> None:
    page = await search(library, "lisbon", page_size=1)
    digest, offset, at_s = msgspec.json.decode(base64.urlsafe_b64decode(page.next_page_token + "=="))
    old = base64.urlsafe_b64encode(msgspec.json.encode([digest, offset, at_s - 3601])).decode()
    with pytest.raises(GoneError) as caught:
        await search(library, "lisbon", page_size=1, page_token=old)
    assert (caught.value.status_code, caught.value.body.reason) == (410, "page_token_expired")


@pytest.mark.parametrize(
    "fields",
    [
        {"filter": {"asset_type": {"eq": "image"}}, "search_options": BOTH},
        {"filter": {"asset_type": {"eq": "hologram"}}},
        {"filter": {"item_id": {"eq": "6a074cc69bcc9263a999d3a8"}}},
        {"search_options": {"video": {"modalities": []}}},
        {"page_size": 51},
        {"group_by": "clip"},
    ],
)
async def test_wrong_searches_are_refused(library: Library, fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError) as caught:
        await search(library, "lisbon", **fields)
    assert caught.value.body["code"] == "parameter_invalid"


async def test_search_needs_words_and_a_store(library: Library) -> None:
    with pytest.raises(BadRequestError):
        await search(library, "")
    with pytest.raises(NotFoundError):
        await library.client.knowledge_stores.search("ks_nothing", query={"text": "tram"})
