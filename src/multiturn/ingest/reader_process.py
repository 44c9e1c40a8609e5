"""One reader process, seen from the server: how it is started, watched and ended, and what its end means."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from asyncio import IncompleteReadError
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple, NoReturn, Self

import msgspec

from multiturn.errors import MultiturnError, Unavailable, UnreadableFile
from multiturn.ingest.frames import (
    END,
    FRAME_BYTES_MAX,
    LENGTH,
    Done,
    Exhausted,
    Failed,
    Frame,
    Probed,
    Refused,
    decode,
)
from multiturn.ingest.options import Task
from multiturn.model.segment import Reading

log = logging.getLogger(__name__)

STOP_WAIT_S = 2.0
STDERR_BYTES_MAX = 8000
WATCH_EVERY_S = 0.2
RETRY_AFTER_S = 30.0
# Of what a process with so much of its memory in use dies by a signal, it dies of want: libraries do not ask.
STARVING_SHARE = 0.7
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Where programs, libraries and temporary files are, and the language: no setting, no key.
ENVIRON_KEPT = frozenset(
    {"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH"}
)

Said = Reading | Probed


class Span(NamedTuple):
    """How long a process may work, and how much memory it may use."""

    wall_s: float
    bytes_max: int


class ReaderProcess:
    """A process that does one task. The memory it uses is watched here, for the kernel's limit must be wider; the
    clock runs while something is awaited of it, and stands while nobody asks.
    """

    def __init__(self, process: Process, task: Task, span: Span) -> None:
        self._process = process
        self._task = task
        self._span = span
        self._left_s = span.wall_s
        self._stderr = b""
        self._peak_bytes = 0
        self._is_starved = False

    @classmethod
    @asynccontextmanager
    async def run(cls, task: Task, span: Span, environ: Mapping[str, str]) -> AsyncIterator[Self]:
        """Start a process with a task; it is killed at the end, with all that it started, if it has not ended by
        itself.
        """
        kept = {name: value for name, value in os.environ.items() if name in ENVIRON_KEPT}
        # With -P nothing of the working directory is imported there.
        words = (sys.executable, "-P", "-m", "multiturn.ingest.child")
        started = await asyncio.create_subprocess_exec(
            *words, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=kept | dict(environ), start_new_session=True
        )
        process = cls(started, task, span)
        tasks = [asyncio.create_task(process._listen()), asyncio.create_task(process._watch())]
        try:
            yield process
        finally:
            await process._stop(tasks)

    async def list_frames(self) -> AsyncGenerator[Said]:
        """What the process says, to its end. Raises UnreadableFile or Unavailable with the reason of a bad one."""
        await self._hand_over()
        while True:
            frame = await self._read_frame()
            if isinstance(frame, END):
                # It leaves by itself now: to kill it while it does would have asyncio miss its end.
                await self._wait_end()
            match frame:
                case Done():
                    log.debug("%s of %s took %d MB", self._task.call, self._task.module, self._peak_bytes >> 20)
                    return
                case Refused(text=text, is_passing=False):
                    raise UnreadableFile(text)
                case Refused(text=text):
                    raise Unavailable(text, code="reader_unavailable", retry_after_s=RETRY_AFTER_S)
                case Exhausted():
                    raise self._starve()
                case Failed(error=error):
                    self._log("failed")
                    raise UnreadableFile(f"The file could not be read: its reader failed ({error}). It may be damaged.")
                case _:
                    yield frame

    async def _hand_over(self) -> None:
        assert self._process.stdin is not None
        # A process that died already says so by its output.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._process.stdin.write(msgspec.msgpack.encode(self._task))
            await self._process.stdin.drain()
        self._process.stdin.close()

    async def _read_frame(self) -> Frame:
        assert self._process.stdout is not None
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(self._left_s):
                (length,) = LENGTH.unpack(await self._process.stdout.readexactly(LENGTH.size))
                if length > FRAME_BYTES_MAX:
                    raise UnreadableFile(f"The file could not be read: a piece of it took {length >> 20} MB.")
                return decode(await self._process.stdout.readexactly(length))
        except TimeoutError as error:
            raise self._overrun() from error
        except msgspec.DecodeError as error:
            raise UnreadableFile("The file could not be read: its reader said what makes no sense.") from error
        except IncompleteReadError:
            await self._raise_end()
        finally:
            self._left_s -= loop.time() - begun

    async def _raise_end(self) -> NoReturn:
        """Say why the process ended in the middle."""
        await self._wait_end()
        status = self._process.returncode or 0
        is_starving = self._peak_bytes > self._span.bytes_max * STARVING_SHARE
        if self._is_starved or (status < 0 and is_starving):
            raise self._starve()
        if status == -signal.SIGXCPU:
            raise self._overrun()
        name = signal.Signals(-status).name if status < 0 else f"status {status}"
        self._log(f"stopped ({name})")
        if status == -signal.SIGKILL:  # Nobody here did it: the kernel kills when the machine's memory is out.
            text = "Reading the file was stopped from outside (SIGKILL): the machine may be short of memory."
            raise Unavailable(text, code="reader_unavailable", retry_after_s=RETRY_AFTER_S)
        if status == -signal.SIGABRT:  # Libraries in C leave so when a piece is larger than their memory.
            reason = f"it is damaged, or a piece of it needs more than {self._span.bytes_max >> 20} MB"
            raise UnreadableFile(f"The file could not be read: {reason}.")
        raise UnreadableFile(f"The file could not be read: its reader stopped ({name}). It may be damaged.")

    def _starve(self) -> MultiturnError:
        text = f"Reading the file took more than {self._span.bytes_max >> 20} MB of memory."
        return Unavailable(text, code="reader_unavailable", retry_after_s=RETRY_AFTER_S)

    def _overrun(self) -> MultiturnError:
        return UnreadableFile(f"Reading the file took longer than {describe_s(self._span.wall_s)}, and was stopped.")

    def _log(self, how: str) -> None:
        said = self._stderr.decode(errors="replace").strip()
        log.warning("the reader %s %s on %s: %s", self._task.module, how, self._task.path, said)

    async def _listen(self) -> None:
        """Keep the last words of the process until it has ended."""
        assert self._process.stderr is not None
        while piece := await self._process.stderr.read(STDERR_BYTES_MAX):
            self._stderr = (self._stderr + piece)[-STDERR_BYTES_MAX:]
        await self._process.wait()

    async def _watch(self) -> None:
        """Kill the process when it uses more memory than it may, and what it leaves behind: that would hold its output
        open.
        """
        while self._process.returncode is None:
            with suppress(OSError, ValueError):  # It has ended; or this is no Linux, and nothing is known of it.
                used_bytes = measure_memory(self._process.pid)
                self._peak_bytes = max(self._peak_bytes, used_bytes)
                if used_bytes > self._span.bytes_max:
                    self._is_starved = True
                    self._kill()
            await asyncio.sleep(WATCH_EVERY_S)
        self._kill()

    async def _wait_end(self) -> None:
        """Wait for a process whose output has ended; one that lives on is killed."""
        try:
            await asyncio.wait_for(self._process.wait(), STOP_WAIT_S)
        except TimeoutError:
            self._kill()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), STOP_WAIT_S)

    def _kill(self) -> None:
        """Kill the process and what it started: it leads a group of its own."""
        with suppress(ProcessLookupError, PermissionError):  # Nobody of the group is left.
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        """End the process, and have its last words before the pipes are closed: not for long, for whoever left the
        group may hold them open.
        """
        self._kill()
        tasks[1].cancel()
        _, left = await asyncio.wait(tasks, timeout=STOP_WAIT_S)
        if left:
            # Pipes that somebody else holds open are let go by the transport alone, which has no public name.
            self._process._transport.close()  # type: ignore[attr-defined]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


def measure_memory(pid: int) -> int:
    """The memory of a process, in bytes, without what it shares with files. Raises OSError when it is gone, or where
    there is no /proc.
    """
    _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
    return (resident - shared) * PAGE_BYTES


def describe_s(seconds: float) -> str:
    """A time as a person says it."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} seconds"
