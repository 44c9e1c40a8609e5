"""The composition root: makes every part, hands it on, closes it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec.structs import asdict
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from multiturn.api.edge import Edge
from multiturn.api.errors import handle_error, handle_http
from multiturn.api.routes import list_routes
from multiturn.api.services import Services
from multiturn.config import Settings
from multiturn.engine.agents import Agents
from multiturn.engine.contexts import Contexts
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
from multiturn.engine.speakers import Speakers
from multiturn.engine.summaries import Summaries
from multiturn.engine.templates import Templates
from multiturn.engine.tenants import Tenants
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
from multiturn.store.turns import SqlTurnStore
from multiturn.store.users import SqlUserStore
from multiturn.upstream import openai_wire
from multiturn.upstream.embedded import EmbeddedOrder, EmbeddedUpstream
from multiturn.upstream.http import CallLimits, open_session
from multiturn.upstream.model_files import ModelFiles, find_shared_dir
from multiturn.upstream.openai_chat import OpenAIChatUpstream
from multiturn.upstream.router import RetryLimits, Route, Router
from multiturn.worker.crew import Crew
from multiturn.worker.rounds import Rounds

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
    summariser: Upstream | None = None

    def states(self) -> Sequence[dict[str, Any]]:
        """How each upstream is, for ``/healthz``."""
        if self.embedded:
            return [asdict(self.embedded.state())]
        return [asdict(state) for state in self.router.states()] if self.router else []


def read_clock() -> datetime:
    """The time, aware and in UTC."""
    return datetime.now(UTC)


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


async def assemble_server(settings: Settings, database: Database, models: Models, stack: AsyncExitStack) -> Server:
    """Put the engine together and begin its rounds."""
    server_id, metrics, crew = new_id(), Metrics(), Crew()
    if embedded := models.embedded:
        metrics.model_queue.set_function(lambda: embedded.state().queue_length)
    tracer = make_tracer(settings.traces_url)
    stack.callback(tracer.close)
    turn_store, items = SqlTurnStore(database), SqlItemStore(database)
    run_store, retention_store = SqlRunStore(database), SqlRetentionStore(database)
    runs = Runs(run_store, items, openai_wire, read_clock)
    agent_store, user_store, templates = SqlAgentStore(database), SqlUserStore(database), Templates()
    tenants = Tenants(SqlTenantStore(database), read_clock)
    context_store, embedders = SqlContextStore(database), Embedders(models.embedder)
    indexes = SessionIndexes(items, context_store, embedders, metrics)
    knowledge = Knowledge(SqlKnowledgeStore(database), read_clock, embedders)
    recall = Recall(items, indexes, knowledge, embedders, metrics)
    assembler = Assembler(items, context_store, recall, WindowCache(bytes_max=WINDOW_CACHE_BYTES))
    speakers = Speakers(agent_store, user_store, tenants, templates, policy=server_policy(settings))
    contexts = Contexts(speakers, models.upstream, make_budgets(settings, models), assembler, context_store)
    summariser = models.summariser or models.upstream
    summaries = Summaries(summariser, items, context_store, metrics, model=settings.summary_model)
    parts = Parts(
        store=turn_store,
        items=items,
        upstream=models.upstream,
        contexts=contexts,
        upkeep=Upkeep(indexes, summaries, metrics, crew.spawn),
        runs=runs,
        metrics=metrics,
        tracer=tracer,
        clock=read_clock,
        spawn=crew.spawn,
    )
    turns = Turns(server_id, parts, turn_limits(settings))
    keys = Keys(SqlKeyStore(database), read_clock)
    database.listen(Ear(turns, runs, keys, tenants))
    recovery = Recovery(server_id, SqlServerStore(database), turn_store, runs, read_clock)
    retention = Retention(retention_store, read_clock, metrics, events_life=timedelta(seconds=settings.events_life_s))
    rounds = Rounds(recovery, retention, runs, knowledge, sweep_every_s=settings.sweep_every_s)
    await rounds.begin()
    stack.push_async_callback(rounds.end)
    finish_turns = partial(finish, crew, runs, limit_s=settings.stop_s)
    stack.push_async_callback(finish_turns)
    session_stores = SessionStores(
        sessions=SqlSessionStore(database),
        items=items,
        runs=run_store,
        retention=retention_store,
        agents=agent_store,
        users=user_store,
    )
    services = Services(
        turns=turns,
        runs=runs,
        sessions=Sessions(session_stores, assembler, read_clock, templates.check),
        keys=keys,
        agents=Agents(agent_store, read_clock, templates.check, partial(erase_documents, retention_store)),
        users=Users(user_store, read_clock),
        tenants=tenants,
        knowledge=knowledge,
        upstream=models.upstream,
        metrics=metrics,
        default_model=models.default_model,
        header_idle_expiry_s=settings.session_idle_expiry_s,
        body_bytes_max=settings.body_bytes_max,
        open_caller=await open_caller(keys) if settings.auth == "none" else None,
        models_state=models.states,
        is_ready=lambda: rounds.is_beating,
    )
    return Server(app=make_app(services, settings), keys=keys, models=models, finish_turns=finish_turns)


async def finish(crew: Crew, runs: Runs, *, limit_s: float) -> int:
    """Let turns end, and those who follow turns of other servers hear of it; after the limit they are told and cut."""
    runs.close(limit_s=limit_s)
    return await crew.finish(limit_s=limit_s)


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
        exception_handlers={MultiturnError: handle_error, HTTPException: handle_http},
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
