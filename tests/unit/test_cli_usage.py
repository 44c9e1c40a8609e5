"""What `multiturn usage` draws and counts."""

from __future__ import annotations

import pytest

from multiturn.cli.usage import BAR_CHARS, Question, align, choose_columns, draw, name_of, show_dollars


def test_bar_is_as_long_as_its_share() -> None:
    assert draw(4, 4) == "█" * BAR_CHARS
    assert draw(2, 4) == "█" * (BAR_CHARS // 2)
    assert draw(2.5 / BAR_CHARS, 1) == "██▌"
    assert draw(0.0001, 4) == "▏"
    assert draw(0, 4) == draw(0, 0) == ""


@pytest.mark.parametrize(
    ("dollars", "unpriced", "text"),
    [(0.0, 0, "0.0000"), (0.0, 3, "?"), (0.5, 3, "0.5000"), (1234.5, 0, "1,234.5000"), (0.00001, 0, "<0.0001")],
)
def test_dollars_are_shown_where_they_are_known(dollars: float, unpriced: int, text: str) -> None:
    assert show_dollars({"cost_usd": dollars, "unpriced_turns": unpriced}) == text


def test_numbers_stand_flush_right() -> None:
    assert align([("turns", "in"), ("7", "1,500")]) == [("turns", "   in"), ("    7", "1,500")]


def test_columns_are_those_that_were_asked_for() -> None:
    row = {"period": "2026-11", "user": None, "model": "m", "session_id": "1"}
    question = Question(period="month", by=["user", "session"], limits={"from": "2026-11-01", "to": None})
    assert [name_of(row, column) for column in choose_columns(question)] == ["2026-11", "(default)", "1"]
    assert question.parameters() == {
        "from": "2026-11-01",
        "period": "month",
        "group_by": "user,session",
        "limit": 10_000,
    }
    assert choose_columns(Question(period="none")) == []
