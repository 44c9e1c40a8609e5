"""Counting tokens: an estimate that corrects itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.engine.window.budget import RATIO_MARGIN, Budgets
from multiturn.engine.window.tokens import (
    FRAME_TOKENS,
    MEDIA_TOKENS,
    RATIO_MAX,
    RATIO_MIN,
    TokenRatios,
    count_text,
    count_tokens,
)
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        (Message("user", "four"), FRAME_TOKENS + 1),
        (Message("user", "fives"), FRAME_TOKENS + 2),
        (Message("user", None), FRAME_TOKENS),
        (Message("user", [{"type": "text", "text": "four"}, PICTURE]), FRAME_TOKENS + 1 + MEDIA_TOKENS),
        (FunctionCall("id", "name", "{}"), FRAME_TOKENS + 2),
        (FunctionCallOutput("id", "four"), FRAME_TOKENS + 1),
        (Reasoning("a long thought that is not shown"), 0),
    ],
)
def test_each_kind_of_item_is_counted(content: Content, tokens: int) -> None:
    assert count_tokens(content) == tokens


def test_other_scripts_count_their_bytes() -> None:
    assert count_text("日本語") == 3


@given(st.text())
def test_every_text_can_be_counted(text: str) -> None:
    assert 0 <= count_text(text) <= len(text)


def test_ratio_follows_what_providers_report() -> None:
    ratios = TokenRatios()
    assert ratios.ratio("m") == 1
    ratios.learn("m", estimated=1000, reported=1200)
    assert ratios.ratio("m") == pytest.approx(1.2)
    for _ in range(40):
        ratios.learn("m", estimated=1000, reported=900)
    assert ratios.ratio("m") == pytest.approx(0.9, abs=0.01)
    assert ratios.ratio("other") == 1


@pytest.mark.parametrize(("estimated", "reported"), [(10, 500), (1000, 0), (0, 0)])
def test_odd_reports_teach_nothing(estimated: int, reported: int) -> None:
    ratios = TokenRatios()
    ratios.learn("m", estimated=estimated, reported=reported)
    assert ratios.ratio("m") == 1


def test_ratio_stays_within_reason() -> None:
    ratios = TokenRatios()
    ratios.learn("high", estimated=1000, reported=10**9)
    ratios.learn("low", estimated=10**9, reported=1)
    assert (ratios.ratio("high"), ratios.ratio("low")) == (RATIO_MAX, RATIO_MIN)


def make_budgets(*, setting: int | None = None) -> Budgets:
    return Budgets(ratios=TokenRatios(), context_tokens=setting, default_tokens=8192)


def test_setting_goes_before_what_the_upstream_tells() -> None:
    assert make_budgets(setting=2000).measure("m", window=100_000, output_max=100) == 1900
    assert make_budgets().measure("m", window=100_000, output_max=100) == 99_900
    assert make_budgets().measure("m", window=None, output_max=192) == 8000


def test_answer_never_takes_more_than_half() -> None:
    assert make_budgets(setting=2000).measure("m", window=None, output_max=50_000) == 1000


def test_answer_gets_a_share_when_nothing_is_said() -> None:
    assert make_budgets(setting=2000).measure("m", window=None, output_max=None) == 1500
    assert make_budgets(setting=100_000).measure("m", window=None, output_max=None) == 100_000 - 1024


def test_budget_is_in_tokens_of_ours() -> None:
    budgets = make_budgets(setting=2000)
    budgets.ratios.learn("m", estimated=1000, reported=2000)
    assert budgets.measure("m", window=None, output_max=1000) == 500


@pytest.mark.parametrize(("named", "learned"), [(5000, 5000), (None, 6000), (10**9, 6000)])
def test_refused_context_lowers_the_limit(named: int | None, learned: int) -> None:
    budgets = make_budgets()
    budgets.learn_limit("m", tokens_max=named, tokens_sent=8000)
    assert budgets.measure("m", window=100_000, output_max=1) == learned - 1


def test_smaller_ratio_is_used_with_a_margin() -> None:
    budgets = make_budgets(setting=2000)
    budgets.ratios.learn("m", estimated=1000, reported=990)
    assert budgets.measure("m", window=None, output_max=1000) == 1000
    budgets.ratios.learn("other", estimated=1000, reported=500)
    assert budgets.measure("other", window=None, output_max=1000) == int(1000 / (0.5 * RATIO_MARGIN))
