"""The measurements, each a function that gives figures."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.load import Connection, connect, drive, write_request
from tests.bench.processes import ROOT, Process, mock_model, server

Figures = dict[str, Any]
WARM_TURNS = 500


@asynccontextmanager
async def data_dir() -> AsyncGenerator[Path]:
    """A data directory beside the project: on a disk, where a temporary folder may be memory."""
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as folder:
        yield Path(folder)


def measure_fsync(folder: Path, *, times: int = 200) -> float:
    """The median time of writing 4 KB and waiting for the disk, in ms."""
    took: list[float] = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return 1000 * median(took)


async def measure_truncated_turns() -> Figures:
    """The same turns where what is cut is neither indexed nor recalled."""
    return await measure_turns(context_overflow="truncate", embedding_model="none")


async def measure_turns(*, turns: int = 8000, **settings: object) -> Figures:
    """Stored turns at 16 connections and at one, beside a request that is passed on and a direct call of the model.

    By default the sessions outgrow their windows, and most turns recall.
    """
    async with data_dir() as folder, mock_model(tokens=32) as model, server(folder, model, **settings) as ours:
        await drive(ours, connections=16, turns=WARM_TURNS, session="warm")
        fsync_ms = measure_fsync(folder)
        stored = await drive(ours, connections=16, turns=turns, session="stored")
        passed = await drive(ours, connections=16, turns=turns // 2, session=None)
        direct = await drive(model, connections=1, turns=1000, session=None)
        single = await drive(ours, connections=1, turns=1000, session="single")
    return {
        "stored_16": stored.figures(),
        "passed_through_16": passed.figures(),
        "stored_1": single.figures(),
        "direct_1": direct.figures(),
        "added_p50_ms": round(single.p50_ms - direct.p50_ms, 2),
        "fsync_p50_ms": round(fsync_ms, 2),
        "added_beyond_two_fsyncs_ms": round(single.p50_ms - direct.p50_ms - 2 * fsync_ms, 2),
    }


async def measure_startup() -> Figures:
    """From the start of the process to a ready server, and its memory, without and with some turns; no model of its
    own.
    """
    async with data_dir() as folder, mock_model() as model:
        async with server(folder, model):
            pass
        async with server(folder, model) as ours:
            idle = ours.rss_bytes()
            await drive(ours, connections=16, turns=2000, session="memory")
            return {
                "ready_s": round(ours.ready_s, 2),
                "idle_mb": round(idle / 1e6, 1),
                "after_2000_turns_mb": round(ours.rss_bytes() / 1e6, 1),
            }


async def measure_deltas(*, streams: int = 40, tokens: int = 1000) -> Figures:
    """CPU per streamed delta, from streams of many deltas less streams of one: together, and one every 5 ms."""
    burst = await cpu_per_delta(streams=streams, tokens=tokens, tpot_ms=0)
    paced = await cpu_per_delta(streams=streams, tokens=tokens // 4, tpot_ms=5)
    return {"together_us": round(burst, 1), "paced_5ms_us": round(paced, 1)}


async def cpu_per_delta(*, streams: int, tokens: int, tpot_ms: float) -> float:
    """CPU of the server per delta, in µs."""
    costs = []
    for length in (1, tokens):
        async with (
            data_dir() as folder,
            mock_model(tokens=length, tpot_ms=tpot_ms) as model,
            server(folder, model) as ours,
        ):
            await drive(ours, connections=8, turns=80, session="warm", stream=True)
            costs.append((await drive(ours, connections=8, turns=streams, session="delta", stream=True)).cpu_us)
    return (costs[1] - costs[0]) / (tokens - 1)


async def measure_open_streams(*, streams: int = 2000) -> Figures:
    """Memory per open stream: so many at once, each in a session of its own and in the middle of its answer."""
    async with data_dir() as folder, mock_model(tokens=30, tpot_ms=1000) as model, server(folder, model) as ours:
        await drive(ours, connections=16, turns=WARM_TURNS, session=None)
        before = ours.rss_bytes()
        async with connect(ours, streams) as opened:
            asking = [asyncio.create_task(open_stream(each, n)) for n, each in enumerate(opened)]
            began = time.perf_counter()
            await asyncio.gather(*asking)
            opened_s = time.perf_counter() - began
            await asyncio.sleep(3)
            held = ours.rss_bytes() - before
    return {"streams": streams, "kb_each": round(held / streams / 1000, 1), "all_open_s": round(opened_s, 1)}


async def open_stream(connection: Connection, number: int) -> None:
    """Begin a stream and read its first bytes."""
    connection.writer.write(write_request("Tell me a long story.", f"open-{number}", stream=True))
    await connection.reader.readuntil(b"data: ")


async def measure_length(*, turns: int = 10_000, sample: int = 400) -> Figures:
    """CPU of turn 10 and of turn 10,000: whether a turn costs more in a long session."""
    async with data_dir() as folder, mock_model(tokens=32) as model, server(folder, model) as ours:
        await drive(ours, connections=8, turns=WARM_TURNS, session="warm")
        async with connect(ours, 1) as (connection,):
            # Turn 10 of many sessions against as many turns around turn 10,000 of one; both over one connection.
            for session in range(sample):
                await ask_times(connection, f"short-{session}", 9)
            short = await cpu_of(ours, [(connection, f"short-{session}", 1) for session in range(sample)])
            await ask_times(connection, "long", turns - sample // 2)
            long = await cpu_of(ours, [(connection, "long", sample)])
    return {"turn_10_us": round(short), f"turn_{turns}_us": round(long), "ratio": round(long / short, 2)}


async def ask_times(connection: Connection, session: str, times: int) -> None:
    """Take turns in one session."""
    for turn in range(times):
        await connection.ask(f"This is message number {turn} of this conversation.", session)


async def cpu_of(ours: Process, asked: list[tuple[Connection, str, int]]) -> float:
    """CPU of the server per turn, in µs."""
    before = ours.cpu_s()
    for connection, session, times in asked:
        await ask_times(connection, session, times)
    return 1e6 * (ours.cpu_s() - before) / sum(times for _, _, times in asked)


async def measure_disk(*, turns: int = 200) -> Figures:
    """The size of the database after turns of 1 KB in one session, when the events have expired and the log is
    written back.
    """
    async with data_dir() as folder, mock_model(tokens=64) as model:
        async with server(folder, model, events_life_s=1, sweep_every_s=1) as ours:
            async with connect(ours, 1) as (connection,):
                for turn in range(turns):
                    await connection.ask(f"{turn} " + "x" * 600, "disk")
            await asyncio.sleep(4)
        size = sum(path.stat().st_size for path in folder.glob("multiturn.db*"))
    return {"turns": turns, "bytes": size, "mb": round(size / 1e6, 2)}
