"""Sends a request to the first upstream that can answer it: aliases, retries, fallbacks, and breakers."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from multiturn.errors import (
    ContextTooLong,
    ModelNotFound,
    Unavailable,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
)
from multiturn.model.completion import Completion, Delta, ModelInfo, ModelRequest
from multiturn.upstream.breaker import Breaker, BreakerState
from multiturn.upstream.openai_wire import ModelMissing

T = TypeVar("T")
_Call = Callable[["Provider", ModelRequest], Awaitable[T]]

BROKEN_CODES = ("upstream_unreachable", "upstream_cut_off")
PASSING_STATUSES = (408, 429)  # A refusal of this moment, not of this request.
ACCOUNT_STATUS = 402  # Nor is this one, but it will not pass soon.


class Provider(Protocol):
    """What a route leads to."""

    async def complete(self, request: ModelRequest) -> Completion: ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta]]: ...

    async def list_models(self) -> Sequence[ModelInfo]: ...

    async def find_context_tokens(self, model: str) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way to an upstream; with a ``model`` of its own it is asked for that, whatever the request names."""

    name: str
    upstream: Provider
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryLimits:
    """How often an upstream is asked again for one answer, after how long, and when to leave it alone.

    The wait doubles from ``backoff_s`` up to ``backoff_max_s``, half of it by chance, and is never shorter
    than the provider asks for; when it asks for more than the maximum, it is not asked again. After
    ``failures_max`` failures in a row it is left alone for ``cool_down_s``.
    """

    retries: int = 2
    backoff_s: float = 0.25
    backoff_max_s: float = 8
    failures_max: int = 5
    cool_down_s: float = 10

    def make_breaker(self, clock: Callable[[], float]) -> Breaker:
        """Make the breaker of one upstream."""
        return Breaker(failures_max=self.failures_max, cool_down_s=self.cool_down_s, clock=clock)


class RouteState(Struct, frozen=True, kw_only=True):
    """How an upstream is: ``state`` is that of its breaker."""

    name: str
    state: BreakerState
    retry_after_s: float


class Router:
    """Several upstreams as one, each tried in turn; nothing is tried again once an answer has begun."""

    def __init__(
        self,
        routes: Sequence[Route],
        aliases: Mapping[str, str],
        retry: RetryLimits,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        patience = _Patience(retry, sleep, chance)
        self._lines = [_Line(route, retry.make_breaker(clock), patience) for route in routes]
        self._aliases = aliases

    async def complete(self, request: ModelRequest) -> Completion:
        """Ask for a whole answer.

        Raises ModelNotFound, ContextTooLong, another UpstreamError or Unavailable (``upstream_unavailable``).
        """
        return await self._ask_in_turn(_complete, request)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta]]:
        """Ask for an answer in pieces. Raises as ``complete`` does, and what breaks it behind the first."""
        first, stream = await self._ask_in_turn(_begin, request)
        async with aclosing(stream):
            yield first
            async for deltas in stream:
                yield deltas

    async def list_models(self) -> Sequence[ModelInfo]:
        """List the aliases and the models that would be answered. Raises UpstreamError when nobody tells."""
        found: dict[str, ModelInfo] = {}
        failure: UpstreamError | None = None
        for route in self._list_naming():
            try:
                models = await route.upstream.list_models()
            except UpstreamError as error:
                failure = failure or error
                continue
            served = (info for info in models if route.model in (None, info.id))
            found |= {info.id: info for info in served if info.id not in found}
        if failure and not found:
            raise failure
        return list((found | self._describe_aliases(found)).values())

    async def find_context_tokens(self, model: str) -> int | None:
        """Tell the window of a model or an alias, from the first upstream that knows it."""
        model = self._aliases.get(model, model)
        for route in self._list_naming():
            tokens = await route.upstream.find_context_tokens(route.model or model)
            if tokens is not None:
                return tokens
        return None

    def states(self) -> Sequence[RouteState]:
        """Tell how each upstream is."""
        return [line.describe() for line in self._lines]

    def _list_naming(self) -> Sequence[Route]:
        """The routes that decide which names are answered; a fallback with its own model only stands in."""
        first, *others = (line.route for line in self._lines)
        return [first, *(route for route in others if route.model is None)]

    def _describe_aliases(self, found: Mapping[str, ModelInfo]) -> dict[str, ModelInfo]:
        return {
            alias: replace(found.get(model, ModelInfo(id=model)), id=alias) for alias, model in self._aliases.items()
        }

    async def _ask_in_turn(self, call: _Call[T], request: ModelRequest) -> T:
        asked = replace(request, model=self._aliases.get(request.model, request.model))
        failures: list[UpstreamError | Unavailable] = []
        for line in self._lines:
            if line.route.model and any(isinstance(failure, ModelMissing) for failure in failures):
                continue  # A name that does not exist is not answered by a model that stands in.
            try:
                return await line.ask(call, asked)
            except (UpstreamError, Unavailable) as failure:
                if _blames_request(failure):
                    raise
                failures.append(failure)
        told = min(failures, key=_rank)
        if isinstance(told, ModelMissing):
            raise ModelNotFound(request.model, await self._list_names()) from told
        raise told

    async def _list_names(self) -> Sequence[str]:
        try:
            return [info.id for info in await self.list_models()]
        except UpstreamError:
            return list(self._aliases)


class _Patience:
    """Waits before an upstream is asked again."""

    def __init__(
        self, limits: RetryLimits, sleep: Callable[[float], Awaitable[None]], chance: Callable[[], float]
    ) -> None:
        self._limits = limits
        self._sleep = sleep
        self._chance = chance

    async def wait(self, attempt: int, failure: UpstreamError) -> bool:
        """Wait, and say that it is worth asking again; False at once where it is not."""
        limits, asked_s = self._limits, failure.retry_after_s or 0.0
        if attempt == limits.retries or not _may_pass(failure) or asked_s > limits.backoff_max_s:
            return False
        pause_s = min(limits.backoff_s * 2**attempt, limits.backoff_max_s)
        await self._sleep(max(asked_s, pause_s * (0.5 + self._chance() / 2)))
        return True


@dataclass(frozen=True, slots=True)
class _Line:
    """A route, and whether there is any use in taking it now."""

    route: Route
    breaker: Breaker
    patience: _Patience

    async def ask(self, call: _Call[T], request: ModelRequest) -> T:
        """Ask the upstream, again where that may help."""
        if self.route.model:
            request = replace(request, model=self.route.model)
        failure: UpstreamError | None = None
        attempt = 0
        while self.breaker.admit():
            try:
                answer = await call(self.route.upstream, request)
            except UpstreamError as error:
                (self.breaker.fail if _blames_provider(error) else self.breaker.succeed)()
                if self.breaker.state != "closed" or not await self.patience.wait(attempt, error):
                    raise
                failure, attempt = error, attempt + 1
            else:
                self.breaker.succeed()
                return answer
        raise failure or self._refuse()

    def describe(self) -> RouteState:
        """Tell how the upstream is; a URL that serves as its name loses its credentials."""
        name = re.sub(r"//[^/@]*@", "//", self.route.name)
        retry_after_s = round(self.breaker.retry_after_s, 1)
        return RouteState(name=name, state=self.breaker.state, retry_after_s=retry_after_s)

    def _refuse(self) -> Unavailable:
        text = "The upstream has failed repeatedly and is left alone for a moment. Try again later."
        return Unavailable(text, code="upstream_unavailable", retry_after_s=self.breaker.retry_after_s)


async def _complete(upstream: Provider, request: ModelRequest) -> Completion:
    return await upstream.complete(request)


async def _begin(upstream: Provider, request: ModelRequest) -> tuple[Sequence[Delta], AsyncGenerator[Sequence[Delta]]]:
    stream = upstream.stream(request)
    return await anext(stream, ()), stream


def _blames_request(failure: UpstreamError | Unavailable) -> bool:
    """Whether any provider would answer the same."""
    if isinstance(failure, ModelMissing):
        return False
    if isinstance(failure, UpstreamRefused):
        return failure.status not in (*PASSING_STATUSES, ACCOUNT_STATUS)
    return isinstance(failure, ContextTooLong)


def _blames_provider(failure: UpstreamError) -> bool:
    """Whether the provider is in trouble, whatever the request."""
    if isinstance(failure, ContextTooLong):
        return False
    is_broken = isinstance(failure, UpstreamTimeout) or failure.code in BROKEN_CODES
    return is_broken or (failure.status or 0) >= 500


def _may_pass(failure: UpstreamError) -> bool:
    """Whether asking again may help; a provider that was too slow would only make the client wait twice."""
    if failure.status in PASSING_STATUSES:
        return True
    return _blames_provider(failure) and not isinstance(failure, UpstreamTimeout)


def _rank(failure: UpstreamError | Unavailable) -> int:
    """Which failure to tell: a provider's reason, else that none was asked, else that none has the model."""
    if isinstance(failure, ModelMissing):
        return 2
    return 1 if isinstance(failure, Unavailable) else 0
