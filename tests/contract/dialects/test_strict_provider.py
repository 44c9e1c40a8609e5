"""Random conversations that outgrow their windows, before a provider that refuses whatever a provider may refuse."""

from __future__ import annotations

import pytest

from multiturn.model.policy import OverflowStrategy
from tests.bench.strict import STRATEGIES, run_strategy

HISTORIES = 10


@pytest.mark.parametrize("overflow", STRATEGIES)
async def test_strict_provider_refuses_no_turn(overflow: OverflowStrategy) -> None:
    figures = await run_strategy(overflow, HISTORIES)
    assert figures["rejections"] == 0, figures["reasons"]
    assert figures.get("failed", 0) == 0, figures
    shown = {"adaptive": {"cut", "recalled"}, "truncate": {"cut"}, "summarize": {"cut"}, "error": set()}
    assert shown[overflow] <= figures.keys()
