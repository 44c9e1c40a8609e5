#!/usr/bin/env python3
"""Measure what calling a model costs this process, against tools/mock_upstream.py.

    measure_upstream.py [--calls N] [--tokens N] [--streams N] [--profile]

Prints JSON. Times are microseconds of CPU (user and system) of this process alone; providers run in others.

whole               a call that is not streamed, one after the other and 16 at a time
together            a delta of streams that are sent in one write
burst               a delta of streams that the mock writes piece by piece, as fast as it can
paced               a delta of 16 streams that speak every 20 ms: each arrives alone
reading             a delta read from memory: the share of splitting and decoding
open_stream_bytes   memory of a stream that is open and waits for its next piece

--profile prints where the time of whole calls goes (cProfile, which costs time itself) instead.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import json
import pstats
import resource
import socket
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import uvloop
from msgspec import Raw

from multiturn.model.completion import ModelRequest
from multiturn.upstream.http import open_session
from multiturn.upstream.openai_chat import OpenAIChatUpstream, StreamedAnswer

MOCK = Path(__file__).with_name("mock_upstream.py")
MESSAGES = json.dumps([{"role": "user", "content": "Tell me of the sea. " * 12}]).encode()
REQUEST = ModelRequest(model="mock", messages=Raw(MESSAGES), fields={"temperature": Raw(b"0.2")})
AT_ONCE = 16
PIECE_BYTES = 16_384


def write_event(finish_reason: str | None = None) -> bytes:
    """An event of a stream, as the mock writes it."""
    choices = [{"index": 0, "delta": {"content": "word "}, "finish_reason": finish_reason}]
    head = {"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 0, "model": "mock"}
    return b"data: " + json.dumps({**head, "choices": choices, "usage": None}).encode() + b"\n\n"


async def serve_together(port: int, tokens: int) -> None:
    """Answer every request with a stream in one write, an HTTP chunk an event."""
    events = [*[write_event()] * tokens, write_event("stop"), b"data: [DONE]\n\n", b""]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    stream = head + b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r")[0]))
            writer.write(stream)

    async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
        await server.serve_forever()


@asynccontextmanager
async def open_provider(program: Path, *options: str) -> AsyncGenerator[OpenAIChatUpstream]:
    """Run a provider, the mock or this file, and call it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    silence = asyncio.subprocess.DEVNULL
    started = (sys.executable, str(program), "--port", str(port), *options)
    provider = await asyncio.create_subprocess_exec(*started, stderr=silence)
    try:
        await wait_for_port(port)
        async with open_session(connections_max=0) as session:
            yield OpenAIChatUpstream(f"http://127.0.0.1:{port}/v1", "key", session)
    finally:
        provider.terminate()
        await provider.wait()


async def wait_for_port(port: int) -> None:
    """Wait until something listens."""
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise SystemExit("The provider does not listen.")


def read_cpu_us() -> float:
    """The CPU time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e6


async def measure(call: Callable[[], Awaitable[int]], *, calls: int, at_once: int) -> float:
    """The CPU of one unit of work; a call says how many units it was."""

    async def repeat() -> int:
        return sum([await call() for _ in range(calls // at_once)])

    await asyncio.gather(*(call() for _ in range(at_once)))
    began = read_cpu_us()
    units = sum(await asyncio.gather(*(repeat() for _ in range(at_once))))
    return round((read_cpu_us() - began) / units, 2)


async def measure_whole(calls: int) -> dict[str, float]:
    """Calls that are not streamed."""
    async with open_provider(MOCK, "--tokens", "32") as upstream:

        async def complete() -> int:
            await upstream.complete(REQUEST)
            return 1

        one = await measure(complete, calls=calls, at_once=1)
        return {"one_at_a_time": one, "16_at_a_time": await measure(complete, calls=calls, at_once=AT_ONCE)}


async def measure_deltas(program: Path, *options: str, calls: int, at_once: int) -> dict[str, float]:
    """Deltas of streams, and how many arrived together."""
    async with open_provider(program, *options) as upstream:
        batches = deltas = 0

        async def stream() -> int:
            nonlocal batches, deltas
            sizes = [len(together) async for together in upstream.stream(REQUEST)]
            batches, deltas = batches + len(sizes), deltas + sum(sizes)
            return sum(sizes)

        cost = await measure(stream, calls=calls, at_once=at_once)
        return {"per_delta": cost, "deltas_together": round(deltas / batches, 1)}


def measure_reading(deltas: int) -> float:
    """Reading the bytes of a stream without a network."""
    stream = write_event() * deltas
    answer = StreamedAnswer(len(stream))
    began = time.process_time()
    for start in range(0, len(stream), PIECE_BYTES):
        answer.feed(stream[start : start + PIECE_BYTES])
    return round((time.process_time() - began) / deltas * 1e6, 2)


async def measure_memory(streams: int) -> int:
    """Memory of streams that have begun and wait."""
    async with open_provider(MOCK, "--tokens", "2", "--tpot-ms", "60000") as upstream:
        await asyncio.gather(*(upstream.complete(REQUEST) for _ in range(AT_ONCE)))
        gc.collect()
        before = psutil.Process().memory_info().rss
        opened = [upstream.stream(REQUEST) for _ in range(streams)]
        for first in range(0, streams, 100):
            await asyncio.gather(*(anext(stream) for stream in opened[first : first + 100]))
        gc.collect()
        each = (psutil.Process().memory_info().rss - before) // streams
        for stream in opened:
            await stream.aclose()
        return each


async def measure_all(options: argparse.Namespace) -> None:
    """Measure everything, and print it."""
    calls, tokens = options.calls, ("--tokens", str(options.tokens))
    slow = ("--tokens", "64", "--tpot-ms", "20")
    figures = {
        "whole": await measure_whole(calls),
        "together": await measure_deltas(Path(__file__), *tokens, calls=calls // 10, at_once=AT_ONCE),
        "burst": await measure_deltas(MOCK, *tokens, calls=calls // 20, at_once=AT_ONCE),
        "paced": await measure_deltas(MOCK, *slow, calls=AT_ONCE * 2, at_once=AT_ONCE),
        "reading": measure_reading(100_000),
        "open_stream_bytes": await measure_memory(options.streams),
    }
    print(json.dumps(figures, indent=2))


async def profile(calls: int) -> None:
    """Print where whole calls spend their time."""
    async with open_provider(MOCK, "--tokens", "32") as upstream:
        await upstream.complete(REQUEST)
        profiler = cProfile.Profile()
        profiler.enable()
        for _ in range(calls):
            await upstream.complete(REQUEST)
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> None:
    """Read the command line."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument(
        "--port", type=int, help="serve streams in one write, which the measurement starts itself"
    )
    options = parser.parse_args()
    if options.port:
        uvloop.run(serve_together(options.port, options.tokens))
    elif options.profile:
        uvloop.run(profile(options.calls))
    else:
        uvloop.run(measure_all(options))


if __name__ == "__main__":
    main()
