"""Embeddings by a provider: batches in their order, retries, refusals by name; and what stands in for them in tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from multiturn.errors import ContextTooLong, ModelNotFound, Unavailable, UpstreamError, UpstreamRefused
from multiturn.upstream.embeddings import EmbeddingsChoice, open_embedder
from multiturn.upstream.embeddings_embedded import BYTES_AT_ONCE_MAX, EmbeddedEmbedder, EmbedderOrder, cut_by_length
from multiturn.upstream.http import open_session
from multiturn.upstream.model_files import ModelFiles
from multiturn.upstream.openai_embeddings import EmbeddingsEndpoint, OpenAIEmbedder
from multiturn.upstream.router import RetryLimits
from multiturn.upstream.scripted_embedder import ScriptedEmbedder

Answer = Callable[[dict[str, Any]], web.Response]


def embed_letters(asked: dict[str, Any]) -> web.Response:
    """Answer with a vector of (length, 1) a text, in reverse order."""
    rows = [{"index": index, "embedding": [len(text), 1]} for index, text in enumerate(asked["input"])]
    return web.json_response({"data": rows[::-1]})


class Provider:
    """A provider that answers with ``answers`` in their order, the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    async def answer(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.requests.append(asked)
        self.keys.append(request.headers.get("Authorization"))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(asked)


@asynccontextmanager
async def serve(provider: Provider) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/v1/embeddings", provider.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    await runner.cleanup()


class Pauses:
    """A sleep that takes no time, and remembers."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> Awaitable[None]:
        self.seconds.append(seconds)
        return asyncio.sleep(0)


@asynccontextmanager
async def open_remote(
    provider: Provider, *, dimensions: int | None = None, retry: RetryLimits | None = None
) -> AsyncIterator[tuple[OpenAIEmbedder, Pauses]]:
    pauses = Pauses()
    async with serve(provider) as url, open_session(connections_max=4) as session:
        endpoint = EmbeddingsEndpoint(url=url, model="small", key="k", dimensions=dimensions)
        yield OpenAIEmbedder(endpoint, session, retry=retry, sleep=pauses), pauses


def refuse(status: int, *, code: str = "odd", headers: dict[str, str] | None = None, message: str = "No.") -> Answer:
    return lambda asked: web.json_response(
        {"error": {"message": message, "code": code}}, status=status, headers=headers
    )


def say(body: object) -> Answer:
    return lambda asked: web.json_response(body)


async def test_rows_follow_their_texts_at_length_one() -> None:
    provider = Provider(embed_letters)
    async with open_remote(provider) as (embedder, _):
        rows = await embedder.embed(["three", "it", ""])
    wanted = np.array([[5, 1], [2, 1], [1, 1]], np.float32)
    assert np.allclose(rows, wanted / np.linalg.norm(wanted, axis=1, keepdims=True))
    assert rows.dtype == np.float32
    assert provider.requests == [{"model": "small", "input": ["three", "it", "-"]}]
    assert provider.keys == ["Bearer k"]
    assert embedder.model == "small"


async def test_dimensions_are_asked_for_and_named() -> None:
    provider = Provider(embed_letters)
    async with open_remote(provider, dimensions=2) as (embedder, _):
        await embedder.embed(["a"], is_query=True)
    assert provider.requests[0]["dimensions"] == 2
    assert embedder.model == "small@2"


async def test_many_texts_go_in_batches() -> None:
    provider = Provider(embed_letters)
    async with open_remote(provider) as (embedder, _):
        rows = await embedder.embed([("x" * (1 + number % 7)) for number in range(300)])
    assert [len(request["input"]) for request in provider.requests] == [128, 128, 44]
    assert rows[9, 0] == pytest.approx(3 / np.sqrt(10))


async def test_nothing_is_asked_for_no_texts() -> None:
    provider = Provider(embed_letters)
    async with open_remote(provider) as (embedder, _):
        assert len(await embedder.embed([])) == 0
    assert not provider.requests


async def test_text_that_is_no_unicode_is_sent() -> None:
    provider = Provider(embed_letters)
    async with open_remote(provider) as (embedder, _):
        await embedder.embed(["broken \ud800", "né"])
    assert provider.requests[0]["input"] == ["broken ?", "né"]


@pytest.mark.parametrize("status", [429, 408, 500, 503])
async def test_passing_failure_is_tried_again(status: int) -> None:
    provider = Provider(refuse(status, headers={"Retry-After": "2"}), embed_letters)
    async with open_remote(provider) as (embedder, pauses):
        assert len(await embedder.embed(["a"])) == 1
    assert pauses.seconds == [2]


async def test_lasting_failure_is_told_after_retries() -> None:
    provider = Provider(refuse(503))
    async with open_remote(provider, retry=RetryLimits(retries=2)) as (embedder, pauses):
        with pytest.raises(UpstreamError, match="503") as error:
            await embedder.embed(["a"])
    assert error.value.status == 503
    assert len(provider.requests) == 3
    assert 0.1 < pauses.seconds[0] < pauses.seconds[1] * 2 < 1.1


async def test_refusal_is_told_at_once() -> None:
    provider = Provider(refuse(400))
    async with open_remote(provider) as (embedder, _):
        with pytest.raises(UpstreamRefused, match=r"No\."):
            await embedder.embed(["a"])
    assert len(provider.requests) == 1


async def test_long_text_is_named() -> None:
    provider = Provider(refuse(400, code="context_length_exceeded", message="maximum context length is 8192 tokens"))
    async with open_remote(provider) as (embedder, _):
        with pytest.raises(ContextTooLong):
            await embedder.embed(["a"])


async def test_refused_key_names_the_setting() -> None:
    provider = Provider(refuse(401, message="Incorrect API key provided: k"))
    async with open_remote(provider) as (embedder, _):
        with pytest.raises(UpstreamError, match="MULTITURN_EMBEDDING_KEY") as error:
            await embedder.embed(["a"])
    assert error.value.code == "upstream_unauthorized"


async def test_failing_provider_is_left_alone() -> None:
    provider = Provider(refuse(500))
    async with open_remote(provider, retry=RetryLimits(retries=0, failures_max=2)) as (embedder, _):
        for _ in range(2):
            with pytest.raises(UpstreamError):
                await embedder.embed(["a"])
        with pytest.raises(Unavailable) as error:
            await embedder.embed(["a"])
        assert embedder.state().state == "open"
    assert error.value.code == "upstream_unavailable"
    assert error.value.retry_after_s
    assert len(provider.requests) == 2


async def test_provider_that_is_not_there_is_named() -> None:
    async with open_session(connections_max=1) as session:
        endpoint = EmbeddingsEndpoint(url="http://127.0.0.1:9/v1", model="m")
        embedder = OpenAIEmbedder(endpoint, session, retry=RetryLimits(retries=1), sleep=Pauses())
        with pytest.raises(UpstreamError) as error:
            await embedder.embed(["a"])
    assert error.value.code == "upstream_unreachable"


@pytest.mark.parametrize(
    "body",
    [
        {"data": []},
        {"data": [{"embedding": [1, 2]}]},
        {"data": [{"embedding": [1, 2]}, {"embedding": [1]}]},
        {"data": [{"embedding": []}, {"embedding": []}]},
        {"data": [{"embedding": [0, 0]}, {"embedding": [1, 2]}]},
        {"data": [{"embedding": [1e300, 0]}, {"embedding": [1, 2]}]},
        {"data": [{"embedding": "AAAA"}, {"embedding": "AAAA"}]},
        {"data": [{"embedding": [None]}, {"embedding": [1]}]},
        {"embeddings": [[1, 2], [3, 4]]},
        [],
    ],
)
async def test_nonsense_is_the_providers_fault(body: object) -> None:
    async with open_remote(Provider(say(body))) as (embedder, _):
        with pytest.raises(UpstreamError) as error:
            await embedder.embed(["a", "b"])
    assert error.value.code == "upstream_invalid"


def test_batches_hold_texts_of_like_length() -> None:
    texts = [b"x" * length for length in (5000, 10, 900, 20, 30, 2000)] + [b"short"] * 20
    batches = list(cut_by_length(texts))
    assert sorted(place for batch in batches for place in batch) == list(range(len(texts)))
    assert all(len(batch) <= 16 for batch in batches)
    assert all(len(batch) == 1 or sum(len(texts[place]) for place in batch) <= BYTES_AT_ONCE_MAX for batch in batches)
    assert [len(batch) for batch in batches] == [16, 8, 1, 1]


async def test_scripted_vectors_are_alike_by_words() -> None:
    embedder = ScriptedEmbedder()
    cat, kitten, tax, again = await embedder.embed(["a cat sat", "a cat ran", "tax law", "A cat sat!"])
    assert np.allclose(cat, again)
    assert float(cat @ kitten) > float(cat @ tax)
    assert np.allclose(np.linalg.norm([cat, kitten, tax], axis=1), 1)
    assert embedder.calls == [(("a cat sat", "a cat ran", "tax law", "A cat sat!"), False)]


async def test_scripted_embedder_fails_when_told() -> None:
    embedder = ScriptedEmbedder()
    embedder.error = Unavailable("The embedding model is loading.", code="model_not_ready")
    with pytest.raises(Unavailable):
        await embedder.embed(["a"], is_query=True)
    embedder.error = None
    assert (await embedder.embed([])).shape == (0, 64)


async def test_settings_choose_the_embedder(tmp_path: Path) -> None:
    files = ModelFiles(tmp_path)
    async with open_embedder(EmbeddingsChoice(model="none"), files) as embedder:
        assert embedder is None
    async with open_embedder(
        EmbeddingsChoice(url="http://me:pw@127.0.0.1:9/v1", model="m", dimensions=8), files
    ) as embedder:
        assert isinstance(embedder, OpenAIEmbedder)
        assert embedder.model == "m@8"
        assert embedder.state().name == "m@8 at http://127.0.0.1:9/v1/embeddings"
    with pytest.raises(ModelNotFound, match="all-MiniLM-L6-v2-int8"):
        async with open_embedder(EmbeddingsChoice(model="Qwen2.5-Coder-0.5B-Instruct"), files):
            pass


async def test_embedder_that_is_not_started_says_so(tmp_path: Path) -> None:
    embedder = EmbeddedEmbedder(EmbedderOrder(model="all-minilm-l6-v2-int8"), ModelFiles(tmp_path))
    with pytest.raises(Unavailable, match="still loading") as error:
        await embedder.embed(["a"])
    assert error.value.code == "model_not_ready"
    assert embedder.model == "all-MiniLM-L6-v2-int8"
