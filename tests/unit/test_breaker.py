"""When a breaker lets calls through."""

from __future__ import annotations

import pytest

from multiturn.upstream.breaker import Breaker


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures_max=3, cool_down_s=10, clock=clock)


@pytest.fixture
def opened(breaker: Breaker) -> Breaker:
    for _ in range(3):
        breaker.fail()
    return breaker


def test_a_closed_breaker_admits_every_call(breaker: Breaker) -> None:
    assert [breaker.admit() for _ in range(5)] == [True] * 5
    assert (breaker.state, breaker.retry_after_s) == ("closed", 0)


def test_failures_in_a_row_open_it(breaker: Breaker) -> None:
    for _ in range(2):
        breaker.fail()
        assert breaker.admit()
    breaker.fail()
    assert not breaker.admit()
    assert (breaker.state, breaker.retry_after_s) == ("open", 10)


def test_a_success_between_failures_keeps_it_closed(breaker: Breaker) -> None:
    for _ in range(10):
        breaker.fail()
        breaker.fail()
        breaker.succeed()
    assert breaker.state == "closed"


def test_an_open_breaker_tells_when_to_return(opened: Breaker, clock: Clock) -> None:
    clock.now += 4
    assert not opened.admit()
    assert opened.retry_after_s == 6


def test_after_the_cool_down_one_probe_goes(opened: Breaker, clock: Clock) -> None:
    clock.now += 10
    assert [opened.admit() for _ in range(3)] == [True, False, False]
    assert opened.state == "half_open"


def test_a_good_probe_closes_it(opened: Breaker, clock: Clock) -> None:
    clock.now += 10
    assert opened.admit()
    opened.succeed()
    assert (opened.state, opened.retry_after_s) == ("closed", 0)
    opened.fail()
    assert opened.admit()


def test_a_failed_probe_opens_it_again(opened: Breaker, clock: Clock) -> None:
    clock.now += 10
    assert opened.admit()
    clock.now += 3
    opened.fail()
    assert (opened.state, opened.retry_after_s) == ("open", 10)
    assert not opened.admit()


def test_a_probe_that_never_tells_is_followed(opened: Breaker, clock: Clock) -> None:
    clock.now += 10
    assert opened.admit()
    clock.now += 9
    assert not opened.admit()
    clock.now += 1
    assert opened.admit()


def test_late_failures_do_not_delay_the_probe(opened: Breaker, clock: Clock) -> None:
    clock.now += 9
    opened.fail()
    assert opened.retry_after_s == 1


def test_a_late_success_closes_it(opened: Breaker) -> None:
    opened.succeed()
    assert opened.admit()
