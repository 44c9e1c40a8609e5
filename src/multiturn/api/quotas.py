"""What quotas leave, in the headers of every turn's response: by the names that OpenAI's clients know."""

from __future__ import annotations

from datetime import UTC, datetime

from multiturn.engine.quotas import Allowed
from multiturn.model.quota import Left, Measure

NAMES: dict[Measure, str] = {"turns": "Requests", "tokens": "Tokens", "cost_usd": "Cost-Usd"}
QUOTA_HEADERS = tuple(
    f"X-RateLimit-{fact}-{name}" for name in NAMES.values() for fact in ("Limit", "Remaining", "Reset")
)


def tell_allowed(allowed: Allowed) -> dict[str, str]:
    """The headers of a turn's response: what was left when it was taken, itself not counted, in tokens and money; of
    turns it is counted.
    """
    headers = {}
    for left in allowed:
        name = NAMES[left.measure]
        headers[f"X-RateLimit-Limit-{name}"] = write_amount(left.measure, left.limit)
        headers[f"X-RateLimit-Remaining-{name}"] = write_remaining(left)
        if left.resets_at:
            headers[f"X-RateLimit-Reset-{name}"] = write_span(left.resets_at)
    return headers


def write_remaining(left: Left) -> str:
    """How much is left; the turn that is told of has been taken."""
    return write_amount(left.measure, max(0, left.remaining - 1) if left.measure == "turns" else left.remaining)


def write_amount(measure: Measure, amount: float) -> str:
    """Turns and tokens in whole numbers, money to the billionth of a dollar, as it is kept."""
    return f"{amount:.9f}".rstrip("0").rstrip(".") if measure == "cost_usd" else f"{amount:.0f}"


def write_span(until: datetime) -> str:
    """How long until a time, as OpenAI writes it: ``6h5m4s``."""
    seconds = max(0, round((until - datetime.now(UTC)).total_seconds()))
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    return "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m")) if n) + f"{seconds}s"
