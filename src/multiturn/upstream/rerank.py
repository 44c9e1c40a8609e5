"""Calls a reranker, which reads a question beside each text that was found: Jina, Cohere, vLLM, TEI."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from math import isfinite

import aiohttp
import msgspec
from msgspec import Struct

from multiturn.errors import Unavailable, UpstreamError, UpstreamRefused
from multiturn.upstream.breaker import Breaker
from multiturn.upstream.http import CallLimits, open_session
from multiturn.upstream.services import Service, ServiceFacts

CONNECTIONS_MAX = 16
RERANKING = ServiceFacts(
    name="reranker", key_setting="MULTITURN_RERANK_KEY", answer_s=10.0, answer_bytes_max=4 * 1024 * 1024
)
TEXT_CHARS_MAX = 8192
FAILURES_MAX, COOL_DOWN_S = 3, 10.0
# What a server that names its texts so answers to a request that does not (Text Embeddings Inference).
MISSING_TEXTS = "missing field `texts`"


class RerankEndpoint(Struct, frozen=True, kw_only=True):
    """A reranker at a URL such as ``https://api.jina.ai/v1``, below which ``/rerank`` lies, and its model."""

    url: str
    model: str | None = None
    key: str | None = None


class _Request(Struct, omit_defaults=True):
    query: str
    documents: Sequence[str] = ()
    texts: Sequence[str] = ()
    model: str | None = None
    top_n: int | None = None
    truncate: bool = False


class _Score(Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None


class _Answer(Struct):
    results: list[_Score]


_answers = msgspec.json.Decoder(_Answer | list[_Score])


class HttpReranker:
    """Scores texts by a reranker. After several failures on end it is left alone for a while, so that nobody waits."""

    def __init__(
        self,
        endpoint: RerankEndpoint,
        session: aiohttp.ClientSession,
        *,
        limits: CallLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = endpoint.model
        url = endpoint.url.rstrip("/")
        url = url if url.endswith("/rerank") else f"{url}/rerank"
        self._service = Service(RERANKING, session, url=url, key=endpoint.key, limits=limits)
        self._breaker = Breaker(failures_max=FAILURES_MAX, cool_down_s=COOL_DOWN_S, clock=clock)
        self._says_texts = False

    async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """How well each text answers the query, in their order, the higher the better.

        Raises Unavailable (``upstream_unavailable``) or UpstreamError.
        """
        if not texts:
            return ()
        if not self._breaker.admit():
            text = "The reranker has failed repeatedly and is left alone for a moment."
            raise Unavailable(text, code="upstream_unavailable", retry_after_s=self._breaker.retry_after_s)
        note = self._breaker.fail
        try:
            scores = await self._insist(query, [text[:TEXT_CHARS_MAX] for text in texts])
            note = self._breaker.succeed
            return scores
        finally:
            # Who stops waiting for an answer counts as a failure, too: the next would wait for it in vain.
            note()

    async def _insist(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """Ask; once more where the server calls the texts by another name."""
        try:
            return await self._ask(query, texts)
        except UpstreamRefused as error:
            if self._says_texts or MISSING_TEXTS not in str(error):
                raise
        self._says_texts = True
        return await self._ask(query, texts)

    async def _ask(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        named = [text.encode("utf-8", "replace").decode() for text in texts]
        query = query.encode("utf-8", "replace").decode()
        if self._says_texts:
            request = _Request(query=query, texts=named, truncate=True)
        else:
            request = _Request(query=query, documents=named, model=self.model, top_n=len(named))
        body = await self._service.post_json(request)
        return _read_scores(body, len(texts))


@asynccontextmanager
async def open_reranker(
    endpoint: RerankEndpoint | None, *, connect_s: float = 10.0
) -> AsyncGenerator[HttpReranker | None]:
    """Open the reranker of the settings, and close it; None where there is none."""
    if endpoint is None:
        yield None
        return
    async with open_session(connections_max=CONNECTIONS_MAX) as session:
        yield HttpReranker(endpoint, session, limits=CallLimits(connect_s=connect_s))


def _read_scores(body: bytes, count: int) -> Sequence[float]:
    """Read the scores in the order of the texts. Raises UpstreamError (``upstream_invalid``)."""
    try:
        answer = _answers.decode(body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UpstreamError("The reranker's answer holds no scores.", code="upstream_invalid") from error
    scores: dict[int, float] = {}
    for one in answer.results if isinstance(answer, _Answer) else answer:
        score = one.relevance_score if one.relevance_score is not None else one.score
        if score is not None and isfinite(score):
            scores[one.index] = score
    if sorted(scores) != list(range(count)):
        raise UpstreamError(f"The reranker scored {len(scores)} of {count} texts.", code="upstream_invalid")
    return [scores[place] for place in range(count)]
