"""Files are read in processes of their own, one a call: what a broken file does to its reader stays there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from multiturn.errors import UnreadableFile
from multiturn.ingest.frames import Probed
from multiturn.ingest.options import Bounds, Call, Options, Task
from multiturn.ingest.reader_process import ReaderProcess, Said, Span
from multiturn.ingest.readers import KINDS_READ, ReaderTable
from multiturn.model.asset import Probe
from multiturn.model.segment import Note, Picture, Progress, Reading, Segment, Sound

# A probe looks at the beginning and the end of a file, and a thumbnail decodes a picture or two.
PROBE_S_MAX = 120.0
# Writable memory that is reserved and not used: stacks, and arenas of the C library (measured: 270 MB with OCR).
RESERVED_BYTES = 512 << 20
# HLS holds the streams as they are, in other boxes.
HLS_FACTOR, HLS_BYTES_MIN = 2, 64 << 20


class ReaderLimits(Struct, frozen=True, kw_only=True):
    """What one call may take: seconds, bytes of memory, and threads."""

    reader_s: float = 14400.0
    bytes_max: int = 1536 << 20
    threads: int = 1


class Order(Protocol):
    """How a file is to be read, and what it is."""

    @property
    def probe(self) -> Probe: ...
    @property
    def speech(self) -> bool: ...
    @property
    def screens(self) -> bool: ...
    @property
    def pictures(self) -> bool: ...
    @property
    def sounds(self) -> bool: ...


class ReaderProcesses:
    """Reads files, each call in a process of its own that ends with it.

    ``find_speech_model`` tells the folder of the speech model while it is there. ``environ`` is added to the few
    variables that a reader is given: it sees no key of the server's.
    """

    def __init__(
        self,
        limits: ReaderLimits,
        *,
        find_speech_model: Callable[[], Path | None] = lambda: None,
        table: ReaderTable | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._limits = limits
        self._find_speech_model = find_speech_model
        self._table = table or ReaderTable()
        self._environ = environ or {}

    async def probe(self, path: Path, filename: str) -> Probe:
        """What a file is, by its content; its name is a hint. Raises UnreadableFile, Unavailable."""
        task = self._make_task(self._table.probing, "probe", path)
        task = msgspec.structs.replace(task, filename=filename)
        said = await self._run_short(task)
        found = next((frame.probe for frame in said if isinstance(frame, Probed)), None)
        if found is None:
            raise UnreadableFile("The file could not be read: its reader did not say what it is.")
        return found

    async def read(self, path: Path, order: Order) -> AsyncGenerator[Reading]:
        """Read a file: segments in their order within each modality, pictures, progress.

        Raises UnreadableFile; Unavailable when it may go well another time.
        """
        module = self._table.find_reader(order.probe)
        if module is None:
            raise UnreadableFile(f"Files of type {order.probe.mime} are not read. What is read: {KINDS_READ}.")
        speech_model = self._find_speech_model()
        options = Options(
            probe=order.probe,
            speech=order.speech,
            screens=order.screens,
            pictures=order.pictures,
            sounds=order.sounds,
            speech_model=str(speech_model) if speech_model else None,
            threads=self._limits.threads,
        )
        task = msgspec.structs.replace(self._make_task(module, "read", path), options=options)
        async with aclosing(self._run(task, Span(self._limits.reader_s, self._limits.bytes_max))) as frames:
            async for frame in frames:
                if isinstance(frame, Segment | Picture | Sound | Progress | Note):
                    yield frame

    async def make_thumbnail(self, path: Path, probe: Probe) -> bytes | None:
        """A JPEG of at most 640 pixels a side; None for what has no picture. Raises UnreadableFile, Unavailable."""
        module = self._table.find_thumbnails(probe)
        if module is None:
            return None
        task = msgspec.structs.replace(self._make_task(module, "make_thumbnail", path), probe=probe)
        said = await self._run_short(task)
        return next((frame.jpeg for frame in said if isinstance(frame, Picture)), None)

    async def make_hls(self, path: Path, folder: Path) -> None:
        """Write ``stream.m3u8`` and its segments into a folder, from the streams as they are.

        Raises UnreadableFile when they cannot be played so.
        """
        task = self._make_task(self._table.hls, "make_hls", path)
        size = await asyncio.to_thread(os.path.getsize, path)
        bounds = msgspec.structs.replace(task.bounds, file_bytes=max(size * HLS_FACTOR, HLS_BYTES_MIN))
        task = msgspec.structs.replace(task, folder=str(folder), bounds=bounds)
        async with aclosing(self._run(task, Span(self._limits.reader_s, self._limits.bytes_max))) as frames:
            async for _ in frames:
                pass

    async def _run_short(self, task: Task) -> Sequence[Said]:
        """Do what takes seconds and says little, to its end."""
        span = Span(min(self._limits.reader_s, PROBE_S_MAX), self._limits.bytes_max)
        async with aclosing(self._run(task, span)) as frames:
            return [frame async for frame in frames]

    def _make_task(self, module: str, call: Call, path: Path) -> Task:
        # Processor time is for what the clock cannot end: a process whose server is gone.
        cpu_s = max(int(self._limits.reader_s * self._limits.threads), 1)
        bounds = Bounds(cpu_s=cpu_s, data_bytes=self._limits.bytes_max + RESERVED_BYTES)
        return Task(module=module, call=call, path=str(path), parent=os.getpid(), bounds=bounds)

    async def _run(self, task: Task, span: Span) -> AsyncGenerator[Said]:
        threads = str(self._limits.threads)
        environ = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, **self._environ}
        async with ReaderProcess.run(task, span, environ) as process, aclosing(process.list_frames()) as frames:
            async for frame in frames:
                yield frame
