"""The embedding model that comes with the server, in a process of its own: queries first, one request at a time."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from multiturn.errors import Unavailable, UpstreamError
from multiturn.upstream.catalogue import EMBEDDING_MODELS, get_model
from multiturn.upstream.embedded import EmbeddedState, State
from multiturn.upstream.embeddings_child import EmbeddingsChild, EmbeddingsOrder
from multiturn.upstream.model_files import ModelFiles

log = logging.getLogger(__name__)

RESTART_MIN_S, RESTART_MAX_S = 0.25, 30.0
PULL_AGAIN_S = 300.0
"""A machine that cannot reach the model's files is not asked every moment: the server works without them."""
RETRY_AFTER_S = 5.0
TEXTS_AT_ONCE_MAX = 16
BYTES_AT_ONCE_MAX = 1024
"""Some 250 word pieces, the longest text's: behind so much, and no more, a query may have to wait."""
TEXT_CHARS_MAX = 8192
"""What is sent of a text; the model reads the first ``tokens_max`` word pieces, some four characters each."""


class EmbedderOrder(Struct, frozen=True, kw_only=True):
    """Which model of the catalogue to run, and how.

    ``queue_max`` calls wait for queries, and as many for passages. Of each text the first ``tokens_max`` word
    pieces count: 256 is what all-MiniLM-L6-v2 was made for.
    """

    model: str
    threads: int = 1
    queue_max: int = 64
    tokens_max: int = 256


class EmbeddedEmbedder:
    """Turns texts into vectors with a local model; ``model`` is its name.

    Between ``start`` and ``close`` it keeps the model's process running: it pulls missing files, loads them, and
    starts the process anew when it dies.
    """

    def __init__(self, order: EmbedderOrder, files: ModelFiles) -> None:
        self.model = get_model(order.model, EMBEDDING_MODELS).name
        self._order = order
        self._files = files
        self._state: State = "loading"
        self._detail = ""
        self._line: _Line | None = None
        self._waiting = {True: 0, False: 0}
        self._has_worked = False
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to bring the model up, in the background."""
        self._keeper = asyncio.create_task(self._keep(), name="embedding model")

    async def close(self) -> None:
        """End the model's process; a request that runs fails."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        self._become("failed", "The server is stopping.")

    def state(self) -> EmbeddedState:
        """Tell what the model is doing."""
        waiting = sum(self._waiting.values())
        return EmbeddedState(name=self.model, state=self._state, detail=self._detail, queue_length=waiting)

    async def embed(self, texts: Sequence[str], *, is_query: bool = False) -> NDArray[np.float32]:
        """Turn each text into a row of length 1; of a long text its beginning counts. Queries go before passages.

        Raises Unavailable (``model_not_ready``, ``embedder_busy``) or UpstreamError (``model_crashed``).
        """
        line = self._get_line()
        if self._waiting[is_query] >= self._order.queue_max:
            text = f"The embedding model is busy and {self._waiting[is_query]} calls wait for it already."
            raise Unavailable(text, code="embedder_busy", retry_after_s=RETRY_AFTER_S)
        self._waiting[is_query] += 1
        try:
            written = [text[:TEXT_CHARS_MAX].encode("utf-8", "replace") for text in texts]
            rows = np.empty((len(written), line.dimensions), np.float32)
            for places in cut_by_length(written):
                rows[places] = await line.ask([written[place] for place in places], is_query=is_query)
            return rows
        finally:
            self._waiting[is_query] -= 1

    def _get_line(self) -> _Line:
        if self._line is not None:
            return self._line
        said = {
            "missing": f"is not on this machine: {self._detail}",
            "pulling": f"is being downloaded: {self._detail}.",
            "failed": f"does not start: {self._detail}",
        }.get(self._state, "is still loading.")
        text = f"The embedding model {self.model} {said}"
        raise Unavailable(text, code="model_not_ready", retry_after_s=RETRY_AFTER_S)

    def _become(self, state: State, detail: str = "") -> None:
        self._state, self._detail = state, detail

    async def _keep(self) -> None:
        """Keep a process running, with longer pauses between tries that fail sooner."""
        loop, pause_s = asyncio.get_running_loop(), RESTART_MIN_S
        while True:
            begun, self._has_worked = loop.time(), False
            try:
                await self._run(await self._find_files())
            except (UpstreamError, Unavailable, OSError) as error:
                # A process that died at work is back in a moment; one that never worked may not be.
                broken: State = "missing" if self._state == "pulling" else "failed"
                self._become("loading" if self._has_worked else broken, str(error))
                log.warning("the embedding model %s does not work: %s", self.model, error)
            if loop.time() - begun > RESTART_MAX_S:
                pause_s = RESTART_MIN_S
            await asyncio.sleep(PULL_AGAIN_S if self._state == "missing" else pause_s)
            pause_s = min(pause_s * 2, RESTART_MAX_S)

    async def _find_files(self) -> Sequence[Path]:
        while (paths := self._files.find_all(self.model)) is None:
            self._become("pulling", "it begins")
            log.info("the embedding model %s is being downloaded", self.model)
            await self._files.pull(self.model, self._report)
        self._become("loading", self._detail if self._state == "loading" else "")
        for path in paths:
            await self._files.check(self.model, path)
        return paths

    def _report(self, done_bytes: int, total_bytes: int, what: str) -> None:
        self._detail = f"{done_bytes >> 20} of {total_bytes >> 20} MB ({what})"

    async def _run(self, paths: Sequence[Path]) -> None:
        """Run one process until it ends. Raises UpstreamError with the reason of its end."""
        model, tokenizer = map(str, paths)
        order = EmbeddingsOrder(
            model=model, tokenizer=tokenizer, threads=self._order.threads, tokens_max=self._order.tokens_max
        )
        async with EmbeddingsChild.run(order) as child:
            self._line, self._has_worked = _Line(child), True
            self._become("ready")
            log.info("the embedding model %s is ready", self.model)
            try:
                await self._line.serve()
            finally:
                self._line = None
                self._become("loading")


def cut_by_length(texts: Sequence[bytes]) -> Iterator[Sequence[int]]:
    """Cut texts into small batches of like length, each the places of its texts: a short one beside a long one
    would cost as much.
    """
    batch: list[int] = []
    held_bytes = 0
    for place in sorted(range(len(texts)), key=lambda place: len(texts[place])):
        held_bytes += len(texts[place])
        if batch and (held_bytes > BYTES_AT_ONCE_MAX or len(batch) == TEXTS_AT_ONCE_MAX):
            yield batch
            batch, held_bytes = [], len(texts[place])
        batch.append(place)
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class _Job:
    """A batch that waits for its answer."""

    texts: Sequence[bytes]
    answer: asyncio.Future[NDArray[np.float32]]

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class _Line:
    """The batches that wait for one process, queries first, else in their order."""

    def __init__(self, child: EmbeddingsChild) -> None:
        self.dimensions = child.dimensions
        self._child = child
        self._numbers = itertools.count()
        self._jobs: asyncio.PriorityQueue[tuple[int, int, _Job | None]] = asyncio.PriorityQueue()
        self._is_over = False

    async def ask(self, texts: Sequence[bytes], *, is_query: bool) -> NDArray[np.float32]:
        """Wait for a batch's turn, and for its answer. Raises Unavailable or UpstreamError."""
        if self._is_over:
            raise _refuse()
        job = _Job(texts, asyncio.get_running_loop().create_future())
        self._jobs.put_nowait((0 if is_query else 1, next(self._numbers), job))
        return await job.answer

    async def serve(self) -> None:
        """Answer until the process ends. Raises UpstreamError with the reason of its end, always.

        Those who wait by then are refused: when the process is back is not known.
        """
        watch = asyncio.create_task(self._watch(), name="embedding model's watch")
        try:
            while job := (await self._jobs.get())[2]:
                await self._answer(job)
            await self._child.wait_end()
        finally:
            self._is_over = True
            watch.cancel()
            while not self._jobs.empty():
                if job := self._jobs.get_nowait()[2]:
                    job.fail(_refuse())

    async def _watch(self) -> None:
        """Wake up ``serve`` when the process ends while nothing is asked of it."""
        with suppress(UpstreamError):
            await self._child.wait_end()
        self._jobs.put_nowait((-1, next(self._numbers), None))

    async def _answer(self, job: _Job) -> None:
        if job.answer.done():  # Nobody waits for it any more.
            return
        try:
            rows = await self._child.embed(job.texts)
        except UpstreamError as error:
            job.fail(error)
            raise
        except asyncio.CancelledError:
            job.fail(_refuse())
            raise
        if not job.answer.done():
            job.answer.set_result(rows)


def _refuse() -> Unavailable:
    text = "The embedding model has ended, and is not back yet."
    return Unavailable(text, code="model_not_ready", retry_after_s=RETRY_AFTER_S)
