"""The shapes of usage in the native API: tokens and money, by day, user, model and session."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


class UsedBody(Struct, kw_only=True):
    """What was used."""

    turns: Annotated[int, Meta(description="Turns that used a model, however they ended.")]
    input_tokens: int
    cached_tokens: Annotated[int, Meta(description="Those of the input that the provider's prefix cache held.")]
    cache_write_tokens: Annotated[int, Meta(description="Those of the input that a provider bills for caching them.")]
    output_tokens: int
    reasoning_tokens: Annotated[int, Meta(description="Those of the output that were thought and not said.")]
    cost_usd: Annotated[float, Meta(description="In US dollars, of those turns that have a known price.")]
    unpriced_turns: Annotated[int, Meta(description="Turns without a known price: they are not in `cost_usd`.")]


class UsageRowBody(UsedBody, kw_only=True):
    """What was used in a period; what was not asked to be told apart is null."""

    period: Annotated[str | None, Meta(description="The day, `2026-11-21`, or the month, `2026-11`, in UTC.")]
    user_id: Annotated[str | None, Meta(description="Our id of the user whose sessions they were.")]
    user: Annotated[str | None, Meta(description="The user's external id; null for the tenant's default user.")]
    model: Annotated[str | None, Meta(description="The model that was asked for.")]
    session_id: Annotated[str | None, Meta(description="Our id of the session.")]


class UsageReportBody(Struct, kw_only=True, rename={"first": "from", "last": "to"}):
    """What was used from a day to another, both included."""

    object: Literal["usage"] = "usage"
    first: Annotated[str, Meta(description="The first day, in UTC.")]
    last: Annotated[str, Meta(description="The last day, in UTC.")]
    period: Literal["day", "month", "none"]
    group_by: list[Literal["user", "model", "session"]]
    data: Annotated[
        list[UsageRowBody],
        Meta(description="The newest period first, and in it what cost most. None where nothing was used."),
    ]
    total: Annotated[
        UsedBody,
        Meta(description="All of it, also what is not in `data`: sessions that are gone, turns without a session."),
    ]
    has_more: Annotated[bool, Meta(description="Whether there are more rows than `limit`.")]


class SessionUsageBody(UsedBody, kw_only=True):
    """What a session used in all its life, also before it was cleared."""

    object: Literal["session.usage"] = "session.usage"
    session_id: Annotated[str, Meta(description="Our id of the session.")]
