"""What a refused context teaches about a model's window: whom it concerns, and for how long."""

from __future__ import annotations

import pytest

from multiturn.engine.window.budget import LEARNED_MAX, LEARNED_S, Budgets
from multiturn.engine.window.tokens import TokenRatios


class Seconds:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make_budgets(seconds: Seconds | None = None, *, setting: int | None = None) -> Budgets:
    return Budgets(ratios=TokenRatios(), context_tokens=setting, default_tokens=8192, read_time=seconds or Seconds())


def measure(budgets: Budgets, window: int | None = 128_000) -> int:
    return budgets.measure("m", window=window, output_max=1)


def test_small_context_says_nothing_of_a_large_window() -> None:
    budgets = make_budgets()
    assert budgets.learn_limit("m", tokens_max=None, tokens_sent=1400, window=128_000) == 1050
    assert measure(budgets) == 127_999


def test_large_context_lowers_a_large_window() -> None:
    budgets = make_budgets()
    assert budgets.learn_limit("m", tokens_max=None, tokens_sent=100_000, window=128_000) == 75_000
    assert measure(budgets) == 74_999


def test_setting_is_the_window() -> None:
    budgets = make_budgets(setting=4000)
    assert budgets.learn_limit("m", tokens_max=None, tokens_sent=1400, window=128_000) == 1050
    assert measure(budgets) == 1049


def test_named_window_is_believed_beside_a_larger_one() -> None:
    budgets = make_budgets()
    assert budgets.learn_limit("m", tokens_max=4096, tokens_sent=20_000, window=128_000) == 4096
    assert measure(budgets) == 4095


@pytest.mark.parametrize("window", [None, 128_000])
def test_hardly_filled_context_is_not_cut(window: int | None) -> None:
    budgets = make_budgets()
    assert budgets.learn_limit("m", tokens_max=None, tokens_sent=1000, window=window) is None
    assert measure(budgets, window) == (window or 8192) - 1


def test_small_window_is_learned_in_its_own_measure() -> None:
    budgets = make_budgets()
    assert budgets.learn_limit("m", tokens_max=None, tokens_sent=1000, window=2048) == 750
    assert measure(budgets, 2048) == 749


def test_learned_limit_ends_after_an_hour() -> None:
    seconds = Seconds()
    budgets = make_budgets(seconds)
    budgets.learn_limit("m", tokens_max=5000, tokens_sent=8000, window=128_000)
    seconds.now = LEARNED_S - 1
    assert measure(budgets) == 4999
    seconds.now = LEARNED_S
    assert measure(budgets) == 127_999


def test_learned_limits_are_few() -> None:
    budgets = make_budgets()
    for number in range(LEARNED_MAX + 5):
        budgets.learn_limit(f"m{number}", tokens_max=5000, tokens_sent=8000)
    assert len(budgets.learned) == LEARNED_MAX
    assert "m0" not in budgets.learned
