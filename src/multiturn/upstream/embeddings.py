"""Opens what turns texts into vectors: a provider, the model that comes with the server, or nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

from msgspec import Struct

from multiturn.upstream.embeddings_embedded import EmbeddedEmbedder, EmbedderOrder
from multiturn.upstream.http import CallLimits, open_session
from multiturn.upstream.model_files import ModelFiles
from multiturn.upstream.openai_embeddings import EmbeddingsEndpoint, OpenAIEmbedder

CONNECTIONS_MAX = 64
NONE: Literal["none"] = "none"


class EmbeddingsChoice(Struct, frozen=True, kw_only=True):
    """What the settings say of embeddings; without a URL ``model`` is one of the catalogue, or ``none``."""

    url: str | None = None
    key: str | None = None
    model: str | None = None
    dimensions: int | None = None
    connect_s: float = 10.0


@asynccontextmanager
async def open_embedder(
    choice: EmbeddingsChoice, files: ModelFiles
) -> AsyncGenerator[EmbeddedEmbedder | OpenAIEmbedder | None]:
    """Open the embedder of the settings, and close it; None where embeddings are switched off.

    The embedded model comes up in the background: until then its calls raise Unavailable. Raises ModelNotFound
    when the catalogue has no embedding model of that name.
    """
    if choice.model == NONE:
        yield None
    elif choice.url is not None:
        endpoint = EmbeddingsEndpoint(
            url=choice.url, key=choice.key, model=choice.model or "", dimensions=choice.dimensions
        )
        async with open_session(connections_max=CONNECTIONS_MAX) as session:
            yield OpenAIEmbedder(endpoint, session, limits=CallLimits(connect_s=choice.connect_s))
    else:
        name = choice.model or files.read_default("embedding")
        embedder = EmbeddedEmbedder(EmbedderOrder(model=name), files)
        await embedder.start()
        try:
            yield embedder
        finally:
            await embedder.close()
