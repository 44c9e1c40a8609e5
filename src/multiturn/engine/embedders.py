"""The embedding models at hand: the present one, and others whose vectors are still stored."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from multiturn.engine.ports import Embedder
from multiturn.errors import MultiturnError

log = logging.getLogger(__name__)

# A turn waits no longer than this for the vectors of its query, and is then answered by words alone.
QUERY_WAIT_S = 0.8
# After that the next turns do not wait at all for a while.
PAUSE_S = 10.0


class Embedders:
    """The present embedding model, None where there is none, and those that stored vectors may still need.

    ``now`` is a clock in seconds that never goes back.
    """

    def __init__(
        self,
        current: Embedder | None,
        others: Collection[Embedder] = (),
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.current = current
        self.others = tuple(others)
        self.now = now
        self.paused_until: dict[str, float] = {}

    def find(self, model: str) -> Embedder | None:
        """Find the embedder of a model."""
        for embedder in (self.current, *self.others):
            if embedder and embedder.model == model:
                return embedder
        return None

    async def embed_query(
        self, text: str, models: Collection[str], *, wait_s: float = QUERY_WAIT_S
    ) -> dict[str, NDArray[np.float32]]:
        """The vector of a turn's query for each of these models, all asked at once; one that cannot answer now, or was
        too slow a moment ago, is left out.
        """
        return {model: rows[0] for model, rows in (await self.embed_queries([text], models, wait_s=wait_s)).items()}

    async def embed_queries(
        self, texts: Sequence[str], models: Collection[str], *, wait_s: float = QUERY_WAIT_S
    ) -> dict[str, NDArray[np.float32]]:
        """The same of several texts, in rows."""
        embedders = [embedder for model in models if (embedder := self.find(model)) and not self._is_paused(model)]
        found = await asyncio.gather(*(self._embed(texts, embedder, wait_s) for embedder in embedders))
        pairs = zip(embedders, found, strict=True)
        return {embedder.model: rows for embedder, rows in pairs if rows is not None}

    async def _embed(self, texts: Sequence[str], embedder: Embedder, wait_s: float) -> NDArray[np.float32] | None:
        try:
            async with asyncio.timeout(wait_s):
                return await embedder.embed(texts, is_query=True)
        except TimeoutError:
            self._pause(embedder.model, wait_s)
        except MultiturnError as error:
            log.debug("a turn is searched without vectors of %s: %s", embedder.model, error)
        return None

    def _is_paused(self, model: str) -> bool:
        return self.now() < self.paused_until.get(model, float("-inf"))

    def _pause(self, model: str, wait_s: float) -> None:
        """Let the next turns go by words alone."""
        if not self._is_paused(model):
            text = "turns are searched by words alone for %.0f s: the vector of a query by %s took over %.1f s"
            log.warning(text, PAUSE_S, model, wait_s)
        self.paused_until[model] = self.now() + PAUSE_S
