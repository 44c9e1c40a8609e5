"""MCP over a process's pipes: a message a line. Unlike the client library's own, a line has a limit."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from types import TracebackType

import anyio
import mcp_types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from multiturn.upstream.mcp_delivery import note_sent
from multiturn.upstream.mcp_places import Command

STOP_WAIT_S = 2.0
# Lines that are no messages: some servers greet on their standard output.
STRAYS_MAX = 100
SAID_BYTES_MAX = 2000
# Of our environment, which holds keys, a server gets these only.
INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")
Incoming = SessionMessage | Exception


class StdioTransport:
    """A server's process, and its pipes as the streams that the client library speaks through.

    ``end`` is set when the server has ended or is not listened to any more, for the ``reason`` that is there then.
    """

    def __init__(self, command: Command, end: asyncio.Event, *, line_bytes_max: int) -> None:
        self.command = command
        self.end = end
        self.line_bytes_max = line_bytes_max
        self.reason = "its process has ended"
        self.said = ""

    async def __aenter__(self) -> tuple[MemoryObjectReceiveStream[Incoming], InputStream]:
        """Start the process. Raises OSError."""
        inherited = {name: value for name in INHERITED if (value := os.environ.get(name))}
        self._process = await asyncio.create_subprocess_exec(
            self.command.command,
            *self.command.args,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=inherited | dict(self.command.env),
            limit=self.line_bytes_max,
            start_new_session=True,
        )
        sending, receiving = anyio.create_memory_object_stream[Incoming](0)
        self._received = receiving
        self._tasks = (
            asyncio.create_task(self._read(self._process, sending), name="MCP server's output"),
            asyncio.create_task(self._listen(self._process), name="MCP server's last words"),
        )
        return receiving, InputStream(self._process, self.end)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, whatever happens: it is asked to leave by closing its input, and then made to."""
        with anyio.CancelScope(shield=True):
            self.end.set()
            self._received.close()
            await stop(self._process)
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    async def _read(self, process: Process, sending: MemoryObjectSendStream[Incoming]) -> None:
        """Hand on the messages of the process until its output ends."""
        assert process.stdout is not None
        strays = 0
        with sending, suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            while line := await self._read_line(process.stdout):
                message = read_message(line)
                if message is not None:
                    await sending.send(message)
                elif (strays := strays + 1) > STRAYS_MAX:
                    self.reason = "it writes what is no message of the protocol"
                    break
        self.end.set()

    async def _listen(self, process: Process) -> None:
        """Keep what the process says last on its standard error, for who looks why it did not start."""
        assert process.stderr is not None
        said = b""
        while piece := await process.stderr.read(SAID_BYTES_MAX):
            said = (said + piece)[-SAID_BYTES_MAX:]
            self.said = said.decode(errors="replace")

    async def _read_line(self, output: asyncio.StreamReader) -> bytes:
        """The next line, nothing at the end, nor of one over the limit."""
        try:
            return await output.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            self.reason = f"it sent a message of more than {self.line_bytes_max} bytes"
        except (asyncio.IncompleteReadError, ConnectionError):
            self.reason = "its process has ended"
        return b""


class InputStream:
    """The input of a server's process, as the client library writes to it."""

    def __init__(self, process: Process, end: asyncio.Event) -> None:
        assert process.stdin is not None
        self._input = process.stdin
        self._end = end

    async def send(self, item: SessionMessage, /) -> None:
        """Send one message. Raises BrokenResourceError when there is nobody to send it to."""
        if self._end.is_set() or self._input.is_closing():
            raise anyio.BrokenResourceError
        text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        note_sent()
        self._input.write(text.encode() + b"\n")
        try:
            await self._input.drain()
        except OSError as error:
            raise anyio.BrokenResourceError from error

    async def aclose(self) -> None:
        """The transport closes it."""

    async def __aenter__(self) -> InputStream:
        """Nothing is opened."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The transport closes it."""


def read_message(line: bytes) -> SessionMessage | None:
    """A line as a message, None when it is none."""
    try:
        return SessionMessage(mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        return None


async def stop(process: Process) -> None:
    """End a process and all that it started: by closing its input, by SIGTERM, by SIGKILL."""
    assert process.stdin is not None
    process.stdin.close()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            kill_group(process, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_WAIT_S)
            break
    kill_group(process, signal.SIGKILL)


def kill_group(process: Process, number: signal.Signals) -> None:
    """Send a signal to a process, which leads its group, and to those of the group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
