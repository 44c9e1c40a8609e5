#!/usr/bin/env python3
"""Measure what a stored turn costs on SQLite: CPU, commits and time, at 1 and at 16 callers; prints JSON.

    python tools/measure_store.py [--turns N] [--folder PATH] [--profile]

The folder's disk is the one whose fsync counts; ``fsync: false`` beside a figure is the same without any, as their
system calls cost CPU too. The CPU is that of the whole process, less what the measurement itself takes.
``--profile`` prints where the time goes instead. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
import uvloop
from msgspec import Raw

from multiturn.model.content import Message
from multiturn.model.event import EventBatch
from multiturn.model.ids import new_id
from multiturn.model.item import Item, Range
from multiturn.model.session import SessionKey
from multiturn.model.turn import Begun, Ending, RunOrder, TurnOrder
from multiturn.model.usage import Usage
from multiturn.store.sqlite import SqliteDatabase
from multiturn.store.turns import SqlTurnStore

ASKED = (Message(role="user", content="What did we say about the boxes? " * 6),)
ANSWER = Message(role="assistant", content="The third box holds twelve apples and stands in room four. " * 5)
STREAMED = "\n".join(['{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"The third "}}]}'] * 12)
TURN = TurnOrder(input=ASKED, model="a-model", digest=bytes(16), fields={"temperature": Raw(b"0.7")})


def make_order(caller: UUID, server_id: UUID, tenant_id: UUID) -> RunOrder:
    return RunOrder(
        run_id=new_id(),
        server_id=server_id,
        session=SessionKey(tenant_id=tenant_id, user_id=tenant_id, external_id=str(caller)),
        new_session_id=new_id(),
        turn=TURN,
        concurrency="queue",
        idle_expiry_s=86400,
        queue_max=100,
        now=datetime.now(UTC),
    )


def make_ending(begun: Begun) -> Ending:
    now, head, run_id = datetime.now(UTC), begun.session.head, begun.run.id
    return Ending(
        status="completed",
        ended_at=now,
        after=head,
        items=[
            Item(seq=head + 1, run_id=run_id, content=ASKED[0], tokens=50, created_at=now),
            Item(seq=head + 2, run_id=run_id, content=ANSWER, tokens=70, created_at=now),
        ],
        input=(),
        input_items=Range(head + 1, head + 1),
        output_items=Range(head + 2, head + 2),
        usage=Usage(input_tokens=500, output_tokens=70),
        finish_reason="stop",
        first_token_ms=120,
        events=EventBatch(first=1, body=STREAMED),
    )


async def take_turns(store: SqlTurnStore, server_id: UUID, tenant_id: UUID, turns: int) -> None:
    """One caller: turn after turn in a session of its own."""
    caller = new_id()
    for _ in range(turns):
        begun = await store.begin(tenant_id, make_order(caller, server_id, tenant_id))
        assert begun.lease
        await store.end(tenant_id, begun.lease, make_ending(begun))


@asynccontextmanager
async def open_store(folder: Path, *, syncs: bool) -> AsyncGenerator[tuple[SqliteDatabase, SqlTurnStore]]:
    database = SqliteDatabase(folder / "measured.db")
    await database.migrate()
    if not syncs:
        database.writer.pragma("synchronous", "off")
    try:
        yield database, SqlTurnStore(database)
    finally:
        await database.close()


async def measure(folder: Path, callers: int, turns: int, *, syncs: bool) -> dict[str, Any]:
    server_id, tenant_id, commits = new_id(), new_id(), [0]

    def count_commit() -> bool:
        commits[0] += 1
        return False

    async with open_store(folder, syncs=syncs) as (database, store):
        await asyncio.gather(*(take_turns(store, server_id, tenant_id, 10) for _ in range(callers)))
        database.writer.set_commit_hook(count_commit)
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(take_turns(store, server_id, tenant_id, turns // callers) for _ in range(callers)))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        taken = turns // callers * callers
        return {
            "callers": callers,
            "fsync": syncs,
            "cpu_us_per_turn": round(cpu / taken * 1e6),
            "turns_per_s": round(taken / took),
            "commits_per_turn": round(commits[0] / taken, 3),
        }


async def measure_overhead(folder: Path, turns: int) -> float:
    """What the measurement itself costs: the same orders and endings, not given to the store."""
    server_id, tenant_id = new_id(), new_id()
    async with open_store(folder, syncs=False) as (_, store):
        begun = await store.begin(tenant_id, make_order(new_id(), server_id, tenant_id))
    cpu = time.process_time()
    for _ in range(turns):
        make_order(tenant_id, server_id, tenant_id)
        make_ending(begun)
    return (time.process_time() - cpu) / turns * 1e6


def measure_fsync(folder: Path) -> float:
    """The median time of a small append and its fsync, in microseconds."""
    times = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def main(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)

        def run(callers: int, *, syncs: bool) -> dict[str, Any]:
            with tempfile.TemporaryDirectory(dir=folder) as inner:
                return uvloop.run(measure(Path(inner), callers, arguments.turns, syncs=syncs))

        if arguments.profile:
            profile = cProfile.Profile()
            profile.runcall(run, 16, syncs=False)
            pstats.Stats(profile).sort_stats("tottime").print_stats(35)
            return
        figures: dict[str, Any] = {
            "sqlite": apsw.sqlite_lib_version(),
            "fsync_us": round(measure_fsync(folder)),
            "measuring_us_per_turn": round(uvloop.run(measure_overhead(folder, arguments.turns))),
            "turns": [run(callers, syncs=syncs) for callers in (1, 16) for syncs in (True, False)],
        }
        for turn in figures["turns"]:
            turn["cpu_us_per_turn"] -= figures["measuring_us_per_turn"]
        print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=8000)
    parser.add_argument("--folder", help="where the database is made and removed again, else the temporary folder")
    parser.add_argument("--profile", action="store_true")
    main(parser.parse_args())
