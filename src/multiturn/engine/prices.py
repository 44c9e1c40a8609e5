"""What a call of a model costs, in US dollars: from one's own settings, else from a table of providers' prices."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from multiturn.engine.ports import Clock
from multiturn.engine.price_table import KINDS, PriceTable, Provider, Times, prices_at
from multiturn.model.usage import Usage

MILLION = 1_000_000
# Names of models come from clients.
MODELS_MAX = 1000
ANY_MODEL = "*"
# What anybody may run himself: behind one's own URL `openai/gpt-oss-20b` is no call of OpenAI's.
OPEN_MODELS = re.compile(r"gpt-oss|whisper|gemma|kimi|moonlight")


class OwnPrice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model costs by one's own settings: dollars per million tokens, and per call (``request``).

    Cached, written and thought tokens without a price of their own cost what input and output cost.
    """

    input: float = 0.0
    cached: float | None = None
    cache_write: float | None = None
    output: float = 0.0
    reasoning: float | None = None
    request: float | None = None


class Pricing(Struct, frozen=True, kw_only=True):
    """What prices depend on: where models are asked, under which other names, and one's own prices.

    A price of one's own is a number of dollars for each token kind (0: free), prices by kind, or the name that the
    table has for the model, with its provider. ``*`` is for whatever nobody knows a price of.
    """

    url: str | None = None
    aliases: Mapping[str, str] = {}
    own: Mapping[str, float | str | OwnPrice] = {}


class Rates(NamedTuple):
    """Dollars per token of each kind, and per call; of a call with more than ``above`` tokens of input."""

    above: int
    input: float
    cached: float
    cache_write: float
    output: float
    reasoning: float
    request: float


Tariff = tuple[Rates, ...]
"""Rates by the length of a call, the shortest first."""


class Prices:
    """Tells what calls cost. Never asks anybody: what is not in the settings or the table has no known price."""

    def __init__(self, pricing: Pricing, clock: Clock, table: PriceTable | None = None) -> None:
        self.pricing = pricing
        self.clock = clock
        self.table = table or PriceTable()
        self.known: dict[str, Callable[[], Tariff | None]] = {}

    def price(self, model: str, usage: Usage) -> float | None:
        """What one call of a model cost in US dollars; None where nobody knows.

        Prices step up with the length of a call: the calls of one run are priced one by one.
        """
        find = self.known.get(model)
        if find is None:
            find = self._remember(model)
        tariff = find()
        return None if tariff is None else charge(tariff, usage)

    def price_calls(self, model: str, calls: Sequence[Usage]) -> float | None:
        """What several calls cost together; None where one of them has no known price, or there was none."""
        costs = [self.price(model, usage) for usage in calls]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if known and len(known) == len(costs) else None

    def _remember(self, model: str) -> Callable[[], Tariff | None]:
        if len(self.known) >= MODELS_MAX:
            self.known.clear()
        times = self._find(model)
        if isinstance(times, list):
            timed = [[when, make_tariff(prices)] for when, prices in times]
            self.known[model] = lambda: prices_at(timed, self.clock())
        else:
            tariff = None if times is None else make_tariff(times)
            self.known[model] = lambda: tariff
        return self.known[model]

    def _find(self, model: str) -> Times | None:
        """The prices of a model, wherever they are."""
        own = self.pricing.own
        name = self.pricing.aliases.get(model, model)
        for form in (model, name):
            if form in own:
                return self._read_own(own[form])
        times = self._look_up(name)
        if times is None and ANY_MODEL in own:
            return self._read_own(own[ANY_MODEL])
        return times

    def _read_own(self, own: float | str | OwnPrice) -> Times | None:
        if isinstance(own, str):
            return self._look_up_named(own)
        if isinstance(own, OwnPrice):
            return {kind: price for kind in KINDS if (price := getattr(own, kind)) is not None}
        return {"input": own, "output": own}

    def _look_up(self, name: str) -> Times | None:
        """What the provider behind the URL takes; behind one's own URL only the prefix of a name tells."""
        provider = self.table.find_provider(self.pricing.url) if self.pricing.url else None
        if provider is None:
            return None if OPEN_MODELS.search(name.lower()) else self._look_up_named(name)
        times = self.table.find(provider, name)
        return self._look_up_named(name, provider) if times is None else times

    def _look_up_named(self, name: str, only: Provider | None = None) -> Times | None:
        """What ``provider/model`` costs there."""
        prefix, _, rest = name.partition("/")
        provider = self.table.providers.get(prefix.lower()) if rest else None
        if provider is None or (only is not None and provider is not only):
            return None
        return self.table.find(provider, rest)


def make_tariff(prices: Mapping[str, Any]) -> Tariff | None:
    """Prices by kind as rates per token; None where neither input nor output has a price."""
    if "input" not in prices and "output" not in prices:
        return None
    steps = {tokens for price in prices.values() if isinstance(price, list) for tokens, _ in price[1:]}
    return tuple(make_rates(prices, above) for above in (-1, *sorted(steps)))


def make_rates(prices: Mapping[str, Any], above: int) -> Rates:
    """The rates of calls with more than so many tokens of input."""
    at = {kind: price_above(price, above) for kind, price in prices.items()}
    given, made = at.get("input", 0.0), at.get("output", 0.0)
    return Rates(
        above=above,
        input=given / MILLION,
        cached=at.get("cached", given) / MILLION,
        cache_write=at.get("cache_write", given) / MILLION,
        output=made / MILLION,
        reasoning=at.get("reasoning", made) / MILLION,
        request=at.get("request", 0.0),
    )


def price_above(price: float | list[Any], above: int) -> float:
    """A price for calls with more than so many tokens: its last step up to there."""
    if not isinstance(price, list):
        return price
    return float(next((dollars for tokens, dollars in reversed(price[1:]) if above >= tokens), price[0]))


def charge(tariff: Tariff, usage: Usage) -> float:
    """What one call cost. Cached and written tokens are among the input's, thought ones among the output's."""
    rates = tariff[0]
    for step in tariff[1:]:
        if usage.input_tokens > step.above:
            rates = step
    cached, written, thought = usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens
    return (
        max(0, usage.input_tokens - cached - written) * rates.input
        + cached * rates.cached
        + written * rates.cache_write
        + max(0, usage.output_tokens - thought) * rates.output
        + thought * rates.reasoning
        + rates.request
    )
