"""Load: requests over raw connections, so that the one who measures takes little of the machine that is measured."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median

from tests.bench.processes import KEY, Process

PATH = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Load:
    """What a stretch of load took: requests a second, CPU of the server per request, and the latency of the median
    request.
    """

    per_s: float
    cpu_us: float
    p50_ms: float

    def figures(self) -> dict[str, float]:
        """Rounded, as they are printed."""
        return {"per_s": round(self.per_s), "cpu_us": round(self.cpu_us), "p50_ms": round(self.p50_ms, 2)}


class Connection:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, text: str, session: str | None = None, *, stream: bool = False) -> int:
        """Ask one question and read the answer to its end. The number of its bytes."""
        self.writer.write(write_request(text, session, stream=stream))
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError((head + await self.reader.read(2000)).decode("latin-1"))
        lower = head.lower()
        if b"content-length:" in lower:
            length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
            return len(await self.reader.readexactly(length))
        return await self._read_chunks()

    async def _read_chunks(self) -> int:
        size = 0
        while length := int((await self.reader.readuntil(b"\r\n"))[:-2], 16):
            await self.reader.readexactly(length + 2)
            size += length
        await self.reader.readexactly(2)
        return size


def write_request(text: str, session: str | None, *, stream: bool) -> bytes:
    """A chat completion as bytes."""
    body = json.dumps({"model": "mock", "messages": [{"role": "user", "content": text}], "stream": stream}).encode()
    lines = [f"POST {PATH} HTTP/1.1", "host: bench", f"authorization: Bearer {KEY}", f"content-length: {len(body)}"]
    if session:
        lines.append(f"sessionId: {session}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def connect(process: Process, number: int) -> AsyncGenerator[Sequence[Connection]]:
    """Open so many connections."""
    opened = [await asyncio.open_connection("127.0.0.1", process.port, limit=1 << 20) for _ in range(number)]
    try:
        yield [Connection(reader, writer) for reader, writer in opened]
    finally:
        for _, writer in opened:
            writer.close()


async def drive(process: Process, *, connections: int, turns: int, session: str | None, stream: bool = False) -> Load:
    """Drive turns over some connections, each with a session of its own, one behind the other."""
    times: list[float] = []

    async def ask_all(connection: Connection, number: int) -> None:
        name = f"{session}-{number}" if session else None
        for turn in range(turns // connections):
            began = time.perf_counter()
            await connection.ask(f"This is message number {turn} of this conversation.", name, stream=stream)
            times.append(time.perf_counter() - began)

    async with connect(process, connections) as opened:
        cpu_s, began = process.cpu_s(), time.perf_counter()
        await asyncio.gather(*(ask_all(connection, number) for number, connection in enumerate(opened)))
        took_s, cpu_s = time.perf_counter() - began, process.cpu_s() - cpu_s
    return Load(len(times) / took_s, 1e6 * cpu_s / len(times), 1000 * median(times))
