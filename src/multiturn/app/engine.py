"""The engine, put together over its stores and models."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import convert

from multiturn.app.models import Models
from multiturn.app.stores import Stores, read_clock
from multiturn.config import Price, Settings
from multiturn.engine.contexts import Contexts, ModelFacts
from multiturn.engine.embedders import Embedders
from multiturn.engine.grounding.alignment import SourceReader
from multiturn.engine.grounding.sources import Sources
from multiturn.engine.grounding.tools import Searchable
from multiturn.engine.keys import Keys
from multiturn.engine.knowledge import Knowledge
from multiturn.engine.parts import Parts
from multiturn.engine.ports_tools import ToolHost
from multiturn.engine.prices import OwnPrice, Prices, Pricing
from multiturn.engine.quotas import Quotas
from multiturn.engine.recall import Recall, Searched
from multiturn.engine.runs import Runs
from multiturn.engine.search.terms import TermReader
from multiturn.engine.session_index import SessionIndexes
from multiturn.engine.speakers import Defaults, Finders, Speakers
from multiturn.engine.summaries import Summaries
from multiturn.engine.templates import Templates
from multiturn.engine.tenants import Tenants
from multiturn.engine.toolsets import Toolsets
from multiturn.engine.turns import TurnLimits
from multiturn.engine.upkeep import Upkeep
from multiturn.engine.usage import Meter
from multiturn.engine.window.assemble import Assembler
from multiturn.engine.window.budget import Budgets
from multiturn.engine.window.cache import WindowCache
from multiturn.engine.window.tokens import TokenRatios
from multiturn.errors import SettingsError
from multiturn.model.policy import ContextPolicy
from multiturn.observe import Metrics, Tracer, open_tracer
from multiturn.upstream import openai_wire
from multiturn.upstream.tokenizers import Tokenizers
from multiturn.worker.crew import Crew

WINDOW_CACHE_BYTES = 64 * 1024 * 1024
# What a model's window is taken for when neither a setting nor its upstream tells.
CONTEXT_TOKENS = 8192


class Crews(NamedTuple):
    """The tasks of turns, which are waited for when the server stops, and those behind them, which are not: what they
    leave undone is done behind a later turn.
    """

    turns: Crew
    behind: Crew


class Engine:
    """The engine, put together over its stores and models."""

    def __init__(
        self, settings: Settings, stores: Stores, models: Models, crews: Crews, tool_host: ToolHost | None
    ) -> None:
        self.models = models
        self.metrics = metrics = Metrics()
        self.tracer = make_tracer(settings.traces_url)
        self.runs = Runs(stores.runs, stores.items, openai_wire, read_clock)
        self.keys = Keys(stores.keys, read_clock)
        self.tenants = Tenants(stores.tenants, read_clock)
        self.prices = make_prices(settings)
        self.meter = Meter(stores.usage, self.prices, read_clock)
        self.quotas = Quotas(stores.quotas, self.meter, stores.sessions, read_clock)
        self.templates = Templates()
        self.embedders = Embedders(models.embedder, models.other_embedders)
        self.indexes = SessionIndexes(stores.items, stores.contexts, self.embedders, metrics)
        self.knowledge = Knowledge(
            stores.knowledge,
            read_clock,
            self.embedders,
            reranker=models.reranker,
            index_bytes_max=settings.search_bytes_max,
        )
        self.sources = Sources(self.knowledge, stores.registry)
        recall = Recall(stores.items, self.indexes, Searched(self.knowledge, self.sources), self.embedders, metrics)
        windows = WindowCache(bytes_max=WINDOW_CACHE_BYTES)
        self.assembler = Assembler(stores.items, stores.contexts, recall, windows)
        defaults = Defaults(policy=server_policy(settings), model=models.default_model, clock=read_clock)
        self.toolsets = Toolsets(tool_host, always_looks=settings.knowledge_tools)
        finders = Finders(self.knowledge, self.toolsets)
        speakers = Speakers(stores, self.tenants, self.templates, finders, defaults)
        budgets = make_budgets(settings, models)
        facts = ModelFacts(models.upstream, make_tokenizers(settings, models))
        self.contexts = Contexts(speakers, facts, budgets, self.assembler, stores.contexts)
        summariser = models.summariser or models.upstream
        summaries = Summaries(summariser, stores, metrics, read_clock, model=settings.summary_model)
        self.upkeep = Upkeep(self.indexes, summaries, metrics, crews.behind.spawn)
        self.parts = Parts(
            store=stores.turns,
            approvals=stores.approvals,
            items=stores.items,
            upstream=models.upstream,
            contexts=self.contexts,
            upkeep=self.upkeep,
            searchable=Searchable(knowledge=self.knowledge, registry=stores.registry, parts=stores.parts),
            tool_host=tool_host,
            approval_s=settings.approval_s,
            source_reader=SourceReader(TermReader()),
            runs=self.runs,
            prices=self.prices,
            meter=self.meter,
            metrics=metrics,
            tracer=self.tracer,
            clock=read_clock,
            spawn=crews.turns.spawn,
        )


def make_tracer(url: str | None) -> Tracer:
    """The tracer of the settings. Raises SettingsError when OpenTelemetry is asked for and not installed."""
    try:
        return open_tracer(url)
    except ImportError as error:
        text = "MULTITURN_TRACES_URL is set and OpenTelemetry is not installed: pip install 'multiturn[otel]'."
        raise SettingsError(text) from error


def make_prices(settings: Settings) -> Prices:
    """What models cost: one's own prices over those of the provider behind the first upstream's URL."""
    own = {
        model: convert(price, OwnPrice, from_attributes=True) if isinstance(price, Price) else price
        for model, price in settings.prices.items()
    }
    return Prices(Pricing(url=settings.upstream_url, aliases=settings.model_aliases, own=own), read_clock)


def make_budgets(settings: Settings, models: Models) -> Budgets:
    """The budgets of contexts: what is set, else what the upstream tells, else a default."""
    fixed = settings.context_tokens or models.context_tokens
    return Budgets(ratios=TokenRatios(), context_tokens=fixed, default_tokens=CONTEXT_TOKENS)


def make_tokenizers(settings: Settings, models: Models) -> Tokenizers:
    """The tokenizers that are on this machine. Raises SettingsError for a file that is none."""
    return Tokenizers(settings.tokenizers, aliases=settings.model_aliases, embedded=models.embedded)


def server_policy(settings: Settings) -> ContextPolicy:
    """What counts where no tenant, agent, session or turn says anything."""
    return ContextPolicy(overflow=settings.context_overflow, recall=settings.recall)


def turn_limits(settings: Settings) -> TurnLimits:
    """The limits of turns."""
    return TurnLimits(
        concurrency=settings.concurrency,
        on_disconnect=settings.on_disconnect,
        queue_wait_s=settings.queue_wait_s,
        queue_max=settings.queue_max,
        turn_s=settings.turn_s,
    )
