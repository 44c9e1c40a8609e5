"""The embedding models at hand: the present one, and others whose vectors are still stored."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from multiturn.engine.ports import Embedder
from multiturn.errors import MultiturnError

# A turn waits no longer than this for the vector of its query, and is then answered by words alone.
QUERY_WAIT_S = 1.0


class Embedders:
    """The present embedding model, None where there is none, and those that stored vectors may still need."""

    def __init__(self, current: Embedder | None, others: Collection[Embedder] = ()) -> None:
        self.current = current
        self.others = tuple(others)

    def find(self, model: str) -> Embedder | None:
        """Find the embedder of a model."""
        for embedder in (self.current, *self.others):
            if embedder and embedder.model == model:
                return embedder
        return None

    async def embed_query(self, text: str, models: Collection[str]) -> dict[str, NDArray[np.float32]]:
        """The vector of a query for each of these models; one that cannot answer now is left out."""
        vectors: dict[str, NDArray[np.float32]] = {}
        for model in models:
            embedder = self.find(model)
            if embedder is None:
                continue
            try:
                async with asyncio.timeout(QUERY_WAIT_S):
                    vectors[model] = (await embedder.embed([text], is_query=True))[0]
            except (MultiturnError, TimeoutError):
                continue
        return vectors
