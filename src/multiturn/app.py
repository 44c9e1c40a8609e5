"""The composition root: makes every part, hands it on, closes it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import asdict
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from multiturn.api.edge import Edge
from multiturn.api.errors import handle_bug, handle_error, handle_http
from multiturn.api.routes import list_routes
from multiturn.api.services import Services
from multiturn.config import Settings
from multiturn.engine.agents import Agents
from multiturn.engine.contexts import Contexts, ModelFacts
from multiturn.engine.embedders import Embedders
from multiturn.engine.erasure import erase_documents
from multiturn.engine.execution import Parts
from multiturn.engine.keys import DEFAULT_TENANT, Keys
from multiturn.engine.knowledge import Knowledge
from multiturn.engine.ports import Embedder, Upstream
from multiturn.engine.recall import Recall
from multiturn.engine.retention import Recovery, Retention
from multiturn.engine.runs import Runs
from multiturn.engine.session_index import SessionIndexes
from multiturn.engine.sessions import Sessions, SessionStores
from multiturn.engine.speakers import Defaults, Speakers
from multiturn.engine.summaries import Summaries
from multiturn.engine.templates import Templates
from multiturn.engine.tenants import Tenants
from multiturn.engine.transfer import Exports
from multiturn.engine.transfer_import import Imports
from multiturn.engine.turns import TurnLimits, Turns
from multiturn.engine.upkeep import Upkeep
from multiturn.engine.users import Users
from multiturn.engine.window.assemble import Assembler
from multiturn.engine.window.budget import Budgets
from multiturn.engine.window.cache import WindowCache
from multiturn.engine.window.tokens import TokenRatios
from multiturn.errors import MultiturnError, SettingsError
from multiturn.model.ids import new_id
from multiturn.model.notice import Topic
from multiturn.model.policy import ContextPolicy
from multiturn.model.tenant import Caller
from multiturn.observe import Metrics, Tracer, open_tracer
from multiturn.store.agents import SqlAgentStore
from multiturn.store.contexts import SqlContextStore
from multiturn.store.database import Database
from multiturn.store.keys import SqlKeyStore
from multiturn.store.knowledge import SqlKnowledgeStore
from multiturn.store.ownership import own_directory
from multiturn.store.postgres import PostgresDatabase
from multiturn.store.retention import SqlRetentionStore, SqlServerStore
from multiturn.store.runs import SqlRunStore
from multiturn.store.sessions import SqlItemStore, SqlSessionStore
from multiturn.store.sqlite import SqliteDatabase
from multiturn.store.tenants import SqlTenantStore
from multiturn.store.transfer import SqlTransferStore
from multiturn.store.turns import SqlTurnStore
from multiturn.store.users import SqlUserStore
from multiturn.upstream import openai_wire
from multiturn.upstream.catalogue import EMBEDDING_MODELS
from multiturn.upstream.embedded import EmbeddedOrder, EmbeddedUpstream
from multiturn.upstream.embeddings import EmbeddingsChoice, open_embedder
from multiturn.upstream.embeddings_embedded import EmbeddedEmbedder
from multiturn.upstream.http import CallLimits, open_session
from multiturn.upstream.model_files import ModelFiles, find_shared_dir
from multiturn.upstream.openai_chat import OpenAIChatUpstream
from multiturn.upstream.openai_embeddings import OpenAIEmbedder
from multiturn.upstream.router import RetryLimits, Route, Router
from multiturn.upstream.tokenizers import Tokenizers
from multiturn.worker.crew import Crew
from multiturn.worker.rounds import Rounds

SUMMARY_CONNECTIONS_MAX = 16
WINDOW_CACHE_BYTES = 64 * 1024 * 1024
# What a model's window is taken for when neither a setting nor its upstream tells.
CONTEXT_TOKENS = 8192
# The embedded model reads some 50 to 90 tokens a second where nothing is cached (docs/decisions/embedded-model.md).
EMBEDDED_CONTEXT_TOKENS = 2048
# What it is loaded with, more than the budget: our count of tokens is an estimate.
EMBEDDED_WINDOW_TOKENS = 4096
SHOWN_HEADERS = ("X-Session-Id", "X-Run-Id", "X-Request-Id", "Retry-After")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that is open: its ASGI application, and its keys for who starts it.

    ``finish_turns`` waits for the turns that run, and after ``stop_s`` seconds ends those that are left.
    """

    app: ASGIApp
    keys: Keys
    models: Models
    finish_turns: Callable[[], Coroutine[Any, Any, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """What answers: the upstream that turns call, and the state of what is behind it.

    ``context_tokens`` is the window to use whatever the upstream tells, where no setting says another.
    """

    upstream: Upstream
    default_model: str | None
    context_tokens: int | None = None
    router: Router | None = None
    embedded: EmbeddedUpstream | None = None
    embedder: Embedder | None = None
    other_embedders: Sequence[Embedder] = ()
    summariser: Upstream | None = None

    def states(self) -> Sequence[dict[str, Any]]:
        """How each upstream is, for ``/healthz``."""
        embedder = [asdict(self.embedder.state())] if isinstance(self.embedder, EmbeddedEmbedder) else []
        if self.embedded:
            return [asdict(self.embedded.state()), *embedder]
        return [*(asdict(state) for state in self.router.states()), *embedder] if self.router else embedder


def read_clock() -> datetime:
    """The time, aware and in UTC, in whole milliseconds as it is stored."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@asynccontextmanager
async def open_server(
    settings: Settings, *, upstream: Upstream | None = None, embedder: Embedder | None = None
) -> AsyncGenerator[Server]:
    """Make a server of its settings, and close everything again. ``upstream`` and ``embedder`` stand in for the models
    of the settings.

    Raises SettingsError when the data directory or the database cannot be used.
    """
    async with AsyncExitStack() as stack:
        if settings.is_sqlite:
            stack.enter_context(own_directory(settings.data_dir))
        database = await open_database(settings, stack)
        if upstream:
            models = Models(upstream=upstream, default_model=settings.model, embedder=embedder)
        else:
            models = await open_models(settings, stack)
            models = replace(
                models,
                embedder=await open_embeddings(settings, stack),
                summariser=await open_summariser(settings, stack),
            )
        if models.embedder and not upstream:
            models = replace(
                models, other_embedders=await open_others(settings, database, models.embedder.model, stack)
            )
        yield await assemble_server(settings, database, models, stack)


async def open_database(settings: Settings, stack: AsyncExitStack) -> Database:
    """Open the database and bring its tables to this version."""
    database: Database
    if settings.is_sqlite:
        settings.sqlite_path.parent.mkdir(parents=True, exist_ok=True)
        database = SqliteDatabase(settings.sqlite_path)
    else:
        database = PostgresDatabase(settings.database_url or "", connections_max=settings.database_connections_max)
    stack.push_async_callback(database.close)
    await database.migrate()
    return database


async def open_models(settings: Settings, stack: AsyncExitStack) -> Models:
    """Open what answers: the upstreams of the settings, else the embedded model."""
    if settings.upstream_url is None:
        return await open_embedded(settings, stack)
    session = await stack.enter_async_context(open_session(connections_max=settings.upstream_connections_max))
    limits = CallLimits(connect_s=settings.connect_s, first_token_s=settings.first_token_s, idle_s=settings.idle_s)
    chain = [
        (settings.upstream_url, settings.upstream_key, None),
        *((f.url, f.key, f.model) for f in settings.fallbacks),
    ]
    routes = [
        Route(name=url, upstream=OpenAIChatUpstream(url, key, session, limits=limits), model=model)
        for url, key, model in chain
    ]
    router = Router(routes, settings.model_aliases, RetryLimits(retries=settings.upstream_retries))
    return Models(upstream=router, router=router, default_model=settings.model)


async def open_embeddings(settings: Settings, stack: AsyncExitStack) -> EmbeddedEmbedder | OpenAIEmbedder | None:
    """Open what turns texts into vectors; the embedded model comes up while the server answers already."""
    choice = EmbeddingsChoice(
        url=settings.embedding_url,
        key=settings.embedding_key,
        model=settings.embedding_model,
        dimensions=settings.embedding_dimensions,
        connect_s=settings.connect_s,
    )
    return await stack.enter_async_context(open_embedder(choice, model_files(settings.data_dir)))


async def open_others(
    settings: Settings, database: Database, current: str, stack: AsyncExitStack
) -> Sequence[Embedder]:
    """Open the models that made vectors before the present one: both are searched until there are new ones."""
    embedded = {model.name for model in EMBEDDING_MODELS}
    others: list[Embedder] = []
    for model in await SqlContextStore(database).list_models_in_use():
        is_known = model in embedded or settings.embedding_url is not None
        if model != current and is_known:
            url = None if model in embedded else settings.embedding_url
            choice = EmbeddingsChoice(url=url, key=settings.embedding_key, model=model, connect_s=settings.connect_s)
            embedder = await stack.enter_async_context(open_embedder(choice, model_files(settings.data_dir)))
            others += [embedder] if embedder else []
    return others


async def open_summariser(settings: Settings, stack: AsyncExitStack) -> Upstream | None:
    """Open the provider that writes summaries, where one is set; else the session's own model does."""
    if settings.summary_url is None:
        return None
    session = await stack.enter_async_context(open_session(connections_max=SUMMARY_CONNECTIONS_MAX))
    limits = CallLimits(connect_s=settings.connect_s, first_token_s=settings.first_token_s, idle_s=settings.idle_s)
    return OpenAIChatUpstream(settings.summary_url, settings.summary_key, session, limits=limits)


async def open_embedded(settings: Settings, stack: AsyncExitStack) -> Models:
    """Start the embedded model; it loads while the server answers already."""
    files = model_files(settings.data_dir)
    name = settings.model or files.read_default()
    order = EmbeddedOrder(
        model=name,
        context_tokens=max(settings.context_tokens or 0, EMBEDDED_WINDOW_TOKENS),
        threads=settings.model_threads,
        queue_max=settings.model_queue_max,
    )
    embedded = EmbeddedUpstream(order, files)
    await embedded.start()
    stack.push_async_callback(embedded.close)
    budget = EMBEDDED_CONTEXT_TOKENS
    return Models(upstream=embedded, embedded=embedded, default_model=name, context_tokens=budget)


def model_files(data_dir: Path) -> ModelFiles:
    """Where models are: in the data directory, and in the cache that all data directories of a user share."""
    return ModelFiles(data_dir, shared_dir=find_shared_dir(os.environ))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Everything that is kept in the database."""

    turns: SqlTurnStore
    items: SqlItemStore
    runs: SqlRunStore
    sessions: SqlSessionStore
    contexts: SqlContextStore
    retention: SqlRetentionStore
    agents: SqlAgentStore
    users: SqlUserStore
    tenants: SqlTenantStore
    knowledge: SqlKnowledgeStore
    transfer: SqlTransferStore
    keys: SqlKeyStore
    servers: SqlServerStore


def open_stores(database: Database) -> Stores:
    """The stores over one database."""
    return Stores(
        turns=SqlTurnStore(database),
        items=SqlItemStore(database),
        runs=SqlRunStore(database),
        sessions=SqlSessionStore(database),
        contexts=SqlContextStore(database),
        retention=SqlRetentionStore(database),
        agents=SqlAgentStore(database),
        users=SqlUserStore(database),
        tenants=SqlTenantStore(database),
        knowledge=SqlKnowledgeStore(database),
        transfer=SqlTransferStore(database),
        keys=SqlKeyStore(database),
        servers=SqlServerStore(database),
    )


class Crews(NamedTuple):
    """The tasks of turns, which are waited for when the server stops, and those behind them, which are not: what they
    leave undone is done behind a later turn.
    """

    turns: Crew
    behind: Crew


class Engine:
    """The engine, put together over its stores and models."""

    def __init__(self, settings: Settings, stores: Stores, models: Models, crews: Crews) -> None:
        self.metrics = metrics = Metrics()
        self.tracer = make_tracer(settings.traces_url)
        self.runs = Runs(stores.runs, stores.items, openai_wire, read_clock)
        self.keys = Keys(stores.keys, read_clock)
        self.tenants = Tenants(stores.tenants, read_clock)
        self.templates = Templates()
        self.embedders = Embedders(models.embedder, models.other_embedders)
        self.indexes = SessionIndexes(stores.items, stores.contexts, self.embedders, metrics)
        self.knowledge = Knowledge(stores.knowledge, read_clock, self.embedders)
        recall = Recall(stores.items, self.indexes, self.knowledge, self.embedders, metrics)
        windows = WindowCache(bytes_max=WINDOW_CACHE_BYTES)
        self.assembler = Assembler(stores.items, stores.contexts, recall, windows)
        defaults = Defaults(policy=server_policy(settings), model=models.default_model, clock=read_clock)
        speakers = Speakers(stores, self.tenants, self.templates, self.knowledge, defaults)
        budgets = make_budgets(settings, models)
        facts = ModelFacts(models.upstream, make_tokenizers(settings, models))
        self.contexts = Contexts(speakers, facts, budgets, self.assembler, stores.contexts)
        summariser = models.summariser or models.upstream
        summaries = Summaries(summariser, stores, metrics, read_clock, model=settings.summary_model)
        self.upkeep = Upkeep(self.indexes, summaries, metrics, crews.behind.spawn)
        self.parts = Parts(
            store=stores.turns,
            items=stores.items,
            upstream=models.upstream,
            contexts=self.contexts,
            upkeep=self.upkeep,
            runs=self.runs,
            metrics=metrics,
            tracer=self.tracer,
            clock=read_clock,
            spawn=crews.turns.spawn,
        )


async def assemble_server(settings: Settings, database: Database, models: Models, stack: AsyncExitStack) -> Server:
    """Put the server together and begin its rounds."""
    server_id, crews, stores = new_id(), Crews(Crew(), Crew()), open_stores(database)
    engine = Engine(settings, stores, models, crews)
    stack.callback(engine.tracer.close)
    if embedded := models.embedded:
        engine.metrics.model_queue.set_function(lambda: embedded.state().queue_length)
    turns = Turns(server_id, engine.parts, turn_limits(settings))
    database.listen(Ear(turns, engine.runs, engine.keys, engine.tenants))
    recovery = Recovery(server_id, stores.servers, stores.turns, engine.runs, read_clock)
    events_life = timedelta(seconds=settings.events_life_s)
    retention = Retention(stores.retention, read_clock, engine.metrics, events_life=events_life)
    embeds = (engine.knowledge.embed_due, engine.indexes.embed_due)
    rounds = Rounds(recovery, retention, engine.runs, embeds, sweep_every_s=settings.sweep_every_s)
    await rounds.begin()
    stack.push_async_callback(rounds.end)
    finish_turns = partial(finish, crews, engine.runs, limit_s=settings.stop_s)
    stack.push_async_callback(finish_turns)
    services = await make_services(settings, stores, models, engine, turns, lambda: rounds.is_beating)
    return Server(app=make_app(services, settings), keys=engine.keys, models=models, finish_turns=finish_turns)


async def make_services(
    settings: Settings, stores: Stores, models: Models, engine: Engine, turns: Turns, is_ready: Callable[[], bool]
) -> Services:
    """The engine as the handlers see it."""
    check = engine.templates.check
    session_stores = SessionStores(
        sessions=stores.sessions,
        items=stores.items,
        runs=stores.runs,
        retention=stores.retention,
        agents=stores.agents,
        users=stores.users,
    )
    return Services(
        turns=turns,
        runs=engine.runs,
        sessions=Sessions(session_stores, (engine.assembler, engine.indexes), read_clock, check),
        exports=Exports(stores, engine.knowledge, read_clock),
        imports=Imports(stores, engine.knowledge, engine.upkeep, read_clock, check),
        contexts=engine.contexts,
        keys=engine.keys,
        agents=Agents(stores.agents, read_clock, check, partial(erase_documents, stores.retention)),
        users=Users(stores.users, read_clock),
        tenants=engine.tenants,
        knowledge=engine.knowledge,
        upstream=models.upstream,
        metrics=engine.metrics,
        default_model=models.default_model,
        header_idle_expiry_s=settings.session_idle_expiry_s,
        body_bytes_max=settings.body_bytes_max,
        open_caller=await open_caller(engine.keys) if settings.auth == "none" else None,
        models_state=models.states,
        is_ready=is_ready,
    )


async def finish(crews: Crews, runs: Runs, *, limit_s: float) -> int:
    """Let turns end, and those who follow turns of other servers hear of it; after the limit they are told and cut."""
    runs.close(limit_s=limit_s)
    cut = await crews.turns.finish(limit_s=limit_s)
    await crews.behind.finish(limit_s=0)
    return cut


def make_tracer(url: str | None) -> Tracer:
    """The tracer of the settings. Raises SettingsError when OpenTelemetry is asked for and not installed."""
    try:
        return open_tracer(url)
    except ImportError as error:
        text = "MULTITURN_TRACES_URL is set and OpenTelemetry is not installed: pip install 'multiturn[otel]'."
        raise SettingsError(text) from error


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


async def open_caller(keys: Keys) -> Caller:
    """Who everybody is when authentication is off: the default user of the default tenant."""
    tenant = await keys.store.ensure_tenant(DEFAULT_TENANT, read_clock())
    return Caller(tenant_id=tenant.id, user_id=tenant.default_user_id, key_id=tenant.id, scopes=("admin",))


def make_app(services: Services, settings: Settings) -> ASGIApp:
    """The ASGI application."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(settings.cors_origins),
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=list(SHOWN_HEADERS),
    )
    app = Starlette(
        routes=list_routes(services),
        middleware=[cors],
        exception_handlers={MultiturnError: handle_error, HTTPException: handle_http, Exception: handle_bug},
    )
    return Edge(app, metrics=services.metrics)


class Ear:
    """Hears what the servers on one database tell each other, and tells whom it concerns."""

    def __init__(self, turns: Turns, runs: Runs, keys: Keys, tenants: Tenants) -> None:
        self.hearers: dict[Topic, Callable[[UUID], None]] = {
            "started": turns.hear_started,
            "cancel": runs.cancel_here,
            "revoked": keys.hear_revoked,
            "user": keys.hear_user,
            "policy": tenants.hear_policy,
        }

    def __call__(self, topic: Topic, subject: Any) -> None:
        """Hear one notice."""
        self.hearers[topic](subject)
