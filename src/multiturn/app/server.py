"""A server: opened of its settings, and closed again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from multiturn.api.edge import Edge
from multiturn.api.errors import handle_bug, handle_error, handle_http
from multiturn.api.quotas import QUOTA_HEADERS
from multiturn.api.routes import list_routes
from multiturn.api.services import Services
from multiturn.app.engine import Crews, Engine, turn_limits
from multiturn.app.library import ReadingModels, make_extractor, open_library
from multiturn.app.models import (
    Models,
    open_embeddings,
    open_models,
    open_others,
    open_reranking,
    open_speech,
    open_summariser,
    open_transcription,
    open_vision,
)
from multiturn.app.services import make_services
from multiturn.app.stores import open_database, open_stores, read_clock
from multiturn.app.tools import open_tool_host
from multiturn.config import Settings
from multiturn.engine.approvals import Approvals
from multiturn.engine.ingestion.item_index import DueVectors
from multiturn.engine.keys import Keys
from multiturn.engine.ports import Embedder, Upstream
from multiturn.engine.ports_tools import ToolHost
from multiturn.engine.retention import Recovery, Retention
from multiturn.engine.runs import Runs
from multiturn.engine.turns import Turns
from multiturn.engine.usage import Meter
from multiturn.errors import MultiturnError
from multiturn.model.ids import new_id
from multiturn.model.notice import Topic
from multiturn.store.database import Database
from multiturn.store.ownership import own_directory
from multiturn.worker.crew import Crew, repeat
from multiturn.worker.rounds import Rounds

# How much of what is used beside sessions a server that dies may lose.
COUNT_S = 1.0
SHOWN_HEADERS = (
    "X-Session-Id",
    "X-Run-Id",
    "X-Request-Id",
    "Retry-After",
    *QUOTA_HEADERS,
    "ETag",
    "Content-Range",
    "Accept-Ranges",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that is open: its ASGI application, and its keys for who starts it.

    ``finish_turns`` waits for the turns that run, and after ``stop_s`` seconds ends those that are left.
    """

    app: ASGIApp
    keys: Keys
    models: Models
    finish_turns: Callable[[], Coroutine[Any, Any, int]]


@asynccontextmanager
async def open_server(
    settings: Settings,
    *,
    upstream: Upstream | None = None,
    embedder: Embedder | None = None,
    tool_host: ToolHost | None = None,
) -> AsyncGenerator[Server]:
    """Make a server of its settings, and close everything again. ``upstream`` and ``embedder`` stand in for the models
    of the settings, ``tool_host`` for the servers that agents' tools are at.

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
                reranker=await open_reranking(settings, stack),
            )
        if not upstream or settings.speech_model:
            models = replace(models, speech=await open_speech(settings, stack))
        if models.embedder and not upstream:
            models = replace(
                models, other_embedders=await open_others(settings, database, models.embedder.model, stack)
            )
        yield await assemble_server(settings, database, models, tool_host, stack)


async def assemble_server(
    settings: Settings, database: Database, models: Models, tool_host: ToolHost | None, stack: AsyncExitStack
) -> Server:
    """Put the server together and begin its rounds."""
    server_id, crews, stores = new_id(), Crews(Crew(), Crew()), open_stores(database)
    tool_host = tool_host or await open_tool_host(settings, stack)
    engine = Engine(settings, stores, models, crews, tool_host)
    stack.callback(engine.tracer.close)
    if embedded := models.embedded:
        engine.metrics.model_queue.set_function(lambda: embedded.state().queue_length)
    reading = ReadingModels(
        embedder=models.embedder,
        speech=models.speech,
        transcriber=await open_transcription(settings, stack),
        describer=await open_vision(settings, stack),
        extractor=make_extractor(settings, models.summariser or models.upstream, models.default_model),
    )
    library = await open_library(settings, stores, reading, engine.metrics)
    turns = Turns(server_id, engine.parts, engine.quotas, turn_limits(settings))
    database.listen(Ear(turns, engine))
    recovery = Recovery(server_id, stores.servers, stores.turns, engine.runs, read_clock)
    events_life = timedelta(seconds=settings.events_life_s)
    retention = Retention(stores.retention, read_clock, engine.metrics, events_life=events_life)
    due = DueVectors(stores.parts, models.embedder, read_clock)
    approvals = Approvals(stores.approvals, turns, read_clock)
    chores = (
        engine.knowledge.embed_due,
        engine.indexes.embed_due,
        due.embed_due,
        approvals.expire,
        engine.keys.save_uses,
    )
    rounds = Rounds(recovery, retention, engine.runs, chores, sweep_every_s=settings.sweep_every_s)
    await rounds.begin()
    stack.push_async_callback(rounds.end)
    await library.indexers.begin()
    stack.push_async_callback(library.indexers.end)
    begin_counting(engine.meter, stack)
    finish_turns = partial(finish, crews, engine.runs, limit_s=settings.stop_s)
    stack.push_async_callback(finish_turns)
    services = await make_services(settings, stores, engine, library, approvals, lambda: rounds.is_beating)
    return Server(app=make_app(services, settings), keys=engine.keys, models=models, finish_turns=finish_turns)


def begin_counting(meter: Meter, stack: AsyncExitStack) -> None:
    """Store what calls beside sessions used, every second and at the end."""
    crew = Crew()
    stack.push_async_callback(meter.close)
    stack.push_async_callback(partial(crew.finish, limit_s=0))
    crew.spawn(repeat(meter.flush, every_s=COUNT_S))


async def finish(crews: Crews, runs: Runs, *, limit_s: float) -> int:
    """Let turns end, and those who follow turns of other servers hear of it; after the limit they are told and cut."""
    runs.close(limit_s=limit_s)
    cut = await crews.turns.finish(limit_s=limit_s)
    await crews.behind.finish(limit_s=0)
    return cut


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

    def __init__(self, turns: Turns, engine: Engine) -> None:
        self.hearers: dict[Topic, Callable[[UUID], None]] = {
            "started": turns.hear_started,
            "cancel": engine.runs.cancel_here,
            "revoked": engine.keys.hear_revoked,
            "user": engine.keys.hear_user,
            "policy": engine.tenants.hear_policy,
            "quota": engine.quotas.hear_quota,
        }

    def __call__(self, topic: Topic, subject: Any) -> None:
        """Hear one notice."""
        self.hearers[topic](subject)
