"""Calls a provider that speaks OpenAI's embeddings."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from multiturn.errors import ContextTooLong, Unavailable, UpstreamError, UpstreamTimeout
from multiturn.upstream.http import CallLimits
from multiturn.upstream.router import RetryLimits, RouteState
from multiturn.upstream.services import Service, ServiceFacts

TEXTS_AT_ONCE_MAX = 128
EMBEDDING = ServiceFacts(
    name="upstream of the embeddings",
    key_setting="MULTITURN_EMBEDDING_KEY",
    answer_s=60.0,
    answer_bytes_max=64 * 1024 * 1024,
)
EMPTY = "-"
"""Providers refuse an empty text: this stands for it."""
PASSING_STATUSES = (408, 429)
BROKEN_CODES = ("upstream_unreachable", "upstream_cut_off")


class EmbeddingsEndpoint(Struct, frozen=True, kw_only=True):
    """A provider at a URL such as ``https://api.openai.com/v1``, below which ``/embeddings`` lies, and its model.

    ``dimensions`` asks for shorter vectors, which not every model can make.
    """

    url: str
    model: str
    key: str | None = None
    dimensions: int | None = None


class _Request(Struct, omit_defaults=True):
    model: str
    input: Sequence[str]
    dimensions: int | None = None


class _Row(Struct):
    embedding: list[float]
    index: int | None = None


class _Answer(Struct):
    data: list[_Row]


_answers = msgspec.json.Decoder(_Answer)


class OpenAIEmbedder:
    """Turns texts into vectors by a provider; ``model`` names its model, and the dimensions where they are chosen.

    A call that fails for a passing reason is made again; after several failures on end the provider is left alone
    for a while, so that no turn waits for it.
    """

    def __init__(
        self,
        endpoint: EmbeddingsEndpoint,
        session: aiohttp.ClientSession,
        *,
        limits: CallLimits | None = None,
        retry: RetryLimits | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = endpoint.model + (f"@{endpoint.dimensions}" if endpoint.dimensions else "")
        self._endpoint = endpoint
        url = f"{endpoint.url.rstrip('/')}/embeddings"
        self._service = Service(EMBEDDING, session, url=url, key=endpoint.key, limits=limits)
        self._retry = retry or RetryLimits()
        self._breaker = self._retry.make_breaker(clock)
        self._sleep = sleep

    def state(self) -> RouteState:
        """Tell how the provider is; credentials in its URL are left out."""
        name, retry_after_s = (
            f"{self.model} at {self._service.url.with_user(None)}",
            round(self._breaker.retry_after_s, 1),
        )
        return RouteState(name=name, state=self._breaker.state, retry_after_s=retry_after_s)

    async def embed(self, texts: Sequence[str], *, is_query: bool = False) -> NDArray[np.float32]:
        """Turn each text into a row of length 1.

        Raises Unavailable (``upstream_unavailable``) or UpstreamError; ContextTooLong for a text that is too long.
        """
        batches = [texts[start : start + TEXTS_AT_ONCE_MAX] for start in range(0, len(texts), TEXTS_AT_ONCE_MAX)]
        rows = [await self._insist(batch) for batch in batches]
        try:
            return np.concatenate(rows) if rows else np.empty((0, 0), np.float32)
        except ValueError as error:
            text = "The upstream's embeddings have different lengths."
            raise UpstreamError(text, code="upstream_invalid") from error

    async def _insist(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Ask, again where that may help."""
        failure: UpstreamError | None = None
        attempt = 0
        while self._breaker.admit():
            try:
                rows = await self._ask(texts)
            except UpstreamError as error:
                (self._breaker.fail if _is_trouble(error) else self._breaker.succeed)()
                pause_s = self._choose_pause(attempt, error)
                if pause_s is None or self._breaker.state != "closed":
                    raise
                await self._sleep(pause_s)
                failure, attempt = error, attempt + 1
            else:
                self._breaker.succeed()
                return rows
        text = "The upstream of the embeddings has failed repeatedly and is left alone for a moment."
        retry_after_s = self._breaker.retry_after_s
        raise failure or Unavailable(text, code="upstream_unavailable", retry_after_s=retry_after_s)

    def _choose_pause(self, attempt: int, error: UpstreamError) -> float | None:
        """Choose how long to wait before asking again; None where that is no use."""
        retry, asked_s = self._retry, error.retry_after_s or 0.0
        is_passing = error.status in PASSING_STATUSES or (_is_trouble(error) and not isinstance(error, UpstreamTimeout))
        if attempt == retry.retries or not is_passing or asked_s > retry.backoff_max_s:
            return None
        pause_s: float = min(retry.backoff_s * 2**attempt, retry.backoff_max_s)
        return max(asked_s, pause_s * random.uniform(0.5, 1))

    async def _ask(self, texts: Sequence[str]) -> NDArray[np.float32]:
        asked = [_make_valid(text) for text in texts]
        request = _Request(model=self._endpoint.model, input=asked, dimensions=self._endpoint.dimensions)
        body = await self._service.post_json(request)
        return _read_rows(body, len(texts))


def _make_valid(text: str) -> str:
    """Make a text that JSON can carry and providers accept."""
    return text if text.isascii() and text else text.encode("utf-8", "replace").decode() or EMPTY


def _read_rows(body: bytes, count: int) -> NDArray[np.float32]:
    """Read the vectors in the order of their texts, at length 1. Raises UpstreamError (``upstream_invalid``)."""
    with np.errstate(over="ignore"):  # What is too large becomes infinite, which is looked for.
        rows = _read_numbers(body)
        lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    if rows.ndim != 2 or len(rows) != count or not rows.size:
        text = f"The upstream answered {len(rows)} embeddings to {count} texts."
        raise UpstreamError(text, code="upstream_invalid")
    if not np.isfinite(lengths).all() or not lengths.all():
        raise UpstreamError("The upstream's embeddings are no vectors.", code="upstream_invalid")
    normal: NDArray[np.float32] = rows / lengths
    return normal


def _read_numbers(body: bytes) -> NDArray[np.float32]:
    try:
        data = _answers.decode(body).data
        order = sorted(range(len(data)), key=lambda place: _get_index(data[place], place))
        return np.array([data[place].embedding for place in order], np.float32)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UpstreamError("The upstream's answer holds no embeddings.", code="upstream_invalid") from error


def _get_index(row: _Row, place: int) -> int:
    return place if row.index is None else row.index


def _is_trouble(error: UpstreamError) -> bool:
    """Whether the provider is in trouble, whatever the request."""
    if isinstance(error, ContextTooLong):
        return False
    return isinstance(error, UpstreamTimeout) or error.code in BROKEN_CODES or (error.status or 0) >= 500
