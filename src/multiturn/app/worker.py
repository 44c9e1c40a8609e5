"""A worker: what reads and indexes files beside the servers of a PostgreSQL database."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from multiturn.app.library import ReadingModels, make_extractor, open_library
from multiturn.app.models import (
    open_embeddings,
    open_models,
    open_speech,
    open_summariser,
    open_transcription,
    open_vision,
)
from multiturn.app.stores import open_database, open_stores
from multiturn.config import Settings
from multiturn.observe import Metrics
from multiturn.worker.indexers import Indexers


@asynccontextmanager
async def open_worker(settings: Settings) -> AsyncGenerator[Indexers]:
    """Index what servers put into the database, for as long as the block runs.

    The embedded chat model is the servers': without an upstream of its own a worker extracts no facts and writes no
    summaries by a model. Raises SettingsError.
    """
    async with AsyncExitStack() as stack:
        stores = open_stores(await open_database(settings, stack))
        summariser = await open_summariser(settings, stack)
        models = await open_models(settings, stack) if settings.upstream_url else None
        upstream = summariser or (models.upstream if models else None)
        reading = ReadingModels(
            embedder=await open_embeddings(settings, stack),
            speech=await open_speech(settings, stack),
            transcriber=await open_transcription(settings, stack),
            describer=await open_vision(settings, stack),
            extractor=make_extractor(settings, upstream, settings.model) if upstream else None,
        )
        library = await open_library(settings, stores, reading, Metrics())
        await library.indexers.begin()
        stack.push_async_callback(library.indexers.end)
        yield library.indexers
