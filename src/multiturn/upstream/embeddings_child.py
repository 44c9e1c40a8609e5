"""One run of the embedding model's process, seen from the server: its start, its answers and its end."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from multiturn.errors import UpstreamTimeout
from multiturn.upstream.model_process import ModelProcess

PROGRAM = Path(__file__).with_name("embeddings_process.py")
TITLE = "The embedding model"
LENGTH = struct.Struct("<I")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
"""Libraries would start a thread for every core, beside those that the model is told to use."""
LOAD_MAX_S = 120.0
ANSWER_MAX_S = 60.0
"""An answer that took so long will not come: the process is ended, and started anew by its keeper."""


class EmbeddingsOrder(Struct, frozen=True, kw_only=True):
    """What a process is told at its start."""

    model: str
    tokenizer: str
    threads: int
    tokens_max: int


class _StartOrder(EmbeddingsOrder, frozen=True, kw_only=True):
    parent: int


class EmbeddingsChild:
    """A process with a loaded model, which answers one request at a time; ``dimensions`` is the length of a row."""

    def __init__(self, process: ModelProcess, dimensions: int) -> None:
        self._process = process
        self.dimensions = dimensions
        self.wait_end = process.wait_end

    @classmethod
    @asynccontextmanager
    async def run(cls, order: EmbeddingsOrder) -> AsyncIterator[Self]:
        """Start a process, load and warm up its model, and end it. Raises UpstreamError if it cannot load."""
        start = _StartOrder(**msgspec.structs.asdict(order), parent=os.getpid())
        async with ModelProcess.run(TITLE, PROGRAM, start, environ=ONE_THREAD) as process:
            said = await _read_answer(process, LOAD_MAX_S)
            yield cls(process, LENGTH.unpack(said)[0])

    async def embed(self, texts: Sequence[bytes]) -> NDArray[np.float32]:
        """Turn texts (UTF-8) into rows; a call that is given up leaves the process out of step.

        Raises UpstreamError (``model_crashed``) or UpstreamTimeout, and the process is at its end.
        """
        request = b"".join(part for text in texts for part in (LENGTH.pack(len(text)), text))
        self._process.input.write(LENGTH.pack(len(request)) + request)
        answer = await _read_answer(self._process, ANSWER_MAX_S)
        return np.frombuffer(answer, np.float32).reshape(len(texts), self.dimensions)


async def _read_answer(process: ModelProcess, limit_s: float) -> bytes:
    try:
        async with asyncio.timeout(limit_s):
            (length,) = LENGTH.unpack(await process.output.readexactly(LENGTH.size))
            return await process.output.readexactly(length)
    except asyncio.IncompleteReadError:
        await process.wait_end()
    except TimeoutError as error:
        process.kill()
        raise UpstreamTimeout(f"{TITLE} did not answer within {limit_s:.0f} s.") from error
