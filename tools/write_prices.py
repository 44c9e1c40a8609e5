"""Writes src/multiturn/engine/price_table.json: what models cost, as the package genai-prices knows it.

    .venv/bin/python tools/write_prices.py

The package itself takes 0.7 s to load and 70 MB to hold, with pydantic and an HTTP client; of its table the server
needs what text costs now and will cost from a day on that is known already. docs/decisions/dependencies.md says more.
"""

import json
import re
from datetime import UTC, date, datetime
from importlib.metadata import files, version
from pathlib import Path

from genai_prices import data, types

TABLE = Path(__file__).parent.parent / "src" / "multiturn" / "engine" / "price_table.json"
TODAY = datetime.now(UTC).date()
KINDS = {
    "input_mtok": "input",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "requests_kcount": "request",
}
MARKS = {
    types.ClauseEquals: ("=", "equals"),
    types.ClauseStartsWith: ("^", "starts_with"),
    types.ClauseContains: ("*", "contains"),
    types.ClauseEndsWith: ("$", "ends_with"),
}


def write_clause(clause):
    """A text with a mark in front, a list of which one fits, or {"and": a list that all fit}."""
    match clause:
        case types.ClauseOr(parts):
            return [write_clause(part) for part in parts]
        case types.ClauseAnd(parts):
            return {"and": [write_clause(part) for part in parts]}
        case types.ClauseRegex(regex):
            re.compile(regex)
            return f"/{regex}"
    mark, field = MARKS[type(clause)]
    return mark + getattr(clause, field).lower()


def write_number(value):
    return int(value) if value == int(value) else float(value)


def write_price(price, scale=1):
    """Dollars, or a list of them and of [tokens, dollars]: from above so many tokens of input on."""
    if isinstance(price, types.TieredPrices):
        steps = [[tier.start, write_number(tier.price / scale)] for tier in price.tiers]
        return [write_number(price.base / scale), *steps]
    return write_number(price / scale)


def write_prices(prices):
    known = {name: getattr(prices, key) for key, name in KINDS.items()}
    return {
        name: write_price(price, 1000 if name == "request" else 1)
        for name, price in known.items()
        if price is not None
    }


def write_times(prices):
    """Prices, or a list of [from when or between which hours, prices] of which the last that holds counts."""
    if isinstance(prices, types.ModelPrice):
        return write_prices(prices)
    times = []
    for one in prices:
        match one.constraint:
            case None:
                times.append([None, write_prices(one.prices)])
            case types.StartDateConstraint(start) if start <= TODAY:
                # From here on it is this, whatever it was before.
                times = [[None, write_prices(one.prices)]]
            case types.StartDateConstraint(start):
                times.append([start.isoformat(), write_prices(one.prices)])
            case types.TimeOfDateConstraint(start, end):
                hours = [types._utc_timetz(time).strftime("%H:%M") for time in (start, end)]
                times.append([hours, write_prices(one.prices)])
    return times[0][1] if len(times) == 1 and times[0][0] is None else times


def write_provider(provider):
    models = [[write_clause(model.match), write_times(model.prices)] for model in provider.models]
    written = {"id": provider.id, "url": provider.api_pattern}
    if provider.fallback_model_providers:
        written["also"] = provider.fallback_model_providers
    return {**written, "models": models}


def main():
    licence = next(path for path in files("genai-prices") if path.name == "LICENSE").read_text()
    head = {"source": f"genai-prices {version('genai-prices')}", "taken": TODAY.isoformat(), "licence": licence}
    lines = [
        json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in map(write_provider, data.providers)
    ]
    head_text = json.dumps(head, ensure_ascii=False, indent=1)[1:-2].strip()
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text("{\n" + head_text + ',\n"providers": [\n' + ",\n".join(lines) + "\n]}\n", "utf-8")
    print(f"{TABLE}: {len(lines)} providers, {sum(len(one.models) for one in data.providers)} models")


if __name__ == "__main__":
    main()
