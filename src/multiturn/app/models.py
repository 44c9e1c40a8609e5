"""What answers: the upstreams, the embedding models, what writes summaries."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from multiturn.config import Fallback, Settings
from multiturn.engine.ports import Embedder, Upstream
from multiturn.engine.ports_ingestion import Describer, Transcriber
from multiturn.engine.ports_knowledge import Reranker
from multiturn.store.contexts import SqlContextStore
from multiturn.store.database import Database
from multiturn.upstream.catalogue import EMBEDDING_MODELS
from multiturn.upstream.embedded import EmbeddedOrder, EmbeddedUpstream
from multiturn.upstream.embeddings import EmbeddingsChoice, open_embedder
from multiturn.upstream.embeddings_embedded import EmbeddedEmbedder
from multiturn.upstream.http import CallLimits, open_session
from multiturn.upstream.model_files import ModelFiles, find_shared_dir
from multiturn.upstream.openai_chat import Habits, OpenAIChatUpstream
from multiturn.upstream.openai_embeddings import OpenAIEmbedder
from multiturn.upstream.rerank import RerankEndpoint, open_reranker
from multiturn.upstream.router import RetryLimits, Route, Router
from multiturn.upstream.speech_model import SpeechModel
from multiturn.upstream.transcripts import TranscriptsEndpoint, open_transcriber
from multiturn.upstream.vision import VisionEndpoint, open_describer

NONE = "none"
SUMMARY_CONNECTIONS_MAX = 16
# The embedded model reads some 50 to 90 tokens a second where nothing is cached (docs/decisions/embedded-model.md).
EMBEDDED_CONTEXT_TOKENS = 2048
# What it is loaded with, more than the budget: our count of tokens is an estimate.
EMBEDDED_WINDOW_TOKENS = 4096


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
    speech: SpeechModel | None = None
    reranker: Reranker | None = None

    def states(self) -> Sequence[dict[str, Any]]:
        """How each upstream is, for ``/healthz``."""
        beside = [asdict(self.embedder.state())] if isinstance(self.embedder, EmbeddedEmbedder) else []
        beside += [asdict(self.speech.state())] if self.speech else []
        if self.embedded:
            return [asdict(self.embedded.state()), *beside]
        return [*(asdict(state) for state in self.router.states()), *beside] if self.router else beside


async def open_models(settings: Settings, stack: AsyncExitStack) -> Models:
    """Open what answers: the upstreams of the settings, else the embedded model."""
    if settings.upstream_url is None:
        return await open_embedded(settings, stack)
    session = await stack.enter_async_context(open_session(connections_max=settings.upstream_connections_max))
    limits = CallLimits(connect_s=settings.connect_s, first_token_s=settings.first_token_s, idle_s=settings.idle_s)
    chain = [
        Fallback(url=settings.upstream_url, key=settings.upstream_key, reasoning=settings.upstream_reasoning),
        *settings.fallbacks,
    ]
    routes = [
        Route(
            name=one.url,
            upstream=OpenAIChatUpstream(
                one.url, one.key, session, limits=limits, habits=Habits(reasoning=one.reasoning)
            ),
            model=one.model,
        )
        for one in chain
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


async def open_reranking(settings: Settings, stack: AsyncExitStack) -> Reranker | None:
    """Open what looks at the best of a search again, where one is set."""
    endpoint = None
    if settings.rerank_url:
        endpoint = RerankEndpoint(url=settings.rerank_url, key=settings.rerank_key, model=settings.rerank_model)
    return await stack.enter_async_context(open_reranker(endpoint, connect_s=settings.connect_s))


async def open_transcription(settings: Settings, stack: AsyncExitStack) -> Transcriber | None:
    """Open the provider that turns speech into text, where one is set."""
    endpoint = None
    if settings.speech_url:
        endpoint = TranscriptsEndpoint(url=settings.speech_url, key=settings.speech_key, model=settings.speech_model)
    return await stack.enter_async_context(open_transcriber(endpoint, connect_s=settings.connect_s))


async def open_vision(settings: Settings, stack: AsyncExitStack) -> Describer | None:
    """Open the model that says what pictures show, where one is set."""
    endpoint = None
    if settings.vision_url and settings.vision_model:
        endpoint = VisionEndpoint(url=settings.vision_url, key=settings.vision_key, model=settings.vision_model)
    return await stack.enter_async_context(open_describer(endpoint, connect_s=settings.connect_s))


async def open_speech(settings: Settings, stack: AsyncExitStack) -> SpeechModel | None:
    """Have the embedded speech model fetched, unless speech is turned into text elsewhere, or not at all."""
    if settings.speech_url is not None or settings.speech_model == NONE:
        return None
    speech = SpeechModel(model_files(settings.data_dir), settings.speech_model)
    await speech.start()
    stack.push_async_callback(speech.close)
    return speech


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
