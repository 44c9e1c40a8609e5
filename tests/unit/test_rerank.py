"""Rerankers over HTTP: both shapes of request and answer, refusals by name, and a search that goes on without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from multiturn.errors import Unavailable, UpstreamError
from multiturn.upstream.rerank import FAILURES_MAX, HttpReranker, RerankEndpoint, open_reranker

Answer = Callable[[dict[str, Any]], web.Response]
TEXTS = ["a cat", "a whale", "a dog"]


def score_documents(asked: dict[str, Any]) -> web.Response:
    """Jina, Cohere, vLLM: the best first, by the length of the text."""
    scored = [{"index": place, "relevance_score": len(text) / 10} for place, text in enumerate(asked["documents"])]
    return web.json_response({"model": "m", "results": sorted(scored, key=lambda one: -one["relevance_score"])})


def score_texts(asked: dict[str, Any]) -> web.Response:
    """Text Embeddings Inference."""
    if "texts" not in asked:
        text = "Failed to deserialize the JSON body into the target type: missing field `texts` at line 1"
        return web.Response(text=text, status=422)
    return web.json_response([{"index": place, "score": float(place)} for place in range(len(asked["texts"]))])


class Provider:
    """A server that answers, and remembers what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    async def rerank(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("Authorization"))
        return self.answer(self.asked[-1])


@asynccontextmanager
async def serve(answer: Answer, *, path: str = "/v1") -> AsyncIterator[tuple[HttpReranker, Provider]]:
    provider, app = Provider(answer), web.Application()
    app.router.add_post("/v1/rerank", provider.rerank)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
    async with open_reranker(RerankEndpoint(url=url, model="m", key="secret")) as reranker:
        assert reranker
        yield reranker, provider
    await runner.cleanup()


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/rerank"])
async def test_scores_come_in_the_order_of_the_texts(path: str) -> None:
    async with serve(score_documents, path=path) as (reranker, provider):
        assert await reranker.rerank("sea", TEXTS) == [0.5, 0.7, 0.5]
    assert provider.asked == [{"query": "sea", "documents": TEXTS, "model": "m", "top_n": 3}]
    assert provider.keys == ["Bearer secret"]


async def test_server_that_names_texts_otherwise_is_asked_so() -> None:
    async with serve(score_texts) as (reranker, provider):
        assert await reranker.rerank("sea", TEXTS) == [0.0, 1.0, 2.0]
        assert await reranker.rerank("sea", TEXTS[:1]) == [0.0]
    assert provider.asked[1:] == [{"query": "sea", "texts": texts, "truncate": True} for texts in (TEXTS, TEXTS[:1])]


async def test_nothing_is_asked_about_nothing() -> None:
    async with serve(score_documents) as (reranker, provider):
        assert await reranker.rerank("sea", []) == ()
    assert not provider.asked


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda _: web.Response(text="no", status=401), "upstream_unauthorized"),
        (lambda _: web.Response(text="broken", status=500), "upstream_error"),
        (lambda _: web.Response(text="words"), "upstream_invalid"),
        (lambda _: web.json_response({"results": [{"index": 0, "relevance_score": 1}]}), "upstream_invalid"),
        (lambda _: web.json_response({"results": [{"index": 9, "relevance_score": 1}] * 3}), "upstream_invalid"),
        (lambda _: web.json_response({"results": [{"index": 0}] * 3}), "upstream_invalid"),
    ],
    ids=["key", "failure", "words", "too few", "unknown places", "no scores"],
)
async def test_bad_answer_is_named(answer: Answer, code: str) -> None:
    async with serve(answer) as (reranker, _):
        with pytest.raises(UpstreamError) as raised:
            await reranker.rerank("sea", TEXTS)
    assert raised.value.code == code


async def test_reranker_that_keeps_failing_is_left_alone() -> None:
    async with serve(lambda _: web.Response(status=500)) as (reranker, provider):
        for _ in range(FAILURES_MAX):
            with pytest.raises(UpstreamError):
                await reranker.rerank("sea", TEXTS)
        with pytest.raises(Unavailable):
            await reranker.rerank("sea", TEXTS)
    assert len(provider.asked) == FAILURES_MAX


async def test_without_settings_there_is_none() -> None:
    async with open_reranker(None) as reranker:
        assert reranker is None
