"""What the commands of keys and quotas make of their words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from multiturn.cli.keys import read_end
from multiturn.cli.quotas import Which, read_period, read_which, show_amounts, tell_whose
from multiturn.errors import InvalidRequest

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "later"),
    [("90d", timedelta(days=90)), ("12h", timedelta(hours=12)), ("30m", timedelta(minutes=30))],
)
def test_end_of_a_key_may_be_a_span(text: str, later: timedelta) -> None:
    assert read_end(text, NOW) == NOW + later


def test_end_of_a_key_may_be_a_date_of_this_zone() -> None:
    assert read_end("2027-01-31", NOW) == datetime(2027, 1, 31).astimezone(UTC)
    assert read_end("2027-01-31T10:00:00Z", NOW) == datetime(2027, 1, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "90", "0d", "-1d", "d", "tomorrow", "999999d", "2027-13-01", "90d "])
def test_wrong_end_of_a_key_says_what_is_right(text: str) -> None:
    with pytest.raises(InvalidRequest, match="90d, 12h or 2027-01-31"):
        read_end(text, NOW)


@pytest.mark.parametrize(
    ("whose", "path", "is_session"),
    [
        ("tenant", "/v1/quotas/tenant", False),
        ("users", "/v1/quotas/users", False),
        ("user:ann/b", "/v1/quotas/users/ann%2Fb", False),
        ("user:a:b", "/v1/quotas/users/a%3Ab", False),
        ("sessions", "/v1/quotas/sessions", True),
        ("session:s", "/v1/quotas/sessions/s", True),
    ],
)
def test_words_name_whose_quota_it_is(whose: str, path: str, is_session: bool) -> None:
    assert read_which("t", whose) == Which(tenant="t", path=path, is_session=is_session)


@pytest.mark.parametrize("whose", ["", "user", "user:", "team:x", "tenant:x", "users:x"])
def test_wrong_words_say_what_is_right(whose: str) -> None:
    with pytest.raises(InvalidRequest, match="user:NAME"):
        read_which("t", whose)


def test_period_fits_whose_quota_it_is() -> None:
    tenant, session = read_which("t", "tenant"), read_which("t", "sessions")
    assert (read_period(tenant, "month"), read_period(session, None)) == ("month", "life")
    for which, per in ((tenant, None), (tenant, "week"), (session, "day")):
        with pytest.raises(InvalidRequest, match="--per"):
            read_period(which, per)


def test_quotas_are_told_as_people_do() -> None:
    quota: dict[str, Any] = {"kind": "users", "tenant": "t", "subject_id": None, "user": None}
    assert tell_whose(quota) == "each user"
    assert tell_whose({**quota, "subject_id": "x", "user": "ann"}) == "user ann"
    assert tell_whose({**quota, "kind": "sessions", "subject_id": "x"}) == "session x"
    assert tell_whose({**quota, "kind": "tenant"}) == "tenant t"
    assert show_amounts({"turns": 10**7, "tokens": None, "cost_usd": 0.5}) == ("10000000", None, "0.5")
