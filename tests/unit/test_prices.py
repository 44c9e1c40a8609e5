"""What calls cost: hand-computed sums of real models, settings over the table, and the table against its source."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from importlib.metadata import version

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data import providers as their_providers
from genai_prices.types import Provider as TheirProvider

from multiturn.engine.price_table import PriceTable, fits, prices_at
from multiturn.engine.prices import MODELS_MAX, OwnPrice, Prices, Pricing
from multiturn.model.usage import Usage

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TABLE = PriceTable()
OPENAI, OWN = "https://api.openai.com/v1", "http://127.0.0.1:8080/v1"


def make(url: str | None = OPENAI, *, at: datetime = NOW, **fields: object) -> Prices:
    return Prices(Pricing(url=url, **fields), lambda: at, TABLE)  # type: ignore[arg-type]


def use(given: int = 0, cached: int = 0, made: int = 0, thought: int = 0, written: int = 0) -> Usage:
    return Usage(
        input_tokens=given,
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=made,
        reasoning_tokens=thought,
    )


@pytest.mark.parametrize(
    ("url", "model", "usage", "dollars"),
    [
        # gpt-4o: 2.50 in, 1.25 cached, 10 out.
        (OPENAI, "gpt-4o", use(1000, 400, 200), 600 * 2.5e-6 + 400 * 1.25e-6 + 200 * 10e-6),
        (OPENAI, "gpt-4o-2024-11-20", use(1000, 0, 200), 0.0045),
        # gpt-5: 1.25 in, 0.125 cached, 10 out; what is thought costs what is said.
        (OPENAI, "gpt-5", use(10_000, 8_000, 500, 300), 0.0025 + 0.001 + 0.005),
        (OPENAI, "GPT-5", use(1_000_000), 1.25),
        # Claude Sonnet 4.5: 3 in, 0.30 cached, 3.75 written, 15 out; above 200,000 tokens 6, 0.60, 7.50, 22.50.
        ("https://api.anthropic.com/v1/", "claude-sonnet-4-5", use(10_000, 6_000, 100, 0, 2_000), 0.0168),
        # Gemini 2.5 Pro: 1.25 in, 10 out; above 200,000 tokens 2.50 and 15, for all of them.
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro", use(200_000, 0, 1_000), 0.26),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "gemini-2.5-pro",
            use(200_001, 0, 1_000),
            0.5150025,
        ),
        # What one provider serves of another, and what a broker names by its maker.
        ("https://mine.openai.azure.com/openai/v1", "gpt-4o", use(1000, 0, 200), 0.0045),
        ("https://openrouter.ai/api/v1", "openai/gpt-4o", use(1000, 0, 200), 0.0045),
        (OWN, "openai/gpt-4o", use(1000, 0, 200), 0.0045),
        (OWN, "groq/llama-3.3-70b-versatile", use(1_000_000, 0, 1_000_000), 0.59 + 0.79),
    ],
)
def test_call_costs_what_its_provider_takes(url: str, model: str, usage: Usage, dollars: float) -> None:
    assert make(url).price(model, usage) == pytest.approx(dollars, abs=1e-12)


@pytest.mark.parametrize(
    ("url", "model"),
    [
        (OPENAI, "a-model-that-nobody-knows"),
        (OPENAI, ""),
        (OPENAI, "anthropic/claude-sonnet-4-5"),
        (OWN, "gpt-4o"),
        (OWN, "openai/gpt-oss-20b"),
        (OWN, "google/gemma-3-27b-it"),
        (OWN, "moonshotai/Kimi-K2-Instruct"),
        (OWN, "Qwen/Qwen3-8B"),
        (None, "qwen3.5-0.8b"),
        ("https://llm.example.com/v1", "gpt-4o"),
    ],
)
def test_nobody_knows_what_it_costs(url: str | None, model: str) -> None:
    assert make(url).price(model, use(1000, 0, 200)) is None


def test_settings_come_before_the_table() -> None:
    own = {
        "gpt-4o": OwnPrice(input=1.0, output=2.0),
        "mine": OwnPrice(input=1.0, cached=0.1, cache_write=1.5, output=4.0, reasoning=8.0, request=0.01),
        "gateway": "openai/gpt-4o",
        "free": 0.0,
        "strange": "nobody/knows",
    }
    prices = make(own=own)
    usage = use(1_000_000, 500_000, 1_000_000, 250_000, 100_000)
    assert prices.price("gpt-4o", use(1_000_000, 500_000, 1_000_000)) == pytest.approx(3.0)
    assert prices.price("mine", usage) == pytest.approx(0.4 + 0.05 + 0.15 + 3.0 + 2.0 + 0.01)
    assert prices.price("gateway", use(1000, 0, 200)) == pytest.approx(0.0045)
    assert prices.price("free", usage) == 0.0
    assert prices.price("strange", usage) is None


def test_star_is_for_what_nobody_knows() -> None:
    prices = make(own={"*": 0.0})
    assert prices.price("gpt-4o", use(1000, 0, 200)) == pytest.approx(0.0045)
    assert prices.price("my-own", use(1000, 0, 200)) == 0.0


def test_alias_costs_what_it_stands_for() -> None:
    prices = make(aliases={"fast": "gpt-4o", "ours": "mine"}, own={"mine": 2.0})
    assert prices.price("fast", use(1000, 0, 200)) == pytest.approx(0.0045)
    assert prices.price("ours", use(1_000_000)) == pytest.approx(2.0)


def test_more_cached_than_there_was_costs_no_less_than_nothing() -> None:
    assert make().price("gpt-4o", use(10, 100, 5, 50)) == pytest.approx(100 * 1.25e-6 + 50 * 10e-6)


def test_price_follows_the_day_and_the_hour() -> None:
    days = [[None, {"input": 1}], ["2027-01-01", {"input": 2}]]
    hours = [[None, {"input": 1}], [["22:30", "06:00"], {"input": 0.5}]]
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    assert [prices_at(days, at)["input"] for at in (NOW, new_year)] == [1, 2]
    times = (NOW, NOW.replace(hour=22, minute=30), NOW.replace(hour=5, minute=59), NOW.replace(hour=6))
    assert [prices_at(hours, at)["input"] for at in times] == [1, 0.5, 0.5, 1]
    assert prices_at([["2027-01-01", {"input": 2}]], NOW) == {"input": 2}


@pytest.mark.parametrize(
    ("clause", "name", "fit"),
    [
        ("=gpt-4o", "gpt-4o", True),
        ("=gpt-4o", "gpt-4o-mini", False),
        ("^gpt-4o", "gpt-4o-mini", True),
        ("$mini", "gpt-4o-mini", True),
        ("*4o", "gpt-4o-mini", True),
        (r"/^o\d$", "o3", True),
        ({"and": ["^gpt", "$mini"]}, "gpt-4o", False),
        (["=a", "=b"], "b", True),
    ],
)
def test_clause_fits_a_name(clause: object, name: str, fit: bool) -> None:
    assert fits(clause, name) is fit


def test_names_that_clients_make_up_are_forgotten_again() -> None:
    prices = make()
    for number in range(MODELS_MAX + 5):
        prices.price(f"made-up-{number}", use(1))
    assert len(prices.known) <= MODELS_MAX


def test_pricing_a_call_takes_microseconds() -> None:
    prices, usage = make(), use(1000, 400, 200, 100)
    prices.price("gpt-4o", usage)
    began = time.process_time()
    for _ in range(10_000):
        prices.price("gpt-4o", usage)
    assert (time.process_time() - began) / 10_000 < 20e-6


def test_nothing_is_read_before_the_first_price() -> None:
    prices = Prices(Pricing(url=None, own={"mine": 0.0}), lambda: NOW)
    assert prices.price("mine", use(5)) == 0.0
    assert "read" not in prices.table.__dict__


def test_table_is_the_one_of_its_source() -> None:
    assert TABLE.read.source == f"genai-prices {version('genai-prices')}"


@pytest.mark.parametrize("theirs", their_providers, ids=lambda provider: provider.id)
def test_table_prices_as_its_source_does(theirs: TheirProvider) -> None:
    provider, at = TABLE.providers[theirs.id], datetime.now(UTC)
    prices = Prices(Pricing(), lambda: at, TABLE)
    for usage in (use(1000, 400, 300), use(900_000, 0, 5)):
        counted = TheirUsage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cached_tokens,
            output_tokens=usage.output_tokens,
            output_reasoning_tokens=usage.reasoning_tokens,
        )
        for name in {model.id for model in theirs.models}:
            found = theirs.find_model(name, all_providers=their_providers)
            prices.pricing = Pricing(own={name: f"{provider.id}/{name}"})
            cost = prices.price(name, usage)
            prices.known.clear()
            if found is None:
                assert cost is None
                continue
            held = found.get_prices(at)
            expected = found.calc_price(counted, theirs, genai_request_timestamp=at).total_price
            has_price = held.input_mtok is not None or held.output_mtok is not None
            assert cost == (pytest.approx(float(expected), abs=1e-9) if has_price else None), name
