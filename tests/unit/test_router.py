"""Which upstream answers: aliases, retries, fallbacks and breakers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec import Raw

from multiturn.engine.ports import Upstream
from multiturn.errors import (
    ContextTooLong,
    ModelNotFound,
    MultiturnError,
    Unavailable,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
)
from multiturn.model.completion import ModelInfo, ModelRequest
from multiturn.upstream.openai_wire import ModelMissing
from multiturn.upstream.router import RetryLimits, Route, Router
from multiturn.upstream.scripted import Script, ScriptedUpstream

DOWN = UpstreamError("no route", code="upstream_unreachable")
CUT_OFF = UpstreamError("broke off", code="upstream_cut_off")
FAILING = UpstreamError("overloaded", status=503)
INVALID = UpstreamError("nonsense", code="upstream_invalid")
LOCKED = UpstreamError("bad key", code="upstream_unauthorized", status=401)
SLOW = UpstreamTimeout("too slow")
BUSY = UpstreamRefused("busy", status=429, body=b"", retry_after_s=3)
VERY_BUSY = UpstreamRefused("busy", status=429, body=b"", retry_after_s=60)
POOR = UpstreamRefused("no credit", status=402, body=b"")
MISSING = ModelMissing("no such model", status=404, body=b"")
FAULTY = UpstreamRefused("temperature", status=400, body=b"")
TOO_LONG = ContextTooLong("too long", status=400, tokens_max=512)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class Bench:
    """A router over scripted upstreams, and how long it slept."""

    router: Router
    upstreams: Sequence[ScriptedUpstream]
    slept: list[float]
    clock: Clock

    def count(self) -> list[int]:
        """How often each upstream was asked."""
        return [len(upstream.requests) for upstream in self.upstreams]


def script(place: int, errors: Sequence[MultiturnError]) -> ScriptedUpstream:
    """An upstream that fails with each error once, and then says its place."""
    scripts = [*(Script(error=error) for error in errors), *[Script(f"from {place}")] * 50]
    return ScriptedUpstream(scripts, models=[ModelInfo(id=f"m{place}", context_tokens=100 + place)])


def route(*chain: Sequence[MultiturnError], models: Sequence[str | None] = (), **aliases: str) -> Bench:
    """Route to upstreams that fail as told; ``models`` are the routes' own."""
    upstreams = [script(place, errors) for place, errors in enumerate(chain)]
    own = [*models, *[None] * len(chain)]
    routes = [
        Route(name=f"http://user:secret@host{place}/v1", upstream=upstream, model=own[place])
        for place, upstream in enumerate(upstreams)
    ]
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    clock = Clock()
    router = Router(routes, aliases, RetryLimits(), sleep=sleep, chance=lambda: 1.0, clock=clock)
    return Bench(router, upstreams, slept, clock)


def ask(model: str = "m") -> ModelRequest:
    """A request."""
    return ModelRequest(model=model, messages=Raw(b"[]"))


async def answer(upstream: Upstream, *, streamed: bool, model: str = "m") -> str | None:
    """What is said, asked in either way."""
    if not streamed:
        return (await upstream.complete(ask(model))).text
    async with aclosing(upstream.stream(ask(model))) as stream:
        return "".join([delta.text async for deltas in stream for delta in deltas])


both_ways = pytest.mark.parametrize("streamed", [True, False])


@both_ways
@pytest.mark.parametrize(
    ("errors", "slept"),
    [
        ([], []),
        ([DOWN], [0.25]),
        ([CUT_OFF, FAILING], [0.25, 0.5]),
        ([BUSY, DOWN], [3, 0.5]),
    ],
)
async def test_a_passing_failure_is_tried_again(
    errors: Sequence[MultiturnError], slept: Sequence[float], streamed: bool
) -> None:
    bench = route(errors)
    assert await answer(bench.router, streamed=streamed) == "from 0"
    assert bench.slept == slept


@both_ways
@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (DOWN, 3),
        (FAILING, 3),
        (BUSY, 3),
        (SLOW, 1),
        (VERY_BUSY, 1),
        (POOR, 1),
        (LOCKED, 1),
        (INVALID, 1),
        (FAULTY, 1),
        (TOO_LONG, 1),
    ],
    ids=lambda value: getattr(value, "message", None),
)
async def test_a_lasting_failure_is_told(error: MultiturnError, attempts: int, streamed: bool) -> None:
    bench = route([error] * 9)
    with pytest.raises(type(error)) as caught:
        await answer(bench.router, streamed=streamed)
    assert caught.value is error
    assert bench.count() == [attempts]


@both_ways
@pytest.mark.parametrize("error", [DOWN, FAILING, SLOW, VERY_BUSY, POOR, LOCKED, INVALID, MISSING])
async def test_the_next_upstream_stands_in(error: MultiturnError, streamed: bool) -> None:
    bench = route([error] * 9, [])
    assert await answer(bench.router, streamed=streamed) == "from 1"


@both_ways
@pytest.mark.parametrize("error", [FAULTY, TOO_LONG])
async def test_a_fault_of_the_request_ends_it(error: MultiturnError, streamed: bool) -> None:
    bench = route([error], [])
    with pytest.raises(type(error)):
        await answer(bench.router, streamed=streamed)
    assert bench.count() == [1, 0]


async def test_of_many_failures_the_first_is_told() -> None:
    bench = route([LOCKED], [FAILING] * 3, [MISSING])
    with pytest.raises(UpstreamError) as caught:
        await bench.router.complete(ask())
    assert caught.value is LOCKED
    assert bench.count() == [1, 3, 1]


async def test_nothing_is_tried_again_behind_a_piece() -> None:
    first = ScriptedUpstream([Script("one two", pieces_first=1, error=CUT_OFF)])
    second = ScriptedUpstream([Script("three")])
    routes = [Route(name="a", upstream=first), Route(name="b", upstream=second)]
    async with aclosing(Router(routes, {}, RetryLimits()).stream(ask())) as stream:
        assert [delta.text for delta in await anext(stream)] == ["one "]
        with pytest.raises(UpstreamError, match="broke off"):
            await anext(stream)
    assert not second.requests


async def test_who_stops_listening_ends_the_stream() -> None:
    bench = route([])
    async with aclosing(bench.router.stream(ask())) as stream:
        await anext(stream)
        assert bench.upstreams[0].running == 1
    assert bench.upstreams[0].running == 0


# Names


async def test_an_alias_names_another_model() -> None:
    bench = route([], fast="m0")
    await bench.router.complete(ask("fast"))
    await bench.router.complete(ask("other"))
    assert [seen["model"] for seen in bench.upstreams[0].requests] == ["m0", "other"]
    assert await bench.router.find_context_tokens("fast") == 100


async def test_a_route_may_have_its_own_model() -> None:
    bench = route([LOCKED], [], models=[None, "m1"])
    await bench.router.complete(ask("x"))
    assert [upstream.requests[0]["model"] for upstream in bench.upstreams] == ["x", "m1"]


@both_ways
async def test_a_missing_model_names_those_that_exist(streamed: bool) -> None:
    bench = route([MISSING], [MISSING], fast="m0")
    with pytest.raises(ModelNotFound) as caught:
        await answer(bench.router, streamed=streamed, model="gone")
    assert caught.value.models == ("m0", "m1", "fast")
    assert "'gone'" in caught.value.message


async def test_no_other_model_answers_for_a_missing_one() -> None:
    bench = route([MISSING], [], models=[None, "m1"])
    with pytest.raises(ModelNotFound):
        await bench.router.complete(ask("gone"))
    assert bench.count() == [1, 0]


async def test_a_missing_model_is_no_outage() -> None:
    bench = route([FAILING] * 9, [MISSING])
    with pytest.raises(UpstreamError, match="overloaded"):
        await bench.router.complete(ask("m0"))


async def test_models_of_all_upstreams_are_listed() -> None:
    bench = route([], [], [], models=[None, "m1"], fast="m2", new="unlisted")
    models = await bench.router.list_models()
    assert [(model.id, model.context_tokens) for model in models] == [
        ("m0", 100),
        ("m2", 102),
        ("fast", 102),
        ("new", None),
    ]
    assert await bench.router.find_context_tokens("m2") == 102
    assert await bench.router.find_context_tokens("m1") is None


async def test_a_first_route_with_a_model_lists_it_alone() -> None:
    bench = route([], models=["m0"])
    assert [model.id for model in await bench.router.list_models()] == ["m0"]
    assert await bench.router.find_context_tokens("whatever") == 100


class Unlisted(ScriptedUpstream):
    """An upstream that cannot say what it serves."""

    async def list_models(self) -> Sequence[ModelInfo]:
        raise DOWN


async def test_a_list_needs_one_upstream_that_tells() -> None:
    mute, other = Unlisted([Script(error=MISSING)]), script(1, [])
    routes = [Route(name="mute", upstream=mute), Route(name="other", upstream=other)]
    assert [model.id for model in await Router(routes, {}, RetryLimits()).list_models()] == ["m1"]
    alone = Router(routes[:1], {"fast": "m0"}, RetryLimits())
    with pytest.raises(UpstreamError, match="no route"):
        await alone.list_models()
    with pytest.raises(ModelNotFound) as caught:
        await alone.complete(ask())
    assert caught.value.models == ("fast",)


# Breakers


async def exhaust(bench: Bench, error: MultiturnError, times: int) -> None:
    """Ask until the upstream has failed so often."""
    while bench.count()[0] < times:
        with pytest.raises(type(error)):
            await bench.router.complete(ask())


async def test_repeated_failures_open_the_breaker() -> None:
    bench = route([DOWN] * 50)
    await exhaust(bench, DOWN, 5)
    assert bench.count() == [5]
    with pytest.raises(Unavailable) as caught:
        await bench.router.complete(ask())
    assert (caught.value.code, caught.value.retry_after_s) == ("upstream_unavailable", 10)
    assert bench.count() == [5]


async def test_an_open_breaker_is_passed_by() -> None:
    bench = route([SLOW] * 50, [])
    assert [await answer(bench.router, streamed=True) for _ in range(7)] == ["from 1"] * 7
    assert bench.count() == [5, 7]


async def test_an_upstream_that_is_back_is_asked() -> None:
    bench = route([FAILING] * 5)
    await exhaust(bench, FAILING, 5)
    bench.clock.now += 10
    assert [await answer(bench.router, streamed=True) for _ in range(3)] == ["from 0"] * 3
    assert bench.router.states()[0].state == "closed"


async def test_a_failed_probe_is_not_repeated() -> None:
    bench = route([DOWN] * 50)
    await exhaust(bench, DOWN, 5)
    bench.slept.clear()
    bench.clock.now += 10
    with pytest.raises(UpstreamError, match="no route"):
        await bench.router.complete(ask())
    assert (bench.count(), bench.slept) == ([6], [])


@pytest.mark.parametrize("error", [BUSY, POOR, FAULTY, TOO_LONG, LOCKED, INVALID])
async def test_refusals_do_not_open_the_breaker(error: MultiturnError) -> None:
    bench = route([error] * 30)
    await exhaust(bench, error, 20)
    assert bench.router.states()[0].state == "closed"


async def test_an_open_breaker_outranks_a_missing_model() -> None:
    bench = route([SLOW] * 9, [MISSING] * 9)
    for _ in range(5):
        with pytest.raises(UpstreamTimeout):
            await bench.router.complete(ask())
    with pytest.raises(Unavailable):
        await bench.router.complete(ask())


async def test_states_name_no_credentials() -> None:
    bench = route([SLOW] * 9, [])
    for _ in range(5):
        await bench.router.complete(ask())
    bench.clock.now += 4
    states: Any = [(state.name, state.state, state.retry_after_s) for state in bench.router.states()]
    assert states == [("http://host0/v1", "open", 6), ("http://host1/v1", "closed", 0)]


async def test_a_wait_has_its_share_of_chance() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    scripts = [Script(error=DOWN)] * 7
    limits = RetryLimits(retries=6, backoff_s=1, backoff_max_s=8, failures_max=99)
    routes = [Route(name="a", upstream=ScriptedUpstream(scripts))]
    with pytest.raises(UpstreamError):
        await Router(routes, {}, limits, sleep=sleep, chance=lambda: 0.0).complete(ask())
    assert slept == [0.5, 1, 2, 4, 4, 4]
