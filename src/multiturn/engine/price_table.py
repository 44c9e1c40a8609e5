"""The table of what models cost: ``price_table.json``, which ``tools/write_prices.py`` takes from genai-prices.

It is read on first use and never fetched. A clause says which names it is for: ``=`` is this name, ``^`` begins with,
``$`` ends with, ``*`` contains, ``/`` is a regular expression; a list is any of its clauses, ``{"and": [...]}`` all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import Struct

# LiteLLM and OpenRouter write `gpt-5.2-20251211` for `gpt-5.2-2025-12-11`.
COMPACT_DATE = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
# Prices of tokens, in dollars per million; a request's is in dollars.
KINDS = ("input", "cached", "cache_write", "output", "reasoning", "request")
Clause = Any
Times = Any
"""Prices by kind, or a list of [when, prices] of which the last that holds counts, else the first."""


class Provider(Struct, frozen=True, kw_only=True):
    """Who serves models at a URL; ``also`` names those whose models it serves at their own prices."""

    id: str
    url: str
    models: Sequence[tuple[Clause, Times]]
    also: Sequence[str] = ()

    def find(self, name: str) -> Times | None:
        """The prices of a model of its own."""
        return next((times for clause, times in self.models if fits(clause, name)), None)


class _Table(Struct, frozen=True, kw_only=True):
    source: str
    taken: str
    providers: list[Provider]


class PriceTable:
    """What models cost at which provider. Nothing is read before the first question."""

    @cached_property
    def read(self) -> _Table:
        """The table as it is in the package."""
        text = files("multiturn.engine").joinpath("price_table.json").read_bytes()
        return msgspec.json.decode(text, type=_Table)

    @cached_property
    def providers(self) -> dict[str, Provider]:
        """All providers by their id."""
        return {provider.id: provider for provider in self.read.providers}

    def find_provider(self, url: str) -> Provider | None:
        """Who answers at a URL; None for one's own, and for a provider that the table does not know."""
        return next((provider for provider in self.read.providers if re.match(provider.url, url)), None)

    def find(self, provider: Provider, model: str) -> Times | None:
        """What a model costs there; None where the table does not tell."""
        name = model.lower()
        for form in dict.fromkeys((name, COMPACT_DATE.sub(r"-\1-\2-\3", name))):
            for one in (provider, *map(self.providers.__getitem__, provider.also)):
                if (times := one.find(form)) is not None:
                    return times
        return None


def fits(clause: Clause, name: str) -> bool:
    """Whether a clause is for a name, in lower case."""
    if isinstance(clause, list):
        return any(fits(part, name) for part in clause)
    if isinstance(clause, dict):
        return all(fits(part, name) for part in clause["and"])
    mark, text = clause[0], str(clause[1:])
    match mark:
        case "=":
            return name == text
        case "^":
            return name.startswith(text)
        case "$":
            return name.endswith(text)
        case "*":
            return text in name
        case _:
            return re.search(text, name) is not None


def prices_at(times: Times, now: datetime) -> Any:
    """Which of some prices, or of whatever stands for them, hold at a time."""
    if isinstance(times, dict):
        return times
    held = (prices for when, prices in reversed(times) if holds(when, now.astimezone(UTC)))
    return next(held, times[0][1])


def holds(when: str | list[str] | None, now: datetime) -> bool:
    """Whether a time is from a day on, or between two hours of the day."""
    if when is None:
        return True
    if isinstance(when, str):
        return f"{now:%Y-%m-%d}" >= when
    start, end = when
    hour = f"{now:%H:%M}"
    return start <= hour < end if start <= end else hour >= start or hour < end
